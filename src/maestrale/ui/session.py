"""The token of a person at a browser: kept in a cookie, honoured only where nothing can be changed by it."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, unquote

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import Scope

COOKIE: Final = "maestrale_token"
LONGEST_COOKIE: Final = 4000
"""Bytes; browsers drop longer ones."""

_TOKEN_HEADER: Final = b"x-auth-token"


def token_of(headers: Headers) -> str | None:
    """The token in the cookie of a request, None if there is none or it is none of ours."""
    value = cookie_parser(headers.get("cookie", "")).get(COOKIE)
    token = unquote(value) if value else ""
    return token if is_fit(token) else None


def is_fit(token: str) -> bool:
    """Whether a text can be a token at all: something that a header can carry."""
    return bool(token) and token.isascii() and token.isprintable()


def with_token(scope: Scope) -> Scope:
    """A request that takes its token from the cookie, unless its headers say who sends it."""
    headers = Headers(scope=scope)
    if "x-auth-token" in headers or "authorization" in headers:
        return scope
    token = token_of(headers)
    if token is None:
        return scope
    return {**scope, "headers": [*scope["headers"], (_TOKEN_HEADER, token.encode())]}


def cookie(token: str, *, is_secure: bool) -> str | None:
    """The header that keeps a token in a browser until that is closed; None if the token is too long."""
    value = quote(token, safe="")
    if len(value) > LONGEST_COOKIE:
        return None
    return f"{COOKIE}={value}; {_attributes(is_secure)}"


def no_cookie(*, is_secure: bool) -> str:
    """The header that makes a browser forget the token."""
    return f"{COOKIE}=; Max-Age=0; {_attributes(is_secure)}"


def _attributes(is_secure: bool) -> str:
    return "Path=/; HttpOnly; SameSite=Strict" + ("; Secure" if is_secure else "")


def is_from_here(headers: Headers) -> bool:
    """Whether a form that was sent stood on a page of this server; programs say nothing of pages."""
    origin = headers.get("origin")
    if origin is None:
        return headers.get("sec-fetch-site", "same-origin") == "same-origin"
    host = headers.get("host", "")
    return origin.lower() in (f"http://{host}".lower(), f"https://{host}".lower())


def is_secure(scope: Scope) -> bool:
    """Whether the browser speaks HTTPS, perhaps to a proxy."""
    origin = Headers(scope=scope).get("origin", "")
    return scope.get("scheme") == "https" or origin.startswith("https://")
