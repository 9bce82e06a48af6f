"""What has happened in an execution, as it is shown."""

from __future__ import annotations

import msgspec

from maestrale.model import states
from maestrale.model.values import Microseconds


class ShownChange(msgspec.Struct, frozen=True):
    """A change for people. `task_id`: of an action or a sub-workflow. `state_info`: None once the state is
    another one."""

    kind: str
    id: str
    name: str | None
    task_id: str | None
    item_index: int | None
    before: str | None
    after: str
    state_info: str | None


class HistoryEvent(msgspec.Struct, frozen=True):
    """One decision: the kind of event that it was about, and what has changed."""

    sequence: int
    at: Microseconds
    kind: str
    changes: list[ShownChange]


class History(msgspec.Struct, frozen=True):
    """A part of what has happened, up to the event `last`. `has_more`: more has happened by now.

    `state`, `state_info`: those of the execution, as it is after the last event of all.
    """

    events: list[HistoryEvent]
    last: int
    has_more: bool
    state: str
    state_info: str | None

    @property
    def is_over(self) -> bool:
        """Whether nothing is to follow, unless somebody makes the execution run again."""
        return not self.has_more and self.state in states.COMPLETED
