"""What others told an execution: letters, consumed in the transaction that stores their consequences."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from maestrale.engine.events import AnyEvent, DecisionFailed
from maestrale.model.values import Microseconds
from maestrale.store.keyring import KeyringError
from maestrale.store.marks import select_standing, with_root_kept
from maestrale.store.rows import Reply, Row, Unreadable, load_event
from maestrale.store.sealing import opened, sealed_rows
from maestrale.store.tables import command_replies, execution_heads, mail

LETTERS_PER_READ = 100
"""Letters of one execution that one decision round takes; the rest waits its turn."""


class Letter(msgspec.Struct, frozen=True):
    """One letter as it was read.

    `attempts`: how often it could not be read, or what follows from it could not be stored. `problem`: why it
    cannot be read; its event is the failure then.
    """

    sequence: int
    execution_id: str
    event: AnyEvent
    command_id: str | None
    attempts: int
    reply_to: str | None = None
    """The process in which somebody waits for the reply to the command."""
    problem: str | None = None


def post(connection: Connection, rows: list[Row]) -> None:
    """Put letters into the box."""
    connection.execute(insert(mail), sealed_rows(connection, rows, "event"))


def post_command(connection: Connection, row: Row) -> bool:
    """Put a command into the box if its execution is there; whether it is."""
    head = with_root_kept(select_standing(row["execution_id"], execution_heads.c.id))
    if connection.execute(head).scalar() is None:
        return False
    post(connection, [row])
    return True


def post_start(connection: Connection, row: Row) -> bool:
    """Put the beginning of an execution into the box."""
    post(connection, [row])
    return True


def read_letters(connection: Connection, execution_ids: Collection[str]) -> dict[str, list[Letter]]:
    """The oldest letters of some executions, in order. Call only when their ownership is certain.

    One that cannot be read is the last: nothing overtakes it.
    """
    found: dict[str, list[Letter]] = {execution_id: [] for execution_id in execution_ids}
    for execution_id, letters in found.items():
        query = (
            select(mail)
            .where(mail.c.execution_id == execution_id)
            .order_by(mail.c.sequence)
            .limit(LETTERS_PER_READ)
        )
        for row in connection.execute(query).mappings():
            letters.append(_letter(connection, row))
            if letters[-1].problem is not None:
                break
    return found


def _letter(connection: Connection, row: Any) -> Letter:
    problem = None
    event: AnyEvent
    try:
        event = load_event(opened(connection, row["event"]))
    except (Unreadable, KeyringError) as error:
        problem = f"The message with the number {row['sequence']} cannot be read: {error}"
        event = DecisionFailed(problem)
    names = ("sequence", "execution_id", "command_id", "attempts", "reply_to")
    return Letter(event=event, problem=problem, **{name: row[name] for name in names})


def count_attempt(connection: Connection, sequences: Collection[int]) -> None:
    """Note that these letters did not lead to anything once more."""
    connection.execute(
        update(mail).where(mail.c.sequence.in_(sequences)).values(attempts=mail.c.attempts + 1)
    )


def settle(connection: Connection, sequence: int, reply: Reply | None) -> None:
    """Take a letter out that leads to no decision, and answer it. Nothing if it is gone already."""
    if connection.execute(delete(mail).where(mail.c.sequence == sequence)).rowcount and reply is not None:
        connection.execute(insert(command_replies).values(**msgspec.structs.asdict(reply)))


def find_replies(connection: Connection, command_ids: Collection[str]) -> list[Reply]:
    """The replies to these commands, as far as there are any."""
    table = command_replies.c
    query = select(command_replies).where(table.command_id.in_(command_ids))
    return [
        Reply(row["command_id"], row["status"], row["message"], row["created_at"])
        for row in connection.execute(query).mappings()
    ]


def addressees(connection: Connection, before: Microseconds | None = None) -> list[str]:
    """The executions that have mail (from before that time)."""
    query = select(mail.c.execution_id).distinct().order_by(mail.c.execution_id)
    if before is not None:
        query = query.where(mail.c.created_at < before)
    return list(connection.execute(query).scalars())


def has_replies(connection: Connection, before: Microseconds) -> bool:
    """Whether there are replies from before that time."""
    query = select(command_replies.c.command_id).where(command_replies.c.created_at < before).limit(1)
    return connection.execute(query).scalar() is not None


def forget_replies(connection: Connection, before: Microseconds) -> None:
    """Drop replies that nobody has waited for since `before`."""
    connection.execute(delete(command_replies).where(command_replies.c.created_at < before))
