"""Which tasks may still lead to which: the question that a waiting join asks about its branches.

Sets of task names are whole numbers with one bit per task of the definition, so that a question about
thousands of tasks is a few machine words wide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from maestrale.lang.graph import Graph, strong_components


class Routes:
    """The ways through one definition. `before`: per task, all tasks that may lead to it, as bits."""

    __slots__ = ("_graph", "_inbound", "_names", "before", "bits")

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._names = tuple(graph.order)
        self.bits = {name: 1 << number for name, number in graph.order.items()}
        self._inbound = {name: self.of(others) for name, others in graph.inbound.items()}
        self.before: dict[str, int] = {}
        for component in strong_components(self._names, graph.inbound.__getitem__):
            found = 0
            for name in component:
                found |= self._inbound[name]
                for other in graph.inbound[name]:
                    found |= self.before.get(other, 0)
            for name in component:
                self.before[name] = found

    def of(self, names: tuple[str, ...] | set[str]) -> int:
        """These names as bits."""
        found = 0
        for name in names:
            found |= self.bits.get(name, 0)
        return found

    def open_sources(
        self, name: str, join: str, unprocessed: int, is_over: Callable[[str], bool]
    ) -> Iterator[str]:
        """The nearest tasks, `name` itself or before it, that have not led on yet: one of them may yet
        let `name` come to the waiting `join`.

        `unprocessed`: tasks with an execution that has still to choose what follows, as bits. Ways
        through the join itself do not count (it cannot come before itself), nor ways through tasks that
        run once and have done so (`is_over`).
        """
        unprocessed &= ~self.bits[join]
        stack, visited = [name], {name, join}
        if name == join:
            return
        while stack:
            here = stack.pop()
            if unprocessed & self.bits[here]:
                yield here
                continue
            if not unprocessed & self.before[here] or is_over(here):
                continue
            near = unprocessed & self._inbound[here]
            while near:
                lowest = near & -near
                near ^= lowest
                found = self._names[lowest.bit_length() - 1]
                if found not in visited:
                    visited.add(found)
                    yield found
            for other in self._graph.inbound[here]:
                if other not in visited:
                    visited.add(other)
                    stack.append(other)
