"""The right of this process to work under its id, and what its neighbours' leases tell.

A process that does not renew its lease in time counts as gone, and others take its work. One that only
slept finds its lease lost when it wakes: it begins a new life under another id, and takes nothing with it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

from sqlalchemy.exc import SQLAlchemyError

from maestrale.model.values import Microseconds
from maestrale.runtime.timers import Later
from maestrale.store import leases
from maestrale.store.database import reason
from maestrale.store.leases import Neighbour

log = logging.getLogger(__name__)

SECONDS: Final = 3.0
"""How long a lease lasts: from then on others may take over."""

EVERY: Final = 0.5
"""Seconds between renewals."""

_SECOND: Final = 1_000_000
_SILENCE: Final = round(SECONDS * _SECOND)
_PROMPT: Final = 50_000


def system_clock() -> Microseconds:
    """The time of this machine."""
    return time.time_ns() // 1000


def since_boot() -> Microseconds:
    """The time since the machine was started, sleep included where the system can tell."""
    return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)) // 1000


class Lease:
    """Says under which id this process works, and until when that is certain. Safe from any thread.

    `clock` goes on while the machine sleeps, and is never set. `valid_until` is None for a process that
    shares its database with no other, and so needs no lease. Those that share one go by its time, for the
    clocks of their machines may differ, or be set.
    """

    def __init__(self, process_id: str, clock: Callable[[], Microseconds] = since_boot) -> None:
        self.process_id = process_id
        self.clock = clock
        self.valid_until: Microseconds | None = None
        self._lag: Microseconds | None = None

    @property
    def is_shared(self) -> bool:
        """Whether other processes may own executions of the same database."""
        return self.valid_until is not None

    def holds(self) -> bool:
        """Whether nobody can have taken this process for dead yet."""
        return self.valid_until is None or self.clock() < self.valid_until

    def now(self) -> Microseconds:
        """The time of the database, as far as it is known; else that of this machine."""
        return system_clock() if self._lag is None else self.clock() + self._lag

    def heard(self, database_time: Microseconds, asked: Microseconds) -> None:
        """The database has told its time; it was `asked` for it then. What took long tells little."""
        answered = self.clock()
        if self._lag is None or answered - asked < _PROMPT:
            self._lag = database_time - (asked + answered) // 2

    def allows(self, process_id: str | None) -> bool:
        """Whether something may begin now in the name of that process (None: nobody else knows of it)."""
        return self.holds() and not self.is_gone(process_id)

    def is_gone(self, process_id: str | None) -> bool:
        """Whether this process goes under that id no more."""
        return process_id not in (None, self.process_id)


class Aside(Protocol):
    """Runs a unit of work at once, on a connection that nothing else uses."""

    def aside(self, unit: Callable[..., Any], *args: Any) -> Any: ...


class Membership:
    """Keeps the lease, and watches the others.

    `found_gone` is called, outside of this object's thread, with the ids of processes that are gone;
    `reborn` when this process has a new id. `is_over` tells of a process on this machine whether it ended.
    """

    def __init__(
        self,
        database: Aside,
        lease: Lease,
        row: dict[str, Any],
        new_id: Callable[[], str],
        later: Later,
        is_over: Callable[[Neighbour], bool],
        found_gone: Callable[[list[str]], None],
        reborn: Callable[[], None],
    ) -> None:
        self._database = database
        self._lease = lease
        self._row = row
        self._clock = lease.clock
        self._new_id = new_id
        self._later = later
        self._is_over = is_over
        self._found_gone = found_gone
        self._reborn = reborn
        self._steady_since: Microseconds | None = None
        self._is_stopped = False
        self._beating = threading.Lock()
        self._is_taking = False
        self.neighbours: list[Neighbour] = []
        """The others that are here, as the last look around found them."""

    def join(self) -> None:
        """Register, and renew the lease from now on. Raises what the database raises."""
        self._register()
        self._later(EVERY, self._again)

    def stop(self) -> None:
        """Renew no more, and wait for a renewal that is under way."""
        with self._beating:
            self._is_stopped = True

    def beat(self) -> None:
        """Renew the lease and look around. A lease that is lost is the end of this incarnation."""
        with self._beating:
            if not self._is_stopped:
                self._beat()

    def _beat(self) -> None:
        asked = self._clock()
        try:
            seen = self._database.aside(leases.renew, self._lease.process_id, SECONDS)
            self._lease.heard(seen.now, asked)
            if not seen.holds:
                log.error("This process was taken for dead; it goes on as a new one")
                self._lease.valid_until = asked
                self._lease.process_id = self._new_id()
                self._register()
                self._reborn()
                return
            self._lease.valid_until = asked + _SILENCE
            self._judge(seen.others, asked)
        except SQLAlchemyError as error:
            self._steady_since = None
            log.warning("The lease cannot be renewed: %s", reason(error))

    def _again(self) -> None:
        if not self._is_stopped:
            self.beat()
            self._later(EVERY, self._again)

    def _register(self) -> None:
        asked = self._clock()
        row = {**self._row, "id": self._lease.process_id}
        self._lease.heard(self._database.aside(leases.register, row, SECONDS, asked), asked)
        self._lease.valid_until = asked + _SILENCE
        self._steady_since = asked

    def _judge(self, others: list[Neighbour], now: Microseconds) -> None:
        """Say of others that they are gone.

        Not at once after an outage of the database, which nobody could renew a lease in.
        """
        if self._steady_since is None:
            self._steady_since = now
        proven = [other.id for other in others if not other.gone and self._is_over(other)]
        silent = [other.id for other in others if not other.gone and other.is_over]
        if now - self._steady_since < _SILENCE:
            silent = []
        gone = [other.id for other in others if other.gone]
        if proven or silent:
            gone += self._database.aside(leases.condemn, silent, proven, now)
        self.neighbours = [other for other in others if other.id not in gone]
        if gone and not self._is_taking:
            self._is_taking = True
            self._later(0, lambda: self._take(gone))

    def _take(self, gone: list[str]) -> None:
        try:
            self._found_gone(gone)
        finally:
            self._is_taking = False
