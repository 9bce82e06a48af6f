"""Notifications on their way out: stored with their cause, sent after its commit, and again until received.

A process sends what its own decisions bring about from memory; what it cannot send in time, what failed and
what a dead process has left is taken from the database. So each is sent at least once; whoever receives one
twice knows it by its id. No transaction is open while anything is sent.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final, Protocol

from sqlalchemy.exc import DBAPIError

from maestrale.model.errors import Unavailable
from maestrale.model.values import Microseconds
from maestrale.runtime.lease import Lease
from maestrale.runtime.rounds import Rounds
from maestrale.runtime.steps import Steps
from maestrale.runtime.timers import Later, growing_pause
from maestrale.store.database import Database, reason
from maestrale.store.leases import LeaseLost
from maestrale.store.notifications import (
    Outgoing,
    forget_notifications,
    next_notification_due,
    put_off_notification,
    take_notifications,
)

log = logging.getLogger(__name__)

TAKEN_AT_ONCE: Final = 200

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 600.0
"""Seconds between two tries: the pauses double."""

AGAIN_AFTER: Final = 5.0
"""Seconds until the next look after one that failed."""

SHORTEST_SLEEP: Final = 0.1
"""Seconds between two looks at least."""

_SECOND: Final = 1_000_000


class Failure(Exception):
    """A notification was not received. `may_pass`: whether it makes sense to try again."""

    def __init__(self, text: str, *, may_pass: bool) -> None:
        super().__init__(text)
        self.may_pass = may_pass


class Sender(Protocol):
    """Sends notifications, in whatever thread."""

    @property
    def has_room(self) -> bool:
        """Whether it takes more."""

    def send(self, outgoing: Outgoing, ended: Callable[[Failure | None], None]) -> None:
        """Send soon, and say how it ended; neither if `outgoing` may not be sent any more by then."""


class Outbox(Rounds):
    """Has notifications sent until they are received, for `retry_for` seconds at most."""

    def __init__(
        self,
        database: Database,
        sender: Sender,
        lease: Lease,
        retry_for: float,
        clock: Callable[[], Microseconds],
        later: Later,
    ) -> None:
        super().__init__("Looking for notifications", AGAIN_AFTER, clock, later)
        self._database = database
        self._sender = sender
        self._lease = lease
        self._retry_for = round(retry_for * _SECOND)

    def hand_over(self, outgoing: Sequence[Outgoing]) -> None:
        """Send what has been stored. What there is no room for waits in the database."""
        for one in outgoing:
            if self._sender.has_room:
                self._send(one)

    def _look(self) -> Steps[float | None]:
        try:
            while self._runs and self._sender.has_room:
                due_at: Microseconds | None = yield self._database.read(next_notification_due)
                if due_at is None:
                    return None
                process_id, now = self._lease.process_id, self._clock()
                taken: list[Outgoing] = yield self._database.write(
                    take_notifications, process_id, now, TAKEN_AT_ONCE
                )
                self.hand_over(taken)
                if len(taken) < TAKEN_AT_ONCE:
                    break
            due_at = yield self._database.read(next_notification_due)
        except (DBAPIError, LeaseLost) as error:
            log.warning("Notifications cannot be looked for, the next try follows: %s", reason(error))
            return AGAIN_AFTER
        except Unavailable:
            self._runs = False
            return None
        return None if due_at is None else max(SHORTEST_SLEEP, (due_at - self._clock()) / _SECOND)

    def _send(self, outgoing: Outgoing) -> None:
        self._sender.send(outgoing, lambda failure: self._ended(outgoing, failure))

    def _ended(self, outgoing: Outgoing, failure: Failure | None) -> None:
        attempts = outgoing.attempts + 1
        pause = growing_pause(outgoing.attempts, FIRST_PAUSE, LONGEST_PAUSE)
        due_at = self._clock() + round(pause * _SECOND)
        what = f"{outgoing.body['event']} of {outgoing.body['id']}"
        if failure is None:
            done = self._database.write(forget_notifications, [outgoing.id])
        elif failure.may_pass and due_at <= outgoing.created_at + self._retry_for:
            log.warning("%s was not received, the next try follows in %g s: %s", what, pause, failure)
            done = self._database.write(put_off_notification, outgoing.id, attempts, due_at)
            self._sleep(pause)
        else:
            log.error("%s was not received and is given up: %s", what, failure)
            done = self._database.write(forget_notifications, [outgoing.id])
        done.add_done_callback(_noted)


def _noted(done: Future[None]) -> None:
    error = done.exception()
    if error is not None:  # the row stays, and so it is sent once more
        log.warning("How a notification went could not be stored: %s", reason(error))
