"""Cron triggers and event triggers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import UNSET, UnsetType
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from maestrale.api.answers import CREATED, json_answer, nothing
from maestrale.api.authentication import caller_of
from maestrale.api.bodies import check_query, number_of, object_of, read_attributes, text_of
from maestrale.api.listing import page_answer, read_fields, read_listing
from maestrale.api.resources import presented
from maestrale.api.routing import missing_id, route
from maestrale.api.settings import ApiSettings
from maestrale.model.errors import BadRequest
from maestrale.model.listing import Row
from maestrale.model.values import Json
from maestrale.services import Services
from maestrale.services.triggers import FIXED, EventTriggerChange, NewCronTrigger, NewEventTrigger

CRON_ATTRIBUTES: Final = (
    "name", "workflow_name", "workflow_id", "workflow_input", "workflow_params", "pattern",
    "first_execution_time", "remaining_executions", "scope",
)  # fmt: skip
EVENT_ATTRIBUTES: Final = (
    "name", "workflow_id", "workflow_input", "workflow_params", "exchange", "topic", "event", "scope",
)  # fmt: skip
NEEDED: Final = (*FIXED, "workflow_id")


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

    async def page(self, request: Request) -> Response:
        """List cron triggers."""
        shape = self._triggers.shape
        listing = read_listing(request, shape, self._settings.max_limit, also=("all_projects",))
        rows = await self._triggers.page(caller_of(request), listing)
        shown = [_shown(row, listing.fields) for row in rows]
        return json_answer(page_answer(request, "/v2/cron_triggers", shape, listing, shown))

    async def get(self, request: Request) -> Response:
        """One cron trigger by id or name."""
        check_query(request, {"fields"})
        fields = read_fields(request, self._triggers.shape.fields)
        row = await self._triggers.get(caller_of(request), request.path_params["identifier"], fields)
        return json_answer(_shown(row, fields))

    async def create(self, request: Request) -> Response:
        """Store a cron trigger."""
        check_query(request, ())
        content = await read_attributes(request, "cron_trigger", CRON_ATTRIBUTES)
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

    async def delete(self, request: Request) -> Response:
        """Remove a cron trigger."""
        check_query(request, ())
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

    async def page(self, request: Request) -> Response:
        """List event triggers."""
        shape = self._triggers.shape
        listing = read_listing(request, shape, self._settings.max_limit, also=("all_projects",))
        rows = await self._triggers.page(caller_of(request), listing)
        shown = [presented(row) for row in rows]
        return json_answer(page_answer(request, "/v2/event_triggers", shape, listing, shown))

    async def get(self, request: Request) -> Response:
        """One event trigger by id."""
        check_query(request, {"fields"})
        fields = read_fields(request, self._triggers.shape.fields)
        row = await self._triggers.get(caller_of(request), request.path_params["identifier"], fields)
        return json_answer(presented(row))

    async def create(self, request: Request) -> Response:
        """Store an event trigger."""
        check_query(request, ())
        content = await read_attributes(request, "event_trigger", EVENT_ATTRIBUTES)
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

    async def update(self, request: Request) -> Response:
        """Change an event trigger."""
        check_query(request, ())
        content = await read_attributes(request, "event_trigger", EVENT_ATTRIBUTES)
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

    async def delete(self, request: Request) -> Response:
        """Remove an event trigger."""
        check_query(request, ())
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
