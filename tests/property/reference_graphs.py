"""Workflows as plain data: what the reference model reads, and a definition that says the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

Clause = Literal["on-success", "on-error", "on-complete", "on-skip"]
COMMANDS = ("fail", "succeed", "noop")
NOTHING: Mapping[Any, Any] = MappingProxyType({})
PUBLISH_KEYS = {"SUCCESS": "publish", "ERROR": "publish-on-error", "SKIPPED": "publish-on-skip"}


class Expression(NamedTuple):
    """A value or a condition that is looked at when the workflow runs."""

    kind: Literal["constant", "result", "variable", "one more", "result is", "below", "variable is"]
    argument: Any = None
    limit: Any = None

    def text(self) -> Any:
        match self.kind:
            case "constant" if isinstance(self.argument, bool):
                return f"<% {str(self.argument).lower()} %>"
            case "constant":
                return self.argument
            case "result":
                return "<% task().result %>"
            case "variable":
                return f"<% $.get({self.argument}) %>"
            case "one more":
                return f"<% $.get({self.argument}, 0) + 1 %>"
            case "result is":
                return f"<% task().result = {self.argument} %>"
            case "below":
                return f"<% $.get({self.argument}, 0) < {self.limit} %>"
            case "variable is":
                return f"<% $.get({self.argument}) = {self.limit} %>"


class Next(NamedTuple):
    """An entry of an on-clause: a task or an engine command, and on what condition."""

    target: str
    guard: Expression | None = None


@dataclass(frozen=True)
class Retry:
    count: int
    delay: int
    break_on: Expression | None = None
    continue_on: Expression | None = None


class Task(NamedTuple):
    """A task. Numbers of seconds are 0 for a policy that is not there."""

    name: str
    body: Literal["remote", "noop", "fail", "sub"] = "remote"
    clauses: Mapping[Clause, tuple[Next, ...]] = NOTHING
    join: int | Literal["all", "one"] | None = None
    items: int | None = None
    concurrency: int = 0
    retry: Retry | None = None
    fail_on: Expression | None = None
    timeout: int = 0
    wait_before: int = 0
    wait_after: int = 0
    publish: Mapping[str, dict[str, Expression]] = NOTHING
    """Branch variables by the final state of the task."""
    publish_global: Mapping[str, dict[str, Expression]] = NOTHING


class End(NamedTuple):
    """How an action ends, and how many seconds after its start."""

    state: Literal["SUCCESS", "ERROR", "CANCELLED"]
    result: Any
    seconds: int


Workflows = dict[str, list[Task]]


def definition(workflows: Workflows) -> dict[str, Any]:
    """The document without its version."""
    return {
        name: {"tasks": {task.name: _definition(task) for task in tasks}} for name, tasks in workflows.items()
    }


def _definition(task: Task) -> dict[str, Any]:
    action = {"remote": "remote", "noop": "std.noop", "fail": "std.fail"}
    found: dict[str, Any] = {"workflow": "sub"} if task.body == "sub" else {"action": action[task.body]}
    if task.items is not None:
        found["with-items"] = f"i in <% range({task.items}) %>"
    if task.retry is not None:
        found["retry"] = {"count": task.retry.count, "delay": task.retry.delay}
        for key, condition in (("break-on", task.retry.break_on), ("continue-on", task.retry.continue_on)):
            if condition is not None:
                found["retry"][key] = condition.text()
    if task.fail_on is not None:
        found["fail-on"] = task.fail_on.text()
    for key in ("join", "concurrency", "timeout", "wait_before", "wait_after"):
        if getattr(task, key):
            found[key.replace("_", "-")] = getattr(task, key)
    for state, variables in task.publish.items():
        found[PUBLISH_KEYS[state]] = {name: value.text() for name, value in variables.items()}
    clauses: dict[str, Any] = {}
    for clause, entries in task.clauses.items():
        clauses[clause] = {
            "next": [e.target if e.guard is None else {e.target: e.guard.text()} for e in entries]
        }
    for state, variables in task.publish_global.items():
        values = {name: value.text() for name, value in variables.items()}
        clauses.setdefault(f"on-{state.lower()}", {})["publish"] = {"global": values}
    return found | clauses
