"""In whose name executions, actions and triggers work: kept as long as they do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec
from sqlalchemy import Connection, and_, case, delete, literal, null, or_, select, update

from maestrale.model import states
from maestrale.model.values import Microseconds
from maestrale.store.statements import insert_new
from maestrale.store.tables import (
    action_executions,
    cron_triggers,
    event_triggers,
    execution_heads,
    security_contexts,
    workflow_executions,
)

Kind = Literal["execution", "action", "cron_trigger", "event_trigger"]

AT_ONCE: Final = 500
"""Rows that one statement looks for, or writes anew."""

_kept = security_contexts.c


class Kept(msgspec.Struct, frozen=True):
    """One row; see the table."""

    id: str
    kind: str
    user_id: str | None
    project_id: str
    caller: str
    trust_id: str | None
    sealed: bytes | None
    key_id: str | None
    ends_at: Microseconds | None
    created_at: Microseconds


def keep(connection: Connection, row: Kept) -> None:
    """Store a row, unless one is there for the same execution, action or trigger."""
    connection.execute(insert_new(security_contexts).values(**msgspec.structs.asdict(row)))


def renew(connection: Connection, row: Kept) -> None:
    """Replace the row of the same execution, unless it is gone."""
    values = msgspec.structs.asdict(row)
    connection.execute(update(security_contexts).where(_kept.id == values.pop("id")).values(**values))


def root_of(connection: Connection, execution_id: str, project_id: str | None) -> str | None:
    """The root of the tree of an execution, if it is of this project and works in anybody's name."""
    table = workflow_executions.c
    known = (table.project_id == project_id, table.security_context.is_not(None))
    root_id: str | None = connection.execute(
        select(table.root_id).where(table.id == execution_id, *known)
    ).scalar()
    return root_id


def copy_of_trigger(connection: Connection, trigger_id: str, execution_id: str, now: Microseconds) -> None:
    """Let the execution that a trigger starts work in the name of who made the trigger."""
    copied = select(
        literal(execution_id), literal("execution"), _kept.user_id, _kept.project_id, _kept.caller,
        _kept.trust_id, null(), null(), null(), literal(now),
    ).where(_kept.id == trigger_id)  # fmt: skip
    connection.execute(insert_new(security_contexts).from_select(Kept.__struct_fields__, copied))


def find(connection: Connection, identifier: str) -> Kept | None:
    """The row of an execution, action or trigger."""
    row = connection.execute(select(security_contexts).where(_kept.id == identifier)).first()
    return None if row is None else Kept(*row)


def forget(connection: Connection, identifier: str, created_at: Microseconds | None = None) -> None:
    """Delete a row; with a time only the one that was made then, and not a newer one."""
    statement = delete(security_contexts).where(_kept.id == identifier)
    if created_at is not None:
        statement = statement.where(_kept.created_at == created_at)
    connection.execute(statement)


def is_last_of_trust(connection: Connection, row: Kept) -> bool:
    """Whether no other row works by the trust of this one."""
    others = select(_kept.id).where(_kept.trust_id == row.trust_id, _kept.id != row.id)
    return connection.execute(others.limit(1)).first() is None


def over(
    connection: Connection, before: Microseconds, identifiers: Sequence[str] | None = None
) -> list[Kept]:
    """Rows of what is over or gone, at most `AT_ONCE`.

    A row that is newer than the end, or the absence, of what works counts only if it was made `before`: what
    works may be on its way. With `identifiers` only these, of which absence is certain.
    """
    heads, workflow = execution_heads.c, workflow_executions.c
    standing = select(heads.id).where(heads.id == _kept.id, ~heads.deleting)
    ended = select(workflow.id).where(
        workflow.id == _kept.id,
        (workflow.finished_at >= _kept.created_at)
        | (workflow.finished_at.is_not(None) & (_kept.created_at < before)),
    )
    works: dict[Kind, Any] = {
        "execution": standing.exists(),
        "action": select(action_executions.c.id).where(action_executions.c.id == _kept.id).exists(),
        "cron_trigger": select(cron_triggers.c.id).where(cron_triggers.c.id == _kept.id).exists(),
        "event_trigger": select(event_triggers.c.id).where(event_triggers.c.id == _kept.id).exists(),
    }
    actions = action_executions.c
    finished = select(actions.id).where(actions.id == _kept.id, actions.state.in_(states.COMPLETED))
    is_gone = case(*((_kept.kind == kind, ~exists) for kind, exists in works.items()), else_=False)
    conditions = [
        and_(_kept.kind == "execution", ended.exists()),
        and_(_kept.kind == "action", finished.exists()),
        is_gone if identifiers is not None else and_(is_gone, _kept.created_at < before),
    ]
    query = select(security_contexts).where(or_(*conditions)).order_by(_kept.id).limit(AT_ONCE)
    if identifiers is not None:
        query = query.where(_kept.id.in_(identifiers))
    return [Kept(*row) for row in connection.execute(query)]


def sealed_otherwise(connection: Connection, key_id: str, after: str) -> list[Kept]:
    """Rows that are sealed with another key than this, in the order of their ids, from behind `after` on."""
    query = (
        select(security_contexts)
        .where(_kept.sealed.is_not(None), _kept.key_id != key_id, _kept.id > after)
        .order_by(_kept.id)
        .limit(AT_ONCE)
    )
    return [Kept(*row) for row in connection.execute(query)]


def reseal(connection: Connection, row: Kept, key_id: str, sealed: bytes) -> None:
    """Replace what was sealed, unless somebody has done so meanwhile."""
    connection.execute(
        update(security_contexts)
        .where(_kept.id == row.id, _kept.key_id == row.key_id)
        .values(key_id=key_id, sealed=sealed)
    )
