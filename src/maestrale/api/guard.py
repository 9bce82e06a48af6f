"""What stands before every request: a request id, who may call at all, size, and the last net for bugs.

Without authentication the server trusts whoever reaches it. So a web page that runs in the same person's
browser must not: neither through a name of its own that points here (DNS rebinding: the Host header) nor by
simply posting (the Origin header).
"""

from __future__ import annotations

import ipaddress
import logging
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from maestrale.api.addresses import Addresses
from maestrale.api.answers import fault
from maestrale.api.headers import missing
from maestrale.api.request_ids import HEADER, begin
from maestrale.api.settings import ApiSettings
from maestrale.model.errors import BadRequest

HARMLESS = frozenset({"GET", "HEAD", "OPTIONS"})
REMEMBERED_HOSTS = 100

logger = logging.getLogger(__name__)


class BodyTooLarge(BadRequest):
    """A body with more bytes than the server takes."""

    status = 413


class Guard:
    """The outermost ASGI layer."""

    def __init__(self, app: ASGIApp, settings: ApiSettings) -> None:
        self._app = app
        self._settings = settings
        self._is_known_host = lru_cache(REMEMBERED_HOSTS)(self._knows_host)
        self._is_proxy = Addresses(settings.proxies).__contains__

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = begin(headers.get(HEADER)).own
        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                answered = MutableHeaders(scope=message)
                answered[HEADER] = request_id
                answered.raw.extend(missing(answered.raw, is_secure))
            await send(message)

        scope = self._as_sent(scope, headers)
        is_secure = scope.get("scheme") == "https"
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await fault(*refusal)(scope, receive, send_with_id)
            return
        try:
            await self._app(scope, self._counted(receive), send_with_id)
        except ClientDisconnect:
            logger.info("%s %s: the client left", scope["method"], scope["path"])
        except Exception:
            logger.exception("%s %s failed", scope["method"], scope["path"])
            if started:
                raise
            text = f"Internal server error [request_id={request_id}] (the log of the server says more)"
            await fault(500, text)(scope, receive, send_with_id)

    def _as_sent(self, scope: Scope, headers: Headers) -> Scope:
        """The request as the client sent it to a proxy, if that is one of ours: links answer in kind."""
        forwarded = headers.get("x-forwarded-proto", "").strip().lower()
        client = scope.get("client")
        if forwarded in ("http", "https") and client is not None and self._is_proxy(client[0]):
            return {**scope, "scheme": forwarded}
        return scope

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        """Status and text if this request is not let in."""
        host = headers.get("host", "")
        if not self._is_known_host(host):
            return 403, (
                f"This server does not answer to the name '{host}' (call it as localhost, or add the name "
                "to allowed_hosts)"
            )
        origin = headers.get("origin")
        if origin is not None and scope["method"] not in HARMLESS and not self._is_known_origin(origin, host):
            return 403, (
                f"Pages of {origin} may not change anything here (the operator can add the origin to "
                "allowed_origins)"
            )
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._settings.max_body:
            return 413, self._too_large()
        return None

    def _knows_host(self, header: str) -> bool:
        allowed = self._settings.allowed_hosts
        if "*" in allowed:
            return True
        try:
            name = (urlsplit(f"//{header}").hostname or "").rstrip(".")
        except ValueError:
            return False
        if name == "localhost" or name in {host.lower() for host in allowed}:
            return True
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return False

    def _is_known_origin(self, origin: str, host: str) -> bool:
        if origin in self._settings.allowed_origins:
            return True
        return origin.lower() in (f"http://{host}".lower(), f"https://{host}".lower())

    def _counted(self, receive: Receive) -> Receive:
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._settings.max_body:
                raise BodyTooLarge(self._too_large())
            return message

        return counted

    def _too_large(self) -> str:
        return f"The body is larger than {self._settings.max_body} bytes"
