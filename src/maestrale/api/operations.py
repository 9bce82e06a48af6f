"""The service itself: versions, health, maintenance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute

from maestrale.api.answers import html_answer, json_answer
from maestrale.api.authentication import caller_of
from maestrale.api.bodies import read_attributes, text_of
from maestrale.api.listing import base_url
from maestrale.api.operation import Media, operation
from maestrale.api.replies import Address, Alive, MaintenanceStatus, Processes, Readiness, Versions
from maestrale.api.routing import route
from maestrale.api.wishes import MaintenanceChange, attributes
from maestrale.model.errors import BadRequest, Unavailable
from maestrale.services import Services

EMPTY: Final = Media("text/plain", "Nothing.")
PAGE: Final = Media("text/html", "A page for people, if the header Accept names `text/html`.")


class OperationRoutes:
    """What is beside the resources."""

    def __init__(self, services: Services, welcome: Callable[[str], str]) -> None:
        self._operations = services.operations
        self._readiness = services.readiness
        self._welcome = welcome

    def routes(self) -> list[BaseRoute]:
        """All routes."""
        return [
            route("/", GET=self.versions),
            route("/v2", GET=self.to_v2),
            route("/v2/", GET=self.v2),
            route("/health", GET=self.health),
            route("/healthcheck", GET=self.healthcheck),
            route("/ready", GET=self.ready),
            route("/info", GET=self.info),
            route("/maintenance", GET=self.maintenance, PUT=self.set_maintenance),
            route("/v2/services", GET=self.services),
        ]

    @operation(query=None, answers=Versions, also={200: PAGE}, open=True)
    async def versions(self, request: Request) -> Response:
        """The version document, or a page for a person."""
        if "text/html" in request.headers.get("accept", ""):
            return html_answer(self._welcome(base_url(request)))
        link = {"href": f"{base_url(request)}/v2", "target": "v2", "rel": "self"}
        return json_answer({"versions": [{"id": "v2.0", "status": "CURRENT", "links": [link]}]})

    @operation(query=None, status=302, open=True)
    async def to_v2(self, request: Request) -> Response:
        """`/v2` is `/v2/`."""
        return RedirectResponse(f"{base_url(request)}/v2/", status_code=302)

    @operation(query=None, answers=Address, open=True)
    async def v2(self, request: Request) -> Response:
        """Where the API is."""
        return json_answer({"uri": f"{base_url(request)}/v2"})

    @operation(query=None, answers=Alive, open=True)
    async def health(self, _request: Request) -> Response:
        """Whether this process is alive: if there is no answer, start it anew."""
        return json_answer({"status": "UP"})

    @operation(query=None, answers=EMPTY, open=True)
    async def healthcheck(self, _request: Request) -> Response:
        """The same where Mistral has it."""
        return Response(media_type="text/plain")

    @operation(query=None, answers=Readiness, also={503: Readiness}, open=True)
    async def ready(self, _request: Request) -> Response:
        """Whether this process can do its work: if not, send requests elsewhere."""
        health = await self._readiness.look()
        checks = {
            name: {"status": "DOWN", "text": text} if text else {"status": "UP"}
            for name, text in msgspec.structs.asdict(health).items()
        }
        answer = {"status": "UP" if health.is_ready else "DOWN", "checks": checks}
        return json_answer(answer, 200 if health.is_ready else Unavailable.status)

    @operation(query=None, answers=Any, fails=(BadRequest,), open=True)
    async def info(self, _request: Request) -> Response:
        """What the operator says about this service."""
        return json_answer(await self._operations.info())

    @operation(query=None, answers=MaintenanceStatus)
    async def maintenance(self, _request: Request) -> Response:
        """Whether the service runs or is in maintenance."""
        return json_answer({"status": await self._operations.status()})

    @operation(takes=MaintenanceChange, answers=MaintenanceStatus, example={"status": "PAUSED"})
    async def set_maintenance(self, request: Request) -> Response:
        """Begin or end maintenance."""
        content = await read_attributes(request, "maintenance", attributes(MaintenanceChange))
        wanted = text_of(content, "status")
        return json_answer({"status": await self._operations.set_status(caller_of(request), wanted)})

    @operation(query=None, answers=Processes)
    async def services(self, request: Request) -> Response:
        """The processes that share the work."""
        return json_answer({"services": await self._operations.services(caller_of(request))})
