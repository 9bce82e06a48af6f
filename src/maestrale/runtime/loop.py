"""The engine's loop: one thread that decides, while the writer thread commits and readers load.

Everything that happens to an execution passes through its slot, one thing at a time. The loop sleeps until
something arrives or an alarm is due; what is decided meanwhile waits for the commit in flight and shares
the next one.
"""

from __future__ import annotations

import heapq
import logging
import queue
import threading
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Future
from typing import Final

from maestrale.engine.decision import Need
from maestrale.engine.draft import Draft
from maestrale.engine.effects import CancelAction, Notify, Tell, Trace
from maestrale.engine.events import AlarmDue, Continue, Started
from maestrale.model import states
from maestrale.model.values import Microseconds
from maestrale.runtime.actions import KnownActions
from maestrale.runtime.commands import Commands, shutting_down
from maestrale.runtime.commits import Committer
from maestrale.runtime.deciding import Decider, is_fault
from maestrale.runtime.evaluator import Evaluator
from maestrale.runtime.executor import Executor
from maestrale.runtime.hints import Hints
from maestrale.runtime.lease import Lease
from maestrale.runtime.memory import Resting
from maestrale.runtime.notifier import Notifier
from maestrale.runtime.programs import Programs
from maestrale.runtime.reading import Reader
from maestrale.runtime.requests import StartedExecution
from maestrale.runtime.slots import Group, Member, Pending, Slot
from maestrale.runtime.timers import Later, in_a_thread
from maestrale.runtime.tracing import write_trace
from maestrale.runtime.turns import Turns
from maestrale.store.database import Database
from maestrale.store.leases import LeaseLost

log = logging.getLogger(__name__)

WITHOUT_LEASE: Final = 0.2
"""Seconds until a decision is tried again that this process had no lease for."""

_SECOND: Final = 1_000_000

Job = Callable[[], None]


class Loop:
    """Drives slots. Public methods may be called from any thread; the others run in the loop's thread."""

    def __init__(
        self,
        database: Database,
        programs: Programs,
        actions: KnownActions,
        executor: Executor,
        decider: Decider,
        clock: Callable[[], Microseconds],
        commands: Commands,
        lease: Lease,
        hints: Hints,
        notifier: Notifier,
        evaluator: Evaluator,
        later: Later = in_a_thread,
    ) -> None:
        self._notifier = notifier
        self._commands = commands
        self._wait = later
        self._executor = executor
        self._decider = decider
        self._clock = clock
        self._inbox: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._slots: dict[str, Slot] = {}
        self._resting = Resting()
        self._alarms: list[tuple[Microseconds, str]] = []
        self._committer = Committer(
            database, self.post, self._committed, self._failed, lambda: not self.has_work, later
        )
        self._reader = Reader(
            database, programs, actions, decider, commands, lease, hints, evaluator, clock,
            self.post, later, self._go_on, self._drop,
        )  # fmt: skip
        self._turns = Turns(self._reader.is_prepared)
        self._is_looking_up = False
        self._stopping = False
        self._settling: list[threading.Event] = []
        self.listeners: list[Callable[[list[str]], None]] = []
        """Called in the loop's thread after each commit, with the ids of the executions that changed."""
        self.on_end: Callable[[str], object] = _forgets
        """Called in the loop's thread with each root execution that worked in somebody's name and is over."""
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    # -- from any thread

    def begin(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether it turns."""
        return self._thread.is_alive()

    def end(self) -> None:
        """Decide and commit what has arrived, then stop the thread; who still waits is refused."""
        if self._thread.is_alive():
            self._inbox.put(None)
            self._thread.join()

    def settle(self) -> None:
        """Return when nothing is decided or in flight at that moment."""
        if not self._thread.is_alive():
            return
        settled = threading.Event()
        self.post(lambda: self._settling.append(settled))
        settled.wait()

    def post(self, job: Job) -> None:
        """Have something done in the loop's thread."""
        self._inbox.put(job)

    def deliver(self, execution_id: str, pending: Pending, project_id: str | None = None) -> None:
        """Hand an event to an execution (of that project, if known)."""
        self.post(lambda: self._add(self._slot(execution_id, project_id), pending))

    def start(
        self, execution_id: str, started: Started, future: Future[StartedExecution], is_fresh: bool
    ) -> None:
        """Begin an execution. `is_fresh`: nobody can have used this id before, so it is not looked up."""

        def begin() -> None:
            slot = self._slot(execution_id, started.project_id)
            if is_fresh:
                slot.execution = self._decider.new_execution()
            self._add(slot, Pending(started, future))

        self.post(begin)

    def has_mail(self, execution_id: str) -> None:
        """A letter for an execution has been committed."""
        self.post(lambda: self._note_mail(execution_id))

    def wake(self, execution_ids: Iterable[str], alarms: Iterable[tuple[Microseconds, str]]) -> None:
        """At start: take up executions that were left with work or mail, and know their due times."""

        def take_up() -> None:
            for entry in alarms:
                heapq.heappush(self._alarms, entry)
            for execution_id in execution_ids:
                slot = self._slot(execution_id)
                slot.has_mail = True
                self._add(slot, Pending(Continue()))

        self.post(take_up)

    def forget(self, execution_ids: Collection[str]) -> None:
        """These executions were deleted."""

        def drop() -> None:
            for execution_id in execution_ids:
                slot = self._slots.get(execution_id)
                if slot is None:
                    continue
                if slot.busy:
                    slot.is_gone = True
                else:
                    self._resting.remove(slot)
                    slot.forget()
                    self._rest(slot)
            self._commands.refuse_for(set(execution_ids))

        self.post(drop)

    # -- the thread

    def _run(self) -> None:
        while not (self._stopping and not self._turns and self._committer.is_idle):
            self._take(self._inbox_get())
            self.turn()
        self._refuse_rest()

    def turn(self) -> None:
        """Do what can be done now, without waiting. Called by the thread, or by whoever stands in for it."""
        while True:
            try:
                self._take(self._inbox.get_nowait())
            except queue.Empty:
                break
        self._ring()
        self._work()
        if self._settling and self._committer.is_idle:
            for settled in self._settling:
                settled.set()
            self._settling.clear()

    @property
    def has_work(self) -> bool:
        """Whether a turn would find something to do at once."""
        return not self._inbox.empty() or self._has_turns

    @property
    def _has_turns(self) -> bool:
        return self._committer.has_room and self._turns.has_next(self._reader.has_room)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is on its way: to a decision, to the database or back from there."""
        return self._committer.is_idle and not any(s.busy or s.pending for s in self._slots.values())

    @property
    def next_alarm(self) -> Microseconds | None:
        """When the next alarm goes off."""
        return self._alarms[0][0] if self._alarms else None

    def _inbox_get(self) -> Job | None:
        if self._has_turns and not self._settling:
            return _nothing
        timeout = None
        if self._alarms and not self._stopping:
            timeout = max(0.0, (self._alarms[0][0] - self._clock()) / _SECOND)
        try:
            return self._inbox.get(timeout=timeout)
        except queue.Empty:
            return _nothing

    def _take(self, job: Job | None) -> None:
        if job is None:
            self._stopping = True
        else:
            job()

    def _refuse_rest(self) -> None:
        """What was not decided any more is refused, or waits in the mail for the next start."""
        for slot in self._slots.values():
            for pending in slot.pending:
                if pending.future is not None:
                    pending.future.set_exception(shutting_down())
        self._slots.clear()

    def _ring(self) -> None:
        now = self._clock()
        while self._alarms and self._alarms[0][0] <= now:
            at, execution_id = heapq.heappop(self._alarms)
            slot = self._slot(execution_id)
            if slot.alarm == at:
                slot.alarm = None
            if not any(isinstance(p.event, AlarmDue) for p in slot.pending):
                self._add(slot, Pending(AlarmDue()))

    def _work(self) -> None:
        """Let executions take turns until the next commit is full, then commit."""
        self._look_up()
        for _ in range(len(self._turns)):
            if self._settling or not self._committer.has_room:
                break
            slot = self._turns.next(self._reader.has_room)
            if slot is None:
                break
            slot.queued = False
            self._turn(slot)
        self._committer.flush()

    def _look_up(self) -> None:
        """Have the projects found out of those that wait for nothing else."""
        if self._is_looking_up:
            return
        slots = self._turns.take_unknown()
        if not slots:
            return
        self._is_looking_up = True

        def found() -> None:
            self._is_looking_up = False
            for slot in slots:
                self._turns.add(slot)

        self._reader.find_projects(slots, found)

    def _slot(self, execution_id: str, project_id: str | None = None) -> Slot:
        slot = self._slots.get(execution_id)
        if slot is None:
            slot = self._slots[execution_id] = Slot(execution_id)
        else:
            self._resting.remove(slot)
        if slot.project_id is None:
            slot.project_id = project_id
        return slot

    def _add(self, slot: Slot, pending: Pending) -> None:
        slot.pending.append(pending)
        self._make_runnable(slot)

    def _make_runnable(self, slot: Slot) -> None:
        if not slot.busy and not slot.queued and (slot.pending or slot.has_mail):
            slot.queued = True
            self._turns.add(slot)

    def _note_mail(self, execution_id: str, project_id: str | None = None) -> None:
        slot = self._slot(execution_id, project_id)
        slot.has_mail = True
        self._make_runnable(slot)

    # -- one turn of one execution

    def _turn(self, slot: Slot) -> None:
        if self._reader.prepare(slot):
            self._decide(slot)

    def _decide(self, slot: Slot) -> None:
        if slot.execution is not None and slot.execution.workflow is not None:
            self._reader.answer_known_id(slot)
        self._drop_stale_alarms(slot)
        if not slot.pending:
            self._go_on(slot)
            return
        try:
            decided = self._decider.decide(slot)
        except Need as need:
            self._reader.ask(slot, need)
            return
        if isinstance(decided, list):
            for pending in decided:
                if pending.letter is not None and pending.refusal is not None:
                    self._reader.settle(pending.letter, pending.refusal.status, str(pending.refusal))
            self._go_on(slot)
            return
        for member in decided.members:
            member.slot.busy = True
            self._slots[member.slot.id] = member.slot
        self._committer.add(decided)

    def _go_on(self, slot: Slot) -> None:
        if not self._reader.release(slot):
            self._make_runnable(slot)
            self._rest(slot)

    def _drop(self, slot: Slot) -> None:
        self._slots.pop(slot.id, None)

    def _drop_stale_alarms(self, slot: Slot) -> None:
        execution = slot.execution
        if execution is None or not any(isinstance(p.event, AlarmDue) for p in slot.pending):
            return
        stale = [p for p in slot.pending if isinstance(p.event, AlarmDue)]
        if not stale:
            return
        due = Draft(execution).next_alarm()
        if due is None or due > self._clock():
            for pending in stale:
                slot.pending.remove(pending)
            self._set_alarm(slot, due)

    def _rest(self, slot: Slot) -> None:
        """Keep an idle execution in memory only while there is room, and not once it is over."""
        if slot.busy or slot.pending or slot.has_mail:
            return
        workflow = slot.execution.workflow if slot.execution is not None else None
        if workflow is None or workflow.state in states.COMPLETED:
            self._slots.pop(slot.id, None)
            return
        for left in self._resting.add(slot):
            self._slots.pop(left.id, None)

    # -- after a commit

    def _committed(self, groups: list[Group]) -> None:
        members = [member for group in groups for member in group.members]
        for member in members:
            self._apply(member)
        for member in members:
            self._release(member)
        for listener in self.listeners:
            listener([member.slot.id for member in members])

    def _apply(self, member: Member) -> None:
        slot, draft = member.slot, member.draft
        draft.apply()
        draft.base.version = member.rows.head["version"]
        slot.size += member.size.bytes
        slot.owner = member.new_owner
        slot.busy = False
        slot.failures = 0
        self._set_alarm(slot, member.rows.head["alarm_at"])

    def _set_alarm(self, slot: Slot, at: Microseconds | None) -> None:
        if at is not None and at != slot.alarm:
            heapq.heappush(self._alarms, (at, slot.id))
        slot.alarm = at

    def _release(self, member: Member) -> None:
        slot, draft = member.slot, member.draft
        for run, reserved in member.runs:
            if reserved:
                self._executor.run(run)
            else:
                self._executor.enqueue(run)
        for effect in draft.effects:
            if isinstance(effect, CancelAction):
                self._executor.cancel(effect.action_id, reports=effect.reports)
            elif isinstance(effect, Tell):
                self._note_mail(effect.execution_id, slot.project_id)
            elif isinstance(effect, Notify):
                self._notifier.publish(effect)
            elif isinstance(effect, Trace):
                write_trace(effect)
        self._notifier.outbox.hand_over(member.outgoing)
        for pending in member.pending:
            _answer(slot, pending)
            if pending.letter is not None and pending.future is None:
                self._reader.tell_sender(pending.letter)
        workflow = draft.workflow
        if (
            workflow.security_context is not None
            and workflow.parent_id is None
            and workflow.state in states.COMPLETED
        ):
            self.on_end(workflow.id)
        if draft.has_work and not self._stopping:
            slot.pending.append(Pending(Continue()))
        self._make_runnable(slot)
        self._rest(slot)

    def _failed(self, group: Group, error: BaseException) -> None:
        """A group could not be committed: what it decided is decided again on what the database says."""
        for member in group.members:
            for run, reserved in member.runs:
                if reserved:
                    self._executor.give_back(run.name)
        first, *children = group.members
        for child in children:  # they begin with their parent or not at all
            self._slots.pop(child.slot.id, None)
        slot = first.slot
        slot.busy = slot.is_gone = False
        slot.forget()
        slot.has_mail = True
        again = []
        for pending in first.pending:
            if pending.letter is None:
                again.append(pending)
            elif pending.letter.command_id is not None and pending.future is not None:
                self._commands.expect(pending.letter.command_id, slot.id, pending.future)
        slot.pending.extendleft(reversed(again))
        if is_fault(error):
            self._decider.note_commit_failure(slot, again, error)
            self._reader.count_attempt(slot, [p.letter for p in first.pending if p.letter is not None])
        if isinstance(error, LeaseLost):
            self._wait(WITHOUT_LEASE, lambda: self.post(lambda: self._make_runnable(slot)))
        else:
            self._make_runnable(slot)


def _answer(slot: Slot, pending: Pending) -> None:
    future = pending.future
    if future is None:
        return
    error = pending.refusal or pending.failure
    if error is not None:
        future.set_exception(error)
    elif isinstance(pending.event, Started):
        future.set_result(StartedExecution(slot.id, created=True))
    else:
        future.set_result(None)


def _forgets(_execution_id: str) -> None:
    """Hears of ends where nothing is kept for executions."""


def _nothing() -> None:
    """The job of a wake-up that only an alarm or waiting work has caused."""
