"""What the store has to know of a kind of database: the one place for the ways in which they differ."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from maestrale.model.errors import BadRequest, MaestraleError


class DatabaseError(MaestraleError):
    """The database cannot be opened or used; the message says which and why."""


class TookTooLong(MaestraleError):
    """A list was given up after so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The list took longer than {seconds:g} s")
        self.seconds = seconds


class UnfitValue(BadRequest):
    """A value that this kind of database cannot hold or compare."""


class Dialect(Protocol):
    """One database and its kind. `name` is for people and holds no password; `file` is where it lies, if it
    lies in a file."""

    name: str
    file: Path | None

    def engines(self, readers: int) -> tuple[Engine, Engine]:
        """Connections for that many readers at a time, and for the writer; nothing is opened yet."""

    def limited(self, connection: Connection, seconds: float) -> AbstractContextManager[None]:
        """Statements in this block are given up after that time (see `is_over`), and planned by values."""

    def is_over(self, error: DBAPIError) -> bool:
        """Whether an error says that a statement was given up for its time."""

    def explain(self, error: DBAPIError) -> DatabaseError:
        """Why the database could not be opened, and what to do about it."""

    def begin_migration(self, connection: Connection) -> None:
        """Be the only one who changes the schema, until the end of this transaction."""

    def version(self, connection: Connection) -> str:
        """The program behind the database and its version."""

    def size(self, connection: Connection) -> int:
        """Bytes that the database takes."""
