"""Actions as the API shows them: those of the process, ad-hoc and dynamic ones, in one list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    String,
    Text,
    case,
    cast,
    column,
    false,
    func,
    literal,
    null,
    or_,
    select,
    true,
    union_all,
    values,
)
from sqlalchemy.sql import Select

from maestrale.model.errors import NotFound
from maestrale.model.listing import Listing, Row
from maestrale.store.paging import read_page
from maestrale.store.selection import Field, Resource, Viewer, is_uuid, select_fields, visible
from maestrale.store.tables import definition_texts, definitions, dynamic_actions

_definition = definitions.c
_dynamic = dynamic_actions.c

_STORED: Final = select(
    _definition.id,
    _definition.name,
    _definition.is_system,
    _definition.input,
    _definition.description,
    _definition.tags,
    _definition.text_hash,
    _definition.scope,
    _definition.scope.label("visibility"),
    _definition.project_id,
    _definition.created_at,
    _definition.updated_at,
    _definition.namespace,
).where(_definition.kind == "action")


_DYNAMIC: Final = select(
    _dynamic.name.label("id"),
    _dynamic.name,
    false().label("is_system"),
    _dynamic.input,
    _dynamic.description,
    literal("[]").label("tags"),
    cast(null(), String).label("text_hash"),
    _dynamic.scope,
    _dynamic.scope.label("visibility"),
    _dynamic.project_id,
    _dynamic.created_at,
    _dynamic.updated_at,
    _dynamic.namespace,
)


class BuiltIn(msgspec.Struct, frozen=True):
    """An action of this process; its id is its name. `input` is what lists show."""

    name: str
    input: str
    description: str
    namespace: str = ""


def action_resource(built_in: Sequence[BuiltIn]) -> Resource:
    """What lists of actions read: these and all stored ones; `_is_built_in` in a row says which it is."""
    every = union_all(_STORED, _DYNAMIC, *([_as_rows(built_in)] if built_in else [])).subquery("every_action")
    action = every.c
    return Resource(
        collection="actions",
        title="Action",
        source=every.outerjoin(definition_texts, action.text_hash == definition_texts.c.hash),
        project=action.project_id,
        scope=action.visibility,
        free_ids=True,
        hidden={"_is_built_in": action.is_system},
        fields={
            "id": Field(action.id, filters=False),
            "name": Field(action.name),
            "is_system": Field(action.is_system, "flag"),
            "input": Field(action.input),
            "description": Field(action.description, nullable=True),
            "tags": Field(action.tags, "tags"),
            "definition": Field(func.coalesce(definition_texts.c.text, "")),
            "scope": Field(action.scope, nullable=True),
            "project_id": Field(action.project_id, nullable=True, filters=False),
            "created_at": Field(action.created_at, "time", nullable=True),
            "updated_at": Field(action.updated_at, "time", nullable=True),
            "namespace": Field(action.namespace),
        },
    )


def _as_rows(built_in: Sequence[BuiltIn]) -> Select[*tuple[object, ...]]:
    """The same columns for actions that are in no table."""
    given = (
        values(
            column("name", String),
            column("input", Text),
            column("description", Text),
            column("namespace", String),
        )
        .data([msgspec.structs.astuple(action) for action in built_in])
        .cte("built_in")
        .c
    )
    return select(
        given.name.label("id"),
        given.name,
        true().label("is_system"),
        given.input,
        given.description,
        literal("[]").label("tags"),
        cast(null(), String).label("text_hash"),
        cast(null(), String).label("scope"),
        literal("public").label("visibility"),
        cast(null(), String).label("project_id"),
        cast(null(), BigInteger).label("created_at"),
        cast(null(), BigInteger).label("updated_at"),
        given.namespace,
    )


def list_actions(connection: Connection, resource: Resource, viewer: Viewer, listing: Listing) -> list[Row]:
    """One page of actions."""
    return read_page(connection, resource, viewer, listing)


def get_action(
    connection: Connection, resource: Resource, viewer: Viewer, identifier: str, namespace: str
) -> Row:
    """One action by id or by name, in this namespace or else in the default one; NotFound if there is none.

    Of several with that name an ad-hoc action of the project comes first, then a dynamic one, then a built-in
    one, then those that others made public: the order in which tasks find them.
    """
    fields = resource.fields
    name, home, project = fields["name"].column, fields["namespace"].column, fields["project_id"].column
    wanted: ColumnElement[bool] = (name == identifier) & home.in_((namespace, ""))
    if is_uuid(identifier):
        wanted = or_(fields["id"].column == identifier, wanted)
    is_adhoc = fields["definition"].column != ""
    rank: ColumnElement[int] = case(
        ((project == viewer.project_id) & is_adhoc, 0),
        (project == viewer.project_id, 1),
        (fields["is_system"].column, 2),
        (is_adhoc, 3),
        else_=4,
    )
    statement = (
        select_fields(resource, list(fields))
        .where(*visible(resource, viewer), wanted)
        .order_by(rank, case((home == namespace, 0), else_=1), fields["created_at"].column)
        .limit(1)
    )
    row = connection.execute(statement).mappings().first()
    if row is None:
        raise NotFound(f"Action not found [name={identifier}, namespace={namespace}]")
    return dict(row)


def find_text(connection: Connection, project_id: str, namespace: str, name: str) -> tuple[str, str] | None:
    """The text of the ad-hoc action that the project has under this name, and its workbook or an empty name.

    None if there is no such action.
    """
    statement = (
        select(definition_texts.c.text, func.coalesce(_definition.workbook_name, ""))
        .join(definitions, _definition.text_hash == definition_texts.c.hash)
        .where(
            _definition.kind == "action",
            _definition.project_id == project_id,
            _definition.name == name,
            _definition.namespace.in_((namespace, "")),
        )
        .order_by(case((_definition.namespace == namespace, 0), else_=1))
        .limit(1)
    )
    row = connection.execute(statement).first()
    return None if row is None else (row[0], row[1])
