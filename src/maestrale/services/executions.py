"""Use cases of workflow executions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import msgspec
from sqlalchemy import Connection

from maestrale.engine.context import merge_maps
from maestrale.engine.events import (
    AnyEvent,
    Described,
    EnvironmentUpdated,
    PauseRequested,
    ResumeRequested,
    Started,
    StopRequested,
)
from maestrale.model import states
from maestrale.model.errors import BadRequest, Conflict, NotFound
from maestrale.model.listing import Listing, Row
from maestrale.model.notifications import Publisher
from maestrale.model.secrets import WELL_KNOWN, SecretRules
from maestrale.model.values import Json
from maestrale.runtime.requests import StartedExecution, StartWorkflow, WorkflowEngine
from maestrale.runtime.starts import Wish, environment_of, started_event
from maestrale.runtime.steps import Steps, carry_out
from maestrale.services.access import Caller, authorise
from maestrale.services.admission import Admission
from maestrale.services.lending import lend
from maestrale.services.lists import page_of
from maestrale.services.waiting import Clock, outcome
from maestrale.services.watching import Watching
from maestrale.store.database import Database
from maestrale.store.lookups import find_start
from maestrale.store.queries import (
    EXECUTION_FIELDS,
    EXECUTIONS,
    find_execution,
    get_execution,
    get_task,
    list_executions,
)
from maestrale.store.selection import Viewer
from maestrale.store.trees import list_below_execution, list_below_task, report

ID_LENGTH: Final = 36
WANTED_STATES: Final = (states.RUNNING, states.PAUSED, states.SUCCESS, states.ERROR, states.CANCELLED)
OF_THE_SERVICE: Final = frozenset({"namespace", "root_execution_id", "task_execution_id", "index"})
"""Params that the service adds; a copy of an execution gets its own."""

_ENDS: Final[dict[str, Literal["SUCCESS", "ERROR", "CANCELLED"]]] = {
    "SUCCESS": "SUCCESS",
    "ERROR": "ERROR",
    "CANCELLED": "CANCELLED",
}
_ANSWER: Final = tuple(EXECUTIONS.fields)
_DESCRIBED: Final = tuple(name for name in _ANSWER if name not in ("params", "input", "output"))


class NewExecution(msgspec.Struct, frozen=True):
    """A wish to start a workflow, named by id or by name. What is not given comes from `source_id`."""

    workflow: str | None = None
    namespace: str | None = None
    input: dict[str, Json] = {}
    params: dict[str, Json] = {}
    description: str | None = None
    id: str | None = None
    source_id: str | None = None


class ExecutionChange(msgspec.Struct, frozen=True):
    """A wish to change an execution; None: not asked for.

    `environment` is a map or the name of a stored one.
    """

    state: str | None = None
    state_info: str | None = None
    description: str | None = None
    environment: Json = None


class Executions:
    """What can be done with workflow executions."""

    shape = EXECUTIONS.shape()

    def __init__(
        self,
        database: Database,
        engine: WorkflowEngine,
        admission: Admission,
        watching: Watching,
        clock: Clock,
        *,
        publishers: Sequence[Publisher] = (),
        secrets: SecretRules = WELL_KNOWN,
    ) -> None:
        self._admission = admission
        self._watching = watching
        self._publishers = publishers
        self._secrets = secrets
        self._database = database
        self._clock = clock
        self._engine = engine

    async def page(self, caller: Caller, listing: Listing, task_id: str | None = None) -> list[Row]:
        """One page of executions. With `task_id`: NotFound if there is no such task."""
        authorise(caller, "executions:list")
        if listing.all_projects or any(filter_.name == "project_id" for filter_ in listing.filters):
            authorise(caller, "executions:list:all_projects")
        return await page_of(self._database, EXECUTIONS, _listed, caller.viewer, listing, task_id)

    async def get(
        self, caller: Caller, identifier: str, fields: Sequence[str] | None = None, wait: float = 0
    ) -> Row:
        """One execution, by default with output and published globals.

        With `wait` as soon as it has ended, at the latest after so many seconds.
        """
        authorise(caller, "executions:get")
        if wait and (await self._read(caller, identifier, ("state",)))["state"] not in states.COMPLETED:
            await self._watching.until_end(caller.project_id, "executions", identifier, identifier, wait)
        return await self._read(caller, identifier, EXECUTION_FIELDS if fields is None else fields)

    async def start(self, caller: Caller, new: NewExecution) -> Row:
        """Start a workflow and answer the execution as it was started.

        Where an execution with the wanted id exists already, that one is answered as it is. Raises
        `Unavailable` or `TooManyRequests` while too much waits to be started.
        """
        authorise(caller, "executions:create")
        if new.id is not None:
            _check_id(new.id)
        with self._admission.admitted(caller.project_id):
            return await self._start(caller, new)

    async def _start(self, caller: Caller, new: NewExecution) -> Row:
        if new.id is not None:
            existing = await outcome(self._database.read(find_execution, caller.viewer, new.id, _ANSWER))
            if existing is not None:
                return existing
        if new.workflow is None and new.source_id is None:
            raise BadRequest(
                "Workflow ID or workflow name must be provided",
                "send workflow_name or workflow_id, or source_execution_id to repeat an execution",
            )
        return await outcome(carry_out(self._starting(caller, new)))

    def _starting(self, caller: Caller, new: NewExecution) -> Steps[Row]:
        """In the threads below, so that the event loop is woken once."""
        viewer = caller.viewer
        started: Started = yield self._database.read(_prepared, viewer, new, self._publishers, self._secrets)
        answer: StartedExecution = yield self._engine.start_workflow(
            StartWorkflow(started, new.id, caller.acting)
        )
        row: Row = yield self._database.read(_started, viewer, answer)
        return row

    async def update(self, caller: Caller, identifier: str, change: ExecutionChange) -> Row:
        """Describe, pause, resume or stop an execution, or change its environment."""
        authorise(caller, "executions:update")
        events = await outcome(self._database.read(_events, caller.viewer, identifier, change, self._secrets))
        if change.state == states.RUNNING:
            await lend(self._engine, caller, identifier)
        for event in events:
            await outcome(self._engine.send(identifier, event))
        only_described = all(isinstance(event, Described) for event in events)
        return await self._read(caller, identifier, _DESCRIBED if only_described else _ANSWER)

    async def delete(self, caller: Caller, identifier: str, force: bool) -> None:
        """Delete an execution with everything below it; an unfinished one only with `force`."""
        authorise(caller, "executions:delete")
        await self._read(caller, identifier, ("id",))
        await outcome(self._engine.delete_execution(identifier, force))

    async def below(
        self,
        caller: Caller,
        identifier: str,
        *,
        of_task: bool = False,
        errors_only: bool = False,
        max_depth: int | None = None,
        include_output: bool = False,
    ) -> list[Row]:
        """The execution and all below it, or all below a task, depth first."""
        authorise(caller, "executions:get")
        fields = tuple(name for name in _ANSWER if include_output or name != "output")
        return await outcome(
            self._database.read(
                list_below_task if of_task else list_below_execution,
                caller.viewer,
                identifier,
                fields=fields,
                errors_only=errors_only,
                max_depth=max_depth,
            )
        )

    async def report(
        self,
        caller: Caller,
        identifier: str,
        *,
        errors_only: bool = False,
        max_depth: int | None = None,
        statistics_only: bool = False,
    ) -> Row:
        """Statistics and tree of an execution."""
        authorise(caller, "executions:get")
        return await outcome(
            self._database.read(
                report,
                caller.viewer,
                identifier,
                now=self._clock(),
                errors_only=errors_only,
                max_depth=max_depth,
                statistics_only=statistics_only,
            )
        )

    async def _read(self, caller: Caller, identifier: str, fields: Sequence[str]) -> Row:
        return await outcome(self._database.read(get_execution, caller.viewer, identifier, fields))


def _listed(connection: Connection, viewer: Viewer, listing: Listing, task_id: str | None) -> list[Row]:
    if task_id is not None:
        get_task(connection, viewer, task_id, ("id",))
    return list_executions(connection, viewer, listing)


def _check_id(identifier: str) -> None:
    """BadRequest for an id that is too long, or that no path of the API could hold."""
    if not 0 < len(identifier) <= ID_LENGTH:
        raise BadRequest(f"The id of an execution has 1 to {ID_LENGTH} characters, not {len(identifier)}")
    if "/" in identifier or not identifier.isprintable() or identifier in (".", ".."):
        raise BadRequest(
            f"The id {identifier!r} cannot be part of an address", "use letters, digits, '-' and '_'"
        )


def _prepared(
    connection: Connection,
    viewer: Viewer,
    new: NewExecution,
    everybody: Sequence[Publisher],
    secrets: SecretRules,
) -> Started:
    """The event that starts what was wished for. `everybody`: publishers that are told of every execution."""
    workflow, namespace = new.workflow, new.namespace
    given, params, description = new.input, new.params, new.description
    if new.source_id is not None:
        source = get_execution(connection, viewer, new.source_id)
        workflow = workflow or source["workflow_id"] or source["workflow_name"]
        namespace = source["workflow_namespace"] if namespace is None else namespace
        source_input, kept = find_start(connection, source["id"])
        given = merge_maps(source_input, given)
        params = merge_maps({k: v for k, v in kept.items() if k not in OF_THE_SERVICE}, params)
        description = f"{description or ''} Based on the execution '{new.source_id}'".strip()
    wish = Wish(workflow or "", namespace or "", given, params, description)
    return started_event(connection, viewer, wish, everybody, secrets)


def _started(connection: Connection, viewer: Viewer, answer: StartedExecution) -> Row:
    """An execution as it was started, also if it has ended by now. Conflict if it is somebody else's."""
    row = find_execution(connection, viewer, answer.execution_id, _ANSWER)
    if row is None and not answer.created:
        raise Conflict(
            f"Duplicate entry for WorkflowExecution: id='{answer.execution_id}'", "choose another id"
        )
    if row is None:
        raise NotFound(f"WorkflowExecution not found [id={answer.execution_id}]")
    if answer.created:
        row |= {"state": states.RUNNING, "state_info": None, "output": "{}", "updated_at": None}
    return row


def _events(
    connection: Connection, viewer: Viewer, identifier: str, change: ExecutionChange, secrets: SecretRules
) -> list[AnyEvent]:
    """What has to be told to an execution.

    NotFound if there is no such execution, before BadRequest for combinations that make no sense.
    """
    get_execution(connection, viewer, identifier, ("id",))
    state = change.state
    if state is None and change.description is None and change.environment is None:
        raise BadRequest("The property state, description, or params.env is not provided for update")
    if state is not None and change.description is not None:
        raise BadRequest("The property description must be updated separately from state")
    environment = None
    if change.environment is not None:
        if state not in (None, states.RUNNING):
            raise BadRequest("The property params.env can only be updated alone or with state RUNNING")
        environment = environment_of(connection, viewer.project_id, change.environment, secrets)
    events: list[AnyEvent] = []
    if change.description is not None:
        events.append(Described(change.description))
    if state is None:
        if environment is not None:
            events.append(EnvironmentUpdated(environment))
    elif state == states.RUNNING:
        events.append(ResumeRequested(environment))
    elif state == states.PAUSED:
        events.append(PauseRequested())
    elif state in _ENDS:
        events.append(StopRequested(_ENDS[state], change.state_info))
    else:
        raise BadRequest(f"Cannot change state to {state}. Allowed states are: {', '.join(WANTED_STATES)}")
    return events
