"""Having something done later, in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable

Later = Callable[[float, Callable[[], None]], None]
"""Calls a function once, after so many seconds, in whatever thread."""


def in_a_thread(seconds: float, job: Callable[[], None]) -> None:
    """Call `job` after `seconds`; it does not keep the process alive."""
    timer = threading.Timer(seconds, job)
    timer.daemon = True
    timer.start()


def growing_pause(attempts: int, first: float, longest: float) -> float:
    """Seconds to wait after so many tries in vain: twice as long each time, up to `longest`."""
    return min(first * 2.0 ** min(attempts, 100), longest)  # beyond any number of tries that is a float
