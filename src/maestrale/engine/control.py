"""What people and relatives ask of a running execution: pause, resume, stop, rerun, skip."""

from __future__ import annotations

from collections.abc import Iterator

from maestrale.engine.branches import keep_contexts_of_followers
from maestrale.engine.cascades import command_children, open_sub_workflows, spare, tell_all
from maestrale.engine.children import cancel_children
from maestrale.engine.completion import follow
from maestrale.engine.context import merge_maps
from maestrale.engine.decision import Completion, Decision
from maestrale.engine.direct import dispatch_backlog
from maestrale.engine.effects import CancelAction, Tell
from maestrale.engine.events import (
    ChildRerun,
    EnvironmentUpdated,
    PauseRequested,
    RerunRequested,
    ResumeRequested,
    SkipRequested,
    StopRequested,
)
from maestrale.engine.execution import Cause, Child, Known, TaskExecution
from maestrale.engine.items import has_items_left, items_to_repeat
from maestrale.engine.joins import forget, inherit_anew
from maestrale.engine.notifications import action_changed, workflow_changed
from maestrale.engine.outputs import end_workflow, success_output
from maestrale.engine.pausing import pause_workflow, paused_child, tell_parent
from maestrale.engine.tasks import (
    abandon_children,
    clear_timer,
    make_ready,
    mark_processed,
    set_state,
    update_timer,
)
from maestrale.model import states
from maestrale.model.errors import BadRequest, Forbidden, InvalidState, NotFound
from maestrale.model.maintenance import CAUSE
from maestrale.model.values import Json


def illegal(decision: Decision, wanted: str) -> InvalidState:
    """The refusal of a change of the workflow's state."""
    workflow = decision.draft.workflow
    return InvalidState(
        f"Can't change workflow execution state from {workflow.state} to {wanted}."
        f" [workflow={workflow.name}, execution_id={workflow.id}]"
    )


def pause_requested(decision: Decision, event: PauseRequested) -> None:
    """Start nothing more; sub-workflows and the parent are told."""
    if decision.draft.workflow.state in states.COMPLETED:
        raise illegal(decision, states.PAUSED)
    by = "parent" if event.cascaded else "maintenance" if event.maintenance else "request"
    pause_workflow(decision, None, {"by": by}, cascaded=event.cascaded)


def resume_requested(decision: Decision, event: ResumeRequested) -> None:
    """Go on where the pause stopped; no effect unless paused."""
    if decision.draft.workflow.state not in (states.PAUSED, states.IDLE):
        return
    if event.maintenance and decision.draft.workflow.cause != CAUSE:
        return
    if event.environment:
        share_environment(decision, event.environment)
    command_children(decision, ResumeRequested(cascaded=True))
    _set_running(decision)
    tell_parent(decision, states.RUNNING, event.cascaded)
    take_up_the_rest(decision)


def stop_requested(decision: Decision, event: StopRequested) -> None:
    """End now. Finished executions stay as they are."""
    state = decision.draft.workflow.state
    if state in states.COMPLETED:
        if event.state == states.SUCCESS and state != states.SUCCESS:
            raise illegal(decision, event.state)
        return
    if event.state == states.SUCCESS:
        success_output(decision)
    end_workflow(decision, event.state, event.message)
    if event.state == states.CANCELLED:
        command_children(decision, event)
        _interrupt_actions(decision)


def _interrupt_actions(decision: Decision) -> None:
    """Stop what executors run for this execution. The tasks end when that is reported."""
    for task_id, task in decision.draft.tasks.items():
        if task.type != "WORKFLOW":
            for child_id, child in decision.draft.runs(task_id).open.items():
                if not child.is_workflow and not child.waits_outside:
                    decision.draft.effects.append(CancelAction(child_id, reports=True))


def rerun_requested(decision: Decision, event: RerunRequested) -> None:
    """Run a failed task (or only its failed items) again and open the execution for it."""
    task = _failed_task(decision, event.task_id)
    if not event.reset and task.items_count is None and not decision.task_program(task).items:
        raise BadRequest("Only with-items task has the option to not reset.")
    state = decision.draft.workflow.state
    if state == states.PAUSED:
        return
    if state == states.SUCCESS:
        raise illegal(decision, states.RUNNING)
    if event.environment:
        share_environment(decision, event.environment)
    keep_contexts_of_followers(decision, task)
    reopen(decision)
    failed = None
    if not event.reset and task.items_count is not None:
        failed = items_to_repeat(decision, task)
    run_again(decision, task, failed)
    take_up_the_rest(decision)


def run_again(decision: Decision, task: TaskExecution, failed: list[int] | None = None) -> TaskExecution:
    """Start a task anew under its id, with-items from `failed` items only (None: all); it is editable."""
    task = set_state(decision, task, states.IDLE, None, {"kind": "rerun"})
    kept: dict[str, Json] = {
        key: task.runtime[key] for key in ("attempt", "since", "firings", "round") if key in task.runtime
    }
    if failed is not None:
        kept |= {k: task.runtime[k] for k in ("with_items", "concurrency", "redo") if k in task.runtime}
    task.runtime = kept
    if failed is None:
        cancel_children(decision, task, "The task was started again.")
    task = abandon_children(decision, task, failed)
    mark_processed(decision, task, False)
    task.error_handled = False
    task.next_tasks = None
    task.finished_at = None
    clear_timer(decision, task)
    decision.draft.ends.remove(task.id)
    forget(decision, task)
    if task.is_join:
        inherit_anew(decision, task)
    if task.id not in decision.draft.ready:
        make_ready(decision, task)
    return task


def skip_requested(decision: Decision, event: SkipRequested) -> None:
    """Take a failed task as done with."""
    task = _failed_task(decision, event.task_id)
    if decision.draft.workflow.state == states.SUCCESS:
        raise illegal(decision, states.RUNNING)
    if decision.draft.workflow.state != states.PAUSED:
        reopen(decision)
    keep_contexts_of_followers(decision, task)
    task = set_state(decision, task, states.RUNNING, None, {"kind": "skip"})
    mark_processed(decision, task, False)
    task.error_handled = False
    task.next_tasks = None
    task.runtime = {key: value for key, value in task.runtime.items() if key != "forced"}
    decision.draft.ends.remove(task.id)
    forget(decision, task)
    decision.completions.append(Completion(task.id, states.SKIPPED, "Task was skipped."))
    take_up_the_rest(decision)


def child_rerun(decision: Decision, event: ChildRerun) -> None:
    """A sub-workflow runs again: so does the task that waits for it, and everything above."""
    task = decision.draft.task(event.task_id)
    if task is None or decision.draft.workflow.state == states.SUCCESS:
        return
    runs = decision.draft.runs(task.id)
    index = next((i for i, o in runs.outcomes.items() if o.child_id == event.execution_id), None)
    if index is None:
        return
    if decision.draft.workflow.state != states.PAUSED:
        reopen(decision)
    keep_contexts_of_followers(decision, task)
    await_again(decision, task, event, index)
    if decision.draft.workflow.state == states.RUNNING:
        take_up_the_rest(decision)


def await_again(decision: Decision, task: TaskExecution, event: ChildRerun, index: int) -> TaskExecution:
    """A task waits anew for a sub-workflow execution that had ended as its outcome `index`."""
    execution_id = event.execution_id
    spare(decision, execution_id)
    runs = decision.draft.runs(task.id)
    was_completed = task.is_completed
    cause: Cause = {"kind": "items"}
    if task.items_count is None:
        cause = {"kind": "sub-workflow", "id": execution_id}
    task = set_state(decision, task, states.RUNNING, None, cause)
    mark_processed(decision, task, False)
    task.error_handled = False
    task.finished_at = None
    task.due_at = None
    task.runtime = {
        key: value for key, value in task.runtime.items() if key not in ("waited_after", "forced")
    }
    update_timer(decision, task)
    if was_completed:
        task.next_tasks = None
        decision.draft.ends.remove(task.id)
        forget(decision, task)
    runs.outcomes.remove(index)
    if task.items_count is not None:
        task.items_done -= 1
        task.items_failed -= not event.succeeded
    decision.draft.known[execution_id] = Known(states.RUNNING)
    decision.draft.add_child(
        Child(
            id=execution_id,
            task_id=task.id,
            is_workflow=True,
            item_index=index if task.items_count is not None else None,
            attempt=event.attempt,
            created_at=decision.now,
        )
    )
    return task


def child_updated(
    decision: Decision, task: TaskExecution, child: Child, state: str, *, cascaded: bool = False
) -> None:
    """A child was paused or went on, and so does its task and, if need be, the workflow."""
    child, before = decision.draft.edit_child(child), child.state
    child.state = state
    child.updated_at = decision.now
    action_changed(decision, task, child, before)
    if child.is_workflow:
        decision.draft.known[child.id] = Known(state)
    if state == states.PAUSED:
        if task.state == states.RUNNING:
            set_state(decision, task, states.PAUSED, None, {"kind": "child-paused", "id": child.id})
        if not cascaded:
            pause_workflow(decision, None, {"by": "child", "task": task.name, "id": child.id})
        return
    if task.state != states.PAUSED:
        return
    paused = paused_child(decision, task)
    if paused is not None:
        set_state(decision, task, states.PAUSED, None, {"kind": "child-paused", "id": paused})
        return
    if task.items_count is None:
        kind = "sub-workflow" if child.is_workflow else "action"
        set_state(decision, task, states.RUNNING, None, {"kind": kind, "id": child.id})
    else:
        task = set_state(decision, task, states.RUNNING, None, {"kind": "items"})
        if has_items_left(task) and task.id not in decision.draft.ready:
            make_ready(decision, task)
    if not cascaded and not any(t.state == states.PAUSED for _, t in decision.draft.tasks.items()):
        resume_requested(decision, ResumeRequested())


def environment_updated(decision: Decision, event: EnvironmentUpdated) -> None:
    """Merge into the environment, where the state allows it, and pass it on to the whole tree."""
    if event.from_parent:
        _merge_environment(decision, event.environment)
        _tell_family(decision, event)
    elif event.from_child and decision.draft.workflow.parent_id is not None:
        _merge_environment(decision, event.environment)
        _tell_parent_environment(decision, event.environment)
    else:
        allowed = (states.IDLE, states.PAUSED, states.ERROR)
        if not event.from_child and decision.draft.workflow.state not in allowed:
            raise Forbidden(
                "Updating env to workflow execution is only permitted if it is in IDLE, PAUSED, or ERROR"
                " state."
            )
        share_environment(decision, event.environment)


def share_environment(decision: Decision, environment: dict[str, Json]) -> None:
    """Merge into the environment here and below at once, and by way of the root in the rest of the tree."""
    _merge_environment(decision, environment)
    _tell_family(decision, EnvironmentUpdated(environment, from_parent=True))
    _tell_parent_environment(decision, environment)


def _merge_environment(decision: Decision, environment: dict[str, Json]) -> None:
    workflow = decision.draft.edit_workflow()
    known = workflow.params.get("env") or {}
    workflow.params = {**workflow.params, "env": merge_maps(known, environment)}
    workflow.updated_at = decision.now


def _tell_parent_environment(decision: Decision, environment: dict[str, Json]) -> None:
    workflow = decision.draft.workflow
    if workflow.parent_id is not None:
        event = EnvironmentUpdated(environment, from_child=True)
        decision.draft.effects.append(Tell(workflow.parent_id, event))


def _tell_family(decision: Decision, event: EnvironmentUpdated) -> None:
    """Pass it on to every sub-workflow that is open, or may be opened again by a rerun."""
    tell_all(decision, [*open_sub_workflows(decision), *_reopenable_sub_workflows(decision)], event)


def _reopenable_sub_workflows(decision: Decision) -> Iterator[str]:
    for task_id, task in decision.draft.tasks.items():
        if task.type == "WORKFLOW":
            for _, outcome in decision.draft.runs(task_id).outcomes.items():
                if outcome.state != states.SUCCESS:
                    yield outcome.child_id


def _failed_task(decision: Decision, task_id: str) -> TaskExecution:
    task = decision.draft.task(task_id)
    if task is None:
        raise NotFound(f"Task execution not found [id={task_id}]")
    if task.state != states.ERROR:
        raise InvalidState(
            "The current task execution must be in ERROR for rerun."
            f" Only updating task to rerun or skip is supported. [task={task.name}, state={task.state}]"
        )
    return task


def reopen(decision: Decision, *, restarted: bool = False) -> None:
    """Set a finished workflow, and everything above it, running again.

    `restarted`: above, what followed is superseded.
    """
    succeeded = decision.draft.workflow.state == states.SUCCESS
    if decision.draft.workflow.state == states.RUNNING:
        return
    _set_running(decision)
    workflow = decision.draft.edit_workflow()
    workflow.output = None
    workflow.finished_at = None
    if workflow.parent_id is not None and workflow.parent_task_id is not None:
        event = ChildRerun(
            workflow.parent_task_id, workflow.id, restarted, succeeded, attempt=workflow.attempt
        )
        decision.draft.effects.append(Tell(workflow.parent_id, event))


def _set_running(decision: Decision) -> None:
    workflow = decision.draft.edit_workflow()
    before = workflow.state
    workflow.state = states.RUNNING
    workflow.state_info = None
    workflow.cause = {"kind": "tasks"}
    workflow.updated_at = decision.now
    workflow_changed(decision, before)


def take_up_the_rest(decision: Decision) -> None:
    """Go on with every task that ended, or was to start, while the workflow did not run.

    What a pause command held back comes first, then what follows from those that ended, because it may let
    others start.
    """
    draft = decision.draft
    if draft.workflow.state == states.RUNNING:
        dispatch_backlog(decision)
    for task in _in_order(decision):
        if task.is_completed and not task.processed and not task.runtime.get("forced"):
            follow(decision, task, ignore_pause=True)
    queued = set(draft.ready)
    for task in _in_order(decision):
        if task.id in queued:
            continue
        if task.state == states.IDLE or (task.state == states.RUNNING and _has_work_left(task)):
            if task.state == states.IDLE:
                draft.edit_task(task).cause = {"kind": "continue"}
            make_ready(decision, task)


def _in_order(decision: Decision) -> list[TaskExecution]:
    return sorted((task for _, task in decision.draft.tasks.items()), key=lambda task: task.sequence)


def _has_work_left(task: TaskExecution) -> bool:
    if (task.cause or {}).get("kind") == "continue":
        return True
    return has_items_left(task)
