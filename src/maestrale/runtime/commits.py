"""Group commit: what was decided while a commit is in flight shares the next one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final

from maestrale.runtime.slots import Group
from maestrale.runtime.timers import Later, growing_pause
from maestrale.store.database import Database, is_unusable, reason
from maestrale.store.executions import find_committed, write_executions

log = logging.getLogger(__name__)

GROUPS_PER_COMMIT: Final = 200

ROWS_PER_COMMIT: Final = 10_000
BYTES_PER_COMMIT: Final = 16 * 1024 * 1024
"""From so many on nothing more is decided for a commit; the last group may exceed them by what it has."""

_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0


class Committer:
    """Collects groups and commits them, one transaction at a time.

    A batch that fails is halved until the guilty group stands alone; `failed` is called for that one. While
    the database itself refuses (disk full, connection lost), nothing is given up: what it has already is read
    back, for a commit may have succeeded although its answer was lost, and the rest is tried again after a
    pause.

    `is_awaited`: whether this thread has nothing to do but to wait for the next commit; then it makes it.
    """

    def __init__(
        self,
        database: Database,
        post: Callable[[Callable[[], None]], None],
        committed: Callable[[list[Group]], None],
        failed: Callable[[Group, BaseException], None],
        is_awaited: Callable[[], bool],
        later: Later,
    ) -> None:
        self._database = database
        self._post = post
        self._committed = committed
        self._failed = failed
        self._is_awaited = is_awaited
        self._later = later
        self._decided: list[Group] = []
        self._rows = 0
        self._bytes = 0
        self._in_flight = 0

    @property
    def has_room(self) -> bool:
        """Whether another group may be decided now."""
        if len(self._decided) >= GROUPS_PER_COMMIT:
            return False
        return self._rows < ROWS_PER_COMMIT and self._bytes < BYTES_PER_COMMIT

    @property
    def is_idle(self) -> bool:
        """Whether nothing is decided or in flight."""
        return not self._decided and not self._in_flight

    def add(self, group: Group) -> None:
        """Commit a group with the next batch."""
        self._decided.append(group)
        for member in group.members:
            self._rows += member.size.rows
            self._bytes += member.size.bytes

    def flush(self) -> None:
        """Send off what was decided, unless a commit is in flight already."""
        if self._decided and not self._in_flight:
            batch, self._decided = self._decided, []
            self._rows = self._bytes = 0
            self._send(batch)

    def _send(self, batch: list[Group]) -> None:
        self._in_flight += 1
        rows = [member.rows for group in batch for member in group.members]
        write = self._database.write_here if self._is_awaited() else self._database.write
        future = write(write_executions, rows)
        future.add_done_callback(lambda done: self._post(lambda: self._came_back(batch, done)))

    def _came_back(self, batch: list[Group], done: Future[None]) -> None:
        self._in_flight -= 1
        error = done.exception()
        if error is None:
            self._committed(batch)
        elif isinstance(error, Exception) and is_unusable(error):
            self._find_out(batch, error)
        elif len(batch) > 1:
            middle = len(batch) // 2
            self._send(batch[:middle])
            self._send(batch[middle:])
        else:
            self._failed(batch[0], error)

    def _find_out(self, batch: list[Group], error: Exception) -> None:
        """Whether a commit has happened is known by its version, which no other commit has."""
        self._in_flight += 1
        wanted = [group.members[0].rows for group in batch]
        future = self._database.read(find_committed, wanted)
        future.add_done_callback(lambda done: self._post(lambda: self._found_out(batch, error, done)))

    def _found_out(self, batch: list[Group], error: Exception, done: Future[set[str]]) -> None:
        self._in_flight -= 1
        failure = done.exception()
        if failure is not None:
            self._after_a_pause(batch, failure, lambda: self._find_out(batch, error))
            return
        stored = done.result()
        kept = [group for group in batch if group.members[0].slot.id in stored]
        rest = [group for group in batch if group.members[0].slot.id not in stored]
        if kept:
            self._committed(kept)
        if rest:
            self._after_a_pause(rest, error, lambda: self._send(rest))

    def _after_a_pause(self, batch: list[Group], error: BaseException, again: Callable[[], None]) -> None:
        attempts = max(group.attempts for group in batch)
        for group in batch:
            group.attempts += 1
        pause = growing_pause(attempts, _FIRST_PAUSE, _LONGEST_PAUSE)
        log.error(
            "The database refuses to store %d decisions, next try in %g s: %s",
            len(batch),
            pause,
            reason(error),
        )
        self._in_flight += 1

        def next_try() -> None:
            self._in_flight -= 1
            again()

        self._later(pause, lambda: self._post(next_try))
