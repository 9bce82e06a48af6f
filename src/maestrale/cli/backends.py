"""Where `run` runs: in this process, or on the server that owns the database."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

import msgspec

from maestrale.cli.commands_waiting import actions_of
from maestrale.cli.following import Incoming, receive
from maestrale.client.connection import Credentials, is_local
from maestrale.client.errors import NotFound as Unknown
from maestrale.client.results import Event
from maestrale.client.sync import Client
from maestrale.config import Settings
from maestrale.model.errors import Conflict, NotFound
from maestrale.model.listing import Filter, Listing, Row
from maestrale.model.values import Json
from maestrale.services.access import OPERATOR
from maestrale.services.definitions import Definitions
from maestrale.services.evaluations import Question
from maestrale.services.executions import NewExecution
from maestrale.services.workbooks import Workbooks
from maestrale.wiring import Service

T = TypeVar("T")

TASKS_SHOWN = 1000
POLL_SECONDS = 0.25


class Embedded:
    """The service inside this process. What earlier processes left is for a server, which lives longer."""

    def __init__(self, settings: Settings) -> None:
        self._service = Service(settings)
        self._services = self._service.services()
        self._changed = threading.Event()
        self._service.engine.loop.listeners.append(lambda _: self._changed.set())
        self._service.start(takes_up=False)

    def save(self, text: str, names: Iterable[str], *, is_workbook: bool) -> list[str]:
        """Store the workflows or the workbook; the names of what was there with another text."""
        definitions = self._services.workbooks if is_workbook else self._services.definitions
        known = {name: self._definition(definitions, name) for name in names}
        replaced = []
        if all(found is None for found in known.values()):
            self._do(definitions.create(OPERATOR, text))
            return []
        for name, found in known.items():
            if found is not None and found != text:
                replaced.append(name)
        try:
            self._do(definitions.update(OPERATOR, text))
        except NotFound:
            stored = " ".join(name for name, found in known.items() if found is not None)
            raise Conflict(
                "Some of the file's workflows are stored already, and some are not",
                f"delete the stored ones: mistral workflow-delete {stored}",
            ) from None
        return replaced

    def _definition(self, definitions: Definitions | Workbooks, name: str) -> str | None:
        try:
            row = self._do(definitions.get(OPERATOR, name, ""))
        except NotFound:
            return None
        text: str = row["definition"]
        return text

    def start(self, workflow: str, given: dict[str, Json]) -> str:
        """Start an execution; its id."""
        row = self._do(self._services.executions.start(OPERATOR, NewExecution(workflow, input=given)))
        execution_id: str = row["id"]
        return execution_id

    def snapshot(self, execution_id: str) -> tuple[Row, list[Row]]:
        """The execution and its tasks as they are now."""
        self._changed.clear()
        execution = self._do(self._services.executions.get(OPERATOR, execution_id))
        mine = Filter("workflow_execution_id", "eq", execution_id)
        listing = Listing(limit=TASKS_SHOWN, filters=(mine,))
        return execution, self._do(self._services.tasks.page(OPERATOR, listing, execution_id))

    def wait(self) -> None:
        """Return after the next commit."""
        self._changed.wait()

    def action_executions(self, task_id: str) -> list[Row]:
        """The action executions of a task, with outputs."""
        listing = Listing(
            limit=TASKS_SHOWN, filters=(Filter("task_execution_id", "eq", task_id),), extra=("output",)
        )
        return self._do(self._services.action_executions.page(OPERATOR, listing, task_id))

    def evaluate(self, question: Question) -> Row:
        """Try an expression."""
        return msgspec.structs.asdict(self._do(self._services.evaluations.evaluate(OPERATOR, question)))

    @property
    def after_interrupt(self) -> str:
        """What becomes of an execution that is followed no more."""
        return "The execution is kept and goes on when a server starts: mistral server"

    def close(self, grace: float | None = None) -> None:
        """Stop the service; running actions get `grace` seconds, by default as set."""
        self._service.stop(grace)

    def _do(self, wanted: Coroutine[Any, Any, T]) -> T:
        return asyncio.run(wanted)


class Remote:
    """A running server, and who asks it.

    The address comes from the server itself. Its certificate, which need not name loopback, does not matter
    on this machine.
    """

    def __init__(self, url: str, credentials: Credentials | None) -> None:
        self._client = Client(url, credentials=credentials, verify=not is_local(url))
        self._incoming: Incoming | None = None

    def save(self, text: str, names: Iterable[str], *, is_workbook: bool) -> list[str]:
        """Store the workflows or the workbook; the names of what was there with another text."""
        definitions = self._client.workbooks if is_workbook else self._client.workflows
        known: dict[str, str] = {}
        for name in names:
            with contextlib.suppress(Unknown):
                known[name] = definitions.get(name).definition
        if not known:
            definitions.create(text)
            return []
        definitions.update(text)
        return [name for name, found in known.items() if found != text]

    def start(self, workflow: str, given: dict[str, Json]) -> str:
        """Start an execution; its id."""
        execution_id = self._client.executions.create(workflow, given).id
        self._incoming = receive(self._client, execution_id)
        return execution_id

    def snapshot(self, execution_id: str) -> tuple[Row, list[Row]]:
        """The execution and its tasks as they are now."""
        execution = self._client.executions.get(execution_id)
        tasks = self._client.executions.tasks(execution_id, limit=TASKS_SHOWN)
        return execution.raw, [task.raw for task in tasks]

    def wait(self) -> None:
        """Return after the next event, or after a moment if there are none (any more)."""
        if self._incoming is None:
            time.sleep(POLL_SECONDS)
        elif not isinstance(self._incoming.get(), Event):
            self._incoming = None

    def action_executions(self, task_id: str) -> list[Row]:
        """The action executions of a task, with outputs."""
        return actions_of(self._client, task_id)

    def evaluate(self, question: Question) -> Row:
        """Try an expression."""
        return ask_server(self._client, question)

    @property
    def after_interrupt(self) -> str:
        """What becomes of an execution that is followed no more."""
        return "The execution goes on at the server; to end it: mistral execution-update ID -s CANCELLED"

    def close(self, grace: float | None = None) -> None:  # noqa: ARG002
        """Close the connection."""
        self._client.close()


def ask_server(client: Client, question: Question) -> Row:
    """Try an expression at a server."""
    return client.evaluate(**msgspec.to_builtins(question)).raw
