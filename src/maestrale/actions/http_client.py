"""Guarded HTTP requests over pooled connections. Importing this costs aiohttp, so import it late."""

from __future__ import annotations

import asyncio
import codecs
import functools
import os
import socket
import ssl
import time

import aiohttp
import msgspec
from aiohttp.abc import ResolveResult
from yarl import URL

from maestrale import __version__
from maestrale.actions.egress import Egress, HttpSettings
from maestrale.model.errors import MaestraleError
from maestrale.model.values import Json

KEEPALIVE_SECONDS = 3
"""Shorter than servers usually wait, so that a request does not meet a connection that is being closed."""

MAX_REDIRECTS = 30

_SLOW_CODECS = frozenset({"idna", "punycode"})
"""Text encodings with more than linear cost: an answer must not choose them."""


class HttpFailure(MaestraleError):
    """No usable answer arrived: no connection, no TLS, too late, too large, broken off."""


class HttpClient:
    """Sends requests from one event loop; create it there, and close it there in the end."""

    def __init__(self, settings: HttpSettings) -> None:
        self._egress = Egress(settings)
        self._largest = settings.max_response_size_bytes
        self._resolver = _GuardedResolver(self._egress)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,
                resolver=self._resolver,
                socket_factory=self._guarded_socket,
                keepalive_timeout=KEEPALIVE_SECONDS,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": f"maestrale/{__version__}"},
            middlewares=[self._guard_hop],
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: dict[str, str],
        body: bytes | None = None,
        timeout: float | None = None,
        follow_redirects: bool = False,
        proxy: str | None = None,
        verify: bool | str = True,
    ) -> dict[str, Json]:
        """Send one request and return the answer, whatever its status.

        `timeout` is in seconds, to connect and between two pieces of the answer; None or 0 = no limit.
        `verify`: whether to check the server's certificate, or the path of the CA certificates for it.
        The answer has content (parsed if it is JSON, else text), status, headers, url, history, encoding
        (turns a text content back into the bytes received), reason, cookies and elapsed (seconds).
        Raises `HostNotAllowed` before anything is sent to a forbidden place, and `HttpFailure`.
        """
        try:
            target = URL(url)
            self._egress.check_url(target.scheme, target.host)
            if any(name.lower() == "authorization" for name in headers):
                target = target.with_user(None)
            started = time.monotonic()
            async with self._session.request(
                method,
                target,
                headers=headers,
                data=body,
                skip_auto_headers=["Content-Type"],
                timeout=aiohttp.ClientTimeout(total=None, connect=timeout or None, sock_read=timeout or None),
                allow_redirects=follow_redirects,
                max_redirects=MAX_REDIRECTS + 1,
                proxy=proxy,
                ssl=await _trust(verify) if target.scheme == "https" else True,
            ) as response:
                elapsed = time.monotonic() - started
                received = await self._read(response)
        except TimeoutError as error:
            limit = f" within {timeout:g} seconds" if timeout else ""
            raise _failed(f"no answer from {_public(url)}{limit}") from error
        except aiohttp.TooManyRedirects as error:
            raise _failed(f"more than {MAX_REDIRECTS} redirects from {_public(url)}") from error
        except (aiohttp.NonHttpUrlRedirectClientError, aiohttp.InvalidUrlRedirectClientError) as error:
            raise _failed(f"redirected to something that is not an http or https URL: {error}") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _failed(str(error) or type(error).__name__) from error
        return _document(response, received, elapsed)

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        limit = self._largest
        announced = response.content_length
        if limit and announced is not None and announced > limit and response.method != "HEAD":
            raise HttpFailure(
                f"HTTP response is too large (Content-Length={announced}, limit={limit} bytes).",
                _SIZE_HINT,
            )
        received = bytearray()
        async for piece in response.content.iter_any():
            received += piece
            if limit and len(received) > limit:
                raise HttpFailure(
                    f"HTTP response is too large (received more than limit={limit} bytes).", _SIZE_HINT
                )
        return bytes(received)

    async def _guard_hop(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Runs for the first request and for each redirect."""
        self._egress.check_url(request.url.scheme, request.url.host)
        if request.proxy is not None:
            self._egress.check_url(request.proxy.scheme, request.proxy.host)
            await self._resolver.check(request.url.host or "")
        return await handler(request)

    def _guarded_socket(self, target: aiohttp.AddrInfoType) -> socket.socket:
        """Sees every address that is really connected to, also the ones that no resolver sees."""
        family, kind, protocol, _, address = target
        self._egress.check_address(str(address[0]), str(address[0]))
        return socket.socket(family, kind, protocol)


_SIZE_HINT = (
    "the operator sets the limit with std_http.max_response_size_bytes or "
    "MAESTRALE_STD_HTTP_MAX_RESPONSE_SIZE_BYTES"
)


class _GuardedResolver(aiohttp.ThreadedResolver):
    """Refuses a name if any of its addresses is denied; the connection uses exactly these addresses."""

    def __init__(self, egress: Egress) -> None:
        super().__init__()
        self._egress = egress

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await super().resolve(host, port, family)
        for result in found:
            self._egress.check_address(host, result["host"])
        return found

    async def check(self, host: str) -> None:
        """Refuse a name that somebody else (a proxy) is going to resolve; an unknown one passes."""
        try:
            await self.resolve(host)
        except OSError:
            return


async def _trust(verify: bool | str) -> ssl.SSLContext | bool:
    if isinstance(verify, bool):
        return verify
    return await asyncio.to_thread(_trust_path, verify)


def _trust_path(path: str) -> ssl.SSLContext:
    try:
        return _load_trust(path, os.stat(path).st_mtime_ns)
    except OSError as error:
        raise ValueError(f"cannot read CA certificates from '{path}': {error.strerror or error}") from error


@functools.lru_cache(maxsize=16)
def _load_trust(path: str, modified: int) -> ssl.SSLContext:  # noqa: ARG001 - part of the cache key
    """One context per file and version: connections are pooled per context."""
    if os.path.isdir(path):
        return ssl.create_default_context(capath=path)
    return ssl.create_default_context(cafile=path)


def _failed(reason: str) -> HttpFailure:
    return HttpFailure(f"Failed to send HTTP request: {reason}")


def _public(url: str) -> str:
    """The URL without what may be secret: user, password, query."""
    return str(URL(url).with_user(None).with_query(None).with_fragment(None))


def _document(response: aiohttp.ClientResponse, received: bytes, elapsed: float) -> dict[str, Json]:
    text, encoding = _text(received, response.charset)
    return {
        "content": _parsed(text),
        **_head(response),
        "history": [_head(earlier) for earlier in response.history],
        "encoding": encoding,
        "elapsed": elapsed,
    }


def _head(response: aiohttp.ClientResponse) -> dict[str, Json]:
    headers: dict[str, Json] = {}
    for raw_name, raw_value in response.headers.items():
        name, value = str(raw_name), _storable(raw_value)
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return {
        "status": response.status,
        "reason": _storable(response.reason or ""),
        "url": str(response.real_url),
        "headers": headers,
        "cookies": {name: _storable(cookie.value) for name, cookie in response.cookies.items()},
    }


def _storable(text: str) -> str:
    """Header text as JSON can hold it: bytes that are not UTF-8 are read as ISO-8859-1."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="surrogateescape").decode("iso-8859-1")
    return text


def _text(received: bytes, declared: str | None) -> tuple[str, str | None]:
    """The body as text, and the encoding that turns it back; None for an empty body without one."""
    if not received:
        return "", declared
    for encoding in (declared, "utf-8"):
        try:
            if encoding and codecs.lookup(encoding).name not in _SLOW_CODECS:
                text = received.decode(encoding)
                text.encode()
                return text, encoding
        except (LookupError, ValueError):
            continue
    return received.decode("iso-8859-1"), "ISO-8859-1"


def _parsed(text: str) -> Json:
    try:
        return msgspec.json.decode(text.removeprefix("\ufeff"))
    except (msgspec.MsgspecError, RecursionError):
        return text
