"""The scheduler of a simulation: one seeded generator chooses what happens next."""

from __future__ import annotations

import hashlib
import random
from typing import Final, NamedTuple

from maestrale.actions.base import ActionContext
from maestrale.engine.decision import Limits
from maestrale.model.values import Microseconds
from maestrale.runtime.executor import ActionRun
from maestrale.runtime.recovery import recover
from maestrale.simulation.checks import Checks, Violation
from maestrale.simulation.database import Disk
from maestrale.simulation.laws import Laws
from maestrale.simulation.people import People
from maestrale.simulation.process import SimulatedProcess, Step
from maestrale.simulation.script import Script
from maestrale.store.database import Unit
from maestrale.store.executions import write_executions
from maestrale.store.rows import ExecutionRows

SECOND: Final = 1_000_000
START: Final = 1_800_000_000 * SECOND


class Faults(NamedTuple):
    """How likely what goes wrong is, at each step or occasion."""

    crash: float = 0.003
    stall: float = 0.002
    refused: float = 0.02
    answer_lost: float = 0.02
    late: float = 0.08
    doubled: float = 0.04
    reorder: float = 0.3
    hint_lost: float = 0.05


SOME_FAULTS: Final = Faults()
NO_FAULTS: Final = Faults(0, 0, 0, 0, 0, 0, 0, 0)

BEAT: Final = 0.1
"""How likely, at each step, a process learns that it was taken for dead."""


class World:
    """Processes on one disk, people who use them, and everything that can go wrong.

    `take_step` does the next thing; `trace` tells two histories apart.
    """

    def __init__(
        self,
        seed: int,
        *,
        faults: Faults = SOME_FAULTS,
        engines: int = 2,
        script: Script | None = None,
    ) -> None:
        self.seed = seed
        self.now: Microseconds = START
        self.faults = faults
        self.chance = random.Random(f"{seed}/choices")
        self._entropy = random.Random(f"{seed}/entropy")
        self.script = script or Script(seed)
        self.disk = Disk()
        self.checks = Checks(self.disk, self.clock)
        self.laws = Laws()
        self.broken: list[str] = []
        """Promises that were seen broken where nobody can raise: in callbacks and in actions."""
        self.people = People(self)
        self.trace = hashlib.blake2b(digest_size=16)
        self.steps = 0
        self.counts: dict[str, int] = {}
        bound = self.chance.choice([2, 3, 200])
        self.limits = Limits(steps=bound, letters=bound // 2)
        self.processes: list[SimulatedProcess] = []
        self.dead: dict[str, Microseconds] = {}
        """Processes that are no more, or stand still, and when the others take them for dead."""
        self.condemned: set[str] = set()
        """Processes that were taken for dead and go on: they take nothing over, and end once they know it."""
        self._incarnations = 0
        for _ in range(engines):
            self._start_process()

    # -- what processes ask of the world

    def clock(self) -> Microseconds:
        """The virtual time."""
        return self.now

    def entropy(self) -> int:
        """64 bits of the seed's own randomness."""
        return self._entropy.getrandbits(64)

    def noted(self, units: list[Unit]) -> None:
        """A commit has happened: what it changed must be right."""
        changed: set[str] = set()
        for unit in units:
            if unit.function is write_executions:
                batch: list[ExecutionRows] = unit.args[0]
                changed |= {rows.execution_id for rows in batch}
        for execution_id in sorted(changed):
            self.note("committed", execution_id)
            self.checks.after_commit(execution_id, self.laws, self.people.disturbed)

    def started(self, process_id: str, context: ActionContext, name: str) -> None:
        """An action begins."""
        self.note("started", context.action_execution_id)
        try:
            self.checks.action_started(process_id, context, name)
        except Violation as violation:
            self.broken.append(str(violation))

    def postpone(self, run: ActionRun) -> tuple[float, ...]:
        """After how many seconds a result arrives, perhaps more than once."""
        late = self.chance.random() < self.faults.late
        first = self.chance.choice([0.3, 2.0, 20.0]) if late else 0.0
        if self.chance.random() < self.faults.doubled:
            self.note("doubled", run.action_id)
            return first, self.chance.choice([0.0, 1.0, 30.0])
        return (first,)

    @property
    def hint_lost(self) -> float:
        """How likely a letter arrives without anybody being told."""
        return self.faults.hint_lost

    def note(self, kind: str, detail: str) -> None:
        """Make something part of the history."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        self.trace.update(f"{self.now}:{kind}:{detail}\n".encode())

    # -- one step

    def take_step(self) -> bool:
        """Do the next thing, or let time pass; False if nothing will happen any more by itself."""
        self.steps += 1
        if self.broken:
            raise Violation(self.broken[0])
        chance, faults = self.chance, self.faults
        if self.processes and chance.random() < faults.crash:
            self._crash(chance.choice(self.processes))
        if self.processes and chance.random() < faults.stall:
            self._stall(chance.choice(self.processes))
        self._notice_the_dead()
        self._end_the_condemned()
        if chance.random() < self.people.eagerness:
            self.people.do_something()
        steps = [
            step
            for process in self.processes
            if process.stalled_until <= self.now
            for step in process.steps()
        ]
        if not steps:
            return self._let_time_pass()
        if chance.random() < 0.02:
            self.now += chance.randrange(SECOND)
        self._do(chance.choice(steps))
        return True

    def _do(self, step: Step) -> None:
        chance, faults = self.chance, self.faults
        process = next(process for process in self.processes if process.id == step.detail)
        self.note(step.kind, step.detail)
        draw = chance.random()
        if step.kind == "commit" and draw < faults.refused:
            process.database.commit("refused")
        elif step.kind == "commit" and draw < faults.refused + faults.answer_lost:
            self.note("answer lost", step.detail)
            process.database.commit("answer lost")
        elif step.kind == "read" and draw < faults.refused:
            process.database.run_read(0, is_refused=True)
        elif step.kind == "read" and chance.random() < faults.reorder:
            process.database.run_read(chance.randrange(len(process.database.reads)))
        else:
            step.act()

    def _let_time_pass(self) -> bool:
        """Nothing can be done now: everything that is open must have a live cause. On to the next time."""
        is_quiet = all(p.stalled_until <= self.now and p.engine.loop.is_idle for p in self.processes)
        if is_quiet and not self.dead and not self.condemned:
            self.checks.at_rest({process.id: process.active for process in self.processes})
        times = [at for process in self.processes if (at := self._wakes(process)) is not None]
        times += [at for at in self.dead.values() if at > self.now]  # the others wait for an heir to wake
        if not times:
            return False
        self.now = max(self.now, min(times))
        self.note("time", "")
        return True

    def _wakes(self, process: SimulatedProcess) -> Microseconds | None:
        if process.stalled_until > self.now:
            return process.stalled_until
        return process.next_time()

    # -- processes that end and begin

    def _start_process(self) -> SimulatedProcess:
        self._incarnations += 1
        process = SimulatedProcess(f"process-{self._incarnations}", self, self.limits)
        self.processes.append(process)
        self.note("start", process.id)
        return process

    def _crash(self, process: SimulatedProcess) -> None:
        """A process is gone with everything in its memory; another one takes its place."""
        self.note("crash", process.id)
        self.processes.remove(process)
        self.condemned.discard(process.id)
        process.event_loop.abandon()
        self.people.forget(process.id)
        self.dead[process.id] = self.now + self.chance.randint(0, 10) * SECOND
        self._start_process()

    def _stall(self, process: SimulatedProcess) -> None:
        """A process stands still for a while, and perhaps the others think that it is dead."""
        self.note("stall", process.id)
        process.stalled_until = self.now + self.chance.randint(1, 60) * SECOND
        if self.chance.random() < 0.5 and len(self.processes) > 1:
            self.dead[process.id] = self.now + self.chance.randint(0, 30) * SECOND

    def _notice_the_dead(self) -> None:
        for process_id, at in list(self.dead.items()):
            heirs = [p for p in self._awake() if p.id not in (process_id, *self.condemned)]
            if at <= self.now and heirs:
                del self.dead[process_id]
                heir = self.chance.choice(heirs)
                self.note("takeover", f"{process_id} by {heir.id}")
                if any(process.id == process_id for process in self.processes):
                    self.condemned.add(process_id)
                recover(heir.database, heir.engine, [process_id])

    def _end_the_condemned(self) -> None:
        """Who was taken for dead does this or that before it learns so, and begins a new life then."""
        for process in self._awake():
            if process.id in self.condemned and self.chance.random() < BEAT:
                self._crash(process)

    def _awake(self) -> list[SimulatedProcess]:
        return [process for process in self.processes if process.stalled_until <= self.now]

    # -- the end

    def close(self) -> None:
        """Let go of everything."""
        for process in self.processes:
            process.event_loop.abandon()
        self.disk.engine.dispose()

    def bring_to_an_end(self, most_steps: int = 200_000) -> None:
        """No more faults: with a little help everything must end. Raises `Violation` for what does not."""
        self.faults = NO_FAULTS
        self.people.stop_asking()
        for process in self.processes:
            process.stalled_until = 0
        for _ in range(most_steps):
            if not self.people.help_to_end():
                break
            self.take_step()
        else:
            raise Violation(
                f"after {most_steps} more steps these still go on: {self.people.open_executions()}"
            )
