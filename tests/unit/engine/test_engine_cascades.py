"""Telling many sub-workflows: a bounded number in each decision, and the last command wins everywhere."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from harness import Run, World

from maestrale.engine.effects import Tell
from maestrale.engine.events import Continue, EnvironmentUpdated, RerunRequested
from maestrale.model import states

MANY = """
    w:
      tasks:
        t: {with-items: i in <% range(10) %>, workflow: sub, MORE}
        f: {action: remote}
    sub:
      tasks: {s: {action: remote e=<% env() %>}}
"""


def many(more: str = "description: x", letters: int = 3) -> Run:
    """An execution with ten sub-workflows that run, and what is told waits to be delivered."""
    world = World(MANY.replace("MORE", more), letters=letters)
    found = world.start()
    world.auto = False
    return found


def states_below(found: Run) -> list[str]:
    return [child.state for child in found.children("t")]


def portions(found: Run) -> list[int]:
    """Let the execution go on alone until nothing is left to tell: the letters of each decision."""
    sizes = []
    while found.workflow.cascades:
        found.world.check_replay_and_reload()
        before = len(found.world.effects)
        found.send(Continue())
        sizes.append(sum(isinstance(effect, Tell) for _, effect in found.world.effects[before:]))
    return sizes


def last(found: Run) -> Any:
    """What is left of the only cascade: its kind, and who is next."""
    assert found.workflow.cascades is not None
    (entry,) = found.workflow.cascades["waiting"].values()
    return entry["kind"], entry["next"]


def _pause(found: Run) -> None:
    found.pause()


def _cancel(found: Run) -> None:
    found.stop(states.CANCELLED, "enough")


def _resume(found: Run) -> None:
    found.pause()
    found.world.settle()
    found.resume()


@pytest.mark.parametrize(
    ("command", "kind", "state"),
    [(_pause, "pause", "PAUSED"), (_cancel, "stop", "CANCELLED"), (_resume, "resume", "RUNNING")],
)
def test_a_command_is_passed_on_in_portions(command: Callable[[Run], None], kind: str, state: str) -> None:
    found = many()
    command(found)
    assert len(found.world.mail) == 3
    assert last(found) == (kind, 3)
    assert portions(found) == [3, 3, 1]
    found.world.settle()
    assert states_below(found) == [state] * 10
    assert found.state == state


def test_few_are_told_at_once() -> None:
    found = many(letters=10)
    found.pause()
    assert (len(found.world.mail), found.workflow.cascades) == (10, None)


def test_nothing_else_of_a_paused_execution_goes_on_because_of_it() -> None:
    found = many()
    found.pause()
    found.finish("f")
    assert portions(found) == [3, 3, 1]
    assert found.state == "PAUSED"
    assert not found.world.decision(found.id).draft.has_work


def test_an_environment_reaches_all_before_they_are_resumed() -> None:
    """It is not dropped by the command that comes after it, nor overtaken."""
    found = many()
    found.pause()
    found.world.settle()
    found.resume({"late": 1})
    assert portions(found) == [3, 3, 3, 3, 3, 2]
    told = [type(event).__name__ for _, event in found.world.mail]
    assert told == ["EnvironmentUpdated"] * 10 + ["ResumeRequested"] * 10
    found.pause()
    found.world.settle()
    assert {child.workflow.params["env"]["late"] for child in found.children("t")} == {1}
    assert states_below(found) == ["PAUSED"] * 10


def test_what_comes_later_is_told_later() -> None:
    found = many(letters=8)
    found.pause()
    found.world.settle()
    found.send(EnvironmentUpdated({"late": 1}))
    found.resume()
    assert [type(event).__name__ for _, event in found.world.mail] == ["EnvironmentUpdated"] * 8
    assert portions(found) == [8, 4]


def test_a_newer_command_drops_what_is_left_of_an_older_one() -> None:
    found = many()
    found.pause()
    assert last(found) == ("pause", 3)
    found.resume()
    assert last(found) == ("resume", 3)
    found.stop(states.CANCELLED)
    assert last(found) == ("stop", 3)
    found.world.settle()
    assert states_below(found) == ["CANCELLED"] * 10


@pytest.mark.parametrize("seed", range(30))
def test_the_last_command_wins_at_every_sub_workflow(seed: int) -> None:
    """Whenever it comes, in whatever order the letters are read, and across restarts."""
    found, chance = many(letters=2), random.Random(seed)
    world = found.world
    for _ in range(chance.randrange(2, 7)):
        found.pause() if found.state == states.RUNNING else found.resume()
        for _ in range(chance.randrange(12)):
            if steps := world.possible_steps():
                world.step(*chance.choice(steps))
        if chance.random() < 0.3:
            world.restart()
    if chance.random() < 0.3:
        found.stop(states.CANCELLED)
    wanted = found.state
    while steps := world.possible_steps():
        world.step(*chance.choice(steps))
    assert (found.state, states_below(found)) == (wanted, [wanted] * 10)
    world.check_replay_and_reload()


def test_what_counts_no_more_is_stopped_to_the_last() -> None:
    """After a time-out and a rerun, nothing but the cursor knows of those that are still to be told."""
    found = many("timeout: 3, on-error: noop")
    found.world.advance(3)
    assert last(found) == ("stop", 3)
    found.send(RerunRequested(found.task("t").id))
    assert [entry["kind"] for entry in (found.workflow.cascades or {})["waiting"].values()] == ["stop"] * 2
    old = found.children("t")[:10]
    found.world.restart()
    found.world.settle()
    assert [child.state for child in old] == ["CANCELLED"] * 10
    assert states_below(found)[10:] == ["RUNNING"] * 10


def test_what_is_opened_again_is_not_stopped_by_what_was_left_to_tell() -> None:
    """The order to stop was given before the person asked for the rerun."""
    found = many()
    child = found.children("t")[-1]
    found.stop(states.CANCELLED)
    child.fail("s")
    found.world.step(*found.world.mail[-1])
    child.rerun("s")
    found.world.step(*found.world.mail[-1])
    found.world.settle()
    assert child.state == "RUNNING"
    assert states_below(found)[:-1] == ["CANCELLED"] * 9
