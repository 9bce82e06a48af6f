"""Use cases of actions: the installed ones, and the ad-hoc ones that projects define."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Final

from sqlalchemy import Connection

from maestrale.actions.plugins import Provided
from maestrale.actions.registry import Registry
from maestrale.lang.parse import parse_actions
from maestrale.lang.spec import Problem
from maestrale.model.errors import BadRequest, MaestraleError, NotFound
from maestrale.model.listing import Listing, Row
from maestrale.runtime.requests import WorkflowEngine
from maestrale.services.access import Caller, authorise
from maestrale.services.definitions import Stored, Uploads
from maestrale.services.drafts import Base, Read, read_actions
from maestrale.services.parsing import CYCLE_HINT, cycle_message, find_cycle, parse_supported_actions
from maestrale.services.waiting import Clock, outcome
from maestrale.store.actions import BuiltIn, action_resource, find_text, get_action, list_actions
from maestrale.store.database import Database

log = logging.getLogger(__name__)

LONGEST_LOOK: Final = 20.0
"""Seconds that packages may take to load before a list of actions goes without theirs."""


class Actions(Uploads):
    """What can be done with actions. The built-in ones can be read only."""

    kind = "action"
    collection = "actions"
    shape = action_resource(()).shape()

    def __init__(self, database: Database, registry: Registry, engine: WorkflowEngine, clock: Clock) -> None:
        super().__init__(database, clock)
        self._registry = registry
        self._engine = engine
        self._installed = _installed(registry, ())
        self._resource = action_resource(self._installed)

    async def installed(self) -> int:
        """How many actions come with the service and its packages, after a look at what those offer now."""
        await self._look_around()
        return len(self._installed)

    async def page(self, caller: Caller, listing: Listing) -> list[Row]:
        """One page of actions, the installed ones as `installed` has seen them last; the id and so the marker
        of one of those is its name."""
        authorise(caller, "actions:list")
        return await outcome(self._database.read(list_actions, self._resource, caller.viewer, listing))

    async def _look_around(self) -> None:
        """See what packages offer now; where that takes too long, what is known has to do."""
        if not self._registry.plugins.may_have_more:
            return
        try:
            async with asyncio.timeout(LONGEST_LOOK):
                provided = await asyncio.to_thread(_load, self._registry)
        except TimeoutError:
            log.warning("Packages have not said within %g s which actions they have", LONGEST_LOOK)
            return
        installed = _installed(self._registry, provided)
        if installed != self._installed:
            self._resource = action_resource(installed)
            self._installed = installed

    async def get(self, caller: Caller, identifier: str, namespace: str) -> Row:
        """One action by id or name, in this namespace or else in the default one."""
        authorise(caller, "actions:get")
        await self._look_around()
        return await self._get(caller, identifier, namespace)

    async def _get(self, caller: Caller, identifier: str, namespace: str) -> Row:
        try:
            return await outcome(
                self._database.read(get_action, self._resource, caller.viewer, identifier, namespace)
            )
        except NotFound as error:
            near = self._registry.suggestions(identifier)
            raise NotFound(error.message, f"did you mean {' or '.join(near)}?" if near else "") from None

    async def create(
        self, caller: Caller, text: str, *, namespace: str = "", scope: str | None = None
    ) -> Stored:
        """Store every ad-hoc action of a text, all or none; tasks that start from now on find them."""
        stored = await super().create(caller, text, namespace=namespace, scope=scope)
        await outcome(self._engine.definitions_changed())
        return stored

    async def update(
        self,
        caller: Caller,
        text: str,
        *,
        namespace: str = "",
        scope: str | None = None,
        identifier: str | None = None,
    ) -> Stored:
        """Replace every ad-hoc action of a text, all or none, or the one with `identifier`."""
        stored = await super().update(caller, text, namespace=namespace, scope=scope, identifier=identifier)
        await outcome(self._engine.definitions_changed())
        return stored

    async def delete(self, caller: Caller, identifier: str, namespace: str) -> None:
        """Remove an ad-hoc action."""
        await super().delete(caller, identifier, namespace)
        await outcome(self._engine.definitions_changed())

    async def _missing(
        self, error: NotFound, caller: Caller, identifiers: list[str], namespace: str
    ) -> MaestraleError:
        for name in identifiers:
            try:
                row = await self._get(caller, name, namespace)
            except NotFound:
                continue
            if row["is_system"]:
                return BadRequest(
                    f"Attempt to modify a system action: {name}", "built-in actions stay as they are"
                )
            if not row["definition"]:
                return BadRequest(
                    f"{name} is a dynamic action",
                    "`mistral dynamic-action-update` and `mistral dynamic-action-delete` are for those",
                )
        return error

    def _read(self, text: str) -> Read:
        return read_actions(text)

    def _problems(self, text: str) -> list[Problem]:
        return parse_supported_actions(text).problems

    async def _check(self, caller: Caller, namespace: str, read: Read) -> list[str]:
        await outcome(self._database.read(check_chains, caller.project_id, namespace, read.bases))
        return read.warnings + shadow_warnings(self._registry, read.bases)


def shadow_warnings(registry: Registry, names: Iterable[str]) -> list[str]:
    """A warning for each ad-hoc action that takes the place of a built-in one."""
    return [
        f"The action '{name}' takes the place of the built-in one in all workflows of this project"
        for name in names
        if registry.knows(name)
    ]


def _load(registry: Registry) -> list[Provided]:
    registry.plugins.load()
    return registry.plugins.provided()


def _installed(registry: Registry, provided: Iterable[Provided]) -> list[BuiltIn]:
    """What lists show of installed actions; what is built in stands for another of its name."""
    found = {(entry.name, entry.namespace): entry for entry in map(_described, provided)}
    for action in registry:
        found[action.name, ""] = BuiltIn(action.name, action.input_text, action.description)
    return [found[key] for key in sorted(found)]


def _described(action: Provided) -> BuiltIn:
    return BuiltIn(action.name, action.input, action.description, action.namespace)


def check_chains(connection: Connection, project_id: str, namespace: str, bases: Mapping[str, Base]) -> None:
    """BadRequest if one of these ad-hoc actions would lead back to itself over stored ones of the project."""
    known: dict[str, Base | None] = dict(bases)
    members: dict[str, dict[str, str]] = {}

    def find(name: str) -> Base | None:
        if name not in known:
            known[name] = None
            stored = find_text(connection, project_id, namespace, name)
            if stored is not None:
                text, workbook = stored
                if text not in members:
                    members[text] = {spec.name: spec.base for spec in parse_actions(text).specs}
                base = members[text].get(name.removeprefix(f"{workbook}."))
                known[name] = None if base is None else Base(base, workbook)
        return known[name]

    def follow(name: str) -> str | None:
        base = find(name)
        if base is None:
            return None
        member = f"{base.workbook}.{base.name}"
        return member if base.workbook and find(member) is not None else base.name

    walked: set[str] = set()
    for name in bases:
        cycle = find_cycle(name, follow, walked)
        if cycle is not None:
            raise BadRequest(cycle_message(cycle), CYCLE_HINT)
