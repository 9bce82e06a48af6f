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
