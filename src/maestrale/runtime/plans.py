"""What a restart would make run again, up the whole tree, read from committed data."""

from __future__ import annotations

from sqlalchemy import Connection

from maestrale.engine.decision import ActionCatalogue, Decision, Limits
from maestrale.engine.draft import Draft
from maestrale.engine.execution import Runs, WorkflowExecution
from maestrale.engine.restart import check_finished, restart_plan
from maestrale.model.errors import InvalidState, NotFound
from maestrale.runtime.loading import Absent, load
from maestrale.runtime.programs import Programs
from maestrale.runtime.requests import PlannedTask


def plan_restart(
    connection: Connection,
    programs: Programs,
    actions: ActionCatalogue,
    limits: Limits,
    execution_id: str,
    task_id: str,
) -> list[PlannedTask]:
    """The task, what follows from it, and the same in every execution above; nothing is changed.

    Raises `NotFound`, or `InvalidState` where the restart would be refused.
    """
    found: list[PlannedTask] = []
    child: WorkflowExecution | None = None
    while True:
        decision = _loaded(connection, programs, actions, limits, execution_id)
        workflow = decision.draft.workflow
        check_finished(decision)
        if child is not None:
            _check_counts(decision, task_id, child)
        elif task_id not in decision.draft.tasks:
            raise InvalidState(
                f"Task execution {task_id} was superseded by a restart and is history only",
                "restart the newer execution of this task, or a task before it",
            )
        planned = restart_plan(decision, task_id)
        reasons = [entry.reason for entry in planned]
        if child is not None:
            reasons[0] = f"waits for the sub-workflow execution {child.id}"
        found += [
            PlannedTask(entry.task.id, entry.task.name, entry.task.state, workflow.id, workflow.name, reason)
            for entry, reason in zip(planned, reasons, strict=True)
        ]
        if workflow.parent_id is None or workflow.parent_task_id is None:
            return found
        child, execution_id, task_id = workflow, workflow.parent_id, workflow.parent_task_id


def _loaded(
    connection: Connection, programs: Programs, actions: ActionCatalogue, limits: Limits, execution_id: str
) -> Decision:
    loaded = load(connection, programs, actions, limits, execution_id)
    if isinstance(loaded, Absent):
        raise NotFound(f"WorkflowExecution not found [id={execution_id}]")
    execution = loaded.execution
    return Decision(Draft(execution), loaded.program, execution.last_time, {}, actions, limits)


def _check_counts(decision: Decision, task_id: str, child: WorkflowExecution) -> None:
    """`InvalidState` unless the result of `child` is what its parent task goes by."""
    runs = decision.draft.base.runs.get(task_id, Runs())
    if task_id in decision.draft.tasks and any(o.child_id == child.id for o in runs.outcomes.values()):
        return
    workflow = decision.draft.workflow
    raise InvalidState(
        f"The sub-workflow execution {child.id} belongs to an earlier attempt, which counts no more"
        f" [workflow={workflow.name}, execution_id={workflow.id}]",
        "restart a task of the newest sub-workflow execution, or the task that started it",
    )
