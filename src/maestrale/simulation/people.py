"""Who uses the simulated service: they start workflows, ask for all kinds of things, and do outside work."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final, Protocol

from sqlalchemy import ColumnElement, Connection, exists, select

from maestrale.engine.events import (
    ActionFinished,
    ActionUpdated,
    AnyEvent,
    EnvironmentUpdated,
    PauseRequested,
    RerunRequested,
    RestartRequested,
    ResumeRequested,
    SkipRequested,
    Started,
    StopRequested,
)
from maestrale.model import states
from maestrale.model.errors import MaestraleError, Unavailable
from maestrale.model.values import Microseconds
from maestrale.runtime.requests import StartedExecution, StartWorkflow
from maestrale.simulation.checks import ENOUGH
from maestrale.simulation.database import Disk
from maestrale.simulation.laws import Laws
from maestrale.simulation.process import SimulatedProcess
from maestrale.simulation.script import OUTSIDE, Script
from maestrale.simulation.workflows import Definition, random_definition
from maestrale.store import mail, tables
from maestrale.store.catalogue import Draft, create_definitions, text_hash
from maestrale.store.rows import mail_row
from maestrale.store.tables import action_executions, command_replies, task_executions, workflow_executions

MOST_OPEN: Final = 6
"""Root executions that people keep going at the same time."""

PROJECT: Final = "simulated"


class Town(Protocol):
    """The world as people see it."""

    seed: int
    now: Microseconds
    chance: random.Random
    disk: Disk
    laws: Laws
    broken: list[str]
    script: Script
    processes: list[SimulatedProcess]

    @property
    def hint_lost(self) -> float: ...

    def note(self, kind: str, detail: str) -> None: ...


class People:
    """Whoever asks for something, through any of the processes."""

    def __init__(self, town: Town) -> None:
        self._town = town
        self.eagerness = 0.12
        self.definitions: dict[str, Definition] = {}
        self.roots: dict[str, str] = {}
        """Root executions that were asked for: id -> name of the workflow."""
        self.disturbed: set[str] = set()
        """Root executions that somebody stopped, reran or skipped something of."""
        self.acknowledged: set[str] = set()
        self._unanswered: dict[str, str] = {}
        """Starts that nobody has answered yet: id -> process that was asked."""
        self._left_alone: set[str] = set()
        """Executions that are asked for nothing more before they have read a letter."""
        self._asks = True
        self._letters = 0

    def do_something(self) -> None:
        """One random thing that a person may want."""
        chance = self._town.chance
        deeds: list[tuple[int, Callable[[], None]]] = [
            (4, self._start),
            (6, self._report),
            (2, self._pause),
            (5, self._resume),
            (2, self._rerun),
            (3, self._skip),
            (1, self._restart),
            (1, self._stop),
            (1, self._change_environment),
        ]
        weights = [weight for weight, _ in deeds]
        chance.choices([deed for _, deed in deeds], weights)[0]()

    def stop_asking(self) -> None:
        """From now on only help what is open to its end."""
        self._asks = False
        self.eagerness = 0

    def forget(self, process_id: str) -> None:
        """A process is gone: who waited for it asks again."""
        for execution_id, asked in list(self._unanswered.items()):
            if asked == process_id:
                self._unanswered[execution_id] = ""

    def open_executions(self) -> list[tuple[str, str]]:
        """Executions that have not ended: id and state."""
        return self._town.disk.read(_open)

    def help_to_end(self) -> bool:
        """Repeat unanswered starts, resume what is paused, do outside work.

        False if all has ended and every letter was read.
        """
        chance = self._town.chance
        if chance.random() < 0.2:
            for execution_id, asked in list(self._unanswered.items()):
                if not asked:
                    self._ask_to_start(execution_id)
            paused = [key for key, state in self.open_executions() if state == states.PAUSED]
            if paused:
                self._tell(chance.choice(paused), ResumeRequested())
            self._report()
        return (
            bool(self._unanswered) or bool(self.open_executions()) or self._town.disk.read(_has_letters, None)
        )

    def ask_for(self, execution_id: str, name: str) -> None:
        """Start this workflow under this id."""
        self.roots[execution_id] = name
        self._ask_to_start(execution_id)

    # -- starting

    def _start(self) -> None:
        repeat = [key for key, asked in self._unanswered.items() if not asked]
        if repeat:
            self._ask_to_start(repeat[0])
            return
        if len([key for key in self.open_executions() if key[0] in self.roots]) >= MOST_OPEN:
            return
        chance = self._town.chance
        if self.definitions and chance.random() < 0.6:
            name = chance.choice(list(self.definitions))
        else:
            name = f"w{len(self.definitions)}"
            self.define(random_definition(chance, name))
        execution_id = f"root-{len(self.roots)}"
        self.ask_for(execution_id, name)
        if chance.random() < 0.1:
            self._ask_to_start(execution_id)

    def define(self, definition: Definition) -> None:
        """Store a workflow and those it calls."""
        self.definitions[definition.name] = definition
        for name, text in definition.texts.items():
            self._town.laws.define(name, text)
        drafts = [Draft(name, text) for name, text in definition.texts.items()]
        self._town.disk.write(
            create_definitions,
            "workflow",
            [f"id-{draft.name}" for draft in drafts],
            drafts,
            project_id=PROJECT,
            namespace="",
            scope="private",
            now=self._town.now,
        )

    def _ask_to_start(self, execution_id: str) -> None:
        process = self._town.chance.choice(self._town.processes)
        self._unanswered[execution_id] = process.id
        future = process.engine.start_workflow(self.request(execution_id))
        future.add_done_callback(lambda done: self._started(execution_id, process.id, done))

    def request(self, execution_id: str) -> StartWorkflow:
        """What starts a root execution."""
        definition = self.definitions[self.roots[execution_id]]
        started = Started(
            workflow_name=definition.name,
            definition_hash=text_hash(definition.texts[definition.name]),
            workflow_id=f"id-{definition.name}",
            project_id=PROJECT,
            params=definition.params,
        )
        return StartWorkflow(started, execution_id)

    def _started(self, execution_id: str, process_id: str, done: Future[StartedExecution]) -> None:
        error = done.exception()
        if error is None:
            if not self._town.disk.read(_exists, execution_id):
                self._town.broken.append(f"{execution_id} is acknowledged, and not stored")
            self._unanswered.pop(execution_id, None)
            self.acknowledged.add(execution_id)
        elif self._unanswered.get(execution_id) == process_id:
            self._unanswered[execution_id] = ""
            if not isinstance(error, Unavailable) and isinstance(error, MaestraleError):
                del self._unanswered[execution_id], self.roots[execution_id]

    # -- asking

    def _pause(self) -> None:
        self._tell_one(states.RUNNING, PauseRequested())

    def _resume(self) -> None:
        self._tell_one(states.PAUSED, ResumeRequested())

    def _change_environment(self) -> None:
        self._tell_one(states.PAUSED, EnvironmentUpdated({"late": 1}))

    def _stop(self) -> None:
        """End an execution; a cancelled one mostly has sub-workflows that must end, too."""
        chance = self._town.chance
        state = chance.choice([states.SUCCESS, states.ERROR, states.CANCELLED, states.CANCELLED])
        if chance.random() < 0.4:
            event = StopRequested(state, ENOUGH)  # type: ignore[arg-type]
            parents = self._town.disk.read(_open_parents)
            if parents and state == states.CANCELLED and chance.random() < 0.8:
                parent_id = chance.choice(parents)
                self._disturb(parent_id)
                self._tell(parent_id, event)
            else:
                self._tell_one(states.RUNNING, event, disturbs=True)

    def _rerun(self) -> None:
        """Run a failed task again, or (mostly, where some have succeeded) only its failed items."""
        reset = self._town.chance.random() < 0.4
        found = [] if reset else self._town.disk.read(_partly_failed_tasks)
        if not found:
            found, reset = self._town.disk.read(_failed_tasks), self._town.chance.random() < 0.8
        if found:
            execution_id, task_id = self._town.chance.choice(found)
            self._disturb(execution_id)
            self._tell(execution_id, RerunRequested(task_id, reset))

    def _skip(self) -> None:
        """Take a failed task as done with, often one that a join misses."""
        found = self._town.disk.read(_failed_tasks)
        if self._town.chance.random() < 0.6:
            found = self._town.disk.read(_missed_tasks) or found
        if found:
            execution_id, task_id = self._town.chance.choice(found)
            self._disturb(execution_id)
            self._tell(execution_id, SkipRequested(task_id))

    def _restart(self) -> None:
        """Run a task of an execution that is over again, and all that followed from it."""
        found = self._town.disk.read(_ended_tasks)
        if found:
            execution_id, task_id = self._town.chance.choice(found)
            self._disturb(execution_id)
            self._tell(execution_id, RestartRequested(task_id))

    def _report(self) -> None:
        """An outside party tells how its work went; sometimes twice, or of a pause first."""
        chance = self._town.chance
        found = self._town.disk.read(_outside_work)
        if not found:
            return
        work = chance.choice(found)
        if self._asks and chance.random() < 0.15:
            state = states.RUNNING if work["state"] == states.PAUSED else states.PAUSED
            self._tell(work["execution_id"], ActionUpdated(work["id"], state))  # type: ignore[arg-type]
            return
        how = self._town.script.behaviour(
            work["workflow"], work["task"], work["item_index"], work["attempt"] + 1
        )
        event = ActionFinished(work["id"], how.state, {"done": how.result}, by_user=True)  # type: ignore[arg-type]
        self._tell(work["execution_id"], event)
        if chance.random() < 0.1:
            self._tell(work["execution_id"], event)

    def _tell_one(self, state: str, event: AnyEvent, disturbs: bool = False) -> None:
        found = [key for key, current in self.open_executions() if current == state]
        if found:
            execution_id = self._town.chance.choice(found)
            if disturbs:
                self._disturb(execution_id)
            self._tell(execution_id, event)

    def _disturb(self, execution_id: str) -> None:
        self.disturbed.add(self._town.disk.read(_root_of, execution_id))

    def _tell(self, execution_id: str, event: AnyEvent) -> None:
        """Send a command through a process, or leave a letter that nobody is told of.

        Often nobody asks anything more until such a letter is read, for that would be a hint, too.
        """
        town = self._town
        if execution_id in self._left_alone:
            if town.disk.read(_has_letters, execution_id):
                return
            self._left_alone.remove(execution_id)
        self._town.note("asked", f"{type(event).__name__} {execution_id}")
        if town.chance.random() < town.hint_lost:
            self._letters += 1
            row = mail_row(execution_id, event, town.now, f"letter-{self._letters}")
            town.disk.write(mail.post_command, row)
            if town.chance.random() < 0.7:
                self._left_alone.add(execution_id)
            return
        process = town.chance.choice(town.processes)
        process.engine.send(execution_id, event).add_done_callback(self._answered)

    def _answered(self, done: Future[None]) -> None:
        error = done.exception()
        if error is not None and not isinstance(error, MaestraleError):
            return  # the database refused, and nothing was promised
        if error is None and not self._town.disk.read(_has_replies):
            self._town.broken.append("a command is acknowledged, and no reply is stored")


def _open(connection: Connection) -> list[tuple[str, str]]:
    table = workflow_executions.c
    query = select(table.id, table.state).where(table.state.not_in(states.COMPLETED)).order_by(table.id)
    return [(row.id, row.state) for row in connection.execute(query)]


def _open_parents(connection: Connection) -> list[str]:
    """Executions that wait for sub-workflows."""
    table = workflow_executions.c
    query = select(table.parent_id).where(table.parent_id.is_not(None), table.state.not_in(states.COMPLETED))
    return list(connection.execute(query.distinct().order_by(table.parent_id)).scalars())


def _exists(connection: Connection, execution_id: str) -> bool:
    table = workflow_executions.c
    return connection.execute(select(table.id).where(table.id == execution_id)).first() is not None


def _root_of(connection: Connection, execution_id: str) -> str:
    table = workflow_executions.c
    return str(connection.execute(select(table.root_id).where(table.id == execution_id)).scalar_one())


def _failed_tasks(connection: Connection, *conditions: ColumnElement[bool]) -> list[tuple[str, str]]:
    task, workflow = task_executions.c, workflow_executions.c
    query = (
        select(task.execution_id, task.id)
        .join(workflow_executions, workflow.id == task.execution_id)
        .where(task.state == states.ERROR, workflow.state != states.SUCCESS, *conditions)
        .order_by(task.id.desc())
        .limit(20)
    )
    return [(row.execution_id, row.id) for row in connection.execute(query)]


def _missed_tasks(connection: Connection) -> list[tuple[str, str]]:
    """Failed tasks, no joins themselves, of executions in which a join waits or has failed."""
    task, join = task_executions.c, task_executions.alias("joins").c
    unmet = join.state.in_([states.WAITING, states.ERROR])
    is_missed = exists().where(join.execution_id == task.execution_id, join.is_join, join.live, unmet)
    return _failed_tasks(connection, task.live, ~task.is_join, is_missed)


def _partly_failed_tasks(connection: Connection) -> list[tuple[str, str]]:
    """Failed tasks of which some items have succeeded."""
    task = task_executions.c
    return _failed_tasks(connection, task.items_failed.between(1, task.items_count - 1))


def _ended_tasks(connection: Connection) -> list[tuple[str, str]]:
    task, workflow = task_executions.c, workflow_executions.c
    query = (
        select(task.execution_id, task.id)
        .join(workflow_executions, workflow.id == task.execution_id)
        .where(task.live, workflow.state.in_(states.COMPLETED))
        .order_by(task.id.desc())
        .limit(20)
    )
    return [(row.execution_id, row.id) for row in connection.execute(query)]


def _outside_work(connection: Connection) -> list[dict[str, Any]]:
    action, task, workflow = action_executions.c, task_executions.c, workflow_executions.c
    query = (
        select(
            action.id, action.execution_id, action.state, action.item_index, action.attempt,
            task.name.label("task"), workflow.name.label("workflow"),
        )
        .join(task_executions, task.id == action.task_id)
        .join(workflow_executions, workflow.id == action.execution_id)
        .where(action.name == OUTSIDE, action.state.in_([states.RUNNING, states.PAUSED]))
        .order_by(action.id)
    )  # fmt: skip
    return [dict(row) for row in connection.execute(query).mappings()]


def _has_letters(connection: Connection, execution_id: str | None) -> bool:
    """Whether an execution (None: any) has unread mail."""
    query = select(tables.mail.c.sequence).limit(1)
    if execution_id is not None:
        query = query.where(tables.mail.c.execution_id == execution_id)
    return connection.execute(query).first() is not None


def _has_replies(connection: Connection) -> bool:
    return connection.execute(select(command_replies.c.command_id).limit(1)).first() is not None
