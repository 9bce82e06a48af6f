"""What a list is asked for: filters, order, page, and which fields. Plain values, checked by the store."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

Operator = Literal["eq", "neq", "lt", "lte", "gt", "gte", "in", "nin", "has"]
OPERATORS: Final = ("eq", "neq", "lt", "lte", "gt", "gte", "in", "nin", "has")

Row = dict[str, Any]
"""One object with the names of the API: times are microseconds, documents are JSON text."""


class Filter(msgspec.Struct, frozen=True):
    """`name` compared with `value`; for `in` and `nin` the value is a comma list."""

    name: str
    operator: Operator
    value: str


class SortKey(msgspec.Struct, frozen=True):
    """One column of the order."""

    name: str
    descending: bool = False


class Listing(msgspec.Struct, frozen=True):
    """One page of a list.

    `sort` ends with a unique key. `marker` is the id of the last object of the page before. `fields` None
    means all but the heavy ones, which `extra` may add by name. `nulls` names what must be null.
    """

    limit: int
    sort: tuple[SortKey, ...] = (SortKey("created_at"), SortKey("id"))
    filters: tuple[Filter, ...] = ()
    nulls: tuple[str, ...] = ()
    marker: str | None = None
    fields: tuple[str, ...] | None = None
    extra: tuple[str, ...] = ()
    all_projects: bool = False


class Shape(msgspec.Struct, frozen=True):
    """The names of one kind of object, for checking requests before anything is read.

    `fields` may be selected, `filters` filtered by, `sortable` sorted by and `nullable` asked to be null.
    Markers are UUIDs unless `free_ids`, where clients choose ids.
    """

    collection: str
    fields: tuple[str, ...]
    filters: frozenset[str]
    sortable: frozenset[str]
    nullable: frozenset[str] = frozenset()
    free_ids: bool = False
