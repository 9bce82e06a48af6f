"""What the reference model knows: workflow and task executions, and what their branches have published."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from reference_graphs import Task

Key = tuple[str | int, ...]
COMPLETED = ("SUCCESS", "ERROR", "CANCELLED", "SKIPPED")


class Context(NamedTuple):
    """Branch variables, and how often each path of keys was published along the branch."""

    values: dict[str, Any]
    versions: dict[Key, int]


class Ending(NamedTuple):
    """A task execution is about to end."""

    run: Run
    state: str
    timed_out: bool = False
    has_waited: bool = False


@dataclass(eq=False)
class Run:
    """A task execution."""

    execution: Execution
    task: Task
    number: int
    context: Context
    state: str = "IDLE"
    created_at: int = 0
    ended_at: int | None = None
    begun: bool = False
    """Whether it has been started (since the last rerun)."""
    attempt: int = 0
    retries: int = 0
    due: tuple[int, str] | None = None
    """When a delay ends, and of which policy."""
    timeout_at: int | None = None
    waited: Ending | None = None
    """How it had ended when its wait-after began."""
    pending: deque[int] = field(default_factory=deque)
    open: dict[int, int | Execution] = field(default_factory=dict)
    """Item (0 without items) -> when its action ends, or its sub-workflow."""
    results: dict[int, tuple[str, Any]] = field(default_factory=dict)
    children: int = 0
    published: dict[str, Any] = field(default_factory=dict)
    published_global: dict[str, Any] = field(default_factory=dict)
    next: list[str] = field(default_factory=list)
    handled: bool = False

    @property
    def key(self) -> Key:
        return (*self.execution.path, self.task.name, self.number)

    @property
    def is_completed(self) -> bool:
        return self.state in COMPLETED

    @property
    def result(self) -> Any:
        values = [value for _, (_, value) in sorted(self.results.items())]
        return values[0] if self.task.items is None and values else values

    @property
    def outbound(self) -> Context:
        versions = dict(self.context.versions)
        for path in leaves(self.published):
            versions[path] = versions.get(path, 0) + 1
        return Context({**self.context.values, **self.published}, versions)


@dataclass(eq=False)
class Execution:
    """A workflow execution."""

    path: Key
    tasks: list[Task]
    parent: tuple[Run, int] | None
    state: str = "RUNNING"
    ended_at: int | None = None
    output: Any = None
    globals: dict[str, Any] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)
    ready: deque[Run] = field(default_factory=deque)

    def runs_of(self, name: str) -> list[Run]:
        return [run for run in self.runs if run.task.name == name]

    def inbound(self, name: str) -> list[str]:
        """The tasks that name this one in any clause, whatever the guard."""
        return [t.name for t in self.tasks if any(e.target == name for c in t.clauses.values() for e in c)]

    def merged(self, runs: list[Run]) -> Context:
        """What these hand on together: of equal versions, the one that ended last wins, then the order."""
        names = [task.name for task in self.tasks]
        runs = sorted(runs, key=lambda run: (run.ended_at, names.index(run.task.name), run.number))
        merged = runs[0].outbound if runs else Context({}, {})
        for run in runs[1:]:
            other = run.outbound
            values = overlay(merged, other, merged.values, other.values, ())
            paths = {*merged.versions, *other.versions}
            versions = {p: max(merged.versions.get(p, 0), other.versions.get(p, 0)) for p in paths}
            merged = Context(values, versions)
        return merged


def alarms_of(run: Run) -> list[int]:
    """When something is to happen to a task by itself."""
    times = [run.timeout_at, run.due[0] if run.due else None]
    return [] if run.is_completed else [at for at in times if at is not None]


def leaves(values: dict[str, Any], path: Key = ()) -> Iterator[Key]:
    """The path of every value in nested maps that is not itself a map with something in it."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key)


def laid_over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Globals: maps are merged, everything else is replaced."""
    both = {k: v for k, v in above.items() if isinstance(v, dict) and isinstance(below.get(k), dict)}
    return {**below, **above, **{key: laid_over(below[key], value) for key, value in both.items()}}


def overlay(left: Context, right: Context, mine: Any, theirs: Any, path: Key) -> dict[str, Any]:
    """Two maps of variables in one: maps are merged, of other values the more often published stays."""
    merged = dict(mine)
    for key, value in theirs.items():
        here = (*path, key)
        if key not in mine:
            merged[key] = value
        elif isinstance(mine[key], dict) and isinstance(value, dict):
            merged[key] = overlay(left, right, mine[key], value, here)
        elif right.versions.get(here, 0) >= left.versions.get(here, 0):
            merged[key] = value
    return merged
