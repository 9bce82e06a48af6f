"""The slow sweep: what a lost hint would leave lying about, and what nobody needs any more."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from maestrale.model.values import Microseconds
from maestrale.runtime.engine import Engine
from maestrale.runtime.recovery import recover_orphans
from maestrale.runtime.timers import Later, in_a_thread
from maestrale.store import mail
from maestrale.store.database import Database, reason
from maestrale.store.leases import LeaseLost
from maestrale.store.processes import alarms

log = logging.getLogger(__name__)

EVERY: Final = 15.0
"""Seconds between sweeps."""

_SECOND: Final = 1_000_000
UNREAD: Final = 5 * _SECOND
"""Microseconds after which a letter or an alarm that nobody has taken up counts as forgotten."""

REPLIES_KEPT: Final = 3600 * _SECOND
"""Microseconds for which replies to commands can be asked for."""


class Upkeep:
    """Sweeps now and then. Hints make things quick; this makes them certain."""

    def __init__(
        self,
        database: Database,
        engine: Engine,
        clock: Callable[[], Microseconds],
        later: Later = in_a_thread,
    ) -> None:
        self._database = database
        self._engine = engine
        self._clock = clock
        self._later = later
        self._stopped = False

    def start(self) -> None:
        """Sweep from now on."""
        self._later(EVERY, self._again)

    def stop(self) -> None:
        """Sweep no more."""
        self._stopped = True

    def sweep(self) -> None:
        """Take up old letters, overdue alarms and notifications, look for replies, drop old ones."""
        now = self._clock()
        if self._engine.decides:
            self._database.read(_forgotten, now - UNREAD).add_done_callback(self._found)
            self._engine.security.sweep()
            self._engine.notifier.outbox.changed()
        has_old = self._database.read(mail.has_replies, now - REPLIES_KEPT)
        handed_on = self._engine.wait_for_replies()

        def drop(_: Future[None]) -> None:
            if _noted(handed_on) and _noted(has_old) and has_old.result():
                before = self._clock() - REPLIES_KEPT
                self._database.write(mail.forget_replies, before).add_done_callback(_noted)

        # In this order: an old reply may be one that somebody here still waits for.
        has_old.add_done_callback(lambda _: handed_on.add_done_callback(drop))

    def _again(self) -> None:
        if not self._stopped:
            self.sweep()
            if self._engine.lease.is_shared:
                self._engine.watches.renew()
            if self._engine.decides and self._engine.lease.is_shared:
                self._take_orphans()
            self._later(EVERY, self._again)

    def _take_orphans(self) -> None:
        try:
            recover_orphans(self._database, self._engine)
        except (DBAPIError, LeaseLost) as error:
            log.warning("A sweep failed, the next one tries again: %s", reason(error))

    def _found(self, done: Future[tuple[list[str], list[tuple[Microseconds, str]]]]) -> None:
        if not _noted(done):
            return
        unread, overdue = done.result()
        for execution_id in unread:
            self._engine.loop.has_mail(execution_id)
        if overdue:
            self._engine.loop.wake((), overdue)


def _noted(done: Future[Any]) -> bool:
    error = done.exception()
    if error is not None:
        log.warning("A sweep failed, the next one tries again: %s", reason(error))
    return error is None


def _forgotten(
    connection: Connection, before: Microseconds
) -> tuple[list[str], list[tuple[Microseconds, str]]]:
    return mail.addressees(connection, before), alarms(connection, before)
