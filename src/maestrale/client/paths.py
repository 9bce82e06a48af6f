"""Parts of requests that many operations share: paths, queries, bodies."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote


def path(*parts: str) -> str:
    """A path below the address of the API. The parts are names and ids as they are."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def given(**values: Any) -> dict[str, Any]:
    """The values that are neither None nor empty text."""
    return {name: value for name, value in values.items() if value is not None and value != ""}


def flags(**values: bool) -> dict[str, str]:
    """The arguments of a query that are set."""
    return {name: "true" for name, wanted in values.items() if wanted}


def selected(fields: Iterable[str]) -> dict[str, str]:
    """The query for some fields only, for all if none are named."""
    return given(fields=",".join(fields))


def scope(is_public: bool) -> str:
    """The API's word for who may use something."""
    return "public" if is_public else "private"


def by_identifier(kind: str, identifier: str) -> dict[str, str]:
    """The attribute of a body that names an object by its id or its name."""
    return {f"{kind}_id" if is_uuid(identifier) else f"{kind}_name": identifier} if identifier else {}


def is_uuid(text: str) -> bool:
    """Whether it looks like the id of an object."""
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
