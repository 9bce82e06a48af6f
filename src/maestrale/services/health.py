"""Whether this process can do its work, for those who send it requests or would start it anew."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from concurrent.futures import Future
from typing import Final

import msgspec

from maestrale.runtime.engine import Engine
from maestrale.runtime.lease import Lease
from maestrale.services.watching import Watching
from maestrale.store.database import Database, reason
from maestrale.store.schema import HEAD, is_current

PATIENCE: Final = 2.0
"""Seconds within which the database answers."""

LONGEST_COMMIT: Final = 30.0
"""Seconds; a writer that is at one longer is stuck."""


class Health(msgspec.Struct, frozen=True):
    """What is wrong with each part; an empty text where nothing is."""

    database: str = ""
    schema: str = ""
    writer: str = ""
    engine: str = ""

    @property
    def is_ready(self) -> bool:
        """Whether nothing is wrong."""
        return not any(msgspec.structs.astuple(self))


class Readiness:
    """Looks at the parts of the service. `engines`: the ids of the engines elsewhere."""

    def __init__(
        self,
        database: Database,
        engine: Engine,
        lease: Lease,
        watching: Watching,
        engines: Callable[[], Collection[str]],
    ) -> None:
        self._database = database
        self._engine = engine
        self._lease = lease
        self._watching = watching
        self._engines = engines
        self._reading: Future[bool] | None = None

    async def look(self) -> Health:
        """How everything is now. It takes no longer than `PATIENCE`."""
        database, schema = await self._look_at_database()
        writes = self._database.keeps_writing(LONGEST_COMMIT)
        return Health(
            database=database,
            schema=schema,
            writer="" if writes else f"Nothing was committed for {LONGEST_COMMIT:.0f} s",
            engine=self._look_at_engine(),
        )

    async def _look_at_database(self) -> tuple[str, str]:
        # Whoever asks while an answer is due waits for that one: a database that hangs is not asked again.
        if self._reading is None or self._reading.done():
            self._reading = self._database.read(is_current)
        looking = asyncio.wrap_future(self._reading)
        await asyncio.wait([looking], timeout=PATIENCE)
        unknown = "It cannot be read"
        if not looking.done():
            return f"It has not answered for {PATIENCE:.0f} s", unknown
        error = looking.exception()
        if error is not None:
            return f"It refuses: {reason(error)}", unknown
        return "", "" if looking.result() else f"It is not at the revision {HEAD}, which this version needs"

    def _look_at_engine(self) -> str:
        if self._watching.is_closed:
            return "The service is stopping"
        if not self._lease.holds():
            return "This process has lost its lease"
        if self._engine.decides:
            return "" if self._engine.loop.is_alive else "It does not run"
        return "" if self._engines() else "No engine works on this database"
