"""Due times by task: the earliest is found without looking at all of them."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from maestrale.engine.overlay import Overlay
from maestrale.model.values import Microseconds

Due = tuple[Microseconds, str]


class Timers(dict[str, Microseconds]):
    """Task id -> due time: the committed part.

    `heap` has an entry for every pair, and some that are stale; those are dropped when they come up.
    """

    __slots__ = ("heap",)

    def __init__(self) -> None:
        super().__init__()
        self.heap: list[Due] = []

    def __setitem__(self, task_id: str, at: Microseconds) -> None:
        if self.get(task_id) != at:
            super().__setitem__(task_id, at)
            heapq.heappush(self.heap, (at, task_id))

    def in_order(self) -> Iterator[Due]:
        """Every pair, the earliest first; costs what is taken."""
        taken: list[Due] = []
        seen: set[str] = set()
        try:
            while self.heap:
                entry = heapq.heappop(self.heap)
                at, task_id = entry
                if self.get(task_id) == at and task_id not in seen:
                    seen.add(task_id)
                    taken.append(entry)
                    yield entry
        finally:
            for entry in taken:
                heapq.heappush(self.heap, entry)


class TimersDraft(Overlay[str, Microseconds]):
    """Pending changes of the due times."""

    __slots__ = ("_committed",)

    def __init__(self, committed: Timers) -> None:
        super().__init__(committed)
        self._committed = committed

    def earliest(self) -> Microseconds | None:
        """The first due time, None if there is none."""
        changed = [at for _, at in self.changes()]
        for at, task_id in self._committed.in_order():
            if not self.is_changed(task_id):
                changed.append(at)
                break
        return min(changed, default=None)

    def due(self, now: Microseconds) -> list[Due]:
        """What is due at `now`, the earliest first."""
        found = [(at, task_id) for task_id, at in self.changes() if at <= now]
        for at, task_id in self._committed.in_order():
            if at > now:
                break
            if not self.is_changed(task_id):
                found.append((at, task_id))
        return sorted(found)
