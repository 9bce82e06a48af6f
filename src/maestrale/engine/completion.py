"""The end of a task: publish, policies, and what follows."""

from __future__ import annotations

import msgspec

from maestrale.engine import messages, reverse
from maestrale.engine.children import cancel_children
from maestrale.engine.decision import Completion, Decision
from maestrale.engine.direct import Command, dispatch, next_commands
from maestrale.engine.execution import TaskExecution
from maestrale.engine.failures import force_failure
from maestrale.engine.joins import add_late_branches, failed_by_branches, note_missed
from maestrale.engine.lookups import Lookups
from maestrale.engine.policies import fail_on, retry, wait_after
from maestrale.engine.publishing import evaluate_publish, publish_globals
from maestrale.engine.tasks import clear_timer, mark_processed, set_state, update_timer
from maestrale.expressions.surroundings import NO_SCOPE
from maestrale.model import states
from maestrale.model.errors import MaestraleError

TASK_FAILED_BY_FAIL_ON = "Failed by 'fail-on' policy"


def complete_task(decision: Decision, completion: Completion) -> None:
    """End a task as `completion` says and set going what follows. Ended tasks stay as they are."""
    task = decision.draft.task(completion.task_id)
    if task is None or task.is_completed or (completion.if_waiting and task.state != states.WAITING):
        return
    is_late = task.state == states.WAITING or completion.final or completion.waited
    if is_late and decision.draft.workflow.state in states.COMPLETED:
        return  # a join that nobody waits for any more, or a timer of a moment too late
    try:
        _complete(decision, task, completion)
    except MaestraleError as error:
        name = decision.draft.workflow.name
        spec = decision.task_program(task).spec
        action = completion.action_name or spec.action or spec.workflow
        if completion.waited or completion.final:
            action = None
        message = messages.failed_to_complete(error, name, task.name, action)
        force_failure(decision, task, message)


def _complete(decision: Decision, task: TaskExecution, completion: Completion) -> None:
    state, info = completion.state, completion.info
    has_run = not (task.is_join and failed_by_branches(task))
    has_met = task.is_join and task.state != states.WAITING
    task = set_state(decision, task, state, info, None)
    task.finished_at = decision.now
    if has_met:
        add_late_branches(decision, task)
    if completion.final:
        task.timeout_at = None
        update_timer(decision, task)
        cancel_children(decision, task, info or state)
    if not completion.waited:
        _publish(decision, task, state)
        _drop_result_unless_kept(decision, task)
        if state != states.SKIPPED and wait_after(decision, task, state, info, completion.final):
            return
    if state != states.SKIPPED:
        if state == states.SUCCESS and fail_on(decision, task):
            state = states.ERROR
            task = set_state(decision, task, state, TASK_FAILED_BY_FAIL_ON, None)
        if not completion.final and has_run and retry(decision, task, state):
            return
    clear_timer(decision, task)
    follow(decision, task)


def _publish(decision: Decision, task: TaskExecution, state: str) -> None:
    published = evaluate_publish(decision, task, state)
    task.published = published.branch or None
    task.published_global = published.globals or None
    publish_globals(decision, published.globals)


def _drop_result_unless_kept(decision: Decision, task: TaskExecution) -> None:
    if _keeps_result(decision, task) or task.type == "WORKFLOW":
        return  # the output of a sub-workflow is its own
    task.runtime = {**task.runtime, "result_dropped": True}
    decision.draft.dropped.append(task.id)
    outcomes = decision.draft.runs(task.id).outcomes
    for index, outcome in list(outcomes.items()):
        outcomes[index] = msgspec.structs.replace(outcome, result=None)


def _keeps_result(decision: Decision, task: TaskExecution) -> bool:
    program = decision.task_program(task)
    if program.keep_result.is_constant:
        return bool(program.keep_result.evaluate(NO_SCOPE))
    scope = decision.scope(task, Lookups(decision, task), decision.draft.context_of(task))
    return bool(decision.evaluate(program.keep_result, scope, (*program.path, "keep-result")))


def follow(decision: Decision, task: TaskExecution, *, ignore_pause: bool = False) -> None:
    """Set going what a completed task leads to; while the workflow is paused or over, leave it for later."""
    task = decision.draft.edit_task(task)
    if decision.program.spec.type == "reverse":
        _follow_reverse(decision, task)
        return
    commands: list[Command] = next_commands(decision, task)
    task.error_handled = task.state == states.ERROR and any(c.event == "on-error" for c in commands)
    if decision.draft.workflow.state != states.RUNNING:
        task.next_tasks = [[c.target, c.event] for c in commands if not c.is_command]
        if not task.next_tasks:
            decision.draft.ends[task.id] = True
        return
    task.next_tasks = [[c.target, c.event] for c in commands if not c.is_command]
    chosen = dispatch(decision, task, commands, ignore_pause=ignore_pause)
    mark_processed(decision, task, True)
    task.next_tasks = chosen
    if not chosen:
        decision.draft.ends[task.id] = True
    note_missed(decision, task, {name for name, _ in chosen})


def _follow_reverse(decision: Decision, task: TaskExecution) -> None:
    if decision.draft.workflow.state != states.RUNNING:
        return
    mark_processed(decision, task, True)
    task.next_tasks = reverse.after_success(decision, task) if task.state == states.SUCCESS else []
