"""Who in this process waits for the reply to a command that went off as a letter."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from concurrent.futures import Future
from typing import Final

from maestrale.model.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    MaestraleError,
    NotFound,
    Unavailable,
)
from maestrale.store.rows import Reply

OK: Final = 200
_ERRORS: Final[dict[int, type[MaestraleError]]] = {
    kind.status: kind for kind in (BadRequest, Forbidden, NotFound, Conflict, Unavailable)
}


class Commands:
    """Futures by command id. Each is answered once: by whoever takes it. Safe from any thread."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[str, Future[None]]] = {}

    def expect(self, command_id: str, execution_id: str, future: Future[None]) -> None:
        """Somebody waits from now on."""
        self._waiting[command_id] = (execution_id, future)

    def take(self, command_id: str | None) -> Future[None] | None:
        """Whom to answer; None if nobody of this process waits (any more)."""
        found = None if command_id is None else self._waiting.pop(command_id, None)
        return None if found is None else found[1]

    def waiting_for(self, execution_id: str | None = None) -> list[str]:
        """The commands (to this execution) that nobody has answered yet."""
        waiting = list(self._waiting.items())
        return [key for key, (addressee, _) in waiting if execution_id in (None, addressee)]

    def answer(self, replies: Iterable[Reply]) -> None:
        """Hand on replies that were found in the database: another process decided, or an answer was lost."""
        for reply in replies:
            future = self.take(reply.command_id)
            if future is None:
                continue
            if reply.status == OK:
                future.set_result(None)
            else:
                future.set_exception(_refusal(reply))

    def refuse_for(self, execution_ids: Collection[str]) -> None:
        """These executions are no more, and no decision will answer."""
        for command_id, (execution_id, _) in list(self._waiting.items()):
            if execution_id in execution_ids and (future := self.take(command_id)) is not None:
                future.set_exception(no_execution(execution_id))

    def refuse_all(self) -> None:
        """The service stops; letters that were not read wait for its next start."""
        for command_id in list(self._waiting):
            if (future := self.take(command_id)) is not None:
                future.set_exception(shutting_down())


def _refusal(reply: Reply) -> MaestraleError:
    return _ERRORS.get(reply.status, MaestraleError)(reply.message or "")


def no_execution(execution_id: str) -> NotFound:
    """The error for a workflow execution that is not there."""
    return NotFound(f"WorkflowExecution not found [id={execution_id}]")


def shutting_down() -> Unavailable:
    """The error for what comes too late."""
    return Unavailable("The service is shutting down")
