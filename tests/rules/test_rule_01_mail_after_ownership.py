"""Rule 1: mail is read only after ownership is certain; it is deleted by number, and a gap aborts."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from typing import Any

import pytest
from gates import Gate
from service import PATIENCE, World
from sqlalchemy import Connection, delete, insert
from store_rows import execution

from maestrale.engine.events import Continue, PauseRequested
from maestrale.store import mail
from maestrale.store.database import Database
from maestrale.store.documents import dump
from maestrale.store.executions import MailChanged, read_records, write_executions
from maestrale.store.processes import claim
from maestrale.store.rows import mail_row
from maestrale.store.schema import prepare
from maestrale.store.tables import execution_heads, workflow_executions
from maestrale.store.tables import mail as letters
from postgresql import PostgresqlServer

GATED = "version: '2.0'\nwf: {tasks: {t: {action: test.gate}}}\n"
OUTSIDE = "version: '2.0'\nwf: {tasks: {t: {action: std.async_noop}}}\n"


def _watch(world: World, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a process asks of its database, and (with "done") when a claim is certain."""
    seen: list[str] = []

    def watched(real: Callable[..., Future[Any]]) -> Callable[..., Future[Any]]:
        def ask(unit: Callable[..., Any], *args: Any, **kwargs: Any) -> Future[Any]:
            seen.append(unit.__name__)
            future = real(unit, *args, **kwargs)
            if unit is claim:
                future.add_done_callback(lambda _: seen.append("claim done"))
            return future

        return ask

    monkeypatch.setattr(world.database, "read", watched(world.database.read))
    monkeypatch.setattr(world.database, "write", watched(world.database.write))
    return seen


@pytest.mark.postgresql
def test_mail_is_read_by_its_owner_only(
    postgresql: PostgresqlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that hears of mail for an execution of another one leaves it in the box."""
    gate, name = Gate(), postgresql.lend()
    with ExitStack() as stack:
        owner = stack.enter_context(World(postgresql.url(name), actions=[gate.action]))
        other = stack.enter_context(World(postgresql.url(name), actions=[gate.action]))
        owner.define(GATED)
        key = owner.start("wf")
        gate.wait()
        seen = _watch(other, monkeypatch)
        other.send(key, PauseRequested())
        assert owner.execution(key)["state"] == "PAUSED"
        assert "claim done" in seen
        assert "read_letters" not in seen
    postgresql.take_back(name)


@pytest.mark.postgresql
def test_mail_is_read_after_the_claim(postgresql: PostgresqlServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The statement that reads it begins when the claim is committed, not beside it."""
    name = postgresql.lend()
    with World(postgresql.url(name)) as world:
        world.define(OUTSIDE)
        key = world.start("wf")
        (head,) = world.rows(execution_heads)
        assert head["owner"] is None
        seen = _watch(world, monkeypatch)
        world.send(key, PauseRequested())
        assert seen.index("claim done") < seen.index("read_letters")
    postgresql.take_back(name)


def test_a_letter_that_is_gone_voids_what_was_decided(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else has consumed it between reading and commit: nothing of the decision is stored."""
    with World(database_url) as world:
        world.define(OUTSIDE)
        key = world.start("wf")
        real = mail.read_letters

        def read(connection: Connection, execution_ids: list[str]) -> Any:
            found = real(connection, execution_ids)
            if key in execution_ids:
                consumed = delete(letters).where(letters.c.execution_id == key)
                world.database.write(lambda c: c.execute(consumed)).result(PATIENCE)
            return found

        monkeypatch.setattr(mail, "read_letters", read)
        world.database.write(mail.post, [mail_row(key, PauseRequested(), 1)]).result(PATIENCE)
        world.engine.loop.has_mail(key)
        world.until(lambda: not world.letters())
        world.send(world.start("wf"), Continue())
        world.engine.loop.settle()
        assert world.execution(key)["state"] == "RUNNING"
        records = world.database.read(read_records, key).result(PATIENCE)
        assert not [record for record in records if isinstance(record.event, PauseRequested)]


def test_what_is_missing_aborts_the_whole_batch(database_url: str) -> None:
    """Also what other executions have in it."""
    database = Database(database_url)
    prepare(database)
    letter = {"execution_id": "a", "epoch": 0, "event": dump(Continue()), "attempts": 0, "created_at": 1}
    database.write(lambda c: c.execute(insert(letters), [letter, letter])).result(PATIENCE)
    batch = [execution(key) for key in "ab"]
    batch[0].consumed = [1, 3]
    with pytest.raises(MailChanged):
        database.write(write_executions, batch).result(PATIENCE)

    def count(connection: Connection) -> list[int]:
        tables = (letters, workflow_executions, execution_heads)
        return [len(connection.execute(table.select()).all()) for table in tables]

    assert database.read(count).result(PATIENCE) == [2, 0, 0]
    batch[0].consumed = [1, 2]
    database.write(write_executions, batch).result(PATIENCE)
    assert database.read(count).result(PATIENCE) == [0, 2, 2]
    database.close()
