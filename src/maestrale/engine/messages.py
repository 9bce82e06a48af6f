"""The texts of state_info, in the words that people search for."""

from __future__ import annotations

from collections.abc import Iterable

from maestrale.engine.decision import Decision
from maestrale.engine.execution import TaskExecution
from maestrale.model import states
from maestrale.model.values import Json, masked


def result_text(result: Json) -> str:
    """A failing result as text."""
    return str(masked(result))


def failed_to_run(error: Exception, workflow: str, task: str) -> str:
    """The engine failed while starting a task."""
    return f"Failed to run task [error={error}, wf={workflow}, task={task}]"


def failed_to_complete(error: Exception, workflow: str, task: str, action: str | None) -> str:
    """The engine failed while handling the end of a task."""
    if action is None:
        return f"Failed to complete task [error={error}, wf={workflow}, task={task}]"
    return f"Failed to handle action completion [error={error}, wf={workflow}, task={task}, action={action}]"


def failure_by_tasks(decision: Decision, tasks: Iterable[TaskExecution]) -> str:
    """Why a workflow failed: the unhandled tasks and what their children said."""
    ordered = sorted(tasks, key=lambda task: (task.name, task.sequence))
    lines = [f"Failure caused by error in tasks: {', '.join(task.name for task in ordered)}\n"]
    for task in ordered:
        lines.append(f"\n  {task.name} [task_ex_id={task.id}] -> {task.state_info}\n")
        kind = "wf_ex_id" if task.type == "WORKFLOW" else "action_ex_id"
        outcomes = sorted(decision.draft.runs(task.id).outcomes.items())
        lines += [
            f"    [{kind}={outcome.child_id}, idx={index}]: {result_text(outcome.result)}\n"
            for index, outcome in outcomes
            if outcome.state == states.ERROR
        ]
    return "".join(lines)
