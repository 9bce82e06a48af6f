"""Use cases around the service itself."""

from __future__ import annotations

from sqlalchemy import Connection, select

from maestrale.services.waiting import outcome
from maestrale.store.database import Database
from maestrale.store.tables import processes


class Operations:
    """How the service is."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def check(self) -> None:
        """Answer if the database can be read. Unavailable if it refuses."""
        await outcome(self._database.read(_probe))


def _probe(connection: Connection) -> None:
    connection.execute(select(processes.c.id).limit(1)).first()
