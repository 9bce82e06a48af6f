"""The publisher `webhook`: posts notifications to a URL, from a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import msgspec

from maestrale.actions.egress import HostNotAllowed, HttpSettings
from maestrale.model.errors import MaestraleError
from maestrale.model.notifications import Publisher
from maestrale.model.values import Microseconds, masked, reveal
from maestrale.runtime.outbox import Failure
from maestrale.store.notifications import Outgoing

if TYPE_CHECKING:
    from maestrale.actions.http_client import HttpClient

TIMEOUT: Final = 10.0
"""Seconds for one notification, from the connection to the end of the answer."""

AT_A_TIME: Final = 16
AT_A_TIME_PER_HOST: Final = 4
"""So that receivers that hang do not hold up all others."""

WAITING: Final = 10_000
"""Notifications that may wait here; further ones wait in the database."""

GOOD_STATUSES: Final = (200, 201)
PASSING_STATUSES: Final = (408, 425, 429)
"""Besides those of 500 and more: what a receiver answers that may take the same notification later."""

Ended = Callable[[Failure | None], None]

log = logging.getLogger(__name__)


class Webhook:
    """Sends each notification that is handed to it once. Safe from any thread.

    The thread begins with the first notification. Requests are guarded as those of `std.http` are.
    """

    def __init__(self, settings: HttpSettings, clock: Callable[[], Microseconds]) -> None:
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._client: HttpClient | None = None
        self._places = asyncio.Semaphore(AT_A_TIME)
        self._host_places: weakref.WeakValueDictionary[str, asyncio.Semaphore] = weakref.WeakValueDictionary()
        self._open: set[asyncio.Task[None]] = set()
        self._waiting = 0
        self._stopped = False

    @property
    def has_room(self) -> bool:
        """Whether another notification may wait here."""
        return self._waiting < WAITING and not self._stopped

    def send(self, outgoing: Outgoing, ended: Ended) -> None:
        """Have a notification sent soon, and `ended` called in this thread or another one.

        It is not called if the end comes before, or the time in which it may be sent.
        """
        with self._lock:
            if self._stopped:
                return
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
                self._thread.start()
            self._waiting += 1
            self._loop.call_soon_threadsafe(self._begin, outgoing, ended)

    def stop(self, grace: float) -> None:
        """Wait up to `grace` seconds for what is on its way, then stop."""
        with self._lock:
            self._stopped = True
        if self._loop is None or self._thread is None or not self._thread.is_alive():
            return
        asyncio.run_coroutine_threadsafe(self._drain(grace), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        assert self._loop is not None
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.close()

    def _begin(self, outgoing: Outgoing, ended: Ended) -> None:
        assert self._loop is not None
        task = self._loop.create_task(self._send(outgoing, ended))
        self._open.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._open.discard(task)
        with self._lock:
            self._waiting -= 1

    async def _send(self, outgoing: Outgoing, ended: Ended) -> None:
        host = urlsplit(str(outgoing.publisher.get("url"))).netloc
        host_places = self._host_places.setdefault(host, asyncio.Semaphore(AT_A_TIME_PER_HOST))
        async with host_places, self._places:
            if self._clock() + TIMEOUT * 1_000_000 > outgoing.due_at:
                return  # others may send it soon: it is in the database
            ended(await self._post(outgoing))

    async def _post(self, outgoing: Outgoing) -> Failure | None:
        try:
            async with asyncio.timeout(TIMEOUT):
                answer = await self._http().send(
                    "POST",
                    str(outgoing.publisher.get("url")),
                    headers=_headers(outgoing.publisher),
                    body=msgspec.json.encode(masked(outgoing.body)),
                    timeout=TIMEOUT,
                )
        except TimeoutError:
            return Failure(f"no answer within {TIMEOUT:g} seconds", may_pass=True)
        except HostNotAllowed as error:
            return Failure(str(error), may_pass=False)
        except MaestraleError as error:
            return Failure(str(error), may_pass=True)
        except Exception as error:  # noqa: BLE001 - one notification must not stop the others
            return Failure(f"{type(error).__name__}: {error}", may_pass=True)
        status = int(answer["status"])
        if status in GOOD_STATUSES:
            return None
        may_pass = status >= 500 or status in PASSING_STATUSES
        return Failure(f"the answer has the status {status}", may_pass=may_pass)

    def _http(self) -> HttpClient:
        if self._client is None:
            from maestrale.actions.http_client import HttpClient

            self._client = HttpClient(self._settings)
        return self._client

    async def _drain(self, grace: float) -> None:
        if self._open:
            await asyncio.wait(list(self._open), timeout=grace)
        left = list(self._open)
        for task in left:
            task.cancel()
        if left:
            log.warning("%d notifications are left for the next start", len(left))
            await asyncio.wait(left)
        if self._client is not None:
            await self._client.close()


def _headers(publisher: Publisher) -> dict[str, str]:
    given = reveal(publisher.get("headers"))
    return {str(name): str(value) for name, value in given.items()} if isinstance(given, dict) else {}
