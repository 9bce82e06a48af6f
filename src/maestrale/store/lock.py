"""One engine per database file: a lock file beside it, which also says where the server listens."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from pathlib import Path
from typing import IO

import msgspec

from maestrale.store.dialect import DatabaseError


class Holder(msgspec.Struct, frozen=True):
    """Who has the database: process id, and the address of its server if it listens."""

    pid: int = 0
    address: str | None = None


class DatabaseInUse(DatabaseError):
    """Another process owns the database."""

    status = 503

    def __init__(self, name: str, holder: Holder) -> None:
        where = f", its server listens on {holder.address}" if holder.address else ""
        super().__init__(
            f"The database {name} is in use by process {holder.pid or 'unknown'}{where}",
            "use that server, stop it, or name another database with --database",
        )
        self.holder = holder


class DatabaseLock:
    """The lock of one database file, held until `release` (or the end of the process, however it ends)."""

    def __init__(self, database: Path) -> None:
        self.path = database.with_name(database.name + ".lock")
        self._database = database
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Take the lock. Raises `DatabaseInUse`, or `DatabaseError` if the folder cannot be written."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = open(self.path, "a+", encoding="utf-8")  # noqa: SIM115 - held open on purpose
        except OSError as error:
            raise DatabaseError(
                f"The data folder {self.path.parent} cannot be written: {error.strerror}",
                "name another place with --database sqlite:////path/maestrale.db",
            ) from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            holder = _parse(file.read())
            file.close()
            raise DatabaseInUse(str(self._database), holder) from None
        self._file = file
        self.announce(None)

    def announce(self, address: str | None) -> None:
        """Write down where this process listens (None: nowhere)."""
        assert self._file is not None
        self._file.seek(0)
        self._file.truncate()
        self._file.write(json.dumps({"pid": os.getpid(), "address": address}))
        self._file.flush()

    def release(self) -> None:
        """Give the lock back. Safe to call twice."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.truncate(0)
            self._file.close()
            self._file = None


def _parse(text: str) -> Holder:
    try:
        return msgspec.json.decode(text, type=Holder)
    except msgspec.DecodeError:
        return Holder()
