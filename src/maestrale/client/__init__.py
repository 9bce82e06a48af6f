"""A client of the REST API.

    with Client() as client:
        client.workflows.create(text)
        execution = client.executions.create("hello_world", {"name": "world"})
        print(client.executions.wait(execution.id).output)

The names are loaded when they are used: the command line needs the errors always, and the rest (with httpx,
which takes longer to load than everything else) only to ask a server.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from maestrale.client.absent import NOT_GIVEN
    from maestrale.client.aio import AsyncClient, AsyncItems
    from maestrale.client.connection import Connection, Credentials, Token
    from maestrale.client.errors import (
        ApiError,
        ClientError,
        Conflict,
        Forbidden,
        NotFound,
        ServerUnreachable,
        Unauthorized,
        UnexpectedAnswer,
        WaitTimeout,
    )
    from maestrale.client.sync import Client, Items

__all__ = [
    "NOT_GIVEN",
    "ApiError",
    "AsyncClient",
    "AsyncItems",
    "Client",
    "ClientError",
    "Conflict",
    "Connection",
    "Credentials",
    "Forbidden",
    "Items",
    "NotFound",
    "ServerUnreachable",
    "Token",
    "Unauthorized",
    "UnexpectedAnswer",
    "WaitTimeout",
]

_PLACES: Final = {
    "NOT_GIVEN": "absent",
    **dict.fromkeys(("AsyncClient", "AsyncItems"), "aio"),
    **dict.fromkeys(("Client", "Items"), "sync"),
    **dict.fromkeys(("Connection", "Credentials", "Token"), "connection"),
}
"""The modules of the names; those of all others are `errors`."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES.get(name, 'errors')}"), name)
