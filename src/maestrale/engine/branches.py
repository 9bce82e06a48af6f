"""What tasks hand on to their followers, and what it makes where branches meet."""

from __future__ import annotations

from maestrale.engine.context import EMPTY, Context, merge
from maestrale.engine.decision import Decision
from maestrale.engine.execution import TaskExecution


def outbound(decision: Decision, task: TaskExecution) -> Context:
    """What a task hands on: its inbound context with what it published."""
    context = decision.draft.context_of(task)
    return context.publish(task.published, deep=decision.limits.data_flow.merges_maps)


def in_order_of_end(decision: Decision, tasks: list[TaskExecution]) -> list[TaskExecution]:
    """The order in which later branches win: by end, then by place in the definition."""
    order = decision.program.order
    return sorted(tasks, key=lambda task: (task.finished_at or 0, order[task.name], task.sequence))


def meet(decision: Decision, tasks: list[TaskExecution], *, also: Context = EMPTY) -> Context:
    """One context out of what several tasks hand on (and `also`, which any of them beats).

    Without versions, what the tasks themselves published is laid over the whole once more, so that copies
    of an older value in other branches do not hide it.
    """
    versioned = decision.limits.data_flow.versioning
    tasks = in_order_of_end(decision, tasks)
    contexts = [outbound(decision, task) for task in tasks]
    merged = merge([also, *contexts] if len(also) else contexts, versioned=versioned)
    if not versioned and len(tasks) > 1:
        for task in tasks:
            merged = merged.publish(task.published, deep=True)
    return merged


def keep_contexts_of_followers(decision: Decision, task: TaskExecution) -> None:
    """What followers inherited must survive a reload although the task will publish anew."""
    for follower in [t for _, t in decision.draft.tasks.items()]:
        if any(trigger["task_id"] == task.id for trigger in follower.triggered_by):
            edited = decision.draft.edit_task(follower)
            edited.context = decision.draft.context_of(follower).checkpoint()
            edited.checkpointed = True
