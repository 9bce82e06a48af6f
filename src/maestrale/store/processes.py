"""Who works on this database, and what earlier processes left behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, case, select, update

from maestrale.engine.events import Started
from maestrale.engine.execution import AdHocRun
from maestrale.model import states
from maestrale.model.values import Json, Microseconds
from maestrale.store.documents import decode
from maestrale.store.executions import fetcher
from maestrale.store.keyring import KeyringError
from maestrale.store.leases import require
from maestrale.store.marks import is_marked, is_there, select_standing
from maestrale.store.rows import Unreadable, decode_adhoc, load_event
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
    """An action execution that an earlier process was to run. `queued`: it never started. `problem`: why it
    cannot run at all."""

    id: str
    project_id: str
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
    security_context: str | None = None
    problem: str | None = None

    @property
    def runs_again(self) -> bool:
        """Whether it can be run, and may be."""
        return self.problem is None and (self.queued or self.repeatable)


def take_left_actions(connection: Connection, left: Left) -> list[LeftAction]:
    """Make unfinished actions ours whose processes are gone, oldest first, a bounded number at a time.

    What never started, or may be repeated, is queued here. `queued` tells how it was found.
    """
    require(connection, left.process_id)
    table = action_executions.c
    query = (
        select(
            action_executions,
            task_executions.c.name.label("task_name"),
            workflow_executions.c.name.label("workflow_name"),
            workflow_executions.c.root_id,
            # of a stand-alone action it stands under its own id, if at all
            case(
                (table.execution_id.is_(None), table.id), else_=workflow_executions.c.security_context
            ).label("security_context"),
        )
        .outerjoin(task_executions, task_executions.c.id == table.task_id)
        .outerjoin(workflow_executions, workflow_executions.c.id == table.execution_id)
        .where(
            table.state == states.RUNNING,
            left.by(table.executor),
            is_there(table.execution_id, workflow_executions.c.root_id),
        )
        .order_by(table.created_at, table.id)
        .limit(ACTIONS_PER_READ)
        .with_for_update(of=action_executions, skip_locked=True)
    )
    found = [_left(connection, row) for row in connection.execute(query).mappings().all()]
    for again in (True, False):
        ids = [action.id for action in found if action.runs_again is again]
        if ids:
            connection.execute(
                update(action_executions)
                .where(table.id.in_(ids))
                .values(executor=left.process_id, queued=again)
            )
    return found


def _left(connection: Connection, row: Any) -> LeftAction:
    fetch = fetcher(connection, row["root_id"] or row["id"])
    names = [name for name in LeftAction.__struct_fields__ if name not in ("input", "adhoc", "problem")]
    columns = {name: row[name] for name in names}
    try:
        given, adhoc = decode(row["input"], fetch), decode_adhoc(row["adhoc"], fetch)
    except KeyringError as error:  # one that cannot be read must not hold up the others
        return LeftAction(**columns, input={}, adhoc=None, problem=str(error))
    return LeftAction(**columns, input=given, adhoc=adhoc)


def find_left(connection: Connection, left: Left) -> list[tuple[str, str]]:
    """The executions whose owners are gone, and their projects, in the order of their ids."""
    table = execution_heads.c
    query = select(table.id, table.project_id).where(left.by(table.owner)).order_by(table.id)
    return [(row.id, row.project_id) for row in connection.execute(query)]


def claim_left(connection: Connection, left: Left, execution_ids: Sequence[str]) -> list[str]:
    """Make those of these executions ours whose owners are gone.

    The claim is durable before anything is decided: whoever dies with them now leaves them as its own. What
    another process is just claiming is passed over.
    """
    require(connection, left.process_id)
    table = execution_heads.c
    query = select(table.id).where(table.id.in_(execution_ids), left.by(table.owner)).order_by(table.id)
    found = list(connection.execute(query.with_for_update(key_share=True, skip_locked=True)).scalars())
    _own(connection, found, left.process_id)
    return found


class Claim(msgspec.Struct, frozen=True):
    """What came of a claim: who owns the execution now, and its version. Both None: there is none, or none
    any more (it `is_leaving`).

    An `owner` that is empty: another transaction had it, so that nothing can be said.
    """

    owner: str | None
    version: int | None = None
    is_leaving: bool = False


def claim(connection: Connection, execution_id: str, process_id: str) -> Claim:
    """Own an execution that nobody owns."""
    require(connection, process_id)
    table = execution_heads.c
    query = select_standing(execution_id, table.owner, table.version)
    found = connection.execute(query).first()
    if found is None:
        return Claim(None, is_leaving=is_marked(connection, execution_id))
    if found.owner is not None:
        return Claim(found.owner, found.version)
    free = query.where(table.owner.is_(None)).with_for_update(
        of=execution_heads, key_share=True, skip_locked=True
    )
    found = connection.execute(free).first()
    if found is None:
        return Claim("")
    _own(connection, [execution_id], process_id)
    return Claim(process_id, found.version)


def release(connection: Connection, execution_id: str, process_id: str, version: int) -> None:
    """Own an execution no longer, unless it has changed."""
    table = execution_heads.c
    mine = (table.id == execution_id, table.owner == process_id, table.version == version)
    connection.execute(update(execution_heads).where(*mine).values(owner=None))


def find_owner(connection: Connection, execution_id: str) -> str | None:
    """Who owns an execution."""
    table = execution_heads.c
    return connection.execute(select(table.owner).where(table.id == execution_id)).scalar()


def find_projects(connection: Connection, execution_ids: Sequence[str]) -> dict[str, str]:
    """Whose executions these are, also of those whose order to start is still in the mail."""
    table = execution_heads.c
    query = select(table.id, table.project_id).where(table.id.in_(execution_ids))
    found = {row.id: row.project_id for row in connection.execute(query)}
    absent = [execution_id for execution_id in execution_ids if execution_id not in found]
    if absent:
        letters = select(mail.c.execution_id, mail.c.event).where(mail.c.execution_id.in_(absent))
        for row in connection.execute(letters.order_by(mail.c.sequence)):
            try:
                event = load_event(row.event)
            except Unreadable:
                continue
            if isinstance(event, Started):
                found.setdefault(row.execution_id, event.project_id)
    return found


def _own(connection: Connection, execution_ids: list[str], process_id: str) -> None:
    if execution_ids:
        table = execution_heads.c
        connection.execute(
            update(execution_heads).where(table.id.in_(execution_ids)).values(owner=process_id)
        )


def orphans(connection: Connection) -> list[str]:
    """Owners of executions that are on no list: nothing has told of their end."""
    table = execution_heads.c
    known = select(processes.c.id)
    query = select(table.owner).where(table.owner.is_not(None), table.owner.not_in(known)).distinct()
    return [owner for owner in connection.execute(query).scalars() if owner is not None]


def alarms(connection: Connection, before: Microseconds | None = None) -> list[tuple[Microseconds, str]]:
    """Every execution that wants to be woken (before that time), and when."""
    query = select(execution_heads.c.alarm_at, execution_heads.c.id).where(
        execution_heads.c.alarm_at.is_not(None)
    )
    if before is not None:
        query = query.where(execution_heads.c.alarm_at < before)
    return [(row.alarm_at, row.id) for row in connection.execute(query)]
