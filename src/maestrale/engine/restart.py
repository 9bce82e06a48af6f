"""Restart: a finished execution runs again from any of its tasks.

The task itself runs again under its id. Whatever it triggered, directly or not, is superseded: it leaves the
state in memory and stays as history, so that everything after the task happens anew. What did not follow
from the task is kept, with its results.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from maestrale.engine.children import cancel_children
from maestrale.engine.control import await_again, reopen, run_again, share_environment, take_up_the_rest
from maestrale.engine.decision import Decision
from maestrale.engine.effects import Tell
from maestrale.engine.events import ChildRerun, RestartRequested, StopRequested
from maestrale.engine.execution import TaskExecution
from maestrale.engine.joins import examine, judge, start_join
from maestrale.engine.limits import cut
from maestrale.engine.publishing import publish_globals
from maestrale.engine.tasks import clear_timer, count_unprocessed, create_waiting_join, set_state
from maestrale.lang.graph import reachable
from maestrale.model import states
from maestrale.model.errors import InvalidState, NotFound

RESTARTED = "is restarted"


class RestartedTask(msgspec.Struct, frozen=True):
    """A task that would run again, and why."""

    task: TaskExecution
    reason: str


def restart_plan(decision: Decision, task_id: str) -> list[RestartedTask]:
    """What a restart from a task makes run again in this execution: the task, then all that follow from it.

    Nothing is changed. Raises `NotFound`, or `InvalidState` where a restart is not possible.
    """
    target = decision.draft.task(task_id)
    if target is None:
        raise NotFound(f"Task execution not found [id={task_id}]")
    found = [RestartedTask(target, RESTARTED), *_followers(decision, target)]
    turns = target.runtime.get("firings", {})
    for entry in found[1:]:
        if turns.get(entry.task.name):
            raise InvalidState(
                f"Task '{target.name}' cannot be restarted: it lies in a loop through the join"
                f" '{entry.task.name}', which this execution of the task came from and led back to.",
                f"restart '{entry.task.name}' itself, or a task before the loop",
            )
    return found


def check_finished(decision: Decision) -> None:
    """Raise `InvalidState` unless the workflow execution has ended."""
    workflow = decision.draft.workflow
    if workflow.state not in states.COMPLETED:
        raise InvalidState(
            f"A task can be restarted once its workflow execution, and every one above it, has ended; this"
            f" one is {workflow.state}. [workflow={workflow.name}, execution_id={workflow.id}]",
            "wait for its end, or cancel it first",
        )


def restart_requested(decision: Decision, event: RestartRequested) -> None:
    """Run a task of a finished execution again, and open the execution and all above it for that."""
    check_finished(decision)
    planned = restart_plan(decision, event.task_id)
    task = planned[0].task
    if event.environment:
        share_environment(decision, event.environment)
    removed = [entry.task for entry in planned[1:]]
    has_globals = any(gone.published_global for gone in (task, *removed))
    _supersede(decision, removed, task)
    reopen(decision, restarted=True)
    if task.state == states.WAITING:
        start_join(decision, task)
        task = decision.draft.edit_task(task)
    else:
        if task.is_join:
            examine(decision, [task], _in_order(decision))
        task = run_again(decision, task)
    _go_on(decision, task, removed, has_globals)


def child_restarted(decision: Decision, event: ChildRerun) -> None:
    """A sub-workflow execution was restarted: the task that waits for it does so again.

    If it counts for nothing here any more, it is told to stop.
    """
    task = decision.draft.task(event.task_id)
    outcomes = {} if task is None else dict(decision.draft.runs(task.id).outcomes.items())
    index = next((i for i, o in outcomes.items() if o.child_id == event.execution_id), None)
    if task is None or index is None:
        if event.execution_id not in decision.draft.children:
            _stop_child(decision, event.execution_id, "Nothing waits for this execution any more.")
        return
    try:
        removed = [entry.task for entry in restart_plan(decision, task.id)[1:]]
    except InvalidState as refusal:
        _stop_child(decision, event.execution_id, str(refusal))
        return
    has_globals = any(gone.published_global for gone in (task, *removed))
    _supersede(decision, removed, task)
    if decision.draft.workflow.state != states.PAUSED:
        reopen(decision, restarted=True)
    task = await_again(decision, task, event, index)
    _go_on(decision, task, removed, has_globals)


def _stop_child(decision: Decision, execution_id: str, reason: str) -> None:
    decision.draft.effects.append(Tell(execution_id, StopRequested(states.CANCELLED, reason)))


def _go_on(decision: Decision, task: TaskExecution, removed: list[TaskExecution], has_globals: bool) -> None:
    """Put right what depends on the tasks that are left, and take up whatever is to be done."""
    task.published = None
    task.published_global = None
    if has_globals:
        _restore_globals(decision)
    _restore_joins(decision, removed)
    if decision.draft.workflow.state == states.RUNNING:
        take_up_the_rest(decision)


def _followers(decision: Decision, target: TaskExecution) -> Iterator[RestartedTask]:
    """All that `target` led to, directly or not, in the order of their creation."""
    followers = _triggered(decision)
    found: dict[str, RestartedTask] = {}
    waiting = [target]
    for join in _failed_joins_below(decision, target):
        found[join.id] = RestartedTask(join, f"failed because of what '{target.name}' did not lead to")
        waiting.append(join)
    while waiting:
        source = waiting.pop()
        for task in followers.get(source.id, ()):
            if task.id == target.id or task.id in found or _is_earlier_turn(decision, source, target, task):
                continue
            found[task.id] = RestartedTask(task, f"follows '{source.name}'")
            waiting.append(task)
    yield from sorted(found.values(), key=lambda entry: entry.task.sequence)


def _triggered(decision: Decision) -> dict[str, list[TaskExecution]]:
    """Task execution id -> the task executions that it triggered."""
    found: dict[str, list[TaskExecution]] = {}
    for _, task in decision.draft.tasks.items():
        sources = [trigger["task_id"] for trigger in task.triggered_by]
        if task.is_join and task.state != states.SUCCESS:
            sources += list(decision.draft.join(task.name).arrivals)
        if task.is_join and decision.program.is_on_cycle(task.name, task.name):
            sources += _sources_in_any_turn(decision, task)
        for source in dict.fromkeys(sources):
            if source is not None:
                found.setdefault(source, []).append(task)
    return found


def _sources_in_any_turn(decision: Decision, join: TaskExecution) -> list[str]:
    """What has chosen a join on a cycle; the join itself remembers its last turn only."""
    return [
        task.id
        for _, task in decision.draft.tasks.items()
        if any(name == join.name for name, _ in task.next_tasks or ())
    ]


def _failed_joins_below(decision: Decision, target: TaskExecution) -> list[TaskExecution]:
    """Joins that failed for lack of triggers, and could get them if `target` ended otherwise."""
    failed = [
        task
        for _, task in decision.draft.tasks.items()
        if task.is_join
        and task.state == states.ERROR
        and task.id != target.id
        and any(trigger["task_id"] is None for trigger in task.triggered_by)
    ]
    if not failed:
        return []
    below = reachable((target.name,), decision.program.graph.outbound.__getitem__)
    return [task for task in failed if task.name in below]


def _is_earlier_turn(
    decision: Decision, source: TaskExecution, target: TaskExecution, task: TaskExecution
) -> bool:
    """Whether `task` follows from an earlier turn of the restarted join on a cycle."""
    if source.id != target.id or not target.is_join:
        return False
    if not decision.program.is_on_cycle(target.name, target.name):
        return False
    turn = target.runtime.get("round", 0) + 1
    return bool(task.runtime.get("firings", {}).get(target.name, 0) < turn)


def _supersede(decision: Decision, removed: list[TaskExecution], target: TaskExecution) -> None:
    """Take tasks out of the state: their rows stay, nothing waits for them, nothing counts on them."""
    draft = decision.draft
    note = f"Superseded by a restart of task '{target.name}' [task_ex_id={target.id}]"
    for task in removed:
        cancel_children(decision, task, note)
        draft.rejected.append((task.id, task.attempt + 1, None))
        runs = draft.runs(task.id)
        runs.outcomes.clear()
        for child in [child for _, child in runs.open.items()]:
            draft.close_child(child)
        state = task.state if task.is_completed else states.CANCELLED
        task = set_state(decision, task, state, task.state_info, None)
        task.state_info = cut(f"{task.state_info}\n{note}" if task.state_info else note)
        task.finished_at = task.finished_at or decision.now
        task.live = False
        clear_timer(decision, task)
        draft.ends.remove(task.id)
        draft.tasks.remove(task.id)
        if not task.processed:
            count_unprocessed(decision, task, -1)
        if task.is_join:
            draft.join(task.name).clear()
    gone = {task.id for task in removed}
    for task_id in [task_id for task_id in draft.ready if task_id in gone]:
        draft.ready.remove(task_id)
    _restore_latest(decision, {task.name for task in removed})


def _restore_latest(decision: Decision, names: set[str]) -> None:
    """Let each name mean the newest task execution that is left of it."""
    for name in names:
        decision.draft.latest.remove(name)
    for task in _in_order(decision):
        if task.name in names:
            decision.draft.latest[task.name] = task.id


def _restore_globals(decision: Decision) -> None:
    """The global store as the tasks that are left have published it."""
    decision.draft.edit_workflow().globals = {}
    tasks = sorted(_in_order(decision), key=lambda task: task.finished_at or 0)
    for task in tasks:
        publish_globals(decision, task.published_global or {})


def _restore_joins(decision: Decision, removed: list[TaskExecution]) -> None:
    """Count anew who has come to each join; superseded joins wait again for those that have not."""
    tasks = _in_order(decision)
    examine(decision, [task for task in tasks if task.is_join and task.state != states.SUCCESS], tasks)
    chosen = {
        name for task in tasks if task.is_completed and task.processed for name, _ in task.next_tasks or ()
    }
    names = {task.name for task in removed if task.is_join and task.name in chosen}
    for name in sorted(names, key=decision.program.order.__getitem__):
        join = create_waiting_join(decision, name)
        examine(decision, [join], tasks)
        judge(decision, join)


def _in_order(decision: Decision) -> list[TaskExecution]:
    """All task executions in the order of their creation."""
    return sorted((task for _, task in decision.draft.tasks.items()), key=lambda task: task.sequence)
