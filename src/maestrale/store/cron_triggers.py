"""Cron triggers: what they start and when, and the one transaction in which they fire.

A trigger is advanced, by comparing and setting the time for which it was planned, in the transaction that
puts the order to start its execution into the mail. So a planned time has one execution, whoever dies
meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, ScalarSelect, case, delete, func, insert, select, update

from maestrale.model.errors import Conflict, NotFound
from maestrale.model.listing import Listing, Row
from maestrale.model.values import Json, Microseconds
from maestrale.store import mail
from maestrale.store.catalogue import keep_workflow
from maestrale.store.paging import read_page
from maestrale.store.sealing import columns_of, documents_of
from maestrale.store.security_contexts import copy_of_trigger
from maestrale.store.selection import (
    Field,
    Resource,
    Viewer,
    check_owner,
    own_first,
    select_fields,
    visible,
)
from maestrale.store.tables import cron_triggers, security_contexts

_trigger = cron_triggers.c

STARTED_WITH: Final = ("workflow_input", "workflow_params")
"""What a trigger gives to the executions that it starts: documents, which may hold secrets."""

CRON_TRIGGERS: Final = Resource(
    collection="cron_triggers",
    title="Cron trigger",
    source=cron_triggers,
    project=_trigger.project_id,
    scope=_trigger.scope,
    fields={
        "id": Field(_trigger.id),
        "name": Field(_trigger.name),
        "workflow_name": Field(_trigger.workflow_name),
        "workflow_id": Field(_trigger.workflow_id, "uuid"),
        "workflow_input": Field(_trigger.workflow_input, "document"),
        "workflow_params": Field(_trigger.workflow_params, "document"),
        "scope": Field(_trigger.scope),
        "pattern": Field(_trigger.pattern),
        "remaining_executions": Field(_trigger.remaining_executions, "number", nullable=True),
        "first_execution_time": Field(_trigger.first_execution_time, "time", nullable=True),
        "next_execution_time": Field(_trigger.next_execution_time, "time", nullable=True),
        "last_error": Field(_trigger.last_error, nullable=True),
        "project_id": Field(_trigger.project_id),
        "created_at": Field(_trigger.created_at, "time"),
        "updated_at": Field(_trigger.updated_at, "time", nullable=True),
    },
)


def list_cron_triggers(connection: Connection, viewer: Viewer, listing: Listing) -> list[Row]:
    """One page of cron triggers."""
    return read_page(connection, CRON_TRIGGERS, viewer, listing)


def get_cron_trigger(
    connection: Connection, viewer: Viewer, identifier: str, fields: Sequence[str] | None = None
) -> Row:
    """One cron trigger by id or name, the viewer's own first; NotFound if there is none."""
    statement = (
        select_fields(CRON_TRIGGERS, list(CRON_TRIGGERS.fields if fields is None else fields))
        .where(
            *visible(CRON_TRIGGERS, viewer),
            (_trigger.id == identifier) | (_trigger.name == identifier),
        )
        .order_by(case((_trigger.id == identifier, 0), else_=1), *own_first(CRON_TRIGGERS, viewer))
        .limit(1)
    )
    row = connection.execute(statement).mappings().first()
    if row is None:
        raise NotFound(f"Cron trigger not found [identifier={identifier}]")
    return dict(row)


def create_cron_trigger(connection: Connection, row: Row) -> Row:
    """Store a new cron trigger, with `workflow_input` and `workflow_params` as data. Conflict if the project
    has one of this name, or one that does the same; NotFound if its workflow was deleted just now."""
    keep_workflow(connection, row["workflow_id"])
    taken = (_trigger.name == row["name"]) & (_trigger.project_id == row["project_id"])
    if row["sameness"] is not None:
        taken |= _trigger.sameness == row["sameness"]
    name = connection.execute(select(_trigger.name).where(taken).limit(1)).scalar()
    if name is not None:
        raise duplicate(row, name)
    started_with = columns_of(connection, {name: row[name] for name in STARTED_WITH})
    connection.execute(insert(cron_triggers).values(failures=0, **(row | started_with)))
    return get_cron_trigger(connection, Viewer(row["project_id"]), row["id"])


def duplicate(row: Row, known: str) -> Conflict:
    """The error for a trigger of which the project has one already, under the name `known`."""
    hint = "choose another name" if known == row["name"] else f"'{known}' does the same already"
    return Conflict(
        f"Duplicate entry for CronTrigger: name='{row['name']}', project_id='{row['project_id']}'", hint
    )


def delete_cron_trigger(connection: Connection, viewer: Viewer, identifier: str) -> str:
    """Remove a cron trigger; what it has started goes on. NotFound for an unknown one, Forbidden for one of
    another project. Its id."""
    row = get_cron_trigger(connection, viewer, identifier, ("id", "name", "project_id"))
    check_owner(viewer, row, f"Cron trigger '{row['name']}'")
    connection.execute(delete(cron_triggers).where(_trigger.id == row["id"]))
    deleted: str = row["id"]
    return deleted


class Due(msgspec.Struct, frozen=True):
    """A trigger whose time has come; `planned` is that time. What it starts with is as it is stored, see
    `started_with`; `caller` is JSON text: what may be known of whom it works for."""

    id: str
    name: str
    project_id: str
    workflow_id: str
    workflow_name: str
    workflow_input: str
    workflow_params: str
    pattern: str
    planned: Microseconds
    remaining: int | None
    failures: int
    sealed: bytes | None = None
    caller: str | None = None


_DUE: Final = (
    _trigger.id, _trigger.name, _trigger.project_id, _trigger.workflow_id, _trigger.workflow_name,
    _trigger.workflow_input, _trigger.workflow_params, _trigger.pattern,
    _trigger.next_execution_time.label("planned"), _trigger.remaining_executions.label("remaining"),
    _trigger.failures, _trigger.sealed,
)  # fmt: skip


def find_due(connection: Connection, now: Microseconds, limit: int) -> list[Due]:
    """Triggers that are due, at most `limit`: those that have waited longest of each project in turn."""
    turn = func.row_number().over(
        partition_by=_trigger.project_id, order_by=(_trigger.next_execution_time, _trigger.id)
    )
    due = select(*_DUE, turn.label("turn")).where(_trigger.next_execution_time <= now).subquery()
    caller = select(security_contexts.c.caller).where(security_contexts.c.id == due.c.id).label("caller")
    statement = (
        select(*(due.c[column.name] for column in _DUE), caller)
        .order_by(due.c.turn, due.c.planned)
        .limit(limit)
    )
    return [Due(**row) for row in connection.execute(statement).mappings()]


def started_with(connection: Connection, due: Due) -> tuple[dict[str, Json], dict[str, Json]]:
    """Input and params of what a trigger starts. `KeyringError` without the key of a secret in them."""
    documents = documents_of(connection, {name: getattr(due, name) for name in (*STARTED_WITH, "sealed")})
    return documents["workflow_input"], documents["workflow_params"]


def next_due_time(connection: Connection) -> Microseconds | None:
    """When the next trigger is due."""
    found: Microseconds | None = connection.execute(select(func.min(_trigger.next_execution_time))).scalar()
    return found


def fire(
    connection: Connection, due: Due, next_time: Microseconds | None, letter: Row, now: Microseconds
) -> bool:
    """Advance a trigger and order its execution; whether that was still to be done.

    One that has run as often as it should, or has no `next_time`, is removed.
    """
    if next_time is None or due.remaining == 1:
        statement: Any = delete(cron_triggers)
    else:
        remaining = None if due.remaining is None else due.remaining - 1
        statement = update(cron_triggers).values(
            next_execution_time=next_time, remaining_executions=remaining, updated_at=now
        )
    if not connection.execute(statement.where(_trigger.id == _unfired(due))).rowcount:
        return False
    if due.caller is not None:
        copy_of_trigger(connection, due.id, letter["execution_id"], now)
    return mail.post_start(connection, letter)


def pass_over(
    connection: Connection, due: Due, next_time: Microseconds | None, error: str, now: Microseconds
) -> bool:
    """Advance a trigger whose execution cannot be started, and note why; whether that was still to be done.

    Without a `next_time` it fires no more.
    """
    statement = update(cron_triggers).values(
        next_execution_time=next_time, failures=due.failures + 1, last_error=error, updated_at=now
    )
    return connection.execute(statement.where(_trigger.id == _unfired(due))).rowcount > 0


def note_refusal(connection: Connection, trigger_id: str, error: str, most: int) -> None:
    """The start that a trigger ordered was refused. After `most` in a row it fires no more."""
    failures = _trigger.failures + 1
    connection.execute(
        update(cron_triggers)
        .where(_trigger.id == trigger_id)
        .values(
            failures=failures,
            last_error=error,
            next_execution_time=case((failures < most, _trigger.next_execution_time)),
        )
    )


def note_success(connection: Connection, trigger_id: str) -> None:
    """The start that a trigger ordered has happened."""
    connection.execute(
        update(cron_triggers).where(_trigger.id == trigger_id).values(failures=0, last_error=None)
    )


def _unfired(due: Due) -> ScalarSelect[Any]:
    """The id of a trigger that nobody has fired for this time, and that nobody is about to."""
    return (
        select(_trigger.id)
        .where(_trigger.id == due.id, _trigger.next_execution_time == due.planned)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
