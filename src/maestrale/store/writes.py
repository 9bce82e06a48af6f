"""Many rows in few statements: what a commit writes, and how many rows of it must be found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Final, Protocol

from sqlalchemy import Column, Connection, Table, and_, bindparam, delete, insert, update

from maestrale.store.pipeline import Pipeline
from maestrale.store.rows import MATCHED, Row
from maestrale.store.statements import insert_new

VALUES_PER_STATEMENT: Final = 500
"""Databases bound the number of variables."""


class Writes(Protocol):
    """Takes rows in. They are written, and what was expected holds, when the block of `writing` ends."""

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

    def lock(self, column: Column[Any], values: Sequence[Any]) -> None:
        """Nobody else writes."""

    def insert(self, table: Table, rows: Sequence[Row]) -> None:
        """New rows."""
        if rows:
            self._connection.execute(insert(table), rows)

    def insert_new(self, table: Table, rows: Sequence[Row]) -> None:
        """Rows of which some may be there."""
        if rows:
            self._connection.execute(insert_new(table), rows)

    def update(self, table: Table, rows: Sequence[Row], otherwise: type[Exception] | None = None) -> None:
        """Changed rows."""
        if rows:
            found = self._connection.execute(_update(table, tuple(rows[0])), rows).rowcount
            if otherwise is not None and found != len(rows):
                raise otherwise

    def delete(self, column: Column[Any], values: Sequence[Any], otherwise: type[Exception]) -> None:
        """Remove rows."""
        for start in range(0, len(values), VALUES_PER_STATEMENT):
            part = values[start : start + VALUES_PER_STATEMENT]
            if self._connection.execute(delete(column.table).where(column.in_(part))).rowcount != len(part):
                raise otherwise


@cache
def _update(table: Table, names: tuple[str, ...]) -> Any:
    matched = [name for name in names if name.startswith(MATCHED)]
    columns = {name: table.c[name.removeprefix(MATCHED)] for name in matched}
    found = [
        column.is_not_distinct_from(bindparam(name)) if column.nullable else column == bindparam(name)
        for name, column in columns.items()
    ]
    changed: dict[str, Any] = {name: bindparam(name) for name in names if name not in matched}
    return update(table).where(and_(*found)).values(changed)
