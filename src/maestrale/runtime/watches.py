"""Who wants to know that something has changed, in this process and in others of the same database.

A commit looks up its executions here, so what nobody watches costs nothing. Processes tell all others what
they watch, and hear of it from whoever commits. Such a hint may be lost: so it is renewed with every sweep,
and at that moment everything that is watched counts as changed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from maestrale.runtime.hints import Hints

KEPT: Final = 60.0
"""Seconds for which a process remembers what others watch; they renew it several times meanwhile."""

Told = Callable[[str], None]
"""Is called, in whatever thread, with what has changed, and must return at once."""


class Watches:
    """What is watched, by id: of an execution, or of an action execution that ran outside of workflows.

    Safe from any thread.
    """

    def __init__(self, hints: Hints, clock: Callable[[], float] = time.monotonic) -> None:
        self._hints = hints
        self._clock = clock
        self._lock = threading.Lock()
        self._here: dict[str, tuple[Told, ...]] = {}
        self._elsewhere: dict[str, float] = {}

    def add(self, key: str, told: Told) -> None:
        """Call `told` after every commit that changes this from now on."""
        with self._lock:
            known = self._here.get(key, ())
            self._here[key] = (*known, told)
        if not known:
            self._hints.tell_all("watch", key)

    def remove(self, key: str, told: Told) -> None:
        """Call it no more."""
        with self._lock:
            left = tuple(other for other in self._here.get(key, ()) if other != told)
            if left:
                self._here[key] = left
            else:
                self._here.pop(key, None)

    def changed(self, keys: Iterable[str]) -> None:
        """A commit of this process has changed these."""
        if not self._here and not self._elsewhere:
            return
        keys = list(keys)
        self.heard_changed(keys)
        if self._elsewhere:
            now = self._clock()
            for key in keys:
                until = self._elsewhere.get(key)
                if until is not None and now < until:
                    self._hints.tell_all("changed", key)

    def heard_changed(self, keys: Iterable[str]) -> None:
        """A commit, perhaps of another process, has changed these."""
        for key in keys:
            for told in self._here.get(key, ()):
                told(key)

    def heard_watch(self, keys: Sequence[str]) -> None:
        """Some process watches these.

        It learns that this one knows: what was committed before, it has to look up.
        """
        now = self._clock()
        with self._lock:
            new = [key for key in keys if self._elsewhere.get(key, now) <= now]
            self._elsewhere.update(dict.fromkeys(keys, now + KEPT))
        for key in new:
            self._hints.tell_all("changed", key)

    def renew(self) -> None:
        """Tell everybody what is watched here, look at it all, and forget what others watch no more."""
        now = self._clock()
        with self._lock:
            for key in [key for key, until in self._elsewhere.items() if until <= now]:
                del self._elsewhere[key]
            watched = list(self._here)
        for key in watched:
            self._hints.tell_all("watch", key)
        self.heard_changed(watched)
