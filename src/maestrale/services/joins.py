"""Who has come to a waiting join and who has not, by the rows of an execution."""

from __future__ import annotations

from typing import NamedTuple

from maestrale.engine.program import Program
from maestrale.model import states
from maestrale.store.causes import TaskFacts


class Branches(NamedTuple):
    """The inbound tasks of a join. `not_begun`: with the tasks that may still lead to each."""

    all: tuple[str, ...]
    come: list[str]
    never: list[str]
    awaited: list[TaskFacts]
    not_begun: list[tuple[str, list[TaskFacts]]]


class JoinView:
    """The joins of one execution: its program and the newest task execution of each name."""

    def __init__(self, program: Program, newest: dict[str, TaskFacts]) -> None:
        self._program = program
        self._newest = newest

    def needed(self, name: str) -> int:
        """How many branches a join needs."""
        wanted = self._program.spec.tasks[name].join
        return len(self._program.graph.inbound[name]) if wanted == "all" else int(wanted or 0)

    def branches(self, join: TaskFacts) -> Branches:
        """What each inbound task has done for the present turn of a join."""
        found = Branches(tuple(self._program.graph.inbound[join.name]), [], [], [], [])
        for name in found.all:
            task = self._current(name, join)
            if task is None:
                upstream = self._possible(name, join)
                if upstream:
                    found.not_begun.append((name, upstream))
                else:
                    found.never.append(name)
            elif task.state not in states.COMPLETED or not task.processed:
                found.awaited.append(task)
            elif _chose(task, join.name):
                found.come.append(name)
            else:
                found.never.append(name)
        return found

    def _possible(self, name: str, join: TaskFacts) -> list[TaskFacts]:
        """The nearest tasks before `name` that may still lead to it."""
        found: dict[str, TaskFacts] = {}
        stack, visited = [name], {name, join.name}
        while stack:
            here = stack.pop()
            for upstream in self._program.graph.inbound[here]:
                task = self._current(upstream, join)
                if task is None:
                    if upstream not in visited:
                        visited.add(upstream)
                        stack.append(upstream)
                elif upstream == join.name:
                    continue
                elif task.state not in states.COMPLETED or not task.processed or _chose(task, here):
                    found[task.id] = task
        return list(found.values())

    def _current(self, name: str, join: TaskFacts) -> TaskFacts | None:
        """The newest execution of a task, unless it belongs to an earlier turn of a join on a cycle."""
        task = self._newest.get(name)
        if task is None or not self._program.is_on_cycle(join.name, name):
            return task
        turns: dict[str, int] = task.runtime.get("firings", {})
        return task if turns.get(join.name, 0) == join.runtime.get("round", 0) else None


def _chose(task: TaskFacts, name: str) -> bool:
    return any(target == name for target, _ in task.next_tasks)
