"""Creating task executions and moving them between states that are not the end."""

from __future__ import annotations

from maestrale.engine.context import EMPTY, Context
from maestrale.engine.decision import Decision
from maestrale.engine.execution import Cause, TaskExecution
from maestrale.engine.limits import cut
from maestrale.engine.notifications import task_changed
from maestrale.model import states
from maestrale.model.values import Json, Microseconds

CHECKPOINT_STEPS = 32
"""How many publications a context may be away from a stored checkpoint: bounds the work of a reload."""

SECOND = 1_000_000


def create_task(
    decision: Decision,
    name: str,
    context: Context,
    triggered_by: list[dict[str, Json]],
    firings: dict[str, int] | None = None,
    needs_checkpoint: bool = False,
) -> TaskExecution:
    """Add a task execution in IDLE. `firings`: how often each join on a cycle fired upstream of it."""
    spec = decision.program.spec.tasks[name]
    checkpointed = needs_checkpoint or context.steps >= CHECKPOINT_STEPS
    task = TaskExecution(
        id=decision.identity.next_id(),
        execution_id=decision.draft.workflow.id,
        sequence=decision.identity.next_order(),
        name=name,
        type=spec.type,
        state=states.IDLE,
        cause={"kind": "continue"},
        triggered_by=triggered_by,
        runtime={"firings": firings} if firings else {},
        tags=list(spec.tags),
        is_join=bool(spec.join),
        created_at=decision.now,
        context=context.checkpoint() if checkpointed else context,
        checkpointed=checkpointed,
    )
    decision.draft.add_task(task)
    count_unprocessed(decision, task, 1)
    return task


def mark_processed(decision: Decision, task: TaskExecution, is_processed: bool) -> None:
    """Note whether an editable task has led on to what follows; it has not yet if it runs again."""
    if task.processed != is_processed:
        task.processed = is_processed
        count_unprocessed(decision, task, -1 if is_processed else 1)


def count_unprocessed(decision: Decision, task: TaskExecution, change: int) -> None:
    """Keep count, for joins, of what may still lead to something."""
    if decision.program.joins:
        decision.draft.count_unprocessed(task.name, decision.program.routes.bits[task.name], change)


def create_waiting_join(decision: Decision, name: str) -> TaskExecution:
    """Add the one task execution of a join; its context is merged when it starts."""
    task = create_task(decision, name, EMPTY, [])
    task.state = states.WAITING
    task.state_info = "Task is waiting."
    task.cause = {"kind": "join"}
    decision.draft.waiting_joins += 1
    return task


def make_ready(decision: Decision, task: TaskExecution) -> None:
    """Let a task (or its next items) be started in this decision, or in the next."""
    if decision.draft.workflow.state not in states.COMPLETED or outlives(decision, task):
        decision.draft.ready.append(task.id)


def outlive(decision: Decision, task_id: str) -> None:
    """Let a task that is ready run to its end although the workflow is over now.

    It is bound to this end of the workflow: after a rerun and another end it is a task like any other.
    """
    task = decision.draft.task(task_id)
    if task is not None:
        task = decision.draft.edit_task(task)
        task.runtime = {**task.runtime, "outlives": decision.draft.workflow.finished_at}
        make_ready(decision, task)


def outlives(decision: Decision, task: TaskExecution) -> bool:
    """Whether a task may go on although the workflow is over."""
    end = decision.draft.workflow.finished_at
    return end is not None and task.runtime.get("outlives") == end


def set_state(
    decision: Decision, task: TaskExecution, state: str, info: str | None, cause: Cause | None
) -> TaskExecution:
    """Move a task to another state and remember why; returns the editable task."""
    task = decision.draft.edit_task(task)
    before, why = task.state, task.cause
    _count(decision, before, state)
    task.state = state
    task.state_info = cut(info)
    task.cause = cause
    task.updated_at = decision.now
    task_changed(decision, task, before, why)
    return task


def _count(decision: Decision, before: str, after: str) -> None:
    draft = decision.draft
    draft.open_tasks += (before in states.COMPLETED) - (after in states.COMPLETED)
    draft.waiting_joins += (after == states.WAITING) - (before == states.WAITING)


def delay(decision: Decision, task: TaskExecution, seconds: int, info: str, phase: str) -> None:
    """Park a task until `seconds` from now. `phase` says what happens then: before, after or retry."""
    due = decision.now + seconds * SECOND
    task = set_state(decision, task, states.DELAYED, info, {"kind": "due", "at": due, "phase": phase})
    task.due_at = due
    update_timer(decision, task)


def update_timer(decision: Decision, task: TaskExecution) -> None:
    """Keep the alarm of a task in step with its due times."""
    times: list[Microseconds] = [at for at in (task.due_at, task.timeout_at) if at is not None]
    if times:
        decision.draft.timers[task.id] = min(times)
    else:
        decision.draft.timers.remove(task.id)


def clear_timer(decision: Decision, task: TaskExecution) -> None:
    """Forget the due times of an editable task."""
    task.due_at = None
    task.timeout_at = None
    decision.draft.timers.remove(task.id)


def abandon_children(
    decision: Decision, task: TaskExecution, indexes: list[int] | None = None
) -> TaskExecution:
    """Begin a new attempt: earlier children (or those of some item indexes) count no more.

    No action is open any more; sub-workflows that were told to end may be, and are waited for no longer.
    While items are repeated, `items_next` is the place in the list of their indexes (`runtime.redo`).
    """
    task = decision.draft.edit_task(task)
    attempt = task.attempt + 1
    task.runtime = {**task.runtime, "attempt": attempt}
    task.runtime.pop("result_dropped", None)
    runs = decision.draft.runs(task.id)
    decision.draft.rejected.append((task.id, attempt, indexes))
    if indexes is None:
        runs.outcomes.clear()
        for child in [child for _, child in runs.open.items()]:
            decision.draft.close_child(child)
        if task.items_count is not None:
            task.runtime["since"] = attempt
        task.items = None
        task.items_count = None
        task.items_next = task.items_done = task.items_failed = 0
    else:
        for index in indexes:
            runs.outcomes.remove(index)
        task.items_done = len(runs.outcomes)
        task.items_failed = 0
        redo = task.runtime.pop("redo", None)
        following = redo["next"] if redo else task.items_next
        if indexes:
            task.runtime["redo"] = {"indexes": indexes, "next": following}
            task.items_next = 0
        else:
            task.items_next = following
    return task
