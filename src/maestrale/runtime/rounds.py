"""Looking for what is due, whenever something has changed and when the next thing is due."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final

from maestrale.model.values import Microseconds
from maestrale.runtime.steps import Steps, carry_out
from maestrale.runtime.timers import Later

log = logging.getLogger(__name__)

_SECOND: Final = 1_000_000


class Rounds(ABC):
    """Looks, never twice at a time. Methods may be called from any thread.

    `what` is done in a look, for the log. After a look that broke off the next one follows in `again_after`
    seconds.
    """

    def __init__(
        self, what: str, again_after: float, clock: Callable[[], Microseconds], later: Later
    ) -> None:
        self._what = what
        self._again_after = again_after
        self._clock = clock
        self._later = later
        self._lock = threading.Lock()
        self._runs = False
        self._is_looking = False
        self._looks_again = False
        self._wakes_at: Microseconds | None = None

    @abstractmethod
    def _look(self) -> Steps[float | None]:
        """One look; after how many seconds the next one follows, None if only when something has changed."""

    def start(self) -> None:
        """Look from now on."""
        self._runs = True
        self.changed()

    def stop(self) -> None:
        """Begin no look any more; what is on its way to the database is done."""
        self._runs = False

    def changed(self) -> None:
        """Look now: something has come or gone, or may be due."""
        with self._lock:
            if not self._runs:
                return
            if self._is_looking:
                self._looks_again = True
                return
            self._is_looking = True
        self.look().add_done_callback(self._looked)

    def look(self) -> Future[float | None]:
        """See to all that is due; when it is done, after how many seconds to look again."""
        return carry_out(self._look())

    def _looked(self, done: Future[float | None]) -> None:
        error = done.exception()
        if error is not None and self._runs:
            log.error("%s failed, the next try follows: %s", self._what, error, exc_info=error)
        with self._lock:
            self._is_looking = False
            again, self._looks_again = self._looks_again, False
        seconds = self._again_after if error is not None else done.result()
        if again:
            self.changed()
        elif seconds is not None:
            self._sleep(seconds)

    def _sleep(self, seconds: float) -> None:
        """Look after so many seconds, unless that happens before anyway."""
        at = self._clock() + round(seconds * _SECOND)
        with self._lock:
            if not self._runs or (self._wakes_at is not None and self._wakes_at <= at):
                return
            self._wakes_at = at
        self._later(seconds, lambda: self._wake(at))

    def _wake(self, at: Microseconds) -> None:
        with self._lock:
            if self._wakes_at == at:
                self._wakes_at = None
        self.changed()
