"""Work in several steps of which each waits for the one before, without a thread that waits."""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from maestrale.runtime.timers import Later

T = TypeVar("T")

Steps = Generator[Future[Any], Any, T]
"""Yields what it waits for, gets its result (or its error, raised there), and returns the result of all."""


def carry_out(steps: Steps[T]) -> Future[T]:
    """Begin at once; each further step runs in the thread that brought about what it waited for."""
    result: Future[T] = Future()
    result.set_running_or_notify_cancel()
    first: Future[None] = Future()
    first.set_result(None)

    def go_on(done: Future[Any]) -> None:
        error = done.exception()
        try:
            waiting = steps.send(done.result()) if error is None else steps.throw(error)
        except StopIteration as end:
            result.set_result(end.value)
        except BaseException as failure:  # noqa: BLE001 - it belongs to whoever waits for the result
            result.set_exception(failure)
        else:
            waiting.add_done_callback(go_on)

    go_on(first)
    return result


def all_done(futures: Sequence[Future[Any]]) -> Future[None]:
    """Something to wait for that happens when all of these have ended, in whatever way."""
    over: Future[None] = Future()
    over.set_running_or_notify_cancel()
    left = [len(futures)]
    lock = threading.Lock()

    def ended(_: Future[Any]) -> None:
        with lock:
            left[0] -= 1
            is_last = not left[0]
        if is_last:
            over.set_result(None)

    if not futures:
        over.set_result(None)
    for future in futures:
        future.add_done_callback(ended)
    return over


def pause(later: Later, seconds: float) -> Future[None]:
    """Something to wait for that happens in so many seconds."""
    over: Future[None] = Future()
    over.set_running_or_notify_cancel()
    later(seconds, lambda: over.set_result(None))
    return over
