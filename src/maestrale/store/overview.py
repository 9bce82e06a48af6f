"""One execution as a whole: its tasks and what they have started, without the values, in one reading."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection, func, select

from maestrale.model.listing import Row
from maestrale.model.values import Microseconds
from maestrale.store.documents import decode
from maestrale.store.executions import fetcher
from maestrale.store.queries import get_execution
from maestrale.store.selection import Viewer
from maestrale.store.tables import action_executions, execution_heads, task_executions, workflow_executions

MOST_TASKS: Final = 2000
MOST_CHILDREN: Final = 4000
"""Task executions, and action executions or sub-workflows, that are read; of more, the newest."""

_workflow = workflow_executions.c
_task = task_executions.c
_action = action_executions.c


class TaskSeen(msgspec.Struct, frozen=True):
    """A task execution. `triggers`: task execution (None: that is gone) and clause that led to it.

    `items_count`: None without with-items. `retries`: attempts after the first. `live`: not superseded.
    """

    id: str
    name: str
    type: str
    state: str
    state_info: str | None
    triggers: tuple[tuple[str | None, str], ...]
    retries: int
    items_count: int | None
    items_done: int
    items_failed: int
    live: bool
    created_at: Microseconds
    started_at: Microseconds | None
    finished_at: Microseconds | None


class ChildSeen(NamedTuple):
    """An action execution or a sub-workflow execution of a task."""

    id: str
    task_id: str
    item_index: int | None
    name: str
    state: str
    created_at: Microseconds
    updated_at: Microseconds | None


class Overview(msgspec.Struct, frozen=True):
    """An execution with what is in it, in the order in which it began.

    `row`: the execution as lists show it, with its output and `finished_at`. `last_event`: the newest event
    that is in it. `tasks_in_all`, `children_in_all`: how many there are, also of those that were not read.
    """

    row: Row
    definition_hash: str
    last_event: int
    tasks: list[TaskSeen]
    tasks_in_all: int
    actions: list[ChildSeen]
    sub_workflows: list[ChildSeen]
    children_in_all: int


def read_overview(connection: Connection, viewer: Viewer, execution_id: str) -> Overview:
    """An execution as a whole. NotFound if the viewer cannot see such an execution."""
    row = get_execution(connection, viewer, execution_id)
    head = connection.execute(
        select(_workflow.definition_hash, _workflow.finished_at, execution_heads.c.next_sequence)
        .join_from(workflow_executions, execution_heads, execution_heads.c.id == _workflow.id)
        .where(_workflow.id == execution_id)
    ).one()
    fetch = fetcher(connection, row["root_execution_id"] or execution_id, opens=False)
    tasks, tasks_in_all = _tasks(connection, execution_id, fetch)
    actions, actions_in_all = _actions(connection, execution_id)
    children, children_in_all = _sub_workflows(connection, execution_id)
    return Overview(
        row | {"finished_at": head.finished_at},
        head.definition_hash,
        head.next_sequence - 1,
        tasks,
        tasks_in_all,
        actions,
        children,
        actions_in_all + children_in_all,
    )


def _tasks(
    connection: Connection, execution_id: str, fetch: Callable[[str], bytes]
) -> tuple[list[TaskSeen], int]:
    names = [name for name in TaskSeen.__struct_fields__ if name not in ("triggers", "retries")]
    columns = [*(_task[name] for name in names), _task.triggered_by, _task.runtime]
    found = connection.execute(
        select(*columns)
        .where(_task.execution_id == execution_id)
        .order_by(_task.sequence.desc())
        .limit(MOST_TASKS)
    ).mappings()
    tasks = [_seen(dict(row), fetch) for row in found]
    tasks.reverse()
    return tasks, _count(connection, _task, execution_id, len(tasks), MOST_TASKS)


def _seen(row: dict[str, Any], fetch: Callable[[str], bytes]) -> TaskSeen:
    triggered_by = decode(row.pop("triggered_by"), fetch)
    runtime = decode(row.pop("runtime"), fetch)
    triggers = tuple((trigger["task_id"], str(trigger["event"])) for trigger in triggered_by)
    retries = runtime.get("retry_task_policy", {}).get("retry_no", 0)
    return TaskSeen(**row, triggers=triggers, retries=retries)


def _actions(connection: Connection, execution_id: str) -> tuple[list[ChildSeen], int]:
    found = connection.execute(
        select(*(_action[name] for name in ChildSeen._fields))
        .where(_action.execution_id == execution_id)
        .order_by(_action.created_at.desc(), _action.item_index.desc(), _action.id.desc())
        .limit(MOST_CHILDREN)
    )
    children = [ChildSeen._make(row) for row in found]
    children.reverse()
    return children, _count(connection, _action, execution_id, len(children), MOST_CHILDREN)


def _sub_workflows(connection: Connection, execution_id: str) -> tuple[list[ChildSeen], int]:
    found = connection.execute(
        select(_workflow.id, _workflow.parent_task_id, *(_workflow[name] for name in ChildSeen._fields[2:]))
        .where(_workflow.parent_id == execution_id)
        .order_by(_workflow.created_at.desc(), _workflow.item_index.desc(), _workflow.id.desc())
        .limit(MOST_CHILDREN)
    )
    children = [ChildSeen._make(row) for row in found]
    children.reverse()
    total = len(children)
    if total == MOST_CHILDREN:
        query = select(func.count()).where(_workflow.parent_id == execution_id)
        total = connection.execute(query).scalar_one()
    return children, total


def _count(connection: Connection, columns: Any, execution_id: str, read: int, most: int) -> int:
    """How many rows an execution has, if not all were read."""
    if read < most:
        return read
    query = select(func.count()).where(columns.execution_id == execution_id)
    return int(connection.execute(query).scalar_one())
