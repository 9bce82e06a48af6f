"""One engine at a time: by a lock file beside a database file, by an advisory lock on a PostgreSQL."""

from __future__ import annotations

import contextlib
import socket
from typing import Any, Final, Protocol

from sqlalchemy import Connection, event, inspect, select

from maestrale.model.timeouts import Timeouts
from maestrale.store.database import Database, dialect_of
from maestrale.store.lock import DatabaseInUse, DatabaseLock, Holder
from maestrale.store.schema import prepare
from maestrale.store.tables import processes

ENGINE: Final = 0x6D6165_0002
"""The advisory lock of the engine."""

_TAKE: Final = f"SELECT pg_try_advisory_lock({ENGINE})"


class SoleRight(Protocol):
    """The right to run the engine of a database, held until `release` or the end of the process."""

    def announce(self, address: str | None) -> None:
        """Write down where this process listens (None: nowhere)."""

    def release(self) -> None:
        """Give the right back. Safe to call twice."""


def open_alone(url: str, timeouts: Timeouts) -> tuple[Database, SoleRight]:
    """Open a database with the newest schema, for the only engine that may work on it.

    Raises `DatabaseInUse` where another one does, and other `DatabaseError` where it cannot be opened.
    """
    file = dialect_of(url).file
    with contextlib.ExitStack() as opened:
        lock = None if file is None else DatabaseLock(file)
        if lock is not None:
            lock.acquire()
            opened.callback(lock.release)
        database = Database(url, timeouts=timeouts)
        opened.callback(database.close)
        right = lock or SessionLock(database)
        prepare(database)
        opened.pop_all()
    return database, right


class SessionLock:
    """An advisory lock of the session in which this process writes.

    Where it loses that connection it loses the lock too, and takes both again or neither: so nothing is
    written without it. The lock ends with the connection.
    """

    def __init__(self, database: Database) -> None:
        """Take the lock. Raises `DatabaseInUse`."""
        if not database.write(_take).result():
            raise DatabaseInUse(database.dialect.name, database.read(_find_holder).result())
        event.listen(database.writing, "connect", _take_again)

    def announce(self, address: str | None) -> None:
        """Nothing to do: the row of this process has its address."""

    def release(self) -> None:
        """Nothing to do: the lock goes with the connection."""


def _take(connection: Connection) -> bool:
    return bool(connection.exec_driver_sql(_TAKE).scalar_one())


def _take_again(connection: Any, _record: Any) -> None:
    with connection.cursor() as cursor:
        (is_ours,) = cursor.execute(_TAKE).fetchone()
    connection.rollback()  # ends the transaction; the lock is the session's
    if not is_ours:
        from psycopg import OperationalError

        raise OperationalError("another engine has taken this database, or the server has not yet let go")


def _find_holder(connection: Connection) -> Holder:
    """The process that registered last."""
    table = processes.c
    if not inspect(connection).has_table(processes.name):
        return Holder()
    query = select(table.pid, table.address, table.host).order_by(table.started_at.desc()).limit(1)
    found = connection.execute(query).first()
    if found is None:
        return Holder()
    return Holder(found.pid, found.address, None if found.host == socket.gethostname() else found.host)
