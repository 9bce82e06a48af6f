"""Forced failures: the engine could not go on with a task, so task and workflow end visibly."""

from __future__ import annotations

from maestrale.engine.decision import Decision
from maestrale.engine.execution import TaskExecution
from maestrale.engine.outputs import end_workflow
from maestrale.engine.tasks import clear_timer, mark_processed, set_state
from maestrale.model import states


def force_failure(decision: Decision, task: TaskExecution, message: str) -> None:
    """End a task and its workflow in ERROR at once; on-error and retry do not apply."""
    task = set_state(decision, decision.draft.task(task.id) or task, states.ERROR, message, None)
    task.finished_at = decision.now
    task.next_tasks = []
    task.runtime = {**task.runtime, "forced": True}
    mark_processed(decision, task, False)
    task.error_handled = False
    clear_timer(decision, task)
    decision.draft.ends[task.id] = True
    if decision.draft.workflow.state not in states.COMPLETED:
        end_workflow(decision, states.ERROR, message)
