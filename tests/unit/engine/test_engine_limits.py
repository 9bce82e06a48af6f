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


def test_too_large_an_output_fails_the_workflow() -> None:
    text = """
        w:
          OUTPUT
          tasks:
            a: {action: remote, publish: {p: <% task().result %>}, on-success: j}
            b: {action: remote, publish: {q: <% task().result %>}, on-success: j}
            j: {join: all}
    """
    for section in (
        "description: x",
        "output: {o: <% $.p + $.q %>}",
        "output-on-error: {o: <% $.p + $.q %>}",
    ):
        found = World(text.replace("OUTPUT", section), field_size_kb=4).start()
        found.finish("a", "x" * 3000)
        found.finish("b", "y" * 3000)
        assert found.state == "ERROR"
        assert "Failed to check and complete" in found.info
        assert TOO_LARGE in found.info
        assert "class=WorkflowExecution, field=output" in found.info
        assert found.output == {"result": found.info}


def test_too_large_an_output_refuses_success_on_demand() -> None:
    found = World("w: {output: {o: <% 'x' * 5000 %>}, tasks: {a: {action: remote}}}", field_size_kb=4).start()
    with pytest.raises(BadRequest, match=TOO_LARGE):
        found.stop("SUCCESS")
    assert found.state == "RUNNING"


@pytest.mark.parametrize(
    ("task", "field"),
    [
        ("action: remote p=<% $.v %>", "class=ActionExecution, field=input"),
        ("workflow: sub p=<% $.v %>", "class=WorkflowExecution, field=input"),
        ("workflow: sub p=1 q=<% $.v %>", "class=WorkflowExecution, field=params"),
    ],
)
def test_too_large_an_input_of_a_child_fails_task_and_workflow_at_once(task: str, field: str) -> None:
    text = f"""
        w:
          tasks:
            a: {{publish: {{half: <% 'x' * 3000 %>}}, on-success: t}}
            t:
              {task.replace("$.v", "$.half + $.half")}
              on-error: h
            h: {{action: std.noop}}
        sub:
          input: [p]
          tasks: {{s: {{action: std.noop}}}}
    """
    found = World(text, field_size_kb=4).start()
    assert (found.state, found.states) == ("ERROR", {"a": "SUCCESS", "t": "ERROR"})
    assert field in found.info
    assert TOO_LARGE in found.info
    assert not found.execution.children


def test_a_child_keeps_to_the_limit_of_the_operator() -> None:
    text = """
        w: {input: [v], tasks: {t: {workflow: sub p=<% $.v %>}}}
        sub: {input: [p], tasks: {s: {action: std.noop}}}
    """
    found = World(text, field_size_kb=-1).start(input={"v": "x" * 2_000_000})
    assert found.state == "SUCCESS"


def test_the_message_of_a_pause_is_cut() -> None:
    found = World("w: {tasks: {t: {on-success: pause msg=<% 'x' * 100000 %>}}}").start()
    assert len(found.info) == 65500
