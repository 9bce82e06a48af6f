"""A database whose units of work run when the simulation says so, and which may refuse or lose an answer."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar

import sqlalchemy
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import StaticPool

from maestrale.store.database import Database, Unit, commit, configure_sqlite
from maestrale.store.tables import metadata

P = ParamSpec("P")
T = TypeVar("T")

Fault = Literal["", "refused", "answer lost"]
"""What goes wrong with a commit: nothing; it does not happen; it happens, but nobody is told."""


class Disk:
    """The committed truth: one SQLite database in memory that all processes share."""

    def __init__(self) -> None:
        self.engine = sqlalchemy.create_engine(
            "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
        )
        configure_sqlite(self.engine)
        metadata.create_all(self.engine)

    def read(self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Look at what is committed."""
        with self.engine.connect() as connection:
            return unit(connection, *args, **kwargs)

    def write(self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Change it at once, as something outside of the processes under test does."""
        with self.engine.begin() as connection:
            return unit(connection, *args, **kwargs)


class _Demanded(Future[Any]):
    """A future that is brought about when somebody cannot go on without it (at the start of a process)."""

    def __init__(self, bring_about: Callable[[], None]) -> None:
        super().__init__()
        self._bring_about = bring_about
        self.set_running_or_notify_cancel()

    def result(self, timeout: float | None = None) -> Any:
        if not self.done():
            self._bring_about()
        return super().result(timeout)


class SimulatedDatabase(Database):
    """What one process sees of the disk. `committed` is called with the units of each commit."""

    def __init__(self, disk: Disk, committed: Callable[[list[Unit]], None]) -> None:
        self.engine = disk.engine
        self.path = Path("simulated")
        self.url = "sqlite://"
        self.reads: deque[Unit] = deque()
        self.writes: deque[Unit] = deque()
        self._noted = committed

    def read(
        self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """The unit waits for its turn."""
        item = Unit(unit, args, kwargs)
        item.future = _Demanded(lambda: self._read_now(item))
        self.reads.append(item)
        return item.future

    def write(
        self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """The unit waits for the next commit."""
        item = Unit(unit, args, kwargs)
        item.future = _Demanded(self.commit)
        self.writes.append(item)
        return item.future

    def write_here(
        self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """The same."""
        return self.write(unit, *args, **kwargs)

    def close(self) -> None:
        """Nothing belongs to one process alone."""

    def run_read(self, number: int, is_refused: bool = False) -> None:
        """Run one of the waiting reads."""
        item = self.reads[number]
        del self.reads[number]
        if is_refused:
            item.future.set_exception(_refusal())
        else:
            self._run(item)

    def commit(self, fault: Fault = "") -> None:
        """Run all waiting writes in one transaction."""
        items = list(self.writes)
        self.writes.clear()
        if fault == "refused":
            for item in items:
                item.future.set_exception(_refusal())
            return
        done = [Unit(item.function, item.args, item.kwargs) for item in items]
        with self.engine.connect() as connection:
            commit(connection, done)
        self._noted([unit for unit in done if unit.future.exception() is None])
        for item, unit in zip(items, done, strict=True):
            error = _refusal() if fault else unit.future.exception()
            if error is not None:
                item.future.set_exception(error)
            else:
                item.future.set_result(unit.future.result())

    def _read_now(self, item: Unit) -> None:
        self.reads.remove(item)
        self._run(item)

    def _run(self, item: Unit) -> None:
        try:
            with self.engine.connect() as connection:
                item.run(connection)
        except Exception as error:  # noqa: BLE001 - whatever a unit raises belongs to its caller
            item.future.set_exception(error)
        else:
            item.future.set_result(item.result)


def _refusal() -> OperationalError:
    return OperationalError("(simulated)", {}, Exception("the database does not answer"))
