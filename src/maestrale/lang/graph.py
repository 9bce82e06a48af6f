"""How the tasks of a workflow hang together: computed once per definition, in linear time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from maestrale.lang.spec import WorkflowSpec


class Graph:
    """The tasks of one workflow as a graph; guards do not count, engine commands are no tasks.

    Direct workflows: `start_tasks` (nothing leads to them), `outbound` and `inbound` (distinct neighbours
    over all on-clauses). Reverse workflows: `requires` and `required_by`. Every sequence follows the order
    of the tasks in the definition (`order`: their numbers in it).
    """

    __slots__ = (
        "_joins",
        "_joins_found",
        "inbound",
        "order",
        "outbound",
        "required_by",
        "requires",
        "start_tasks",
    )

    def __init__(self, spec: WorkflowSpec) -> None:
        self.order = {name: index for index, name in enumerate(spec.tasks)}
        self._joins = frozenset(name for name, task in spec.tasks.items() if task.join is not None)
        self._joins_found: dict[str, tuple[str, ...]] = {}
        is_direct = spec.type == "direct"
        self.outbound = self._neighbours(
            (
                name,
                (
                    step.target
                    for clause in task.clauses.values()
                    for step in clause.next
                    if not step.is_command
                ),
            )
            for name, task in spec.tasks.items()
        )
        self.inbound = _reversed(self.outbound)
        self.requires = self._neighbours((name, task.requires) for name, task in spec.tasks.items())
        self.required_by = _reversed(self.requires)
        self.start_tasks = tuple(name for name in spec.tasks if is_direct and not self.inbound[name])

    def _neighbours(self, lists: Iterable[tuple[str, Iterable[str]]]) -> dict[str, tuple[str, ...]]:
        order = self.order
        return {
            name: tuple(sorted({other for other in others if other in order}, key=order.__getitem__))
            for name, others in lists
        }

    def joins_downstream(self, name: str) -> tuple[str, ...]:
        """The joins that a run of `name` may reach with no other join in between."""
        if not self._joins:
            return ()
        found = self._joins_found.get(name)
        if found is None:
            self._find_joins(name)
            found = self._joins_found[name]
        return found

    def _find_joins(self, name: str) -> None:
        """Fill in the joins of `name` and of everything between it and them."""
        found, joins = self._joins_found, self._joins

        def onward(task: str) -> list[str]:
            return [other for other in self.outbound[task] if other not in joins and other not in found]

        for component in strong_components((name,), onward):
            reached: set[str] = set()
            shared: dict[int, tuple[str, ...]] = {}
            for task in component:
                for other in self.outbound[task]:
                    if other in joins:
                        reached.add(other)
                    elif other in found:
                        shared[id(found[other])] = found[other]
            if len(shared) == 1 and not reached:
                # A long chain towards the same joins shares one tuple.
                (result,) = shared.values()
            else:
                reached.update(*shared.values())
                same = (joins for joins in shared.values() if len(joins) == len(reached))
                result = next(same, ()) or tuple(sorted(reached, key=self.order.__getitem__))
            for task in component:
                found[task] = result

    def requirements(self, target: str) -> tuple[str, ...]:
        """Everything that must run for `target` in a reverse workflow, the target included."""
        return tuple(sorted(reachable((target,), self.requires.__getitem__), key=self.order.__getitem__))


def build_graph(spec: WorkflowSpec) -> Graph:
    """The graph of a workflow; names of tasks that do not exist are left out."""
    return Graph(spec)


def _reversed(edges: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {name: [] for name in edges}
    for name, others in edges.items():
        for other in others:
            found[other].append(name)
    return {name: tuple(others) for name, others in found.items()}


def reachable(starts: Iterable[str], onward: Callable[[str], Iterable[str]]) -> set[str]:
    """The given tasks and all that can be reached from them."""
    found = set(starts)
    waiting = list(found)
    while waiting:
        for other in onward(waiting.pop()):
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found


def strong_components(starts: Iterable[str], onward: Callable[[str], Sequence[str]]) -> Iterator[list[str]]:
    """Groups of tasks that can reach each other; a group comes after all groups it leads to.

    Tarjan's algorithm without recursion, so that a chain of 10,000 tasks does not overflow the stack.
    """
    numbers: dict[str, int] = {}
    lowest: dict[str, int] = {}
    open_tasks: list[str] = []
    is_open: set[str] = set()
    for start in starts:
        if start in numbers:
            continue
        numbers[start] = lowest[start] = len(numbers)
        open_tasks.append(start)
        is_open.add(start)
        path = [(start, iter(onward(start)))]
        while path:
            task, others = path[-1]
            for other in others:
                if other not in numbers:
                    numbers[other] = lowest[other] = len(numbers)
                    open_tasks.append(other)
                    is_open.add(other)
                    path.append((other, iter(onward(other))))
                    break
                if other in is_open:
                    lowest[task] = min(lowest[task], numbers[other])
            else:
                path.pop()
                if path:
                    parent = path[-1][0]
                    lowest[parent] = min(lowest[parent], lowest[task])
                if lowest[task] == numbers[task]:
                    component: list[str] = []
                    while not component or component[-1] != task:
                        component.append(open_tasks.pop())
                        is_open.discard(component[-1])
                    yield component
