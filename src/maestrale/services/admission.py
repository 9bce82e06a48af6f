"""Who may start something now: no more than can be made durable soon, and nobody in the place of others."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from maestrale.model.errors import TooManyRequests, Unavailable
from maestrale.services.shares import Shares

LONGEST_RETRY: Final = 30


class Admission:
    """Counts the starts that have not been answered, by project, and sees how long the oldest has waited.

    `most`: so many of them in this process, which projects share (see `Shares`). `longest_wait`: seconds;
    while a start has waited longer for its commit, the database does not keep up, and no further one is let
    in.

    For one event loop: its methods are not called from several threads.
    """

    def __init__(
        self,
        most: int,
        longest_wait: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._shares = Shares(most)
        self._longest_wait = longest_wait
        self._clock = clock
        self._numbers = itertools.count()
        self._since: dict[int, float] = {}

    @contextmanager
    def admitted(self, project_id: str) -> Iterator[None]:
        """Count a start of this project until the block ends. Raises what `check` raises."""
        self.check(project_id)
        number = next(self._numbers)
        self._since[number] = self._clock()
        try:
            with self._shares.taken(project_id):
                yield
        finally:
            del self._since[number]

    def check(self, project_id: str) -> None:
        """Raise `Unavailable` if the service is too slow at the moment, `TooManyRequests` if the project asks
        for too much of it; both say when to try again."""
        oldest = next(iter(self._since.values()), None)  # in the order in which they came
        waited = 0.0 if oldest is None else self._clock() - oldest
        retry_after = min(max(1, math.ceil(waited)), LONGEST_RETRY)
        if waited > self._longest_wait:
            raise Unavailable(
                f"The service does not keep up: a start has waited {waited:.0f} s to be stored",
                f"try again in {retry_after} s",
                retry_after=retry_after,
            )
        if not self._shares.has_room(project_id):
            raise TooManyRequests(
                f"{self._shares.taken_by(project_id)} starts of this project wait already",
                f"try again in {retry_after} s",
                retry_after=retry_after,
            )
