"""One process of the simulated service: a real engine with its executor, without threads."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from maestrale.actions.base import Action, ActionContext
from maestrale.actions.registry import Registry
from maestrale.actions.std import basic
from maestrale.engine.decision import Limits
from maestrale.model.actions import ActionResult
from maestrale.model.values import Microseconds
from maestrale.runtime.engine import Engine
from maestrale.runtime.evaluator import InPlace
from maestrale.runtime.executor import ActionRun
from maestrale.runtime.lease import Lease
from maestrale.runtime.upkeep import Upkeep
from maestrale.simulation.database import Disk, SimulatedDatabase
from maestrale.simulation.event_loop import VirtualLoop
from maestrale.simulation.script import Script, make_actions
from maestrale.store.database import Unit

_SECOND = 1_000_000

PLACES = 4
"""Asynchronous actions that a simulated executor runs at the same time: few, so that some have to queue."""


class Surroundings(Protocol):
    """What a process needs of the world around it."""

    disk: Disk
    script: Script

    def clock(self) -> Microseconds: ...

    def entropy(self) -> int: ...

    def noted(self, units: list[Unit]) -> None: ...

    def started(self, process_id: str, context: ActionContext, name: str) -> None: ...

    def postpone(self, run: ActionRun) -> tuple[float, ...]: ...


class Step(NamedTuple):
    """Something that can happen next."""

    kind: str
    detail: str
    act: Callable[[], None]


class SimulatedProcess:
    """A process from its start to its crash. Everything it holds is lost then."""

    def __init__(self, process_id: str, world: Surroundings, limits: Limits) -> None:
        self.id = process_id
        self.stalled_until: Microseconds = 0
        self.on_the_way: list[str] = []
        """Action executions whose results have been postponed."""
        self._world = world
        self._timers: list[tuple[Microseconds, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self.database = SimulatedDatabase(world.disk, world.noted)
        self.event_loop = VirtualLoop(world.clock)  # type: ignore[abstract] # there is no I/O in it
        self.registry = registry = Registry()
        for known in (*_STANDARD, *make_actions(world.script, asyncio.sleep, self._started)):
            registry.add(known)
        self.engine = _Engine(
            self._deliver,
            self.database,
            registry,
            Lease(process_id),
            limits=limits,
            clock=world.clock,
            entropy=world.entropy,
            asynchronous=PLACES,
            later=self._later,
            event_loop=self.event_loop,
            evaluator=InPlace(),
        )
        self.engine.executor.start()
        self.upkeep = Upkeep(self.database, self.engine, world.clock, self._later)
        self.upkeep.start()

    def steps(self) -> list[Step]:
        """What this process could do now."""
        found = []
        alarm = self.engine.loop.next_alarm
        if self.engine.loop.has_work or (alarm is not None and alarm <= self._world.clock()):
            found.append(Step("turn", self.id, self.engine.loop.turn))
        if self.database.reads:
            found.append(Step("read", self.id, lambda: self.database.run_read(0)))
        if self.database.writes:
            found.append(Step("commit", self.id, self.database.commit))
        if self.event_loop.has_work:
            found.append(Step("executor", self.id, self.event_loop.run_ready))
        if self._timers and self._timers[0][0] <= self._world.clock():
            found.append(Step("timer", self.id, self._ring))
        return found

    def next_time(self) -> Microseconds | None:
        """When this process will have something to do by itself."""
        timer = self._timers[0][0] if self._timers else None
        times = [self.engine.loop.next_alarm, self.event_loop.next_timer, timer]
        return min((at for at in times if at is not None), default=None)

    @property
    def active(self) -> set[str]:
        """The action executions that this process has in its hands."""
        return self.engine.executor.active | set(self.on_the_way)

    def _later(self, seconds: float, job: Callable[[], None]) -> None:
        at = self._world.clock() + round(seconds * _SECOND)
        heapq.heappush(self._timers, (at, next(self._order), job))

    def _ring(self) -> None:
        heapq.heappop(self._timers)[2]()

    def _started(self, context: ActionContext, name: str) -> None:
        self._world.started(self.id, context, name)

    def _deliver(self, run: ActionRun, deliver: Callable[[], None]) -> None:
        """A result arrives at once, late, or more than once."""

        def arrive() -> None:
            self.on_the_way.remove(run.action_id)
            deliver()

        for seconds in self._world.postpone(run):
            if seconds:
                self.on_the_way.append(run.action_id)
                self._later(seconds, arrive)
            else:
                deliver()


class _Engine(Engine):
    """An engine whose action results take the way that the simulation gives them."""

    def __init__(
        self, way: Callable[[ActionRun, Callable[[], None]], None], *args: object, **options: object
    ) -> None:
        self._way = way
        super().__init__(*args, **options)  # type: ignore[arg-type]

    def _action_done(self, run: ActionRun, result: ActionResult) -> None:
        deliver = super()._action_done
        self._way(run, lambda: deliver(run, result))


_STANDARD: tuple[Action[..., Any], ...] = (basic.noop, basic.echo, basic.fail, basic.async_noop)
