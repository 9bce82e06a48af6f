"""Use cases around the service itself."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from maestrale.model import maintenance
from maestrale.model.errors import BadRequest
from maestrale.model.listing import Row
from maestrale.model.maintenance import Status
from maestrale.model.values import Json
from maestrale.runtime.maintenance import Keeper
from maestrale.services.access import Caller, authorise
from maestrale.services.waiting import Clock, outcome
from maestrale.store.database import Database
from maestrale.store.leases import neighbours


class Operations:
    """How the service is."""

    def __init__(
        self, database: Database, keeper: Keeper, clock: Clock, *, info_file: Path | None = None
    ) -> None:
        """`info_file`: what `info` shows, None where that is not wanted."""
        self._info_file = info_file
        self._database = database
        self._keeper = keeper
        self._clock = clock

    async def services(self, caller: Caller) -> list[Row]:
        """Every process that works on this database, once for each of its roles."""
        authorise(caller, "services:list")
        found = await outcome(self._database.read(neighbours, self._clock()))
        return [
            {"id": one.id, "name": f"{one.host}:{one.pid}", "type": role, "address": one.address}
            for one in found
            for role in one.roles.split(",")
            if not one.gone
        ]

    async def info(self) -> Json:
        """What the operator says about this service. BadRequest if there is nothing."""
        file = self._info_file
        if file is None:
            raise BadRequest("Info endpoint disabled.")
        try:
            found: Json = msgspec.json.decode(await asyncio.to_thread(file.read_bytes))
        except (OSError, msgspec.DecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else f"it is no JSON: {error}"
            raise BadRequest(f"The file {file.name} for /info cannot be read: {why}") from None
        return found

    async def status(self) -> Status:
        """Whether the service runs, is coming to rest for maintenance, or rests."""
        known = self._keeper.known
        return await outcome(self._keeper.read()) if known is None else known

    async def set_status(self, caller: Caller, wanted: str | None) -> Status:
        """Begin (PAUSED) or end (RUNNING) maintenance; the status is PAUSING while tasks still run."""
        authorise(caller, "maintenance:update")
        if wanted not in (maintenance.RUNNING, maintenance.PAUSED):
            raise BadRequest(
                f"Invalid maintenance status: {wanted}",
                f"it can be set to {maintenance.PAUSED} or {maintenance.RUNNING}",
            )
        return await outcome(self._keeper.change(wanted == maintenance.PAUSED))
