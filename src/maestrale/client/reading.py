"""From what the server sends to typed results."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import msgspec

from maestrale.client.errors import UnexpectedAnswer
from maestrale.client.results import Resource

R = TypeVar("R", bound=Resource)

MOMENTS: Final = frozenset(
    {"created_at", "updated_at", "started_at", "finished_at", "first_execution_time", "next_execution_time"}
    | {"at", "since", "until"}
)
TREES: Final = frozenset({"why", "blocking", "next", "statistics", "root_workflow_execution", "changes"})
"""Fields with objects inside that have times themselves, and nothing of users."""


def one(kind: type[R]) -> Callable[[Any], R]:
    """Reads an object."""
    return lambda sent: read(kind, sent)


def many(kind: type[R], collection: str) -> Callable[[Any], list[R]]:
    """Reads the objects of an answer that names its list; the answer may be a bare object, too."""
    return lambda sent: [read(kind, fields) for fields in members(sent, collection)]


def members(sent: Any, collection: str) -> list[dict[str, Any]]:
    """The objects of an answer that names its list; to updates by id the bare object is answered."""
    if not isinstance(sent, dict):
        raise UnexpectedAnswer(f"The server was asked for {collection} and sent {_shown(sent)}")
    found = sent.get(collection, [sent])
    if not isinstance(found, list) or not all(isinstance(fields, dict) for fields in found):
        raise UnexpectedAnswer(f"The server sent no list of {collection}, but {_shown(found)}")
    return found


def nothing(_sent: Any) -> None:
    """Reads what says nothing."""


def as_sent(sent: Any) -> Any:
    """Reads what is its own result."""
    return sent


def read(kind: type[R], sent: Any, **more: Any) -> R:
    """The object that was sent, and `more` fields of it. Raises `UnexpectedAnswer`."""
    if not isinstance(sent, dict):
        raise UnexpectedAnswer(f"The server sent no {kind.__name__}, but {_shown(sent)}")
    known = {name: _value(kind, name, value) for name, value in sent.items() if value is not None}
    try:
        return msgspec.convert({**known, **more, "raw": sent}, kind, strict=False)
    except msgspec.ValidationError as error:
        raise UnexpectedAnswer(f"The server sent a strange {kind.__name__}: {error}") from None


def _value(kind: type[Resource], name: str, value: Any) -> Any:
    if name in kind.documents and isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:  # plain text, which some servers send as it is
            return value
    if name in MOMENTS and isinstance(value, str):
        return _moment(value)
    return _tree(value) if name in TREES else value


def _tree(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            name: _moment(inner) if name in MOMENTS and isinstance(inner, str) else _tree(inner)
            for name, inner in value.items()
            if inner is not None
        }
    return [_tree(inner) for inner in value] if isinstance(value, list) else value


def _moment(text: str) -> Any:
    """A time of the API, which is in UTC and does not say so; built-in actions have an empty one."""
    if not text:
        return None
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        return text
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) < 100 else f"{text[:100]}…"
