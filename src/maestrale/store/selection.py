"""Lists as SQL, written once: who may see what, filters, order, pages."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec
from sqlalchemy import Connection, and_, bindparam, case, false, func, literal, not_, or_, select, true
from sqlalchemy.sql import ColumnElement, FromClause, Select

from maestrale.model.errors import BadRequest, Forbidden, NotFound
from maestrale.model.listing import Filter, Listing, Operator, Row, Shape, SortKey
from maestrale.model.values import Microseconds
from maestrale.store.statements import contains
from maestrale.store.tables import resource_members

Kind = Literal["text", "uuid", "time", "number", "flag", "tags", "document"]
Condition = ColumnElement[bool]

SECOND: Final = 1_000_000
GREATEST_NUMBER: Final = 2**63 - 1
TRUE_WORDS: Final = frozenset({"true", "1", "t", "y", "yes", "on"})
FALSE_WORDS: Final = frozenset({"false", "0", "f", "n", "no", "off", ""})
MOST_VALUES: Final = 200
LONGEST_PATTERN: Final = 10_000
"""Databases bound the depth of an expression and the bytes of a pattern."""
UNFIT: Final[dict[Kind, tuple[Operator, ...]]] = {
    "flag": ("lt", "lte", "gt", "gte", "has"),
    "document": ("lt", "lte", "gt", "gte"),
    "tags": ("lt", "lte", "gt", "gte"),
    "time": ("has",),
    "number": ("has",),
}
"""Operators that make no sense for a kind of field."""


class Viewer(msgspec.Struct, frozen=True):
    """For whom rows are read: a project, or everything."""

    project_id: str
    sees_all: bool = False


def any_viewer(sees_all: bool) -> Viewer:
    """Stands for any viewer in a statement that is made once; its parameter `project_id` says for whom."""
    return Viewer(bindparam("project_id"), sees_all)  # type: ignore[arg-type]


class Field(msgspec.Struct, frozen=True):
    """One field of the API and the column that it shows. `heavy` ones are left out of lists.

    `indexed` is a column with an index that has the same value wherever the field is not null.
    """

    column: ColumnElement[Any]
    kind: Kind = "text"
    nullable: bool = False
    filters: bool = True
    heavy: bool = False
    indexed: ColumnElement[Any] | None = None


class Resource(msgspec.Struct, frozen=True):
    """One kind of row that can be listed.

    `title` is how messages call it. Rows are visible to their project, to all where `scope` is public, and
    to projects that have accepted to share what has this id in `shared`; to nobody, unless `is_there`.
    `hidden` columns are always read, under these names, for what is made of a row afterwards; those of a
    `computed` field are read with it.
    """

    collection: str
    title: str
    source: FromClause
    fields: dict[str, Field]
    project: ColumnElement[str]
    scope: ColumnElement[str] | None = None
    shared: ColumnElement[str] | None = None
    is_there: Condition | None = None
    hidden: dict[str, ColumnElement[Any]] = {}
    computed: dict[str, dict[str, ColumnElement[Any]]] = {}
    free_ids: bool = False

    def shape(self) -> Shape:
        """The names that requests may use."""
        return Shape(
            collection=self.collection,
            fields=(*self.fields, *self.computed),
            filters=frozenset(name for name, field in self.fields.items() if field.filters),
            sortable=frozenset(name for name, field in self.fields.items() if field.kind != "document"),
            nullable=frozenset(name for name, field in self.fields.items() if field.nullable),
            free_ids=self.free_ids,
        )

    def chosen(self, listing: Listing) -> list[str]:
        """The fields that a page shows, in the order of the API."""
        if listing.fields is not None:
            return list(listing.fields)
        return [name for name, field in self.fields.items() if not field.heavy or name in listing.extra]


def visible(resource: Resource, viewer: Viewer) -> list[Condition]:
    """Conditions that keep foreign rows out of sight, and those that are being deleted."""
    there = [] if resource.is_there is None else [resource.is_there]
    if viewer.sees_all:
        return there
    ways = [resource.project == viewer.project_id]
    if resource.scope is not None:
        ways.append(resource.scope == "public")
    if resource.shared is not None:
        ways.append(resource.shared.in_(_accepted_by(viewer.project_id)))
    return [*there, or_(*ways)]


def _accepted_by(project_id: str) -> Select[tuple[str]]:
    """The ids of what others share with a project that has accepted it."""
    member = resource_members.c
    return select(member.resource_id).where(member.member_id == project_id, member.status == "accepted")


def own_first(resource: Resource, viewer: Viewer) -> tuple[ColumnElement[Any], ...]:
    """The order in which rows of one name count: the viewer's own, then those of others, the oldest first."""
    fields = resource.fields
    is_foreign = case((resource.project == viewer.project_id, 0), else_=1)
    return is_foreign, fields["created_at"].column, fields["id"].column


def select_fields(resource: Resource, names: Sequence[str]) -> Select[Any]:
    """A statement that reads these fields, the columns of which others are computed, and the hidden ones."""
    columns = [resource.fields[name].column.label(name) for name in names if name in resource.fields]
    parts = [resource.computed[name] for name in names if name in resource.computed]
    for hidden in (*parts, resource.hidden):
        columns += [column.label(name) for name, column in hidden.items()]
    return select(*columns).select_from(resource.source)


def read_first(
    connection: Connection,
    resource: Resource,
    viewer: Viewer,
    fields: Sequence[str] | None,
    *which: Condition,
) -> Row | None:
    """The row that counts of all that the viewer may see and that are meant (see `own_first`), by default
    with all fields; None if there is none."""
    wanted = list(resource.fields if fields is None else fields)
    statement = select_fields(resource, wanted).where(*visible(resource, viewer), *which)
    row = connection.execute(statement.order_by(*own_first(resource, viewer)).limit(1)).mappings().first()
    return None if row is None else dict(row)


def read_stored(connection: Connection, resource: Resource, identifier: str) -> Row:
    """All fields of the row with this id, which is there."""
    statement = select_fields(resource, list(resource.fields))
    meant = resource.fields["id"].column == identifier
    return dict(connection.execute(statement.where(meant)).mappings().one())


def id_or_name(resource: Resource, identifier: str, namespace: str) -> Condition:
    """The rows with this id (in any namespace) or with this name (in exactly this one)."""
    fields = resource.fields
    named = (fields["name"].column == identifier) & (fields["namespace"].column == namespace)
    return or_(fields["id"].column == identifier, named) if is_uuid(identifier) else named


def check_owner(viewer: Viewer, row: Row, title: str, hint: str = "") -> None:
    """Forbidden unless a row is the viewer's own, or the viewer may do everything; `title`: what it is."""
    if row["project_id"] != viewer.project_id and not viewer.sees_all:
        raise Forbidden(f"{title} belongs to another project", hint)


def read_page(
    connection: Connection, resource: Resource, viewer: Viewer, listing: Listing, *conditions: Condition
) -> list[Row]:
    """One page of rows. BadRequest for a value that does not fit its field, NotFound for the marker."""
    statement = (
        select_fields(resource, resource.chosen(listing))
        .where(*visible(resource, viewer), *conditions)
        .where(*(condition(resource.fields[filter_.name], filter_) for filter_ in listing.filters))
        .where(*(resource.fields[name].column.is_(None) for name in listing.nulls))
        .order_by(*(_ordered(resource.fields[key.name], key.descending) for key in listing.sort))
        .limit(listing.limit)
    )
    if listing.marker is not None:
        statement = statement.where(_after_marker(connection, resource, viewer, listing, *conditions))
    return [dict(row) for row in connection.execute(statement).mappings()]


def condition(field: Field, filter_: Filter) -> Condition:
    """One filter as SQL."""
    check_operator(field.kind, filter_)
    if field.kind == "time":
        return _time_condition(field, filter_)
    if field.kind == "tags":
        return _tags_condition(field, filter_)
    column, operator = field.column, filter_.operator
    if operator == "has":
        return _like(column, filter_)
    if operator in ("in", "nin"):
        values = [value_of(field.kind, filter_, text) for text in _listed(filter_)]
        return column.in_(values) if operator == "in" else _negated(field, column.in_(values))
    # As a literal of the column's type: a bare True or False cannot be compared by size.
    value = literal(value_of(field.kind, filter_, filter_.value), column.type)
    if operator == "neq":
        return _negated(field, column == value)
    if operator == "eq" and field.indexed is not None:
        return and_(field.indexed == value, column == value)
    comparisons: dict[str, Condition] = {
        "eq": column == value,
        "lt": column < value,
        "lte": column <= value,
        "gt": column > value,
        "gte": column >= value,
    }
    return comparisons[operator]


def _negated(field: Field, positive: Condition) -> Condition:
    """What has no value is not equal to any value either."""
    return or_(field.column.is_(None), not_(positive)) if field.nullable else not_(positive)


def _like(column: ColumnElement[Any], filter_: Filter) -> Condition:
    if len(filter_.value) > LONGEST_PATTERN:
        raise _unfit(filter_, f"a pattern has at most {LONGEST_PATTERN} characters")
    return contains(column, filter_.value)


def _listed(filter_: Filter) -> list[str]:
    texts = filter_.value.split(",")
    if len(texts) > MOST_VALUES:
        raise _unfit(filter_, f"at most {MOST_VALUES} values can be compared, not {len(texts)}")
    return texts


def check_operator(kind: Kind, filter_: Filter) -> None:
    """BadRequest for an operator that makes no sense for this kind of field."""
    if filter_.operator in UNFIT.get(kind, ()):
        raise _unfit(filter_, f"'{filter_.operator}' does not compare this field")


def value_of(kind: Kind, filter_: Filter, text: str) -> Any:
    """What a field of this kind is compared with (times: the start of the second). BadRequest if unfit."""
    if kind == "time":
        return _time(filter_, text)
    if kind == "uuid" and not is_uuid(text):
        raise _unfit(filter_, f"'{text}' is not a UUID")
    if kind == "flag":
        if text.lower() in TRUE_WORDS | FALSE_WORDS:
            return text.lower() in TRUE_WORDS
        raise _unfit(filter_, f"'{text}' is neither true nor false")
    if kind == "number":
        return _number(filter_, text)
    if kind == "document":
        try:
            return msgspec.json.encode(msgspec.json.decode(text)).decode()
        except (msgspec.DecodeError, RecursionError):
            raise _unfit(filter_, f"'{text}' is not JSON") from None
    return text


def _unfit(filter_: Filter, why: str) -> BadRequest:
    return BadRequest(f"Invalid value for argument {filter_.name}: {why}")


def _number(filter_: Filter, text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        raise _unfit(filter_, f"'{text}' is not a whole number") from None
    if abs(number) > GREATEST_NUMBER:
        raise _unfit(filter_, f"'{text}' is too large")
    return number


def is_uuid(text: str) -> bool:
    """Whether `text` reads as a UUID."""
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def _time_condition(field: Field, filter_: Filter) -> Condition:
    """Times are compared as the API shows them: by whole seconds."""
    column, operator = field.column, filter_.operator
    if operator in ("in", "nin"):
        starts = [_time(filter_, text) for text in _listed(filter_)]
        within = or_(*(and_(column >= start, column < start + SECOND) for start in starts))
        return within if operator == "in" else _negated(field, within)
    start = _time(filter_, filter_.value)
    within = and_(column >= start, column < start + SECOND)
    comparisons: dict[str, Condition] = {
        "eq": within,
        "neq": _negated(field, within),
        "lt": column < start,
        "lte": column < start + SECOND,
        "gt": column >= start + SECOND,
        "gte": column >= start,
    }
    return comparisons[operator]


def _time(filter_: Filter, text: str) -> Microseconds:
    try:
        moment = datetime.datetime.fromisoformat(text.strip())
    except ValueError:
        raise _unfit(filter_, f"'{text}' is not a time such as 2026-11-23 20:09:36") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return int(moment.timestamp()) * SECOND


def _tags_condition(field: Field, filter_: Filter) -> Condition:
    operator = filter_.operator
    if operator == "has":
        return _like(field.column, filter_)
    given = [_has_tag(field.column, tag.strip()) for tag in _listed(filter_)]
    conditions: dict[str, Condition] = {
        "eq": and_(*given),
        "neq": not_(and_(*given)),
        "in": or_(*given),
        "nin": not_(or_(*given)),
    }
    return conditions[operator]


def _has_tag(column: ColumnElement[Any], tag: str) -> Condition:
    # LIKE would ignore case on SQLite; `replace` is exact everywhere. The commas make it find whole tags.
    tags = literal(",").concat(func.substr(column, 2, func.length(column) - 2)).concat(",")
    return func.replace(tags, f",{msgspec.json.encode(tag).decode()},", "") != tags


def _ordered(field: Field, descending: bool) -> ColumnElement[Any]:
    ordered = field.column.desc() if descending else field.column.asc()
    if not field.nullable:
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
