"""The report on an execution as an indented text, as the original client prints it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from maestrale.cli.commands import Fields

_INDENT: Final = " " * 4
_FRAME: Final = "=" * 30
_SHOWN_OF_ERRORS: Final = 100
_COUNTED: Final = ("SUCCESS", "ERROR", "RUNNING", "IDLE", "PAUSED")


def report_text(report: Fields) -> str:
    """Statistics, and the tree of executions, tasks and actions if the report has one."""
    return "".join(f"{line}\n" for line in _lines(report))


def _lines(report: Fields) -> Iterator[str]:
    yield "\nTo get more details on a task failure run: mistral task-get <id> -c 'State info'\n"
    yield f"{_FRAME} General Statistics {_FRAME}\n"
    statistics = report["statistics"]
    for state in _COUNTED:
        yield f"Number of tasks in {state} state: {statistics[f'{state.lower()}_tasks_count']}"
    yield ""
    if "estimated_time" in statistics:
        yield f"Estimated time (seconds) for the execution to finish: {statistics['estimated_time']}\n"
    if "root_workflow_execution" in report:
        yield f"{_FRAME} Workflow Execution Tree {_FRAME}\n"
        yield from _execution(report["root_workflow_execution"], 0)


def _execution(execution: dict[str, Any], depth: int) -> Iterator[str]:
    yield _title("workflow", execution, depth)
    for task in execution.get("task_executions", ()):
        yield from _task(task, depth + 1)


def _task(task: dict[str, Any], depth: int) -> Iterator[str]:
    yield _title("task", task, depth)
    if "retry_count" in task:
        yield f"{_INDENT * depth}(retry count: {task['retry_count']})"
    yield from _error(task, depth)
    for action in task.get("action_executions", ()):
        yield _title("action", action, depth + 1)
        yield from _error(action, depth + 1)
    for execution in task.get("workflow_executions", ()):
        yield from _execution(execution, depth + 1)


def _title(kind: str, entry: dict[str, Any], depth: int) -> str:
    return f"{_INDENT * depth}{kind} '{entry['name']}' [{entry['state']}] {entry['id']}"


def _error(entry: dict[str, Any], depth: int) -> Iterator[str]:
    if entry["state"] == "ERROR" and entry["state_info"]:
        text = entry["state_info"][:_SHOWN_OF_ERRORS].replace("\n", " ")
        yield f"{_INDENT * depth}(error info: {text}...)"
