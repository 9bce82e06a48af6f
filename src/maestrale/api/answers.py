"""Answers: JSON in the form that clients know, and faults."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from maestrale.model.errors import ExpressionError, Later, MaestraleError, Place

CREATED: Final = 201
NOTHING: Final = 204

HEADER_LENGTH: Final = 2000

_STYLE: Final = re.compile("<style>(.*?)</style>", re.DOTALL)


def json_answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """JSON on one line with blanks after separators: people read it, and tools search it for `": "`."""
    body = msgspec.json.format(msgspec.json.encode(content), indent=0)
    return Response(body, status, dict(headers or {}), "application/json")


def html_answer(page: str) -> Response:
    """A page that stands for itself: it may use its own styles and icons of this server, and run nothing."""
    styles = [hashlib.sha256(style.encode()).digest() for style in _STYLE.findall(page)]
    hashes = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in styles)
    headers = {
        "Content-Security-Policy": f"default-src 'none'; style-src {hashes}; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    return Response(page, headers=headers, media_type="text/html")


def nothing() -> Response:
    """The answer to a deletion."""
    return Response(status_code=NOTHING)


def fault(
    status: int, text: str, headers: Mapping[str, str] | None = None, place: Place | None = None
) -> Response:
    """An error that says `text`; `place` is where it is in an expression."""
    content: dict[str, Any] = {
        "faultcode": "Client" if status < 500 else "Server",
        "faultstring": text,
        "debuginfo": None,
    }
    if place is not None:
        content["place"] = place._asdict()
    return json_answer(content, status, {**(headers or {}), "Server-Error-Message": _header_text(text)})


async def explain(_request: Request, error: Exception) -> Response:
    """The fault for an error that is meant for the caller."""
    assert isinstance(error, MaestraleError)
    headers = {"Retry-After": str(error.retry_after)} if isinstance(error, Later) else None
    place = error.place if isinstance(error, ExpressionError) else None
    return fault(error.status, str(error), headers, place)


async def explain_http(request: Request, error: Exception) -> Response:
    """The fault for what the router refuses."""
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.NOT_FOUND:
        text = f"There is nothing at {request.url.path}"
    elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        text = f"Method {request.method} is not allowed at {request.url.path}"
    else:
        text = error.detail
    return fault(error.status_code, text, error.headers)


def _header_text(text: str) -> str:
    """One line of ASCII that every HTTP library can carry."""
    line = " ".join(text.split())
    if len(line) > HEADER_LENGTH:
        line = line[:HEADER_LENGTH] + "..."
    printable = "".join(character if character.isprintable() else "?" for character in line)
    return printable.encode("ascii", "replace").decode()
