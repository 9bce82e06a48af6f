"""Routes: one per path, with all its methods."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from maestrale.api.bodies import check_query
from maestrale.api.operation import Endpoint, operation, operation_of
from maestrale.model.errors import BadRequest


class Dispatch:
    """The endpoints of one path, as an application of its own: errors are explained further outside, once.

    Query arguments that an endpoint does not declare are refused before it is asked.
    """

    def __init__(self, endpoints: dict[str, Endpoint], allowed: set[str]) -> None:
        self.endpoints = endpoints
        self._known = {
            method: declared.known
            for method, endpoint in endpoints.items()
            if (declared := operation_of(endpoint)) is not None
        }
        self._allow = {"Allow": ", ".join(sorted(allowed))}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        method = "GET" if request.method == "HEAD" else request.method
        endpoint = self.endpoints.get(method)
        if endpoint is None:
            response = Response(headers=self._allow)
        else:
            known = self._known.get(method)
            if known is not None:
                check_query(request, known)
            response = await endpoint(request)
        await response(scope, receive, send)


def route(path: str, **methods: Endpoint) -> Route:
    """A route whose keyword arguments name the methods, e.g. `GET=self.page`.

    HEAD is answered where GET is, OPTIONS everywhere; other methods are refused with 405. Both name the
    allowed ones in the header Allow.
    """
    allowed = {*methods, "OPTIONS", *(["HEAD"] if "GET" in methods else [])}
    return Route(path, Dispatch(methods, allowed), methods=allowed)


@operation(query=None, unlisted=True)
async def missing_id(_request: Request) -> Response:
    """For PUT and DELETE on a collection."""
    raise BadRequest('Missing argument: "id"', "put the id behind the path")
