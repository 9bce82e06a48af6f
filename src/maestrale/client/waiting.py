"""Waiting for the end of something, at the server or (where it cannot) by asking now and then."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Final, Generic, TypeVar

import msgspec

from maestrale.client.conversation import Request, Session
from maestrale.client.errors import ApiError, WaitTimeout
from maestrale.client.results import ActionExecution, Execution, Task
from maestrale.client.steps import Pause, Steps
from maestrale.model import states

R = TypeVar("R", Execution, Task, ActionExecution)

LONGEST_WAIT: Final = 5.0
"""Seconds for which a server is asked to wait: it waits for the end, and what is paused is noticed later."""

AGAIN_AFTER: Final = 1.0
"""Seconds between two questions to a server that does not wait."""

ENDED: Final = frozenset({*states.COMPLETED, states.PAUSED})
"""States in which nothing happens any more by itself."""

CANNOT_WAIT: Final = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND})


class Waiting(msgspec.Struct, Generic[R], frozen=True):
    """Until nothing happens any more by itself, `timeout` seconds at most (None: for ever).

    `get` makes the request that waits so many seconds at the server.
    """

    get: Callable[[float], Request[R]]
    timeout: float | None

    def steps(self, session: Session) -> Steps[R]:
        """Ask until it has ended. Raises `WaitTimeout`."""
        deadline = None if self.timeout is None else session.clock() + self.timeout
        can_wait = True
        left = LONGEST_WAIT
        while True:
            asked = session.clock()
            if deadline is not None:
                left = max(0.0, deadline - asked)
            try:
                found = yield from self.get(min(left, LONGEST_WAIT) if can_wait else 0).steps(session)
            except ApiError as error:
                if not can_wait or error.status not in CANNOT_WAIT:
                    raise
                can_wait = False
                continue
            if found.state in ENDED:
                return found
            if deadline is not None and session.clock() >= deadline:
                raise WaitTimeout(f"{found.id} is still {found.state} after {self.timeout:g} seconds", found)
            if session.clock() - asked < AGAIN_AFTER:
                yield Pause(AGAIN_AFTER if deadline is None else min(AGAIN_AFTER, left))
