"""Members: other projects with which the owner of a private workflow shares it."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, delete, insert, or_, select, true, update

from maestrale.model.errors import BadRequest, Conflict, NotFound
from maestrale.model.listing import Row
from maestrale.model.values import Microseconds
from maestrale.store.catalogue import get_definition
from maestrale.store.selection import Condition, Viewer, check_owner
from maestrale.store.tables import definitions, resource_members

PENDING: Final = "pending"
STATUSES: Final = (PENDING, "accepted", "rejected")

_member = resource_members.c


def list_members(connection: Connection, viewer: Viewer, workflow_id: str) -> list[Row]:
    """The members of a workflow, the first ones first: all for its owner, for a member itself only.

    NotFound for who sees neither the workflow nor a membership.
    """
    found = _read(connection, _member.resource_id == workflow_id, _known_to(viewer))
    if not found:
        _workflow(connection, viewer, workflow_id)
    return found


def get_member(connection: Connection, viewer: Viewer, workflow_id: str, member_id: str) -> Row:
    """One member, for the owner or itself. NotFound for others."""
    found = _read(connection, *_is(workflow_id, member_id), _known_to(viewer))
    if not found:
        raise _not_found(workflow_id, member_id)
    return found[0]


def create_member(
    connection: Connection,
    viewer: Viewer,
    identifier: str,
    workflow_id: str,
    member_id: str,
    now: Microseconds,
) -> Row:
    """Offer a workflow to a project, which may accept.

    NotFound for who does not see the workflow, Forbidden for who does not own it, BadRequest where there is
    nothing to share, Conflict if it is shared with that project already.
    """
    row = _workflow(connection, viewer, workflow_id)
    check_owner(viewer, row, f"Workflow '{row['name']}'", "its owner can share it")
    # Kept until the end: nobody is to be a member of a workflow that is deleted meanwhile.
    kept = select(definitions.c.id).where(definitions.c.id == workflow_id)
    if connection.execute(kept.with_for_update(read=True, key_share=True)).first() is None:
        raise NotFound(f"Workflow not found [workflow_identifier={workflow_id}]")
    if row["scope"] != "private":
        raise BadRequest("Only private resource could be shared.", "a public workflow is there for everybody")
    if row["project_id"] == member_id:
        raise BadRequest(f"The workflow belongs to the project '{member_id}' already")
    if connection.execute(select(_member.id).where(*_is(workflow_id, member_id))).first() is not None:
        raise duplicate(workflow_id, member_id)
    values = {
        "id": identifier,
        "resource_id": workflow_id,
        "resource_type": "workflow",
        "project_id": row["project_id"],
        "member_id": member_id,
        "status": PENDING,
        "created_at": now,
    }
    connection.execute(insert(resource_members).values(values))
    return values | {"updated_at": None}


def duplicate(workflow_id: str, member_id: str) -> Conflict:
    """The error for a workflow that is shared with that project already."""
    return Conflict(
        f"Duplicate entry for ResourceMember: resource_id='{workflow_id}', member_id='{member_id}'"
    )


def update_member(
    connection: Connection, viewer: Viewer, workflow_id: str, member_id: str, status: str, now: Microseconds
) -> Row:
    """Accept or reject what is shared with the viewer's project. NotFound for everybody else."""
    mine = (*_is(workflow_id, member_id), _member.member_id == viewer.project_id)
    found = _read(connection, *mine)
    if not found:
        raise _not_found(workflow_id, member_id)
    if found[0]["status"] == status:
        return found[0]
    connection.execute(update(resource_members).where(*mine).values(status=status, updated_at=now))
    return found[0] | {"status": status, "updated_at": now}


def delete_member(connection: Connection, viewer: Viewer, workflow_id: str, member_id: str) -> None:
    """Share a workflow with a project no more. NotFound for everybody but the owner."""
    owned = true() if viewer.sees_all else _member.project_id == viewer.project_id
    gone = connection.execute(delete(resource_members).where(*_is(workflow_id, member_id), owned))
    if not gone.rowcount:
        raise _not_found(workflow_id, member_id)


def _workflow(connection: Connection, viewer: Viewer, workflow_id: str) -> Row:
    return get_definition(connection, viewer, "workflow", workflow_id, "", ("name", "project_id", "scope"))


def _known_to(viewer: Viewer) -> Condition:
    if viewer.sees_all:
        return true()
    return or_(_member.project_id == viewer.project_id, _member.member_id == viewer.project_id)


def _is(workflow_id: str, member_id: str) -> tuple[Condition, Condition]:
    return _member.resource_id == workflow_id, _member.member_id == member_id


def _read(connection: Connection, *conditions: Condition) -> list[Row]:
    query = select(resource_members).where(*conditions).order_by(_member.created_at, _member.id)
    return [dict(row) for row in connection.execute(query).mappings()]


def _not_found(workflow_id: str, member_id: str) -> NotFound:
    return NotFound(f"Resource member not found [resource_id={workflow_id}, member_id={member_id}]")
