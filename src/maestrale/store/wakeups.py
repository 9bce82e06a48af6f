"""Hints between processes by PostgreSQL's LISTEN and NOTIFY.

They are sent after the commit, on a connection of their own, many in one: NOTIFY makes commits wait for each
other. What is lost with a connection is made good by a sweep: `received` is told to make one.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from maestrale.store.database import Database, reason

log = logging.getLogger(__name__)

EVERYBODY: Final = "maestrale"
LONGEST: Final = 150
"""Ids in one notification, whose text PostgreSQL limits to 8,000 bytes."""

WAIT: Final = 1.0
"""Seconds until a lost connection is opened again, and between looks at whether to stop."""

Received = Callable[[str, list[str]], None]

_notify = text("SELECT pg_notify(:channel, :payload)")


def channel_of(process_id: str) -> str:
    """Where one process listens."""
    return f"{EVERYBODY}_{process_id}"


class Wakeups:
    """Sends and receives hints. `received(kind, ids)` is called in a thread of its own; kinds are words."""

    def __init__(self, database: Database, received: Received) -> None:
        self._database = database
        self._received = received
        self._outbox: queue.SimpleQueue[tuple[str, str, str] | None] = queue.SimpleQueue()
        self._channels = [EVERYBODY]
        self._heard = 0
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(work,), name=name, daemon=True)
            for name, work in (("hints out", self._send), ("hints in", self._receive))
        ]

    def start(self) -> None:
        """Begin to send and to receive."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Send what was handed in, and end."""
        self._stopping.set()
        self._outbox.put((self._channels[-1], "stop", ""))  # wakes the one that listens
        self._outbox.put(None)
        for thread in self._threads:
            if thread.ident is not None:  # what stops may never have been started
                thread.join()

    def listen_as(self, process_id: str) -> None:
        """Receive what is told to this process too."""
        self._channels = [*self._channels, channel_of(process_id)]

    def tell(self, process_id: str, kind: str, name: str) -> None:
        """Tell one process."""
        self._outbox.put((channel_of(process_id), kind, name))

    def tell_all(self, kind: str, name: str = "") -> None:
        """Tell every process, this one too."""
        self._outbox.put((EVERYBODY, kind, name))

    def _run(self, work: Callable[[Connection], None]) -> None:
        from psycopg import Error  # loaded only where the database is a PostgreSQL

        while True:
            try:
                with self._database.writing.connect() as connection:
                    work(connection.execution_options(isolation_level="AUTOCOMMIT"))
            except (SQLAlchemyError, Error) as error:
                log.warning("Hints to and from other processes are lost for a moment: %s", reason(error))
            if self._stopping.wait(WAIT):
                return

    def _send(self, connection: Connection) -> None:
        while True:
            first = self._outbox.get()
            waiting: dict[tuple[str, str], dict[str, None]] = {}
            item = first
            while item is not None:
                waiting.setdefault(item[:2], {})[item[2]] = None
                try:
                    item = self._outbox.get_nowait()
                except queue.Empty:
                    break
            for (channel, kind), names in waiting.items():
                every = list(names)
                for start in range(0, len(every), LONGEST):
                    payload = msgspec.json.encode([kind, *every[start : start + LONGEST]]).decode()
                    connection.execute(_notify, {"channel": channel, "payload": payload})
            if self._stopping.is_set() and self._outbox.empty():
                return

    def _receive(self, connection: Connection) -> None:
        session: Any = connection.connection.driver_connection
        heard: list[str] = []
        while not self._stopping.is_set():
            for channel in [channel for channel in self._channels if channel not in heard]:
                connection.exec_driver_sql(f'LISTEN "{channel}"')
                heard.append(channel)
                if self._heard and channel == EVERYBODY:
                    self._received("sweep", [])
                self._heard += 1
            for notification in session.notifies(timeout=WAIT, stop_after=1):
                kind, *names = msgspec.json.decode(notification.payload, type=list[str])
                self._received(kind, names)
