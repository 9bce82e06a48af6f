"""Rule 5: rows are taken in id order, all waiting has an end, and hot tables have no foreign keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from gates import Gate
from service import PATIENCE, World
from sqlalchemy import Connection, event, inspect
from sqlalchemy.pool import Pool
from store_rows import execution

from maestrale.store.database import Database
from maestrale.store.executions import write_executions
from maestrale.store.rows import ExecutionRows
from maestrale.store.schema import prepare
from maestrale.store.tables import metadata
from postgresql import PostgresqlServer

NAMES = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")


@pytest.fixture
def database(postgresql: PostgresqlServer, lent_name: str) -> Iterator[Database]:
    opened = Database(postgresql.url(lent_name))
    yield opened
    opened.close()


def _changed(key: str) -> ExecutionRows:
    rows = execution(key, state="PAUSED")
    rows.is_new, rows.old_version, rows.old_owner = False, 1, None
    rows.new_tasks, rows.new_actions = [], []
    return rows


def _knowing(key: str, child: str) -> ExecutionRows:
    """An execution that has heard of a child."""
    rows = _changed(key)
    rows.workflow = None
    rows.known = [{"b_id": child, "accepted": False, "known_state": "PAUSED", "known_output": None}]
    return rows


@pytest.mark.postgresql
@pytest.mark.parametrize(
    ("table", "batch"),
    [
        ("execution_heads", lambda: [_changed("b"), _changed("a")]),
        ("workflow_executions", lambda: [_changed("b"), _changed("a")]),
        ("workflow_executions", lambda: [_changed("b"), _knowing("c", "a")]),
    ],
    ids=["heads", "executions", "children of others"],
)
def test_rows_are_taken_in_the_order_of_their_ids(
    postgresql: PostgresqlServer,
    lent_name: str,
    database: Database,
    table: str,
    batch: Callable[[], list[ExecutionRows]],
) -> None:
    """Whoever waits for a row holds none with a higher id: so no two of them can wait for each other.

    The rows lie on the disk in another order.
    """
    database.write(write_executions, [execution(key) for key in "cba"]).result(PATIENCE)
    with psycopg.connect(postgresql.url(lent_name)) as other:
        other.execute(f"SELECT 1 FROM {table} WHERE id = 'a' FOR UPDATE")
        writing = database.write(write_executions, batch())
        waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'"
        while not postgresql.execute(lent_name, waiting, lent_name):
            assert not writing.done()
        other.execute(f"SELECT 1 FROM {table} WHERE id = 'b' FOR UPDATE NOWAIT")
        other.commit()
    writing.result(PATIENCE)


@pytest.mark.postgresql
def test_every_connection_gives_up_in_time(postgresql: PostgresqlServer, lent_name: str) -> None:
    """Writer, readers, the lease's own one, and those that hints come and go by: whatever is opened."""
    found: list[tuple[str, ...]] = []

    def ask(connection: Any, _record: object) -> None:
        if isinstance(connection, psycopg.Connection):
            with connection.cursor() as cursor:
                found.append(tuple(cursor.execute(f"SHOW {name}").fetchone()[0] for name in NAMES))  # type: ignore[index]
            connection.rollback()

    event.listen(Pool, "connect", ask)
    try:
        gate = Gate()
        with World(postgresql.url(lent_name), actions=[gate.action]) as world:
            world.define("version: '2.0'\nwf: {tasks: {t: {action: test.gate}}}\n")
            world.start("wf")
            gate.wait()
            world.until(lambda: len(found) >= 5, "writer, reader, lease, hints out, hints in")
    finally:
        event.remove(Pool, "connect", ask)
    assert set(found) == {("10s", "1min", "1min")}


def test_there_are_no_foreign_keys(database_url: str) -> None:
    opened = Database(database_url)
    prepare(opened)

    def keys(connection: Connection) -> dict[str, list[Any]]:
        found = inspect(connection)
        return {table: found.get_foreign_keys(table) for table in found.get_table_names()}

    found = opened.read(keys).result(PATIENCE)
    opened.close()
    assert set(metadata.tables) <= set(found)
    assert not any(found.values())
