"""One decision in the making: an execution with pending changes laid over it.

Nothing here touches the committed state; `apply` does, once the commit is known to have succeeded.
"""

from __future__ import annotations

import copy
from collections import deque

import msgspec

from maestrale.engine.context import EMPTY, Context
from maestrale.engine.effects import AnyEffect
from maestrale.engine.events import AnyEvent
from maestrale.engine.execution import (
    Child,
    Execution,
    JoinProgress,
    Known,
    Outcome,
    Runs,
    TaskExecution,
    WorkflowExecution,
)
from maestrale.engine.needs import Answers
from maestrale.engine.overlay import Overlay
from maestrale.engine.timers import TimersDraft
from maestrale.model import states
from maestrale.model.values import Json, Microseconds


class Change(msgspec.Struct, frozen=True, array_like=True):
    """What one decision has made of the state of something. `before`: None of what it has created.

    `kind` is workflow, task, action, or sub-workflow (as this execution knows it).
    """

    kind: str
    id: str
    before: str | None
    after: str


class Record(msgspec.Struct, frozen=True):
    """One decision for the ordered record: the event, its time, the answers it needed, and what changed."""

    sequence: int
    at: Microseconds
    event: AnyEvent
    answers: Answers
    changes: tuple[Change, ...] = ()


class RunsDraft:
    """Pending changes of the children of one task."""

    __slots__ = ("_results", "_writes", "local", "open", "outcomes")

    def __init__(self, base: Runs) -> None:
        self.local = base.local
        self.open: Overlay[str, Child] = Overlay(base.open)
        self.outcomes: Overlay[int, Outcome] = Overlay(base.outcomes)
        self._results: list[Json] | None = None
        self._writes = 0

    def results(self) -> list[Json]:
        """What the accepted children delivered, in item order; the same list until an outcome changes."""
        if self._results is None or self._writes != self.outcomes.writes:
            self._results = [outcome.result for _, outcome in sorted(self.outcomes.items())]
            self._writes = self.outcomes.writes
        return self._results


class JoinDraft:
    """Pending changes of one join's progress."""

    __slots__ = ("arrivals", "come", "missing")

    def __init__(self, base: JoinProgress) -> None:
        self.arrivals: Overlay[str, str] = Overlay(base.arrivals)
        self.come: Overlay[str, int] = Overlay(base.come)
        self.missing: Overlay[str, str] = Overlay(base.missing)

    def add(self, source: TaskExecution, event: str) -> None:
        """A task execution has come."""
        self.missing.remove(source.name)
        if source.id not in self.arrivals:
            self.come[source.name] = (self.come.get(source.name) or 0) + 1
        self.arrivals[source.id] = event

    def remove(self, source: TaskExecution) -> None:
        """A task execution counts no more, if it did."""
        if source.id in self.arrivals:
            self.arrivals.remove(source.id)
            left = (self.come.get(source.name) or 0) - 1
            if left:
                self.come[source.name] = left
            else:
                self.come.remove(source.name)

    def clear(self) -> None:
        """Begin anew."""
        self.arrivals.clear()
        self.come.clear()
        self.missing.clear()


class Draft:
    """An execution as it will be if everything decided so far is committed."""

    def __init__(self, base: Execution) -> None:
        self.base = base
        self.next_sequence = base.next_sequence
        self.open_tasks = base.open_tasks
        self.waiting_joins = base.waiting_joins
        self.control_epoch = base.control_epoch
        self.local_actions = base.local_actions
        self.sub_workflows = base.sub_workflows
        self.last_time = base.last_time
        self.tasks: Overlay[str, TaskExecution] = Overlay(base.tasks)
        self.latest: Overlay[str, str] = Overlay(base.latest)
        self.unprocessed: Overlay[str, int] = Overlay(base.unprocessed)
        self.unprocessed_bits = base.unprocessed_bits
        self.timers = TimersDraft(base.timers)
        self.ends: Overlay[str, bool] = Overlay(base.ends)
        self.children: Overlay[str, str] = Overlay(base.children)
        """Open children: child id -> task id."""
        self.ready: deque[str] = deque(base.ready)
        self.effects: list[AnyEffect] = []
        self.records: list[Record] = []
        self.new_tasks: dict[str, TaskExecution] = {}
        self.changed_tasks: dict[str, TaskExecution] = {}
        self.new_children: dict[str, Child] = {}
        self.changed_children: dict[str, Child] = {}
        self.rejected: list[tuple[str, int, list[int] | None]] = []
        """(task id, attempt, item indexes or None for all): children of earlier attempts count no more."""
        self.known: dict[str, Known] = {}
        """What has become known of sub-workflow executions."""
        self.dropped: list[str] = []
        """Tasks whose results are not kept."""
        self.workflow_changed = False
        self._workflow = base.workflow
        self._runs: dict[str, RunsDraft] = {}
        self._joins: dict[str, JoinDraft] = {}
        self._touched: dict[str, tuple[str, WorkflowExecution | TaskExecution | Child, str | None]] = {}
        """Since the last record: kind, the thing as it is now, and the state it was in; by id."""

    @property
    def workflow(self) -> WorkflowExecution:
        """The workflow execution, for reading."""
        assert self._workflow is not None, "the execution has not started"
        return self._workflow

    @property
    def is_new(self) -> bool:
        """Whether this decision creates the execution."""
        return self.base.workflow is None

    @property
    def has_work(self) -> bool:
        """Whether a *continue* would bring something about."""
        return bool(self.workflow.cascades) or self.may_start

    @property
    def may_start(self) -> bool:
        """Whether a task may start; of a workflow that is over, only what outlives it."""
        return bool(self.ready) and self.workflow.state != states.PAUSED

    @property
    def is_left_undone(self) -> bool:
        """Whether anything was left for a later decision, be it that a pause holds it back."""
        return bool(self.ready) or bool(self.workflow.cascades)

    @property
    def has_started(self) -> bool:
        """Whether there is a workflow execution yet."""
        return self._workflow is not None

    def create_workflow(self, workflow: WorkflowExecution) -> None:
        """Put the row of a new execution in place."""
        self._workflow = workflow
        self.workflow_changed = True
        self._touched[workflow.id] = "workflow", workflow, None

    def edit_workflow(self) -> WorkflowExecution:
        """The workflow execution, for writing."""
        if not self.workflow_changed:
            self._workflow = copy.copy(self.workflow)
            self.workflow_changed = True
        workflow = self.workflow
        if workflow.id not in self._touched:
            self._touched[workflow.id] = "workflow", workflow, workflow.state
        return workflow

    def add_task(self, task: TaskExecution) -> None:
        """Add a new task execution."""
        self.tasks[task.id] = task
        self.new_tasks[task.id] = task
        self.latest[task.name] = task.id
        self.open_tasks += 1
        self._touched[task.id] = "task", task, None

    def count_unprocessed(self, name: str, bit: int, change: int) -> None:
        """More (or fewer) executions of the task called `name` have still to choose what follows."""
        count = (self.unprocessed.get(name) or 0) + change
        if count:
            self.unprocessed[name] = count
            self.unprocessed_bits |= bit
        else:
            self.unprocessed.remove(name)
            self.unprocessed_bits &= ~bit

    def task(self, task_id: str) -> TaskExecution | None:
        """A task execution, for reading."""
        return self.tasks.get(task_id)

    def edit_task(self, task: TaskExecution) -> TaskExecution:
        """The same task execution, for writing."""
        task_id = task.id
        found = self.new_tasks.get(task_id) or self.changed_tasks.get(task_id)
        if found is None:
            found = copy.copy(task)
            self.changed_tasks[task_id] = found
            self.tasks[task_id] = found
        if task_id not in self._touched:
            self._touched[task_id] = "task", found, found.state
        return found

    def latest_task(self, name: str) -> TaskExecution | None:
        """The most recently created execution of the task called `name`."""
        task_id = self.latest.get(name)
        return None if task_id is None else self.tasks.get(task_id)

    def runs(self, task_id: str) -> RunsDraft:
        """The children of a task, for reading and writing."""
        found = self._runs.get(task_id)
        if found is None:
            base = self.base.runs.get(task_id)
            found = self._runs[task_id] = RunsDraft(base if base is not None else Runs())
        return found

    def add_child(self, child: Child) -> None:
        """Add a new open child."""
        runs = self.runs(child.task_id)
        runs.open[child.id] = child
        runs.local += child.needs_executor
        self.children[child.id] = child.task_id
        self.local_actions += child.needs_executor
        self.sub_workflows += child.is_workflow
        if not child.is_workflow:
            self.new_children[child.id] = child
        self._touch_child(child, None)

    def add_ended_child(self, child: Child) -> None:
        """Add an action that has begun and ended at once."""
        self.new_children[child.id] = child
        self._touch_child(child, None)

    def edit_child(self, child: Child) -> Child:
        """The same child, for writing."""
        found = self.new_children.get(child.id) or self.changed_children.get(child.id)
        if found is None:
            found = copy.copy(child)
            if not child.is_workflow:
                self.changed_children[child.id] = found
            runs = self.runs(child.task_id)
            if child.id in runs.open:
                runs.open[child.id] = found
        self._touch_child(found, found.state)
        return found

    def _touch_child(self, child: Child, before: str | None) -> None:
        if child.id in self._touched:
            before = self._touched[child.id][2]
        self._touched[child.id] = "sub-workflow" if child.is_workflow else "action", child, before

    def close_child(self, child: Child) -> None:
        """The child is waited for no more."""
        if child.id not in self._touched:
            self._touch_child(child, child.state)
        runs = self.runs(child.task_id)
        runs.open.remove(child.id)
        runs.local -= child.needs_executor
        self.children.remove(child.id)
        self.local_actions -= child.needs_executor
        self.sub_workflows -= child.is_workflow

    def join(self, name: str) -> JoinDraft:
        """The progress of a join, for reading and writing."""
        found = self._joins.get(name)
        if found is None:
            base = self.base.joins.get(name)
            found = self._joins[name] = JoinDraft(base if base is not None else JoinProgress())
        return found

    def context_of(self, task: TaskExecution) -> Context:
        """The inbound context of a task."""
        return task.context if task.context is not None else EMPTY

    def next_alarm(self) -> Microseconds | None:
        """When this execution wants to be woken, or None; while it does not run, timers are held."""
        if self._workflow is None or self._workflow.state != states.RUNNING:
            return None
        return self.timers.earliest()

    def take_changes(self) -> tuple[Change, ...]:
        """What is in another state than at the last record."""
        changes = []
        for kind, thing, before in self._touched.values():
            after = thing.state
            if kind == "sub-workflow" and thing.id in self.known:
                after = self.known[thing.id].state
            if after != before:
                changes.append(Change(kind, thing.id, before, after))
        self._touched.clear()
        return tuple(changes)

    def apply(self) -> None:
        """Make the pending changes the committed state."""
        base = self.base
        base.workflow = self._workflow
        base.next_sequence = self.next_sequence
        base.open_tasks = self.open_tasks
        base.waiting_joins = self.waiting_joins
        base.control_epoch = self.control_epoch
        base.local_actions = self.local_actions
        base.sub_workflows = self.sub_workflows
        base.last_time = self.last_time
        base.ready = self.ready
        base.unprocessed_bits = self.unprocessed_bits
        self.unprocessed.apply()
        self.tasks.apply()
        self.latest.apply()
        self.timers.apply()
        self.ends.apply()
        self.children.apply()
        for task_id, runs in self._runs.items():
            runs.open.apply()
            runs.outcomes.apply()
            base.runs.setdefault(task_id, Runs(runs.open.base, runs.outcomes.base)).local = runs.local
        for name, join in self._joins.items():
            join.arrivals.apply()
            join.come.apply()
            join.missing.apply()
            base.joins.setdefault(name, JoinProgress(join.arrivals.base, join.come.base, join.missing.base))
