"""Threads for blocking actions, which can be left behind: Python cannot end a thread from outside."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

from maestrale.actions.signals import Interrupted

T = TypeVar("T")


class Threads:
    """Runs functions in threads that are used again, and keep no process alive. How many is up to others."""

    def __init__(self) -> None:
        self._idle: list[_Worker] = []
        self._lock = threading.Lock()

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """What a function returns or raises.

        Cancelled, this ends at once, and the function is interrupted: `Interrupted` is raised in it as soon
        as it runs Python code; what blocks in another language ends first.
        """
        with self._lock:
            worker = self._idle.pop() if self._idle else _Worker(self._free)
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        worker.begin(done, lambda: function(*arguments))
        try:
            return await done
        except asyncio.CancelledError:
            worker.interrupt()
            raise

    def _free(self, worker: _Worker) -> None:
        with self._lock:
            self._idle.append(worker)


class _Worker:
    """One thread. It ends with the function that was interrupted in it."""

    def __init__(self, free: Callable[[_Worker], None]) -> None:
        self._free = free
        self._work: SimpleQueue[tuple[asyncio.Future[Any], Callable[[], Any]]] = SimpleQueue()
        self._lock = threading.Lock()
        self._is_busy = False
        self._is_left = False
        self._thread = threading.Thread(target=self._run, name="action", daemon=True)
        self._thread.start()

    def begin(self, done: asyncio.Future[Any], function: Callable[[], Any]) -> None:
        """Run a function; the future, of the running event loop, gets what comes of it."""
        self._is_busy = True
        self._work.put((done, function))

    def interrupt(self) -> None:
        """Stop what runs, if anything does."""
        import ctypes  # few processes ever need it

        with self._lock:
            if not self._is_busy or self._thread.ident is None:
                return
            self._is_left = True
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(self._thread.ident), ctypes.py_object(Interrupted)
            )

    def _run(self) -> None:
        with contextlib.suppress(Interrupted):  # it may come when the function has just ended
            while not self._is_left:
                self._next()

    def _next(self) -> None:
        done, function = self._work.get()
        value, error = None, None
        try:
            value = function()
        except Interrupted:
            return
        except BaseException as failure:  # noqa: BLE001 - it belongs to whoever waits
            error = as_exception(failure)
        with self._lock:
            self._is_busy = False
        if not self._is_left:
            with contextlib.suppress(RuntimeError):  # the loop may be closed
                done.get_loop().call_soon_threadsafe(_settle, done, value, error)
            self._free(self)


def as_exception(error: BaseException) -> Exception:
    """The same error, or one that stands for what would end more than the action."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    return RuntimeError(f"it raised {type(error).__name__}: {error}")


def _settle(done: asyncio.Future[Any], value: object, error: Exception | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(value)
    else:
        done.set_exception(error)
