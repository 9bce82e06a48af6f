"""Environments: named sets of variables that executions may start with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, delete, insert, select, update

from maestrale.model.errors import Conflict, NotFound
from maestrale.model.listing import Listing, Row
from maestrale.model.secrets import kept
from maestrale.model.values import Json, Microseconds
from maestrale.store.paging import read_page
from maestrale.store.sealing import columns_of, documents_of
from maestrale.store.selection import (
    Field,
    Resource,
    Viewer,
    check_owner,
    read_first,
    read_stored,
)
from maestrale.store.tables import environments

_environment = environments.c

ENVIRONMENTS: Final = Resource(
    collection="environments",
    title="Environment",
    source=environments,
    project=_environment.project_id,
    scope=_environment.scope,
    fields={
        "id": Field(_environment.id, filters=False),
        "name": Field(_environment.name),
        "description": Field(_environment.description, nullable=True),
        "variables": Field(_environment.variables, "document"),
        "scope": Field(_environment.scope),
        "project_id": Field(_environment.project_id, filters=False),
        "created_at": Field(_environment.created_at, "time"),
        "updated_at": Field(_environment.updated_at, "time", nullable=True),
    },
)


def list_environments(connection: Connection, viewer: Viewer, listing: Listing) -> list[Row]:
    """One page of environments."""
    return read_page(connection, ENVIRONMENTS, viewer, listing)


def get_environment(
    connection: Connection, viewer: Viewer, name: str, fields: Sequence[str] | None = None
) -> Row:
    """One environment, the viewer's own first; NotFound if there is none."""
    row = read_first(connection, ENVIRONMENTS, viewer, fields, _environment.name == name)
    if row is None:
        raise NotFound(f"Environment not found [name={name}]")
    return row


def find_variables(connection: Connection, project_id: str, name: str) -> dict[str, Json] | None:
    """The variables of the environment that executions of a project mean by this name, if there is one."""
    try:
        row = get_environment(connection, Viewer(project_id), name, ("id",))
    except NotFound:
        return None
    return _variables(connection, row)


def create_environment(
    connection: Connection,
    identifier: str,
    name: str,
    *,
    project_id: str,
    scope: str,
    description: str | None,
    variables: dict[str, Json],
    now: Microseconds,
) -> Row:
    """Store a new environment. Conflict if the project has one of this name."""
    known = select(_environment.id).where(_environment.project_id == project_id, _environment.name == name)
    if connection.execute(known).first() is not None:
        raise duplicate(name, project_id)
    connection.execute(
        insert(environments).values(
            id=identifier,
            name=name,
            project_id=project_id,
            scope=scope,
            description=description,
            **columns_of(connection, {"variables": variables}),
            created_at=now,
        )
    )
    return read_stored(connection, ENVIRONMENTS, identifier)


def duplicate(name: str, project_id: str) -> Conflict:
    """The error for a name that is taken; says how to update instead."""
    return Conflict(
        f"Duplicate entry for Environment: name='{name}', project_id='{project_id}'",
        "it exists already; to change it use `PUT /v2/environments` or `mistral environment-update`",
    )


def update_environment(
    connection: Connection, viewer: Viewer, name: str, changes: Mapping[str, Any], now: Microseconds
) -> Row:
    """Change an environment: `description`, `scope`, and `variables`, which are replaced as a whole;
    `***` among them stands for the secret that was there.

    NotFound for an unknown one, Forbidden for one of another project. What does not change anything keeps
    its `updated_at`.
    """
    row = _changeable(connection, viewer, name)
    changed = dict(changes)
    if "variables" in changed:
        before = _variables(connection, row)
        variables = kept(changed["variables"], before)
        del changed["variables"]
        if variables != before:
            changed |= columns_of(connection, {"variables": variables})
    if any(row.get(field) != value for field, value in changed.items()):
        statement = update(environments).where(_environment.id == row["id"])
        connection.execute(statement.values(updated_at=now, **changed))
    return read_stored(connection, ENVIRONMENTS, row["id"])


def delete_environment(connection: Connection, viewer: Viewer, name: str) -> None:
    """Remove an environment; executions that started with it keep their copy."""
    row = _changeable(connection, viewer, name)
    connection.execute(delete(environments).where(_environment.id == row["id"]))


def _changeable(connection: Connection, viewer: Viewer, name: str) -> Row:
    row = get_environment(connection, viewer, name)
    check_owner(viewer, row, f"Environment '{name}'")
    return row


def _variables(connection: Connection, row: Row) -> dict[str, Json]:
    stored = select(_environment.variables, _environment.sealed).where(_environment.id == row["id"])
    columns = connection.execute(stored).mappings().one()
    found: dict[str, Json] = documents_of(connection, dict(columns))["variables"]
    return found
