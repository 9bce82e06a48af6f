"""Connections and transactions: one writer thread with group commit, a few reader threads.

A unit of work is a plain function that takes a connection first. Writes that are waiting share one
transaction and so one fsync; if a shared transaction fails, each of its units is tried by itself, so
that one bad unit stops nobody else. Dialect differences live here and nowhere else.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import sqlalchemy
from sqlalchemy import Connection, Engine, event, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, OperationalError

from maestrale.model.errors import MaestraleError, Unavailable

P = ParamSpec("P")
T = TypeVar("T")

UNITS_PER_COMMIT = 256
READERS = 4


class DatabaseError(MaestraleError):
    """The database cannot be opened or used; the message says which and why."""


class Unit:
    """One unit of work and the future of its result."""

    __slots__ = ("args", "function", "future", "kwargs", "result")

    def __init__(self, function: Callable[..., Any], args: Any, kwargs: Any) -> None:
        self.function, self.args, self.kwargs = function, args, kwargs
        self.future: Future[Any] = Future()
        self.result: Any = None

    def run(self, connection: Connection) -> None:
        """Do it, in somebody's transaction."""
        self.result = self.function(connection, *self.args, **self.kwargs)


class Database:
    """One database, opened for use by this process. Close it to finish what was handed in."""

    def __init__(self, url: str, readers: int = READERS) -> None:
        self.path = self.file_of(url)
        self.url = url
        self.engine = _open_sqlite(url, readers)
        self._inbox: queue.SimpleQueue[Unit | None] = queue.SimpleQueue()
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="reader")
        self._writer = threading.Thread(target=self._write_loop, name="writer", daemon=True)
        self._writer.start()
        self._closed = False

    @staticmethod
    def file_of(url: str) -> Path:
        """The file that a database URL names. Raises `DatabaseError` for URLs that are none of ours."""
        try:
            parsed = make_url(url)
        except ArgumentError:
            raise DatabaseError(
                f"'{url}' is not a database URL", "use for example sqlite:////home/me/maestrale.db"
            ) from None
        if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
            raise DatabaseError(
                f"Unsupported database URL '{parsed.render_as_string()}'",
                "this version stores its data in a SQLite file: sqlite:////absolute/path.db",
            )
        return Path(parsed.database).absolute()

    def read(
        self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """Run `unit` in a reader thread, in one read transaction."""
        return self._readers.submit(self._read, unit, args, kwargs)

    def write(
        self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """Run `unit` in the writer thread; the future resolves only after a durable commit.

        An exception of the unit undoes that unit alone and is set on its future.
        """
        item = Unit(unit, args, kwargs)
        item.future.set_running_or_notify_cancel()
        if self._closed:
            item.future.set_exception(Unavailable("The service is shutting down"))
        else:
            self._inbox.put(item)
        return item.future

    def close(self) -> None:
        """Commit what was handed in, then close every connection. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        self._inbox.put(None)
        self._writer.join()
        self._readers.shutdown()
        self.engine.dispose()

    def _read(self, unit: Callable[..., T], args: Any, kwargs: Any) -> T:
        with self.engine.connect() as connection:
            return unit(connection, *args, **kwargs)

    def _write_loop(self) -> None:
        with self.engine.connect() as connection:
            while True:
                units, open_ = self._drain()
                if units:
                    commit(connection, units)
                if not open_:
                    return

    def _drain(self) -> tuple[list[Unit], bool]:
        units: list[Unit] = []
        item = self._inbox.get()
        while item is not None:
            units.append(item)
            if len(units) == UNITS_PER_COMMIT:
                return units, True
            try:
                item = self._inbox.get_nowait()
            except queue.Empty:
                return units, True
        return units, False


def commit(connection: Connection, units: list[Unit]) -> None:
    """Commit all units together; on failure halve, so that only the guilty unit fails."""
    try:
        with connection.begin():
            for unit in units:
                unit.run(connection)
    except Exception as error:  # noqa: BLE001 - whatever a unit raises belongs to its caller
        if len(units) == 1:
            units[0].future.set_exception(error)
            return
        middle = len(units) // 2
        commit(connection, units[:middle])
        commit(connection, units[middle:])
    else:
        for unit in units:
            unit.future.set_result(unit.result)


def _open_sqlite(url: str, readers: int) -> Engine:
    engine = sqlalchemy.create_engine(
        url, pool_size=readers + 1, max_overflow=2, connect_args={"timeout": 30, "check_same_thread": False}
    )
    configure_sqlite(engine)
    return engine


def configure_sqlite(engine: Engine) -> None:
    """Durable, with readers beside the writer, and transactions that begin when we say so."""

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we begin transactions ourselves, see below
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=OFF")
        cursor.execute("PRAGMA cache_size=-32768")
        cursor.execute("PRAGMA temp_store=MEMORY")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")


def is_duplicate(error: Exception) -> bool:
    """Whether a unit failed because a row with the same unique key exists."""
    return isinstance(error, IntegrityError)


def is_unusable(error: Exception) -> bool:
    """Whether the database itself refused (disk full, file not writable, locked)."""
    return isinstance(error, OperationalError)
