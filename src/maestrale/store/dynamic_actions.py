"""Dynamic actions: classes of code sources under names that tasks can use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import Connection, delete, insert, select, update

from maestrale.model.errors import Conflict, NotFound
from maestrale.model.listing import Listing, Row
from maestrale.model.values import Microseconds
from maestrale.store.code_sources import Classes, facts_of_class, get_code_source
from maestrale.store.paging import read_page
from maestrale.store.selection import (
    Field,
    Resource,
    Viewer,
    check_owner,
    id_or_name,
    read_first,
    read_stored,
)
from maestrale.store.tables import code_sources, dynamic_actions

_action = dynamic_actions.c

DYNAMIC_ACTIONS: Final = Resource(
    collection="dynamic_actions",
    title="DynamicAction",
    source=dynamic_actions.join(code_sources, _action.code_source_id == code_sources.c.id),
    project=_action.project_id,
    scope=_action.scope,
    fields={
        "id": Field(_action.id, filters=False),
        "name": Field(_action.name),
        "namespace": Field(_action.namespace),
        "class_name": Field(_action.class_name),
        "code_source_id": Field(_action.code_source_id, "uuid"),
        "code_source_name": Field(code_sources.c.name),
        "scope": Field(_action.scope),
        "project_id": Field(_action.project_id, filters=False),
        "created_at": Field(_action.created_at, "time"),
        "updated_at": Field(_action.updated_at, "time", nullable=True),
    },
)


class SourceChanged(Exception):
    """The code source has another version than the one whose classes were read."""


def list_dynamic_actions(connection: Connection, viewer: Viewer, listing: Listing) -> list[Row]:
    """One page of dynamic actions."""
    return read_page(connection, DYNAMIC_ACTIONS, viewer, listing)


def get_dynamic_action(
    connection: Connection,
    viewer: Viewer,
    identifier: str,
    namespace: str,
    fields: Sequence[str] | None = None,
) -> Row:
    """One dynamic action by id (in any namespace) or name (in exactly this one), the viewer's own first.

    NotFound if there is none.
    """
    row = read_first(
        connection, DYNAMIC_ACTIONS, viewer, fields, id_or_name(DYNAMIC_ACTIONS, identifier, namespace)
    )
    if row is None:
        raise NotFound(f"Dynamic action not found [identifier={identifier}, namespace={namespace}]")
    return row


def create_dynamic_action(
    connection: Connection,
    identifier: str,
    name: str,
    class_name: str,
    source: Row,
    classes: Classes,
    *,
    namespace: str,
    project_id: str,
    scope: str,
    now: Microseconds,
) -> Row:
    """Store a new dynamic action on a code source, whose `classes` were read.

    Conflict if the project has one of this name, NotFound where the source has gone, `SourceChanged`.
    """
    known = select(_action.id).where(
        _action.project_id == project_id, _action.name == name, _action.namespace == namespace
    )
    if connection.execute(known).first() is not None:
        raise duplicate_action(name, namespace, project_id)
    _hold(connection, source)
    connection.execute(
        insert(dynamic_actions).values(
            id=identifier,
            name=name,
            namespace=namespace,
            project_id=project_id,
            scope=scope,
            class_name=class_name,
            code_source_id=source["id"],
            created_at=now,
            **facts_of_class(classes, class_name),
        )
    )
    return read_stored(connection, DYNAMIC_ACTIONS, identifier)


def duplicate_action(name: str, namespace: str, project_id: str) -> Conflict:
    """The error for a name that is taken; says how to update instead."""
    return Conflict(
        f"Duplicate entry for DynamicAction: "
        f"name='{name}', namespace='{namespace}', project_id='{project_id}'",
        "it exists already; to change it use `PUT /v2/dynamic_actions` or `mistral dynamic-action-update`",
    )


def update_dynamic_action(
    connection: Connection,
    viewer: Viewer,
    identifier: str,
    namespace: str,
    changes: Mapping[str, str],
    source: Row,
    classes: Classes,
    now: Microseconds,
) -> Row:
    """Change a dynamic action: `name`, `class_name`, `scope`, and `source`, whose `classes` were read.

    What `changes` does not name stays. NotFound for an unknown one, Forbidden for one of another project,
    Conflict for a name that is taken, `SourceChanged`.
    """
    row = changeable_action(connection, viewer, identifier, namespace)
    wanted = {**row, **changes, "code_source_id": source["id"], "code_source_name": source["name"]}
    if wanted["name"] != row["name"]:
        taken = select(_action.id).where(
            _action.project_id == row["project_id"],
            _action.name == wanted["name"],
            _action.namespace == row["namespace"],
        )
        if connection.execute(taken).first() is not None:
            raise duplicate_action(wanted["name"], row["namespace"], row["project_id"])
    _hold(connection, source)
    if wanted != row:
        connection.execute(
            update(dynamic_actions)
            .where(_action.id == row["id"])
            .values(
                updated_at=now,
                code_source_id=source["id"],
                **changes,
                **facts_of_class(classes, wanted["class_name"]),
            )
        )
    return read_stored(connection, DYNAMIC_ACTIONS, row["id"])


def delete_dynamic_action(connection: Connection, viewer: Viewer, identifier: str, namespace: str) -> None:
    """Remove a dynamic action; its code source stays."""
    row = changeable_action(connection, viewer, identifier, namespace)
    connection.execute(delete(dynamic_actions).where(_action.id == row["id"]))


def changeable_action(connection: Connection, viewer: Viewer, identifier: str, namespace: str) -> Row:
    """A dynamic action that the viewer may change. NotFound or Forbidden if there is none."""
    row = get_dynamic_action(connection, viewer, identifier, namespace)
    check_owner(viewer, row, f"Dynamic action '{row['name']}'")
    return row


def find_code_source(connection: Connection, viewer: Viewer, identifier: str, namespace: str) -> Row:
    """The code source that a dynamic action of a namespace means: the one there, or in the default one."""
    try:
        return get_code_source(connection, viewer, identifier, namespace)
    except NotFound:
        if not namespace:
            raise
        return get_code_source(connection, viewer, identifier, "")


def _hold(connection: Connection, source: Row) -> None:
    """Keep a code source as it is until this is committed, or its actions would not be those of its text."""
    known = select(code_sources.c.version).where(code_sources.c.id == source["id"])
    version = connection.execute(known.with_for_update(read=True)).scalar()
    if version is None:
        raise NotFound(f"Code source not found [identifier={source['name']}]")
    if version != source["version"]:
        raise SourceChanged
