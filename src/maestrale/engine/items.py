"""with-items: the list is evaluated once; a window of items is started; counters say when all are done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from maestrale.engine.children import start_child
from maestrale.engine.decision import Completion, Decision, ForcedFailure
from maestrale.engine.execution import TaskExecution
from maestrale.engine.lookups import Lookups
from maestrale.engine.policies import number
from maestrale.engine.tasks import make_ready
from maestrale.model import states
from maestrale.model.errors import EvaluationError
from maestrale.model.values import Json, opened

ITEM_CANCELLED: Final = "One or more actions was cancelled."

LOCAL_ITEMS: Final = 1_000
"""Items of one task that wait for or run at an executor of ours at the same time. Each holds its input in
memory, and far fewer can run at once. Items that an outside party ends, and sub-workflows, are not bounded:
they wait elsewhere."""


def evaluate_items(decision: Decision, task: TaskExecution) -> TaskExecution:
    """Evaluate all lists and keep them on the task: one map of variables for each index."""
    program = decision.task_program(task)
    scope = decision.scope(task, Lookups(decision, task), decision.draft.context_of(task))
    columns: dict[str, list[Json]] = {}
    for clause, (variable, template) in zip(program.spec.with_items, program.items, strict=True):
        path = clause.path or (*program.path, "with-items")
        values = opened(decision.evaluate(template, scope, path))
        if not isinstance(values, Iterable):
            raise ForcedFailure(
                f"Wrong input format for: {{'{variable}': {values!r}}}."
                f" Iterable type is expected for each value, got {type(values).__name__}"
                f" {decision.where(path)}"
            )
        columns[variable] = list(values)
    lengths = {len(values) for values in columns.values()}
    if len(lengths) > 1:
        sizes = ", ".join(f"{name}: {len(values)}" for name, values in columns.items())
        raise ForcedFailure(
            f"Wrong input format for: {{{sizes}}}. All arrays must have the same length."
            f" {decision.where((*program.path, 'with-items'))}"
        )
    count = lengths.pop()
    capacity = number(decision, task, "concurrency") or None
    task = decision.draft.edit_task(task)
    task.items = [{name: values[index] for name, values in columns.items()} for index in range(count)]
    task.items_count = count
    task.items_next = 0
    task.runtime = {**task.runtime, "with_items": {"count": count, "capacity": capacity}}
    if capacity is not None:
        task.runtime["concurrency"] = capacity
    return task


def start_items(decision: Decision, task: TaskExecution) -> None:
    """Start as many items as the window and this decision allow; complete the task when all are done.

    What the decision's bound leaves over is started by a *continue*. One item starts in any case, so that
    the smallest bound still gets on.
    """
    task = decision.draft.edit_task(task)
    task.cause = {"kind": "items"}
    runs = decision.draft.runs(task.id)
    capacity = task.runtime["with_items"]["capacity"]
    has_started = False
    while (index := _next_index(task)) is not None:
        if (capacity is not None and len(runs.open) >= capacity) or runs.local >= LOCAL_ITEMS:
            return
        if has_started and decision.steps_left <= 0:
            make_ready(decision, task)
            return
        assert task.items is not None
        variables: Mapping[str, Json] = task.items[index]
        decision.steps_left -= 1
        has_started = True
        try:
            start_child(decision, task, variables, index)
        except EvaluationError as error:
            raise EvaluationError(f"{error.message}, item {index}", error.hint) from None
        _advance(task)
    completion = completion_of_items(decision, task)
    if completion is not None:
        decision.completions.append(completion)


def _next_index(task: TaskExecution) -> int | None:
    redo = task.runtime.get("redo")
    if redo:
        index: int = redo["indexes"][task.items_next]
        return index
    assert task.items_count is not None
    return task.items_next if task.items_next < task.items_count else None


def _advance(task: TaskExecution) -> None:
    task.items_next += 1
    redo = task.runtime.get("redo")
    if redo and task.items_next == len(redo["indexes"]):
        task.items_next = redo["next"]
        task.runtime = {key: value for key, value in task.runtime.items() if key != "redo"}


def has_items_left(task: TaskExecution) -> bool:
    """Whether some item of a with-items task has not been started yet (or not again)."""
    return task.items_count is not None and (
        task.items_next < task.items_count or bool(task.runtime.get("redo"))
    )


def items_to_repeat(decision: Decision, task: TaskExecution) -> list[int]:
    """The items that were started and neither succeeded nor run still, in order."""
    redo = task.runtime.get("redo")
    started: int = redo["next"] if redo else task.items_next
    runs = decision.draft.runs(task.id)
    done = {index for index, outcome in runs.outcomes.items() if outcome.state == states.SUCCESS}
    done |= {child.item_index for _, child in runs.open.items() if child.item_index is not None}
    return [index for index in range(started) if index not in done]


def completion_of_items(decision: Decision, task: TaskExecution) -> Completion | None:
    """How a with-items task ends, or None if items are missing still."""
    outcomes = decision.draft.runs(task.id).outcomes
    if len(outcomes) != task.items_count:
        return None
    if not task.items_failed:
        return Completion(task.id, states.SUCCESS)
    if any(outcome.state == states.CANCELLED for _, outcome in outcomes.items()):
        return Completion(task.id, states.CANCELLED, ITEM_CANCELLED)
    return Completion(task.id, states.ERROR, "One or more actions had failed.")
