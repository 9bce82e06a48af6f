"""Which executions stay in memory although nothing is to be done for them: those that were used last."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from maestrale.runtime.slots import Slot

SLOTS_AT_REST: Final = 2000
"""Executions without work that stay loaded."""

BYTES_AT_REST: Final = 64 * 1024 * 1024
"""The same in bytes of their stored data, which take several times as much in memory."""


class Resting:
    """Executions at rest, within bounds. What is at work does not count: it has to be in memory anyway."""

    def __init__(self) -> None:
        self._slots: OrderedDict[str, tuple[Slot, int]] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._slots)

    def add(self, slot: Slot) -> list[Slot]:
        """Let a slot rest; those that have to leave for it, which may be itself."""
        self.remove(slot)
        self._slots[slot.id] = slot, slot.size
        self.bytes += slot.size
        left: list[Slot] = []
        while len(self._slots) > SLOTS_AT_REST or self.bytes > BYTES_AT_REST:
            _, (oldest, size) = self._slots.popitem(last=False)
            self.bytes -= size
            left.append(oldest)
        return left

    def remove(self, slot: Slot) -> None:
        """A slot has something to do, or is gone."""
        found = self._slots.pop(slot.id, None)
        if found is not None:
            self.bytes -= found[1]
