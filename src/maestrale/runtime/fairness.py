"""A queue in which projects take turns: one with a hundred thousand things to do does not stop others."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """Items by id, each in the lane of its project: in order within a project, in turn between projects."""

    __slots__ = ("_lanes", "_projects")

    def __init__(self) -> None:
        self._lanes: OrderedDict[str, OrderedDict[str, T]] = OrderedDict()
        self._projects: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._projects)

    def __iter__(self) -> Iterator[str]:
        """The ids of everything that waits, in no order."""
        return iter(self._projects)

    def add(self, project_id: str, item_id: str, item: T) -> None:
        """Let an item wait behind those of its project."""
        self._projects[item_id] = project_id
        self._lanes.setdefault(project_id, OrderedDict())[item_id] = item

    def add_first(self, project_id: str, item_id: str, item: T) -> None:
        """Put an item back that was taken too early: it is the next one."""
        self.add(project_id, item_id, item)
        self._lanes[project_id].move_to_end(item_id, last=False)
        self._lanes.move_to_end(project_id, last=False)

    def pop(self) -> T:
        """Take the next item. Raises `KeyError` if nothing waits."""
        project_id, lane = self._lanes.popitem(last=False)
        item_id, item = lane.popitem(last=False)
        del self._projects[item_id]
        if lane:
            self._lanes[project_id] = lane  # behind all others
        return item

    def remove(self, item_id: str) -> T | None:
        """Take an item out; None if it does not wait."""
        project_id = self._projects.pop(item_id, None)
        if project_id is None:
            return None
        lane = self._lanes[project_id]
        item = lane.pop(item_id)
        if not lane:
            del self._lanes[project_id]
        return item
