"""What can be listed, and who may see what of it, as SQL."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, bindparam, case, or_, select
from sqlalchemy.sql import ColumnElement, FromClause, Select

from maestrale.model.errors import Forbidden
from maestrale.model.listing import Listing, Row, Shape
from maestrale.store.tables import resource_members

Kind = Literal["text", "uuid", "time", "number", "flag", "tags", "document"]
Condition = ColumnElement[bool]


class Viewer(msgspec.Struct, frozen=True):
    """For whom rows are read: a project, or everything."""

    project_id: str
    sees_all: bool = False


def any_viewer(sees_all: bool) -> Viewer:
    """Stands for any viewer in a statement that is made once; its parameter `project_id` says for whom."""
    return Viewer(bindparam("project_id"), sees_all)  # type: ignore[arg-type]


class Field(msgspec.Struct, frozen=True):
    """One field of the API and the column that it shows. `heavy` ones are left out of lists.

    `indexed` is a column with an index that has the same value wherever the field is not null. `beside` are
    columns that are read with it, under these names, to make of it what is shown.
    """

    column: ColumnElement[Any]
    kind: Kind = "text"
    nullable: bool = False
    filters: bool = True
    heavy: bool = False
    indexed: ColumnElement[Any] | None = None
    beside: dict[str, ColumnElement[Any]] = {}


class Lead(msgspec.Struct, frozen=True):
    """A field with an index in which the rows of each value stand in the order of `created_at`.

    `by_project`: the rows of each value in each project. `left_out`: the value that the index does not have.
    `values`: all that there are, if they are few and known. `is_looked_through`: whether there are so few
    that those can be found that contain a text.
    """

    name: str
    by_project: bool = True
    left_out: str | None = None
    values: tuple[str, ...] = ()
    is_looked_through: bool = False


class Resource(msgspec.Struct, frozen=True):
    """One kind of row that can be listed.

    `title` is how messages call it. Rows are visible to their project, to all where `scope` is public, and
    to projects that have accepted to share what has this id in `shared`; to nobody, unless `is_there`.
    `hidden` columns are always read, under these names, for what is made of a row afterwards; those of a
    `computed` field are read with it.
    `leads`: by what a list can be found, what narrows it most first; `elsewhere`: fields of other tables.
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
    leads: tuple[Lead, ...] = ()
    elsewhere: frozenset[str] = frozenset()

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
    hidden = dict(resource.hidden)
    for name in names:
        hidden |= resource.computed[name] if name in resource.computed else resource.fields[name].beside
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


def is_uuid(text: str) -> bool:
    """Whether `text` reads as a UUID."""
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
