"""Databases with very many executions, written in bulk and kept for the next time."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Final

from sqlalchemy import Table

from bench import list_rows, report
from bench.list_rows import Execution, Rows
from maestrale.store.database import Database
from maestrale.store.schema import prepare
from maestrale.store.tables import (
    action_executions,
    execution_heads,
    task_executions,
    workflow_executions,
)

TABLES: Final = (execution_heads, workflow_executions, task_executions, action_executions)
PORTION: Final = 10_000
"""Executions of which the rows are written together."""

Put = Callable[[Table, Iterable[Rows]], None]


def build(url: str, count: int) -> None:
    """Fill the empty database at `url` with so many executions, and five times as many tasks."""
    database = Database(url)
    prepare(database)
    is_file = database.dialect.file is not None
    database.close()
    begun = time.monotonic()
    (_fill_sqlite if is_file else _fill_postgresql)(url, count)
    report.progress(f"{count} executions written in {time.monotonic() - begun:.0f} s")


def rows_of(portion: list[Execution], first_of: dict[str, str]) -> dict[str, list[Rows]]:
    """All rows of these executions by table; `first_of` leads from roots to the tasks below which they have
    children."""
    found: dict[str, list[Rows]] = {table.name: [] for table in TABLES}
    for one in portion:
        wide = one.number % list_rows.WIDE_EVERY == list_rows.WIDE_EXECUTION
        count = list_rows.WIDE if wide else list_rows.TASKS
        if one.parent is None:
            first_of.clear()
            first_of[one.id] = list_rows.task_id(one, 0)
        parent_task = None if one.parent is None else first_of[one.parent]
        found["execution_heads"].append(list_rows.head_row(one))
        found["workflow_executions"].append(list_rows.workflow_row(one, parent_task))
        found["task_executions"] += list_rows.task_rows(one, count)
        for number in (0, 1):
            wide = number == 1 and one.number % list_rows.WIDE_EVERY == list_rows.WIDE_TASK
            items = list_rows.WIDE if wide else 1
            found["action_executions"] += list_rows.action_rows(one, list_rows.task_id(one, number), items)
    return found


def _fill(count: int, put: Put) -> None:
    first_of: dict[str, str] = {}
    for portion in _portions(list_rows.executions(count)):
        found = rows_of(portion, first_of)
        for table in TABLES:
            put(table, found[table.name])
        if portion[-1].number % 100_000 == 99_999:
            report.progress(f"  {portion[-1].number + 1} executions")


def _portions(rows: Iterator[Execution]) -> Iterator[list[Execution]]:
    while portion := list(islice(rows, PORTION)):
        yield portion


def _fill_sqlite(url: str, count: int) -> None:
    connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    for setting in ("synchronous=OFF", "cache_size=-500000", "temp_store=FILE", "journal_mode=WAL"):
        connection.execute(f"PRAGMA {setting}")
    indexes = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    ).fetchall()
    for name, _ in indexes:
        connection.execute(f"DROP INDEX {name}")

    def put(table: Table, rows: Iterable[Rows]) -> None:
        places = ", ".join("?" * len(table.columns))
        connection.execute("BEGIN")
        connection.executemany(f"INSERT INTO {table.name} VALUES ({places})", rows)
        connection.execute("COMMIT")

    _fill(count, put)
    for _, statement in indexes:
        connection.execute(statement)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _fill_postgresql(url: str, count: int) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        connection.execute("SET maintenance_work_mem = '512MB'")
        indexes = connection.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND indexname LIKE 'ix_%'"
        ).fetchall()
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}")

        def put(table: Table, rows: Iterable[Rows]) -> None:
            names = ", ".join(column.name for column in table.columns)
            with connection.cursor().copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
                copy.write("".join(map(_line, rows)))

        _fill(count, put)
        for _, statement in indexes:
            connection.execute(statement)
        connection.execute("VACUUM ANALYZE")


def _line(row: Rows) -> str:
    """As COPY reads it; there are no other characters in our texts that it minds."""
    return "\t".join(map(_text, row)) + "\n"


def _text(value: Any) -> str:
    if value is None:
        return "\\N"
    if value is True or value is False:
        return "t" if value else "f"
    return str(value)
