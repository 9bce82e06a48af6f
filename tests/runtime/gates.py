"""Actions that tests hold in their hands: they begin, and end when the test says so."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future

from maestrale.actions.base import ActionContext, action
from maestrale.model.values import Json

PATIENCE = 20.0


class Gate:
    """The asynchronous action `test.gate`, optionally with a `label`.

    It returns what the test passes to `open`. `contexts` are those of the calls so far.
    """

    def __init__(self, *, repeatable: bool = False, waits_outside: bool = False) -> None:
        self.contexts: list[ActionContext] = []
        self.labels: list[Json] = []
        self.cancelled: list[str] = []
        self._begun = threading.Semaphore(0)
        self._waiting: dict[str, Future[Json]] = {}
        self._lock = threading.Lock()

        @action("test.gate", repeatable=repeatable, waits_outside=waits_outside)
        async def gate(context: ActionContext, label: Json = None) -> Json:
            """Wait until the test opens the gate."""
            future: Future[Json] = Future()
            with self._lock:
                self.contexts.append(context)
                self.labels.append(label)
                self._waiting[context.action_execution_id] = future
            self._begun.release()
            try:
                return await asyncio.wrap_future(future)
            except asyncio.CancelledError:
                self.cancelled.append(context.action_execution_id)
                raise

        self.action = gate

    def wait(self, calls: int = 1) -> None:
        """Return when the action has been called that often more."""
        for _ in range(calls):
            assert self._begun.acquire(timeout=PATIENCE), "the action was not called"

    def open(self, result: Json = None) -> None:
        """Let everybody through who waits now."""
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_result(result)

    def open_one(self, action_id: str, result: Json = None) -> None:
        """Let one action execution through."""
        with self._lock:
            future = self._waiting.pop(action_id)
        future.set_result(result)

    def fail(self, error: Exception) -> None:
        """The same, but the action raises."""
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            future.set_exception(error)


class BlockingGate:
    """The blocking action `test.block`: it occupies a thread until the test opens the gate."""

    def __init__(self) -> None:
        self.labels: list[Json] = []
        self.most = 0
        self._inside = 0
        self._begun = threading.Semaphore(0)
        self._open = threading.Event()
        self._lock = threading.Lock()

        @action("test.block")
        def block(label: Json = None) -> Json:
            """Block a thread until the test opens the gate."""
            with self._lock:
                self.labels.append(label)
                self._inside += 1
                self.most = max(self.most, self._inside)
            self._begun.release()
            self._open.wait(PATIENCE)
            with self._lock:
                self._inside -= 1
            return label

        self.action = block

    def wait(self, calls: int = 1) -> None:
        """Return when the action has been called that often more."""
        for _ in range(calls):
            assert self._begun.acquire(timeout=PATIENCE), "the action was not called"

    def open(self) -> None:
        """Let everybody through, from now on."""
        self._open.set()
