"""Marks of executions that are being deleted: they count as absent from the moment of the mark.

The mark of a root counts for its whole tree. Below an execution that is no root, each one has its own.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, exists, select, update
from sqlalchemy.sql import ColumnElement, Select

from maestrale.store.tables import execution_heads

_own = execution_heads.c
_root = execution_heads.alias("root_heads")


def is_there(execution_id: ColumnElement[Any], root_id: ColumnElement[Any]) -> ColumnElement[bool]:
    """The condition that an execution with this id and root is not being deleted (null: there is none)."""
    marked = execution_heads.alias("marked_heads")
    return ~exists().where(marked.c.id.in_([execution_id, root_id]), marked.c.deleting)


def select_standing(execution_id: str, *columns: ColumnElement[Any]) -> Select[Any]:
    """Columns of the head of an execution, if it is there and not being deleted."""
    source = execution_heads.join(_root, _root.c.id == _own.root_id)
    return (
        select(*columns).select_from(source).where(_own.id == execution_id, ~_own.deleting, ~_root.c.deleting)
    )


def with_root_kept(query: Select[Any]) -> Select[Any]:
    """The same; the root can be changed meanwhile, as it is all the time, but not be chosen to expire."""
    return query.with_for_update(read=True, key_share=True, of=_root)


def is_marked(connection: Connection, execution_id: str) -> bool:
    """Whether an execution is there and being deleted, by itself or with its root."""
    marked = execution_heads.alias("marked_heads")
    query = select(_own.id).where(
        _own.id == execution_id,
        exists().where(marked.c.id.in_([_own.id, _own.root_id]), marked.c.deleting),
    )
    return connection.execute(query).scalar() is not None


def mark(connection: Connection, execution_ids: list[str]) -> None:
    """Mark executions. Whoever has one in memory cannot commit anything for it any more."""
    taken = select(_own.id).where(_own.id.in_(execution_ids), ~_own.deleting).order_by(_own.id)
    connection.execute(taken.with_for_update(key_share=True)).all()
    connection.execute(
        update(execution_heads)
        .where(_own.id.in_(execution_ids), ~_own.deleting)
        .values(deleting=True, version=_own.version + 1, owner=None, alarm_at=None)
    )
