"""Cron triggers and event triggers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import UNSET, UnsetType
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from maestrale.api.answers import CREATED, NOTHING, json_answer, nothing
from maestrale.api.arguments import FIELDS
from maestrale.api.authentication import caller_of
from maestrale.api.bodies import number_of, object_of, read_attributes, text_of
from maestrale.api.listing import ListQuery, page_answer, read_fields, read_listing
from maestrale.api.objects import CronTrigger, EventTrigger
from maestrale.api.operation import operation
from maestrale.api.replies import page_of
from maestrale.api.resources import presented
from maestrale.api.routing import missing_id, route
from maestrale.api.settings import ApiSettings
from maestrale.api.wishes import CronTriggerStart, EventTriggerStart, EventTriggerUpdate, attributes
from maestrale.model.errors import BadRequest, Conflict, NotFound
from maestrale.model.listing import Row
from maestrale.model.values import Json
from maestrale.services import Services
from maestrale.services.triggers import (
    FIXED,
    CronTriggers,
    EventTriggerChange,
    EventTriggers,
    NewCronTrigger,
    NewEventTrigger,
)

CRON_TRIGGERS: Final = ListQuery(CronTriggers.shape, also=("all_projects",))
EVENT_TRIGGERS: Final = ListQuery(EventTriggers.shape, also=("all_projects",))
NEEDED: Final = (*FIXED, "workflow_id")
_EXAMPLE: Final = {
    "workflow_id": "1f7e0a52-3c0d-4b4f-9f55-5d3f2a9d7c11",
    "exchange": "storage",
    "topic": "notifications",
    "event": "object.create",
}


class CronTriggerRoutes:
    """`/v2/cron_triggers`."""

    def __init__(self, services: Services, settings: ApiSettings) -> None:
        self._triggers = services.cron_triggers
        self._settings = settings

    def routes(self) -> list[BaseRoute]:
        """All routes."""
        return [
            route("/v2/cron_triggers", GET=self.page, POST=self.create, DELETE=missing_id),
            route("/v2/cron_triggers/{identifier:path}", GET=self.get, DELETE=self.delete),
        ]

    @operation(query=CRON_TRIGGERS, answers=page_of(CronTrigger, CRON_TRIGGERS), fails=(NotFound,))
    async def page(self, request: Request) -> Response:
        """List cron triggers."""
        listing = read_listing(request, CRON_TRIGGERS, self._settings.max_limit)
        rows = await self._triggers.page(caller_of(request), listing)
        shown = [_shown(row, listing.fields) for row in rows]
        return json_answer(page_answer(request, "/v2/cron_triggers", CRON_TRIGGERS.shape, listing, shown))

    @operation(query=(FIELDS,), answers=CronTrigger, fails=(NotFound,))
    async def get(self, request: Request) -> Response:
        """One cron trigger by id or name."""
        fields = read_fields(request, self._triggers.shape.fields)
        row = await self._triggers.get(caller_of(request), request.path_params["identifier"], fields)
        return json_answer(_shown(row, fields))

    @operation(
        takes=CronTriggerStart,
        answers=CronTrigger,
        status=CREATED,
        fails=(NotFound, Conflict),
        example={"name": "nightly", "workflow_name": "report", "pattern": "0 3 * * *"},
    )
    async def create(self, request: Request) -> Response:
        """Store a cron trigger."""
        content = await read_attributes(request, "cron_trigger", attributes(CronTriggerStart))
        new = NewCronTrigger(
            name=text_of(content, "name") or "",
            workflow=_workflow(content),
            input=object_of(content, "workflow_input"),
            params=object_of(content, "workflow_params"),
            pattern=text_of(content, "pattern"),
            first_time=text_of(content, "first_execution_time"),
            count=number_of(content, "remaining_executions"),
            scope=text_of(content, "scope"),
        )
        row = await self._triggers.create(caller_of(request), new)
        return json_answer(_new(_shown(row, None)), CREATED)

    @operation(status=NOTHING, fails=(NotFound,))
    async def delete(self, request: Request) -> Response:
        """Remove a cron trigger."""
        await self._triggers.delete(caller_of(request), request.path_params["identifier"])
        return nothing()


class EventTriggerRoutes:
    """`/v2/event_triggers`."""

    def __init__(self, services: Services, settings: ApiSettings) -> None:
        self._triggers = services.event_triggers
        self._settings = settings

    def routes(self) -> list[BaseRoute]:
        """All routes."""
        return [
            route("/v2/event_triggers", GET=self.page, POST=self.create, PUT=missing_id, DELETE=missing_id),
            route("/v2/event_triggers/{identifier}", GET=self.get, PUT=self.update, DELETE=self.delete),
        ]

    @operation(query=EVENT_TRIGGERS, answers=page_of(EventTrigger, EVENT_TRIGGERS), fails=(NotFound,))
    async def page(self, request: Request) -> Response:
        """List event triggers."""
        listing = read_listing(request, EVENT_TRIGGERS, self._settings.max_limit)
        rows = await self._triggers.page(caller_of(request), listing)
        shown = [presented(row) for row in rows]
        return json_answer(page_answer(request, "/v2/event_triggers", EVENT_TRIGGERS.shape, listing, shown))

    @operation(query=(FIELDS,), answers=EventTrigger, fails=(NotFound,))
    async def get(self, request: Request) -> Response:
        """One event trigger by id."""
        fields = read_fields(request, self._triggers.shape.fields)
        row = await self._triggers.get(caller_of(request), request.path_params["identifier"], fields)
        return json_answer(presented(row))

    @operation(
        takes=EventTriggerStart,
        answers=EventTrigger,
        status=CREATED,
        fails=(NotFound, Conflict),
        example=_EXAMPLE,
    )
    async def create(self, request: Request) -> Response:
        """Store an event trigger."""
        content = await read_attributes(request, "event_trigger", attributes(EventTriggerStart))
        needed = {name: text_of(content, name) or "" for name in NEEDED}
        missing = [name for name, text in needed.items() if not text]
        if missing:
            raise BadRequest(f"Params {', '.join(missing)} must be provided for creating event trigger.")
        new = NewEventTrigger(
            **needed,
            name=text_of(content, "name"),
            input=object_of(content, "workflow_input"),
            params=object_of(content, "workflow_params"),
            scope=text_of(content, "scope"),
        )
        row = await self._triggers.create(caller_of(request), new)
        return json_answer(_new(presented(row)), CREATED)

    @operation(
        takes=EventTriggerUpdate,
        answers=EventTrigger,
        fails=(NotFound, Conflict),
        example={"name": "uploads"},
    )
    async def update(self, request: Request) -> Response:
        """Change an event trigger."""
        content = await read_attributes(request, "event_trigger", attributes(EventTriggerStart))
        if fixed := [name for name in FIXED if name in content]:
            raise BadRequest(
                f"Can not update fields {', '.join(fixed)} of event trigger.",
                "delete it and create another one",
            )
        change = EventTriggerChange(
            name=text_of(content, "name") if "name" in content else UNSET,
            workflow_id=text_of(content, "workflow_id") or "" if "workflow_id" in content else UNSET,
            workflow_input=_object(content, "workflow_input"),
            workflow_params=_object(content, "workflow_params"),
            scope=text_of(content, "scope") if "scope" in content else UNSET,
        )
        row = await self._triggers.update(caller_of(request), request.path_params["identifier"], change)
        return json_answer(presented(row))

    @operation(status=NOTHING, fails=(NotFound,))
    async def delete(self, request: Request) -> Response:
        """Remove an event trigger."""
        await self._triggers.delete(caller_of(request), request.path_params["identifier"])
        return nothing()


def _workflow(content: dict[str, Json]) -> str:
    found = text_of(content, "workflow_id") or text_of(content, "workflow_name")
    if not found:
        raise BadRequest("Attribute workflow_name or workflow_id is missing")
    return found


def _shown(row: Row, fields: Sequence[str] | None) -> Row:
    """A cron trigger, with its last error only if it has one, or is asked for it: others do not know it."""
    shown = presented(row)
    if fields is None and row["last_error"] is None:
        del shown["last_error"]
    return shown


def _new(shown: Row) -> Row:
    """The form of answers to creates: never changed."""
    return {name: value for name, value in shown.items() if name != "updated_at"}


def _object(content: dict[str, Json], name: str) -> dict[str, Json] | UnsetType:
    return object_of(content, name) if name in content else UNSET
