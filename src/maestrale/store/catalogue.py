"""Definitions: their texts, stored once by content hash, and the rows that name them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, Connection, case, delete, insert, select, update

from maestrale.model.errors import BadRequest, Conflict, Forbidden, NotFound
from maestrale.model.listing import Listing, Row
from maestrale.model.values import Microseconds
from maestrale.store.selection import (
    Condition,
    Field,
    Resource,
    Viewer,
    is_uuid,
    read_page,
    select_fields,
    visible,
)
from maestrale.store.tables import definition_texts, definitions

_definition = definitions.c

WORKFLOWS: Final = Resource(
    collection="workflows",
    title="Workflow",
    source=definitions.outerjoin(definition_texts, _definition.text_hash == definition_texts.c.hash),
    project=_definition.project_id,
    scope=_definition.scope,
    fields={
        "id": Field(_definition.id, filters=False),
        "name": Field(_definition.name),
        "namespace": Field(_definition.namespace),
        "input": Field(_definition.input),
        "interface": Field(_definition.interface, "document", filters=False),
        "definition": Field(definition_texts.c.text),
        "checksum": Field(_definition.checksum, nullable=True, filters=False),
        "tags": Field(_definition.tags, "tags"),
        "scope": Field(_definition.scope),
        "project_id": Field(_definition.project_id),
        "created_at": Field(_definition.created_at, "time"),
        "updated_at": Field(_definition.updated_at, "time", nullable=True),
    },
)

_RESOURCES: Final = {"workflow": WORKFLOWS}
_COMMANDS: Final = {"workflow": ("WorkflowDefinition", "PUT /v2/workflows", "mistral workflow-update")}


class Draft(msgspec.Struct, frozen=True):
    """One definition to be stored. `interface` and `tags` are JSON text, `input` is what lists show."""

    name: str
    text: str
    input: str = ""
    interface: str = "{}"
    description: str | None = None
    tags: str = "[]"


class StartedFrom(msgspec.Struct, frozen=True):
    """What an execution has to know of the definition that it starts from."""

    id: str
    name: str
    namespace: str
    text_hash: str


def text_hash(text: str) -> str:
    """The key of a definition text."""
    return hashlib.sha256(text.encode()).hexdigest()


def list_definitions(connection: Connection, viewer: Viewer, kind: str, listing: Listing) -> list[Row]:
    """One page of definitions."""
    return read_page(connection, _RESOURCES[kind], viewer, listing, _definition.kind == kind)


def get_definition(
    connection: Connection,
    viewer: Viewer,
    kind: str,
    identifier: str,
    namespace: str,
    fields: Sequence[str] | None = None,
) -> Row:
    """One definition by id (in any namespace) or by name (in exactly this one); NotFound if there is none.

    Of several visible ones of that name the viewer's own comes first.
    """
    resource = _RESOURCES[kind]
    statement = select_fields(resource, list(resource.fields if fields is None else fields)).where(
        _definition.kind == kind, *visible(resource, viewer), _named(identifier, namespace)
    )
    row = connection.execute(statement.order_by(*_own_first(viewer)).limit(1)).mappings().first()
    if row is None:
        raise _not_found(kind, identifier, namespace)
    return dict(row)


def definition_to_start(
    connection: Connection, viewer: Viewer, identifier: str, namespace: str
) -> StartedFrom:
    """The workflow that `identifier` (id or name) means for this viewer. NotFound if there is none."""
    statement = (
        select(_definition.id, _definition.name, _definition.namespace, _definition.text_hash)
        .where(_definition.kind == "workflow", *visible(WORKFLOWS, viewer), _named(identifier, namespace))
        .order_by(*_own_first(viewer))
        .limit(1)
    )
    row = connection.execute(statement).first()
    if row is None:
        raise _not_found("workflow", identifier, namespace)
    return StartedFrom(*row)


def check_new(connection: Connection, kind: str, project_id: str, namespace: str, names: list[str]) -> None:
    """Conflict if the project has one of these names already."""
    taken = connection.execute(
        select(_definition.name).where(
            _definition.kind == kind,
            _definition.project_id == project_id,
            _definition.namespace == namespace,
            _definition.name.in_(names),
        )
    ).scalars()
    known = set(taken)
    for name in names:
        if name in known:
            raise duplicate(kind, name, namespace, project_id)


def duplicate(kind: str, name: str, namespace: str, project_id: str) -> Conflict:
    """The error for a name that is taken; says how to update instead."""
    title, path, command = _COMMANDS[kind]
    return Conflict(
        f"Duplicate entry for {title}: name='{name}', namespace='{namespace}', project_id='{project_id}'",
        f"it exists already; to change it use `{path}` or `{command}`",
    )


def create_definitions(
    connection: Connection,
    kind: str,
    ids: Sequence[str],
    drafts: Sequence[Draft],
    *,
    project_id: str,
    namespace: str,
    scope: str,
    now: Microseconds,
) -> list[Row]:
    """Store new definitions, all or none. Conflict for a name that is taken."""
    check_new(connection, kind, project_id, namespace, [draft.name for draft in drafts])
    for identifier, draft in zip(ids, drafts, strict=True):
        key = _keep_text(connection, draft.text)
        connection.execute(
            insert(definitions).values(
                id=identifier,
                kind=kind,
                namespace=namespace,
                project_id=project_id,
                scope=scope,
                is_system=False,
                created_at=now,
                **_columns(draft, key),
            )
        )
    return _by_ids(connection, kind, ids)


def update_definitions(
    connection: Connection,
    viewer: Viewer,
    kind: str,
    drafts: Sequence[Draft],
    *,
    namespace: str,
    scope: str,
    now: Microseconds,
    identifier: str | None = None,
) -> list[Row]:
    """Replace existing definitions, all or none, each found by its name; or the one with `identifier`.

    NotFound for an unknown one, Forbidden for one of another project, Conflict for a rename to a taken
    name. What does not change keeps its `updated_at`.
    """
    ids = []
    for draft in drafts:
        row = _changeable(connection, viewer, kind, identifier or draft.name, namespace)
        ids.append(row["id"])
        if row["name"] != draft.name:
            check_new(connection, kind, row["project_id"], row["namespace"], [draft.name])
        changed = _columns(draft, _keep_text(connection, draft.text)) | {"scope": scope}
        if any(row[name] != value for name, value in changed.items()):
            statement = update(definitions).where(_definition.id == row["id"])
            connection.execute(statement.values(updated_at=now, **changed))
    return _by_ids(connection, kind, ids)


def delete_definition(
    connection: Connection, viewer: Viewer, kind: str, identifier: str, namespace: str
) -> None:
    """Remove a definition; its text stays for the executions that run on it."""
    row = _changeable(connection, viewer, kind, identifier, namespace)
    connection.execute(delete(definitions).where(_definition.id == row["id"]))


def _changeable(connection: Connection, viewer: Viewer, kind: str, identifier: str, namespace: str) -> Row:
    statement = (
        select(definitions)
        .where(_definition.kind == kind, *visible(_RESOURCES[kind], viewer), _named(identifier, namespace))
        .order_by(*_own_first(viewer))
        .limit(1)
    )
    row = connection.execute(statement).mappings().first()
    if row is None:
        raise _not_found(kind, identifier, namespace)
    if viewer.sees_all:
        return dict(row)
    if row["is_system"]:
        raise BadRequest(f"{_RESOURCES[kind].title} '{row['name']}' belongs to the system", "copy it")
    if row["project_id"] != viewer.project_id:
        raise Forbidden(f"{_RESOURCES[kind].title} '{row['name']}' belongs to another project")
    return dict(row)


def _named(identifier: str, namespace: str) -> Condition:
    """Names never look like UUIDs, so it is clear what is meant."""
    if is_uuid(identifier):
        return _definition.id == identifier
    return (_definition.name == identifier) & (_definition.namespace == namespace)


def _own_first(viewer: Viewer) -> tuple[ColumnElement[int], ColumnElement[int]]:
    return case((_definition.project_id == viewer.project_id, 0), else_=1), _definition.created_at


def _not_found(kind: str, identifier: str, namespace: str) -> NotFound:
    title = _RESOURCES[kind].title
    return NotFound(f"{title} not found [{kind}_identifier={identifier}, namespace={namespace}]")


def _keep_text(connection: Connection, text: str) -> str:
    key = text_hash(text)
    known = select(definition_texts.c.hash).where(definition_texts.c.hash == key)
    if connection.execute(known).first() is None:
        connection.execute(insert(definition_texts).values(hash=key, text=text))
    return key


def _columns(draft: Draft, key: str) -> dict[str, str | None]:
    return {
        "name": draft.name,
        "text_hash": key,
        "checksum": hashlib.md5(draft.text.encode(), usedforsecurity=False).hexdigest(),
        "input": draft.input,
        "interface": draft.interface,
        "description": draft.description,
        "tags": draft.tags,
    }


def _by_ids(connection: Connection, kind: str, ids: Sequence[str]) -> list[Row]:
    resource = _RESOURCES[kind]
    statement = select_fields(resource, list(resource.fields)).where(_definition.id.in_(ids))
    found = {row["id"]: dict(row) for row in connection.execute(statement).mappings()}
    return [found[identifier] for identifier in ids]
