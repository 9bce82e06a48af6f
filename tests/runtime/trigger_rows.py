"""Cron triggers as rows, put into the database under the API: with any time, also one that has passed."""

from __future__ import annotations

import json
import uuid
from typing import Any

from service import PATIENCE, PROJECT, World

from maestrale.model.values import Microseconds
from maestrale.store.cron_triggers import create_cron_trigger
from maestrale.store.tables import cron_triggers

SECOND: Microseconds = 1_000_000

Row = dict[str, Any]


def add_trigger(world: World, workflow: str, planned: Microseconds, **columns: Any) -> Row:
    """A trigger that starts a workflow of the world; nobody is told of it."""
    key = str(uuid.uuid4())
    row = {
        "id": key,
        "name": key,
        "project_id": PROJECT,
        "scope": "private",
        "workflow_name": workflow,
        "workflow_id": world.definition_id(workflow),
        "workflow_input": {},
        "workflow_params": {},
        "pattern": "0 0 1 1 *",
        "first_execution_time": None,
        "next_execution_time": planned,
        "remaining_executions": None,
        "sameness": None,
        "created_at": 1,
        **columns,
    }
    world.database.write(create_cron_trigger, row).result(PATIENCE)
    return row


def triggers(world: World) -> dict[str, Row]:
    """All triggers by their ids."""
    return {row["id"]: row for row in world.rows(cron_triggers)}


def started_by(world: World) -> dict[str, list[Row]]:
    """The executions that triggers have started, by the ids of the triggers."""
    found: dict[str, list[Row]] = {}
    for row in world.executions():
        described = json.loads(row["description"] or "{}")
        if "triggered_by" in described:
            found.setdefault(described["triggered_by"]["id"], []).append(row)
    return found
