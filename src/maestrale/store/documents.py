"""JSON documents in text columns; large values are stored once per execution tree, by content hash.

A document may hold `{"$value": "<hash>"}` in place of itself or of one of its entries. Data of users that
looks like such a reference is always stored by reference itself, so that nothing is mistaken.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final

import msgspec

from maestrale.model.values import Json, Secret, masked

LARGE: Final = 4096
"""Bytes of JSON from which a value is worth a reference."""

_REFERENCE: Final = "$value"
_SECRET: Final = "$secret"
_MARKS: Final = (b'"$value"', b'"$secret"')

Values = dict[str, bytes]
"""Large values by hash, waiting to be stored."""


def _hook(value: Any) -> Any:
    if isinstance(value, Secret):
        return {_SECRET: value.reveal()}
    raise TypeError(f"a value of type {type(value).__name__} cannot be stored as JSON")


_encoder = msgspec.json.Encoder(enc_hook=_hook)
_decoder = msgspec.json.Decoder()


def encode(value: Json, values: Values) -> str:
    """The text of a document; large parts of it go into `values`. Raises for what JSON cannot hold."""
    data = _encoder.encode(value)
    if len(data) <= LARGE and not any(mark in data for mark in _MARKS):
        return data.decode()
    if isinstance(value, dict) and _REFERENCE not in value and _SECRET not in value:
        entries = {key: _entry(item, values) for key, item in value.items()}
        return _encoder.encode(entries).decode()
    return _encoder.encode(_entry(value, values)).decode()


def encode_optional(value: Json, values: Values) -> str | None:
    """The same, but None becomes a null column."""
    return None if value is None else encode(value, values)


def _entry(value: Json, values: Values) -> msgspec.Raw | dict[str, str]:
    data = _encoder.encode(value)
    if len(data) <= LARGE and not any(mark in data for mark in _MARKS):
        return msgspec.Raw(data)
    key = hashlib.blake2b(data, digest_size=32).hexdigest()
    values[key] = data
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
    return _encoder.encode(masked(decode(text, fetch))).decode()


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
    return _secrets(value) if b'"$secret"' in data else value


def _secrets(value: Json) -> Json:
    if isinstance(value, dict):
        if len(value) == 1 and _SECRET in value:
            return Secret(value[_SECRET])
        return {key: _secrets(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_secrets(item) for item in value]
    return value
