"""Statements that SQL leaves to each database, in forms that all of ours understand."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Boolean, Insert, Table
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ColumnElement
from sqlalchemy.sql.functions import FunctionElement

_ESCAPE: Final = "\x01"
"""Whatever it is, it has to be named: PostgreSQL has one by default, and SQLite has none."""


def insert_new(table: Table) -> Insert:
    """An insert that leaves alone what is there already. SQLite writes `ON CONFLICT` as PostgreSQL does."""
    from sqlalchemy.dialects.postgresql import insert  # costs a tenth of a second, and few need it

    return insert(table).on_conflict_do_nothing()


def contains(column: ColumnElement[Any], pattern: str) -> ColumnElement[bool]:
    """Whether a text contains a pattern, in which `%` and `_` stand for any characters.

    ASCII letters are the same in upper and lower case.
    """
    escaped = pattern.replace(_ESCAPE, _ESCAPE * 2)
    return column.ilike(f"%{escaped}%", escape=_ESCAPE)


class passed_over(FunctionElement[bool]):  # noqa: N801 - reads as the functions of SQL do
    """A condition that is looked at row by row. SQLite, which knows nothing of how many rows there are of
    which kind, shall not choose an index for its sake; PostgreSQL knows, and decides itself."""

    type = Boolean()
    inherit_cache = True


@compiles(passed_over)
def _as_it_is(element: passed_over, compiler: Any, **given: Any) -> str:
    return f"({compiler.process(element.clauses, **given)})"


@compiles(passed_over, "sqlite")
def _not_by_an_index(element: passed_over, compiler: Any, **given: Any) -> str:
    return f"+({compiler.process(element.clauses, **given)})"


class spelled_out(FunctionElement[bool]):  # noqa: N801 - reads as the functions of SQL do
    """A condition that follows from another one. SQLite takes an index of some rows only where the condition
    of the index stands in so many words; PostgreSQL sees it, and would count it as a further one."""

    type = Boolean()
    inherit_cache = True

    def self_group(self, against: Any = None) -> Any:  # noqa: ARG002 - as SQLAlchemy calls it
        """Not compared with 1, as SQLAlchemy would do for SQLite: then it would be other words."""
        return self


@compiles(spelled_out)
def _as_true(_element: spelled_out, _compiler: Any, **_given: Any) -> str:
    return "true"


@compiles(spelled_out, "sqlite")
def _in_so_many_words(element: spelled_out, compiler: Any, **given: Any) -> str:
    text: str = compiler.process(element.clauses, **given)
    return text
