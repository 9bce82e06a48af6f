"""Answers to what a decision must know of the rest of the world, from committed data."""

from __future__ import annotations

from concurrent.futures import Future

import msgspec
from sqlalchemy import Connection

from maestrale.engine.needs import (
    AnyQuestion,
    EvaluateExpression,
    FindAction,
    FindExecutions,
    FindTasks,
    FindWorkflow,
    FoundAction,
    FoundWorkflow,
)
from maestrale.model.values import Json
from maestrale.runtime.actions import KnownActions, find_action
from maestrale.runtime.programs import Programs
from maestrale.runtime.steps import Steps, carry_out
from maestrale.store.database import Database
from maestrale.store.lookups import find_executions, find_tasks, find_workflow


def answer(
    database: Database, programs: Programs, actions: KnownActions, question: AnyQuestion
) -> Future[Json]:
    """The answer as plain data; it becomes part of the decision record."""
    if isinstance(question, FindAction):
        return carry_out(_find_action(database, actions, question))
    return database.read(_answer, programs, question)


def _find_action(database: Database, actions: KnownActions, question: FindAction) -> Steps[Json]:
    found: FoundAction | None = yield find_action(database, actions, question)
    return None if found is None else msgspec.to_builtins(found)


def _answer(connection: Connection, programs: Programs, question: AnyQuestion) -> Json:
    match question:
        case FindWorkflow():
            return _find_workflow(connection, programs, question)
        case FindTasks():
            return find_tasks(connection, question)
        case FindExecutions():
            return find_executions(connection, question)
        case FindAction() | EvaluateExpression():
            raise ValueError("this is not answered by one unit of work")


def _find_workflow(connection: Connection, programs: Programs, question: FindWorkflow) -> Json:
    """Own workbook first, then the plain name; own namespace first, then the default one."""
    names = [question.name]
    if question.workbook:
        names.insert(0, f"{question.workbook}.{question.name}")
    namespaces = [question.namespace, ""] if question.namespace else [""]
    for name in names:
        for namespace in namespaces:
            row = find_workflow(connection, question.project_id, name, namespace)
            if row is not None:
                program = programs.load(connection, row.text_hash, row.name)
                found = FoundWorkflow(
                    workflow_id=row.id,
                    definition_hash=row.text_hash,
                    name=row.name,
                    namespace=row.namespace,
                    class_name=program.spec.class_name,
                    workbook=row.workbook_name or "",
                    input=program.spec.input,
                )
                return msgspec.to_builtins(found)
    return None
