"""Maintenance: all processes of a database hold their executions, and let them go on afterwards.

The status is a row; executions that are held say so in their cause. So nothing of it is lost with a process,
and whoever is there goes on with it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final

from sqlalchemy.exc import DBAPIError

from maestrale.engine.events import PauseRequested, ResumeRequested
from maestrale.model import maintenance as status_of
from maestrale.model.maintenance import Status
from maestrale.model.values import Microseconds
from maestrale.runtime.engine import Engine
from maestrale.runtime.hints import Hints
from maestrale.runtime.steps import Steps, carry_out
from maestrale.runtime.timers import Later, in_a_thread
from maestrale.store.database import Database, reason
from maestrale.store.leases import LeaseLost
from maestrale.store.maintenance import (
    Maintenance,
    ask_for,
    find_held,
    find_running,
    is_quiet,
    note_quiet,
    read_maintenance,
)

log = logging.getLogger(__name__)

_SECOND: Final = 1_000_000

LOOK_EVERY: Final = 15.0
"""Seconds between looks at the status, should nobody tell of a change."""

HOLD_EVERY: Final = 1.0
"""Seconds between looks at what still runs, or begins to, while it should not."""

FRESH: Final = 1 * _SECOND
"""Microseconds for which a status counts that another process may have changed."""

RESUMING: Final = 600 * _SECOND
"""Microseconds after the end of maintenance in which executions may still be found that are held: a process
that had not heard of the end paused them."""

AT_ONCE: Final = 500
"""Executions that are told in one round, and seconds until the next one while there are more."""
MORE_AFTER: Final = 0.05


class Keeper:
    """Knows the status of the service, and brings it about. Safe from any thread."""

    def __init__(
        self,
        database: Database,
        engine: Engine,
        hints: Hints,
        clock: Callable[[], Microseconds],
        later: Later = in_a_thread,
    ) -> None:
        self._database = database
        self._engine = engine
        self._hints = hints
        self._clock = clock
        self._later = later
        self._known: tuple[Maintenance, Microseconds] | None = None
        """The newest status that was seen, and when."""
        self._lock = threading.Lock()
        self._is_busy = False
        self._is_asked = False
        self._turn = 0
        self._stopped = False
        self._told: set[tuple[str, str]] = set()
        """Executions that have not answered yet, and what they were told."""

    def start(self) -> None:
        """Find out what holds, and see to it from now on."""
        self._engine.on_maintenance = self.look
        self.look()

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopped = True

    @property
    def known(self) -> Status | None:
        """The status, if it needs no look into the database."""
        known = self._known
        if known is None or (self._engine.lease.is_shared and self._clock() > known[1] + FRESH):
            return None
        return known[0].status

    def read(self) -> Future[Status]:
        """The status by the database."""

        def steps() -> Steps[Status]:
            return self._note((yield self._database.read(read_maintenance)))

        return carry_out(steps())

    def change(self, paused: bool) -> Future[Status]:
        """Begin or end maintenance; the answer is the status from now on."""

        def steps() -> Steps[Status]:
            status = self._note((yield self._database.write(ask_for, paused, self._clock())))
            self._hints.tell_all("maintenance")
            self.look()
            return status

        return carry_out(steps())

    def look(self) -> None:
        """See to what holds now: at once, or after the round that is under way."""
        with self._lock:
            if self._stopped:
                return
            self._is_asked = self._is_busy
            if self._is_busy:
                return
            self._is_busy = True
        carry_out(self._round()).add_done_callback(self._ended)

    def _ended(self, done: Future[float]) -> None:
        error = done.exception()
        seconds = HOLD_EVERY if error is not None else done.result()
        if error is not None and not self._stopped:
            is_common = isinstance(error, (DBAPIError, LeaseLost))
            log.warning("Maintenance is not seen to, the next round tries again: %s", reason(error),
                        exc_info=None if is_common else error)  # fmt: skip
        with self._lock:
            self._is_busy = False
            self._turn += 1
            turn = self._turn
            is_asked = self._is_asked

        def again() -> None:
            if turn == self._turn:  # or a later round has set a timer of its own
                self.look()

        self._later(0 if is_asked else seconds, again)

    def _round(self) -> Steps[float]:
        """Hold or let go; seconds until it is worth looking again."""
        found: Maintenance = yield self._database.read(read_maintenance)
        self._note(found)
        if not self._engine.decides:
            return LOOK_EVERY
        if found.status == status_of.RUNNING:
            if self._clock() > found.changed_at + RESUMING:
                return LOOK_EVERY
            held = yield self._database.read(find_held, AT_ONCE)
            return self._tell(held, ResumeRequested(maintenance=True)) if held else LOOK_EVERY
        running = yield self._database.read(find_running, AT_ONCE)
        seconds = self._tell(running, PauseRequested(maintenance=True))
        if found.status == status_of.PAUSING and not running and (yield self._database.read(is_quiet)):
            self._note((yield self._database.write(note_quiet, found, self._clock())))
            self._hints.tell_all("maintenance")
        return seconds

    def _note(self, found: Maintenance) -> Status:
        with self._lock:
            # What was read before somebody changed it may come after the change.
            if self._known is None or found.changed_at >= self._known[0].changed_at:
                self._known = found, self._clock()
        return found.status

    def _tell(self, execution_ids: list[str], event: PauseRequested | ResumeRequested) -> float:
        """Tell executions, but none a second time that has not answered yet."""
        for execution_id in execution_ids:
            key = (execution_id, type(event).__name__)
            if key not in self._told:
                self._told.add(key)
                self._engine.send(execution_id, event).add_done_callback(
                    lambda _, key=key: self._told.discard(key)  # type: ignore[misc]
                )
        return MORE_AFTER if len(execution_ids) == AT_ONCE else HOLD_EVERY
