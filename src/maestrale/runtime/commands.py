"""Who in this process waits for the reply to a command that went off as a letter."""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import Future

from maestrale.model.errors import NotFound, Unavailable


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


def no_execution(execution_id: str) -> NotFound:
    """The error for a workflow execution that is not there."""
    return NotFound(f"WorkflowExecution not found [id={execution_id}]")


def shutting_down() -> Unavailable:
    """The error for what comes too late."""
    return Unavailable("The service is shutting down")
