"""An execution as the engine works on it, out of committed rows."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection

from maestrale.engine.decision import ActionCatalogue, Decision, Limits
from maestrale.engine.draft import Draft
from maestrale.engine.execution import Execution
from maestrale.engine.program import Program
from maestrale.engine.rebuild import rebuild
from maestrale.runtime.programs import Programs
from maestrale.store.executions import load_execution
from maestrale.store.marks import is_marked


class LoadedExecution(NamedTuple):
    """An execution with everything in it, the process that owns it, its program, and the bytes it has."""

    execution: Execution
    owner: str | None
    program: Program
    size: int


class Absent(NamedTuple):
    """There is no such execution, or none any more: it `is_leaving`."""

    is_leaving: bool


def load(
    connection: Connection,
    programs: Programs,
    actions: ActionCatalogue,
    limits: Limits,
    execution_id: str,
    superseded: str | None = None,
) -> LoadedExecution | Absent:
    """Read an execution, if there is one, and fill in what is not stored; `superseded` as in
    `load_execution`."""
    loaded = load_execution(connection, execution_id, superseded)
    if loaded is None or loaded.execution.workflow is None:
        return Absent(is_marked(connection, execution_id))
    execution, workflow = loaded.execution, loaded.execution.workflow
    program = programs.load(connection, workflow.definition_hash, workflow.name)
    draft = Draft(execution)
    rebuild(Decision(draft, program, execution.last_time, {}, actions, limits))
    draft.apply()
    return LoadedExecution(execution, loaded.owner, program, loaded.size)
