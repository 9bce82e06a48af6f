"""Code sources: Python texts whose classes dynamic actions run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from maestrale.actions.code_sources import SourceClass
from maestrale.model.errors import Conflict, NotFound
from maestrale.model.listing import Listing, Row
from maestrale.model.values import Microseconds
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

_source = code_sources.c

CODE_SOURCES: Final = Resource(
    collection="code_sources",
    title="CodeSource",
    source=code_sources,
    project=_source.project_id,
    scope=_source.scope,
    fields={
        "id": Field(_source.id, filters=False),
        "name": Field(_source.name),
        "namespace": Field(_source.namespace),
        "content": Field(_source.content),
        "version": Field(_source.version, filters=False),
        "scope": Field(_source.scope),
        "project_id": Field(_source.project_id, filters=False),
        "created_at": Field(_source.created_at, "time"),
        "updated_at": Field(_source.updated_at, "time", nullable=True),
    },
)

Classes = Mapping[str, SourceClass]
"""What can be read from the text of a code source, by the names of its classes."""


def list_code_sources(connection: Connection, viewer: Viewer, listing: Listing) -> list[Row]:
    """One page of code sources."""
    return read_page(connection, CODE_SOURCES, viewer, listing)


def get_code_source(
    connection: Connection,
    viewer: Viewer,
    identifier: str,
    namespace: str,
    fields: Sequence[str] | None = None,
) -> Row:
    """One code source by id (in any namespace) or name (in exactly this one), the viewer's own first.

    NotFound if there is none.
    """
    row = read_first(
        connection, CODE_SOURCES, viewer, fields, id_or_name(CODE_SOURCES, identifier, namespace)
    )
    if row is None:
        raise NotFound(f"Code source not found [identifier={identifier}, namespace={namespace}]")
    return row


def create_code_source(
    connection: Connection,
    identifier: str,
    name: str,
    content: str,
    *,
    namespace: str,
    project_id: str,
    scope: str,
    now: Microseconds,
) -> Row:
    """Store a new code source as version 1. Conflict if the project has one of this name."""
    known = select(_source.id).where(
        _source.project_id == project_id, _source.name == name, _source.namespace == namespace
    )
    if connection.execute(known).first() is not None:
        raise duplicate_source(name, namespace, project_id)
    connection.execute(
        insert(code_sources).values(
            id=identifier,
            name=name,
            namespace=namespace,
            project_id=project_id,
            scope=scope,
            content=content,
            version=1,
            created_at=now,
        )
    )
    return read_stored(connection, CODE_SOURCES, identifier)


def duplicate_source(name: str, namespace: str, project_id: str) -> Conflict:
    """The error for a name that is taken; says how to update instead."""
    return Conflict(
        f"Duplicate entry for CodeSource: name='{name}', namespace='{namespace}', project_id='{project_id}'",
        "it exists already; to change it use `PUT /v2/code_sources` or `mistral code-source-update`",
    )


def update_code_source(
    connection: Connection,
    viewer: Viewer,
    identifier: str,
    content: str,
    classes: Classes,
    *,
    namespace: str,
    scope: str | None,
    now: Microseconds,
) -> Row:
    """Store the next version of a code source, and what its dynamic actions take from now on.

    NotFound for an unknown one, Forbidden for one of another project. The scope stays where none is given.
    """
    row = _changeable(connection, viewer, identifier, namespace)
    connection.execute(
        update(code_sources)
        .where(_source.id == row["id"])
        .values(content=content, version=_source.version + 1, scope=scope or row["scope"], updated_at=now)
    )
    action = dynamic_actions.c
    names = select(action.class_name).distinct().where(action.code_source_id == row["id"])
    for class_name in connection.execute(names).scalars().all():
        connection.execute(
            update(dynamic_actions)
            .where(action.code_source_id == row["id"], action.class_name == class_name)
            .values(**facts_of_class(classes, class_name))
        )
    return read_stored(connection, CODE_SOURCES, row["id"])


def facts_of_class(classes: Classes, class_name: str) -> dict[str, str | None]:
    """What a dynamic action keeps of its class; nothing is known of one that the text does not show."""
    found = classes.get(class_name)
    if found is None:
        return {"input": "", "description": "", "signature": None}
    signature = msgspec.json.encode(found.signature).decode()
    return {"input": found.input, "description": found.description, "signature": signature}


def delete_code_source(connection: Connection, viewer: Viewer, identifier: str, namespace: str) -> None:
    """Remove a code source, and every dynamic action that is built on it."""
    row = _changeable(connection, viewer, identifier, namespace)
    # First the source: whoever builds an action on it just now holds it, and is waited for.
    connection.execute(delete(code_sources).where(_source.id == row["id"]))
    connection.execute(delete(dynamic_actions).where(dynamic_actions.c.code_source_id == row["id"]))


def _changeable(connection: Connection, viewer: Viewer, identifier: str, namespace: str) -> Row:
    row = get_code_source(connection, viewer, identifier, namespace)
    check_owner(viewer, row, f"Code source '{row['name']}'")
    return row
