"""A dictionary with pending changes laid over it, so that a decision costs what it touches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class _Gone:
    """Marks a key that the pending changes remove."""


_GONE: Final = _Gone()


class Overlay(Generic[K, V]):
    """Reads fall through to `base`; writes stay in the overlay until `apply`."""

    __slots__ = ("_changes", "_length", "base", "writes")

    def __init__(self, base: dict[K, V]) -> None:
        self.base = base
        self._changes: dict[K, V | _Gone] = {}
        self._length = len(base)
        self.writes = 0
        """How often it was changed so far."""

    def get(self, key: K) -> V | None:
        """The value of `key`, or None."""
        found = self._changes.get(key)
        if found is None:
            return self.base.get(key)
        return None if found is _GONE else found  # type: ignore[return-value]

    def __contains__(self, key: K) -> bool:
        found = self._changes.get(key)
        return key in self.base if found is None else found is not _GONE

    def __setitem__(self, key: K, value: V) -> None:
        found = self._changes.get(key)
        if key not in self.base if found is None else found is _GONE:
            self._length += 1
        self._changes[key] = value
        self.writes += 1

    def remove(self, key: K) -> None:
        """Remove `key` if it is there."""
        if key in self:
            self._length -= 1
            self._changes[key] = _GONE
            self.writes += 1

    def clear(self) -> None:
        """Remove everything; costs as much as there was."""
        for key in list(self):
            self.remove(key)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[K]:
        changes = self._changes
        for key in self.base:
            if key not in changes:
                yield key
        for key, value in changes.items():
            if not isinstance(value, _Gone):
                yield key

    def items(self) -> Iterator[tuple[K, V]]:
        """Every pair, unchanged ones first."""
        changes = self._changes
        for key, value in self.base.items():
            if key not in changes:
                yield key, value
        for key, change in changes.items():
            if not isinstance(change, _Gone):
                yield key, change

    def changes(self) -> Iterator[tuple[K, V]]:
        """The pairs that are new or have another value."""
        for key, change in self._changes.items():
            if not isinstance(change, _Gone):
                yield key, change

    def is_changed(self, key: K) -> bool:
        """Whether the pending changes set or remove `key`."""
        return key in self._changes

    def apply(self) -> None:
        """Write the pending changes into the base."""
        for key, value in self._changes.items():
            if isinstance(value, _Gone):
                self.base.pop(key, None)
            else:
                self.base[key] = value
        self._changes = {}
