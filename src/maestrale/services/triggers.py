"""Use cases of triggers: of cron triggers, which start workflows at set times, and of event triggers."""

from __future__ import annotations

import datetime
import hashlib
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from maestrale.lang.inputs import check_input
from maestrale.model.errors import BadRequest
from maestrale.model.listing import Listing, Row
from maestrale.model.notifications import checked_publishers
from maestrale.model.schedules import NEVER, Schedule
from maestrale.model.secrets import WELL_KNOWN, SecretRules
from maestrale.model.values import Json, Microseconds, masked
from maestrale.runtime.programs import Programs
from maestrale.runtime.requests import WorkflowEngine
from maestrale.services.access import Caller, authorise
from maestrale.services.definitions import checked_scope, given_of
from maestrale.services.lending import entrusted
from maestrale.services.waiting import Clock, outcome
from maestrale.store import cron_triggers, event_triggers
from maestrale.store.catalogue import StartedFrom, definition_to_start
from maestrale.store.cron_triggers import CRON_TRIGGERS
from maestrale.store.database import Database
from maestrale.store.event_triggers import EVENT_TRIGGERS
from maestrale.store.selection import Viewer, is_uuid

NAME_LENGTH: Final = 200
PATTERN_LENGTH: Final = 100
EVENT_LENGTH: Final = 80
MOST_EXECUTIONS: Final = 2**31 - 1
AHEAD: Final = 60 * 1_000_000
"""Microseconds that the first time of a cron trigger lies ahead at least."""

TIME_FORMAT: Final = "%Y-%m-%d %H:%M"
FIXED: Final = ("exchange", "topic", "event")
"""What an event trigger keeps for ever."""


class NewCronTrigger(msgspec.Struct, frozen=True):
    """A wish for a cron trigger. `workflow` is an id, or a name in the default namespace; `first_time` is
    `YYYY-MM-DD HH:MM` in UTC; `count`: how often it is to run, None: without end."""

    name: str
    workflow: str
    input: dict[str, Json] = {}
    params: dict[str, Json] = {}
    pattern: str | None = None
    first_time: str | None = None
    count: int | None = None
    scope: str | None = None


class NewEventTrigger(msgspec.Struct, frozen=True):
    """A wish for an event trigger."""

    workflow_id: str
    exchange: str
    topic: str
    event: str
    name: str | None = None
    input: dict[str, Json] = {}
    params: dict[str, Json] = {}
    scope: str | None = None


class EventTriggerChange(msgspec.Struct, frozen=True):
    """What an event trigger is to become; what is UNSET stays as it is."""

    name: str | msgspec.UnsetType | None = msgspec.UNSET
    workflow_id: str | msgspec.UnsetType = msgspec.UNSET
    workflow_input: dict[str, Json] | msgspec.UnsetType = msgspec.UNSET
    workflow_params: dict[str, Json] | msgspec.UnsetType = msgspec.UNSET
    scope: str | msgspec.UnsetType | None = msgspec.UNSET


class _Triggers:
    """What both kinds have in common."""

    def __init__(
        self,
        database: Database,
        programs: Programs,
        engine: WorkflowEngine,
        clock: Clock,
        secrets: SecretRules = WELL_KNOWN,
    ) -> None:
        self._secrets = secrets
        self._database = database
        self._programs = programs
        self._engine = engine
        self._clock = clock

    def _started_with(self, given: Mapping[str, Any]) -> Row:
        """`workflow_input` and `workflow_params`, as far as they are given, with their secrets marked."""
        marks = {
            "workflow_input": self._secrets.input.marked_map,
            "workflow_params": self._secrets.marked_params,
        }
        return {name: mark(given[name]) for name, mark in marks.items() if name in given}


class CronTriggers(_Triggers):
    """What can be done with cron triggers."""

    shape = CRON_TRIGGERS.shape()

    async def page(self, caller: Caller, listing: Listing) -> list[Row]:
        """One page of cron triggers."""
        authorise(caller, "cron_triggers:list")
        if listing.all_projects:
            authorise(caller, "cron_triggers:list:all_projects")
        return await outcome(self._database.read(cron_triggers.list_cron_triggers, caller.viewer, listing))

    async def get(self, caller: Caller, identifier: str, fields: Sequence[str] | None = None) -> Row:
        """One cron trigger by id or name."""
        authorise(caller, "cron_triggers:get")
        return await outcome(
            self._database.read(cron_triggers.get_cron_trigger, caller.viewer, identifier, fields)
        )

    async def create(self, caller: Caller, new: NewCronTrigger) -> Row:
        """Store a new cron trigger; it is on its way from then on."""
        authorise(caller, "cron_triggers:create")
        scope = checked_scope(caller, new.scope, "cron_triggers") or "private"
        if not new.name:
            raise BadRequest("Attribute name is missing", "it says which cron trigger is meant")
        _check_length("The name of a cron trigger", new.name, NAME_LENGTH)
        now = self._clock()
        times = _times(new, now)
        _check_params(new.params)
        workflow = await outcome(
            self._database.read(_workflow_of, self._programs, caller.viewer, new.workflow, new.input)
        )
        row: Row = {
            "id": str(uuid.uuid4()),
            "name": new.name,
            "project_id": caller.project_id,
            "scope": scope,
            "workflow_name": workflow.name,
            "workflow_id": workflow.id,
            **self._started_with({"workflow_input": new.input, "workflow_params": new.params}),
            **times,
            "created_at": now,
        }
        row["sameness"] = _sameness(row)
        try:
            async with entrusted(self._engine, caller, row["id"], "cron_trigger"):
                stored = await outcome(self._database.write(cron_triggers.create_cron_trigger, row))
        except IntegrityError:  # somebody else was quicker
            raise cron_triggers.duplicate(row, new.name) from None
        self._engine.triggers_changed()
        return stored

    async def delete(self, caller: Caller, identifier: str) -> None:
        """Remove a cron trigger. What it has started goes on."""
        authorise(caller, "cron_triggers:delete")
        deleted = await outcome(
            self._database.write(cron_triggers.delete_cron_trigger, caller.viewer, identifier)
        )
        self._engine.triggers_changed()
        self._engine.security.over([deleted])


class EventTriggers(_Triggers):
    """What can be done with event triggers: they are kept, and start nothing yet."""

    shape = EVENT_TRIGGERS.shape()

    async def page(self, caller: Caller, listing: Listing) -> list[Row]:
        """One page of event triggers."""
        authorise(caller, "event_triggers:list")
        if listing.all_projects:
            authorise(caller, "event_triggers:list:all_projects")
        return await outcome(self._database.read(event_triggers.list_event_triggers, caller.viewer, listing))

    async def get(self, caller: Caller, identifier: str, fields: Sequence[str] | None = None) -> Row:
        """One event trigger by id."""
        authorise(caller, "event_triggers:get")
        return await self._read(caller, identifier, fields)

    async def create(self, caller: Caller, new: NewEventTrigger) -> Row:
        """Store a new event trigger."""
        authorise(caller, "event_triggers:create")
        scope = checked_scope(caller, new.scope, "event_triggers") or "private"
        _check_length("The name of an event trigger", new.name or "", NAME_LENGTH)
        for name in FIXED:
            _check_length(f"Attribute {name}", getattr(new, name), EVENT_LENGTH)
        _check_params(new.params)
        await self._check_workflow(caller.viewer, new.workflow_id, new.input)
        row: Row = {
            "id": str(uuid.uuid4()),
            "name": new.name,
            "project_id": caller.project_id,
            "scope": scope,
            "workflow_id": new.workflow_id,
            **self._started_with({"workflow_input": new.input, "workflow_params": new.params}),
            **{name: getattr(new, name) for name in FIXED},
            "created_at": self._clock(),
        }
        try:
            async with entrusted(self._engine, caller, row["id"], "event_trigger"):
                return await outcome(self._database.write(event_triggers.create_event_trigger, row))
        except IntegrityError:  # somebody else was quicker
            raise event_triggers.duplicate(row) from None

    async def update(self, caller: Caller, identifier: str, change: EventTriggerChange) -> Row:
        """Change an event trigger; given input and params replace all that was there."""
        authorise(caller, "event_triggers:update")
        given = given_of(caller, change, "event_triggers")
        _check_length("The name of an event trigger", given.get("name") or "", NAME_LENGTH)
        _check_params(given.get("workflow_params", {}))
        known = await self._read(caller, identifier, ("workflow_id", "workflow_input", *FIXED, "project_id"))
        if "workflow_id" in given or "workflow_input" in given:
            stored = {**known, "workflow_input": msgspec.json.decode(known["workflow_input"])}
            changed = stored | given
            await self._check_workflow(caller.viewer, changed["workflow_id"], changed["workflow_input"])
        given |= self._started_with(given)
        try:
            return await outcome(
                self._database.write(
                    event_triggers.update_event_trigger, caller.viewer, identifier, given, self._clock()
                )
            )
        except IntegrityError:  # somebody else was quicker
            raise event_triggers.duplicate(known | given) from None

    async def delete(self, caller: Caller, identifier: str) -> None:
        """Remove an event trigger."""
        authorise(caller, "event_triggers:delete")
        _check_uuid("The id of an event trigger", identifier)
        await outcome(self._database.write(event_triggers.delete_event_trigger, caller.viewer, identifier))
        self._engine.security.over([identifier])

    async def _read(self, caller: Caller, identifier: str, fields: Sequence[str] | None) -> Row:
        _check_uuid("The id of an event trigger", identifier)
        return await outcome(
            self._database.read(event_triggers.get_event_trigger, caller.viewer, identifier, fields)
        )

    async def _check_workflow(self, viewer: Viewer, workflow_id: str, given: dict[str, Json]) -> None:
        _check_uuid("Attribute workflow_id", workflow_id)
        await outcome(self._database.read(_workflow_of, self._programs, viewer, workflow_id, given))


def _workflow_of(
    connection: Connection, programs: Programs, viewer: Viewer, identifier: str, given: dict[str, Json]
) -> StartedFrom:
    """The workflow that a trigger is to start. NotFound if there is none, InvalidInput if it takes no such
    input."""
    found = definition_to_start(connection, viewer, identifier, "")
    check_input(programs.load(connection, found.text_hash, found.name).spec, given)
    return found


def _times(new: NewCronTrigger, now: Microseconds) -> Row:
    """When a new trigger fires, by the names of the columns. BadRequest for times that make no sense."""
    pattern = None if new.pattern in (None, "", NEVER) else new.pattern
    first = None if not new.first_time else _first_time(new.first_time)
    if pattern is None and first is None:
        raise BadRequest("Pattern or first_execution_time must be specified.")
    if first is not None and first < now + AHEAD:
        raise BadRequest("first_execution_time must be at least 1 minute in the future.")
    if new.count is not None and not 1 <= new.count <= MOST_EXECUTIONS:
        raise BadRequest(
            f"Attribute remaining_executions must be from 1 to {MOST_EXECUTIONS}, not {new.count}",
            "leave it out for a trigger without end",
        )
    if pattern is None and (new.count or 1) > 1:
        raise BadRequest("Pattern must be provided if count is superior to 1.")
    if pattern is not None:
        _check_length("A pattern", pattern, PATTERN_LENGTH)
        after_now = Schedule(pattern).after(now)
    return {
        "pattern": pattern or NEVER,
        "first_execution_time": first,
        "next_execution_time": after_now if first is None else first,
        "remaining_executions": 1 if pattern is None else new.count,
    }


def _first_time(text: str) -> Microseconds:
    try:
        moment = datetime.datetime.strptime(text, TIME_FORMAT).replace(tzinfo=datetime.UTC)
    except ValueError:
        raise BadRequest(
            f"Attribute first_execution_time is no time: '{text}'", "write it as 2026-11-23 20:09, in UTC"
        ) from None
    return int(moment.timestamp()) * 1_000_000


def _sameness(row: Row) -> str | None:
    """What no two triggers have in common, if it is all given: when, how often and what they start.

    What is secret has none: a hash of it would tell who guesses it.
    """
    parts = [row[name] for name in ("pattern", "first_execution_time", "remaining_executions")]
    if None in parts:
        return None
    started_with = [row["workflow_input"], row["workflow_params"]]
    if masked(started_with) != started_with:
        return None
    parts += [row["project_id"], row["workflow_id"], *started_with]
    return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()


def _check_params(params: dict[str, Json]) -> None:
    checked_publishers(params.get("notify"), "workflow_params.notify")


def _check_uuid(subject: str, text: str) -> None:
    if not is_uuid(text):
        raise BadRequest(f"{subject} must be a UUID, not '{text}'")


def _check_length(subject: str, text: str, most: int) -> None:
    if len(text) > most:
        raise BadRequest(f"{subject} has at most {most} characters, not {len(text)}")
