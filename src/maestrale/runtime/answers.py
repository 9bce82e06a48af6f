"""Answers to what a decision must know of the rest of the world, from committed data."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection

from maestrale.engine.decision import ActionCatalogue
from maestrale.engine.needs import (
    AnyQuestion,
    EvaluateExpression,
    FindAction,
    FindExecutions,
    FindTasks,
    FindWorkflow,
    FoundWorkflow,
)
from maestrale.model.values import Json
from maestrale.runtime.actions import resolve_action
from maestrale.runtime.programs import Programs
from maestrale.store.lookups import find_executions, find_tasks, find_workflow


def answer(
    connection: Connection, programs: Programs, actions: ActionCatalogue, question: AnyQuestion
) -> Json:
    """The answer as plain data; it becomes part of the decision record."""
    match question:
        case FindWorkflow():
            return _find_workflow(connection, programs, question)
        case FindAction():
            found = resolve_action(connection, actions, question)
            return None if found is None else msgspec.to_builtins(found)
        case FindTasks():
            return find_tasks(connection, question)
        case FindExecutions():
            return find_executions(connection, question)
        case EvaluateExpression():
            raise ValueError("an expression is not evaluated in the database")


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
