"""Finished executions that are too old, or too many, are removed; deletions that were left half done, too."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final

from sqlalchemy.exc import DBAPIError

from maestrale.model.errors import Unavailable
from maestrale.model.retention import Retention
from maestrale.model.values import Microseconds
from maestrale.runtime.lease import Lease
from maestrale.runtime.removal import Removal
from maestrale.runtime.steps import Steps, carry_out
from maestrale.runtime.timers import Later, in_a_thread
from maestrale.store import deletion
from maestrale.store.database import Database, is_unusable, reason
from maestrale.store.expiry import Ended, Page, find_expired, newest_surplus
from maestrale.store.leases import LeaseLost

log = logging.getLogger(__name__)

EVERY: Final = 60.0
"""Seconds between the end of a round and the next one."""

TEXTS_EVERY: Final = 3600 * 1_000_000
"""Microseconds for which nothing must have used a text before it is deleted: an execution that goes by it
may be about to begin."""


class Expiry:
    """Makes rounds, each of which removes what has to go by now.

    Of several processes each makes its own; what one has marked, the others pass over. `retention` says what
    has to go; deletions that nobody goes on with are finished whatever it says.
    """

    def __init__(
        self,
        database: Database,
        removal: Removal,
        lease: Lease,
        retention: Retention,
        clock: Callable[[], Microseconds] | None = None,
        later: Later = in_a_thread,
    ) -> None:
        self._database = database
        self._removal = removal
        self._lease = lease
        self._retention = retention
        self._clock = clock or lease.now
        self._later = later
        self._stopped = False
        self._seen: set[str] = set()
        """Half-done deletions that the round before has found."""
        self._unused: tuple[Microseconds, set[str]] = (0, set())
        """Texts that nothing used, and when that was found."""

    def start(self) -> None:
        """Make a round now, and others from then on."""
        self._later(0, self._again)

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopped = True

    def round(self) -> Future[None]:
        """Remove all that has to go by now; done when it is gone."""
        return carry_out(self._round())

    def _again(self) -> None:
        if not self._stopped:
            self.round().add_done_callback(self._ended)

    def _ended(self, done: Future[None]) -> None:
        error = done.exception()
        if error is not None and not self._stopped:
            log.error(
                "Old executions cannot be removed, the next round tries again: %s", error, exc_info=error
            )
        self._later(EVERY, self._again)

    def _round(self) -> Steps[None]:
        try:
            yield from self._finish()
            if self._retention.is_on:
                yield from self._expire()
            yield from self._drop_texts()
        except (DBAPIError, LeaseLost) as error:
            log.warning("Old executions cannot be removed, the next round tries again: %s", reason(error))
        except Unavailable:
            self._stopped = True

    # -- deletions that are half done

    def _finish(self) -> Steps[None]:
        """What a process has begun that is no more, perhaps this one before it was started again.

        Where others may be at work, only what the last round has found half done already.
        """
        found = set((yield self._database.read(deletion.unfinished))) - self._removal.in_hand
        abandoned = found & self._seen if self._lease.is_shared else found
        self._seen = found
        for execution_id in sorted(abandoned):
            if self._stopped:
                return
            yield from self._attempt(self._removal.finish(execution_id), execution_id)

    # -- executions that are old

    def _expire(self) -> Steps[None]:
        now = self._clock()
        surplus = None
        if self._retention.at_most:
            surplus = yield self._database.read(
                newest_surplus, tuple(self._retention.ages), self._retention.at_most
            )
        for state, age in self._retention.ages.items():
            limits = [] if surplus is None else [surplus]
            if age is not None:
                limits.append(Ended(now - age, ""))
            if limits:
                yield from self._expire_state(state, max(limits))

    def _expire_state(self, state: str, until: Ended) -> Steps[None]:
        """From the oldest on; what cannot be removed now is passed over until the next round."""
        after: Ended | None = None
        while not self._stopped:
            page: Page = yield self._database.read(find_expired, state, until, after)
            if page.last is None:
                return
            after = page.last
            if page.quiet:
                yield from self._attempt(self._removal.expire(page.quiet), page.quiet[0].id)

    def _attempt(self, steps: Steps[None], execution_id: str) -> Steps[None]:
        """What cannot be removed for a reason of its own does not hold up the rest."""
        try:
            yield from steps
        except DBAPIError as error:
            if is_unusable(error):
                raise
            log.error("The execution %s (or others) cannot be removed: %s", execution_id, reason(error))

    # -- texts

    def _drop_texts(self) -> Steps[None]:
        """Delete texts of definitions that have not been used since a while."""
        since, before = self._unused
        now = self._clock()
        if now - since < TEXTS_EVERY:
            return
        found = set((yield self._database.read(deletion.unused_texts)))
        self._unused = (now, found)
        if found & before:
            yield self._database.write(deletion.drop_texts, sorted(found & before))
