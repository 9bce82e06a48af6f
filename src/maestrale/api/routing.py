"""Routes: one per path, with all its methods."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from maestrale.model.errors import BadRequest

Endpoint = Callable[[Request], Awaitable[Response]]


class _Dispatch:
    """The endpoints of one path, as an application of its own: errors are explained further outside, once."""

    def __init__(self, methods: dict[str, Endpoint], allowed: set[str]) -> None:
        self._methods = methods
        self._allow = {"Allow": ", ".join(sorted(allowed))}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        endpoint = self._methods.get("GET" if request.method == "HEAD" else request.method)
        response = Response(headers=self._allow) if endpoint is None else await endpoint(request)
        await response(scope, receive, send)


def route(path: str, **methods: Endpoint) -> Route:
    """A route whose keyword arguments name the methods, e.g. `GET=self.page`.

    HEAD is answered where GET is, OPTIONS everywhere; other methods are refused with 405. Both name the
    allowed ones in the header Allow.
    """
    allowed = {*methods, "OPTIONS", *(["HEAD"] if "GET" in methods else [])}
    return Route(path, _Dispatch(methods, allowed), methods=allowed)


async def missing_id(_request: Request) -> Response:
    """For PUT and DELETE on a collection."""
    raise BadRequest('Missing argument: "id"', "put the id behind the path")
