"""What a commit writes to a PostgreSQL: one statement for the rows of a table, all sent before any answer.

The rows of a statement are one JSON text that the server takes apart: one value to prepare and to send,
instead of one for each column of each row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Boolean, Column, Connection, Float, Integer, LargeBinary, Table
from sqlalchemy.exc import DBAPIError

from maestrale.store.leases import LeaseLost
from maestrale.store.postgresql import ends_connection
from maestrale.store.rows import MATCHED, Row

BYTES_PER_STATEMENT: Final = 4 * 1024 * 1024
"""A statement takes rows until it has that many; a larger row goes by itself."""

_encode: Callable[[Any], bytes] = msgspec.json.Encoder().encode


_HOLD: Final = "SELECT 1 FROM processes WHERE id = ANY(%s) AND NOT gone ORDER BY id FOR KEY SHARE"


class _Statement(NamedTuple):
    """`expected`: how many rows it must find, and what is raised otherwise."""

    text: str
    parameters: Sequence[Any]
    expected: tuple[int, type[Exception]] | None = None


class Pipeline:
    """`Writes` for PostgreSQL: collects statements until `flush`."""

    def __init__(self) -> None:
        self._statements: list[_Statement] = []

    def hold(self, process_ids: Sequence[str]) -> None:
        """The rows of these processes stay until the end of the transaction."""
        if process_ids:
            expected = len(process_ids), LeaseLost
            self._statements.append(_Statement(_HOLD, [list(process_ids)], expected))

    def insert(self, table: Table, rows: Sequence[Row]) -> None:
        """New rows."""
        if rows:
            text = _insert(table, tuple(rows[0]))
            self._statements += [_Statement(text, [data]) for data, _ in _parts(rows)]

    def insert_new(self, table: Table, rows: Sequence[Row]) -> None:
        """Rows of which some may be there. They hold large values, which travel as they are."""
        self._statements += [_Statement(_insert_one(table, tuple(row)), list(row.values())) for row in rows]

    def update(self, table: Table, rows: Sequence[Row], otherwise: type[Exception] | None = None) -> None:
        """Changed rows."""
        if rows:
            text = _update(table, tuple(rows[0]))
            for data, count in _parts(rows):
                expected = None if otherwise is None else (count, otherwise)
                self._statements.append(_Statement(text, [data], expected))

    def delete(self, column: Column[Any], values: Sequence[Any], otherwise: type[Exception]) -> None:
        """Remove rows."""
        if values:
            text = f"DELETE FROM {column.table.name} WHERE {column.name} = ANY(%s)"
            self._statements.append(_Statement(text, [list(values)], (len(values), otherwise)))

    def lock(self, column: Column[Any], values: Sequence[Any]) -> None:
        """Take the rows with these values, in their order, so that two who do it cannot block each other.

        As a change does: who only wants that a row stays (a command to its execution) is not waited for.
        """
        if values:
            name, table = column.name, column.table.name
            text = f"SELECT 1 FROM {table} WHERE {name} = ANY(%s) ORDER BY {name} FOR NO KEY UPDATE"
            self._statements.append(_Statement(text, [list(values)]))

    def flush(self, connection: Connection) -> None:
        """Send everything, then look at the answers. Raises what one of them calls for, and `DBAPIError`."""
        if not self._statements:
            return
        import psycopg

        driver: Any = connection.connection.driver_connection
        try:
            with driver.pipeline():
                cursors = [driver.execute(s.text, s.parameters) for s in self._statements]
        except psycopg.Error as error:
            is_lost = driver.closed or ends_connection(error)
            if is_lost:
                connection.invalidate(error)
            raise DBAPIError.instance(
                None, None, error, psycopg.Error, connection_invalidated=is_lost, dialect=connection.dialect
            ) from error
        for statement, cursor in zip(self._statements, cursors, strict=True):
            if statement.expected is not None and cursor.rowcount != statement.expected[0]:
                raise statement.expected[1]


def _parts(rows: Sequence[Row]) -> Iterator[tuple[str, int]]:
    """JSON texts of some rows each, and how many."""
    part: list[bytes] = []
    size = 0
    for row in rows:
        data = _encode(row)
        if part and size + len(data) > BYTES_PER_STATEMENT:
            yield _array(part), len(part)
            part, size = [], 0
        part.append(data)
        size += len(data)
    yield _array(part), len(part)


def _array(rows: list[bytes]) -> str:
    return f"[{b','.join(rows).decode()}]"


@cache
def _insert(table: Table, names: tuple[str, ...]) -> str:
    values = ", ".join(_value(table.c[name], name) for name in names)
    return f"INSERT INTO {table.name} ({_listed(names)}) SELECT {values} FROM {_given(table, names)}"


@cache
def _insert_one(table: Table, names: tuple[str, ...]) -> str:
    places = ", ".join("%s" for _ in names)
    return f"INSERT INTO {table.name} ({_listed(names)}) VALUES ({places}) ON CONFLICT DO NOTHING"


@cache
def _update(table: Table, names: tuple[str, ...]) -> str:
    found = " AND ".join(_equal(_column(table, name), name) for name in names if name.startswith(MATCHED))
    changed = ", ".join(
        f"{name} = {_value(table.c[name], name)}" for name in names if not name.startswith(MATCHED)
    )
    return f"UPDATE {table.name} SET {changed} FROM {_given(table, names)} WHERE {found}"


def _equal(column: Column[Any], name: str) -> str:
    comparison = "IS NOT DISTINCT FROM" if column.nullable else "="
    return f"{column.table.name}.{column.name} {comparison} given.{name}"


def _column(table: Table, name: str) -> Column[Any]:
    return table.c[name.removeprefix(MATCHED)]


def _given(table: Table, names: tuple[str, ...]) -> str:
    columns = ", ".join(f"{name} {_type(_column(table, name))}" for name in names)
    return f"json_to_recordset(%s::json) AS given({columns})"


def _value(column: Column[Any], name: str) -> str:
    """Bytes come as base64, which is how they stand in JSON."""
    if isinstance(column.type, LargeBinary):
        return f"decode(given.{name}, 'base64')"
    return f"given.{name}"


def _type(column: Column[Any]) -> str:
    if isinstance(column.type, Boolean):
        return "boolean"
    if isinstance(column.type, Integer):  # as wide as any, so that what is too large is named by its column
        return "bigint"
    return "double precision" if isinstance(column.type, Float) else "text"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
