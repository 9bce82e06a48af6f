"""The publisher `webhook`: posts notifications to a URL, from a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING, Final

import msgspec

from maestrale.actions.egress import HttpSettings
from maestrale.model.errors import MaestraleError
from maestrale.model.notifications import Publisher
from maestrale.model.values import Json, masked, reveal

if TYPE_CHECKING:
    from maestrale.actions.http_client import HttpClient

TIMEOUT: Final = 10.0
"""Seconds for one notification, from the connection to the end of the answer."""

AT_A_TIME: Final = 16

WAITING: Final = 10_000
"""Notifications that may wait; further ones are dropped, so that no hanging receiver fills the memory."""

GOOD_STATUSES: Final = (200, 201)

log = logging.getLogger(__name__)


class Webhook:
    """Sends each notification once: there is no repetition and no order among them. Safe from any thread.

    The thread begins with the first notification. Requests are guarded as those of `std.http` are.
    """

    def __init__(self, settings: HttpSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._client: HttpClient | None = None
        self._places = asyncio.Semaphore(AT_A_TIME)
        self._open: set[asyncio.Task[None]] = set()
        self._stopped = False

    def publish(self, publisher: Publisher, body: dict[str, Json]) -> None:
        """Have a notification sent soon."""
        with self._lock:
            if self._stopped:
                return
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
                self._thread.start()
            self._loop.call_soon_threadsafe(self._begin, publisher, body)

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

    def _begin(self, publisher: Publisher, body: dict[str, Json]) -> None:
        if len(self._open) >= WAITING:
            log.warning("Too many notifications wait; %s of %s is dropped", body["event"], body["id"])
            return
        assert self._loop is not None
        task = self._loop.create_task(self._send(publisher, body))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _send(self, publisher: Publisher, body: dict[str, Json]) -> None:
        async with self._places:
            try:
                async with asyncio.timeout(TIMEOUT):
                    answer = await self._http().send(
                        "POST",
                        str(publisher.get("url")),
                        headers=_headers(publisher),
                        body=msgspec.json.encode(masked(body)),
                        timeout=TIMEOUT,
                    )
            except TimeoutError:
                reason = f"no answer within {TIMEOUT:g} seconds"
            except MaestraleError as error:
                reason = str(error)
            except Exception as error:  # noqa: BLE001 - one notification must not stop the others
                reason = f"{type(error).__name__}: {error}"
            else:
                if answer["status"] in GOOD_STATUSES:
                    return
                reason = f"the answer has the status {answer['status']}"
        log.warning("A webhook could not be told of %s of %s: %s", body["event"], body["id"], reason)

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
            log.warning("%d notifications were not sent any more", len(left))
            await asyncio.wait(left)
        if self._client is not None:
            await self._client.close()


def _headers(publisher: Publisher) -> dict[str, str]:
    given = reveal(publisher.get("headers"))
    return {str(name): str(value) for name, value in given.items()} if isinstance(given, dict) else {}
