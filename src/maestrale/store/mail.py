"""What others told an execution: letters, consumed in the transaction that stores their consequences."""

from __future__ import annotations

from collections.abc import Collection

import msgspec
from sqlalchemy import Connection, delete, insert, select

from maestrale.engine.events import AnyEvent
from maestrale.model.values import Microseconds
from maestrale.store.rows import Reply, Row, load_event
from maestrale.store.tables import command_replies, execution_heads, mail

LETTERS_PER_READ = 100
"""Letters of one execution that one decision round takes; the rest waits its turn."""


class Letter(msgspec.Struct, frozen=True):
    """One letter as it was read."""

    sequence: int
    execution_id: str
    event: AnyEvent
    command_id: str | None
    attempts: int


def post(connection: Connection, rows: list[Row]) -> None:
    """Put letters into the box."""
    connection.execute(insert(mail), rows)


def post_command(connection: Connection, row: Row) -> bool:
    """Put a command into the box if its execution exists; whether it does."""
    head = select(execution_heads.c.id).where(
        execution_heads.c.id == row["execution_id"], ~execution_heads.c.deleting
    )
    if connection.execute(head).scalar() is None:
        return False
    post(connection, [row])
    return True


def read_letters(connection: Connection, execution_ids: Collection[str]) -> dict[str, list[Letter]]:
    """The oldest letters of some executions, in order. Call only when their ownership is certain."""
    found: dict[str, list[Letter]] = {execution_id: [] for execution_id in execution_ids}
    for execution_id, letters in found.items():
        query = (
            select(mail)
            .where(mail.c.execution_id == execution_id)
            .order_by(mail.c.sequence)
            .limit(LETTERS_PER_READ)
        )
        for row in connection.execute(query).mappings():
            event = load_event(row["event"])
            letters.append(
                Letter(row["sequence"], row["execution_id"], event, row["command_id"], row["attempts"])
            )
    return found


def find_replies(connection: Connection, command_ids: Collection[str]) -> list[Reply]:
    """The replies to these commands, as far as there are any."""
    table = command_replies.c
    query = select(command_replies).where(table.command_id.in_(command_ids))
    return [
        Reply(row["command_id"], row["status"], row["message"], row["created_at"])
        for row in connection.execute(query).mappings()
    ]


def addressees(connection: Connection, before: Microseconds) -> list[str]:
    """The executions that have mail from before that time."""
    query = select(mail.c.execution_id).where(mail.c.created_at < before).distinct()
    return list(connection.execute(query).scalars())


def discard(connection: Connection, execution_id: str) -> None:
    """Throw away the mail of an execution that is no more."""
    connection.execute(delete(mail).where(mail.c.execution_id == execution_id))


def has_replies(connection: Connection, before: Microseconds) -> bool:
    """Whether there are replies from before that time."""
    query = select(command_replies.c.command_id).where(command_replies.c.created_at < before).limit(1)
    return connection.execute(query).scalar() is not None


def forget_replies(connection: Connection, before: Microseconds) -> None:
    """Drop replies that nobody has waited for since `before`."""
    connection.execute(delete(command_replies).where(command_replies.c.created_at < before))
