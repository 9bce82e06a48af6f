"""What is not stored because it follows from what is: contexts by lineage, and the counters of joins."""

from __future__ import annotations

from collections.abc import Iterable

from maestrale.engine.branches import outbound
from maestrale.engine.context import EMPTY, Context
from maestrale.engine.decision import Decision
from maestrale.engine.execution import Child, TaskExecution
from maestrale.engine.joins import examine
from maestrale.engine.tasks import count_unprocessed
from maestrale.model import states


def waited_for(task: TaskExecution, sub_workflows: Iterable[Child]) -> list[Child]:
    """Which of all the sub-workflows of a task, as their rows say, it waits for still.

    Their own states do not tell: one that has ended is waited for until its news has arrived.
    """
    newest: dict[int | None, Child] = {}
    for child in sub_workflows:
        known = newest.get(child.item_index)
        if known is None or known.attempt < child.attempt:
            newest[child.item_index] = child
    redo = task.runtime.get("redo")
    given_up = set(redo["indexes"][task.items_next :]) if redo else set()
    since = max(task.runtime.get("since", 0), task.attempt if task.items_count is None else 0)
    return [
        child
        for index, child in newest.items()
        if not child.accepted and child.attempt >= since and index not in given_up
    ]


def rebuild(decision: Decision) -> None:
    """Fill in, right after a load, the context of every task and the progress of every join.

    Works on the draft of a decision that is then applied without being committed.
    """
    draft = decision.draft
    tasks = sorted(draft.base.tasks.values(), key=lambda task: task.sequence)
    for task in tasks:
        if task.context is None:
            task.context = _inherited(decision, task)
        if not task.processed:
            count_unprocessed(decision, task, 1)
    waiting = [
        task
        for task in tasks
        if task.is_join and draft.latest.get(task.name) == task.id and task.state != states.SUCCESS
    ]
    if waiting:
        examine(decision, waiting, tasks)


def _inherited(decision: Decision, task: TaskExecution) -> Context:
    for trigger in task.triggered_by:
        source = decision.draft.base.tasks.get(trigger["task_id"] or "")
        if source is not None and source.context is not None:
            return outbound(decision, source)
    return EMPTY
