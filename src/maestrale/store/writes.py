"""Many rows in few statements: what a commit writes, and how many rows of it must be found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Protocol

from sqlalchemy import Column, Connection, Table

from maestrale.store.pipeline import Pipeline
from maestrale.store.rows import MATCHED, Row
from maestrale.store.sqlite import execute


class Writes(Protocol):
    """Takes rows in. They are written, and what was expected holds, when the block of `writing` ends."""

    def hold(self, process_ids: Sequence[str]) -> None:
        """See to it that these processes, in whose names this is written, are not gone, before anything else;
        as `leases.hold` does, but without a question of its own. Raises `LeaseLost`."""

    def lock(self, column: Column[Any], values: Sequence[Any]) -> None:
        """Take the rows with these values before all others, in the order of the values."""

    def insert(self, table: Table, rows: Sequence[Row]) -> None:
        """New rows, all with the same columns."""

    def insert_new(self, table: Table, rows: Sequence[Row]) -> None:
        """Rows of which some may be there already; those stay as they are."""

    def update(self, table: Table, rows: Sequence[Row], otherwise: type[Exception] | None = None) -> None:
        """Changed rows, each found by its values whose names begin with `MATCHED`.

        `otherwise` is raised unless each of them was found.
        """

    def delete(self, column: Column[Any], values: Sequence[Any], otherwise: type[Exception]) -> None:
        """Remove the rows with these values. `otherwise` is raised unless each of them was found."""


@contextmanager
def writing(connection: Connection) -> Iterator[Writes]:
    """Where rows can be put that the transaction of this connection shall write."""
    if connection.dialect.name == "postgresql":
        pipeline = Pipeline()
        yield pipeline
        pipeline.flush(connection)
    else:
        yield _AtOnce(connection)


class _AtOnce:
    """Every statement as soon as its rows are there: in the same process that costs nothing."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def hold(self, process_ids: Sequence[str]) -> None:
        """There is no other process."""

    def lock(self, column: Column[Any], values: Sequence[Any]) -> None:
        """Nobody else writes."""

    def insert(self, table: Table, rows: Sequence[Row]) -> None:
        """New rows."""
        if rows:
            execute(self._connection, _insert(table, tuple(rows[0])), rows)

    def insert_new(self, table: Table, rows: Sequence[Row]) -> None:
        """Rows of which some may be there."""
        if rows:
            text = f"{_insert(table, tuple(rows[0]))} ON CONFLICT DO NOTHING"
            execute(self._connection, text, rows)

    def update(self, table: Table, rows: Sequence[Row], otherwise: type[Exception] | None = None) -> None:
        """Changed rows."""
        if rows:
            found = execute(self._connection, _update(table, tuple(rows[0])), rows)
            if otherwise is not None and found != len(rows):
                raise otherwise

    def delete(self, column: Column[Any], values: Sequence[Any], otherwise: type[Exception]) -> None:
        """Remove rows."""
        if values:
            text = f"DELETE FROM {column.table.name} WHERE {column.name} = :value"
            if execute(self._connection, text, [{"value": value} for value in values]) != len(values):
                raise otherwise


@cache
def _insert(table: Table, names: tuple[str, ...]) -> str:
    places = ", ".join(f":{name}" for name in names)
    return f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({places})"


@cache
def _update(table: Table, names: tuple[str, ...]) -> str:
    found = " AND ".join(_equal(table, name) for name in names if name.startswith(MATCHED))
    changed = ", ".join(f"{name} = :{name}" for name in names if not name.startswith(MATCHED))
    return f"UPDATE {table.name} SET {changed} WHERE {found}"


def _equal(table: Table, name: str) -> str:
    column = table.c[name.removeprefix(MATCHED)]
    return f"{column.name} {'IS' if column.nullable else '='} :{name}"
