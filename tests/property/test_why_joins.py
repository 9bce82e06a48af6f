"""What `why` reads off the rows about waiting joins is what the engine counts."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest
from engine_mischief import SCENARIOS, Mischief
from engine_worlds import World
from hypothesis import given, settings
from hypothesis import strategies as st

from maestrale.engine.execution import TaskExecution
from maestrale.model import states
from maestrale.model.errors import MaestraleError
from maestrale.services.joins import JoinView
from maestrale.store.causes import TaskFacts


def facts(task: TaskExecution) -> TaskFacts:
    values = {name: getattr(task, name) for name in TaskFacts._fields}
    return TaskFacts(**values | {"next_tasks": task.next_tasks or [], "cause": task.cause or {}})


def compare(world: World) -> int:
    """Check every waiting join of every running execution; how many there were."""
    compared = 0
    for execution in world.executions.values():
        workflow = execution.workflow
        if workflow is None or workflow.state != states.RUNNING:
            continue
        tasks = sorted(execution.tasks.values(), key=lambda task: task.sequence)
        view = JoinView(world.programs[workflow.name], map(facts, tasks))
        for task in execution.tasks.values():
            if task.state == states.WAITING:
                progress = execution.joins[task.name]
                branches = view.branches(facts(task))
                assert set(branches.come) == set(progress.come)
                assert set(branches.never) == set(progress.missing)
                compared += 1
    return compared


@pytest.mark.parametrize("scenario", ["joins", "cycle", "commands"])
@given(chance=st.randoms(use_true_random=False))
@settings(max_examples=15, deadline=None)
def test_joins_are_seen_as_the_engine_sees_them(scenario: str, chance: random.Random) -> None:
    world = World(SCENARIOS[scenario])
    world.start()
    mischief = Mischief(world, chance)
    for _ in range(40):
        with suppress(MaestraleError):
            chance.choice([mischief.finish, mischief.finish, mischief.pass_time, mischief.ask])()
        compare(world)


def test_there_is_something_to_compare() -> None:
    world = World(SCENARIOS["joins"])
    found = world.start()
    found.finish("a")
    assert compare(world) == 2
