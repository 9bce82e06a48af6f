"""From IDLE to running children: what happens when a task's turn has come."""

from __future__ import annotations

from maestrale.engine import messages
from maestrale.engine.children import completion_of_single, start_child
from maestrale.engine.decision import Completion, Decision, ResultRefused, TaskFailure
from maestrale.engine.execution import Cause, TaskExecution
from maestrale.engine.failures import force_failure
from maestrale.engine.items import evaluate_items, start_items
from maestrale.engine.joins import add_late_branches
from maestrale.engine.pausing import pause_workflow
from maestrale.engine.policies import before_start, timed_out
from maestrale.engine.tasks import set_state
from maestrale.model import states
from maestrale.model.errors import MaestraleError


def start_task(decision: Decision, task: TaskExecution) -> None:
    """Start a task that is ready: apply its policies, then run its children (or further items)."""
    workflow = decision.draft.workflow
    try:
        if task.state == states.IDLE:
            task = set_state(decision, task, states.RUNNING, None, {"kind": "continue"})
            task.started_at = decision.now
            task.finished_at = None
            if task.is_join:
                add_late_branches(decision, task)  # a pause may have held it back
            if not before_start(decision, task):
                if decision.draft.tasks.get(task.id) is task and task.state == states.IDLE:
                    by: Cause = {"by": "pause-before", "task": task.name}
                    pause_workflow(decision, "Set by 'pause-before' policy", by)
                return
        if task.state == states.RUNNING:
            if (end := timed_out(decision, task)) is not None:
                decision.completions.append(end)
            else:
                run_children(decision, task)
    except TaskFailure as error:
        decision.completions.append(Completion(task.id, states.ERROR, error.message))
    except ResultRefused as error:
        message = messages.failed_to_complete(error.error, workflow.name, task.name, error.action)
        force_failure(decision, task, message)
    except MaestraleError as error:
        force_failure(decision, task, messages.failed_to_run(error, workflow.name, task.name))


def run_children(decision: Decision, task: TaskExecution) -> None:
    """Start the children of a RUNNING task: one, or the next items."""
    if decision.task_program(task).items:
        if task.items_count is None:
            task = evaluate_items(decision, decision.draft.task(task.id) or task)
        start_items(decision, task)
        return
    decision.steps_left -= 1
    if start_child(decision, task):
        decision.completions.append(completion_of_single(decision, task))
    else:
        task = decision.draft.edit_task(decision.draft.task(task.id) or task)
        kind = "sub-workflow" if task.type == "WORKFLOW" else "action"
        child_id = next(iter(decision.draft.runs(task.id).open))
        cause: Cause = {"kind": kind, "id": child_id}
        task.cause = cause
