"""Who has come to a waiting join and who has not, by the rows of an execution."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from maestrale.engine.program import Program
from maestrale.store.causes import TaskFacts


class Branches(NamedTuple):
    """The inbound tasks of a join. `not_begun`: with the tasks that may still lead to each."""

    all: tuple[str, ...]
    come: list[str]
    never: list[str]
    awaited: list[TaskFacts]
    not_begun: list[tuple[str, list[TaskFacts]]]


class JoinView:
    """The joins of one execution: its program, and its task executions in the order of their creation."""

    def __init__(self, program: Program, tasks: Iterable[TaskFacts]) -> None:
        self._program = program
        self._open: dict[str, list[TaskFacts]] = {}
        self._chose: dict[str, list[TaskFacts]] = {}
        self._known: set[str] = set()
        for task in tasks:
            self._known.add(task.name)
            if not task.processed:
                self._open.setdefault(task.name, []).append(task)
                continue
            for target in {target for target, _ in task.next_tasks}:
                if program.spec.tasks[target].join:
                    self._chose.setdefault(target, []).append(task)
        self._unprocessed = program.routes.of(set(self._open)) if program.joins else 0

    def needed(self, name: str) -> int:
        """How many branches a join needs."""
        return self._program.needed(name)

    def branches(self, join: TaskFacts) -> Branches:
        """What each inbound task has done for the present turn of a join."""
        found = Branches(tuple(self._program.graph.inbound[join.name]), [], [], [], [])
        come = {task.name for task in self._chose.get(join.name, ()) if self._program.is_of_round(join, task)}
        for name in found.all:
            if name in come:
                found.come.append(name)
            elif name in self._open and name != join.name:
                found.awaited.extend(self._open[name])
            elif before := self._before(name, join):
                found.not_begun.append((name, before))
            else:
                found.never.append(name)
        return found

    def _before(self, name: str, join: TaskFacts) -> list[TaskFacts]:
        """The nearest task executions before `name` that may still lead to it."""
        sources = self._program.routes.open_sources(name, join.name, self._unprocessed, self._is_over)
        return [task for source in sources for task in self._open[source]]

    def _is_over(self, name: str) -> bool:
        return self._program.runs_once(name) and name in self._known
