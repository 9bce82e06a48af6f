"""A paused execution remembers who paused it."""

from __future__ import annotations

import pytest
from harness import World, run

from maestrale.engine.execution import Cause


@pytest.mark.parametrize(
    ("tasks", "cause"),
    [
        ("a: {on-success: [pause]}", {"kind": "pause", "by": "command", "task": "a"}),
        ("b: {pause-before: true}", {"kind": "pause", "by": "pause-before", "task": "b"}),
    ],
)
def test_pauses_of_the_definition(tasks: str, cause: Cause) -> None:
    found = run(f"w: {{tasks: {{{tasks}}}}}")
    assert (found.state, found.workflow.cause) == ("PAUSED", cause)


def test_a_pause_goes_up_and_down() -> None:
    top = World("""
        w: {tasks: {a: {workflow: sub}, b: {workflow: sub}}}
        sub: {tasks: {s: {action: remote}}}
    """).start()
    child, other = top.child("a"), top.child("b")
    child.pause()
    assert child.workflow.cause == {"kind": "pause", "by": "request"}
    assert top.workflow.cause == {"kind": "pause", "by": "child", "task": "a", "id": child.id}
    assert other.workflow.cause == {"kind": "pause", "by": "parent"}
