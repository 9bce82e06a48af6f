"""How a database carries out what it is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Connection, event, text

from maestrale.store.database import Database


class Asked(NamedTuple):
    """A statement that was sent, with its values."""

    statement: str
    values: Any


class _Undone(Exception):
    """Ends a transaction of which nothing shall stay."""


def plans(
    database: Database, unit: Callable[[Connection], object], *settings: str, without: str | None = None
) -> list[str]:
    """How the database carries out each statement of a unit, whose changes are undone. `settings` of
    PostgreSQL are in force meanwhile; `without`: an index that is not there meanwhile."""
    found: list[str] = []

    def look(connection: Connection) -> None:
        choose_any_index(connection, *settings)
        if without is not None:
            connection.execute(text(f"DROP INDEX {without}"))
        asked = _asked(connection, unit)
        explain = "EXPLAIN QUERY PLAN" if database.dialect.file else "EXPLAIN"
        for statement, values in asked:
            one = values[0] if isinstance(values, list) else values
            rows = connection.exec_driver_sql(f"{explain} {statement}", one)
            found.append("\n".join(str(row[-1]) for row in rows))
        raise _Undone

    with pytest.raises(_Undone):
        database.write(look).result()
    return found


def _asked(connection: Connection, unit: Callable[[Connection], object]) -> list[Asked]:
    """The statements that a unit sends."""
    asked: list[Asked] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_: object) -> None:
        asked.append(Asked(statement, values))

    with connection.begin_nested() as savepoint:
        event.listen(connection, "before_cursor_execute", note)
        unit(connection)
        event.remove(connection, "before_cursor_execute", note)
        savepoint.rollback()
    return asked


def choose_any_index(connection: Connection, *settings: str) -> None:
    """Have PostgreSQL read a whole table only where no index helps, as it does once tables are big."""
    if connection.dialect.name == "postgresql":
        for setting in ("enable_seqscan = off", *settings):
            connection.execute(text(f"SET LOCAL {setting}"))
