"""Rule 4: versions start at a random number, so that an id used again does not match an old memory."""

from __future__ import annotations

from itertools import pairwise

import pytest
from gates import Gate
from service import PATIENCE, World

from maestrale.engine.events import PauseRequested
from maestrale.store.executions import Overtaken, write_executions
from maestrale.store.tables import execution_heads

GATED = "version: '2.0'\nwf: {tasks: {t: {action: test.gate}}}\n"


def test_versions_start_anywhere(database_url: str) -> None:
    """The chance that two of twenty are near each other is one in millions."""
    gate = Gate()
    with World(database_url, actions=[gate.action]) as world:
        world.define(GATED)
        for _ in range(20):
            world.start("wf")
        versions = sorted(row["version"] for row in world.rows(execution_heads))
        assert len(versions) == 20
        steps = [after - before for before, after in pairwise(versions)]
        assert min(steps) > 1000
        assert versions[-1] > 2**40


def test_an_id_that_is_used_again_does_not_match_an_old_memory(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first execution was deleted and another one begun under its id, which a process has not heard of:
    what it decides on its memory is void, and it decides anew on what is there."""
    gate = Gate()
    with World(database_url, actions=[gate.action]) as world:
        world.define(GATED)
        key = world.start("wf", "again", description="first")
        gate.wait()
        slot = world.engine.loop._slots[key]
        assert slot.execution is not None
        old = slot.execution
        world.engine.delete_execution(key, force=True).result(PATIENCE)
        world.start("wf", "again", description="second")
        gate.wait()
        world.engine.loop.settle()
        kept = world.engine.loop._slots[key]
        kept.execution = old
        outcomes: list[object] = []

        def write(*given: object) -> None:
            try:
                write_executions(*given)  # type: ignore[arg-type]
            except Overtaken as error:
                outcomes.append(error)
                raise

        monkeypatch.setattr("maestrale.runtime.commits.write_executions", write)
        world.send(key, PauseRequested())
        assert outcomes
        row = world.execution(key)
        assert (row["state"], row["description"]) == ("PAUSED", "second")
