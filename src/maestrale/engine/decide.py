"""The front door of the core: one event in, a changed draft and effects out."""

from __future__ import annotations

from maestrale.engine import messages
from maestrale.engine.adhoc import delivered, undeliverable
from maestrale.engine.cascades import tell_the_rest
from maestrale.engine.children import child_ended, completion_of_single
from maestrale.engine.completion import complete_task
from maestrale.engine.control import (
    child_rerun,
    child_updated,
    environment_updated,
    pause_requested,
    rerun_requested,
    resume_requested,
    skip_requested,
    stop_requested,
)
from maestrale.engine.decision import ActionCatalogue, Completion, Decision, Limits
from maestrale.engine.draft import Draft, Record
from maestrale.engine.effects import CancelAction
from maestrale.engine.events import (
    ActionFinished,
    ActionUpdated,
    AlarmDue,
    AnyEvent,
    ChildRerun,
    Continue,
    DecisionFailed,
    Described,
    EnvironmentUpdated,
    PauseRequested,
    RerunRequested,
    RestartRequested,
    ResumeRequested,
    SkipRequested,
    Started,
    StopRequested,
    SubWorkflowFinished,
    SubWorkflowUpdated,
)
from maestrale.engine.execution import Child, TaskExecution
from maestrale.engine.failures import force_failure
from maestrale.engine.items import ITEM_CANCELLED, completion_of_items
from maestrale.engine.joins import fail_blocked
from maestrale.engine.lifecycle import start_workflow
from maestrale.engine.needs import Answers
from maestrale.engine.outputs import end_workflow, fail_unhandled
from maestrale.engine.pausing import paused_child
from maestrale.engine.policies import timed_out
from maestrale.engine.program import Program
from maestrale.engine.restart import child_restarted, restart_requested
from maestrale.engine.starting import start_task
from maestrale.engine.tasks import make_ready, set_state, update_timer
from maestrale.model import states
from maestrale.model.errors import InvalidState, MaestraleError, NotFound
from maestrale.model.values import Microseconds


def decide(
    draft: Draft,
    event: AnyEvent,
    *,
    execution_id: str,
    program: Program,
    now: Microseconds,
    answers: Answers,
    actions: ActionCatalogue,
    limits: Limits,
) -> None:
    """Decide one event on top of what `draft` holds already.

    Raises a `Need` where an answer is missing (the draft must then be thrown away and every event of it be
    decided again), and a `MaestraleError` where the event is refused; a refused event leaves no trace.
    """
    now = max(now, draft.last_time)
    decision = Decision(draft, program, now, answers, actions, limits)
    _handle(decision, execution_id, event)
    _run(decision)
    changes = draft.take_changes()
    draft.records.append(Record(draft.next_sequence, now, event, decision.used, changes))
    draft.next_sequence += 1
    draft.last_time = now


def _handle(decision: Decision, execution_id: str, event: AnyEvent) -> None:
    match event:
        case Started():
            start_workflow(decision, execution_id, event)
        case ActionFinished():
            _action_finished(decision, event)
        case ActionUpdated():
            _action_updated(decision, event)
        case SubWorkflowFinished():
            _sub_workflow_finished(decision, event)
        case SubWorkflowUpdated():
            _sub_workflow_updated(decision, event)
        case AlarmDue():
            _alarm_due(decision)
        case Continue():
            tell_the_rest(decision)
        case PauseRequested():
            pause_requested(decision, event)
        case ResumeRequested():
            resume_requested(decision, event)
        case StopRequested():
            stop_requested(decision, event)
        case RerunRequested():
            rerun_requested(decision, event)
        case RestartRequested():
            restart_requested(decision, event)
        case SkipRequested():
            skip_requested(decision, event)
        case ChildRerun():
            if event.restarted:
                child_restarted(decision, event)
            else:
                child_rerun(decision, event)
        case EnvironmentUpdated():
            environment_updated(decision, event)
        case Described():
            workflow = decision.draft.edit_workflow()
            workflow.description = event.description
            workflow.updated_at = decision.now
        case DecisionFailed():
            if decision.draft.workflow.state not in states.COMPLETED:
                end_workflow(decision, states.ERROR, event.reason)


def _run(decision: Decision) -> None:
    """Start everything that follows, within the bound; what is left over stays in `draft.ready`."""
    draft = decision.draft
    while True:
        if decision.completions:
            complete_task(decision, decision.completions.popleft())
        elif (task_id := _next_ready(decision)) is not None:
            task = draft.task(task_id)
            decision.steps_left -= 1
            if task is not None:
                start_task(decision, task)
        elif not _settle(decision):
            return


def _next_ready(decision: Decision) -> str | None:
    """The next task that may start now, taken out of the queue."""
    draft = decision.draft
    if not draft.ready or decision.steps_left <= 0:
        return None
    if draft.may_start:
        return draft.ready.popleft()
    if draft.workflow.state == states.PAUSED:
        for task_id in draft.ready:
            if task_id in decision.exempt:
                draft.ready.remove(task_id)
                return task_id
    return None


def _settle(decision: Decision) -> bool:
    """Whether something is left to do although nothing is queued: a dead join, or the end."""
    draft = decision.draft
    workflow = draft.workflow
    if workflow.state != states.RUNNING or draft.ready or workflow.backlog:
        return False
    if draft.open_tasks == 0:
        fail_unhandled(decision)
        return False
    if draft.waiting_joins and draft.waiting_joins == draft.open_tasks:
        return fail_blocked(decision)
    return False


def _action_finished(decision: Decision, event: ActionFinished) -> None:
    found = _open_action(decision, event.action_id)
    if found is None:
        if event.by_user:
            raise InvalidState(f"Action {event.action_id} is already completed")
        return
    task, child = found
    if event.by_user and not child.waits_outside:
        decision.draft.effects.append(CancelAction(child.id))
    try:
        result = delivered(decision, task, child, event.state, event.result)
    except MaestraleError as error:
        name = decision.draft.workflow.name
        child_ended(decision, task, child, states.ERROR, undeliverable(error, child.name, task.name))
        message = messages.failed_to_complete(error, name, task.name, child.name)
        force_failure(decision, task, message)
        return
    child_ended(decision, task, child, event.state, result)
    _after_child(decision, task, event.state, None, child)


def _sub_workflow_finished(decision: Decision, event: SubWorkflowFinished) -> None:
    task = decision.draft.task(event.task_id)
    if task is None:
        return
    child = decision.draft.runs(task.id).open.get(event.execution_id)
    if child is None:
        return
    child_ended(decision, task, child, event.state, event.output)
    _after_child(decision, task, event.state, event.state_info, child)


def _after_child(decision: Decision, task: TaskExecution, state: str, info: str | None, child: Child) -> None:
    """Complete the task if that was the last child it waited for, or start further items."""
    task = decision.draft.task(task.id) or task
    if task.is_completed or task.state == states.DELAYED:
        return  # how it ends is settled already
    if (end := timed_out(decision, task)) is not None:
        decision.completions.append(end)
        return
    if task.state == states.PAUSED:
        paused = paused_child(decision, task)
        if paused is not None:
            task = set_state(decision, task, states.PAUSED, None, {"kind": "child-paused", "id": paused})
        else:
            task = set_state(decision, task, states.RUNNING, None, {"kind": "continue"})
    if task.items_count is None:
        completion = completion_of_single(decision, task, info)
    elif state == states.CANCELLED:
        completion = Completion(task.id, states.CANCELLED, ITEM_CANCELLED)
    else:
        finished = completion_of_items(decision, task)
        if finished is None:
            if task.state == states.RUNNING and task.id not in decision.draft.ready:
                make_ready(decision, task)
            return
        completion = finished
    decision.completions.append(
        Completion(completion.task_id, completion.state, completion.info, action_name=child.name or None)
    )


def _action_updated(decision: Decision, event: ActionUpdated) -> None:
    found = _open_action(decision, event.action_id)
    if found is None:
        raise InvalidState(f"Action {event.action_id} is already completed")
    task, child = found
    if not child.waits_outside:
        raise InvalidState(
            "Transition to the PAUSED state is only supported for asynchronous action execution."
        )
    child_updated(decision, task, child, event.state)


def _sub_workflow_updated(decision: Decision, event: SubWorkflowUpdated) -> None:
    task = decision.draft.task(event.task_id)
    if task is None:
        return
    child = decision.draft.runs(task.id).open.get(event.execution_id)
    if child is not None:
        child_updated(decision, task, child, event.state, cascaded=event.cascaded)


def _open_action(decision: Decision, action_id: str) -> tuple[TaskExecution, Child] | None:
    draft = decision.draft
    task_id = draft.children.get(action_id)
    if task_id is None:
        return None
    task = draft.task(task_id)
    child = draft.runs(task_id).open.get(action_id)
    if task is None or child is None:
        return None
    return task, child


def _alarm_due(decision: Decision) -> None:
    """Handle every task whose due time has come, in order of their creation; stale alarms find nothing."""
    draft = decision.draft
    if draft.workflow.state != states.RUNNING:
        return
    due = []
    for at, task_id in draft.timers.due(decision.now):
        task = draft.task(task_id)
        if task is None:
            raise NotFound(f"Task execution not found [id={task_id}]")
        due.append((at, task.sequence, task))
    for _, _, task in sorted(due, key=lambda entry: entry[:2]):
        if (end := timed_out(decision, task, by_alarm=True)) is not None:
            decision.completions.append(end)
        elif task.due_at is not None and task.due_at <= decision.now:
            _delay_over(decision, task)


def _delay_over(decision: Decision, task: TaskExecution) -> None:
    phase = (task.cause or {}).get("phase")
    task = decision.draft.edit_task(task)
    task.due_at = None
    update_timer(decision, task)
    if phase == "after":
        kept = task.runtime["waited_after"]
        decision.completions.append(
            Completion(task.id, kept["state"], kept["info"], final=kept["final"], waited=True)
        )
    else:
        task = set_state(decision, task, states.RUNNING, None, {"kind": "continue"})
        make_ready(decision, task)
