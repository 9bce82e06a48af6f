"""Routes: one per path, with all its methods."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from maestrale.model.errors import BadRequest

Endpoint = Callable[[Request], Awaitable[Response]]


def route(path: str, **methods: Endpoint) -> Route:
    """A route whose keyword arguments name the methods, e.g. `GET=self.page`.

    HEAD is answered where GET is, OPTIONS everywhere; other methods are refused with 405. Both name the
    allowed ones in the header Allow.
    """
    allowed = {*methods, "OPTIONS", *(["HEAD"] if "GET" in methods else [])}

    async def dispatch(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        endpoint = methods.get(method)
        if endpoint is None:
            return Response(headers={"Allow": ", ".join(sorted(allowed))})
        return await endpoint(request)

    return Route(path, dispatch, methods=allowed)


async def missing_id(_request: Request) -> Response:
    """For PUT and DELETE on a collection."""
    raise BadRequest('Missing argument: "id"', "put the id behind the path")
