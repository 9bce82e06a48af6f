"""Use cases of dynamic actions: classes of code sources that tasks can run."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy.exc import IntegrityError

from maestrale.actions.code_sources import read_classes
from maestrale.model.errors import BadRequest, Conflict
from maestrale.model.listing import Listing, Row
from maestrale.runtime.requests import WorkflowEngine
from maestrale.runtime.runnables import SWITCHED_OFF
from maestrale.services.access import Caller, authorise
from maestrale.services.definitions import Stored, checked_scope
from maestrale.services.drafts import check_namespace
from maestrale.services.names import check_name
from maestrale.services.waiting import Clock, outcome
from maestrale.store.code_sources import Classes
from maestrale.store.database import Database
from maestrale.store.dynamic_actions import (
    DYNAMIC_ACTIONS,
    SourceChanged,
    changeable_action,
    create_dynamic_action,
    delete_dynamic_action,
    duplicate_action,
    find_code_source,
    get_dynamic_action,
    list_dynamic_actions,
    update_dynamic_action,
)

TRIES: Final = 5
"""How often an action is stored whose code source changes meanwhile."""


class DynamicActionChange(msgspec.Struct, frozen=True):
    """What a dynamic action is to become; what is None stays as it is."""

    name: str | None = None
    class_name: str | None = None
    code_source_id: str | None = None
    code_source_name: str | None = None
    scope: str | None = None


class DynamicActions:
    """What can be done with dynamic actions, by administrators."""

    shape = DYNAMIC_ACTIONS.shape()

    def __init__(self, database: Database, engine: WorkflowEngine, clock: Clock, *, runs: bool) -> None:
        """`runs`: whether dynamic actions are switched on."""
        self._database = database
        self._engine = engine
        self._clock = clock
        self._runs = runs

    async def page(self, caller: Caller, listing: Listing) -> list[Row]:
        """One page of dynamic actions."""
        authorise(caller, "dynamic_actions:list")
        return await outcome(self._database.read(list_dynamic_actions, caller.viewer, listing))

    async def get(
        self, caller: Caller, identifier: str, namespace: str, fields: Sequence[str] | None = None
    ) -> Row:
        """One dynamic action by id, or by name in exactly this namespace."""
        authorise(caller, "dynamic_actions:get")
        return await outcome(
            self._database.read(get_dynamic_action, caller.viewer, identifier, namespace, fields)
        )

    async def create(self, caller: Caller, change: DynamicActionChange, *, namespace: str = "") -> Stored:
        """Store a new dynamic action; tasks that start from now on find it."""
        authorise(caller, "dynamic_actions:create")
        name, class_name = _required(change.name, "name"), _required(change.class_name, "class_name")
        check_name("a dynamic action", name)
        check_name("a class", class_name)
        check_namespace(namespace)
        scope = checked_scope(caller, change.scope, "dynamic_actions") or "private"

        async def store() -> Stored:
            source, classes = await self._source(caller, change, namespace, None)
            row = await outcome(
                self._database.write(
                    create_dynamic_action,
                    str(uuid.uuid4()),
                    name,
                    class_name,
                    source,
                    classes,
                    namespace=namespace,
                    project_id=caller.project_id,
                    scope=scope,
                    now=self._clock(),
                )
            )
            return Stored([row], self._warnings(row, classes))

        try:
            return await self._stored(store)
        except IntegrityError:  # somebody else was quicker
            raise duplicate_action(name, namespace, caller.project_id) from None

    async def update(
        self, caller: Caller, identifier: str, change: DynamicActionChange, *, namespace: str = ""
    ) -> Stored:
        """Change a dynamic action."""
        authorise(caller, "dynamic_actions:update")
        checked_scope(caller, change.scope, "dynamic_actions")
        for kind, given in (("a dynamic action", change.name), ("a class", change.class_name)):
            if given is not None:
                check_name(kind, given)
        changes = {
            field: value
            for field in ("name", "class_name", "scope")
            if (value := getattr(change, field)) is not None
        }

        async def store() -> Stored:
            row = await outcome(self._database.read(changeable_action, caller.viewer, identifier, namespace))
            source, classes = await self._source(caller, change, row["namespace"], row)
            row = await outcome(
                self._database.write(
                    update_dynamic_action,
                    caller.viewer,
                    identifier,
                    namespace,
                    changes,
                    source,
                    classes,
                    self._clock(),
                )
            )
            return Stored([row], self._warnings(row, classes))

        try:
            return await self._stored(store)
        except IntegrityError:  # a new name that somebody else took just now
            raise duplicate_action(str(change.name), namespace, caller.project_id) from None

    async def delete(self, caller: Caller, identifier: str, namespace: str) -> None:
        """Remove a dynamic action; its code source stays."""
        authorise(caller, "dynamic_actions:delete")
        await outcome(self._database.write(delete_dynamic_action, caller.viewer, identifier, namespace))
        await outcome(self._engine.definitions_changed())

    async def _stored(self, store: Callable[[], Any]) -> Stored:
        for _ in range(TRIES):
            try:
                stored: Stored = await store()
            except SourceChanged:
                continue
            await outcome(self._engine.definitions_changed())
            return stored
        raise Conflict("The code source of the dynamic action changes all the time", "try again")

    async def _source(
        self, caller: Caller, change: DynamicActionChange, namespace: str, row: Row | None
    ) -> tuple[Row, Classes]:
        """The code source that is meant (by default that of `row`), and what its classes are."""
        wanted = change.code_source_id or change.code_source_name
        if not wanted and row is not None:
            wanted = row["code_source_id"]
        if not wanted:
            raise BadRequest(
                "Attribute code_source_id or code_source_name is missing",
                "it says in which code source the class is; `mistral code-source-list` shows them",
            )
        source = await outcome(self._database.read(find_code_source, caller.viewer, wanted, namespace))
        if change.code_source_id and change.code_source_name not in (None, "", source["name"]):
            raise BadRequest(
                f"The code source {source['id']} is not called '{change.code_source_name}'"
                f" but '{source['name']}'",
                "one of code_source_id and code_source_name is enough",
            )
        return source, await asyncio.to_thread(read_classes, source["content"])

    def _warnings(self, row: Row, classes: Classes) -> list[str]:
        found = [] if self._runs else [SWITCHED_OFF]
        name, source = row["class_name"], row["code_source_name"]
        if name not in classes:
            shown = ", ".join(f"'{known}'" for known in sorted(classes)) or "none"
            found.append(
                f"No class '{name}' with a method 'run' stands at the top of the code source '{source}'"
                f" (those that do: {shown})"
            )
        return found


def _required(value: str | None, attribute: str) -> str:
    if not value:
        raise BadRequest(f"Attribute {attribute} is missing")
    return value
