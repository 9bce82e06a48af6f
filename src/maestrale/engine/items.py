"""with-items: the list is evaluated once; a window of items is started; counters say when all are done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from maestrale.engine.children import start_child
from maestrale.engine.decision import Completion, Decision, ForcedFailure
from maestrale.engine.execution import TaskExecution
from maestrale.engine.lookups import Lookups
from maestrale.engine.policies import number
from maestrale.engine.tasks import make_ready
from maestrale.model import states
from maestrale.model.values import Json


def evaluate_items(decision: Decision, task: TaskExecution) -> TaskExecution:
    """Evaluate all lists and keep them on the task: one map of variables for each index."""
    program = decision.task_program(task)
    scope = decision.scope(task, Lookups(decision, task), decision.draft.context_of(task))
    columns: dict[str, list[Json]] = {}
    for clause, (variable, template) in zip(program.spec.with_items, program.items, strict=True):
        path = clause.path or (*program.path, "with-items")
        values = decision.evaluate(template, scope, path)
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
        if capacity is not None and len(runs.open) >= capacity:
            return
        if has_started and decision.steps_left <= 0:
            make_ready(decision, task)
            return
        assert task.items is not None
        variables: Mapping[str, Json] = task.items[index]
        decision.steps_left -= 1
        has_started = True
        start_child(decision, task, variables, index)
        _advance(task, index)
    completion = completion_of_items(decision, task)
    if completion is not None:
        decision.completions.append(completion)


def _next_index(task: TaskExecution) -> int | None:
    redo = task.runtime.get("redo")
    if redo:
        first: int = redo[0]
        return first
    assert task.items_count is not None
    return task.items_next if task.items_next < task.items_count else None


def _advance(task: TaskExecution, index: int) -> None:
    redo = task.runtime.get("redo")
    if redo:
        task.runtime = {**task.runtime, "redo": redo[1:]}
    else:
        task.items_next = index + 1


def completion_of_items(decision: Decision, task: TaskExecution) -> Completion | None:
    """How a with-items task ends, or None if items are missing still."""
    outcomes = decision.draft.runs(task.id).outcomes
    if len(outcomes) != task.items_count:
        return None
    if not task.items_failed:
        return Completion(task.id, states.SUCCESS)
    return Completion(task.id, states.ERROR, "One or more actions had failed.")
