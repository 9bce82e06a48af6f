"""Compiled definitions, shared by all executions that run on them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

from sqlalchemy import Connection, select

from maestrale.engine.program import Program
from maestrale.lang.parse import load_workflow
from maestrale.model.errors import NotFound
from maestrale.store.database import Database
from maestrale.store.tables import definition_texts

CACHED: Final = 500
"""Definitions in memory, at most."""

CHARACTERS_CACHED: Final = 2 * 1024 * 1024
"""Length of their texts, at most; compiled, they take some forty times as much. The last one always stays."""


class Programs:
    """Finds the program of a definition by content hash and workflow name; safe from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._cache: OrderedDict[tuple[str, str], tuple[Program, int]] = OrderedDict()
        self._characters = 0

    def cached(self, definition_hash: str, name: str) -> Program | None:
        """The program if it is in memory."""
        with self._lock:
            found = self._cache.get((definition_hash, name))
            if found is None:
                return None
            self._cache.move_to_end((definition_hash, name))
            return found[0]

    def get(self, definition_hash: str, name: str) -> Program:
        """The program, read and compiled if need be (which may take a while)."""
        found = self.cached(definition_hash, name)
        if found is not None:
            return found
        text = self._database.read(read_text, definition_hash).result()
        return self.add(definition_hash, name, text)

    def load(self, connection: Connection, definition_hash: str, name: str) -> Program:
        """The same inside a unit of work."""
        found = self.cached(definition_hash, name)
        return found or self.add(definition_hash, name, read_text(connection, definition_hash))

    def add(self, definition_hash: str, name: str, text: str) -> Program:
        """Compile a definition whose text is at hand."""
        program = Program(load_workflow(text, name), definition_hash)
        with self._lock:
            self._forget(definition_hash, name)
            self._cache[definition_hash, name] = program, len(text)
            self._characters += len(text)
            while len(self._cache) > 1 and (
                len(self._cache) > CACHED or self._characters > CHARACTERS_CACHED
            ):
                self._forget(*next(iter(self._cache)))
        return program

    def _forget(self, definition_hash: str, name: str) -> None:
        _, size = self._cache.pop((definition_hash, name), (None, 0))
        self._characters -= size


def read_text(connection: Connection, definition_hash: str) -> str:
    """The text of a definition. Raises `NotFound`."""
    text = connection.execute(
        select(definition_texts.c.text).where(definition_texts.c.hash == definition_hash)
    ).scalar()
    if text is None:
        raise NotFound(f"Definition text not found [hash={definition_hash}]")
    return str(text)
