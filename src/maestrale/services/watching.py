"""Waiting for what happens: for the end of something, or for the next change. Nobody asks again and again.

Whoever waits for an end costs a future. After a commit, one statement looks which of all that are waited for
have ended, and while it runs, what changes is left for the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import Future, InvalidStateError
from contextlib import contextmanager
from typing import Final

from maestrale.model.errors import TooManyRequests, Unavailable
from maestrale.runtime.watches import Watches
from maestrale.services.shares import Shares
from maestrale.store.database import Database, reason
from maestrale.store.history import find_ended

log = logging.getLogger(__name__)

RETRY_AFTER: Final = 10
"""Seconds after which a refused caller may try again."""


class Places:
    """So many may wait in this process; projects share them, as with starts. For one event loop."""

    def __init__(self, most: int, what: str) -> None:
        self._shares = Shares(most)
        self._what = what

    @contextmanager
    def taken(self, project_id: str) -> Iterator[None]:
        """Take a place until the block ends. Raises `TooManyRequests` or `Unavailable`."""
        if not self._shares.has_room(project_id):
            hint = f"try again in {RETRY_AFTER} s"
            if mine := self._shares.taken_by(project_id):
                text = f"This project has {mine} {self._what} open already"
                raise TooManyRequests(text, hint, retry_after=RETRY_AFTER)
            text = f"This process has {self._shares.most} {self._what} open already"
            raise Unavailable(text, hint, retry_after=RETRY_AFTER)
        with self._shares.taken(project_id):
            yield


class Signal:
    """Set by a change, from any thread; awaited in one event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()

    def set(self, _key: str = "") -> None:
        """Something has changed."""
        if not self._event.is_set():
            with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody waits
                self._loop.call_soon_threadsafe(self._event.set)

    def clear(self) -> None:
        """Forget the changes until now; to be followed by a look at what there is."""
        self._event.clear()

    async def wait(self, seconds: float) -> bool:
        """Wait for a change, at most so long; whether there was one."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()
        return self._event.is_set()


class _Waiting:
    """Those who wait for ends that one key tells of."""

    def __init__(self) -> None:
        self.futures: dict[tuple[str, str], set[Future[None]]] = {}


class Watching:
    """All that wait in this process. Safe from any thread, but for the places."""

    def __init__(self, database: Database, watches: Watches, most: int) -> None:
        self._database = database
        self._watches = watches
        self._places = Places(most, "waiting requests")
        self._lock = threading.Lock()
        self._waiting: dict[str, _Waiting] = {}
        self._changed: set[str] = set()
        self._looking = False
        self._signals: set[Signal] = set()
        self.is_closed = False

    async def until_end(
        self, project_id: str, collection: str, identifier: str, key: str, seconds: float
    ) -> None:
        """Return when this has ended, is no more, or `seconds` are over.

        `key`: what is watched for it, its execution or (of an action that runs by itself) its own id.
        """
        with self._places.taken(project_id):
            future = self._expect(collection, identifier, key)
            try:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await asyncio.wrap_future(future)
            finally:
                self._forget(collection, identifier, key, future)

    @contextmanager
    def signal(self, key: str) -> Iterator[Signal]:
        """A signal that every change of an execution sets, until the block ends."""
        signal = Signal()
        self._signals.add(signal)
        self._watches.add(key, signal.set)
        try:
            yield signal
        finally:
            self._watches.remove(key, signal.set)
            self._signals.discard(signal)

    def close(self) -> None:
        """Let everybody go: the service stops."""
        self.is_closed = True
        for signal in list(self._signals):
            signal.set()
        with self._lock:
            waiting = [futures for entry in self._waiting.values() for futures in entry.futures.values()]
            left = [future for futures in waiting for future in futures]
        for future in left:
            _resolve(future)

    def _expect(self, collection: str, identifier: str, key: str) -> Future[None]:
        future: Future[None] = Future()
        with self._lock:
            entry = self._waiting.get(key)
            if entry is None:
                entry = self._waiting[key] = _Waiting()
                self._watches.add(key, self._told)
            entry.futures.setdefault((collection, identifier), set()).add(future)
        self._told(key)  # it may have ended before it was watched
        if self.is_closed:
            _resolve(future)
        return future

    def _forget(self, collection: str, identifier: str, key: str, future: Future[None]) -> None:
        with self._lock:
            entry = self._waiting[key]
            futures = entry.futures[collection, identifier]
            futures.discard(future)
            if not futures:
                del entry.futures[collection, identifier]
            if not entry.futures:
                del self._waiting[key]
                self._watches.remove(key, self._told)

    def _told(self, key: str) -> None:
        with self._lock:
            self._changed.add(key)
            if self._looking:
                return
            self._looking = True
        self._look()

    def _look(self) -> None:
        """Find out what has ended of all that has changed."""
        with self._lock:
            asked: dict[str, list[str]] = {}
            for key in self._changed:
                entry = self._waiting.get(key)
                for collection, identifier in entry.futures if entry is not None else ():
                    asked.setdefault(collection, []).append(identifier)
            keys, self._changed = self._changed, set()
            if not asked or self.is_closed:
                self._looking = False
                return
        self._database.read(find_ended, asked).add_done_callback(lambda done: self._looked(keys, done))

    def _looked(self, keys: set[str], done: Future[dict[str, set[str]]]) -> None:
        error = done.exception()
        if error is not None:
            log.warning("It cannot be seen what has ended: %s", reason(error))
        with self._lock:
            ended: list[Future[None]] = []
            for key in keys:
                entry = self._waiting.get(key)
                for (collection, identifier), futures in entry.futures.items() if entry is not None else ():
                    # After an error everybody looks for himself, and is told what the database says.
                    if error is not None or identifier in done.result().get(collection, ()):
                        ended += futures
        for future in ended:
            _resolve(future)
        self._look()


def _resolve(future: Future[None]) -> None:
    with contextlib.suppress(InvalidStateError):  # it is resolved already, or its waiter has gone
        future.set_result(None)
