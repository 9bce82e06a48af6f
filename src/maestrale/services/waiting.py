"""Waiting for the threads below without blocking the event loop."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import Future
from typing import TypeVar

from maestrale.model.errors import Unavailable
from maestrale.model.values import Microseconds
from maestrale.store.database import is_unusable

T = TypeVar("T")


async def outcome(future: Future[T]) -> T:
    """The result of a unit of work or an engine request.

    Raises what it raised, but Unavailable where the database itself refused.
    """
    try:
        return await asyncio.wrap_future(future)
    except Exception as error:
        if is_unusable(error):
            raise Unavailable(
                f"The database refused: {getattr(error, 'orig', error)}",
                "is the disk full, or the file locked or read-only?",
            ) from error
        raise


def now() -> Microseconds:
    """The time of this machine."""
    return time.time_ns() // 1000
