"""This process among those that work on its database: how it comes, how it stays, how it goes."""

from __future__ import annotations

import logging
import uuid
from typing import Any, Final, Protocol

from sqlalchemy.exc import DBAPIError

from maestrale.model.errors import MaestraleError
from maestrale.runtime.engine import Engine
from maestrale.runtime.lease import Lease, Membership, system_clock
from maestrale.runtime.machine import has_ended
from maestrale.runtime.recovery import look_around, recover
from maestrale.runtime.timers import in_a_thread
from maestrale.store import leases
from maestrale.store.database import Database, is_unusable, reason
from maestrale.store.lock import DatabaseLock
from maestrale.store.wakeups import Wakeups

log = logging.getLogger(__name__)

ENGINE: Final = "engine"


class Presence(Protocol):
    """The ways of being there."""

    def begin(self, row: dict[str, Any], engine: Engine, *, takes_up: bool) -> None:
        """Register as `row` says and start the engine, which goes on with what others left if `takes_up`."""

    def end(self) -> None:
        """Take this process off the list."""


class Alone:
    """The only process of a database file: whatever others left is this one's."""

    def __init__(self, database: Database, lock: DatabaseLock, lease: Lease) -> None:
        self._database = database
        self._lock = lock
        self._lease = lease

    def begin(self, row: dict[str, Any], engine: Engine, *, takes_up: bool) -> None:
        """Register, and start the engine."""
        self._lock.announce(row["address"])
        row = {**row, "id": self._lease.process_id}
        self._database.write(leases.register_alone, row, system_clock()).result()
        engine.start()
        if takes_up:
            recover(self._database, engine)

    def end(self) -> None:
        """Take this process off the list, and let the file go."""
        _tell(self._database, self._lease.process_id)
        self._database.close()
        self._lock.release()


class AmongOthers:
    """One of any number of processes on a server's database, each with a lease."""

    def __init__(self, database: Database, lease: Lease) -> None:
        self._database = database
        self._lease = lease
        self._membership: Membership | None = None
        self.hints = Wakeups(database, self._received)
        self._engine: Engine | None = None

    def engines(self) -> list[str]:
        """The ids of the engines that are here, as far as is known."""
        neighbours = [] if self._membership is None else self._membership.neighbours
        return [other.id for other in neighbours if ENGINE in other.roles.split(",")]

    def begin(self, row: dict[str, Any], engine: Engine, *, takes_up: bool) -> None:
        """Register, renew the lease from now on, and start the engine."""
        self._engine = engine
        takes_up = takes_up and engine.decides

        def found_gone(process_ids: list[str]) -> None:
            if not takes_up:
                return
            try:
                recover(self._database, engine, process_ids)
            except (DBAPIError, MaestraleError, leases.LeaseLost) as error:
                log.warning(
                    "What dead processes left cannot be taken up, the next try follows: %s", reason(error)
                )

        def reborn() -> None:
            self.hints.listen_as(self._lease.process_id)
            engine.reborn()

        self._membership = Membership(
            self._database, self._lease, row, lambda: str(uuid.uuid4()), in_a_thread, has_ended,
            found_gone, reborn,
        )  # fmt: skip
        self._membership.join()
        self._database.guard = lambda connection: leases.hold(connection, self._lease.process_id)
        self.hints.listen_as(self._lease.process_id)
        self.hints.start()
        engine.start()
        self._membership.beat()
        if takes_up:
            look_around(self._database, engine)

    def end(self) -> None:
        """Take this process off the list; what it has left is taken up by others."""
        self.hints.stop()
        if self._membership is not None:
            self._membership.stop()
        self._database.guard = None
        _tell(self._database, self._lease.process_id)
        self._database.close()

    def _received(self, kind: str, names: list[str]) -> None:
        if self._engine is not None:
            self._engine.received(kind, names)


def _tell(database: Database, process_id: str) -> None:
    try:
        database.write(leases.unregister, process_id).result()
    except DBAPIError as error:
        if not is_unusable(error):
            raise
        log.warning("The database does not hear that this process ends: %s", reason(error))
