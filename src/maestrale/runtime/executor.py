"""Runs actions: asynchronous ones on an event loop of their own, blocking ones in threads, dynamic ones in
processes that the loop waits for.

What was handed in may run at once (its start is durable already) or wait in a queue; a queued action is
marked as started in the database before it runs, so that after a crash nothing that never ran counts as
lost, and nothing that may have run is run again without leave.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final, Protocol

import msgspec

from maestrale.actions.base import (
    ActionContext,
    result_of_error,
    result_of_timeout,
    result_of_value,
)
from maestrale.engine.execution import AdHocRun
from maestrale.model import states
from maestrale.model.actions import DYNAMIC, ActionFacts, ActionResult
from maestrale.model.security import SecurityContext
from maestrale.model.values import Json, concealed, marked_again, reveal
from maestrale.runtime.fairness import FairQueue
from maestrale.runtime.signals import Progress, RunningSignals
from maestrale.runtime.threads import Threads, as_exception
from maestrale.store.database import reason

log = logging.getLogger(__name__)

ASYNCHRONOUS: Final = 2000
"""Asynchronous actions that run at the same time."""

THREADS: Final = 16
"""Blocking actions that run at the same time."""

PROCESSES: Final = 4
"""Dynamic actions that run at the same time."""

ASK_AGAIN_AFTER: Final = 0.1
"""Seconds until an action may begin, perhaps, that could not while the lease was uncertain."""

LAST_WORDS: Final = 1.0
"""Seconds for what has to be done in any case when the executor stops."""

_STOPPED: Final = ActionResult(states.CANCELLED)


class ActionRun(msgspec.Struct, frozen=True):
    """One action execution to be run. `timeout` in seconds.

    `name` and `input` are what is really run; `adhoc`, for an ad-hoc action outside of workflows, says how
    its result is transformed. `process_id`: in whose name it is run; None if nobody else can know of it.
    `project_id`: with whose other actions it shares a turn where it has to wait for a place.
    `security_context`: under which id it is kept in whose name it runs, if the context does not say it.
    """

    action_id: str
    name: str
    input: dict[str, Json]
    context: ActionContext
    timeout: float | None = None
    execution_id: str | None = None
    waits_outside: bool = False
    adhoc: AdHocRun | None = None
    process_id: str | None = None
    project_id: str = ""
    security_context: str | None = None


class Runnable(Protocol):
    """What can be run. `run` gives a coroutine if it `is_async`; others want a thread."""

    is_async: bool
    facts: ActionFacts

    def run(self, context: ActionContext, given: dict[str, Json]) -> Any: ...


class ActionLookup(Protocol):
    """Finds actions by name."""

    def find(self, name: str) -> Runnable | None: ...


class StartRight(Protocol):
    """Says whether an action may begin in the name of a process: now, later, or (it `is_gone`) never."""

    def allows(self, process_id: str | None) -> bool: ...

    def is_gone(self, process_id: str | None) -> bool: ...


class _Lane:
    """One kind of capacity: how much is free, and who waits for it, projects in turn."""

    __slots__ = ("free", "waiting")

    def __init__(self, size: int) -> None:
        self.free = size
        self.waiting: FairQueue[ActionRun] = FairQueue()


class Executor:
    """One executor. `finished` is called on its event loop with every result; it must not block.

    `mark_started` makes the start of queued actions durable and gives back the ids that may still start.
    `lease` is asked before each start: in the name of a process that others may take for dead, nothing
    begins. `goes_on` is called on the event loop with actions that turn out to be completed from outside,
    `progressed` with what actions say, by their ids. `security` finds in whose name a run acts, by its
    `security_context`.
    Without a `loop` it has one of its own, in a thread; a given one is driven by whoever gave it.
    """

    def __init__(
        self,
        actions: ActionLookup,
        finished: Callable[[ActionRun, ActionResult], None],
        mark_started: Callable[[list[str]], Future[set[str]]],
        lease: StartRight,
        *,
        asynchronous: int = ASYNCHRONOUS,
        threads: int = THREADS,
        processes: int = PROCESSES,
        goes_on: Callable[[ActionRun], None],
        progressed: Callable[[dict[str, str]], None],
        loop: asyncio.AbstractEventLoop | None = None,
        security: Callable[[str], Future[SecurityContext | None]] | None = None,
    ) -> None:
        self._security = security
        self._goes_on = goes_on
        self._actions = actions
        self._finished = finished
        self._mark_started = mark_started
        self._lease = lease
        self._lock = threading.Lock()
        self._lanes = {"loop": _Lane(asynchronous), "threads": _Lane(threads), "processes": _Lane(processes)}
        self._threads = Threads()
        self._running: dict[str, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()
        self._marking: set[str] = set()
        self._cancelled: dict[str, bool] = {}
        """What was stopped and has not ended yet, and whether that is to be reported."""
        self._loop = loop or asyncio.new_event_loop()
        self._progress = Progress(self._loop, progressed)
        self._is_driven = loop is not None
        self._thread = threading.Thread(target=self._run_loop, name="executor", daemon=True)
        self._stopping = False
        self._is_woken = False

    def start(self) -> None:
        """Begin to take work."""
        if not self._is_driven:
            self._thread.start()

    def reserve(self, name: str) -> bool:
        """Take a place for an action that is about to be handed in as started; False if all are taken."""
        with self._lock:
            lane = self._lane(name)
            if lane.free <= 0 or lane.waiting or self._stopping:
                return False
            lane.free -= 1
            return True

    def give_back(self, name: str) -> None:
        """Free a reserved place that is not needed after all."""
        with self._lock:
            self._lane(name).free += 1
        self._wake()

    def run(self, run: ActionRun) -> None:
        """Run an action whose start is durable and whose place is reserved."""
        self._post(self._begin, run)

    def enqueue(self, run: ActionRun) -> None:
        """Run an action when there is a place."""
        with self._lock:
            self._lane(run.name).waiting.add(run.project_id, run.action_id, run)
        self._wake()

    def cancel(self, action_id: str, reports: bool = False) -> None:
        """Stop an action if it still runs or waits. Its end is reported (CANCELLED) only if it `reports`."""
        self._post(self._cancel, action_id, reports)

    def abandon(self, keep: Callable[[str], bool]) -> None:
        """Stop what runs and forget what waits, but for actions to `keep`; others see to it."""
        for action_id in self.active:
            if not keep(action_id):
                self.cancel(action_id)

    @property
    def active(self) -> set[str]:
        """The action executions that wait here for a place, or run."""
        with self._lock:
            waiting = {action_id for lane in self._lanes.values() for action_id in lane.waiting}
        return waiting | self._marking | set(self._running)

    def close_entrance(self) -> None:
        """Start nothing more: no place can be reserved, and what waits stays queued in the database."""
        with self._lock:
            self._stopping = True

    def stop(self, grace: float) -> int:
        """Give running actions `grace` seconds, then abandon them; how many were."""
        self.close_entrance()
        if not self._thread.is_alive():
            return 0
        abandoned = asyncio.run_coroutine_threadsafe(self._drain(grace), self._loop).result()
        self._post(self._loop.stop)
        self._thread.join()
        return abandoned

    def _post(self, job: Callable[..., object], *args: object) -> None:
        """Have something done on the loop; after the end nothing is to be done any more."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(job, *args)

    def _run_loop(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.close()

    def _lane(self, name: str) -> _Lane:
        if name.startswith(DYNAMIC):
            return self._lanes["processes"]
        action = self._actions.find(name)
        return self._lanes["loop" if action is None or action.is_async else "threads"]

    def _begin(self, run: ActionRun) -> None:
        task = self._loop.create_task(self._execute(run))
        self._running[run.action_id] = task
        task.add_done_callback(lambda task: self._ended(run, task.cancelled()))

    def _ended(self, run: ActionRun, was_stopped: bool) -> None:
        self._running.pop(run.action_id, None)
        if self._cancelled.pop(run.action_id, False) and was_stopped:
            self._finished(run, _STOPPED)
        with self._lock:
            self._lane(run.name).free += 1
        self._changed.set()
        self._wake()

    def _cancel(self, action_id: str, reports: bool) -> None:
        task = self._running.get(action_id)
        if task is not None:
            self._cancelled[action_id] = reports
            task.cancel()
            return
        waiting = self._remove_waiting(action_id)
        if waiting is not None and reports:
            self._finished(waiting, _STOPPED)
        elif action_id in self._marking:
            self._cancelled[action_id] = reports

    def _remove_waiting(self, action_id: str) -> ActionRun | None:
        with self._lock:
            for lane in self._lanes.values():
                run = lane.waiting.remove(action_id)
                if run is not None:
                    return run
        return None

    def _wake(self) -> None:
        """Have waiting actions taken soon; what happens until then is seen to in one go."""
        with self._lock:
            if self._is_woken:
                return
            self._is_woken = True
        self._post(self._take_waiting)

    def _take_waiting(self) -> None:
        """Reserve places for waiting actions and have their start made durable, all in one write."""
        with self._lock:
            self._is_woken = False
            if self._stopping:
                return
            taken: list[ActionRun] = []
            for lane in self._lanes.values():
                while lane.free > 0 and lane.waiting:
                    lane.free -= 1
                    taken.append(lane.waiting.pop())
        if taken:
            action_ids = [run.action_id for run in taken]
            self._marking.update(action_ids)
            future = self._mark_started(action_ids)
            future.add_done_callback(lambda done: self._post(self._begin_marked, taken, done))

    def _begin_marked(self, runs: list[ActionRun], marked: Future[set[str]]) -> None:
        error = marked.exception()
        self._marking.difference_update(run.action_id for run in runs)
        self._changed.set()
        if error is not None:
            log.warning("The start of %d actions could not be stored: %s", len(runs), reason(error))
            with self._lock:
                for run in reversed(runs):
                    lane = self._lane(run.name)
                    lane.free += 1
                    lane.waiting.add_first(run.project_id, run.action_id, run)
            self._loop.call_later(1, self._take_waiting)
            return
        allowed = marked.result()
        for run in runs:
            if run.action_id in allowed and run.action_id not in self._cancelled:
                self._begin(run)
            else:
                self._ended(run, was_stopped=run.action_id in allowed)

    async def _execute(self, run: ActionRun) -> None:
        while not self._lease.allows(run.process_id):
            if self._lease.is_gone(run.process_id):
                return  # others see to it
            await asyncio.sleep(ASK_AGAIN_AFTER)
        result = _without_secrets(await self._result(run), run.input)
        self._progress.forget(run.action_id)
        if result.state == states.RUNNING:
            self._goes_on(run)
        elif not (run.waits_outside and result.state == states.SUCCESS):
            self._finished(run, result)

    async def _result(self, run: ActionRun) -> ActionResult:
        action = self._actions.find(run.name)
        if action is None:
            error = LookupError(f"the action '{run.name}' is not installed here")
            return result_of_error(error, run.name, run.action_id)
        title = action.facts.title or run.name
        silence = action.facts.heartbeat
        try:
            async with asyncio.timeout(run.timeout) as limit, asyncio.timeout(silence) as patience:
                value = await self._call(action, run, patience)
            return result_of_value(value, run.name, run.action_id)
        except TimeoutError as error:
            if run.timeout is not None and limit.expired():
                return result_of_timeout(run.timeout)
            if silence is not None and patience.expired():
                return ActionResult(
                    states.ERROR,
                    f"Heartbeat wasn't received. The action said nothing for {silence:g} seconds",
                )
            return result_of_error(error, title, run.action_id)
        except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001 - it is the action's result
            return result_of_error(as_exception(error), title, run.action_id)

    async def _call(self, action: Runnable, run: ActionRun, patience: asyncio.Timeout) -> object:
        given: dict[str, Json] = reveal(run.input)
        silence = action.facts.heartbeat

        def said(message: str) -> None:
            self._progress.note(run.action_id, str(concealed(message, run.input)))

        def beat() -> None:
            if silence is not None:
                with contextlib.suppress(RuntimeError):  # it has just ended
                    patience.reschedule(self._loop.time() + silence)

        signals = RunningSignals(self._loop, said, beat)
        security = run.context.security or SecurityContext(project_id=run.project_id or None)
        if run.security_context is not None and self._security is not None and action.facts.acts_for_caller:
            kept = await asyncio.wrap_future(self._security(run.security_context))
            security = kept or security
        context = msgspec.structs.replace(run.context, signals=signals, security=security)
        try:
            if action.is_async:
                return await action.run(context, given)
            return await self._threads.run(action.run, context, given)
        finally:
            signals.is_cancelled = True

    async def _drain(self, grace: float) -> int:
        """Wait for what runs; and before that for starts that are being made durable, for they count."""
        await self._while(lambda: bool(self._marking), max(grace, LAST_WORDS))
        await self._while(lambda: bool(self._running), grace)
        left = list(self._running.values())
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=LAST_WORDS)
        from maestrale.actions.std import close

        await close()
        return len(left)

    async def _while(self, condition: Callable[[], bool], seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while condition():
                    self._changed.clear()
                    await self._changed.wait()


def _without_secrets(result: ActionResult, given: Json) -> ActionResult:
    """The same result: the text of an error may quote what was given, but no secret; and what else came back
    with a secret in it is one."""
    if result.state == "ERROR" and isinstance(result.result, str):
        return ActionResult(result.state, concealed(result.result, given))
    return ActionResult(result.state, marked_again(result.result, given))
