"""Use cases of code sources: Python texts for dynamic actions."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence

from sqlalchemy.exc import IntegrityError

from maestrale.actions.code_sources import read_classes
from maestrale.model.listing import Listing, Row
from maestrale.runtime.requests import WorkflowEngine
from maestrale.services.access import Caller, authorise
from maestrale.services.definitions import checked_scope
from maestrale.services.drafts import check_namespace
from maestrale.services.names import check_name
from maestrale.services.waiting import Clock, outcome
from maestrale.store.code_sources import (
    CODE_SOURCES,
    create_code_source,
    delete_code_source,
    duplicate_source,
    get_code_source,
    list_code_sources,
    update_code_source,
)
from maestrale.store.database import Database


class CodeSources:
    """What can be done with code sources, by administrators. Their text is read here, and never run."""

    shape = CODE_SOURCES.shape()

    def __init__(self, database: Database, engine: WorkflowEngine, clock: Clock) -> None:
        self._database = database
        self._engine = engine
        self._clock = clock

    async def page(self, caller: Caller, listing: Listing) -> list[Row]:
        """One page of code sources."""
        authorise(caller, "code_sources:list")
        return await outcome(self._database.read(list_code_sources, caller.viewer, listing))

    async def get(
        self, caller: Caller, identifier: str, namespace: str, fields: Sequence[str] | None = None
    ) -> Row:
        """One code source by id, or by name in exactly this namespace."""
        authorise(caller, "code_sources:get")
        return await outcome(
            self._database.read(get_code_source, caller.viewer, identifier, namespace, fields)
        )

    async def create(
        self, caller: Caller, name: str, content: str, *, namespace: str = "", scope: str | None = None
    ) -> Row:
        """Store a new code source. BadRequest if it is no Python."""
        authorise(caller, "code_sources:create")
        check_name("a code source", name)
        check_namespace(namespace)
        scope = checked_scope(caller, scope, "code_sources") or "private"
        await asyncio.to_thread(read_classes, content)
        try:
            return await outcome(
                self._database.write(
                    create_code_source,
                    str(uuid.uuid4()),
                    name,
                    content,
                    namespace=namespace,
                    project_id=caller.project_id,
                    scope=scope,
                    now=self._clock(),
                )
            )
        except IntegrityError:  # somebody else was quicker
            raise duplicate_source(name, namespace, caller.project_id) from None

    async def update(
        self, caller: Caller, identifier: str, content: str, *, namespace: str = "", scope: str | None = None
    ) -> Row:
        """Store the next version of a code source; its actions run that from now on."""
        authorise(caller, "code_sources:update")
        scope = checked_scope(caller, scope, "code_sources")
        classes = await asyncio.to_thread(read_classes, content)
        stored: Row = await outcome(
            self._database.write(
                update_code_source,
                caller.viewer,
                identifier,
                content,
                classes,
                namespace=namespace,
                scope=scope,
                now=self._clock(),
            )
        )
        await outcome(self._engine.definitions_changed())
        return stored

    async def delete(self, caller: Caller, identifier: str, namespace: str) -> None:
        """Remove a code source with the dynamic actions that are built on it."""
        authorise(caller, "code_sources:delete")
        await outcome(self._database.write(delete_code_source, caller.viewer, identifier, namespace))
        await outcome(self._engine.definitions_changed())
