"""Use cases of workbooks."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy.exc import IntegrityError

from maestrale.actions.registry import Registry
from maestrale.model.listing import Listing, Row
from maestrale.runtime.requests import WorkflowEngine
from maestrale.services.access import Caller, authorise
from maestrale.services.actions import check_chains, shadow_warnings
from maestrale.services.definitions import Verdict, checked_scope, verdict
from maestrale.services.drafts import ReadBook, check_namespace, read_workbook
from maestrale.services.parsing import parse_supported_workbook
from maestrale.services.waiting import Clock, outcome
from maestrale.store.catalogue import (
    WORKBOOKS,
    check_new,
    delete_definition,
    duplicate,
    get_definition,
    list_definitions,
)
from maestrale.store.database import Database
from maestrale.store.workbooks import BookDraft, Ids, create_workbook, update_workbook


class StoredBook(NamedTuple):
    """A stored workbook, and what may be wrong with it."""

    row: Row
    warnings: list[str]


class Workbooks:
    """What can be done with workbooks; they go by their names only."""

    shape = WORKBOOKS.shape()

    def __init__(self, database: Database, registry: Registry, engine: WorkflowEngine, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._registry = registry
        self._engine = engine

    async def page(self, caller: Caller, listing: Listing) -> list[Row]:
        """One page of workbooks."""
        authorise(caller, "workbooks:list")
        return await outcome(self._database.read(list_definitions, caller.viewer, "workbook", listing))

    async def get(
        self, caller: Caller, name: str, namespace: str, fields: Sequence[str] | None = None
    ) -> Row:
        """One workbook by name in exactly this namespace."""
        authorise(caller, "workbooks:get")
        return await outcome(
            self._database.read(get_definition, caller.viewer, "workbook", name, namespace, fields)
        )

    async def create(
        self, caller: Caller, text: str, *, namespace: str = "", scope: str | None = None
    ) -> StoredBook:
        """Store a workbook; its members are stored too, or replaced where they are there already."""
        authorise(caller, "workbooks:create")
        scope = checked_scope(caller, scope, "workbooks") or "private"
        check_namespace(namespace)
        read = await asyncio.to_thread(read_workbook, text)
        name, project_id = read.draft.book.name, caller.project_id
        await outcome(self._database.read(check_new, "workbook", project_id, namespace, [name]))
        warnings = await self._check(caller, namespace, read)
        try:
            row = await outcome(
                self._database.write(
                    create_workbook,
                    read.draft,
                    _fresh_ids(read.draft),
                    project_id=project_id,
                    namespace=namespace,
                    scope=scope,
                    now=self._clock(),
                )
            )
        except IntegrityError:  # somebody else was quicker
            raise duplicate("workbook", name, namespace, project_id) from None
        await outcome(self._engine.definitions_changed())
        return StoredBook(row, warnings)

    async def update(
        self, caller: Caller, text: str, *, namespace: str = "", scope: str | None = None
    ) -> StoredBook:
        """Replace a workbook and its members, all or none. Without `scope` they become private."""
        authorise(caller, "workbooks:update")
        scope = checked_scope(caller, scope, "workbooks") or "private"
        read = await asyncio.to_thread(read_workbook, text)
        warnings = await self._check(caller, namespace, read)
        row = await outcome(
            self._database.write(
                update_workbook,
                caller.viewer,
                read.draft,
                _fresh_ids(read.draft),
                namespace=namespace,
                scope=scope,
                now=self._clock(),
            )
        )
        await outcome(self._engine.definitions_changed())
        return StoredBook(row, warnings)

    async def delete(self, caller: Caller, name: str, namespace: str) -> None:
        """Remove a workbook; its workflows and actions stay."""
        authorise(caller, "workbooks:delete")
        await outcome(self._database.write(delete_definition, caller.viewer, "workbook", name, namespace))

    async def validate(self, text: str) -> Verdict:
        """Say what is wrong with a text; nothing is stored."""
        parsed = await asyncio.to_thread(parse_supported_workbook, text)
        return verdict(parsed.problems)

    async def _check(self, caller: Caller, namespace: str, read: ReadBook) -> list[str]:
        await outcome(self._database.read(check_chains, caller.project_id, namespace, read.bases))
        return read.warnings + shadow_warnings(self._registry, read.bases)


def _fresh_ids(draft: BookDraft) -> Ids:
    return Ids(
        str(uuid.uuid4()),
        [str(uuid.uuid4()) for _ in draft.workflows],
        [str(uuid.uuid4()) for _ in draft.actions],
    )
