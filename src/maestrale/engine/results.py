"""The result of a task: what its accepted children delivered."""

from __future__ import annotations

from maestrale.engine.decision import Decision
from maestrale.engine.execution import TaskExecution
from maestrale.model.values import Json


def task_result(decision: Decision, task: TaskExecution) -> Json:
    """A list in item order for with-items; else the only value, or an empty list if there is none."""
    if task.runtime.get("result_dropped"):
        return None
    results = decision.draft.runs(task.id).results()
    return results[0] if task.items_count is None and len(results) == 1 else results
