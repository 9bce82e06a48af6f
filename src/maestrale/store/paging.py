"""One page of a list: its filters, its order, and where it begins."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, and_, false, literal, or_, select, true, union_all
from sqlalchemy.sql import ColumnElement, Select

from maestrale.model.errors import NotFound
from maestrale.model.listing import Listing, Row, SortKey
from maestrale.store.conditions import condition
from maestrale.store.selection import Condition, Field, Resource, Viewer, select_fields, visible
from maestrale.store.statements import passed_over
from maestrale.store.stretches import AGE, Stretches, stretches_of

_SORTED: Final = "_sorted_"


def read_page(
    connection: Connection, resource: Resource, viewer: Viewer, listing: Listing, *conditions: Condition
) -> list[Row]:
    """One page of rows. BadRequest for a value that does not fit its field, NotFound for the marker."""
    filters = {filter_.name: condition(resource.fields[filter_.name], filter_) for filter_ in listing.filters}
    nulls = [resource.fields[name].column.is_(None) for name in listing.nulls]
    seen = visible(resource, viewer)
    after: list[Condition] = []
    if listing.marker is not None:
        after.append(_after_marker(connection, resource, viewer, listing, *conditions))
    statement = select_fields(resource, resource.chosen(listing)).where(*conditions, *after)
    stretches = stretches_of(connection, resource, viewer, listing)
    if stretches is None:
        statement = statement.where(*seen, *filters.values(), *nulls)
        return _rows(connection, _first(statement, resource, listing))
    if AGE in filters:
        statement = statement.where(filters.pop(AGE))
    filters.pop(stretches.said or "", None)
    others = [*filters.values(), *nulls, *([] if stretches.by_project else seen)]
    statement = statement.where(*map(passed_over, others), *(seen if stretches.by_project else ()))
    return _merged(connection, statement, resource, listing, stretches)


def _merged(
    connection: Connection, statement: Select[Any], resource: Resource, listing: Listing, stretches: Stretches
) -> list[Row]:
    """The first rows of all stretches together: of each its own first ones, and of those the first."""
    if not stretches.parts:
        return []
    if len(stretches.parts) == 1:
        return _rows(connection, _first(statement.where(*stretches.parts[0]), resource, listing))
    keys = [resource.fields[key.name].column.label(f"{_SORTED}{key.name}") for key in listing.sort]
    parts = [
        _first(statement.add_columns(*keys).where(*part), resource, listing).subquery()
        for part in stretches.parts
    ]
    merged = union_all(*(select(part) for part in parts)).subquery()
    order = [
        _ordered(merged.c[f"{_SORTED}{key.name}"], resource.fields[key.name].nullable, key.descending)
        for key in listing.sort
    ]
    rows = _rows(connection, select(merged).order_by(*order).limit(listing.limit))
    return [{name: row[name] for name in row if not name.startswith(_SORTED)} for row in rows]


def _first(statement: Select[Any], resource: Resource, listing: Listing) -> Select[Any]:
    fields = resource.fields
    order = [
        _ordered(fields[key.name].column, fields[key.name].nullable, key.descending) for key in listing.sort
    ]
    return statement.order_by(*order).limit(listing.limit)


def _rows(connection: Connection, statement: Select[Any]) -> list[Row]:
    return [dict(row) for row in connection.execute(statement).mappings()]


def _ordered(column: ColumnElement[Any], nullable: bool, descending: bool) -> ColumnElement[Any]:
    ordered = column.desc() if descending else column.asc()
    if not nullable:
        return ordered
    return ordered.nulls_last() if descending else ordered.nulls_first()


def _after_marker(
    connection: Connection, resource: Resource, viewer: Viewer, listing: Listing, *conditions: Condition
) -> Condition:
    names = [key.name for key in listing.sort]
    is_marker = resource.fields["id"].column == listing.marker
    statement = select_fields(resource, names).where(is_marker, *visible(resource, viewer), *conditions)
    row = connection.execute(statement).first()
    if row is None:
        raise NotFound(f"{resource.title} not found [id={listing.marker}]", "the marker is not there")
    values = tuple(row[: len(names)])
    first = listing.sort[0]
    return and_(_bound(resource, first, values[0]), _beyond(resource, listing.sort, values))


def _beyond(resource: Resource, sort: tuple[SortKey, ...], values: tuple[Any, ...]) -> Condition:
    field, value = resource.fields[sort[0].name], values[0]
    after = _after(field, value, sort[0].descending)
    if len(sort) == 1:
        return after
    same = field.column.is_(None) if value is None else field.column == value
    return or_(after, and_(same, _beyond(resource, sort[1:], values[1:])))


def _after(field: Field, value: Any, descending: bool) -> Condition:
    column = field.column
    if value is None:
        return false() if descending else column.is_not(None)
    other = literal(value, column.type)  # a bare True or False cannot be compared by size
    after: Condition = column < other if descending else column > other
    return or_(after, column.is_(None)) if descending and field.nullable else after


def _bound(resource: Resource, key: SortKey, value: Any) -> Condition:
    """Says what `_beyond` implies, in a form for which the database can use an index."""
    field = resource.fields[key.name]
    if value is None or (key.descending and field.nullable):
        return true()
    other = literal(value, field.column.type)
    bound: Condition = field.column <= other if key.descending else field.column >= other
    return bound
