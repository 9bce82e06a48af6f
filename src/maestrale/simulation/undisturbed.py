"""The same workflows without any fault: what they come to must not depend on what went wrong on the way."""

from __future__ import annotations

import re
from typing import Any, Final

from sqlalchemy import Connection, select

from maestrale.model import states
from maestrale.simulation.checks import Row, document, require
from maestrale.simulation.world import NO_FAULTS, World
from maestrale.store.tables import (
    action_executions,
    decision_records,
    task_executions,
    workflow_executions,
)

LOST: Final = b"The executor was lost"
_ID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_SOME: Final = "(some id)"


def compare_with_undisturbed(world: World) -> int:
    """Run the determinate workflows of a world again, undisturbed, and compare; how many were compared.

    Left out: trees in which somebody reran, skipped or stopped something, and those in which an action was
    lost with its executor (its error is a result that the undisturbed run does not have).
    """
    comparable = {
        execution_id: name
        for execution_id, name in world.people.roots.items()
        if world.people.definitions[name].is_determinate
        and execution_id in world.people.acknowledged
        and execution_id not in world.people.disturbed
    }
    found = {key: tree for key in comparable if (tree := world.disk.read(_tree, key)) is not None}
    if not found:
        return 0
    calm = World(world.seed, faults=NO_FAULTS, engines=1, script=world.script)
    try:
        for execution_id in found:
            name = comparable[execution_id]
            if name not in calm.people.definitions:
                calm.people.define(world.people.definitions[name])
            calm.people.ask_for(execution_id, name)
        calm.bring_to_an_end()
        for execution_id, tree in found.items():
            expected = calm.disk.read(_tree, execution_id)
            for path in {**tree, **(expected or {})}:
                one, other = tree.get(path), (expected or {}).get(path)
                require(
                    one == other,
                    f"{execution_id} {path or 'itself'} came to {one}, undisturbed to {other}",
                )
    finally:
        calm.close()
    return len(found)


def _tree(connection: Connection, root_id: str) -> dict[str, Any] | None:
    """What an execution and those below it came to, by their path; None if an action was lost on the way."""
    table = workflow_executions.c
    rows = {
        row["id"]: dict(row)
        for row in connection.execute(select(workflow_executions).where(table.root_id == root_id)).mappings()
    }
    tasks = [
        dict(row)
        for row in connection.execute(
            select(task_executions)
            .where(task_executions.c.execution_id.in_(rows))
            .order_by(task_executions.c.sequence)
        ).mappings()
    ]
    # The action itself may not tell any more: there are results that are not kept.
    events = select(decision_records.c.event).where(decision_records.c.execution_id.in_(rows))
    if any(LOST in event for event in connection.execute(events).scalars()):
        return None
    actions = action_executions.c
    counts: dict[str, int] = {}
    for task_id in connection.execute(
        select(actions.task_id).where(actions.execution_id.in_(rows))
    ).scalars():
        counts[task_id] = counts.get(task_id, 0) + 1
    names = {task["id"]: task["name"] for task in tasks}
    vague = {task["execution_id"] for task in tasks if (task["state_info"] or "").startswith("Failed by")}
    return {
        _path(row, rows, names): {
            "state": row["state"],
            "output": None if row["id"] in vague or _is_above(row, vague, rows) else _output(row),
            "globals": document(row["globals"]),
            "tasks": sorted(
                (task["name"], task["state"], counts.get(task["id"], 0))
                for task in tasks
                if task["execution_id"] == row["id"]
            ),
        }
        for row in rows.values()
    }


def _is_above(row: Row, vague: set[str], rows: dict[str, Row]) -> bool:
    """Whether something below failed a join, which happens at once and so with what had arrived by then."""
    for execution_id in vague:
        above: Row | None = rows.get(execution_id)
        while above is not None:
            if above["id"] == row["id"]:
                return True
            above = rows.get(above["parent_id"])
    return False


def _path(row: Row, rows: dict[str, Row], names: dict[str, str]) -> str:
    steps = []
    while row["parent_id"] is not None:
        steps.append(f"{names[row['parent_task_id']]}[{row['item_index']}]#{row['attempt']}")
        row = rows[row["parent_id"]]
    return " > ".join(reversed(steps))


def _output(row: Row) -> Any:
    """Without ids and without the texts of failures, which hold ids in some order."""
    output = document(_ID.sub(_SOME, row["output"] or "null"))
    if row["state"] != states.SUCCESS and isinstance(output, dict):
        output.pop("result", None)
    return output
