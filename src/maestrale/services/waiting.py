"""Waiting for the threads below without blocking the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from maestrale.model.errors import Unavailable
from maestrale.model.values import Microseconds
from maestrale.store.database import is_unusable
from maestrale.store.leases import LeaseLost

T = TypeVar("T")

Clock = Callable[[], Microseconds]
"""The time that all processes of a database go by."""


async def outcome(future: Future[T]) -> T:
    """The result of a unit of work or an engine request.

    Raises what it raised, but Unavailable where the database itself refused, or this process was taken for
    dead: then nothing was done.
    """
    try:
        return await asyncio.wrap_future(future)
    except LeaseLost:
        raise Unavailable(
            "This process was taken for dead and is beginning anew", "try again in a moment"
        ) from None
    except Exception as error:
        if is_unusable(error):
            raise Unavailable(
                f"The database refused: {getattr(error, 'orig', error)}",
                "is the disk full, or the file locked or read-only?",
            ) from error
        raise
