"""Opening a database for work: a file for one process alone, a server's together with others."""

from __future__ import annotations

import contextlib

from maestrale.model.timeouts import Timeouts
from maestrale.store.database import Database, dialect_of
from maestrale.store.lock import DatabaseLock
from maestrale.store.schema import prepare
from maestrale.store.sealing import Sealing


def open_database(
    url: str, timeouts: Timeouts, sealing: Sealing | None = None
) -> tuple[Database, DatabaseLock | None]:
    """Open a database with the newest schema, and the lock of its file if it is one.

    Raises `DatabaseInUse` where another process has the file, and other `DatabaseError` where the database
    cannot be opened.
    """
    file = dialect_of(url).file
    with contextlib.ExitStack() as opened:
        lock = None if file is None else DatabaseLock(file)
        if lock is not None:
            lock.acquire()
            opened.callback(lock.release)
        database = Database(url, timeouts=timeouts, sealing=sealing)
        opened.callback(database.close)
        prepare(database)
        opened.pop_all()
    return database, lock
