"""Anything may happen at any time: whatever does, nothing breaks, nothing is stuck, nothing is lost."""

from __future__ import annotations

import random

import pytest
from engine_mischief import SCENARIOS, Mischief
from engine_worlds import World
from hypothesis import given, settings
from hypothesis import strategies as st

from maestrale.model import states


def bring_to_an_end(world: World) -> None:
    """Resume what is paused, complete every action, let time pass: then everything must end."""
    mischief = Mischief(world, random.Random(1))
    world.auto = True
    for _ in range(200):
        world.settle()
        pending = [found for found in mischief.runs() if found.state not in states.COMPLETED]
        if not pending:
            return
        for found in pending:
            if found.state == states.PAUSED:
                found.resume()
        for found in mischief.runs():
            for task in found.tasks():
                while found.open_actions(task.name):
                    found.finish(task.name, "good")
        world.advance(10)
    stuck = {found.id: (found.state, found.states) for found in pending}
    raise AssertionError(f"stuck: {stuck}")


@pytest.mark.parametrize("scenario", SCENARIOS)
@given(chance=st.randoms(use_true_random=False), steps=st.sampled_from([2, 3, 200]))
@settings(max_examples=10, deadline=None)
def test_whatever_happens_it_can_be_replayed_reloaded_and_ended(
    scenario: str, chance: random.Random, steps: int
) -> None:
    world = World(SCENARIOS[scenario], steps=steps)
    world.auto = False
    world.start(params={"task_name": "top"} if scenario == "reverse" else {})
    mischief = Mischief(world, chance)
    for _ in range(60):
        mischief.one_thing()
        if chance.random() < 0.05:
            world.restart()
    world.check_replay_and_reload()
    bring_to_an_end(world)
    world.check_replay_and_reload()
