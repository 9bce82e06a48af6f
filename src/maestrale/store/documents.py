"""JSON documents in text columns; large values are stored once per execution tree, by content hash.

A document may hold `{"$value": "<hash>"}` in place of itself or of one of its entries. Data of users that
looks like such a reference is always stored by reference itself, so that nothing is mistaken. Secrets are
stored as `{"$secret": value}`, always by reference, and sealed on their way into the table (see `sealing`);
data of users that looks like one gets a further `$` in front.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable
from typing import Any, Final

import msgspec

from maestrale.model.errors import BadRequest
from maestrale.model.values import Json, Secret, masked

LARGE: Final = 4096
"""Bytes of JSON from which a value is worth a reference."""

_REFERENCE: Final = "$value"
SECRET: Final = "$secret"
"""The key of a map that stands for a secret."""
_SALT: Final = os.urandom(32)
_SECRET_MARK: Final = b'$secret"'
_MARKS: Final = (b'"$value"', _SECRET_MARK)
_EMPTY: Final[dict[type, str]] = {dict: "{}", list: "[]"}


class Values(dict[str, bytes]):
    """Large values by hash, waiting to be stored.

    What has been put in is known again by its identity, for the same value is often stored in many places;
    so values must not be changed while they are collected.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0
        """Bytes of the documents encoded so far, and of these values."""
        self._known: dict[int, tuple[Json, str]] = {}

    def add(self, value: Json, data: bytes) -> str:
        """Put in a value, which is `data` as JSON; its hash."""
        # A plain hash would tell who guesses a secret whether it is the one.
        salt = _SALT if _SECRET_MARK in data else b""
        key = hashlib.blake2b(data, digest_size=32, key=salt).hexdigest()
        if key not in self:
            self[key] = data
            self.bytes += len(data)
        self._known[id(value)] = value, key  # as long as it is held here, nothing else can have its id
        return key

    def key_of(self, value: Json) -> str | None:
        """The hash of a value that was put in, None of any other."""
        known = self._known.get(id(value))
        return None if known is None else known[1]

    def has_part_of(self, value: Json) -> bool:
        """Whether a value, or an entry of it, was put in."""
        if not self._known:
            return False
        parts = value.values() if isinstance(value, dict) else (value,)
        return any(id(part) in self._known for part in parts)


class Unstorable(BadRequest):
    """A value that JSON cannot hold."""

    def __init__(self, reason: object) -> None:
        super().__init__(f"A value cannot be stored as JSON: {reason}")


def _hook(value: Any) -> Any:
    if isinstance(value, Secret):
        return {SECRET: value.reveal()}
    raise TypeError(f"it is of type {type(value).__name__}")


_encoder = msgspec.json.Encoder(enc_hook=_hook)
_decoder = msgspec.json.Decoder()


def dump(value: Any) -> bytes:
    """JSON of data, or of structures that hold data, from which `restore` gets it back.

    Raises `Unstorable` for what JSON cannot hold.
    """
    try:
        data = _encoder.encode(value)
        if _SECRET_MARK in data:
            data = _encoder.encode(_marked(value))
        if b"null" in data and not _is_finite(value):
            raise Unstorable("NaN and infinity are no JSON numbers")
    except (TypeError, ValueError, RecursionError) as error:
        raise Unstorable(error) from None
    return data


def restore(value: Any) -> Any:
    """What was dumped, out of what its JSON was decoded to."""
    if isinstance(value, dict):
        if len(value) == 1:
            ((key, item),) = value.items()
            if key == SECRET:
                return Secret(restore(item))
            if _looks_marked(key):
                return {key[1:]: restore(item)}
        return {key: restore(item) for key, item in value.items()}
    if isinstance(value, list):
        return [restore(item) for item in value]
    if isinstance(value, msgspec.Struct):
        return _replaced(value, restore)
    return value


def _marked(value: Any) -> Any:
    if isinstance(value, Secret):
        return {SECRET: _marked(value.reveal())}
    if isinstance(value, dict):
        if len(value) == 1:
            ((key, item),) = value.items()
            if _looks_marked(key):
                return {f"${key}": _marked(item)}
        return {key: _marked(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_marked(item) for item in value]
    if isinstance(value, msgspec.Struct):
        return _replaced(value, _marked)
    return value


def _looks_marked(key: object) -> bool:
    return isinstance(key, str) and key.startswith("$") and key.lstrip("$") == "secret"


def _replaced(value: msgspec.Struct, change: Callable[[Any], Any]) -> msgspec.Struct:
    fields = msgspec.structs.asdict(value)
    return msgspec.structs.replace(value, **{name: change(item) for name, item in fields.items()})


def _is_finite(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_is_finite, value))
    if isinstance(value, Secret):
        return _is_finite(value.reveal())
    if isinstance(value, msgspec.Struct):
        return all(map(_is_finite, msgspec.structs.asdict(value).values()))
    return True


def encode(value: Json, values: Values) -> str:
    """The text of a document; large parts of it go into `values`. Raises `Unstorable`."""
    if not value and (empty := _EMPTY.get(type(value))):
        return empty
    if not values.has_part_of(value):
        data = dump(value)
        if _is_stored_here(data):
            values.bytes += len(data)
            return data.decode()
    if isinstance(value, dict) and _REFERENCE not in value:
        entries = {key: _entry(item, values) for key, item in value.items()}
        data = _encoder.encode(entries)
    else:
        data = _encoder.encode(_entry(value, values))
    values.bytes += len(data)
    return data.decode()


def _is_stored_here(data: bytes) -> bool:
    """Whether a value stands in its document itself and not in the table of large values."""
    return len(data) <= LARGE and not (b"$" in data and any(mark in data for mark in _MARKS))


def encode_optional(value: Json, values: Values) -> str | None:
    """The same, but None becomes a null column."""
    return None if value is None else encode(value, values)


def _entry(value: Json, values: Values) -> msgspec.Raw | dict[str, str]:
    key = values.key_of(value)
    if key is None:
        data = dump(value)
        if _is_stored_here(data):
            return msgspec.Raw(data)
        key = values.add(value, data)
    return {_REFERENCE: key}


def decode(text: str | None, fetch: Callable[[str], bytes]) -> Json:
    """The value of a document; `fetch` gives the bytes of a large value by its hash."""
    if text is None:
        return None
    value = _decoder.decode(text)
    if '"$value"' not in text or not isinstance(value, dict):
        return value
    if _is_reference(value):
        return _restore(fetch(value[_REFERENCE]))
    return {
        key: _restore(fetch(item[_REFERENCE])) if _is_reference(item) else item for key, item in value.items()
    }


def expand(text: str | None, fetch: Callable[[str], bytes]) -> str:
    """The JSON text of a document for people: large values put in, secrets masked; `{}` for a null column."""
    if text is None:
        return "{}"
    if '"$value"' not in text:
        return text
    value = _decoder.decode(text)
    if _is_reference(value):
        return _shown(fetch(value[_REFERENCE])).decode()
    if isinstance(value, dict):
        value = {
            key: msgspec.Raw(_shown(fetch(item[_REFERENCE]))) if _is_reference(item) else item
            for key, item in value.items()
        }
    return _encoder.encode(value).decode()


def _shown(data: bytes) -> bytes:
    """The JSON of a large value for people; only one that may hold secrets has to be taken apart."""
    return _encoder.encode(masked(_restore(data))) if has_marks(data) else data


def references(text: str | None) -> list[str]:
    """The hashes that a document refers to."""
    if text is None or '"$value"' not in text:
        return []
    value = _decoder.decode(text)
    if _is_reference(value):
        return [value[_REFERENCE]]
    return (
        [item[_REFERENCE] for item in value.values() if _is_reference(item)]
        if isinstance(value, dict)
        else []
    )


def _is_reference(value: Json) -> bool:
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get(_REFERENCE), str)


def _restore(data: bytes) -> Json:
    value = _decoder.decode(data)
    return restore(value) if has_marks(data) else value


def has_marks(data: bytes) -> bool:
    """Whether dumped JSON holds something that `restore` changes."""
    return _SECRET_MARK in data
