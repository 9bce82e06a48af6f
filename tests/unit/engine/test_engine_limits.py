"""How large things may be that an execution stores."""

from __future__ import annotations

import pytest
from harness import World

from maestrale.model.errors import BadRequest

TEXT = """
    w:
      input: [{i: small}]
      tasks:
        t:
          action: remote
          publish: {p: <% $.i.len() > 0 and MORE %>}
          on-error: h
        h: {action: std.noop}
"""
TOO_LARGE = "Field size limit exceeded"


def world(published: str = "true", limit: int = 4) -> World:
    return World(TEXT.replace("MORE", published), field_size_kb=limit)


def test_too_large_an_input_refuses_the_start() -> None:
    with pytest.raises(BadRequest, match=rf"{TOO_LARGE} \[class=.*, field=input, size=\d+KB, limit=4KB\]"):
        world().start(input={"i": "x" * 5000})


@pytest.mark.covers("eng.field_limit")
def test_too_large_a_result_fails_task_and_workflow_at_once() -> None:
    found = world().start()
    found.finish("t", "x" * 5000)
    assert (found.state, found.states) == ("ERROR", {"t": "ERROR"})
    assert TOO_LARGE in found.info


def test_too_much_published_fails_task_and_workflow_at_once() -> None:
    found = world("task().result * 1000").start()
    found.finish("t", "abcdef")
    assert (found.state, found.states) == ("ERROR", {"t": "ERROR"})
    assert TOO_LARGE in found.info
    assert "field=published" in found.info


@pytest.mark.parametrize("limit", [-1, 1024])
def test_what_is_within_the_limit_passes(limit: int) -> None:
    found = world("task().result", limit).start(input={"i": "x" * 5000})
    found.finish("t", "y" * 5000)
    assert (found.state, found.output) == ("SUCCESS", {"p": "y" * 5000})


def test_a_reason_is_cut_and_never_refused() -> None:
    found = world(limit=-1).start()
    found.fail("t", "x" * 100_000)
    assert found.states == {"t": "ERROR", "h": "SUCCESS"}
    assert len(found.task("t").state_info or "") == 65500
