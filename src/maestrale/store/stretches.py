"""On which way a list in the order of `created_at` is read: along stretches of an index.

The indexes are of a project, of a field, and of `created_at`. A list needs one stretch of one of them, or
several that are merged: for a state out of several, or a project out of all. A stretch is in order already,
so no more of it is read than fills the page, and what the other filters leave out.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from sqlalchemy import Connection, func, literal, literal_column, or_, select
from sqlalchemy.sql import ColumnElement

from maestrale.model.listing import Filter, Listing
from maestrale.store.conditions import condition, listed
from maestrale.store.selection import Condition, Lead, Resource, Viewer
from maestrale.store.statements import spelled_out

MOST_STRETCHES: Final = 64
MOST_ROWS: Final = 32_000
"""So many stretches are merged at most, and so many rows of theirs are read."""

MOST_VALUES: Final = 500
"""So many values that a field has in one project are looked at for those that a filter means."""

AGE: Final = "created_at"


class Stretches(msgspec.Struct, frozen=True):
    """`parts`: each the conditions of one stretch. `said`: the filter that they say, so that it need not be
    said again. `by_project`: whether they say the project, too. `is_in_order`: whether each of them is."""

    parts: list[tuple[Condition, ...]]
    said: str | None = None
    by_project: bool = True
    is_in_order: bool = True


def stretches_of(
    connection: Connection, resource: Resource, viewer: Viewer, listing: Listing
) -> Stretches | None:
    """Where the rows of a list are; None if that is to be left to the database."""
    if not resource.leads or listing.sort[0].name != AGE:
        return None
    filters = {filter_.name: filter_ for filter_ in listing.filters}
    search = _Search(connection, resource, viewer, listing, filters)
    for lead in resource.leads:
        if lead.name in filters:
            found = search.along(lead, filters[lead.name])
            if found is not None:
                return found
    if resource.elsewhere.intersection(filters):
        return None
    if search.project is None:
        return Stretches([()], by_project=False)
    return Stretches([(resource.project == search.project,)])


def unaided(resource: Resource, listing: Listing) -> list[str]:
    """The arguments of a list that no index helps with, so that it may take long: of the filters all but the
    one along whose index it is read."""
    filters = {filter_.name: filter_ for filter_ in listing.filters if filter_.name != AGE}
    for lead in resource.leads:
        if lead.name in filters and filters[lead.name].operator in _aided(lead):
            del filters[lead.name]
            break
    return [
        *filters,
        *(["nulls"] if listing.nulls else []),
        *([] if listing.sort[0].name == AGE else ["sort_keys"]),
    ]


def _aided(lead: Lead) -> list[str]:
    """The operators that an index helps with."""
    known = ["neq", "nin"] if lead.values else []
    return ["eq", "in", *known, *(["has"] if lead.is_looked_through else [])]


class _Search:
    """The stretches of one list."""

    def __init__(
        self,
        connection: Connection,
        resource: Resource,
        viewer: Viewer,
        listing: Listing,
        filters: dict[str, Filter],
    ) -> None:
        self._connection = connection
        self._resource = resource
        self._most = min(MOST_STRETCHES, MOST_ROWS // listing.limit)
        self.project: str | None = None if viewer.sees_all else viewer.project_id
        given = filters.get("project_id")
        if self.project is None and given is not None and given.operator == "eq":
            self.project = given.value

    def along(self, lead: Lead, filter_: Filter) -> Stretches | None:
        """The stretches of this field's index; None if the filter means too many, or what is not in it."""
        column = self._column(lead)
        if not lead.by_project:
            values = _values(lead, filter_)
            return None if values is None else self._checked([(column == value,) for value in values], lead)
        projects = self._projects()
        if projects is None:
            return None
        parts: list[tuple[Condition, ...]] = []
        for project in projects:
            values = self._meant(lead, filter_, project)
            if values is None or lead.left_out in values:
                return None
            within = self._resource.project == project, *map(spelled_out, self._in_index(lead))
            parts += [(*within, column == value) for value in values]
        return self._checked(parts, lead)

    def _checked(self, parts: list[tuple[Condition, ...]], lead: Lead) -> Stretches | None:
        said = lead.name if self._resource.fields[lead.name].indexed is None else None
        if len(parts) > self._most:
            return None
        return Stretches(parts, said, lead.by_project, is_in_order=lead.by_project)

    def _column(self, lead: Lead) -> ColumnElement[Any]:
        field = self._resource.fields[lead.name]
        return field.column if field.indexed is None else field.indexed

    def _in_index(self, lead: Lead) -> list[Condition]:
        """The condition of the index, if it does not have all rows."""
        return [] if lead.left_out is None else [self._column(lead) != literal_column(f"'{lead.left_out}'")]

    def _projects(self) -> list[str] | None:
        """Those of which rows are wanted; None for too many."""
        if self.project is not None:
            return [self.project]
        return self._distinct(self._resource.project, [], None)

    def _meant(self, lead: Lead, filter_: Filter, project: str) -> list[str] | None:
        """The values that a filter means; None if it means nearly all, or more than can be looked at."""
        field = self._resource.fields[lead.name]
        if filter_.operator != "has" and field.kind != "tags":
            return _values(lead, filter_)
        if not lead.is_looked_through or filter_.operator in ("neq", "nin"):
            return None
        found = self._distinct(
            field.column, [self._resource.project == project, *self._in_index(lead)], (lead, filter_)
        )
        if found is not None and lead.left_out is not None and filter_.operator == "has":
            fits = condition(msgspec.structs.replace(field, column=literal(lead.left_out)), filter_)
            if self._connection.execute(select(fits)).scalar():
                return None
        return found

    def _distinct(
        self, column: ColumnElement[Any], there: list[Condition], meant: tuple[Lead, Filter] | None
    ) -> list[str] | None:
        """The values of a column that an index has in order, from each to the next greater one: those that
        are meant, or all. None if there are too many."""
        most = self._most if meant is None else MOST_VALUES
        first = select(func.min(column).label("value"), literal(1).label("number")).where(*there)
        found = first.cte("found", recursive=True)
        following = select(func.min(column)).where(*there, column > found.c.value).scalar_subquery()
        is_more = found.c.value.is_not(None) & (found.c.number <= most)
        found = found.union_all(select(following, found.c.number + 1).where(is_more))
        query = select(found.c.value, found.c.number).where(found.c.value.is_not(None))
        if meant is not None:
            lead, filter_ = meant
            field = msgspec.structs.replace(self._resource.fields[lead.name], column=found.c.value)
            query = query.where(or_(condition(field, filter_), found.c.number > most))
        rows = self._connection.execute(query).all()
        return None if any(row.number > most for row in rows) else [str(row.value) for row in rows]


def _values(lead: Lead, filter_: Filter) -> list[str] | None:
    """The values that a filter names, or leaves over of a few known ones; None for any others."""
    if filter_.operator == "eq":
        return [filter_.value]
    if filter_.operator == "in":
        return list(dict.fromkeys(listed(filter_)))
    if filter_.operator in ("neq", "nin") and lead.values:
        named = [filter_.value] if filter_.operator == "neq" else listed(filter_)
        return [value for value in lead.values if value not in named]
    return None
