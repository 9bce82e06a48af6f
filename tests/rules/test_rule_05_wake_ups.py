"""Rule 5: wake-ups are hints, sent after the commit on another connection, many in one; sweeps cover loss."""

from __future__ import annotations

import threading
import time
from typing import Any

import msgspec
import psycopg
import pytest
from service import PATIENCE, World
from sqlalchemy import Connection, event, update

from maestrale.engine.events import PauseRequested
from maestrale.runtime.machine import description
from maestrale.store import leases
from maestrale.store.database import Database
from maestrale.store.tables import execution_heads
from maestrale.store.wakeups import Wakeups, channel_of
from postgresql import PostgresqlServer

pytestmark = pytest.mark.postgresql

OUTSIDE = "version: '2.0'\nwf: {tasks: {t: {action: std.async_noop}}}\n"
NEIGHBOUR = {**description(), "id": "neighbour", "roles": "engine", "address": None}


def test_a_hint_is_sent_after_the_commit_on_another_connection(
    postgresql: PostgresqlServer, lent_name: str
) -> None:
    """Whoever gets it finds the letter, and commits do not wait for each other's NOTIFY."""
    with World(postgresql.url(lent_name)) as world:
        world.define(OUTSIDE)
        key = world.start("wf")
        writer = world.database.write(_backend).result(PATIENCE)

        def give_away(connection: Connection) -> None:
            leases.register(connection, NEIGHBOUR, 3600, 0)
            changed = update(execution_heads).where(execution_heads.c.id == key)
            connection.execute(changed.values(owner="neighbour"))

        world.database.write(give_away).result(PATIENCE)
        with psycopg.connect(postgresql.url(lent_name), autocommit=True) as neighbour:
            neighbour.execute(f'LISTEN "{channel_of("neighbour")}"')
            world.engine.send(key, PauseRequested())
            (hint,) = neighbour.notifies(timeout=PATIENCE, stop_after=1)
            letters = neighbour.execute("SELECT execution_id FROM mail").fetchall()
        assert msgspec.json.decode(hint.payload) == ["mail", key]
        assert letters == [(key,)]
        assert hint.pid != writer


def _backend(connection: Connection) -> int:
    return int(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())


def test_hints_are_coalesced(postgresql: PostgresqlServer, lent_name: str) -> None:
    """What is told while one is on its way goes with the next, and each name once."""
    database = Database(postgresql.url(lent_name))
    heard: list[str] = []
    sent: list[str] = []
    on_its_way, may_go, complete = threading.Event(), threading.Event(), threading.Event()

    def received(_kind: str, names: list[str]) -> None:
        heard.extend(names)
        if "last" in names:
            complete.set()

    def hold(*given: Any) -> None:
        if "pg_notify" in given[2]:
            sent.append(given[2])
            on_its_way.set()
            assert may_go.wait(PATIENCE)

    wakeups = Wakeups(database, received)
    wakeups.listen_as("me")
    wakeups.start()
    try:
        while "here" not in heard:
            wakeups.tell("me", "mail", "here")
            time.sleep(0.01)
        heard.clear()
        event.listen(database.writing, "before_cursor_execute", hold)
        wakeups.tell("me", "mail", "first")
        assert on_its_way.wait(PATIENCE)
        sent.clear()
        for number in range(300):
            wakeups.tell("me", "mail", f"execution-{number % 100}")
        wakeups.tell("me", "mail", "last")
        may_go.set()
        assert complete.wait(PATIENCE)
        assert len(sent) == 1
    finally:
        may_go.set()
        wakeups.stop()
        database.close()
    assert [heard.count(f"execution-{number}") for number in range(100)] == [1] * 100


def test_a_lost_connection_is_followed_by_a_sweep(postgresql: PostgresqlServer, lent_name: str) -> None:
    """Nobody knows what was said meanwhile."""
    database = Database(postgresql.url(lent_name))
    swept, listening = threading.Event(), threading.Event()

    def received(kind: str, _names: list[str]) -> None:
        if kind == "here":
            listening.set()
        if kind == "sweep":
            swept.set()

    wakeups = Wakeups(database, received)
    wakeups.listen_as("me")
    wakeups.start()
    try:
        while not listening.wait(0.05):
            wakeups.tell("me", "here", "")
        assert not swept.is_set()
        postgresql.cut(lent_name)
        assert swept.wait(PATIENCE)
    finally:
        wakeups.stop()
        database.close()
