"""Statements that SQL leaves to each database, in forms that all of ours understand."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Insert, Table
from sqlalchemy.sql import ColumnElement

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
