"""One page of a list: its filters, its order, and where it begins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, and_, false, literal, or_, select, true, union_all
from sqlalchemy.sql import ColumnElement, Select

from maestrale.model.errors import NotFound
from maestrale.model.listing import Listing, Row, SortKey
from maestrale.store.conditions import condition
from maestrale.store.selection import Condition, Field, Resource, Viewer, select_fields, visible
from maestrale.store.statements import passed_over
from maestrale.store.stretches import AGE, stretches_of

IDS_PER_STATEMENT: Final = 1000

_KEY: Final = "_key"


def read_page(
    connection: Connection, resource: Resource, viewer: Viewer, listing: Listing, *conditions: Condition
) -> list[Row]:
    """One page of rows. BadRequest for a value that does not fit its field, NotFound for the marker."""
    filters = {filter_.name: condition(resource.fields[filter_.name], filter_) for filter_ in listing.filters}
    others: list[Condition] = [resource.fields[name].column.is_(None) for name in listing.nulls]
    seen = visible(resource, viewer)
    plain = list(conditions)
    if listing.marker is not None:
        plain.append(_after_marker(connection, resource, viewer, listing, *conditions))
    stretches = stretches_of(connection, resource, viewer, listing)
    if stretches is None:
        plain += [*seen, *filters.values(), *others]
        parts: list[tuple[Condition, ...]] = [()]
    else:
        if AGE in filters:
            plain.append(filters.pop(AGE))
        filters.pop(stretches.said or "", None)
        (plain if stretches.by_project else others).extend(seen)
        plain += map(passed_over, [*filters.values(), *others])
        parts = stretches.parts
    wanted = select_fields(resource, resource.chosen(listing))
    columns = {key.name: resource.fields[key.name].column for key in listing.sort}
    if not resource.leads or (stretches is not None and stretches.is_in_order and len(parts) == 1):
        return _rows(connection, _first(wanted.where(*plain, *parts[0]), resource, listing, columns))
    names = dict.fromkeys(["id", *(key.name for key in listing.sort)])
    keys = [resource.fields[name].column.label(name) for name in names]
    narrow = select(*keys).select_from(resource.source).where(*plain)
    if stretches is not None and not stretches.is_in_order:
        columns[AGE] += 0  # so that the few rows are sorted, not the whole table gone through by its age
    first = [_first(narrow.where(*part), resource, listing, columns) for part in parts]
    return _read(connection, resource, wanted, _first_ids(connection, first, resource, listing))


def _first_ids(
    connection: Connection, first: list[Select[Any]], resource: Resource, listing: Listing
) -> list[str]:
    """The ids of the page's rows. What is sorted, or merged, are ids and keys alone: rows may be long."""
    if len(first) < 2:
        return [row.id for statement in first for row in connection.execute(statement)]
    merged = union_all(*(select(part.subquery()) for part in first)).subquery()
    query = _first(select(merged.c.id), resource, listing, dict(merged.c.items()))
    return list(connection.execute(query).scalars())


def _read(connection: Connection, resource: Resource, wanted: Select[Any], ids: list[str]) -> list[Row]:
    """The rows with these ids, in this order."""
    column = resource.fields["id"].column
    found: dict[str, Row] = {}
    for start in range(0, len(ids), IDS_PER_STATEMENT):
        some = column.in_(ids[start : start + IDS_PER_STATEMENT])
        for row in _rows(connection, wanted.add_columns(column.label(_KEY)).where(some)):
            found[row.pop(_KEY)] = row
    return [found[identifier] for identifier in ids]


def _first(
    statement: Select[Any], resource: Resource, listing: Listing, columns: Mapping[str, ColumnElement[Any]]
) -> Select[Any]:
    """The first rows, by these columns."""
    order = [
        _ordered(columns[key.name], resource.fields[key.name].nullable, key.descending)
        for key in listing.sort
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
