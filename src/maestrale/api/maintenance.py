"""What stands before changes while the service is in maintenance."""

from __future__ import annotations

from typing import Final

import msgspec
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from maestrale.api.guard import HARMLESS
from maestrale.model import maintenance, states
from maestrale.model.errors import InMaintenance
from maestrale.services.operations import Operations

OPEN: Final = frozenset({"/", "/v2", "/v2/", "/health", "/maintenance"})
ACTION_EXECUTIONS: Final = "/v2/action_executions/"
EXECUTIONS: Final = "/v2/executions/"


class MaintenanceGate:
    """Refuses changes unless the service runs, but for those that help it to come to rest."""

    def __init__(self, app: ASGIApp, operations: Operations) -> None:
        self._app = app
        self._operations = operations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in HARMLESS and scope["path"] not in OPEN:
            status = await self._operations.status()
            if status != maintenance.RUNNING:
                receive = await self._admitted(status, scope, receive)
        await self._app(scope, receive, send)

    async def _admitted(self, status: str, scope: Scope, receive: Receive) -> Receive:
        """The rest of a request that is let in, of which nothing was lost. Raises `InMaintenance`."""
        path: str = scope["path"]
        if scope["method"] == "PUT":
            if path.startswith(ACTION_EXECUTIONS) and status == maintenance.PAUSING:
                return receive
            if path.startswith(EXECUTIONS):
                body = await Request(scope, receive).body()
                if _cancels(body):
                    return _again(body)
        raise InMaintenance(f"Current Mistral state is {status}. Method is not allowed")


def _cancels(body: bytes) -> bool:
    try:
        content = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return False
    return isinstance(content, dict) and content.get("state") == states.CANCELLED


def _again(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
