"""Pausing an execution, and telling its relatives."""

from __future__ import annotations

from maestrale.engine.cascades import command_children
from maestrale.engine.decision import Decision
from maestrale.engine.effects import Tell
from maestrale.engine.events import PauseRequested, SubWorkflowUpdated
from maestrale.engine.execution import Cause, TaskExecution
from maestrale.engine.limits import cut
from maestrale.engine.notifications import workflow_changed
from maestrale.model import states


def pause_workflow(decision: Decision, info: str | None, by: Cause, *, cascaded: bool = False) -> None:
    """Put a RUNNING workflow to PAUSED and pass it on, down and up.

    `by` says who wants it: {"by": request, maintenance, parent, command, pause-before or child} with the
    task or child.
    """
    if decision.draft.workflow.state != states.RUNNING:
        return
    workflow = decision.draft.edit_workflow()
    workflow.state = states.PAUSED
    workflow.state_info = cut(info)
    workflow.cause = {"kind": "pause", **by}
    workflow.updated_at = decision.now
    workflow_changed(decision, states.RUNNING)
    command_children(decision, PauseRequested(cascaded=True))
    tell_parent(decision, states.PAUSED, cascaded)


def paused_child(decision: Decision, task: TaskExecution) -> str | None:
    """A child for which a PAUSED task waits, None if all go on.

    That is the one which the cause of the task names, as long as it is paused. After it comes the one that
    was created last, because children mostly go on in their order: so the next search is far away.
    """
    children = decision.draft.runs(task.id).open
    named = children.get(str((task.cause or {}).get("id")))
    if named is not None and named.state == states.PAUSED:
        return named.id
    return max((key for key, child in children.items() if child.state == states.PAUSED), default=None)


def tell_parent(decision: Decision, state: str, cascaded: bool) -> None:
    """Let the parent know that this execution was paused or goes on."""
    workflow = decision.draft.workflow
    if workflow.parent_id is not None and workflow.parent_task_id is not None:
        event = SubWorkflowUpdated(workflow.parent_task_id, workflow.id, state, cascaded)  # type: ignore[arg-type]
        decision.draft.effects.append(Tell(workflow.parent_id, event))
