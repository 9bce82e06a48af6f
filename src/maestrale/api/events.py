"""`/v2/executions/{id}/events`: what happens in an execution, as server-sent events."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import AsyncGenerator
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from maestrale.api.answers import nothing
from maestrale.api.authentication import caller_of
from maestrale.api.bodies import query_number
from maestrale.api.connection import watched
from maestrale.api.operation import Argument, Media, operation
from maestrale.api.routing import route
from maestrale.model.errors import BadRequest, MaestraleError, NotFound, TooManyRequests
from maestrale.model.history import History, HistoryEvent, ShownChange
from maestrale.model.values import Microseconds
from maestrale.services import Services

STALLED: Final = 60.0
"""Seconds within which a reader must take what it is sent."""

RETRY_MILLISECONDS: Final = 1000
"""After which a browser connects again."""

INFO_LENGTH: Final = 1000
"""Characters of a `state_info`; the whole text is in what is read by id."""

END: Final = "-end"
"""Behind the id of the last event: whoever has that has heard of the end, too."""

AFTER: Final = Argument(
    "after",
    "Only what comes after this event; the header `Last-Event-ID` comes first.",
    Annotated[int, Meta(ge=0)],
)
STREAM: Final = Media(
    "text/event-stream",
    "Events as they come, until the execution is over.",
    schema={
        "type": "object",
        "properties": {"id": {"type": "string"}, "event": {"type": "string"}, "data": {"type": "string"}},
    },
)

Pages = AsyncGenerator[History | None, None]


class EventRoutes:
    """Streams of events."""

    def __init__(self, services: Services) -> None:
        self._events = services.events

    def routes(self) -> list[BaseRoute]:
        """All routes."""
        return [route("/v2/executions/{id}/events", GET=self.stream)]

    @operation(query=(AFTER,), answers=STREAM, also={204: None}, fails=(NotFound, TooManyRequests))
    async def stream(self, request: Request) -> Response:
        """Everything that has happened after an event, then what happens, until the execution is over."""
        after, has_end = _position(request)
        pages = self._events.follow(caller_of(request), request.path_params["id"], after)
        try:
            first = await anext(pages)
            assert first is not None, "the first look shows something"
            if has_end and first.is_over and not first.events:
                await pages.aclose()
                return nothing()  # tells browsers not to connect again
        except BaseException:
            await pages.aclose()
            raise
        return EventStream(first, pages, is_head=request.method == "HEAD")


def _position(request: Request) -> tuple[int, bool]:
    """The last event that the client has, and whether it has heard of the end after it."""
    given = request.headers.get("last-event-id")
    if given is None:
        after = query_number(request, "after") or 0
        if after < 0:
            raise BadRequest(f"Invalid value for argument after: {after} is less than 0")
        return after, False
    number = given.removesuffix(END)
    if not (number.isascii() and number.isdecimal()):
        raise BadRequest(f"The header Last-Event-ID is no id of an event: '{given}'")
    return int(number), number != given


class EventStream(Response):
    """Sends pages as they come. A reader that takes nothing for long is let go; it can go on later."""

    media_type = "text/event-stream"

    def __init__(self, first: History, pages: Pages, *, is_head: bool) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._first = first
        self._pages = pages
        self._is_head = is_head

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        try:
            await send(
                {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            )
            if not self._is_head:
                await watched(receive, self._send_all(send))
            await send({"type": "http.response.body", "body": b""})
        finally:
            await self._pages.aclose()

    async def _send_all(self, send: Send) -> None:
        await _send(send, f"retry: {RETRY_MILLISECONDS}\n\n" + _text(self._first))
        last = self._first.last
        try:
            async for page in self._pages:
                if page is None:
                    await _send(send, ": still there\n\n")
                else:
                    last = page.last
                    await _send(send, _text(page))
        except NotFound:
            await _send(send, _event("end", f"{last}{END}", _end(None, None, deleted=True)))
        except MaestraleError:
            return  # the client connects again, and is told then


async def _send(send: Send, text: str) -> None:
    if text:
        try:
            async with asyncio.timeout(STALLED):
                await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
        except TimeoutError:
            raise ClientDisconnect from None


def _text(page: History) -> str:
    text = "".join(_event("", str(event.sequence), _shown(event)) for event in page.events)
    if page.is_over:
        text += _event("end", f"{page.last}{END}", _end(page.state, page.state_info))
    return text


def _end(state: str | None, info: str | None, *, deleted: bool = False) -> dict[str, Any]:
    return {"state": state, "state_info": _cut(info), "deleted": deleted}


def _event(name: str, identifier: str, data: dict[str, Any]) -> str:
    named = f"event: {name}\n" if name else ""
    return f"id: {identifier}\n{named}data: {msgspec.json.encode(data).decode()}\n\n"


def _shown(event: HistoryEvent) -> dict[str, Any]:
    return {
        "sequence": event.sequence,
        "event": event.kind,
        "at": _moment(event.at),
        "changes": [_change(change) for change in event.changes],
    }


def _change(change: ShownChange) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "type": change.kind,
        "id": change.id,
        "name": change.name,
        "from": change.before,
        "to": change.after,
        "state_info": _cut(change.state_info),
    }
    if change.kind in ("action", "sub-workflow"):
        shown |= {"task_execution_id": change.task_id, "index": change.item_index}
    return shown


def _moment(at: Microseconds) -> str:
    """In UTC, to the microsecond: events of one second have an order, and take a part of one."""
    return datetime.datetime.fromtimestamp(at / 1_000_000, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= INFO_LENGTH else f"{text[:INFO_LENGTH]}…"
