"""Definitions of all kinds: their texts, stored once by content hash, and the rows that name them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Any, Final, Literal, NamedTuple

import msgspec
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Select,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from maestrale.model.errors import BadRequest, Conflict, Forbidden, NotFound
from maestrale.model.listing import Listing, Row
from maestrale.model.values import Microseconds
from maestrale.store.paging import read_page
from maestrale.store.selection import (
    Condition,
    Field,
    Resource,
    Viewer,
    any_viewer,
    check_owner,
    is_uuid,
    own_first,
    read_first,
    select_fields,
    visible,
)
from maestrale.store.tables import (
    cron_triggers,
    definition_texts,
    definitions,
    event_triggers,
    resource_members,
)

KindName = Literal["workflow", "action", "workbook"]

TRIGGERS_NAMED: Final = 20
"""How many triggers a message names at most."""

_definition = definitions.c
_SOURCE: Final = definitions.outerjoin(definition_texts, _definition.text_hash == definition_texts.c.hash)
_FIELDS: Final = {
    "id": Field(_definition.id, filters=False),
    "name": Field(_definition.name),
    "namespace": Field(_definition.namespace),
    "is_system": Field(_definition.is_system, "flag"),
    "input": Field(_definition.input),
    "interface": Field(_definition.interface, "document", filters=False),
    "description": Field(_definition.description, nullable=True),
    "definition": Field(definition_texts.c.text),
    "checksum": Field(_definition.checksum, nullable=True, filters=False),
    "tags": Field(_definition.tags, "tags"),
    "scope": Field(_definition.scope),
    "project_id": Field(_definition.project_id),
    "created_at": Field(_definition.created_at, "time"),
    "updated_at": Field(_definition.updated_at, "time", nullable=True),
}


def _resource(collection: str, title: str, *names: str, shared: ColumnElement[str] | None = None) -> Resource:
    return Resource(
        collection=collection,
        title=title,
        source=_SOURCE,
        project=_definition.project_id,
        scope=_definition.scope,
        shared=shared,
        fields={name: _FIELDS[name] for name in names},
    )


WORKFLOWS: Final = _resource(
    "workflows", "Workflow", "id", "name", "namespace", "input", "interface", "definition", "checksum",
    "tags", "scope", "project_id", "created_at", "updated_at", shared=_definition.id,
)  # fmt: skip
WORKBOOKS: Final = _resource(
    "workbooks", "Workbook", "id", "name", "namespace", "definition", "tags", "scope", "project_id",
    "created_at", "updated_at",
)  # fmt: skip
STORED_ACTIONS: Final = _resource(
    "actions", "Action", "id", "name", "is_system", "input", "description", "tags", "definition", "scope",
    "project_id", "created_at", "updated_at", "namespace",
)  # fmt: skip
"""The ad-hoc actions alone; `store.actions` lists them together with the built-in ones."""


class _Kind(NamedTuple):
    """`record` is how messages call a row, `argument` its name in what was not found."""

    resource: Resource
    record: str
    argument: str = "name"
    has_ids: bool = True


_KINDS: Final[dict[KindName, _Kind]] = {
    "workflow": _Kind(WORKFLOWS, "WorkflowDefinition", argument="workflow_identifier"),
    "action": _Kind(STORED_ACTIONS, "ActionDefinition"),
    "workbook": _Kind(WORKBOOKS, "Workbook", has_ids=False),
}


class Draft(msgspec.Struct, frozen=True):
    """One definition to be stored. `interface` and `tags` are JSON text, `input` is what lists show.

    `workbook` names the workbook of which this is a member.
    """

    name: str
    text: str
    input: str = ""
    interface: str = "{}"
    description: str | None = None
    tags: str = "[]"
    workbook: str | None = None


class StartedFrom(msgspec.Struct, frozen=True):
    """What an execution has to know of the definition that it starts from."""

    id: str
    name: str
    namespace: str
    text_hash: str
    workbook: str


def text_hash(text: str) -> str:
    """The key of a definition text."""
    return hashlib.sha256(text.encode()).hexdigest()


def list_definitions(connection: Connection, viewer: Viewer, kind: KindName, listing: Listing) -> list[Row]:
    """One page of definitions."""
    return read_page(connection, _KINDS[kind].resource, viewer, listing, _definition.kind == kind)


def get_definition(
    connection: Connection,
    viewer: Viewer,
    kind: KindName,
    identifier: str,
    namespace: str,
    fields: Sequence[str] | None = None,
) -> Row:
    """One definition by id (in any namespace) or by name (in exactly this one); NotFound if there is none.

    Of several visible ones of that name the viewer's own comes first.
    """
    resource = _KINDS[kind].resource
    which = _definition.kind == kind, _named(kind, identifier, namespace)
    row = read_first(connection, resource, viewer, fields, *which)
    if row is None:
        raise _not_found(kind, identifier, namespace)
    return row


def definition_to_start(
    connection: Connection, viewer: Viewer, identifier: str, namespace: str
) -> StartedFrom:
    """The workflow that `identifier` (id or name) means for this viewer. NotFound if there is none."""
    statement = _definition_to_start(is_uuid(identifier), viewer.sees_all)
    given = {"identifier": identifier, "namespace": namespace, "project_id": viewer.project_id}
    row = connection.execute(statement, given).first()
    if row is None:
        raise _not_found("workflow", identifier, namespace)
    return StartedFrom(*row)


@cache
def _definition_to_start(may_be_id: bool, sees_all: bool) -> Select[Any]:
    """Asked at every start of an execution, so it is not made anew each time."""
    viewer = any_viewer(sees_all)
    named = _has_name(bindparam("identifier"), bindparam("namespace"))
    return (
        select(
            _definition.id,
            _definition.name,
            _definition.namespace,
            _definition.text_hash,
            func.coalesce(_definition.workbook_name, ""),
        )
        .where(
            _definition.kind == "workflow",
            *visible(WORKFLOWS, viewer),
            or_(_definition.id == bindparam("identifier"), named) if may_be_id else named,
        )
        .order_by(*own_first(WORKFLOWS, viewer))
        .limit(1)
    )


def check_new(
    connection: Connection, kind: KindName, project_id: str, namespace: str, names: list[str]
) -> None:
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


def duplicate(kind: KindName, name: str, namespace: str, project_id: str) -> Conflict:
    """The error for a name that is taken; says how to update instead."""
    found = _KINDS[kind]
    return Conflict(
        f"Duplicate entry for {found.record}: "
        f"name='{name}', namespace='{namespace}', project_id='{project_id}'",
        f"it exists already; to change it use `PUT /v2/{found.resource.collection}` "
        f"or `mistral {kind}-update`",
    )


def create_definitions(
    connection: Connection,
    kind: KindName,
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
    place = _Place(project_id, namespace, scope)
    for identifier, draft in zip(ids, drafts, strict=True):
        _insert(connection, kind, identifier, draft, place, now)
    return _by_ids(connection, kind, ids)


def update_definitions(
    connection: Connection,
    viewer: Viewer,
    kind: KindName,
    drafts: Sequence[Draft],
    *,
    namespace: str,
    scope: str,
    now: Microseconds,
    identifier: str | None = None,
) -> list[Row]:
    """Replace existing definitions, all or none, each found by its name; or the one with `identifier`.

    NotFound for an unknown one, Forbidden for one of another project and for taking away what triggers of
    others use, Conflict for a rename to a taken name. What does not change keeps its `updated_at`.
    """
    ids = []
    for draft in drafts:
        row = _changeable(connection, viewer, kind, identifier or draft.name, namespace)
        ids.append(row["id"])
        if row["name"] != draft.name:
            check_new(connection, kind, row["project_id"], row["namespace"], [draft.name])
        if kind == "workflow" and (row["scope"], scope) == ("public", "private"):
            _check_own_use(connection, row)
        _change(connection, row, draft, scope, now)
    return _by_ids(connection, kind, ids)


def save_members(
    connection: Connection,
    kind: KindName,
    ids: Sequence[str],
    drafts: Sequence[Draft],
    *,
    project_id: str,
    namespace: str,
    scope: str,
    now: Microseconds,
) -> None:
    """Store the members of a workbook: replace those that the project has already, add the others."""
    place = _Place(project_id, namespace, scope)
    for identifier, draft in zip(ids, drafts, strict=True):
        known = select(definitions).where(
            _definition.kind == kind,
            _definition.project_id == project_id,
            _definition.name == draft.name,
            _definition.namespace == namespace,
        )
        row = connection.execute(known).mappings().first()
        if row is None:
            _insert(connection, kind, identifier, draft, place, now)
        else:
            if kind == "workflow" and (row["scope"], scope) == ("public", "private"):
                _check_own_use(connection, dict(row))
            _change(connection, dict(row), draft, scope, now)


def delete_definition(
    connection: Connection, viewer: Viewer, kind: KindName, identifier: str, namespace: str
) -> None:
    """Remove a definition, for its members too; its text stays while executions go by it. BadRequest while
    triggers use it."""
    row = _changeable(connection, viewer, kind, identifier, namespace)
    # Locked first: a trigger that comes meanwhile waits, and then finds nothing to start.
    connection.execute(select(_definition.id).where(_definition.id == row["id"]).with_for_update())
    if kind == "workflow":
        _check_unused(connection, row)
    connection.execute(delete(definitions).where(_definition.id == row["id"]))
    connection.execute(delete(resource_members).where(resource_members.c.resource_id == row["id"]))


def keep_workflow(connection: Connection, identifier: str) -> None:
    """See to it that a workflow is there until the end of this transaction. NotFound if it is not."""
    known = select(_definition.id).where(_definition.id == identifier, _definition.kind == "workflow")
    if connection.execute(known.with_for_update(read=True, key_share=True)).first() is None:
        raise _not_found("workflow", identifier, "")


def _check_unused(connection: Connection, row: Row) -> None:
    """BadRequest while triggers use this workflow; of other projects it is only told that they have some."""
    for word, table in (("cron", cron_triggers), ("event", event_triggers)):
        using = select(table.c.id).where(table.c.workflow_id == row["id"]).order_by(table.c.id)
        own = using.where(table.c.project_id == row["project_id"])
        refusal = f"Can't delete workflow that has {word} triggers associated. [workflow_id={row['id']}]"
        if ids := list(connection.execute(own.limit(TRIGGERS_NAMED)).scalars()):
            raise BadRequest(
                f"{refusal}, [{word}_trigger_id(s)={', '.join(ids)}]",
                f"delete them first: `mistral {word}-trigger-delete`",
            )
        if connection.execute(using.limit(1)).first() is not None:
            raise BadRequest(f"{refusal}; they belong to other projects", "ask those to delete them first")


def _check_own_use(connection: Connection, row: Row) -> None:
    """Forbidden if triggers of other projects start this workflow, which is to become private."""
    for word, table in (("cron", cron_triggers), ("event", event_triggers)):
        foreign = (table.c.workflow_id == row["id"], table.c.project_id != row["project_id"])
        if connection.execute(select(table.c.id).where(*foreign).limit(1)).first() is not None:
            raise Forbidden(
                f"Can not update scope of workflow that has {word} triggers associated in other projects."
                f" [workflow_identifier={row['name']}]",
                "keep it public: update it with --public, or with scope=public",
            )


class _Place(NamedTuple):
    """Where a new definition goes."""

    project_id: str
    namespace: str
    scope: str


def _insert(
    connection: Connection, kind: KindName, identifier: str, draft: Draft, place: _Place, now: Microseconds
) -> None:
    connection.execute(
        insert(definitions).values(
            id=identifier,
            kind=kind,
            is_system=False,
            created_at=now,
            **place._asdict(),
            **_columns(draft, _keep_text(connection, draft.text)),
        )
    )


def _change(connection: Connection, row: Row, draft: Draft, scope: str, now: Microseconds) -> None:
    changed = _columns(draft, _keep_text(connection, draft.text)) | {"scope": scope}
    if any(row[name] != value for name, value in changed.items()):
        statement = update(definitions).where(_definition.id == row["id"])
        connection.execute(statement.values(updated_at=now, **changed))


def _changeable(
    connection: Connection, viewer: Viewer, kind: KindName, identifier: str, namespace: str
) -> Row:
    resource = _KINDS[kind].resource
    statement = (
        select(definitions)
        .where(_definition.kind == kind, *visible(resource, viewer), _named(kind, identifier, namespace))
        .order_by(*own_first(resource, viewer))
        .limit(1)
    )
    row = connection.execute(statement).mappings().first()
    if row is None:
        raise _not_found(kind, identifier, namespace)
    if viewer.sees_all:
        return dict(row)
    if row["is_system"]:
        raise BadRequest(f"{resource.title} '{row['name']}' belongs to the system", "copy it")
    check_owner(viewer, dict(row), f"{resource.title} '{row['name']}'")
    return dict(row)


def _named(kind: KindName, identifier: str, namespace: str) -> Condition:
    named = _has_name(identifier, namespace)
    if _KINDS[kind].has_ids and is_uuid(identifier):
        return or_(_definition.id == identifier, named)
    return named


def _has_name(name: str | BindParameter[str], namespace: str | BindParameter[str]) -> Condition:
    return (_definition.name == name) & (_definition.namespace == namespace)


def _not_found(kind: KindName, identifier: str, namespace: str) -> NotFound:
    found = _KINDS[kind]
    return NotFound(
        f"{found.resource.title} not found [{found.argument}={identifier}, namespace={namespace}]"
    )


def _keep_text(connection: Connection, text: str) -> str:
    key = text_hash(text)
    known = select(definition_texts.c.hash).where(definition_texts.c.hash == key)
    # Kept until the definition is there, for a text that nothing uses is deleted after a while.
    if connection.execute(known.with_for_update(read=True, key_share=True)).first() is None:
        connection.execute(insert(definition_texts).values(hash=key, text=text))
    return key


def _columns(draft: Draft, key: str) -> dict[str, str | None]:
    checksum = hashlib.md5(draft.text.encode(), usedforsecurity=False).hexdigest()
    return {
        "name": draft.name,
        "text_hash": key,
        "checksum": checksum if draft.workbook is None else None,
        "input": draft.input,
        "interface": draft.interface,
        "description": draft.description,
        "tags": draft.tags,
        "workbook_name": draft.workbook,
    }


def _by_ids(connection: Connection, kind: KindName, ids: Sequence[str]) -> list[Row]:
    resource = _KINDS[kind].resource
    statement = select_fields(resource, list(resource.fields)).where(_definition.id.in_(ids))
    found = {row["id"]: dict(row) for row in connection.execute(statement).mappings()}
    return [found[identifier] for identifier in ids]
