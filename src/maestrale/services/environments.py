"""Use cases of environments: named sets of variables for executions."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy.exc import IntegrityError

from maestrale.model.listing import Listing, Row
from maestrale.model.secrets import WELL_KNOWN, SecretRules
from maestrale.model.values import Json
from maestrale.services.access import Caller, authorise
from maestrale.services.definitions import given_of
from maestrale.services.names import check_free_name
from maestrale.services.waiting import Clock, outcome
from maestrale.store.database import Database
from maestrale.store.environments import (
    ENVIRONMENTS,
    create_environment,
    delete_environment,
    duplicate,
    get_environment,
    list_environments,
    update_environment,
)

NAME_LENGTH: Final = 200


class EnvironmentChange(msgspec.Struct, frozen=True):
    """What an environment is to become; what is UNSET stays as it is."""

    description: str | msgspec.UnsetType | None = msgspec.UNSET
    variables: dict[str, Json] | msgspec.UnsetType = msgspec.UNSET
    scope: str | msgspec.UnsetType | None = msgspec.UNSET


class Environments:
    """What can be done with environments; they go by their names only."""

    shape = ENVIRONMENTS.shape()

    def __init__(self, database: Database, clock: Clock, secrets: SecretRules = WELL_KNOWN) -> None:
        self._secrets = secrets
        self._database = database
        self._clock = clock

    async def page(self, caller: Caller, listing: Listing) -> list[Row]:
        """One page of environments."""
        authorise(caller, "environments:list")
        return await outcome(self._database.read(list_environments, caller.viewer, listing))

    async def get(self, caller: Caller, name: str, fields: Sequence[str] | None = None) -> Row:
        """One environment by name."""
        authorise(caller, "environments:get")
        return await outcome(self._database.read(get_environment, caller.viewer, name, fields))

    async def create(self, caller: Caller, name: str, change: EnvironmentChange) -> Row:
        """Store a new environment."""
        authorise(caller, "environments:create")
        check_free_name("an environment", name, NAME_LENGTH)
        values = self._values(caller, change)
        try:
            return await outcome(
                self._database.write(
                    create_environment,
                    str(uuid.uuid4()),
                    name,
                    project_id=caller.project_id,
                    scope=values.get("scope", "private"),
                    description=values.get("description"),
                    variables=values.get("variables", {}),
                    now=self._clock(),
                )
            )
        except IntegrityError:  # somebody else was quicker
            raise duplicate(name, caller.project_id) from None

    async def update(self, caller: Caller, name: str, change: EnvironmentChange) -> Row:
        """Change an environment; given `variables` replace all that were there."""
        authorise(caller, "environments:update")
        values = self._values(caller, change)
        return await outcome(
            self._database.write(update_environment, caller.viewer, name, values, self._clock())
        )

    async def delete(self, caller: Caller, name: str) -> None:
        """Remove an environment. Executions that started with it keep their copy."""
        authorise(caller, "environments:delete")
        await outcome(self._database.write(delete_environment, caller.viewer, name))

    def _values(self, caller: Caller, change: EnvironmentChange) -> dict[str, Any]:
        """What was given, checked, by the names of the columns."""
        given = given_of(caller, change, "environments")
        if "variables" in given:
            given["variables"] = self._secrets.environment.marked_map(given["variables"])
        return given
