"""Following an execution: what has happened in it, and what happens, until it is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from maestrale.model.history import History
from maestrale.services.access import Caller, authorise
from maestrale.services.waiting import outcome
from maestrale.services.watching import Places, Watching
from maestrale.store.database import Database
from maestrale.store.history import read_history

HEARTBEAT: Final = 15.0
"""Seconds after which a follower hears something although nothing has happened."""

PACE: Final = 0.05
"""Seconds between two looks for one follower: what happens meanwhile is seen with the next one."""


class Events:
    """The ordered history of executions. `most`: so many may be followed at the same time."""

    def __init__(self, database: Database, watching: Watching, most: int) -> None:
        self._database = database
        self._watching = watching
        self._places = Places(most, "event streams")

    async def follow(
        self, caller: Caller, execution_id: str, after: int
    ) -> AsyncGenerator[History | None, None]:
        """What has happened after the event `after`, then what happens, each event once and in order.

        None where nothing has happened for a while. It ends with a history that `is_over`, or earlier when
        the service stops. Nothing is kept for who reads slowly: the next part is read when it is asked for.

        NotFound if there is no such execution (any more), `TooManyRequests` or `Unavailable` if too many are
        followed already.
        """
        authorise(caller, "executions:get")
        with self._places.taken(caller.project_id), self._watching.signal(execution_id) as signal:
            while True:
                signal.clear()
                reading = self._database.read(read_history, caller.viewer, execution_id, after)
                history = await outcome(reading)
                after = history.last
                yield history
                if history.is_over:
                    return
                if self._watching.is_closed:
                    return
                if not history.has_more:
                    await asyncio.sleep(PACE)
                    while not await signal.wait(HEARTBEAT):
                        yield None
