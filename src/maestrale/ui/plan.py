"""The graph of a workflow as its definition has it, laid out: the same for all its executions."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, NamedTuple

from maestrale.lang.spec import CLAUSES, TaskSpec, WorkflowSpec
from maestrale.ui.graph import Layout, Node, lay_out
from maestrale.ui.layers import Pair

BOX: Final = (188.0, 62.0)
COMMAND_BOX: Final = (86.0, 26.0)
"""Width and height of a task, and of an engine command, which is no task."""

REQUIRES: Final = "requires"
REMEMBERED: Final = 20


class Route(NamedTuple):
    """One way from a task to the next: the clause that says so, and its guard."""

    clause: str
    guard: str | None = None


class Spot(NamedTuple):
    """A box of the graph. `task`: None of an engine command."""

    key: str
    name: str
    task: TaskSpec | None


class Plan(NamedTuple):
    """A workflow with the places of its boxes and lines. `routes`: all ways of each edge."""

    spots: list[Spot]
    routes: dict[Pair, list[Route]]
    layout: Layout


class Plans:
    """Plans of the definitions that were looked at last; for one thread at a time or several."""

    def __init__(self) -> None:
        self._found: OrderedDict[tuple[str, str], Plan] = OrderedDict()

    def of(self, definition_hash: str, spec: WorkflowSpec) -> Plan:
        """The plan of a workflow."""
        key = definition_hash, spec.name
        plan = self._found.pop(key, None) or plan_of(spec)
        self._found[key] = plan
        while len(self._found) > REMEMBERED:
            self._found.popitem(last=False)
        return plan


def plan_of(spec: WorkflowSpec) -> Plan:
    """Lay out a workflow."""
    spots = {name: Spot(name, name, task) for name, task in spec.tasks.items()}
    routes: dict[Pair, list[Route]] = {}
    for name, task in spec.tasks.items():
        for required in task.requires:
            if required in spec.tasks:
                routes.setdefault((required, name), []).append(Route(REQUIRES))
        for clause in CLAUSES:
            for step in task.clauses[clause].next if clause in task.clauses else ():
                key = step.target
                if step.is_command:
                    key = f"\0{step.target} {name}"  # no task is called like this
                    spots[key] = Spot(key, step.target, None)
                if key in spots:
                    routes.setdefault((name, key), []).append(Route(clause, step.guard))
    nodes = [Node(spot.key, *(BOX if spot.task else COMMAND_BOX)) for spot in spots.values()]
    return Plan(list(spots.values()), routes, lay_out(nodes, list(routes)))
