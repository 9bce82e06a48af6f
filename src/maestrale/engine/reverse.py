"""Reverse workflows: a target task, and whatever it requires, each exactly once."""

from __future__ import annotations

from maestrale.engine.branches import meet
from maestrale.engine.decision import Decision
from maestrale.engine.execution import TaskExecution
from maestrale.engine.tasks import create_task, make_ready
from maestrale.model import states
from maestrale.model.errors import InvalidInput
from maestrale.model.values import Json


def target_of(decision: Decision) -> str:
    """The task that `params.task_name` names. Raises `InvalidInput` if there is no such task."""
    name = decision.draft.workflow.params.get("task_name")
    if not isinstance(name, str) or name not in decision.program.spec.tasks:
        raise InvalidInput(
            f"Invalid task name [wf_spec={decision.program.spec.name}, task_name={name}]",
            "a reverse workflow needs params.task_name, the name of one of its tasks",
        )
    return name


def start_required(decision: Decision) -> None:
    """Set every task going whose requirements have succeeded and that has not been created yet."""
    spec = decision.program.spec
    for name in decision.program.graph.requirements(target_of(decision)):
        if decision.draft.latest_task(name) is None:
            _start_if_satisfied(decision, name, spec.tasks[name].requires)


def after_success(decision: Decision, task: TaskExecution) -> list[list[str]]:
    """Set the tasks going that waited for this one; returns them as [name, event] pairs."""
    wanted = set(decision.program.graph.requirements(target_of(decision)))
    chosen = []
    for name in decision.program.graph.required_by[task.name]:
        if name in wanted:
            if decision.draft.latest_task(name) is None:
                _start_if_satisfied(decision, name, decision.program.spec.tasks[name].requires)
            chosen.append([name, "requires"])
    return chosen


def _start_if_satisfied(decision: Decision, name: str, requires: tuple[str, ...]) -> None:
    required = []
    for other in requires:
        if other == name:
            continue
        task = decision.draft.latest_task(other)
        if task is None or task.state != states.SUCCESS:
            return
        required.append(task)
    triggered_by: list[dict[str, Json]] = [{"task_id": t.id, "event": "requires"} for t in required]
    task = create_task(
        decision, name, meet(decision, required), triggered_by, needs_checkpoint=len(required) > 1
    )
    make_ready(decision, task)
