"""Who works on this database, and what earlier processes left behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, delete, insert, select, update

from maestrale.engine.execution import AdHocRun
from maestrale.model import states
from maestrale.model.values import Json, Microseconds
from maestrale.store.documents import decode
from maestrale.store.executions import fetcher
from maestrale.store.rows import Row, decode_adhoc
from maestrale.store.tables import (
    action_executions,
    execution_heads,
    mail,
    processes,
    task_executions,
    workflow_executions,
)

ACTIONS_PER_READ = 500


class Left(msgspec.Struct, frozen=True):
    """Whose work is left: that of the processes `gone`, or (None) of every process but `process_id`."""

    process_id: str
    gone: Sequence[str] | None = None

    def by(self, column: ColumnElement[Any]) -> ColumnElement[bool]:
        """The condition that this column names one of them."""
        if self.gone is None:
            return and_(column.is_not(None), column != self.process_id)
        return column.in_(self.gone)


class LeftAction(msgspec.Struct, frozen=True):
    """An action execution that an earlier process was to run. `queued`: it never started."""

    id: str
    name: str
    execution_id: str | None
    workflow_name: str | None
    task_id: str | None
    task_name: str | None
    item_index: int | None
    attempt: int
    queued: bool
    repeatable: bool
    waits_outside: bool
    timeout: float | None
    input: dict[str, Json]
    adhoc: AdHocRun | None = None


def register(connection: Connection, row: Row) -> None:
    """Add this process; on a database with one engine all others are gone."""
    connection.execute(delete(processes))
    connection.execute(insert(processes).values(**row))


def unregister(connection: Connection, process_id: str) -> None:
    """Take this process off the list."""
    connection.execute(delete(processes).where(processes.c.id == process_id))


def left_actions(connection: Connection, left: Left) -> list[LeftAction]:
    """Unfinished actions of processes that are gone, oldest first, a bounded number at a time."""
    table = action_executions.c
    query = (
        select(
            action_executions,
            task_executions.c.name.label("task_name"),
            workflow_executions.c.name.label("workflow_name"),
            workflow_executions.c.root_id,
        )
        .outerjoin(task_executions, task_executions.c.id == table.task_id)
        .outerjoin(workflow_executions, workflow_executions.c.id == table.execution_id)
        .where(table.state == states.RUNNING, left.by(table.executor))
        .order_by(table.created_at, table.id)
        .limit(ACTIONS_PER_READ)
    )
    return [_left(connection, row) for row in connection.execute(query).mappings()]


def _left(connection: Connection, row: Any) -> LeftAction:
    fetch = fetcher(connection, row["root_id"] or row["id"])
    names = [name for name in LeftAction.__struct_fields__ if name not in ("input", "adhoc")]
    return LeftAction(
        **{name: row[name] for name in names},
        input=decode(row["input"], fetch),
        adhoc=decode_adhoc(row["adhoc"], fetch),
    )


def take_over(connection: Connection, action_ids: list[str], process_id: str, *, queued: bool) -> None:
    """Make left actions ours: to be run again, or (not queued) to be failed."""
    connection.execute(
        update(action_executions)
        .where(action_executions.c.id.in_(action_ids))
        .values(executor=process_id, queued=queued)
    )


def claim_executions(connection: Connection, left: Left) -> list[str]:
    """Make executions ours whose owners are gone; those, and all that have mail.

    The claim is durable before anything is decided: whoever dies with them now leaves them as its own.
    """
    table = execution_heads.c
    owned = list(
        connection.execute(select(table.id).where(left.by(table.owner)).order_by(table.id)).scalars()
    )
    connection.execute(update(execution_heads).where(left.by(table.owner)).values(owner=left.process_id))
    addressed = connection.execute(select(mail.c.execution_id).distinct().order_by(mail.c.execution_id))
    return list(dict.fromkeys([*owned, *addressed.scalars()]))


def alarms(connection: Connection, before: Microseconds | None = None) -> list[tuple[Microseconds, str]]:
    """Every execution that wants to be woken (before that time), and when."""
    query = select(execution_heads.c.alarm_at, execution_heads.c.id).where(
        execution_heads.c.alarm_at.is_not(None)
    )
    if before is not None:
        query = query.where(execution_heads.c.alarm_at < before)
    return [(row.alarm_at, row.id) for row in connection.execute(query)]
