"""What must be true of the committed rows at every moment of a history."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Any, Final, Protocol

import msgspec
from sqlalchemy import Connection, Table, select, true

from maestrale.actions.base import ActionContext
from maestrale.model import states
from maestrale.model.values import Json, Microseconds
from maestrale.runtime.upkeep import EVERY, UNREAD
from maestrale.simulation.database import Disk
from maestrale.simulation.script import SAFE
from maestrale.store.tables import (
    action_executions,
    decision_records,
    execution_heads,
    mail,
    task_executions,
    workflow_executions,
)

Row = dict[str, Any]

SWEPT: Final = UNREAD + 2 * round(EVERY) * 1_000_000
"""Microseconds after which the slow sweep must have found whatever lay about."""

REOPENING: Final = (b'"rerun"', b'"child-rerun"', b'"skip"', b'"restart"')
"""Events that let ended tasks run again."""

ENOUGH: Final = "enough"
"""What people say who cancel an execution."""

OPEN: Final = (states.RUNNING, states.PAUSED)


class Violation(AssertionError):
    """A promise of the engine is broken."""


def require(condition: object, text: str) -> None:
    """Raise `Violation` unless the condition holds."""
    if not condition:
        raise Violation(text)


class Rows:
    """All rows of one execution, documents decoded."""

    def __init__(self, connection: Connection, execution_id: str) -> None:
        heads, workflows = execution_heads.c, workflow_executions.c
        self.head = _one(connection, execution_heads, heads.id == execution_id)
        self.workflow = _one(connection, workflow_executions, workflows.id == execution_id)
        tasks = _all(connection, task_executions, task_executions.c.execution_id == execution_id)
        self.tasks = {row["id"]: row for row in sorted(tasks, key=lambda row: row["sequence"])}
        self.actions = _all(connection, action_executions, action_executions.c.execution_id == execution_id)
        self.children = _all(connection, workflow_executions, workflows.parent_id == execution_id)
        self.letters = _all(connection, mail, mail.c.execution_id == execution_id)
        table = decision_records.c
        latest = select(table.event).where(
            table.execution_id == execution_id, table.version == self.head["version"]
        )
        events = list(connection.execute(latest).scalars())
        reopening = [event for event in events if any(mark in event for mark in REOPENING)]
        self.is_one_decision = len(events) == 1
        self.is_reopened = bool(reopening)
        self.repeats_failed_items = bool(reopening) and all(b'"reset":false' in event for event in reopening)
        self.by_task: dict[str, list[Row]] = {}
        for row in self.actions:
            self.by_task.setdefault(row["task_id"], []).append(row)
        for row in self.children:
            self.by_task.setdefault(row["parent_task_id"], []).append(row)

    @property
    def live_tasks(self) -> list[Row]:
        """The task executions that no restart has superseded."""
        return [task for task in self.tasks.values() if task["live"]]

    @property
    def is_running(self) -> bool:
        """Whether the workflow runs."""
        return bool(self.workflow["state"] == states.RUNNING)


def _one(connection: Connection, table: Table, condition: Any) -> Row:
    rows = _all(connection, table, condition)
    require(len(rows) == 1, f"{len(rows)} rows in {table.name}")
    return rows[0]


def _all(connection: Connection, table: Table, condition: Any) -> list[Row]:
    return [dict(row) for row in connection.execute(select(table).where(condition)).mappings()]


def document(text: str | None) -> Json:
    """A JSON column."""
    return None if text is None else msgspec.json.decode(text)


class Law(Protocol):
    """What else must hold of the rows of one execution."""

    def check(self, rows: Rows, calm: bool) -> None: ...


class Checks:
    """Holds what was seen before, so that what may never change is found to change."""

    def __init__(self, disk: Disk, clock: Callable[[], Microseconds]) -> None:
        self._disk = disk
        self._clock = clock
        self._ended: dict[str, tuple[str, str | None]] = {}
        """Action executions that have ended: state and output."""
        self._begun: dict[str, str] = {}
        """Action executions that have begun: the process that ran them last."""
        self._seen: set[str] = set()
        self._over: dict[str, set[str]] = {}
        """By execution: the tasks that had ended at its last commit."""
        self._kept: dict[str, tuple[int, set[str]]] = {}
        """By with-items task: its attempt, and the successful action executions that count."""
        self.commits = 0

    def after_commit(self, execution_id: str, laws: Law, disturbed: Container[str]) -> None:
        """One execution has just been changed. `disturbed`: roots of trees that people meddled with."""
        self.commits += 1
        rows = self._disk.read(Rows, execution_id)
        self._workflow(rows)
        for task in rows.live_tasks:
            self._task(rows, task)
        self._over[execution_id] = {
            key for key, row in rows.tasks.items() if row["state"] in states.COMPLETED
        }
        self._results(rows)
        self._repeated(rows)
        laws.check(rows, rows.workflow["root_id"] not in disturbed)

    def action_started(self, process_id: str, context: ActionContext, name: str) -> None:
        """An action begins: its start must be durable, and it may not have begun before without leave."""
        action_id = context.action_execution_id
        (row,) = self._disk.read(_all, action_executions, action_executions.c.id == action_id)
        require(not row["queued"] or row["executor"] != process_id, f"{action_id} runs, but counts as queued")
        require(context.idempotency_key == action_id, f"{action_id} has the key {context.idempotency_key}")
        before = self._begun.get(action_id)
        if before is not None and not row["repeatable"]:
            raise Violation(f"{name} {action_id} runs in {process_id} after {before}, without leave")
        require(row["repeatable"] or name != SAFE, f"{action_id} is said not to be repeatable")
        self._begun[action_id] = process_id

    def _workflow(self, rows: Rows) -> None:
        workflow, head = rows.workflow, rows.head
        where = f"execution {workflow['id']} ({workflow['state']})"
        open_tasks = sum(task["state"] not in states.COMPLETED for task in rows.live_tasks)
        require(
            head["open_tasks"] == open_tasks, f"{where} counts {head['open_tasks']} of {open_tasks} tasks"
        )
        if workflow["state"] in states.COMPLETED:
            require(workflow["cause"] is None, f"{where} has the cause {workflow['cause']}")
            require(workflow["finished_at"] is not None, f"{where} has no end")
            require(head["alarm_at"] is None, f"{where} has an alarm")
        else:
            require(workflow["cause"] is not None, f"{where} has no cause")
            require(workflow["finished_at"] is None, f"{where} has an end")
            require(workflow["output"] is None, f"{where} has an output")
        if rows.is_running and head["ready"] is None:
            require(open_tasks, f"{where} runs, but nothing in it does")
            waiting = sum(task["state"] == states.WAITING for task in rows.live_tasks)
            require(waiting < open_tasks, f"in {where} joins wait for each other")
        if head["ready"] is not None and rows.is_running:
            require(head["owner"], f"{where} has tasks to start and no owner")
        if workflow["cascades"] is not None:
            require(head["owner"], f"{where} has sub-workflows to tell and no owner")

    def _task(self, rows: Rows, task: Row) -> None:
        where = f"task {task['name']} {task['id']} ({task['state']})"
        if task["state"] in states.COMPLETED:
            require(task["cause"] is None, f"{where} has the cause {task['cause']}")
            require(task["finished_at"] is not None, f"{where} has no end")
        else:
            require(task["cause"] is not None, f"{where} has no cause")
            if rows.is_running:
                self._cause(rows, task, document(task["cause"]), where)
        if task["id"] not in self._seen:
            self._seen.add(task["id"])
            for trigger in [] if rows.is_reopened else document(task["triggered_by"]):
                if trigger["task_id"] is None:
                    continue  # an inbound task that could not trigger a failed join
                source = rows.tasks.get(trigger["task_id"])
                require(source, f"{where} was triggered by nobody")
                assert source is not None
                # A resume takes up what a pause held back, then a skip may give a failed join another chance.
                had_ended = source["is_join"] and source["id"] in self._over.get(task["execution_id"], ())
                require(
                    source["state"] in states.COMPLETED or had_ended,
                    f"{where} was triggered by {source['name']}, which is {source['state']}",
                )

    def _cause(self, rows: Rows, task: Row, cause: Json, where: str) -> None:
        """In a running workflow: what the cause of an open task names is really there."""
        kind = cause["kind"]
        ready = document(rows.head["ready"]) or []
        alive = [row for row in rows.by_task.get(task["id"], []) if self._is_alive(rows, row)]
        if kind in ("continue", "rerun"):
            require(task["id"] in ready, f"{where} is to go on, but is not queued")
        elif kind in ("action", "sub-workflow"):
            require(alive, f"{where} waits for {kind} {cause.get('id')}, and nothing is open")
        elif kind == "items":
            require(alive or task["id"] in ready, f"{where} waits for items, and none is open")
        elif kind == "due":
            require(task["due_at"] == cause["at"], f"{where} is due at {task['due_at']}, not {cause['at']}")
            alarm = rows.head["alarm_at"]
            require(
                alarm is not None and alarm <= task["due_at"], f"{where} is due, but the alarm is {alarm}"
            )
        elif kind == "join":
            require(task["state"] == states.WAITING, f"{where} is no waiting join")
        elif kind == "child-paused":
            require(alive, f"{where} waits for a paused child, and there is none")
        else:
            raise Violation(f"{where}: a running workflow has no such cause: {cause}")
        if task["timeout_at"] is not None:
            alarm = rows.head["alarm_at"]
            require(alarm is not None and alarm <= task["timeout_at"], f"{where} has a time-out, no alarm")

    @staticmethod
    def _is_alive(rows: Rows, row: Row) -> bool:
        """Whether a child still counts and its end is still to be told."""
        if row["state"] in OPEN:
            return True
        if "parent_task_id" not in row:
            return False
        return not row["accepted"] and any(row["id"].encode() in letter["event"] for letter in rows.letters)

    def _results(self, rows: Rows) -> None:
        """No result is consumed twice, and what has ended stays as it is."""
        for task_id, children in rows.by_task.items():
            accepted = [row["item_index"] for row in children if row["accepted"]]
            require(
                len(set(accepted)) == len(accepted),
                f"task {rows.tasks[task_id]['name']} {task_id} has two results for one item: {accepted}",
            )
        for row in rows.actions:
            if row["state"] not in states.COMPLETED:
                require(row["id"] not in self._ended, f"action {row['id']} has ended and is {row['state']}")
                continue
            before = self._ended.setdefault(row["id"], (row["state"], row["output"]))
            require(row["state"] == before[0], f"action {row['id']} was {before[0]} and is {row['state']}")
            require(
                row["output"] in (before[1], None),
                f"the result of action {row['id']} was {before[1]} and is {row['output']}",
            )

    def _repeated(self, rows: Rows) -> None:
        """A rerun of the failed items leaves the successful ones alone."""
        for task in rows.tasks.values():
            if task["items_count"] is None:
                self._kept.pop(task["id"], None)
                continue
            attempt: int = document(task["runtime"]).get("attempt", 0)
            good = {
                row["id"]
                for row in rows.by_task.get(task["id"], [])
                if row["accepted"] and row["state"] == states.SUCCESS
            }
            before = self._kept.get(task["id"])
            self._kept[task["id"]] = attempt, good
            if before is not None and before[0] + 1 == attempt and rows.repeats_failed_items:
                where = f"the rerun of failed items of {task['name']} {task['id']}"
                require(before[1] <= good, f"{where} repeats {sorted(before[1] - good)}, which had succeeded")

    # -- when nothing can be done now

    def at_rest(self, active: Mapping[str, set[str]]) -> None:
        """Everybody is awake and idle: what is open must wait for something that will really come.

        `active`: by process, the action executions that it has in its hands.
        """
        for execution_id in self._disk.read(_open_executions):
            rows = self._disk.read(Rows, execution_id)
            where = f"execution {execution_id} ({rows.workflow['state']}) at rest"
            if rows.is_running:
                require(rows.head["ready"] is None, f"{where} has tasks to start: {rows.head['ready']}")
            parent_id = rows.workflow["parent_id"]
            if rows.is_running and parent_id is not None and not rows.letters:
                parent = self._disk.read(Rows, parent_id)
                require(not _should_have_stopped(parent, rows), f"{where} goes on, its parent was stopped")
            alarm = rows.head["alarm_at"]
            if alarm is not None:
                require(self._clock() - alarm < SWEPT, f"{where} slept through its alarm")
            for row in rows.actions:
                self._running_action(row, rows, active)
        for row in self._disk.read(_all, workflow_executions, workflow_executions.c.cascades.is_not(None)):
            raise Violation(f"execution {row['id']} at rest has sub-workflows to tell: {row['cascades']}")
        for letter in self._disk.read(_all, mail, true()):
            unread = f"{letter['execution_id']} at rest has unread mail"  # also if it has ended
            require(self._clock() - letter["created_at"] < SWEPT, unread)

    @staticmethod
    def _running_action(row: Row, rows: Rows, active: Mapping[str, set[str]]) -> None:
        if row["state"] != states.RUNNING or row["executor"] is None or row["waits_outside"]:
            return
        where = f"action {row['name']} {row['id']} of {rows.workflow['id']}"
        require(row["executor"] in active, f"{where} is RUNNING in {row['executor']}, which is gone")
        require(row["id"] in active[row["executor"]], f"{where} is RUNNING, and nobody runs it")


def _should_have_stopped(parent: Rows, child: Rows) -> bool:
    """Whether an execution was cancelled by a person, and this child of it still counts there."""
    task = parent.tasks[child.workflow["parent_task_id"]]
    counts = child.workflow["attempt"] >= document(task["runtime"]).get("attempt", 0)
    was_stopped = parent.workflow["state"] == states.CANCELLED and parent.workflow["state_info"] == ENOUGH
    return bool(was_stopped and counts and task["live"])


def _open_executions(connection: Connection) -> list[str]:
    table = workflow_executions.c
    query = select(table.id).where(table.state.not_in(states.COMPLETED)).order_by(table.id)
    return list(connection.execute(query).scalars())
