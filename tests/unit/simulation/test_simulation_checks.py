"""The checks of a simulation allow what may happen."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, select

from maestrale.engine.events import ResumeRequested, SkipRequested
from maestrale.simulation.workflows import Definition
from maestrale.simulation.world import NO_FAULTS, World
from maestrale.store.tables import task_executions


def test_a_resume_may_start_what_a_join_led_to_and_give_the_join_another_chance() -> None:
    tasks = {
        "a": {"action": "std.fail", "on-success": "meet"},
        "b": {"action": "std.noop", "on-success": "meet"},
        "meet": {"action": "sim.outside", "join": "all", "on-error": "pause", "on-complete": "after"},
        "after": {"action": "std.noop"},
    }
    text = json.dumps({"version": "2.0", "w": {"tasks": tasks}})
    world = World(1, faults=NO_FAULTS, engines=1)
    world.people.stop_asking()
    try:
        world.people.define(Definition({"w": text}, True, {}))
        world.people.ask_for("root", "w")
        _wait_for(world, "meet", "ERROR")
        assert "after" not in world.disk.read(_tasks)
        world.processes[0].engine.send("root", SkipRequested(world.disk.read(_tasks)["a"].id))
        _wait_for(world, "a", "SKIPPED")
        world.processes[0].engine.send("root", ResumeRequested())
        _wait_for(world, "meet", "RUNNING")
        assert "after" in world.disk.read(_tasks)
    finally:
        world.close()


def _wait_for(world: World, name: str, state: str) -> None:
    for _ in range(1000):
        tasks = world.disk.read(_tasks)
        if name in tasks and tasks[name].state == state:
            return
        world.take_step()
    raise AssertionError(f"{name} is not {state}: {tasks}")


def _tasks(connection: Connection) -> dict[str, Any]:
    table = task_executions.c
    return {row.name: row for row in connection.execute(select(table.id, table.name, table.state))}
