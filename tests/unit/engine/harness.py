"""Workflow executions in memory: decide, apply, deliver; a virtual clock; and checks after every decision."""

from __future__ import annotations

import copy
import textwrap
from collections import deque
from typing import Any

import msgspec
from harness_actions import Catalogue, adhoc_definitions, answer_about_action
from harness_checks import check, check_completed_once
from harness_states import (
    comparable_after_load,
    difference,
    load_action,
    load_sub_workflows,
    load_task,
    snapshot,
)

from maestrale.engine.decide import decide
from maestrale.engine.decision import DataFlow, Decision, Limits, Need
from maestrale.engine.draft import Draft, Record
from maestrale.engine.effects import AnyEffect, CancelAction, RunAction, StartSubWorkflow, Tell
from maestrale.engine.events import (
    ActionFinished,
    ActionUpdated,
    AlarmDue,
    AnyEvent,
    Continue,
    PauseRequested,
    RerunRequested,
    RestartRequested,
    ResumeRequested,
    SkipRequested,
    Started,
    StopRequested,
)
from maestrale.engine.execution import Child, Execution, Known, Runs, TaskExecution, WorkflowExecution
from maestrale.engine.needs import (
    Answers,
    AnyQuestion,
    FindAction,
    FindExecutions,
    FindTasks,
    FindWorkflow,
    FoundWorkflow,
)
from maestrale.engine.program import Program
from maestrale.engine.rebuild import rebuild
from maestrale.engine.results import task_result
from maestrale.lang.parse import load_workflow, parse_workflows
from maestrale.model import states
from maestrale.model.errors import MaestraleError
from maestrale.model.values import Json

SECOND = 1_000_000
START = 1_800_000_000 * SECOND
MOST_STEPS = 20_000


class World:
    """All executions of the workflows in one text. `steps` bounds every decision but the first of a child.

    `line()` tells where a piece of the text stands. What is told to an execution waits in `mail` until
    `settle()` (or `step()`) delivers it; `start()` and the methods of `Run` settle by themselves.
    `actions` is a text of ad-hoc actions; one named `book.x` is a member of the workbook `book`.
    """

    def __init__(
        self,
        text: str,
        *,
        steps: int = 200,
        letters: int = 2000,
        field_size_kb: int = 1024,
        data_flow: DataFlow = DataFlow(),  # noqa: B008 - immutable
        traces: bool = False,
        check_base: bool = True,
        actions: str = "",
    ) -> None:
        self.text = "version: '2.0'\n" + textwrap.dedent(text).lstrip("\n")
        self.catalogue = Catalogue(adhoc_definitions(actions))
        parsed = parse_workflows(self.text)
        assert not parsed.errors, parsed.errors
        names = [spec.name for spec in parsed.specs]
        self.programs = {name: Program(load_workflow(self.text, name), f"hash-{name}") for name in names}
        self.limits = Limits(steps, letters, field_size_kb, data_flow, traces)
        self.nothing = msgspec.structs.replace(self.limits, steps=0)
        """A child is created in the commit of its parent and does nothing yet."""
        self.check_base = check_base
        self.auto = True
        self.now = START
        self.executions: dict[str, Execution] = {}
        self.rows: dict[str, Child] = {}
        """Every action execution as its row would be."""
        self.known: dict[str, Known] = {}
        """What the parent tasks of sub-workflow executions have heard of them."""
        self.superseded: dict[str, TaskExecution] = {}
        """Task executions that left the state, as their rows would be."""
        self.records: dict[str, list[Record]] = {}
        self.mail: deque[tuple[str, AnyEvent]] = deque()
        self.running: dict[str, str] = {}
        """Actions at an executor: action id -> execution id."""
        self.effects: list[tuple[str, AnyEffect]] = []
        self.answered: list[AnyQuestion] = []
        self.reloaded: set[str] = set()

    # -- driving

    def start(
        self,
        name: str | None = None,
        input: dict[str, Json] | None = None,  # noqa: A002 - the word of the API
        params: dict[str, Json] | None = None,
        **more: Any,
    ) -> Run:
        """Start a root execution of a workflow (the first of the text) and do everything that follows."""
        name = name or next(iter(self.programs))
        execution_id = f"root-{len(self.executions) + 1}"
        started = Started(
            workflow_name=name,
            definition_hash=f"hash-{name}",
            input=input or {},
            params=params or {},
            **more,
        )
        self.begin(execution_id, started, self.limits)
        if self.auto:
            self.settle()
        return Run(self, execution_id)

    def begin(self, execution_id: str, started: Started, limits: Limits) -> None:
        """Decide and commit the start of an execution."""
        self.executions[execution_id] = Execution(f"seed of {execution_id}")
        self.records[execution_id] = []
        try:
            self.commit(execution_id, self.decide(execution_id, started, limits=limits))
        except MaestraleError:
            del self.executions[execution_id], self.records[execution_id]
            raise

    def send(self, execution_id: str, *events: AnyEvent) -> None:
        """Decide events in one draft, commit it, and (unless `auto` is off) do everything that follows."""
        self.commit(execution_id, self.decide(execution_id, *events))
        if self.auto:
            self.settle()

    def decide(self, execution_id: str, *events: AnyEvent, limits: Limits | None = None) -> Draft:
        """A draft with the events decided; needs are answered. The committed state must stay as it is."""
        execution = self.executions[execution_id]
        before = snapshot(execution) if self.check_base else {}
        answers: Answers = {}
        try:
            while True:
                draft = Draft(execution)
                try:
                    for event in events:
                        self._decide(draft, execution_id, event, answers, limits or self.limits)
                    return draft
                except Need as need:
                    question = need.question
                if question in answers:
                    raise AssertionError(f"asked again: {question}")
                answers[question] = self.answer(question)
        finally:
            if self.check_base:
                changed = difference(snapshot(execution), before)
                assert not changed, f"deciding changed the committed state: {changed}"

    def _decide(
        self, draft: Draft, execution_id: str, event: AnyEvent, answers: Answers, limits: Limits
    ) -> None:
        decide(
            draft,
            event,
            execution_id=execution_id,
            program=self._program(draft, event),
            now=self.now,
            answers=answers,
            actions=self.catalogue,
            limits=limits,
        )

    def _program(self, draft: Draft, event: AnyEvent) -> Program:
        name = event.workflow_name if isinstance(event, Started) else draft.workflow.name
        return self.programs[name]

    def commit(self, execution_id: str, draft: Draft) -> None:
        """Make a draft the committed state, check it, and release its effects."""
        execution = self.executions[execution_id]
        check_completed_once(execution, draft)
        self._write_rows(draft)
        draft.apply()
        self.records[execution_id] += draft.records
        check(execution)
        for effect in draft.effects:
            self.effects.append((execution_id, effect))
            if isinstance(effect, StartSubWorkflow):
                self.known[effect.execution_id] = Known(states.RUNNING)
                self.begin(effect.execution_id, effect.started, self.nothing)
        for effect in draft.effects:
            match effect:
                case RunAction(action_id):
                    if self.rows[action_id].state == states.RUNNING:
                        self.running[action_id] = execution_id
                case CancelAction(action_id, reports=False):
                    self.running.pop(action_id, None)
                case Tell(other, event):
                    assert other in self.executions, f"{event} is told to nobody"
                    self.mail.append((other, event))

    def _write_rows(self, draft: Draft) -> None:
        """What the store does with the children and superseded tasks of a draft, in its order."""
        for task in [*draft.new_tasks.values(), *draft.changed_tasks.values()]:
            if not task.live:
                self.superseded[task.id] = copy.deepcopy(task)
        for child in [*draft.new_children.values(), *draft.changed_children.values()]:
            if not child.is_workflow:
                self.rows[child.id] = copy.deepcopy(child)
        self.known.update(copy.deepcopy(draft.known))
        for task_id, attempt, indexes in draft.rejected:
            for row in self.rows.values():
                if row.task_id == task_id and row.attempt < attempt:
                    row.accepted = row.accepted and indexes is not None and row.item_index not in indexes
            for other_id, workflow in self._children_of(task_id):
                if workflow.attempt < attempt and (indexes is None or workflow.item_index in indexes):
                    self.known[other_id] = msgspec.structs.replace(self.known[other_id], accepted=False)
        for task_id in draft.dropped:
            for row in self.rows.values():
                if row.task_id == task_id:
                    row.output = None

    def _children_of(self, task_id: str) -> list[tuple[str, WorkflowExecution]]:
        return [
            (other_id, other.workflow)
            for other_id, other in self.executions.items()
            if other.workflow is not None and other.workflow.parent_task_id == task_id
        ]

    def possible_steps(self) -> list[tuple[str, AnyEvent]]:
        """What could be delivered next: the oldest letter of each execution, else a *continue*."""
        found: dict[str, AnyEvent] = {}
        for execution_id, event in self.mail:
            found.setdefault(execution_id, event)
        for execution_id, execution in self.executions.items():
            if execution.workflow is not None and Draft(execution).has_work:
                found.setdefault(execution_id, Continue())
        return list(found.items())

    def step(self, execution_id: str, event: AnyEvent) -> None:
        """Deliver one of the possible steps; a refusal stays with the letter."""
        if not isinstance(event, Continue):
            self.mail.remove((execution_id, event))
        try:
            draft = self.decide(execution_id, event)
        except MaestraleError:
            return
        self.commit(execution_id, draft)

    def settle(self) -> None:
        """Deliver letters and *continue* until nothing is left to do."""
        for _ in range(MOST_STEPS):
            steps = self.possible_steps()
            if not steps:
                return
            self.step(*steps[0])
        raise AssertionError("the executions do not come to rest")

    def advance(self, seconds: float) -> None:
        """Let time pass; every alarm on the way goes off when it is due."""
        end = self.now + round(seconds * SECOND)
        for _ in range(MOST_STEPS):
            due = self.next_alarm()
            if due is None or due[0] > end:
                self.now = end
                return
            self.now = max(self.now, due[0])
            self.send(due[1], AlarmDue())
        raise AssertionError("an alarm goes off without end")

    def next_alarm(self) -> tuple[int, str] | None:
        """The earliest alarm of any execution, and whose it is."""
        alarms = [(Draft(execution).next_alarm(), key) for key, execution in self.executions.items()]
        return min(((at, key) for at, key in alarms if at is not None), default=None)

    def answer(self, question: AnyQuestion) -> Json:
        """What committed data says."""
        self.answered.append(question)
        match question:
            case FindWorkflow():
                names = [question.name]
                if question.workbook:
                    names.insert(0, f"{question.workbook}.{question.name}")
                for name in names:
                    if name in self.programs:
                        spec = self.programs[name].spec
                        found = FoundWorkflow(
                            workflow_id=f"id-{name}",
                            definition_hash=f"hash-{name}",
                            name=name,
                            namespace="",
                            class_name=spec.class_name,
                            workbook=question.workbook,
                            input=spec.input,
                        )
                        return msgspec.to_builtins(found)
                return None
            case FindAction():
                return answer_about_action(question, self.catalogue)
            case FindTasks():
                wanted = [question.execution_id] if question.execution_id else list(self.executions)
                return [
                    {"name": task.name, "state": task.state}
                    for key in wanted
                    if key in self.executions
                    for task in self.executions[key].tasks.values()
                    if question.state in (None, task.state)
                ]
            case FindExecutions():
                return [
                    {"id": key, "state": other.workflow.state}
                    for key, other in self.executions.items()
                    if other.workflow is not None and question.state in (None, other.workflow.state)
                ]

    # -- looking

    def line(self, piece: str) -> tuple[int, int]:
        """Line and column (from 1) of the first place where `piece` stands in the text."""
        before = self.text[: self.text.index(piece)]
        return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1

    def decision(self, execution_id: str, draft: Draft | None = None) -> Decision:
        """A decision on the present state, for asking."""
        execution = self.executions[execution_id]
        assert execution.workflow is not None
        program = self.programs[execution.workflow.name]
        return Decision(draft or Draft(execution), program, self.now, {}, self.catalogue, self.limits)

    def replay(self, execution_id: str) -> Execution:
        """The execution folded again from its records."""
        again = Execution(self.executions[execution_id].seed)
        for record in self.records[execution_id]:
            draft = Draft(again)
            is_child = isinstance(record.event, Started) and record.event.parent_id is not None
            decide(
                draft,
                record.event,
                execution_id=execution_id,
                program=self._program(draft, record.event),
                now=record.at,
                answers=record.answers,
                actions=self.catalogue,
                limits=self.nothing if is_child else self.limits,
            )
            draft.apply()
        return again

    def reload(self, execution_id: str) -> Execution:
        """The execution as it is after a load from its rows: what is not stored is rebuilt."""
        known = self.executions[execution_id]
        loaded = Execution(known.seed, known.version)
        loaded.next_sequence = known.next_sequence
        loaded.open_tasks = known.open_tasks
        loaded.control_epoch = known.control_epoch
        loaded.workflow = copy.deepcopy(known.workflow)
        loaded.last_time = max((record.at for record in self.records[execution_id]), default=0)
        for task in sorted(known.tasks.values(), key=lambda task: task.sequence):
            load_task(loaded, task)
        loaded.ready.extend(known.ready)
        for row in self.rows.values():
            load_action(loaded, copy.deepcopy(row))
        found = {
            other_id: other.workflow
            for other_id, other in self.executions.items()
            if other.workflow is not None and other.workflow.parent_id == execution_id
        }
        load_sub_workflows(loaded, found, self.known)
        draft = Draft(loaded)
        program = self.programs[loaded.workflow.name] if loaded.workflow else None
        assert program is not None
        rebuild(Decision(draft, program, loaded.last_time, {}, self.catalogue, self.limits))
        draft.apply()
        return loaded

    def restart(self) -> None:
        """Check both ways back, and go on with every execution as it is after a load."""
        self.check_replay_and_reload()
        for execution_id in self.executions:
            self.executions[execution_id] = self.reload(execution_id)
            self.reloaded.add(execution_id)

    def check_replay_and_reload(self) -> None:
        """Both ways back to the state of every execution lead to the same.

        A replay knows nothing of the loads in between, which may change the order of the queue.
        """
        for execution_id, execution in self.executions.items():
            if execution_id not in self.reloaded:
                replayed = difference(snapshot(self.replay(execution_id)), snapshot(execution))
                assert not replayed, f"a replay gives another state: {replayed}"
            loaded = comparable_after_load(self.reload(execution_id))
            reloaded = difference(loaded, comparable_after_load(execution))
            assert not reloaded, f"a reload gives another state: {reloaded}"


class Run:
    """One workflow execution of a world, for tests to look at and to act on."""

    def __init__(self, world: World, execution_id: str) -> None:
        self.world = world
        self.id = execution_id

    @property
    def execution(self) -> Execution:
        return self.world.executions[self.id]

    @property
    def workflow(self) -> WorkflowExecution:
        assert self.execution.workflow is not None
        return self.execution.workflow

    @property
    def state(self) -> str:
        return self.workflow.state

    @property
    def info(self) -> str:
        """The state_info, "" for none."""
        return self.workflow.state_info or ""

    @property
    def output(self) -> Json:
        return self.workflow.output

    def tasks(self, name: str | None = None) -> list[TaskExecution]:
        """Task executions in the order of their creation."""
        found = sorted(self.execution.tasks.values(), key=lambda task: task.sequence)
        return [task for task in found if name is None or task.name == name]

    def task(self, name: str) -> TaskExecution:
        """The only task execution of that name."""
        found = self.tasks(name)
        assert len(found) == 1, f"{len(found)} executions of task {name}"
        return found[0]

    @property
    def names(self) -> list[str]:
        """The names of all task executions in the order of their creation."""
        return [task.name for task in self.tasks()]

    @property
    def states(self) -> dict[str, str]:
        """Task name -> state of its latest execution."""
        return {task.name: task.state for task in self.tasks()}

    def published(self, name: str) -> Json:
        """What the latest execution of a task published, {} for nothing."""
        return self.tasks(name)[-1].published or {}

    def result(self, name: str) -> Json:
        """The result of the latest execution of a task."""
        return task_result(self.world.decision(self.id), self.tasks(name)[-1])

    def inbound(self, name: str) -> dict[str, Json]:
        """The branch variables that the latest execution of a task inherited."""
        return self.inbound_of(self.tasks(name)[-1])

    @staticmethod
    def inbound_of(task: TaskExecution) -> dict[str, Json]:
        """The branch variables that a task execution inherited."""
        return {} if task.context is None else task.context.flat()

    def actions(self, name: str) -> list[Child]:
        """All action executions of a task (of all its executions), in order."""
        ids = {task.id for task in self.tasks(name)}
        return [row for row in self.world.rows.values() if row.task_id in ids]

    def open_actions(self, name: str) -> list[Child]:
        """The action executions of a task that run or wait, in order."""
        return [
            child
            for task in self.tasks(name)
            for child in self.execution.runs.get(task.id, Runs()).open.values()
            if not child.is_workflow
        ]

    def children(self, name: str) -> list[Run]:
        """The sub-workflow executions of a task, in order."""
        ids = {task.id for task in self.tasks(name)}
        return [
            Run(self.world, key)
            for key, other in self.world.executions.items()
            if other.workflow is not None and other.workflow.parent_task_id in ids
        ]

    def child(self, name: str) -> Run:
        """The latest sub-workflow execution of a task."""
        return self.children(name)[-1]

    # -- acting

    def send(self, *events: AnyEvent) -> None:
        self.world.send(self.id, *events)

    def finish(
        self,
        name: str,
        result: Json = None,
        state: str = "SUCCESS",
        *,
        item: int | None = None,
        by_user: bool = False,
    ) -> str:
        """Complete the first open action of a task (or that of an item); returns the action's id."""
        action = next(a for a in self.open_actions(name) if item is None or a.item_index == item)
        self.world.running.pop(action.id, None)
        self.send(ActionFinished(action.id, state, result, by_user))  # type: ignore[arg-type]
        return action.id

    def fail(self, name: str, result: Json = "boom", *, item: int | None = None) -> str:
        """Let the first open action of a task fail."""
        return self.finish(name, result, "ERROR", item=item)

    def update(self, name: str, state: str, *, item: int | None = None) -> None:
        """An outside party pauses or resumes an action of a task."""
        action = next(a for a in self.open_actions(name) if item is None or a.item_index == item)
        self.send(ActionUpdated(action.id, state))  # type: ignore[arg-type]

    def pause(self) -> None:
        self.send(PauseRequested())

    def resume(self, environment: dict[str, Json] | None = None) -> None:
        self.send(ResumeRequested(environment))

    def stop(self, state: str, message: str | None = None) -> None:
        self.send(StopRequested(state, message))  # type: ignore[arg-type]

    def rerun(self, name: str, *, reset: bool = True, environment: dict[str, Json] | None = None) -> None:
        self.send(RerunRequested(self.tasks(name)[-1].id, reset, environment))

    def restart(self, name: str, environment: dict[str, Json] | None = None) -> None:
        self.send(RestartRequested(self.tasks(name)[-1].id, environment))

    def superseded(self, name: str) -> list[TaskExecution]:
        """Superseded task executions of that name in the order of their creation."""
        found = [t for t in self.world.superseded.values() if (t.execution_id, t.name) == (self.id, name)]
        return sorted(found, key=lambda task: task.sequence)

    def skip(self, name: str) -> None:
        self.send(SkipRequested(self.tasks(name)[-1].id))


def run(text: str, *, steps: int = 200, actions: str = "", **start: Any) -> Run:
    """Start the first workflow of a text in a world of its own."""
    return World(text, steps=steps, actions=actions).start(**start)
