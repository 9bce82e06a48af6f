"""The read side: workflow, task and action executions as the API shows them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Select, bindparam, case, func, null, select

from maestrale.model import states
from maestrale.model.errors import NotFound
from maestrale.model.listing import Listing, Row
from maestrale.store.documents import expand
from maestrale.store.executions import fetcher
from maestrale.store.marks import is_there
from maestrale.store.paging import read_page
from maestrale.store.selection import (
    Condition,
    Field,
    Lead,
    Resource,
    Viewer,
    any_viewer,
    select_fields,
    visible,
)
from maestrale.store.tables import action_executions, task_executions, workflow_executions

IDS_PER_STATEMENT: Final = 1000
REMEMBERED_STATEMENTS: Final = 100
"""Requests may choose any fields."""

_workflow = workflow_executions.c
_task = task_executions.c
_action = action_executions.c

EXECUTIONS: Final = Resource(
    collection="executions",
    title="WorkflowExecution",
    source=workflow_executions,
    project=_workflow.project_id,
    is_there=is_there(_workflow.id, _workflow.root_id),
    hidden={"_root": _workflow.root_id},
    computed={"published_global": {"_globals": _workflow.globals, "_variables": _workflow.variables}},
    free_ids=True,
    leads=(
        Lead("task_execution_id", by_project=False),
        Lead("root_execution_id", by_project=False),
        Lead("workflow_id"),
        Lead("workflow_name", is_looked_through=True),
        Lead("tags", left_out="[]", is_looked_through=True),
        Lead("state", values=states.WORKFLOW_STATES),
    ),
    fields={
        "id": Field(_workflow.id, filters=False),
        "workflow_id": Field(_workflow.workflow_id, "uuid", nullable=True),
        "workflow_name": Field(_workflow.name),
        "workflow_namespace": Field(_workflow.namespace, filters=False),
        "description": Field(_workflow.description, nullable=True),
        "tags": Field(_workflow.tags, "tags"),
        "params": Field(_workflow.params, "document"),
        "task_execution_id": Field(_workflow.parent_task_id, "uuid", nullable=True),
        "root_execution_id": Field(
            case((_workflow.parent_task_id.is_(None), null()), else_=_workflow.root_id),
            nullable=True,
            indexed=_workflow.root_id,
        ),
        "state": Field(_workflow.state),
        "state_info": Field(_workflow.state_info, nullable=True),
        "input": Field(_workflow.input, "document"),
        "output": Field(_workflow.output, "document", nullable=True, heavy=True),
        "created_at": Field(_workflow.created_at, "time"),
        "updated_at": Field(_workflow.updated_at, "time", nullable=True),
        "project_id": Field(_workflow.project_id),
    },
)

TASKS: Final = Resource(
    collection="tasks",
    title="Task execution",
    source=task_executions.join(workflow_executions, _task.execution_id == _workflow.id),
    project=_task.project_id,
    is_there=is_there(_workflow.id, _workflow.root_id),
    hidden={"_root": _workflow.root_id, "_id": _task.id},
    computed={
        "result": {"_type": _task.type, "_items_count": _task.items_count, "_runtime": _task.runtime},
        "published_global": {"_published_global": _task.published_global},
    },
    leads=(
        Lead("workflow_execution_id", by_project=False),
        Lead("name", is_looked_through=True),
        Lead("state", left_out=states.SUCCESS, values=states.ALL),
    ),
    elsewhere=frozenset({"workflow_name", "workflow_id"}),
    fields={
        "id": Field(_task.id, filters=False),
        "name": Field(_task.name),
        "type": Field(_task.type),
        "workflow_name": Field(_workflow.name),
        "workflow_namespace": Field(_workflow.namespace, filters=False),
        "workflow_id": Field(_workflow.workflow_id, "uuid", nullable=True),
        "workflow_execution_id": Field(_task.execution_id),
        "tags": Field(_task.tags, "tags"),
        "state": Field(_task.state),
        "state_info": Field(_task.state_info, nullable=True),
        "project_id": Field(_task.project_id),
        "runtime_context": Field(
            _task.runtime,
            "document",
            filters=False,
            beside={
                "_items_count": _task.items_count,
                "_triggered_by": _task.triggered_by,
                "_runtime": _task.runtime,
                "_live": _task.live,
            },
        ),
        "published": Field(_task.published, "document", nullable=True),
        "processed": Field(_task.processed, "flag"),
        "created_at": Field(_task.created_at, "time"),
        "updated_at": Field(_task.updated_at, "time", nullable=True),
        "started_at": Field(_task.started_at, "time", nullable=True),
        "finished_at": Field(_task.finished_at, "time", nullable=True),
    },
)

ACTION_EXECUTIONS: Final = Resource(
    collection="action_executions",
    title="ActionExecution",
    source=action_executions.outerjoin(workflow_executions, _action.execution_id == _workflow.id).outerjoin(
        task_executions, _action.task_id == _task.id
    ),
    project=_action.project_id,
    is_there=is_there(_action.execution_id, _workflow.root_id),
    hidden={"_root": func.coalesce(_workflow.root_id, _action.id)},
    leads=(
        Lead("task_execution_id", by_project=False),
        Lead("state", left_out=states.SUCCESS, values=states.ACTION_STATES),
    ),
    elsewhere=frozenset({"workflow_name", "task_name"}),
    fields={
        "id": Field(_action.id, filters=False),
        "workflow_name": Field(_workflow.name, nullable=True),
        "workflow_namespace": Field(_workflow.namespace, nullable=True, filters=False),
        "task_execution_id": Field(_action.task_id, "uuid", nullable=True),
        "task_name": Field(_task.name, nullable=True, heavy=True),
        "state": Field(_action.state),
        "state_info": Field(_action.state_info, nullable=True),
        "tags": Field(_action.tags, "tags"),
        "name": Field(_action.name),
        "description": Field(_action.description, nullable=True),
        "project_id": Field(_action.project_id),
        "accepted": Field(_action.accepted, "flag"),
        "input": Field(_action.input, "document"),
        "output": Field(_action.output, "document", nullable=True, heavy=True),
        "created_at": Field(_action.created_at, "time"),
        "updated_at": Field(_action.updated_at, "time", nullable=True),
    },
)

EXECUTION_FIELDS: Final = (*EXECUTIONS.fields, *EXECUTIONS.computed)
TASK_FIELDS: Final = (*TASKS.fields, *TASKS.computed)
ACTION_EXECUTION_FIELDS: Final = tuple(name for name in ACTION_EXECUTIONS.fields if name != "task_name")
"""What a single read shows."""


def list_executions(connection: Connection, viewer: Viewer, listing: Listing) -> list[Row]:
    """One page of workflow executions."""
    rows = read_page(connection, EXECUTIONS, viewer, listing)
    return _finish_executions(connection, rows, EXECUTIONS.chosen(listing))


def find_execution(
    connection: Connection, viewer: Viewer, identifier: str, fields: Sequence[str] = EXECUTION_FIELDS
) -> Row | None:
    """One workflow execution, None if there is none that the viewer may see."""
    statement = _execution_by_id(tuple(fields), viewer.sees_all)
    given = {"identifier": identifier, "project_id": viewer.project_id}
    rows = [dict(row) for row in connection.execute(statement, given).mappings()]
    return _finish_executions(connection, rows, fields)[0] if rows else None


@lru_cache(REMEMBERED_STATEMENTS)
def _execution_by_id(fields: tuple[str, ...], sees_all: bool) -> Select[Any]:
    """Read with every answer, so it is not made anew each time."""
    seen = visible(EXECUTIONS, any_viewer(sees_all))
    return select_fields(EXECUTIONS, fields).where(*seen, _workflow.id == bindparam("identifier"))


def get_execution(
    connection: Connection, viewer: Viewer, identifier: str, fields: Sequence[str] = EXECUTION_FIELDS
) -> Row:
    """One workflow execution. NotFound if there is none that the viewer may see."""
    row = find_execution(connection, viewer, identifier, fields)
    if row is None:
        raise NotFound(f"WorkflowExecution not found [id={identifier}]")
    return row


def executions_by_id(
    connection: Connection, viewer: Viewer, identifiers: Sequence[str], fields: Sequence[str]
) -> list[Row]:
    """These workflow executions, as far as they are there, in the order given."""
    found: dict[str, Row] = {}
    for start in range(0, len(identifiers), IDS_PER_STATEMENT):
        part = identifiers[start : start + IDS_PER_STATEMENT]
        rows = read_rows(connection, EXECUTIONS, viewer, fields, _workflow.id.in_(part))
        found |= {row["id"]: row for row in _finish_executions(connection, rows, fields)}
    return [found[identifier] for identifier in identifiers if identifier in found]


def list_tasks(connection: Connection, viewer: Viewer, listing: Listing) -> list[Row]:
    """One page of task executions."""
    rows = read_page(connection, TASKS, viewer, listing)
    return _finish_tasks(connection, rows, TASKS.chosen(listing))


def get_task(
    connection: Connection, viewer: Viewer, identifier: str, fields: Sequence[str] = TASK_FIELDS
) -> Row:
    """One task execution, by default with its result. NotFound if the viewer cannot see one."""
    rows = read_rows(connection, TASKS, viewer, fields, _task.id == identifier)
    if not rows:
        raise NotFound(f"Task execution not found [id={identifier}]")
    return _finish_tasks(connection, rows, fields)[0]


def list_action_executions(connection: Connection, viewer: Viewer, listing: Listing) -> list[Row]:
    """One page of action executions."""
    return _finish_actions(connection, read_page(connection, ACTION_EXECUTIONS, viewer, listing))


def get_action_execution(
    connection: Connection,
    viewer: Viewer,
    identifier: str,
    fields: Sequence[str] = ACTION_EXECUTION_FIELDS,
    task_id: str | None = None,
) -> Row:
    """One action execution (of that task). NotFound if there is none that the viewer may see."""
    conditions = [_action.id == identifier]
    if task_id is not None:
        conditions.append(_action.task_id == task_id)
    rows = read_rows(connection, ACTION_EXECUTIONS, viewer, fields, *conditions)
    if not rows:
        raise NotFound(f"ActionExecution not found [id={identifier}]")
    return _finish_actions(connection, rows)[0]


def read_rows(
    connection: Connection, resource: Resource, viewer: Viewer, fields: Sequence[str], *conditions: Condition
) -> list[Row]:
    """All rows that fit, unfinished: with their hidden columns, documents as they are stored."""
    statement = select_fields(resource, fields).where(*visible(resource, viewer), *conditions)
    return [dict(row) for row in connection.execute(statement).mappings()]


def _finish_executions(connection: Connection, rows: list[Row], fields: Sequence[str]) -> list[Row]:
    for row in rows:
        root_id = row.pop("_root")
        for name in ("input", "params", "output"):
            if name in row:
                row[name] = _document(connection, root_id, row[name])
        if "published_global" in fields:
            row["published_global"] = _globals(connection, root_id, row["_globals"], row["_variables"])
    return [{name: row[name] for name in fields} for row in rows]


def _globals(connection: Connection, root_id: str, published: str, declared: str) -> str:
    """What was published globally, without names that `vars` declares."""
    if published == "{}":
        return published
    values = msgspec.json.decode(_document(connection, root_id, published))
    names = msgspec.json.decode(_document(connection, root_id, declared))
    shown = {name: value for name, value in values.items() if name not in names}
    return msgspec.json.encode(shown).decode()


def _finish_tasks(connection: Connection, rows: list[Row], fields: Sequence[str]) -> list[Row]:
    results = _results(connection, rows) if "result" in fields else {}
    finished = []
    for row in rows:
        root_id = row["_root"]
        shown = {name: row[name] for name in fields if name in row}
        if "published" in shown:
            shown["published"] = _document(connection, root_id, row["published"])
        if "runtime_context" in shown:
            shown["runtime_context"] = _runtime_context(connection, row)
        if "result" in fields:
            shown["result"] = results[row["_id"]]
        if "published_global" in fields:
            shown["published_global"] = _document(connection, root_id, row["_published_global"])
        finished.append(shown)
    return finished


def _runtime_context(connection: Connection, row: Row) -> str:
    context: dict[str, Any] = {}
    triggers = msgspec.json.decode(_document(connection, row["_root"], row["_triggered_by"]))
    if triggers:
        context["triggered_by"] = triggers
    context.update(msgspec.json.decode(_document(connection, row["_root"], row["_runtime"])))
    if row["_items_count"] is not None:
        context["with_items"] = {"count": row["_items_count"], "capacity": context.get("concurrency")}
    if not row["_live"]:
        context["superseded"] = True
    return msgspec.json.encode(context).decode()


def _results(connection: Connection, tasks: Iterable[Row]) -> dict[str, str]:
    """JSON text of what the accepted children of each task delivered, in item order."""
    found: dict[str, list[str]] = {}
    asked = {row["_id"]: row for row in tasks}
    for task_id, output in connection.execute(
        select(_action.task_id, _action.output)
        .where(_action.task_id.in_(asked), _action.accepted)
        .order_by(_action.task_id, _action.item_index, _action.created_at, _action.id)
    ):
        found.setdefault(task_id, []).append(_result(connection, asked[task_id]["_root"], output))
    sub_workflows = [task_id for task_id, row in asked.items() if row["_type"] == "WORKFLOW"]
    for task_id, root_id, output in connection.execute(
        select(_workflow.parent_task_id, _workflow.root_id, _workflow.output)
        .where(_workflow.parent_task_id.in_(sub_workflows), _workflow.accepted)
        .order_by(_workflow.parent_task_id, _workflow.item_index, _workflow.created_at, _workflow.id)
    ):
        found.setdefault(task_id, []).append(_result(connection, root_id, output))
    return {task_id: _joined(row, found.get(task_id, [])) for task_id, row in asked.items()}


def _joined(task: Row, values: list[str]) -> str:
    if msgspec.json.decode(task["_runtime"]).get("result_dropped"):
        return "null"
    if task["_items_count"] is None and len(values) == 1:
        return values[0]
    return f"[{', '.join(values)}]"


def _result(connection: Connection, root_id: str, output: str | None) -> str:
    return "null" if output is None else _document(connection, root_id, output)


def _finish_actions(connection: Connection, rows: list[Row]) -> list[Row]:
    for row in rows:
        root_id = row.pop("_root")
        if "input" in row:
            row["input"] = _document(connection, root_id, row["input"])
        if "output" in row:
            row["output"] = _wrapped(connection, root_id, row["output"])
    return rows


def _wrapped(connection: Connection, root_id: str, output: str | None) -> str:
    return "{}" if output is None else f'{{"result": {_document(connection, root_id, output)}}}'


def _document(connection: Connection, root_id: str, text: str | None) -> str:
    """JSON text of a stored document, an empty map where there is none."""
    return expand(text, fetcher(connection, root_id, opens=False))
