"""Who in this process waits for the reply to a command that went off as a letter."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from concurrent.futures import Future
from typing import Any, Final

from maestrale.model.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    MaestraleError,
    NotFound,
    Unavailable,
)
from maestrale.store import mail
from maestrale.store.database import Database
from maestrale.store.rows import Reply

OK: Final = 200
EXISTS: Final = "exists"
"""The reply to a start under an id that is taken: what exists is what was asked for."""

_ERRORS: Final[dict[int, type[MaestraleError]]] = {
    kind.status: kind for kind in (BadRequest, Forbidden, NotFound, Conflict, Unavailable)
}


class Commands:
    """Futures by command id. Each is answered once: by whoever takes it. Safe from any thread."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[str, Future[Any]]] = {}

    def expect(self, command_id: str, execution_id: str, future: Future[Any]) -> None:
        """Somebody waits from now on."""
        self._waiting[command_id] = (execution_id, future)

    def take(self, command_id: str | None) -> Future[Any] | None:
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
                future.set_result(reply.message)
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


def look_for_replies(database: Database, commands: Commands, command_ids: list[str]) -> Future[None]:
    """Commands whose letter is gone were answered by another process, or before an answer was lost.

    Done when the replies that were found have been handed on.
    """
    looked: Future[None] = Future()

    def hand_on(found: Future[list[Reply]]) -> None:
        error = found.exception()
        if error is not None:
            looked.set_exception(error)
            return
        commands.answer(found.result())
        looked.set_result(None)

    if command_ids:
        database.read(mail.find_replies, command_ids).add_done_callback(hand_on)
    else:
        looked.set_result(None)
    return looked


def _refusal(reply: Reply) -> MaestraleError:
    return _ERRORS.get(reply.status, MaestraleError)(reply.message or "")


def no_execution(execution_id: str) -> NotFound:
    """The error for a workflow execution that is not there."""
    return NotFound(f"WorkflowExecution not found [id={execution_id}]")


def shutting_down() -> Unavailable:
    """The error for what comes too late."""
    return Unavailable("The service is shutting down")
