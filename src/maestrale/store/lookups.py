"""What decisions ask about the rest of the world, answered from committed rows."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, or_, select, union

from maestrale.actions.dynamic import Order
from maestrale.engine.needs import DynamicAction, FindExecutions, FindTasks
from maestrale.model.actions import Signature
from maestrale.model.errors import EvaluationError
from maestrale.model.values import Json, Microseconds, timestamp_text
from maestrale.store.catalogue import STORED_ACTIONS, WORKFLOWS
from maestrale.store.documents import decode
from maestrale.store.executions import fetcher
from maestrale.store.marks import is_there
from maestrale.store.selection import Viewer, own_first, visible
from maestrale.store.tables import (
    code_sources,
    definition_texts,
    definitions,
    dynamic_actions,
    task_executions,
    workflow_executions,
)


def find_workflow(connection: Connection, project_id: str, name: str, namespace: str) -> Any:
    """The row of the workflow that a project sees under that name, its own first; None if there is none."""
    table, viewer = definitions.c, Viewer(project_id)
    query = select(table.id, table.name, table.namespace, table.text_hash, table.workbook_name).where(
        table.kind == "workflow",
        table.name == name,
        table.namespace == namespace,
        *visible(WORKFLOWS, viewer),
    )
    found: Any = connection.execute(query.order_by(*own_first(WORKFLOWS, viewer)).limit(1)).first()
    return found


def find_start(connection: Connection, execution_id: str) -> tuple[dict[str, Json], dict[str, Json]]:
    """The input and the params with which an execution was started, secrets marked."""
    table = workflow_executions.c
    row = connection.execute(
        select(table.input, table.params, table.root_id).where(table.id == execution_id)
    ).one()
    fetch = fetcher(connection, row.root_id)
    return decode(row.input, fetch), decode(row.params, fetch)


class FoundDefinition(msgspec.Struct, frozen=True):
    """An ad-hoc action as it is stored."""

    id: str
    name: str
    text: str
    workbook: str
    is_own: bool


def find_action_definitions(
    connection: Connection, project_id: str, name: str, namespaces: Sequence[str]
) -> list[FoundDefinition]:
    """The ad-hoc actions of that name that a project sees: its own first, then by order of namespaces."""
    table = definitions.c
    found = connection.execute(
        select(
            table.id,
            table.name,
            table.namespace,
            table.project_id,
            table.workbook_name,
            definition_texts.c.text,
        )
        .join(definition_texts, definition_texts.c.hash == table.text_hash)
        .where(
            table.kind == "action",
            table.name == name,
            table.namespace.in_(namespaces),
            *visible(STORED_ACTIONS, Viewer(project_id)),
        )
        .order_by(table.created_at, table.id)
    ).all()
    order = sorted(found, key=lambda row: (row.project_id != project_id, namespaces.index(row.namespace)))
    return [
        FoundDefinition(row.id, row.name, row.text, row.workbook_name or "", row.project_id == project_id)
        for row in order
    ]


class FoundDynamic(msgspec.Struct, frozen=True):
    """A dynamic action as it is stored."""

    action: DynamicAction
    is_own: bool


def find_dynamic_actions(
    connection: Connection, project_id: str, name: str, namespaces: Sequence[str]
) -> list[FoundDynamic]:
    """The dynamic actions of that name that a project sees: its own first, then by order of namespaces."""
    table = dynamic_actions.c
    found = connection.execute(
        select(table.id, table.namespace, table.project_id, table.class_name, table.signature)
        .where(
            table.name == name,
            table.namespace.in_(namespaces),
            or_(table.project_id == project_id, table.scope == "public"),
        )
        .order_by(table.created_at, table.id)
    ).all()
    order = sorted(found, key=lambda row: (row.project_id != project_id, namespaces.index(row.namespace)))
    return [
        FoundDynamic(
            DynamicAction(row.id, row.class_name, _signature(row.signature)), row.project_id == project_id
        )
        for row in order
    ]


def _signature(text: str | None) -> Signature | None:
    return None if text is None else msgspec.json.decode(text, type=Signature)


def find_order(connection: Connection, dynamic_action_id: str) -> Order | None:
    """What a process has to know to run a dynamic action, by its committed text; None if it is gone."""
    table = dynamic_actions.c
    row = connection.execute(
        select(
            table.name,
            code_sources.c.name.label("source"),
            code_sources.c.content.label("text"),
            table.class_name,
            table.signature,
        )
        .join(code_sources, code_sources.c.id == table.code_source_id)
        .where(table.id == dynamic_action_id)
    ).first()
    if row is None:
        return None
    signature = _signature(row.signature) or Signature()
    return Order(row.name, row.source, row.text, row.class_name, signature.waits_outside)


def action_names_among(connection: Connection, names: Sequence[str]) -> frozenset[str]:
    """Which of these names ad-hoc and dynamic actions have, in any project."""
    adhoc, dynamic = definitions.c.name, dynamic_actions.c.name
    query = union(
        select(adhoc).where(definitions.c.kind == "action", adhoc.in_(names)),
        select(dynamic).where(dynamic.in_(names)),
    )
    return frozenset(connection.execute(query).scalars())


def find_executions(connection: Connection, question: FindExecutions) -> list[dict[str, Json]]:
    """Workflow executions of the project by the filters of `executions(...)`, oldest first."""
    table = workflow_executions.c
    query = select(workflow_executions).where(
        table.project_id == question.project_id, is_there(table.id, table.root_id)
    )
    if question.execution_id is not None:
        query = query.where(table.id == question.execution_id)
    if question.root_execution_id is not None:
        query = query.where(table.root_id == question.root_execution_id, table.id != table.root_id)
    if question.state is not None:
        query = query.where(table.state == question.state)
    if question.from_time is not None:
        query = query.where(table.created_at >= _time(question.from_time))
    if question.to_time is not None:
        query = query.where(table.created_at < _time(question.to_time))
    found = []
    for row in connection.execute(query.order_by(table.created_at, table.id)).mappings():
        fetch = fetcher(connection, row["root_id"])
        found.append(
            {
                "id": row["id"],
                "workflow_id": row["workflow_id"],
                "workflow_name": row["name"],
                "workflow_namespace": row["namespace"],
                "name": row["name"],
                "description": row["description"],
                "state": row["state"],
                "state_info": row["state_info"],
                "input": decode(row["input"], fetch),
                "output": decode(row["output"], fetch),
                "params": decode(row["params"], fetch),
                "task_execution_id": row["parent_task_id"],
                "root_execution_id": None if row["root_id"] == row["id"] else row["root_id"],
                "project_id": row["project_id"],
                "created_at": timestamp_text(row["created_at"]),
                "updated_at": timestamp_text(row["updated_at"]),
            }
        )
    return found


def find_tasks(connection: Connection, question: FindTasks) -> list[dict[str, Json]]:
    """Task executions by the arguments of `tasks(...)`, in order of creation."""
    executions = workflow_executions.c
    wanted = select(executions.id, executions.root_id, executions.definition_hash).where(
        executions.project_id == question.project_id, is_there(executions.id, executions.root_id)
    )
    if question.execution_id is not None:
        wanted = wanted.where(executions.id == question.execution_id)
    ids = {row.id: row.root_id for row in connection.execute(wanted)}
    if question.recursive and question.execution_id is not None and question.execution_id in ids:
        ids |= _descendants(connection, question.execution_id)
    table = task_executions.c
    found: list[dict[str, Json]] = []
    for execution_id, root_id in ids.items():
        of_execution = (table.execution_id == execution_id, table.live)
        query = select(task_executions).where(*of_execution).order_by(table.sequence)
        if question.state is not None:
            query = query.where(table.state == question.state)
        fetch = fetcher(connection, root_id)
        for row in connection.execute(query).mappings():
            if (
                question.flat
                and row["type"] == "WORKFLOW"
                and not _differs(connection, row["id"], row["state"])
            ):
                continue
            found.append(
                {
                    "id": row["id"],
                    "name": row["name"],
                    "state": row["state"],
                    "state_info": row["state_info"],
                    "published": decode(row["published"], fetch) or {},
                    "type": row["type"],
                    "workflow_execution_id": execution_id,
                    "created_at": timestamp_text(row["created_at"]),
                    "updated_at": timestamp_text(row["updated_at"]),
                }
            )
    return found


def _descendants(connection: Connection, execution_id: str) -> dict[str, str]:
    table = workflow_executions.c
    found: dict[str, str] = {}
    level = [execution_id]
    while level:
        rows = connection.execute(select(table.id, table.root_id).where(table.parent_id.in_(level))).all()
        level = [row.id for row in rows if row.id not in found]
        found |= {row.id: row.root_id for row in rows}
    return found


def _differs(connection: Connection, task_id: str, state: str) -> bool:
    """Whether a WORKFLOW task is in another state than each of its sub-executions."""
    table = workflow_executions.c
    children = connection.execute(select(table.state).where(table.parent_task_id == task_id)).scalars().all()
    return all(child != state for child in children)


def _time(text: str) -> Microseconds:
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise EvaluationError(f"'{text}' is not a time; write YYYY-MM-DD hh:mm:ss") from None
    return int(moment.replace(tzinfo=moment.tzinfo or datetime.UTC).timestamp() * 1_000_000)
