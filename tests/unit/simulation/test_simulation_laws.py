"""The laws of the language hold what may happen, and not more, against an execution."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, select

from maestrale.simulation.script import Behaviour, Script
from maestrale.simulation.workflows import Definition
from maestrale.simulation.world import NO_FAULTS, SECOND, World
from maestrale.store.tables import workflow_executions


class HalfASecond(Script):
    """Every action succeeds after half a second."""

    def behaviour(self, workflow: str, task: str, item: int | None, attempt: int) -> Behaviour:
        del workflow, item
        return Behaviour(0.5, "SUCCESS", f"{task}/{attempt}")


def test_the_delay_of_a_retry_counts_from_the_end_of_a_sub_workflow_not_from_what_it_publishes_later() -> (
    None
):
    main = {"t": {"workflow": "child", "retry": {"count": 1, "delay": 1}}}
    child = {
        "slow": {"action": "sim.safe", "on-success": {"publish": {"global": {"late": 1}}}},
        "bad": {"action": "std.noop", "publish": {"v": "<% $.nope %>"}},
    }
    texts = {
        name: json.dumps({"version": "2.0", name: {"tasks": tasks}})
        for name, tasks in (("main", main), ("child", child))
    }
    world = World(1, faults=NO_FAULTS, engines=1, script=HalfASecond(1))
    try:
        world.people.define(Definition(texts, True, {}))
        world.people.ask_for("root", "main")
        world.bring_to_an_end()
        first, second = world.disk.read(_children)
    finally:
        world.close()
    assert first["finished_at"] < first["updated_at"]
    assert first["finished_at"] + SECOND <= second["created_at"] < first["updated_at"] + SECOND


def _children(connection: Connection) -> list[dict[str, Any]]:
    table = workflow_executions.c
    query = select(workflow_executions).where(table.parent_id == "root").order_by(table.created_at)
    return [dict(row) for row in connection.execute(query).mappings()]
