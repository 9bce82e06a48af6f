"""A service on a database, and what tests ask of it."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec
from sqlalchemy import Connection, Table, select

from maestrale.actions.base import Action
from maestrale.actions.process_settings import ProcessSettings
from maestrale.config import (
    ROLES,
    DatabaseSettings,
    EngineSettings,
    ExecutorSettings,
    Role,
    ServerSettings,
    Settings,
)
from maestrale.engine.decision import Limits
from maestrale.engine.events import AnyEvent, Started
from maestrale.lang.parse import parse_workflows
from maestrale.lang.problems import raise_for
from maestrale.model import states
from maestrale.model.values import Json, Microseconds
from maestrale.runtime.engine import Engine
from maestrale.runtime.requests import RanAction, RunAction, StartWorkflow
from maestrale.simulation.folding import check_fold
from maestrale.store.catalogue import Draft, create_definitions, text_hash
from maestrale.store.tables import (
    action_executions,
    command_replies,
    execution_heads,
    execution_values,
    mail,
    metadata,
    task_executions,
    workflow_executions,
)
from maestrale.wiring import Service

PROJECT = "project"
PATIENCE = 20.0
"""Seconds after which something that must happen counts as not happening."""

T = TypeVar("T")
Row = dict[str, Any]


def add_definitions(service: Service, text: str, namespace: str = "") -> dict[str, tuple[str, str]]:
    """Store every workflow of a text; name -> (definition id, content hash)."""
    parsed = parse_workflows(text)
    raise_for(parsed.problems)
    drafts = [Draft(spec.name, parsed.texts[spec.name]) for spec in parsed.specs]
    ids = [str(uuid.uuid4()) for _ in drafts]
    service.database.write(
        create_definitions, "workflow", ids, drafts,
        project_id=PROJECT, namespace=namespace, scope="private", now=1,
    ).result(PATIENCE)  # fmt: skip
    return {
        draft.name: (key, text_hash(draft.text)) for draft, key in zip(drafts, ids, strict=True)
    }  # fmt: skip


class Clock:
    """A clock that moves when the test says so."""

    def __init__(self, at: Microseconds = 1_700_000_000_000_000) -> None:
        self.at = at

    def __call__(self) -> Microseconds:
        return self.at


class World:
    """One running service. Leaving it stops the service and checks that every execution can be folded."""

    def __init__(
        self,
        database_url: str,
        *,
        actions: Iterable[Action[..., Any]] = (),
        asynchronous: int = 256,
        threads: int = 16,
        steps: int = 200,
        letters: int = 2000,
        clock: Clock | None = None,
        start: bool = True,
        roles: tuple[Role, ...] = ROLES,
        dynamic: ProcessSettings | None = None,
        **sections: Any,
    ) -> None:
        """`sections`: of the settings, besides those that the other arguments make."""
        self.limits = Limits(steps=steps, letters=letters)
        self.folds = True
        self._definitions: dict[tuple[str, str], tuple[str, str]] = {}
        self._changed = threading.Condition()
        self._changes = 0
        self.service = Service(
            Settings(
                server=ServerSettings(grace=0, roles=roles),
                database=DatabaseSettings(url=database_url),
                engine=EngineSettings(steps_per_decision=steps),
                executor=ExecutorSettings(asynchronous=asynchronous, threads=threads),
                dynamic_actions=dynamic or ProcessSettings(),
                **sections,
            )
        )
        self.database = self.service.database
        self.clock = clock
        if clock is not None:
            self.service.engine = Engine(
                self.database, self.service.registry, self.service.lease,
                limits=self.limits, clock=clock, asynchronous=asynchronous, threads=threads,
            )  # fmt: skip
        self.engine = self.service.engine
        for action in actions:
            self.service.registry.add(action)
        self.engine.loop.listeners.append(self._committed)
        if start:
            self.service.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(check=error is None)

    def close(self, *, check: bool = True) -> None:
        """Stop at once (running actions are abandoned) and check the folds."""
        self.engine.stop(0)
        try:
            if check and self.folds:
                self.check_folds()
        finally:
            self.service.stop()

    def check_folds(self) -> None:
        """Every execution follows from its decision records."""
        for row in self.rows(execution_heads):
            check_fold(
                lambda unit, *args: self.database.read(unit, *args).result(PATIENCE),
                row["id"],
                self.engine.programs,
                self.service.registry,
                self.limits,
            )

    def pass_time(self, seconds: float) -> None:
        """Move the clock of this world, and let the engine notice."""
        assert self.clock is not None
        self.clock.at += round(seconds * 1_000_000)
        self.engine.loop.post(lambda: None)
        self.engine.triggers.changed()

    # -- asking for things

    def define(self, text: str, namespace: str = "") -> None:
        """Store workflows."""
        found = add_definitions(self.service, text, namespace)
        self._definitions |= {(name, namespace): keys for name, keys in found.items()}

    def definition_id(self, name: str) -> str:
        """The id of a workflow that was defined here."""
        return self._definitions[name, ""][0]

    def request(self, name: str, execution_id: str | None = None, **started: Any) -> StartWorkflow:
        """What starts a workflow that was defined here."""
        namespace = started.pop("namespace", "")
        workflow_id, definition_hash = self._definitions[name, namespace]
        event = Started(
            workflow_name=name,
            definition_hash=definition_hash,
            workflow_id=workflow_id,
            namespace=namespace,
            project_id=PROJECT,
            **started,
        )
        return StartWorkflow(event, execution_id)

    def start(self, name: str, execution_id: str | None = None, **started: Any) -> str:
        """Start a workflow; the id of its execution."""
        future = self.engine.start_workflow(self.request(name, execution_id, **started))
        return future.result(PATIENCE).execution_id

    def run(self, text: str, **started: Any) -> Row:
        """Define the workflows of a text, start the first one and wait for its end."""
        self.define(text)
        name = parse_workflows(text).specs[0].name
        return self.end(self.start(name, **started))

    def send(self, execution_id: str, event: AnyEvent) -> None:
        """Deliver a command and wait until its consequences are durable."""
        self.engine.send(execution_id, event).result(PATIENCE)

    def run_action(self, name: str, given: dict[str, Json] | None = None, **options: Any) -> RanAction:
        """Run one action by itself."""
        request = RunAction(name, given or {}, project_id=PROJECT, **options)
        return self.engine.run_action(request).result(PATIENCE)

    def complete(self, action_id: str, state: str = "SUCCESS", result: Json = None) -> None:
        """Complete an action from outside."""
        self.engine.complete_action(action_id, state, result).result(PATIENCE)

    # -- waiting

    def _committed(self, _execution_ids: list[str]) -> None:
        with self._changed:
            self._changes += 1
            self._changed.notify_all()

    def until(self, find: Callable[[], T], what: str = "", patience: float = PATIENCE) -> T:
        """Call `find` after each commit until it finds something true; that."""
        deadline = time.monotonic() + patience
        while True:
            with self._changed:
                seen = self._changes
            found = find()
            if found:
                return found
            with self._changed:
                if self._changes == seen:
                    self._changed.wait(0.1)
            assert time.monotonic() < deadline, f"waited in vain for {what or find}"

    def end(self, execution_id: str, patience: float = PATIENCE) -> Row:
        """The row of an execution once it has ended."""
        return self.state(execution_id, *states.COMPLETED, patience=patience)

    def state(self, execution_id: str, *wanted: str, patience: float = PATIENCE) -> Row:
        """The row of an execution once it is in one of the wanted states."""

        def find() -> Row | None:
            row = self.execution(execution_id)
            return row if row["state"] in wanted else None

        row = self.until(find, f"{execution_id} to be {wanted}", patience)
        assert row is not None
        return row

    # -- looking at rows

    def rows(self, table: Table, *conditions: Any) -> list[Row]:
        """Committed rows, in the order of their ids."""

        def read(connection: Connection) -> list[Row]:
            statement = select(table).where(*conditions).order_by(*table.primary_key.columns)
            return [dict(row) for row in connection.execute(statement).mappings()]

        return self.database.read(read).result(PATIENCE)

    def execution(self, execution_id: str) -> Row:
        """One workflow execution, its documents decoded."""
        (row,) = self.rows(workflow_executions, workflow_executions.c.id == execution_id)
        return _decoded(row, ("cause", "input", "params", "variables", "globals", "output", "backlog"))

    def executions(self) -> list[Row]:
        """All workflow executions."""
        return self.rows(workflow_executions)

    def children(self, execution_id: str) -> list[Row]:
        """The executions that an execution started."""
        return self.rows(workflow_executions, workflow_executions.c.parent_id == execution_id)

    def tasks(self, execution_id: str) -> list[Row]:
        """The task executions of an execution, in order."""
        found = self.rows(task_executions, task_executions.c.execution_id == execution_id)
        documents = ("cause", "triggered_by", "next_tasks", "published", "runtime", "items")
        return [_decoded(row, documents) for row in sorted(found, key=lambda row: row["sequence"])]

    def task(self, execution_id: str, name: str) -> Row:
        """The latest task execution of that name."""
        return [row for row in self.tasks(execution_id) if row["name"] == name][-1]

    def actions(self, execution_id: str | None = None) -> list[Row]:
        """The action executions (of one execution)."""
        conditions = [] if execution_id is None else [action_executions.c.execution_id == execution_id]
        return [_decoded(row, ("input", "output")) for row in self.rows(action_executions, *conditions)]

    def action(self, action_id: str) -> Row:
        """One action execution."""
        (row,) = self.rows(action_executions, action_executions.c.id == action_id)
        return _decoded(row, ("input", "output"))

    def task_states(self, execution_id: str) -> dict[str, str]:
        """Name -> state."""
        return {row["name"]: row["state"] for row in self.tasks(execution_id)}

    def letters(self) -> list[Row]:
        """What is in the mail."""
        return self.rows(mail)

    def replies(self) -> list[Row]:
        """The replies to commands."""
        return self.rows(command_replies)

    def values(self, root_id: str) -> list[bytes]:
        """The large values of an execution tree."""
        found = self.rows(execution_values, execution_values.c.root_id == root_id)
        return [row["data"] for row in found]

    def counts(self) -> dict[str, int]:
        """How many rows each table has."""
        return {table.name: len(self.rows(table)) for table in metadata.sorted_tables}


def _decoded(row: Row, documents: tuple[str, ...]) -> Row:
    return row | {name: None if row[name] is None else msgspec.json.decode(row[name]) for name in documents}
