"""Folding the decision records of an execution gives its rows again."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final

import msgspec
import sqlalchemy
from sqlalchemy import Connection, Engine, Table, insert, select

from maestrale.actions.registry import Registry
from maestrale.engine.decide import decide
from maestrale.engine.decision import Limits
from maestrale.engine.draft import Draft, Record
from maestrale.engine.events import Started
from maestrale.engine.execution import Execution
from maestrale.engine.program import Program
from maestrale.model.actions import ActionFacts
from maestrale.model.errors import MaestraleError
from maestrale.runtime.programs import Programs
from maestrale.simulation.checks import Violation, document, require
from maestrale.store.documents import references
from maestrale.store.executions import read_records, write_executions
from maestrale.store.rows import render
from maestrale.store.tables import (
    action_executions,
    execution_heads,
    execution_values,
    metadata,
    task_executions,
    workflow_executions,
)

Row = dict[str, Any]
Rows = dict[str, Row]

OF_THE_PARENT: Final = ("accepted", "known_state", "known_output")

OPERATIONAL: Final = {
    execution_heads: {"version", "owner"},
    workflow_executions: {*OF_THE_PARENT},
    task_executions: set[str](),
    action_executions: {"queued", "executor", "state_info"},
}
"""What no decision of the execution itself says or what its parent does."""


class Recorded:
    """A registry as decisions see it that are taken again: what was asked stands in their records."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def find(self, name: str) -> ActionFacts | None:
        """The facts about an action."""
        action = self._registry.find(name)
        return None if action is None else action.facts

    def suggestions(self, name: str) -> list[str]:
        """Known names that resemble an unknown one."""
        return self._registry.suggestions(name)

    def is_shadowed(self, name: str) -> bool:
        """An ad-hoc action that was found once is found in the record."""
        del name
        return False


def check_fold(
    read: Callable[..., Any], execution_id: str, programs: Programs, registry: Registry, limits: Limits
) -> None:
    """Decide all records of an execution again, from nothing, and compare the rows with the stored ones.

    `read` runs a unit of work on the database. Raises `Violation` for the first difference.
    """
    seed = read(_seed, execution_id)
    records: list[Record] = read(read_records, execution_id)
    children = read(_children, execution_id)
    require(records, f"{execution_id} has no decision records")
    started = records[0].event
    assert isinstance(started, Started)
    program = read(programs.load, started.definition_hash, started.workflow_name)
    with _scratch().connect() as connection:
        if children:
            connection.execute(insert(workflow_executions), children)
        execution = Execution(seed)
        for record in records:
            try:
                _apply(connection, execution, record, execution_id, program, Recorded(registry), limits)
            except MaestraleError as error:
                event = type(record.event).__name__
                raise Violation(
                    f"record {record.sequence} ({event}) of {execution_id} is refused: {error}"
                ) from error
        folded = _everything(connection, execution_id)
        connection.rollback()
    stored = read(_everything, execution_id)
    _compare_states(execution_id, records, stored)
    for name, rows in stored.items():
        for key in {**rows, **folded[name]}:
            _compare(f"{name} {key} of {execution_id}", rows.get(key), folded[name].get(key))


def _compare(where: str, stored: Row | None, folded: Row | None) -> None:
    require(stored is not None and folded is not None, f"{where} is not in both the rows and their fold")
    assert stored is not None
    assert folded is not None
    different = [name for name in stored if not _is_same(stored[name], folded[name])]
    shown = {name: (stored[name], folded[name]) for name in different}
    require(not different, f"{where} differs from its fold (stored, folded): {shown}")


def _is_same(one: Any, other: Any) -> bool:
    """Equal, but for the order of keys in documents: how variables are layered in memory is not recorded."""
    if one == other:
        return True
    if not isinstance(one, str) or not isinstance(other, str) or not one.startswith(("{", "[")):
        return False
    return bool(document(one) == document(other))


@cache
def _scratch() -> Engine:
    """An empty database in memory; whoever uses it rolls back."""
    engine = sqlalchemy.create_engine("sqlite://")
    metadata.create_all(engine)
    return engine


def _apply(
    connection: Connection,
    execution: Execution,
    record: Record,
    execution_id: str,
    program: Program,
    actions: Recorded,
    limits: Limits,
) -> None:
    require(record.sequence == execution.next_sequence, f"{execution_id} lacks a decision record")
    require(record.at >= execution.last_time, f"time went backwards for {execution_id}")
    is_child_start = isinstance(record.event, Started) and record.event.parent_id is not None
    draft = Draft(execution)
    decide(
        draft,
        record.event,
        execution_id=execution_id,
        program=program,
        now=record.at,
        answers=record.answers,
        actions=actions,
        limits=msgspec.structs.replace(limits, steps=0) if is_child_start else limits,
    )
    rows = render(
        draft,
        execution_id=execution_id,
        old_version=execution.version,
        old_owner=None,
        new_version=execution.version + 1,
        new_owner=None,
        now=record.at,
    )
    write_executions(connection, [rows])
    draft.apply()
    execution.version += 1
    require(
        draft.records[0].changes == record.changes,
        f"record {record.sequence} of {execution_id} tells of other changes than its fold",
    )


def _compare_states(execution_id: str, records: list[Record], stored: dict[str, Rows]) -> None:
    """Whoever follows the changes in the records knows the state of everything at each moment."""
    states: dict[str, str] = {}
    for record in records:
        for change in record.changes:
            follows = change.kind == "sub-workflow" or change.before == states.get(change.id)
            require(follows, f"{change} in record {record.sequence} of {execution_id} follows nothing told")
            states[change.id] = change.after
    for name in ("workflow", "tasks", "actions"):
        for key, row in stored[name].items():
            require(
                states.get(key) == row["state"],
                f"{key} of {execution_id} is {row['state']}, and {states.get(key)} by its records",
            )


def _seed(connection: Connection, execution_id: str) -> str:
    table = execution_heads.c
    return str(connection.execute(select(table.seed).where(table.id == execution_id)).scalar_one())


def _children(connection: Connection, execution_id: str) -> list[dict[str, Any]]:
    """The executions that this one started, as they were before it counted them."""
    query = select(workflow_executions).where(workflow_executions.c.parent_id == execution_id)
    unknown = {"accepted": False, "known_state": None, "known_output": None}
    return [{**row, **unknown} for row in connection.execute(query).mappings()]


def _everything(connection: Connection, execution_id: str) -> dict[str, Rows]:
    heads, workflows = execution_heads.c, workflow_executions.c
    tasks, actions = task_executions.c, action_executions.c
    found = {
        "head": _rows(connection, execution_heads, heads.id == execution_id),
        "workflow": _rows(connection, workflow_executions, workflows.id == execution_id),
        "tasks": _rows(connection, task_executions, tasks.execution_id == execution_id),
        "actions": _rows(connection, action_executions, actions.execution_id == execution_id),
    }
    columns = [workflows[name] for name in OF_THE_PARENT]
    children = select(workflows.id, *columns).where(workflows.parent_id == execution_id)
    found["children"] = {row["id"]: dict(row) for row in connection.execute(children).mappings()}
    known = set(connection.execute(select(execution_values.c.hash)).scalars())
    for rows in found.values():
        for row in rows.values():
            require(_references(row) <= known, f"a large value of {execution_id} is missing")
    return found


def _rows(connection: Connection, table: Table, condition: Any) -> Rows:
    ignored = OPERATIONAL[table]
    return {
        row["id"]: {name: value for name, value in row.items() if name not in ignored}
        for row in connection.execute(select(table).where(condition)).mappings()
    }


def _references(row: dict[str, Any]) -> set[str]:
    return {
        key
        for value in row.values()
        if isinstance(value, str) and value.startswith("{") and '"$value"' in value
        for key in references(value)
    }
