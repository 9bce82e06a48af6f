"""Reading requests: bodies, attributes and query arguments, all checked strictly."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from typing import Any, Final

import msgspec
from starlette.requests import Request

from maestrale.model.errors import BadRequest
from maestrale.model.values import Json

TRUE_WORDS = frozenset({"true", "1", "t", "y", "yes", "on"})
FALSE_WORDS = frozenset({"false", "0", "f", "n", "no", "off", ""})
IDENTITY: Final = "identity"
JSON_TYPES = frozenset({"", "application/json"})
FORMS = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
LONGEST_NUMBER: Final = 30
"""Characters of a number in a text that is worth reading."""
DEEPEST: Final = 100
"""Levels of lists and objects in JSON data; the same as in definitions."""
_NUL: Final = "\0"
_ESCAPED_NUL: Final = r"\u0000"
"""The only way in which JSON can write a NUL; behind another backslash it stands for itself."""


class UnsupportedType(BadRequest):
    """A body of a type that this endpoint does not take."""

    status = 415


def content_type(request: Request) -> str:
    """The media type of the body without parameters, empty if none is given."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_text(request: Request) -> str:
    """A definition text; its content type does not matter, except that XML is refused."""
    _refuse_unreadable(request)
    return await _utf8(request)


async def read_attributes(
    request: Request, argument: str, known: Iterable[str], *, optional: bool = False
) -> dict[str, Json]:
    """A JSON object with known attributes only. `argument` is how messages call it.

    `optional`: no body at all means no attributes.
    """
    _refuse_unreadable(request)
    if optional and not await request.body():
        return {}
    given = content_type(request)
    if given in FORMS:
        raise BadRequest(
            "The body is a form, not JSON", "send it with the header Content-Type: application/json"
        )
    if given not in JSON_TYPES:
        raise UnsupportedType(f"Unknown mimetype: {given}", "send JSON as application/json")
    text = await _utf8(request)
    content = _decoded("The body", text)
    if not isinstance(content, dict):
        raise BadRequest(f"The body must be a JSON object, not {_kind(content)}")
    if _ESCAPED_NUL in text:
        for name, value in content.items():
            _refuse_nul(f"Attribute {name!r}", [name, value])
    unknown = sorted(set(content) - set(known))
    if unknown:
        raise BadRequest(f"Unknown attribute for argument {argument}: {', '.join(unknown)}")
    return content


async def _utf8(request: Request) -> str:
    body = await request.body()
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise BadRequest(
            f"The body is not UTF-8 text: byte {body[error.start]:#04x} at offset {error.start}"
        ) from None


def _decoded(subject: str, text: str, hint: str = "") -> Json:
    """The value that JSON text stands for. `subject` is how messages call the text."""
    try:
        value = msgspec.json.decode(text)
        is_too_deep = text.count("[") + text.count("{") > DEEPEST and _is_deeper(value, DEEPEST)
    except msgspec.DecodeError as error:
        raise BadRequest(f"{subject} is not JSON: {error}", hint) from None
    except RecursionError:
        is_too_deep = True
    if is_too_deep:
        raise BadRequest(f"{subject} is nested deeper than {DEEPEST} levels")
    return value


def _is_deeper(value: Json, levels: int) -> bool:
    containers = [value] if isinstance(value, dict | list) else []
    for _ in range(levels):
        containers = [
            child
            for container in containers
            for child in (container.values() if isinstance(container, dict) else container)
            if isinstance(child, dict | list)
        ]
    return bool(containers)


def _refuse_nul(subject: str, value: Json) -> None:
    """BadRequest for a NUL in any text of a value, names of members too.

    Not every database can hold one in a text, and what a request brings may come to stand in one.
    """
    waiting = [value]
    while waiting:
        match waiting.pop():
            case str() as text if _NUL in text:
                raise BadRequest(
                    f"{subject} has a NUL character (U+0000), which cannot be stored in texts",
                    "leave it out, or send such data encoded, for instance in base64",
                )
            case dict() as members:
                waiting += [*members.keys(), *members.values()]
            case list() as entries:
                waiting += entries
            case _:
                pass


def _refuse_unreadable(request: Request) -> None:
    encoding = request.headers.get("content-encoding", IDENTITY).strip().lower()
    if encoding != IDENTITY:  # what is small here could be huge when it is unpacked
        raise UnsupportedType(f"Unknown content encoding: {encoding}", "send the body as it is")
    given = content_type(request)
    if given.endswith(("/xml", "+xml")):
        raise UnsupportedType(f"Unknown mimetype: {given}", "XML is not supported")


def object_of(content: dict[str, Json], name: str) -> dict[str, Json]:
    """An attribute that holds an object, or text with the JSON of one; empty where it is missing or empty."""
    value = json_of(content, name)
    if not value:
        return {}
    if not isinstance(value, dict):
        raise BadRequest(f"Attribute {name} must be a JSON object, not {_kind(value)}")
    return value


def json_of(content: dict[str, Json], name: str) -> Json:
    """An attribute that holds JSON data, or text with JSON; None where it is missing."""
    text = content.get(name)
    if not isinstance(text, str) or not text:
        return text
    value = _decoded(f"Attribute {name} is text that", text, "a plain text needs its own quotes")
    if _ESCAPED_NUL in text:
        _refuse_nul(f"Attribute {name!r}", value)
    return value


def text_of(content: dict[str, Json], name: str) -> str | None:
    """An attribute that holds text; None where it is missing or null."""
    value = content.get(name)
    if value is not None and not isinstance(value, str):
        raise BadRequest(f"Attribute {name} must be text, not {_kind(value)}")
    return value


def number_of(content: dict[str, Json], name: str) -> int | None:
    """An attribute that holds a whole number, or text with one; None where it is missing or null."""
    value = content.get(name)
    if isinstance(value, str) and value.lstrip("-").isascii() and value.lstrip("-").isdigit():
        value = int(value) if len(value) < LONGEST_NUMBER else value
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        kind = f"'{value}'" if isinstance(value, str) else _kind(value)
        raise BadRequest(f"Attribute {name} must be a whole number, not {kind}")
    return value


def flag_of(content: dict[str, Json], name: str) -> bool | None:
    """An attribute that holds a boolean; None where it is missing. Neither words nor null stand for one."""
    if name not in content:
        return None
    value = content[name]
    if not isinstance(value, bool):
        raise BadRequest(f"Attribute {name} must be true or false, not {_kind(value)}")
    return value


def check_query(request: Request, known: Collection[str]) -> None:
    """BadRequest for a query argument that is not known here."""
    for name in request.query_params:
        if name not in known:
            raise BadRequest(f'Unknown argument: "{name}"', _listed(known))


def query_flag(request: Request, name: str) -> bool:
    """A boolean query argument, false where it is missing."""
    return truth(name, request.query_params.get(name, ""))


def query_number(request: Request, name: str) -> int | None:
    """A whole number, None where the argument is missing."""
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        raise BadRequest(f"Invalid value for argument {name}: '{text}' is not a whole number") from None


def query_seconds(request: Request, name: str, most: float) -> float:
    """A time in seconds, cut to `most`; 0 where the argument is missing."""
    text = request.query_params.get(name, "0")
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not seconds >= 0:  # not a number is neither more nor less
        raise BadRequest(f"Invalid value for argument {name}: '{text}' is not a number of seconds")
    return min(seconds, most)


def query_depth(request: Request) -> int | None:
    """`max_depth`: None for all levels, which is written -1 or left out."""
    depth = query_number(request, "max_depth")
    return None if depth is None or depth < 0 else depth


def truth(name: str, text: str) -> bool:
    """A boolean in words."""
    word = text.strip().lower()
    if word in TRUE_WORDS:
        return True
    if word in FALSE_WORDS:
        return False
    raise BadRequest(f"Invalid value for {name}: '{text}' is neither true nor false")


def _listed(known: Collection[str]) -> str:
    return f"known here: {', '.join(sorted(known))}" if known else "there are none here"


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    names = {dict: "an object", list: "a list", str: "text", bool: "a boolean"}
    return names.get(type(value), "a number")
