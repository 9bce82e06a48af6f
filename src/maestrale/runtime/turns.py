"""Who is next: executions that have something to do take turns, and so do their projects."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Final

from maestrale.runtime.fairness import FairQueue
from maestrale.runtime.slots import Slot

LOOKED_UP_AT_ONCE: Final = 500
"""Executions whose projects are asked for in one read."""


class Turns:
    """Slots that wait for their turn: to be read first (claimed, loaded, mail), or to be decided at once.

    Both kinds go forward in turn, so that neither holds up the other. Those of which not even the project is
    known stand aside until it is: whoever has many of them must not hold up others that way.
    """

    def __init__(self, is_prepared: Callable[[Slot], bool]) -> None:
        self._is_prepared = is_prepared
        self._queues: dict[bool, FairQueue[Slot]] = {True: FairQueue(), False: FairQueue()}
        self._unknown: dict[str, Slot] = {}
        self._was_prepared = False

    def __len__(self) -> int:
        return len(self._unknown) + sum(map(len, self._queues.values()))

    def add(self, slot: Slot) -> None:
        """Let a slot wait."""
        if slot.project_id is None:
            self._unknown[slot.id] = slot
        else:
            self._queues[self._is_prepared(slot)].add(slot.project_id, slot.id, slot)

    def take_unknown(self) -> list[Slot]:
        """Some of those whose project has to be found out, the oldest first; `add` them again then."""
        ids = list(islice(self._unknown, LOOKED_UP_AT_ONCE))
        return [self._unknown.pop(execution_id) for execution_id in ids]

    def has_next(self, may_read: bool) -> bool:
        """Whether `next` would find somebody. `may_read`: something more may be read now."""
        return bool(self._queues[True]) or (may_read and bool(self._queues[False]))

    def next(self, may_read: bool) -> Slot | None:
        """Take the slot whose turn it is."""
        for is_prepared in (not self._was_prepared, self._was_prepared):
            if self._queues[is_prepared] and (is_prepared or may_read):
                self._was_prepared = is_prepared
                return self._queues[is_prepared].pop()
        return None
