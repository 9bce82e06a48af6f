"""Notifications that are still to be sent: stored with their cause, gone when they have been received."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, RowMapping, delete, func, or_, select, update

from maestrale.engine.effects import Notify
from maestrale.model.notifications import Publisher
from maestrale.model.values import Json, Microseconds
from maestrale.store.documents import dump, has_marks, restore
from maestrale.store.rows import Row
from maestrale.store.sealing import opened
from maestrale.store.tables import notifications, processes

HELD_FOR: Final = 60_000_000
"""Microseconds for which a notification is left to the process that has taken it, while that one lives."""

_table = notifications.c


class Outgoing(msgspec.Struct, frozen=True):
    """A notification that this process may send until `due_at`. `attempts`: how often it was sent in vain."""

    id: str
    publisher: Publisher
    body: dict[str, Json]
    attempts: int
    created_at: Microseconds
    due_at: Microseconds


def outgoing(notify: Notify, now: Microseconds) -> Outgoing:
    """A notification that is stored with its cause, and then sent by the process that has decided it."""
    body = {"event": notify.event, "notification_id": notify.id, **notify.data}
    return Outgoing(notify.id, notify.publisher, body, 0, now, now + HELD_FOR)


def notification_row(notification: Outgoing, execution_id: str, process_id: str | None) -> Row:
    """The row of a notification of this execution, taken by this process."""
    return {
        "id": notification.id,
        "execution_id": execution_id,
        "publisher": dump(notification.publisher),
        "body": dump(notification.body),
        "attempts": notification.attempts,
        "created_at": notification.created_at,
        "due_at": notification.due_at,
        "taken_by": process_id,
    }


def take_notifications(
    connection: Connection, process_id: str, now: Microseconds, limit: int
) -> list[Outgoing]:
    """Take what is due, or was taken by a process that is no more; the oldest first, at most `limit`."""
    alive = select(processes.c.id).where(~processes.c.gone)
    is_left = _table.taken_by.is_not(None) & _table.taken_by.not_in(alive)
    query = (
        select(notifications)
        .where(or_(_table.due_at <= now, is_left))
        .order_by(_table.due_at, _table.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = connection.execute(query).mappings().all()
    if not rows:
        return []
    until = now + HELD_FOR
    ids = [row["id"] for row in rows]
    connection.execute(
        update(notifications).where(_table.id.in_(ids)).values(taken_by=process_id, due_at=until)
    )
    return [_outgoing(connection, row, until) for row in rows]


def forget_notifications(connection: Connection, ids: Sequence[str]) -> None:
    """They were received, or are given up."""
    connection.execute(delete(notifications).where(_table.id.in_(ids)))


def put_off_notification(
    connection: Connection, notification_id: str, attempts: int, due_at: Microseconds
) -> None:
    """It was sent in vain, and whoever is there at `due_at` tries again."""
    connection.execute(
        update(notifications)
        .where(_table.id == notification_id)
        .values(attempts=attempts, due_at=due_at, taken_by=None)
    )


def next_notification_due(connection: Connection) -> Microseconds | None:
    """When the next one may be taken, None if there is none."""
    found: Microseconds | None = connection.execute(select(func.min(_table.due_at))).scalar()
    return found


def _outgoing(connection: Connection, row: RowMapping, until: Microseconds) -> Outgoing:
    publisher, body = (_loaded(opened(connection, row[name])) for name in ("publisher", "body"))
    return Outgoing(row["id"], publisher, body, row["attempts"], row["created_at"], until)


def _loaded(data: bytes) -> Any:
    value = msgspec.json.decode(data)
    return restore(value) if has_marks(data) else value
