"""Deleting executions part by part, so that others have their turn in between."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from typing import Final

from maestrale.runtime.steps import Steps, carry_out, pause
from maestrale.runtime.timers import Later, in_a_thread
from maestrale.store import deletion
from maestrale.store.database import Database
from maestrale.store.deletion import EXECUTIONS_PER_PART
from maestrale.store.expiry import Ended, expire
from maestrale.store.marks import mark

PAUSE: Final = 0.01
"""Seconds between two parts: about what a part takes."""


class Removal:
    """Removes trees. Safe from any thread.

    `forget` is called with executions that count as absent from now on, `cancel` with an action of theirs
    that still runs.
    """

    def __init__(
        self,
        database: Database,
        forget: Callable[[Collection[str]], None],
        cancel: Callable[[str], None],
        later: Later = in_a_thread,
    ) -> None:
        self._database = database
        self._forget = forget
        self._cancel = cancel
        self._later = later
        self.in_hand: set[str] = set()
        """Trees that are being removed here."""

    def delete(self, execution_id: str, force: bool) -> Future[None]:
        """Delete an execution with everything below it; done when nothing is left.

        `NotFound`, or `Forbidden` for an unfinished execution unless `force`.
        """
        return carry_out(self._delete(execution_id, force))

    def finish(self, execution_id: str) -> Steps[None]:
        """Bring a deletion to its end that somebody has begun."""
        with _Held(self.in_hand, [execution_id]):
            yield from self._mark_below([execution_id])
            yield from self._remove([execution_id])

    def expire(self, quiet: Sequence[Ended]) -> Steps[None]:
        """Remove trees in which nothing goes on any more."""
        ids = [ended.id for ended in quiet]
        with _Held(self.in_hand, ids):
            left = yield self._database.write(expire, quiet)
            if left:
                yield pause(self._later, PAUSE)
                yield from self._remove(left)

    def _delete(self, execution_id: str, force: bool) -> Steps[None]:
        yield self._database.write(deletion.begin, execution_id, force)
        with _Held(self.in_hand, [execution_id]):
            yield from self._let_go([execution_id])
            yield from self._mark_below([execution_id])
            yield from self._remove([execution_id])

    def _mark_below(self, level: list[str]) -> Steps[None]:
        """Mark level by level: what is marked can start nothing more below it."""
        while level:
            below: list[str] = []
            for parents in _parts(level):
                below += yield self._database.read(deletion.children, parents)
            for part in _parts(below):
                yield self._database.write(mark, part)
                yield from self._let_go(part)
                yield pause(self._later, PAUSE)
            level = below

    def _remove(self, left: list[str]) -> Steps[None]:
        while left := (yield self._database.write(deletion.remove, left)):
            yield pause(self._later, PAUSE)

    def _let_go(self, execution_ids: list[str]) -> Steps[None]:
        self._forget(execution_ids)
        for action_id in (yield self._database.read(deletion.running_actions, execution_ids)):
            self._cancel(action_id)


class _Held:
    """Trees that are in hand while the block runs."""

    def __init__(self, in_hand: set[str], execution_ids: list[str]) -> None:
        self._in_hand = in_hand
        self._ids = execution_ids

    def __enter__(self) -> None:
        self._in_hand.update(self._ids)

    def __exit__(self, *_: object) -> None:
        self._in_hand.difference_update(self._ids)


def _parts(ids: list[str]) -> list[list[str]]:
    return [ids[start : start + EXECUTIONS_PER_PART] for start in range(0, len(ids), EXECUTIONS_PER_PART)]
