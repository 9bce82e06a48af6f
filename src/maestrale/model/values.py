"""Values that travel through the service: JSON data, secrets, times."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any, Final

Json = Any
"""None, bool, int, float, str, list and dict with text keys, nested; and `Secret` around any of them."""

Microseconds = int
"""A point in time: whole microseconds since 1970-01-01 UTC."""

MASK: Final = "***"

SHORTEST_SECRET: Final = 4
"""Characters; shorter ones occur by chance."""


class Secret:
    """A value that every printer masks. Only the action that needs it calls `reveal`."""

    __slots__ = ("_value",)

    def __init__(self, value: Json) -> None:
        self._value: Json = value.reveal() if isinstance(value, Secret) else value

    def reveal(self) -> Json:
        """The value in clear."""
        return self._value

    def __str__(self) -> str:
        return MASK

    __repr__ = __str__

    def __format__(self, specification: str) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash((Secret, str(type(self._value))))

    def __bool__(self) -> bool:
        return bool(self._value)


def reveal(value: Json) -> Json:
    """A copy of `value` with every `Secret` in it replaced by its clear value."""
    if isinstance(value, Secret):
        return reveal(value.reveal())
    if isinstance(value, dict):
        return {key: reveal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [reveal(item) for item in value]
    return value


def masked(value: Json) -> Json:
    """A copy of `value` with every `Secret` in it replaced by `***`."""
    if isinstance(value, Secret):
        return MASK
    if isinstance(value, dict):
        return {key: masked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [masked(item) for item in value]
    return value


def concealed(text: str, value: Json) -> str:
    """`text` with `***` in place of every secret text in `value`; not of those that are too short to tell."""
    if isinstance(value, Secret):
        secret = value.reveal()
        if isinstance(secret, str):
            return text.replace(secret, MASK) if len(secret) >= SHORTEST_SECRET else text
        return concealed(text, opened(value)) if isinstance(secret, (dict, list)) else text
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for member in members:
        text = concealed(text, member)
    return text


def marked_again(value: Json, given: Json) -> Json:
    """`value` with each text as a secret that has one of the secret texts of `given` in it."""
    texts = tuple(_secret_texts(given))
    return _marked_again(value, texts) if texts else value


def _secret_texts(value: Json) -> Iterator[str]:
    if isinstance(value, Secret):
        secret = value.reveal()
        if isinstance(secret, str) and len(secret) >= SHORTEST_SECRET:
            yield secret
        value = opened(value)
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for member in members:
        yield from _secret_texts(member)


def _marked_again(value: Json, texts: tuple[str, ...]) -> Json:
    if isinstance(value, str):
        return Secret(value) if any(text in value for text in texts) else value
    if isinstance(value, dict):
        return {key: _marked_again(item, texts) for key, item in value.items()}
    if isinstance(value, list):
        return [_marked_again(item, texts) for item in value]
    return value


def opened(value: Json) -> Json:
    """The members of a secret list or map, each a secret of its own; other values as they are."""
    if not isinstance(value, Secret):
        return value
    match value.reveal():
        case dict() as members:
            return {key: Secret(member) for key, member in members.items()}
        case list() as members:
            return [Secret(member) for member in members]
        case _:
            return value


def timestamp_text(at: Microseconds | None) -> str | None:
    """`YYYY-MM-DD HH:MM:SS` in UTC, as the API shows times; None stays None."""
    if at is None:
        return None
    moment = datetime.datetime.fromtimestamp(at // 1_000_000, datetime.UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S")
