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
U = TypeVar("U")

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


def then(first: Future[T], second: Callable[[T], Future[U]]) -> Future[U]:
    """The result of what `second` begins with the result of `first`, in the thread that has it: the event
    loop is woken once for both. What either raises is raised by the future."""
    both: Future[U] = Future()
    both.set_running_or_notify_cancel()

    def hand_on(done: Future[U]) -> None:
        error = done.exception()
        if error is None:
            both.set_result(done.result())
        else:
            both.set_exception(error)

    def begin(done: Future[T]) -> None:
        error = done.exception()
        if error is not None:
            both.set_exception(error)
            return
        try:
            second(done.result()).add_done_callback(hand_on)
        except Exception as refusal:  # noqa: BLE001 - it belongs to whoever waits
            both.set_exception(refusal)

    first.add_done_callback(begin)
    return both
