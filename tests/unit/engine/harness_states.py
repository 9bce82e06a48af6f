"""States of executions as plain data, for comparing; and loading one from its rows, as the store does it."""

from __future__ import annotations

import copy
from typing import Any

import msgspec

from maestrale.engine.context import Context
from maestrale.engine.execution import (
    Child,
    Execution,
    Known,
    Outcome,
    Runs,
    TaskExecution,
    WorkflowExecution,
)
from maestrale.engine.rebuild import waited_for
from maestrale.model import states


def snapshot(execution: Execution) -> dict[str, Any]:
    """Everything that an execution holds, as independent plain data.

    Left out: how a context is layered, and whether it is stored.
    """
    return {
        "workflow": None if execution.workflow is None else _plain(execution.workflow),
        "tasks": {key: _plain_task(task) for key, task in execution.tasks.items()},
        "runs": {
            key: {
                "open": {child_id: _plain(child) for child_id, child in runs.open.items()},
                "outcomes": {index: _plain(outcome) for index, outcome in sorted(runs.outcomes.items())},
            }
            for key, runs in execution.runs.items()
            if runs.open or runs.outcomes
        },
        "joins": {
            name: {
                "arrivals": dict(join.arrivals),
                "come": dict(join.come),
                "missing": dict(join.missing),
            }
            for name, join in execution.joins.items()
            if join.arrivals or join.missing
        },
        "latest": dict(execution.latest),
        "unprocessed": (dict(execution.unprocessed), execution.unprocessed_bits),
        "children": dict(execution.children),
        "timers": dict(execution.timers),
        "ends": dict(execution.ends),
        "ready": list(execution.ready),
        "numbers": (
            execution.next_sequence,
            execution.open_tasks,
            execution.waiting_joins,
            execution.control_epoch,
            execution.local_actions,
            execution.last_time,
        ),
    }


def _plain(struct: msgspec.Struct) -> dict[str, Any]:
    return copy.deepcopy(msgspec.structs.asdict(struct))


def _plain_task(task: TaskExecution) -> dict[str, Any]:
    found = msgspec.structs.asdict(task)
    context = found.pop("context")
    del found["checkpointed"]
    plain: dict[str, Any] = copy.deepcopy(found)
    plain["variables"] = {} if context is None else copy.deepcopy(context.flat())
    plain["versions"] = {} if context is None else context.flat_versions()
    return plain


def comparable_after_load(execution: Execution) -> dict[str, Any]:
    """A snapshot without what a load need not bring back.

    Results that are not kept, counters of joins that are over or in vain, the order of the queue (where a
    task with items left always stands, and one that is over does not matter), ends of branches where they
    mean nothing, and name and times of sub-workflows.
    """
    found = snapshot(execution)
    waiting = {task.name for task in execution.tasks.values() if task.state == states.WAITING}
    over = {task.name for task in execution.tasks.values() if task.is_join and task.state == states.SUCCESS}
    joins = {}
    is_over = execution.workflow is None or execution.workflow.state in states.COMPLETED
    if is_over:
        over |= waiting
    for name, join in found["joins"].items():
        if name not in over and (join["arrivals"] or name in waiting):
            joins[name] = {
                "arrivals": join["arrivals"],
                "come": join["come"],
                "missing": join["missing"] if name in waiting else {},
            }
    found["joins"] = {name: join for name, join in joins.items() if join["arrivals"] or join["missing"]}
    for task_id, runs in found["runs"].items():
        task = execution.tasks[task_id]
        for outcome in runs["outcomes"].values():
            if task.type == "ACTION" and task.runtime.get("result_dropped"):
                outcome["result"] = None
        for child in runs["open"].values():
            if child["is_workflow"]:
                child["name"] = child["created_at"] = child["updated_at"] = None
    if execution.workflow is not None and "task_name" in execution.workflow.params:
        found["ends"] = {}
    return found


_ABSENT = "(absent)"


def difference(found: Any, expected: Any, path: str = "") -> list[str]:
    """Where two plain values differ, in words."""
    if found == expected:
        return []
    if isinstance(found, dict) and isinstance(expected, dict):
        lines: list[str] = []
        for key in [*expected, *(key for key in found if key not in expected)]:
            lines += difference(found.get(key, _ABSENT), expected.get(key, _ABSENT), f"{path}/{key}")
        return lines or [f"{path}: another order of {list(found)}, not {list(expected)}"]
    return [f"{path}: {found!r}, not {expected!r}"]


def load_task(loaded: Execution, task: TaskExecution) -> None:
    context = None
    if task.checkpointed and task.context is not None:
        context = Context((copy.deepcopy(task.context.flat()),), (task.context.flat_versions(),))
    fields = copy.deepcopy({**msgspec.structs.asdict(task), "context": None})
    row = TaskExecution(**{**fields, "context": context})
    loaded.tasks[row.id] = row
    loaded.latest[row.name] = row.id
    times = [at for at in (row.due_at, row.timeout_at) if at is not None]
    if times and not row.is_completed:
        loaded.timers[row.id] = min(times)
    loaded.waiting_joins += row.state == states.WAITING
    if row.is_completed and not row.next_tasks:
        loaded.ends[row.id] = True


def load_action(loaded: Execution, row: Child) -> None:
    task = loaded.tasks.get(row.task_id)
    if task is None or not (row.accepted or row.state in (states.RUNNING, states.PAUSED)):
        return
    if row.accepted:
        runs = loaded.runs.setdefault(task.id, Runs())
        runs.outcomes[row.item_index or 0] = Outcome(row.state, row.output, row.id)
    elif row.attempt == task.attempt or task.items_count is not None:
        loaded.add_open(row)


def load_sub_workflows(
    loaded: Execution, found: dict[str, WorkflowExecution], known: dict[str, Known]
) -> None:
    children: dict[str, list[Child]] = {}
    for execution_id, workflow in found.items():
        task = loaded.tasks.get(workflow.parent_task_id or "")
        if task is None:  # superseded
            continue
        heard = known[execution_id]
        child = Child(
            id=execution_id,
            task_id=task.id,
            is_workflow=True,
            item_index=workflow.item_index,
            attempt=workflow.attempt,
            name=workflow.name,
            state=states.PAUSED if heard.state == states.PAUSED else states.RUNNING,
            accepted=heard.accepted,
            created_at=workflow.created_at,
        )
        children.setdefault(task.id, []).append(child)
        if child.accepted:
            runs = loaded.runs.setdefault(task.id, Runs())
            outcome = Outcome(heard.state, copy.deepcopy(heard.output), execution_id)
            runs.outcomes[workflow.item_index or 0] = outcome
    for task_id, sub_workflows in children.items():
        for child in waited_for(loaded.tasks[task_id], sub_workflows):
            loaded.add_open(child)
