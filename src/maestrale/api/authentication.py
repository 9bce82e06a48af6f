"""Who is asking: found out before anything else is done for a request."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Mapping
from typing import Final, Protocol

import msgspec
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from maestrale.api.answers import fault
from maestrale.api.target import target_of
from maestrale.model.errors import BadRequest, Later, Unauthorized
from maestrale.services.access import OPERATOR, Caller
from maestrale.services.policy import Policy


class Authentication(Protocol):
    """A way to find out who sends a request."""

    async def caller(self, headers: Headers, address: str | None) -> Caller:
        """Who sent these headers from this address (None if unknown).

        Raises `Unauthorized`, or `Unavailable` where that cannot be found out now.
        """
        ...


OPEN: Final = frozenset(
    {
        *("/", "/v2", "/v2/", "/health", "/healthcheck", "/ready", "/info"),
        *("/docs", "/openapi.json", "/v2/openapi.json"),
    }
)
"""What anybody may ask: nothing there is about an object."""

REFUSED: Final = "Failed to validate access token"
BEARER: Final = "bearer "
CALLER: Final = "maestrale.caller"
"""Where a request's scope has its caller."""

IDENTITY: Final = (b"x-project-", b"x-user", b"x-role", b"x-domain-", b"x-tenant", b"x-identity-",
                   b"x-service-", b"x-is-admin", b"x-system-scope")  # fmt: skip
"""How headers begin that say who somebody is. Nothing behind the entrance sees them."""

log = logging.getLogger(__name__)


class EverybodyIsTheOperator:
    """No authentication: whoever reaches the server is trusted, and what headers say of them is ignored."""

    async def caller(self, _headers: Headers, _address: str | None) -> Caller:
        return OPERATOR


class Tokens:
    """Knows callers by the token in `X-Auth-Token` or `Authorization: Bearer`; the first one counts."""

    def __init__(self, callers: Mapping[str, Caller]) -> None:
        # Tokens are looked up by a digest under a key that nobody knows, so that the time a look-up
        # takes says nothing of how much of a token was right; and no token stays in memory.
        self._key = os.urandom(32)
        self._callers = {self._digest(token): caller for token, caller in callers.items()}

    async def caller(self, headers: Headers, _address: str | None) -> Caller:
        token = token_of(headers)
        caller = self._callers.get(self._digest(token))
        if caller is None:
            raise Unauthorized(f"{REFUSED}: Auth token is invalid")
        return caller

    def _digest(self, token: str) -> bytes:
        return hashlib.blake2b(token.encode(), key=self._key, digest_size=32).digest()


class UnderPolicy:
    """Another way, whose callers are held to what `policy` gives at the time, not to the defaults."""

    def __init__(self, authentication: Authentication, policy: Callable[[], Policy]) -> None:
        self._authentication = authentication
        self._policy = policy

    async def caller(self, headers: Headers, address: str | None) -> Caller:
        found = await self._authentication.caller(headers, address)
        return msgspec.structs.replace(found, policy=self._policy())


class Entry:
    """Lets requests through that tell who sends them, and those that everybody may send."""

    def __init__(self, app: ASGIApp, authentication: Authentication) -> None:
        self._app = app
        self._authentication = authentication

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        kept = [pair for pair in scope["headers"] if not pair[0].startswith(IDENTITY)]
        scope = {**scope, "headers": kept}
        # OPTIONS says which methods there are; browsers send it ahead, without a token.
        if scope["path"] not in OPEN and scope["method"] != "OPTIONS":
            client = scope.get("client")
            address = client[0] if client else None
            try:
                caller = await self._authentication.caller(headers, address)
                scope[CALLER] = _with_target(caller, headers)
            except Unauthorized as error:
                log.info("%s %s: %s", scope["method"], scope["path"], error.message)
                await fault(error.status, str(error), _challenge(error))(scope, receive, send)
                return
            except BadRequest as error:
                await fault(error.status, str(error))(scope, receive, send)
                return
            except Later as error:
                log.info("%s %s: %s", scope["method"], scope["path"], error.message)
                later = {"Retry-After": str(error.retry_after)}
                await fault(error.status, str(error), later)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _with_target(caller: Caller, headers: Headers) -> Caller:
    target = target_of(headers)
    return caller if target is None else msgspec.structs.replace(caller, target=target)


def caller_of(request: Request) -> Caller:
    """The caller of a request."""
    caller: Caller = request.scope[CALLER]
    return caller


def token_of(headers: Headers) -> str:
    """The token in `X-Auth-Token` or `Authorization: Bearer`; the first one counts. Raises `Unauthorized`."""
    token = headers.get("x-auth-token") or _bearer(headers.get("authorization", ""))
    if not token:
        raise Unauthorized(f"{REFUSED}: Authentication required", "send a token as X-Auth-Token")
    return token


def _bearer(header: str) -> str:
    return header[len(BEARER) :].strip() if header[: len(BEARER)].lower() == BEARER else ""


def _challenge(error: Unauthorized) -> dict[str, str]:
    return {"WWW-Authenticate": f'Bearer realm="maestrale", error_description="{error.message}"'}
