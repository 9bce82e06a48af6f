"""What is not stored because it follows from what is: contexts by lineage, and the counters of joins."""

from __future__ import annotations

from maestrale.engine.context import EMPTY, Context
from maestrale.engine.decision import Decision
from maestrale.engine.execution import TaskExecution
from maestrale.engine.joins import examine
from maestrale.model import states


def rebuild(decision: Decision) -> None:
    """Fill in, right after a load, the context of every task and the progress of every join.

    Works on the draft of a decision that is then applied without being committed.
    """
    draft = decision.draft
    tasks = sorted(draft.base.tasks.values(), key=lambda task: task.sequence)
    for task in tasks:
        if task.context is None:
            task.context = _inherited(decision, task)
    for task in tasks:
        if task.is_join and draft.latest.get(task.name) == task.id and task.state != states.SUCCESS:
            examine(decision, task, tasks)


def _inherited(decision: Decision, task: TaskExecution) -> Context:
    for trigger in task.triggered_by:
        source = decision.draft.base.tasks.get(trigger["task_id"] or "")
        if source is not None and source.context is not None:
            return source.context.publish(source.published)
    return EMPTY
