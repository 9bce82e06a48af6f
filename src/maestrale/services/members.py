"""Use cases of members: sharing a private workflow with other projects."""

from __future__ import annotations

import uuid
from typing import Final

from sqlalchemy.exc import IntegrityError

from maestrale.model.errors import BadRequest
from maestrale.model.listing import Row
from maestrale.services.access import LONGEST_PROJECT_ID, Caller, authorise
from maestrale.services.waiting import Clock, outcome
from maestrale.store.database import Database
from maestrale.store.members import (
    STATUSES,
    create_member,
    delete_member,
    duplicate,
    get_member,
    list_members,
    update_member,
)
from maestrale.store.selection import is_uuid

NO_PROJECTS: Final = "Resource sharing feature can only be supported with authentication enabled."


class Members:
    """What can be done with the members of a workflow. The owner shares it; each member accepts or rejects.

    `knows_projects`: whether there are several projects at all, which takes authentication.
    """

    def __init__(self, database: Database, clock: Clock, *, knows_projects: bool) -> None:
        self._database = database
        self._clock = clock
        self._knows_projects = knows_projects

    async def all(self, caller: Caller, workflow_id: str) -> list[Row]:
        """Every member for the owner; for a member itself only."""
        self._check(caller, "members:list", workflow_id)
        return await outcome(self._database.read(list_members, caller.viewer, workflow_id))

    async def get(self, caller: Caller, workflow_id: str, member_id: str) -> Row:
        """One member, for the owner or itself."""
        self._check(caller, "members:get", workflow_id)
        return await outcome(self._database.read(get_member, caller.viewer, workflow_id, member_id))

    async def create(self, caller: Caller, workflow_id: str, member_id: str | None) -> Row:
        """Offer a workflow of the caller to a project."""
        self._check(caller, "members:create", workflow_id)
        if not member_id:
            raise BadRequest("Member id must be provided.", "member_id is the id of the other project")
        if len(member_id) > LONGEST_PROJECT_ID:
            raise BadRequest(
                f"The id of a project has at most {LONGEST_PROJECT_ID} characters, not {len(member_id)}"
            )
        identifier, now = str(uuid.uuid4()), self._clock()
        try:
            return await outcome(
                self._database.write(create_member, caller.viewer, identifier, workflow_id, member_id, now)
            )
        except IntegrityError:  # somebody else was quicker
            raise duplicate(workflow_id, member_id) from None

    async def update(self, caller: Caller, workflow_id: str, member_id: str, status: str | None) -> Row:
        """Accept or reject what is shared with the caller's project."""
        self._check(caller, "members:update", workflow_id)
        if not status:
            raise BadRequest("Status must be provided.", f"it is one of {', '.join(STATUSES)}")
        if status not in STATUSES:
            raise BadRequest(f"Invalid status '{status}'. Allowed ones are: {', '.join(STATUSES)}")
        return await outcome(
            self._database.write(update_member, caller.viewer, workflow_id, member_id, status, self._clock())
        )

    async def delete(self, caller: Caller, workflow_id: str, member_id: str) -> None:
        """Share a workflow of the caller with a project no more. Executions that it started go on."""
        self._check(caller, "members:delete", workflow_id)
        await outcome(self._database.write(delete_member, caller.viewer, workflow_id, member_id))

    def _check(self, caller: Caller, rule: str, workflow_id: str) -> None:
        if not self._knows_projects:
            raise BadRequest(NO_PROJECTS, "the operator can start the server with --auth")
        authorise(caller, rule)
        if not is_uuid(workflow_id):
            raise BadRequest(
                f"'{workflow_id}' is not a UUID", "workflows are shared by their id, not by their name"
            )
