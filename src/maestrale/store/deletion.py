"""Deleting executions with everything below them: marked first, then removed from the leaves up.

Each function does a bounded part in its transaction, so that others have their turn. What is marked counts
as absent (`marks.py`); if a process ends in the middle, the marks tell the next one what is left to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Column, Connection, Table, delete, func, literal, select

from maestrale.model import states
from maestrale.model.errors import Forbidden, NotFound
from maestrale.store.marks import is_marked, mark
from maestrale.store.statements import insert_new
from maestrale.store.tables import (
    action_executions,
    command_replies,
    decision_records,
    definition_texts,
    definitions,
    execution_heads,
    execution_values,
    mail,
    security_contexts,
    task_executions,
    workflow_executions,
)

ROWS_PER_PART: Final = 500
"""About how many rows are deleted in one transaction."""

BYTES_PER_PART: Final = 4 * 1024 * 1024
"""How much of them may be large, for its pages are freed one by one."""

EXECUTIONS_PER_PART: Final = 100

_HEAVY: Final = (
    (decision_records.c.execution_id, decision_records.c.sequence, decision_records.c.event),
    (mail.c.execution_id, mail.c.sequence, mail.c.event),
    (execution_values.c.root_id, execution_values.c.hash, execution_values.c.data),
)
"""Whose a row is, which one it is, and what can be large in it."""

_workflow = workflow_executions.c
_heads = execution_heads.c


def begin(connection: Connection, execution_id: str, force: bool) -> None:
    """Mark an execution that somebody wants to delete.

    Raises `NotFound`, or `Forbidden` for an unfinished execution unless `force`.
    """
    state = connection.execute(select(_workflow.state).where(_workflow.id == execution_id)).scalar()
    if state is None or is_marked(connection, execution_id):
        raise NotFound(f"WorkflowExecution not found [id={execution_id}]")
    if state not in states.COMPLETED and not force:
        raise Forbidden(
            "Only completed executions can be deleted. Use --force to override this."
            f" Execution {execution_id} is in {state} state"
        )
    mark(connection, [execution_id])


def children(connection: Connection, execution_ids: Sequence[str], most: int | None = None) -> list[str]:
    """The executions that these have started, at most so many."""
    query = select(_workflow.id).where(_workflow.parent_id.in_(execution_ids)).limit(most)
    return list(connection.execute(query).scalars())


def running_actions(connection: Connection, execution_ids: Sequence[str]) -> list[str]:
    """The unfinished actions of these executions."""
    actions = action_executions.c
    query = select(actions.id).where(actions.execution_id.in_(execution_ids), actions.state == states.RUNNING)
    return list(connection.execute(query).scalars())


def unfinished(connection: Connection) -> list[str]:
    """The highest of all marked executions: everything below them is to be removed."""
    parents = execution_heads.alias("parents")
    below = (
        select(_workflow.id)
        .join(parents, parents.c.id == _workflow.parent_id)
        .where(_workflow.id == _heads.id, parents.c.deleting)
    )
    query = select(_heads.id).where(_heads.deleting, ~below.exists()).order_by(_heads.id)
    return list(connection.execute(query).scalars())


def remove(connection: Connection, execution_ids: Sequence[str], most: int = ROWS_PER_PART) -> list[str]:
    """Remove some of what belongs to marked executions, leaves first; those of them that are left.

    Call it until nothing is. What another process is removing just now is left as it is.
    """
    left = [*connection.execute(select(_heads.id).where(_heads.id.in_(execution_ids))).scalars()]
    query = select(_heads.id).where(_heads.id.in_(left), _heads.deleting).order_by(_heads.id)
    ours = [*connection.execute(query.with_for_update(skip_locked=True)).scalars()]
    while ours and most > 0:
        leaves = _leaves(connection, ours)
        most -= _empty(connection, leaves, most)
        if most > 0:
            gone = set(leaves)
            connection.execute(delete(workflow_executions).where(_workflow.id.in_(leaves)))
            connection.execute(delete(execution_heads).where(_heads.id.in_(leaves)))
            most -= 2 * len(leaves)
            ours = [execution_id for execution_id in ours if execution_id not in gone]
            left = [execution_id for execution_id in left if execution_id not in gone]
    return left


def _leaves(connection: Connection, execution_ids: list[str]) -> list[str]:
    """Some executions of these trees that have nothing below them."""
    level = execution_ids[:EXECUTIONS_PER_PART]
    while below := children(connection, level, EXECUTIONS_PER_PART):
        level = below
    return level


def _empty(connection: Connection, execution_ids: list[str], most: int) -> int:
    """Delete what hangs on executions, at most so many rows; fewer if nothing is left."""
    deleted = 0
    for table in (action_executions, task_executions):
        deleted += _delete_light(connection, table, execution_ids, most - deleted)
    if deleted < most:
        _refuse_letters(connection, execution_ids)
    for owner, number, content in _HEAVY:
        while deleted < most:
            found = _delete_heavy(connection, owner, number, content, execution_ids, most - deleted)
            if not found:
                break
            deleted += found
    return deleted


def _refuse_letters(connection: Connection, execution_ids: list[str]) -> None:
    """Whoever waits for the reply to a command, in whatever process, learns that nobody is there."""
    missing = literal("WorkflowExecution not found [id=").concat(mail.c.execution_id).concat("]")
    commands = select(mail.c.command_id, literal(NotFound.status), missing, mail.c.created_at).where(
        mail.c.execution_id.in_(execution_ids), mail.c.command_id.is_not(None)
    )
    columns = ["command_id", "status", "message", "created_at"]
    connection.execute(insert_new(command_replies).from_select(columns, commands))


def _delete_light(connection: Connection, table: Table, execution_ids: list[str], most: int) -> int:
    if most <= 0:
        return 0
    # In two steps: of one statement a planner may make a scan of the whole table.
    query = select(table.c.id).where(table.c.execution_id.in_(execution_ids)).limit(most)
    some = [*connection.execute(query).scalars()]
    if some:
        connection.execute(delete(table).where(table.c.id.in_(some)))
    return len(some)


def _delete_heavy(
    connection: Connection,
    owner: Column[Any],
    number: Column[Any],
    content: Column[Any],
    execution_ids: list[str],
    most: int,
) -> int:
    """Delete the first rows up to that number and to so many bytes; how much of the number that uses up."""
    query = select(owner, number, func.length(content)).where(owner.in_(execution_ids))
    owners: dict[str, Any] = {}
    """The last row to delete of each."""
    rows = size = 0
    for of_execution, last, length in connection.execute(query.order_by(owner, number).limit(most)):
        if rows and size + length > BYTES_PER_PART:
            break
        owners[of_execution] = last
        rows += 1
        size += length
    if not owners:
        return 0
    of_execution, last = owners.popitem()
    connection.execute(delete(owner.table).where(owner == of_execution, number <= last))
    if owners:
        connection.execute(delete(owner.table).where(owner.in_(owners)))
    return most if size > BYTES_PER_PART // 2 else rows


def delete_action(connection: Connection, action_id: str) -> None:
    """Delete one stand-alone action execution."""
    connection.execute(delete(action_executions).where(action_executions.c.id == action_id))
    connection.execute(delete(execution_values).where(execution_values.c.root_id == action_id))
    connection.execute(delete(security_contexts).where(security_contexts.c.id == action_id))


def unused_texts(connection: Connection) -> list[str]:
    """Hashes of the texts that no definition and no execution goes by any more."""
    query = select(definition_texts.c.hash).where(*_is_unused())
    return list(connection.execute(query).scalars())


def drop_texts(connection: Connection, hashes: Sequence[str]) -> None:
    """Delete those of these texts that are still unused."""
    key = definition_texts.c.hash
    # Whoever stores a definition now has a lock on its text: wait, and only then see who uses it.
    connection.execute(select(key).where(key.in_(hashes)).order_by(key).with_for_update()).all()
    connection.execute(delete(definition_texts).where(key.in_(hashes), *_is_unused()))


def _is_unused() -> tuple[Any, ...]:
    key = definition_texts.c.hash
    return (
        ~select(definitions.c.id).where(definitions.c.text_hash == key).exists(),
        ~select(_workflow.id).where(_workflow.definition_hash == key).exists(),
    )
