"""A number of places that projects share, so that none takes those of all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class Shares:
    """Counts the places that are taken, `most` in all, by project.

    A project may have as many as are still free, so that one alone fills half, two of them two thirds, and
    there is always room for another project (the dynamic thresholds of Choudhury and Hahne, 1998, with a
    factor of 1). For one event loop: its methods are not called from several threads.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._total = 0
        self._taken: Counter[str] = Counter()

    def taken_by(self, project_id: str) -> int:
        """How many places a project has."""
        return self._taken[project_id]

    def has_room(self, project_id: str) -> bool:
        """Whether a project may take another place."""
        return self._taken[project_id] < self.most - self._total

    @contextmanager
    def taken(self, project_id: str) -> Iterator[None]:
        """Take a place, whether there is room or not, until the block ends."""
        self._total += 1
        self._taken[project_id] += 1
        try:
            yield
        finally:
            self._total -= 1
            self._taken[project_id] -= 1
            if not self._taken[project_id]:
                del self._taken[project_id]
