"""Deleting an execution with everything below it, leaves first."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, delete, select, update

from maestrale.model import states
from maestrale.model.errors import Forbidden, NotFound
from maestrale.store.tables import (
    action_executions,
    decision_records,
    execution_heads,
    execution_values,
    mail,
    task_executions,
    workflow_executions,
)

_PART = 200


def delete_tree(connection: Connection, execution_id: str, force: bool) -> tuple[list[str], list[str]]:
    """Delete; the ids of the deleted executions and of their unfinished actions.

    Raises `NotFound`, or `Forbidden` for an unfinished execution unless `force`.
    """
    table = workflow_executions.c
    found = connection.execute(select(table.state, table.root_id).where(table.id == execution_id)).first()
    if found is None:
        raise NotFound(f"WorkflowExecution not found [id={execution_id}]")
    if found.state not in states.COMPLETED and not force:
        raise Forbidden(
            "Only completed executions can be deleted. Use --force to override this."
            f" Execution {execution_id} is in {found.state} state"
        )
    levels = [[execution_id]]
    while levels[-1]:
        levels.append(
            [i for part in _parts(levels[-1])
             for i in connection.execute(select(table.id).where(table.parent_id.in_(part))).scalars()]
        )  # fmt: skip
    ids = [i for level in reversed(levels) for i in level]
    running: list[str] = []
    for part in _parts(ids):
        connection.execute(
            update(execution_heads).where(execution_heads.c.id.in_(part)).values(deleting=True)
        )
        actions = action_executions.c
        running += connection.execute(
            select(actions.id).where(actions.execution_id.in_(part), actions.state == states.RUNNING)
        ).scalars()
        for rows in (action_executions, task_executions, decision_records, mail):
            connection.execute(delete(rows).where(rows.c.execution_id.in_(part)))
        connection.execute(delete(workflow_executions).where(table.id.in_(part)))
        connection.execute(delete(execution_heads).where(execution_heads.c.id.in_(part)))
    if found.root_id == execution_id:
        connection.execute(delete(execution_values).where(execution_values.c.root_id == execution_id))
    return ids, running


def delete_action(connection: Connection, action_id: str) -> None:
    """Delete one stand-alone action execution."""
    connection.execute(delete(action_executions).where(action_executions.c.id == action_id))
    connection.execute(delete(execution_values).where(execution_values.c.root_id == action_id))


def _parts(ids: list[str]) -> Iterable[list[str]]:
    return (ids[start : start + _PART] for start in range(0, len(ids), _PART))
