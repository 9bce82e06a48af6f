"""Secret values at rest: sealed one by one when a row is written, opened when it is read for deciding.

A secret stands in dumped JSON as `{"$secret": value}`, and sealed as `{"$secret": {"$secret": "KEY:..."}}`:
a form that no secret has by itself, so that what was stored before is still read. What is shown to people is
masked without being opened.
"""

from __future__ import annotations

import base64
import functools
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import Connection, func, select
from sqlalchemy.engine import Engine

from maestrale.model.values import Json, masked
from maestrale.store.documents import SECRET, dump, has_marks, restore
from maestrale.store.keyring import Keyring, KeyringError
from maestrale.store.tables import (
    cron_triggers,
    decision_records,
    environments,
    event_triggers,
    execution_values,
    mail,
    notifications,
)

PURPOSE: Final = "secret value"
"""What a sealed value is bound to: it opens as nothing else."""

COLUMNS: Final = (
    execution_values.c.data,
    mail.c.event,
    decision_records.c.event,
    decision_records.c.answers,
    notifications.c.publisher,
    notifications.c.body,
    environments.c.sealed,
    cron_triggers.c.sealed,
    event_triggers.c.sealed,
)
"""Where dumped JSON stands, and so sealed values may."""

_OPTION: Final = "maestrale_sealing"

Row = dict[str, Any]
_Bytes = TypeVar("_Bytes", bytes, bytes | None)

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()


class Sealing:
    """Seals and opens the secrets in dumped JSON. Safe from any thread. The keys are read, or made, with the
    first secret."""

    def __init__(self, keyring: Callable[[], Keyring]) -> None:
        self._make = keyring

    @functools.cached_property
    def keyring(self) -> Keyring:
        """The keys. Raises `KeyringError` where they cannot be read."""
        return self._make()

    def seal(self, value: Any) -> Any:
        """The sealed form of a value in clear."""
        key_id, sealed = self.keyring.seal(_encoder.encode(value), PURPOSE)
        return {SECRET: f"{key_id}:{base64.b64encode(sealed).decode()}"}

    def open(self, text: str) -> Any:
        """What was sealed. Raises `KeyringError`, which names the key."""
        key_id, _, sealed = text.partition(":")
        return _decoder.decode(self.keyring.open(key_id, base64.b64decode(sealed), PURPOSE))


def with_sealing(engine: Engine, sealing: Sealing | None) -> Engine:
    """The same engine; what its connections write and read is sealed and opened."""
    return engine.execution_options(**{_OPTION: sealing})


def sealed(connection: Connection, data: _Bytes) -> _Bytes:
    """Dumped JSON as it is to be stored: with its secrets sealed, where this database has keys."""
    if data is None or not has_marks(data):
        return data
    sealing: Sealing | None = connection.get_execution_options().get(_OPTION)
    if sealing is None:
        return data
    return _encoder.encode(_replaced(_decoder.decode(data), sealing.seal))


def opened(connection: Connection, data: _Bytes) -> _Bytes:
    """Dumped JSON as it was before it was stored. Raises `KeyringError` without the key of a secret in it."""
    if data is None or not has_marks(data):
        return data
    sealing: Sealing | None = connection.get_execution_options().get(_OPTION)
    return _encoder.encode(_replaced(_decoder.decode(data), lambda value: _open(sealing, value)))


def sealed_rows(connection: Connection, rows: Sequence[Row], *names: str) -> list[Row]:
    """The same rows, with the secrets sealed in the columns of these names."""
    return [
        {**row, **{name: sealed(connection, row[name]) for name in names}}
        if any(row[name] is not None and has_marks(row[name]) for name in names)
        else row
        for row in rows
    ]


def columns_of(connection: Connection, documents: dict[str, Json]) -> Row:
    """The columns for documents: the text of each, as people see it, and `sealed`, with all of them, where
    that is something else."""
    shown = {name: masked(document) for name, document in documents.items()}
    return {
        **{name: _encoder.encode(document).decode() for name, document in shown.items()},
        "sealed": None if shown == documents else sealed(connection, dump(documents)),
    }


def documents_of(connection: Connection, columns: Row) -> dict[str, Any]:
    """The documents of which these are the columns. Raises `KeyringError` without the key of a secret."""
    if columns["sealed"] is not None:
        found: dict[str, Any] = restore(_decoder.decode(opened(connection, columns["sealed"])))
        return found
    return {name: _decoder.decode(text) for name, text in columns.items() if name != "sealed"}


def is_needed(connection: Connection, key_id: str) -> bool:
    """Whether anything that is stored is sealed with a key. Reads whole tables."""
    mark = f'{{"{SECRET}":{{"{SECRET}":"{key_id}:'.encode()
    find = func.instr if connection.dialect.name == "sqlite" else _position
    for column in COLUMNS:
        query = select(1).select_from(column.table).where(column.is_not(None), find(column, mark) > 0)
        if connection.execute(query.limit(1)).first() is not None:
            return True
    return False


def _position(column: Any, mark: bytes) -> Any:
    return func.strpos(func.encode(column, "escape"), mark.decode())


def _open(sealing: Sealing | None, value: Any) -> Any:
    text = _sealed_text(value)
    if text is None:
        return value
    if sealing is None:
        raise KeyringError(
            f"The key '{text.partition(':')[0]}' is on no ring of this server",
            "give every process the same keys",
        )
    return sealing.open(text)


def _sealed_text(value: Any) -> str | None:
    if isinstance(value, dict) and len(value) == 1 and isinstance(text := value.get(SECRET), str):
        return text
    return None


def _replaced(value: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(value, dict):
        if len(value) == 1 and SECRET in value:
            return {SECRET: change(value[SECRET])}
        return {key: _replaced(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, change) for item in value]
    return value
