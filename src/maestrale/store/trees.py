"""Executions below an execution: flat lists and the report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Select, Table, func, select
from sqlalchemy.engine import RowMapping

from maestrale.model import states
from maestrale.model.errors import NotFound
from maestrale.model.listing import Row
from maestrale.model.values import Microseconds
from maestrale.store.queries import EXECUTIONS, executions_by_id, get_task
from maestrale.store.selection import Viewer, visible
from maestrale.store.tables import action_executions, task_executions, workflow_executions

_workflow = workflow_executions.c
_task = task_executions.c
_action = action_executions.c

RUNS_FOR_AN_ESTIMATE: Final = 20
COUNTED: Final = (states.RUNNING, states.SUCCESS, states.ERROR, states.IDLE, states.PAUSED)
SECOND: Final = 1_000_000

_AGE = (_workflow.created_at, _workflow.item_index, _workflow.id)
_EXECUTION_COLUMNS = (
    _workflow.id,
    _workflow.name,
    _workflow.state,
    _workflow.state_info,
    _workflow.created_at,
    _workflow.updated_at,
)


_TASK_COLUMNS = (
    _task.execution_id,
    _task.id,
    _task.name,
    _task.state,
    _task.state_info,
    _task.created_at,
    _task.updated_at,
    _task.runtime,
    _task.live,
)

_ACTION_COLUMNS = (
    _action.task_id,
    _action.id,
    _action.name,
    _action.state,
    _action.state_info,
    _action.created_at,
    _action.updated_at,
    _action.accepted,
)


def list_below_execution(
    connection: Connection,
    viewer: Viewer,
    identifier: str,
    *,
    fields: Sequence[str],
    errors_only: bool,
    max_depth: int | None,
) -> list[Row]:
    """An execution and what is below it, depth first, at most `max_depth` levels down (None: all).

    `errors_only` follows failed tasks only.
    """
    tree = _Tree(connection, _root_of(connection, viewer, identifier), errors_only)
    found = [identifier]
    if max_depth != 0:
        found += tree.walk(tree.tasks.get(identifier, []), None if max_depth is None else max_depth - 1)
    return executions_by_id(connection, viewer, found, fields)


def list_below_task(
    connection: Connection,
    viewer: Viewer,
    task_id: str,
    *,
    fields: Sequence[str],
    errors_only: bool,
    max_depth: int | None,
) -> list[Row]:
    """The executions that a task started and, at most `max_depth` levels further down, what they started.

    `errors_only` follows failed tasks only, and this one is no exception.
    """
    task = get_task(connection, viewer, task_id, ("workflow_execution_id", "state"))
    if errors_only and task["state"] != states.ERROR:
        return []
    tree = _Tree(connection, _root_of(connection, viewer, task["workflow_execution_id"]), errors_only)
    return executions_by_id(connection, viewer, list(tree.walk([task_id], max_depth)), fields)


def report(
    connection: Connection,
    viewer: Viewer,
    identifier: str,
    *,
    now: Microseconds,
    errors_only: bool,
    max_depth: int | None,
    statistics_only: bool,
) -> Row:
    """Statistics of an execution tree and, unless `statistics_only`, the tree itself.

    Executions deeper than `max_depth` are shown without tasks, and those tasks are not counted; nor are
    tasks that a restart has superseded.
    `errors_only` keeps failed tasks only. Times are microseconds.
    """
    root_id = _root_of(connection, viewer, identifier)
    maker = _Report(connection, root_id, errors_only)
    root = maker.entry(identifier, max_depth)
    statistics: Row = {"total_tasks_count": sum(maker.counts.values())}
    statistics |= {f"{state.lower()}_tasks_count": maker.counts.get(state, 0) for state in COUNTED}
    statistics["estimated_time"] = _estimate(connection, identifier, now)
    return {"statistics": statistics} | ({} if statistics_only else {"root_workflow_execution": root})


def _root_of(connection: Connection, viewer: Viewer, identifier: str) -> str:
    found = connection.execute(
        select(_workflow.root_id).where(_workflow.id == identifier, *visible(EXECUTIONS, viewer))
    ).scalar()
    if found is None:
        raise NotFound(f"WorkflowExecution not found [id={identifier}]")
    return str(found)


def _in_tree(table: Table, root_id: str, *columns: Any) -> Select[Any]:
    """Rows of tasks or action executions of a whole tree."""
    joined = table.join(workflow_executions, table.c.execution_id == _workflow.id)
    return select(*columns).select_from(joined).where(_workflow.root_id == root_id)


class _Tree:
    """Which executions a task started, and which tasks of an execution may have, for one root."""

    def __init__(self, connection: Connection, root_id: str, errors_only: bool) -> None:
        self.executions: dict[str, list[str]] = {}
        self.tasks: dict[str, list[str]] = {}
        children = select(_workflow.parent_task_id, _workflow.id).where(
            _workflow.root_id == root_id, _workflow.parent_task_id.is_not(None)
        )
        for task_id, execution_id in connection.execute(children.order_by(*_AGE)):
            self.executions.setdefault(task_id, []).append(execution_id)
        parents = _in_tree(task_executions, root_id, _task.execution_id, _task.id).where(
            _task.type == "WORKFLOW"
        )
        if errors_only:
            parents = parents.where(_task.state == states.ERROR)
        for execution_id, task_id in connection.execute(parents.order_by(_task.sequence)):
            self.tasks.setdefault(execution_id, []).append(task_id)

    def walk(self, task_ids: list[str], levels: int | None) -> Iterator[str]:
        """What these tasks started, depth first, and what is up to `levels` levels below that."""
        stack = [(execution_id, levels) for execution_id in self._started(task_ids)]
        while stack:
            execution_id, left = stack.pop()
            yield execution_id
            if left != 0:
                below = self._started(self.tasks.get(execution_id, []))
                stack += [(child, None if left is None else left - 1) for child in below]

    def _started(self, task_ids: list[str]) -> list[str]:
        """Last first, as a stack wants them."""
        return [child for task_id in task_ids for child in self.executions.get(task_id, [])][::-1]


class _Report:
    """The tree of a report, made top down from rows that are read once."""

    def __init__(self, connection: Connection, root_id: str, errors_only: bool) -> None:
        self.counts: dict[str, int] = {}
        self._executions: dict[str, RowMapping] = {}
        self._started: dict[str, list[str]] = {}
        self._tasks: dict[str, list[RowMapping]] = {}
        self._actions: dict[str, list[Row]] = {}
        members = select(*_EXECUTION_COLUMNS, _workflow.parent_task_id).where(_workflow.root_id == root_id)
        for row in connection.execute(members.order_by(*_AGE)).mappings():
            self._executions[row["id"]] = row
            if row["parent_task_id"] is not None:
                self._started.setdefault(row["parent_task_id"], []).append(row["id"])
        tasks = _in_tree(task_executions, root_id, *_TASK_COLUMNS)
        if errors_only:
            tasks = tasks.where(_task.state == states.ERROR)
        for row in connection.execute(tasks.order_by(_task.sequence)).mappings():
            self._tasks.setdefault(row["execution_id"], []).append(row)
        actions = _in_tree(action_executions, root_id, *_ACTION_COLUMNS)
        for row in connection.execute(actions.order_by(_action.created_at, _action.id)).mappings():
            entry = {**row, "last_heartbeat": None}
            self._actions.setdefault(entry.pop("task_id"), []).append(entry)

    def entry(self, execution_id: str, levels: int | None) -> Row:
        """One execution with its tasks, and so on while there are levels left."""
        row = self._executions[execution_id]
        entry: Row = {column.name: row[column.name] for column in _EXECUTION_COLUMNS}
        if levels is None or levels >= 0:
            below = None if levels is None else levels - 1
            entry["task_executions"] = [
                self._task_entry(task, below) for task in self._tasks.get(execution_id, [])
            ]
        return entry

    def _task_entry(self, row: RowMapping, levels: int | None) -> Row:
        entry = {**row}
        if entry.pop("live"):
            self.counts[row["state"]] = self.counts.get(row["state"], 0) + 1
        else:
            entry["superseded"] = True
        del entry["execution_id"]
        retries = msgspec.json.decode(entry.pop("runtime")).get("retry_task_policy", {}).get("retry_no")
        if retries:
            entry["retry_count"] = retries
        entry["action_executions"] = self._actions.get(row["id"], [])
        entry["workflow_executions"] = [
            self.entry(child, levels) for child in self._started.get(row["id"], [])
        ]
        return entry


def _estimate(connection: Connection, identifier: str, now: Microseconds) -> int:
    """Seconds that an execution still needs by the mean of earlier runs of its project.

    0: it does not run; -1: nobody knows.
    """
    columns = (_workflow.workflow_id, _workflow.project_id, _workflow.state, _workflow.created_at)
    workflow_id, project_id, state, created_at = connection.execute(
        select(*columns).where(_workflow.id == identifier)
    ).one()
    if state != states.RUNNING:
        return 0
    runs = (
        select((_workflow.finished_at - _workflow.created_at).label("took"))
        .where(
            _workflow.workflow_id == workflow_id,
            _workflow.project_id == project_id,
            _workflow.state == states.SUCCESS,
            _workflow.finished_at.is_not(None),
        )
        .order_by(_workflow.created_at.desc())
        .limit(RUNS_FOR_AN_ESTIMATE)
        .subquery()
    )
    mean = connection.execute(select(func.avg(runs.c.took))).scalar()
    if mean is None:
        return -1
    seconds = round((float(mean) - (now - int(created_at))) / SECOND)
    return max(1, seconds)
