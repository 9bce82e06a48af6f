"""What `why` reads: open and failed things with their recorded causes, a bounded number at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Select, func, or_, select
from sqlalchemy.sql import ColumnElement

from maestrale.model import states
from maestrale.model.values import Microseconds
from maestrale.store.documents import decode, expand
from maestrale.store.executions import fetcher
from maestrale.store.tables import (
    action_executions,
    execution_heads,
    processes,
    task_executions,
    workflow_executions,
)

SHOWN: Final = 20
"""How many of one kind are read in one place; the rest is counted."""

LONGEST_ERROR: Final = 500
"""Characters of an action's result that are kept."""

_workflow = workflow_executions.c
_task = task_executions.c
_action = action_executions.c

Document = dict[str, Any]


class ExecutionFacts(NamedTuple):
    """A workflow execution.

    `alarm_at`: when it wakes by itself; `task_id`, `item_index`: whose child it is.
    """

    id: str
    name: str
    state: str
    state_info: str | None
    cause: Document
    definition_hash: str
    backlog: list[Document]
    task_id: str | None
    item_index: int | None
    created_at: Microseconds
    updated_at: Microseconds | None
    finished_at: Microseconds | None
    alarm_at: Microseconds | None


class TaskFacts(NamedTuple):
    """A task execution."""

    id: str
    execution_id: str
    name: str
    type: str
    state: str
    state_info: str | None
    cause: Document
    next_tasks: list[list[str]]
    runtime: Document
    due_at: Microseconds | None
    timeout_at: Microseconds | None
    items_count: int | None
    items_next: int
    items_done: int
    items_failed: int
    is_join: bool
    live: bool
    processed: bool
    created_at: Microseconds
    updated_at: Microseconds | None
    started_at: Microseconds | None
    finished_at: Microseconds | None


class ActionFacts(NamedTuple):
    """An action execution. `host`, `pid`: the process that runs it; `error`: what a failed one delivered."""

    id: str
    task_id: str | None
    item_index: int | None
    name: str
    state: str
    state_info: str | None
    queued: bool
    waits_outside: bool
    created_at: Microseconds
    updated_at: Microseconds | None
    host: str | None
    pid: int | None
    error: str | None


class Some(NamedTuple):
    """The first few of many, and how many there are."""

    shown: list[Any]
    total: int


NOTHING: Final = Some([], 0)

_EXECUTION_COLUMNS = (
    _workflow.id, _workflow.name, _workflow.state, _workflow.state_info, _workflow.cause,
    _workflow.definition_hash, _workflow.backlog, _workflow.parent_task_id.label("task_id"),
    _workflow.item_index, _workflow.created_at, _workflow.updated_at, _workflow.finished_at,
    execution_heads.c.alarm_at,
)  # fmt: skip
_TASK_COLUMNS = [_task[name] for name in TaskFacts._fields]
_ACTION_COLUMNS = (
    *(_action[name] for name in ActionFacts._fields if name not in ("host", "pid", "error")),
    processes.c.host, processes.c.pid, _action.output,
)  # fmt: skip


class CauseReader:
    """Reads of one execution tree, or of one action that was run by itself."""

    def __init__(self, connection: Connection, root_id: str) -> None:
        self._connection = connection
        self._fetch = fetcher(connection, root_id, opens=False)

    def execution(self, execution_id: str) -> ExecutionFacts:
        """One workflow execution, which must be there."""
        row = self._connection.execute(_executions(_workflow.id == execution_id)).mappings().one()
        return self._execution(row)

    def task(self, task_id: str) -> TaskFacts:
        """One task execution, which must be there."""
        return self._task_facts(
            self._connection.execute(select(*_TASK_COLUMNS).where(_task.id == task_id)).mappings().one()
        )

    def action(self, action_id: str) -> ActionFacts:
        """One action execution, which must be there."""
        row = self._connection.execute(_actions(_action.id == action_id)).mappings().one()
        return self._action_facts(row)

    def open_tasks(self, execution_id: str) -> tuple[list[TaskFacts], dict[str, int]]:
        """The first tasks that have not ended, joins before others; and how many are in which state."""
        is_open = (
            _task.execution_id == execution_id,
            _task.live,
            _task.state.not_in(sorted(states.COMPLETED)),
        )
        query = select(*_TASK_COLUMNS).where(*is_open)
        rows = self._connection.execute(
            query.order_by(_task.state != states.WAITING, _task.sequence).limit(SHOWN)
        ).mappings()
        counts = select(_task.state, func.count()).where(*is_open).group_by(_task.state)
        return [self._task_facts(row) for row in rows], {
            str(state): n for state, n in self._connection.execute(counts)
        }

    def ended_tasks(self, execution_id: str, state: str) -> Some:
        """Tasks that ended in `state` without being handled, the first ones."""
        fits = (_task.execution_id == execution_id, _task.live, _task.state == state, ~_task.error_handled)
        total = self._connection.execute(
            select(func.count()).where(*fits).select_from(task_executions)
        ).scalar_one()
        rows = self._connection.execute(
            select(*_TASK_COLUMNS).where(*fits).order_by(_task.finished_at, _task.sequence).limit(SHOWN)
        )
        return Some([self._task_facts(row) for row in rows.mappings()], total)

    def live_tasks(self, execution_id: str) -> Iterator[TaskFacts]:
        """All task executions that no restart has superseded, in the order of their creation."""
        query = select(*_TASK_COLUMNS).where(_task.execution_id == execution_id, _task.live)
        for row in self._connection.execute(query.order_by(_task.sequence)).mappings():
            yield self._task_facts(row)

    def timed_task(self, execution_id: str, at: Microseconds) -> TaskFacts | None:
        """The task for which the execution wakes at that time."""
        row = (
            self._connection.execute(
                select(*_TASK_COLUMNS)
                .where(
                    _task.execution_id == execution_id,
                    _task.live,
                    _task.state.not_in(sorted(states.COMPLETED)),
                    or_(_task.due_at == at, _task.timeout_at == at),
                )
                .order_by(_task.sequence)
                .limit(1)
            )
            .mappings()
            .first()
        )
        return None if row is None else self._task_facts(row)

    def open_actions(self, task_ids: Sequence[str]) -> dict[str, Some]:
        """The first action executions of each task that run or wait."""
        return self._actions_of(task_ids, _action.state.in_([states.RUNNING, states.PAUSED]))

    def failed_actions(self, task_ids: Sequence[str]) -> dict[str, Some]:
        """The first action executions of each task that made it fail."""
        ended = _action.state.in_([states.ERROR, states.CANCELLED])
        return self._actions_of(task_ids, ended & _action.accepted)

    def open_children(self, task_ids: Sequence[str]) -> dict[str, Some]:
        """The first sub-workflow executions of each task that have not ended."""
        return self._children_of(task_ids, _workflow.state.not_in(sorted(states.COMPLETED)))

    def failed_children(self, task_ids: Sequence[str]) -> dict[str, Some]:
        """The first sub-workflow executions of each task that made it fail."""
        ended = _workflow.state.in_([states.ERROR, states.CANCELLED])
        return self._children_of(task_ids, ended & _workflow.accepted)

    def _actions_of(self, task_ids: Sequence[str], condition: ColumnElement[bool]) -> dict[str, Some]:
        rows = self._first_of_each(_actions(_action.task_id.in_(task_ids), condition), _action)
        return _grouped((row["task_id"], row["total"], self._action_facts(row)) for row in rows)

    def _children_of(self, task_ids: Sequence[str], condition: ColumnElement[bool]) -> dict[str, Some]:
        query = _executions(_workflow.parent_task_id.in_(task_ids), condition)
        rows = self._first_of_each(query, _workflow)
        return _grouped((row["task_id"], row["total"], self._execution(row)) for row in rows)

    def _first_of_each(self, query: Select[Any], table: Any) -> Iterable[Any]:
        """The first rows of each task, with the number of all of them as `total`."""
        task_id = table.task_id if "task_id" in table else table.parent_task_id
        place = func.row_number().over(
            partition_by=task_id, order_by=(table.item_index, table.created_at, table.id)
        )
        total = func.count().over(partition_by=task_id)
        numbered = query.add_columns(place.label("place"), total.label("total")).subquery()
        first = select(numbered).where(numbered.c.place <= SHOWN).order_by(numbered.c.place)
        return self._connection.execute(first).mappings()

    def _document(self, row: Any, name: str) -> Any:
        return decode(row[name], self._fetch)

    def _execution(self, row: Any) -> ExecutionFacts:
        values = {name: row[name] for name in ExecutionFacts._fields}
        values |= {
            "cause": self._document(row, "cause") or {},
            "backlog": self._document(row, "backlog") or [],
        }
        return ExecutionFacts(**values)

    def _task_facts(self, row: Any) -> TaskFacts:
        values = {name: row[name] for name in TaskFacts._fields}
        for name in ("cause", "runtime"):
            values[name] = self._document(row, name) or {}
        values["next_tasks"] = self._document(row, "next_tasks") or []
        return TaskFacts(**values)

    def _action_facts(self, row: Any) -> ActionFacts:
        values = {name: row[name] for name in ActionFacts._fields if name != "error"}
        error = None
        if row["state"] == states.ERROR and row["output"] is not None:
            error = expand(row["output"], self._fetch)[:LONGEST_ERROR]
        return ActionFacts(**values, error=error)


def _executions(*conditions: ColumnElement[bool]) -> Select[Any]:
    source = workflow_executions.join(execution_heads, execution_heads.c.id == _workflow.id)
    return select(*_EXECUTION_COLUMNS).select_from(source).where(*conditions)


def _actions(*conditions: ColumnElement[bool]) -> Select[Any]:
    source = action_executions.outerjoin(processes, processes.c.id == _action.executor).outerjoin(
        workflow_executions, _action.execution_id == _workflow.id
    )
    return select(*_ACTION_COLUMNS).select_from(source).where(*conditions)


def _grouped(rows: Iterable[tuple[str, int, Any]]) -> dict[str, Some]:
    found: dict[str, Some] = {}
    for task_id, total, facts in rows:
        found.setdefault(task_id, Some([], total)).shown.append(facts)
    return found
