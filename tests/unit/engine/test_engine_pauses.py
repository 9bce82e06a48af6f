"""A paused execution remembers who paused it."""

from __future__ import annotations

import pytest
from harness import World, run

from maestrale.engine.events import PauseRequested, ResumeRequested
from maestrale.engine.execution import Cause
from maestrale.model.maintenance import CAUSE


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


def test_maintenance_takes_back_only_its_own_pauses() -> None:
    held = run("w: {tasks: {a: {action: remote}}}")
    held.send(PauseRequested(maintenance=True))
    assert held.workflow.cause == CAUSE
    held.send(ResumeRequested(maintenance=True))
    assert (held.state, held.workflow.cause) == ("RUNNING", {"kind": "tasks"})
    held.pause()
    held.send(PauseRequested(maintenance=True))
    held.send(ResumeRequested(maintenance=True))
    assert (held.state, held.workflow.cause) == ("PAUSED", {"kind": "pause", "by": "request"})


def test_maintenance_holds_and_frees_a_whole_tree() -> None:
    top = World("""
        w: {tasks: {a: {workflow: sub}}}
        sub: {tasks: {s: {action: remote}}}
    """).start()
    child = top.child("a")
    top.send(PauseRequested(maintenance=True))
    assert (child.state, child.workflow.cause) == ("PAUSED", {"kind": "pause", "by": "parent"})
    top.send(ResumeRequested(maintenance=True))
    assert (top.state, child.state) == ("RUNNING", "RUNNING")
