"""Connections and transactions: one writer thread with group commit, a few reader threads.

A unit of work is a plain function that takes a connection first. Writes that are waiting share one
transaction and so one fsync; if a shared transaction fails, each of its units is tried by itself, so
that one bad unit stops nobody else. How databases differ stands in `sqlite.py` and `postgresql.py`.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Concatenate, Final, ParamSpec, TypeGuard, TypeVar

from sqlalchemy import Connection, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, OperationalError

from maestrale.model.errors import Unavailable
from maestrale.model.timeouts import Timeouts
from maestrale.model.urls import without_password
from maestrale.store import postgresql
from maestrale.store.dialect import DatabaseError, Dialect, TookTooLong, UnfitValue
from maestrale.store.postgresql import Postgresql
from maestrale.store.sealing import Sealing, with_sealing
from maestrale.store.sqlite import Sqlite
from maestrale.store.sqlite import configure_sqlite as configure_sqlite

P = ParamSpec("P")
T = TypeVar("T")

UNITS_PER_COMMIT: Final = 256
READERS: Final = 4
LISTERS: Final = 3
"""Threads for lists alone: those that take long hold up other lists, and nothing else."""

TRIES: Final = 3
"""How often a transaction is begun that surely was not committed, for a reason that passes."""


def dialect_of(url: str, timeouts: Timeouts | None = None) -> Dialect:
    """The database that a URL names. Raises `DatabaseError` for URLs that are none of ours."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise DatabaseError(
            f"'{without_password(url)}' is not a database URL",
            "use for example sqlite:////home/me/maestrale.db or postgresql://user:password@host/database",
        ) from None
    if parsed.drivername == "sqlite":
        return Sqlite(parsed)
    if parsed.drivername in postgresql.DRIVERS:
        return Postgresql(parsed, timeouts or Timeouts())
    raise DatabaseError(
        f"Unsupported database URL '{without_password(url)}'",
        "use sqlite:////absolute/path.db or postgresql://user:password@host/database",
    )


_GUARDED: Final = "guards_itself"


def guards_itself(unit: Callable[P, T]) -> Callable[P, T]:
    """Mark a unit of work that sees to it by itself that this process may write."""
    setattr(unit, _GUARDED, True)
    return unit


class Unit:
    """One unit of work and the future of its result."""

    __slots__ = ("args", "function", "future", "kwargs", "result")

    def __init__(self, function: Callable[..., Any], args: Any, kwargs: Any) -> None:
        self.function, self.args, self.kwargs = function, args, kwargs
        self.future: Future[Any] = Future()
        self.result: Any = None

    @property
    def guards_itself(self) -> bool:
        """Whether it does what the guard of the database would do."""
        return getattr(self.function, _GUARDED, False)

    def run(self, connection: Connection) -> None:
        """Do it, in somebody's transaction."""
        self.result = self.function(connection, *self.args, **self.kwargs)


_CLOSED: Final = "The service is shutting down"


class Database:
    """One database, opened for use by this process. Close it to finish what was handed in."""

    def __init__(
        self,
        url: str,
        readers: int = READERS,
        timeouts: Timeouts | None = None,
        sealing: Sealing | None = None,
    ) -> None:
        """Connect. `sealing`: what protects secrets, None to store them as they are.

        Raises `DatabaseError` where that cannot be done, with the reason and what to do.
        """
        self.dialect = dialect_of(url, timeouts)
        self._list_timeout = (timeouts or Timeouts()).list
        self.engine, self.writing = (
            with_sealing(engine, sealing) for engine in self.dialect.engines(readers + LISTERS)
        )
        self._connection = self._connect()
        self._writing = threading.Lock()
        """Held by the thread that uses the connection for writing."""
        self._has_taken = False
        """Whether the writer has units in hand: it comes first, even if it still waits for the connection."""
        self._taken_at: float | None = None
        """Since when it has them, by the clock that is never set; None for nothing in hand."""
        self._inbox: queue.SimpleQueue[Unit | None] = queue.SimpleQueue()
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="reader")
        self._listers = ThreadPoolExecutor(LISTERS, thread_name_prefix="lister")
        self._reader = threading.local()
        self._writer = threading.Thread(target=self._write_loop, name="writer", daemon=True)
        self._writer.start()
        self._closed = False
        self.guard: Callable[[Connection], None] | None = None
        """Called first in every transaction that writes, unless all of its units guard themselves; what it
        raises undoes the transaction."""
        self._aside: Connection | None = None

    def read(
        self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """Run `unit` in a reader thread, in one read transaction."""
        return self._submit(self._readers, self._read, unit, args, kwargs)

    def read_list(
        self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """`read`, for what may take long, with other threads; it ends with `TookTooLong` after a time."""
        return self._submit(self._listers, self._list, unit, args, kwargs)

    def _submit(self, pool: ThreadPoolExecutor, read: Callable[..., T], *given: Any) -> Future[T]:
        try:
            return pool.submit(read, *given)
        except RuntimeError:
            if not self._closed:
                raise
            refused: Future[T] = Future()
            refused.set_exception(Unavailable(_CLOSED))
            return refused

    def write(
        self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """Run `unit` in the writer thread; the future resolves only after a durable commit.

        An exception of the unit undoes that unit alone and is set on its future. A unit may run several
        times, but only one run of it is committed. After an error for which `is_unusable` is true it may
        have been committed all the same.
        """
        item = Unit(unit, args, kwargs)
        item.future.set_running_or_notify_cancel()
        if self._closed:
            item.future.set_exception(Unavailable(_CLOSED))
        else:
            self._inbox.put(item)
        return item.future

    def write_here(
        self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """`write`, but in this thread if the writer has nothing to do: it spares the way there and back.

        For a thread that can do nothing else until the commit is done.
        """
        if self._writing.acquire(blocking=False):
            try:
                if self._inbox.empty() and not self._has_taken and not self._closed:
                    item = Unit(unit, args, kwargs)
                    item.future.set_running_or_notify_cancel()
                    commit(self._connection, [item], self.guard)
                    return item.future
            finally:
                self._writing.release()
        return self.write(unit, *args, **kwargs)

    def aside(self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `unit` at once, in this thread, on a connection of its own: not behind what the writer has to
        do, and not guarded. For one thread at a time. Raises what the unit or the database raises."""
        connection = self._aside
        if connection is None or connection.closed:
            connection = self._aside = self.writing.connect()
        try:
            with connection.begin():
                return unit(connection, *args, **kwargs)
        except DBAPIError:
            self._aside = None
            connection.close()
            raise

    def keeps_writing(self, patience: float) -> bool:
        """Whether the writer is there, and what it has in hand does not take it longer than so many
        seconds."""
        since = self._taken_at
        return self._writer.is_alive() and (since is None or time.monotonic() - since <= patience)

    def close(self) -> None:
        """Commit what was handed in, then close every connection. Safe to call twice."""
        if self._closed:
            return
        if self._aside is not None:
            self._aside.close()
        self._closed = True
        self._inbox.put(None)
        self._writer.join()
        self._readers.shutdown()
        self._listers.shutdown()
        self.engine.dispose()
        self.writing.dispose()

    def _connect(self) -> Connection:
        """The writer's connection, which stays open."""
        try:
            return self.writing.connect()
        except DBAPIError as error:
            raise self.dialect.explain(error) from error

    def _read(self, unit: Callable[..., T], args: Any, kwargs: Any) -> T:
        try:
            return self._read_once(unit, args, kwargs)
        except DBAPIError as error:
            if error.connection_invalidated:  # it had died while it lay idle: a fresh one is to be had
                return self._read_once(unit, args, kwargs)
            told = _told(error)
            raise told from (None if told is error else error)

    def _list(self, unit: Callable[..., T], args: Any, kwargs: Any) -> T:
        def limited(connection: Connection) -> T:
            if not self._list_timeout:
                return unit(connection, *args, **kwargs)
            with self.dialect.limited(connection, self._list_timeout):
                return unit(connection, *args, **kwargs)

        try:
            return self._read(limited, (), {})
        except DBAPIError as error:
            if self.dialect.is_over(error):
                raise TookTooLong(self._list_timeout) from None
            raise

    def _read_once(self, unit: Callable[..., T], args: Any, kwargs: Any) -> T:
        """Each reader keeps its connection: taking one out of the pool costs as much as a short read."""
        connection: Connection | None = getattr(self._reader, "connection", None)
        if connection is None:
            connection = self._reader.connection = self.engine.connect()
        try:
            return unit(connection, *args, **kwargs)
        except DBAPIError:
            self._reader.connection = None
            raise
        finally:
            if self._reader.connection is None:
                connection.close()
            else:
                connection.rollback()

    def _write_loop(self) -> None:
        with self._connection as connection:
            while True:
                units, open_ = self._drain()
                with self._writing:
                    if units:
                        commit(connection, units, self.guard)
                    self._has_taken = False
                    self._taken_at = None
                if not open_:
                    return

    def _drain(self) -> tuple[list[Unit], bool]:
        units: list[Unit] = []
        item = self._inbox.get()
        self._has_taken = True
        self._taken_at = time.monotonic()
        while item is not None:
            units.append(item)
            if len(units) == UNITS_PER_COMMIT:
                return units, True
            try:
                item = self._inbox.get_nowait()
            except queue.Empty:
                return units, True
        return units, False


def commit(
    connection: Connection, units: list[Unit], guard: Callable[[Connection], None] | None = None
) -> None:
    """Commit all units together; on failure halve, so that only the guilty unit fails.

    Without a connection all fail at once: nothing is begun a second time that may have been committed.
    """
    error = _failure(connection, units, guard)
    if error is None:
        for unit in units:
            unit.future.set_result(unit.result)
    elif len(units) == 1 or _is_lost(error):
        for unit in units:
            unit.future.set_exception(_told(error))
    else:
        middle = len(units) // 2
        commit(connection, units[:middle], guard)
        commit(connection, units[middle:], guard)


def _failure(
    connection: Connection, units: list[Unit], guard: Callable[[Connection], None] | None
) -> Exception | None:
    """Run the units in one transaction and commit it; what went wrong, if anything did."""
    for left in reversed(range(TRIES)):
        committing = False
        try:
            with connection.begin():
                if guard is not None and not all(unit.guards_itself for unit in units):
                    guard(connection)
                for unit in units:
                    unit.run(connection)
                committing = True
        except Exception as error:  # noqa: BLE001 - whatever a unit raises belongs to its caller
            may_pass = _is_transient(error) or (_is_lost(error) and not committing)
            if not left or not may_pass:
                return error
        else:
            return None
    raise AssertionError("the last try returns")


def is_duplicate(error: Exception) -> bool:
    """Whether a unit failed because a row with the same unique key exists."""
    return isinstance(error, IntegrityError)


def is_unusable(error: Exception) -> bool:
    """Whether the database itself refused (disk full, file not writable, locked, no connection).

    If it was a commit, it may have happened all the same.
    """
    if _is_postgresql(error):
        return postgresql.is_refusal(error)
    return isinstance(error, OperationalError)


def reason(error: BaseException) -> str:
    """What the database said, for logs: without the statement, and without the values in it."""
    return str(getattr(error, "orig", None) or error)


def _is_lost(error: Exception) -> bool:
    return _is_postgresql(error) and postgresql.is_lost(error)


def _is_transient(error: Exception) -> bool:
    return _is_postgresql(error) and postgresql.is_transient(error)


def _told(error: Exception) -> Exception:
    """What callers are told: they know nothing of statements, and their people neither."""
    if _is_postgresql(error) and postgresql.is_unfit(error):
        return UnfitValue(f"PostgreSQL cannot hold a value: {postgresql.unfit_reason(error)}")
    return error


def _is_postgresql(error: Exception) -> TypeGuard[DBAPIError]:
    return isinstance(error, DBAPIError) and hasattr(error.orig, "sqlstate")
