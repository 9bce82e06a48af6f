"""The result of a task: what its accepted children delivered."""

from __future__ import annotations

from maestrale.engine.decision import Decision
from maestrale.engine.execution import TaskExecution
from maestrale.model.values import Json


def task_result(decision: Decision, task: TaskExecution) -> Json:
    """A list in item order for with-items; else the only value, or an empty list if there is none."""
    if task.runtime.get("result_dropped"):
        return None
    outcomes = decision.draft.runs(task.id).outcomes
    if task.items_count is None:
        if len(outcomes) == 1:
            return next(outcome.result for _, outcome in outcomes.items())
        if not len(outcomes):
            return []
    return [outcome.result for _, outcome in sorted(outcomes.items())]
