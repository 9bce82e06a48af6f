"""An asyncio event loop whose time is virtual and which does something only when it is told to."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import weakref
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Any, TypeVarTuple, Unpack

from maestrale.model.values import Microseconds

_SECOND = 1_000_000

Ts = TypeVarTuple("Ts")


class VirtualLoop(asyncio.AbstractEventLoop):
    """Enough of an event loop for tasks, futures, sleeps and time-outs. There is no I/O in it."""

    def __init__(self, clock: Callable[[], Microseconds]) -> None:
        self._clock = clock
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._order = itertools.count()
        self._tasks: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()

    # -- for whoever drives it

    @property
    def has_work(self) -> bool:
        """Whether something can be done now."""
        return bool(self._ready) or (self.next_timer is not None and self.next_timer <= self._clock())

    @property
    def next_timer(self) -> Microseconds | None:
        """When the next timer is due."""
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)
        # Rounded up: a timer that is due at this time must find that it is.
        return -int(-self._timers[0][0] * _SECOND // 1) if self._timers else None

    def run_ready(self) -> None:
        """Do what can be done now, without what follows from it."""
        while self._timers and self._timers[0][0] <= self.time():
            _, _, timer = heapq.heappop(self._timers)
            self._ready.append(timer)
        asyncio._set_running_loop(self)
        try:
            for _ in range(len(self._ready)):
                handle = self._ready.popleft()
                if not handle.cancelled():
                    handle._run()
        finally:
            asyncio._set_running_loop(None)

    def abandon(self) -> None:
        """The process is gone: nothing of what was begun goes on."""
        self._ready.clear()
        self._timers.clear()
        for task in list(self._tasks):
            coroutine = task.get_coro()
            if not task.done() and coroutine is not None:
                coroutine.close()

    # -- what asyncio asks of a loop

    def time(self) -> float:
        return self._clock() / _SECOND

    def call_soon(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._order), handle))
        return handle

    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        task = asyncio.Task(coro, loop=self, **options)
        self._tasks.add(task)
        return task

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def get_debug(self) -> bool:
        return False

    def is_closed(self) -> bool:
        return False

    def is_running(self) -> bool:
        return asyncio._get_running_loop() is self

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Asked of every loop; cancelled timers are dropped when their time comes."""

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Bugs come out; that a crashed process leaves tasks behind is how it should be."""
        if "exception" in context:
            raise RuntimeError(context["message"]) from context["exception"]
