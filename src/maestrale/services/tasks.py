"""Use cases of task executions."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection

from maestrale.engine.events import RerunRequested, RestartRequested, SkipRequested
from maestrale.model import states
from maestrale.model.errors import BadRequest
from maestrale.model.listing import Listing, Row
from maestrale.model.values import Json
from maestrale.runtime.requests import PlannedTask, WorkflowEngine
from maestrale.runtime.starts import environment_of
from maestrale.services.access import Caller, authorise
from maestrale.services.lending import lend
from maestrale.services.lists import page_of
from maestrale.services.waiting import outcome
from maestrale.services.watching import Watching
from maestrale.store.database import Database
from maestrale.store.queries import TASK_FIELDS, TASKS, get_execution, get_task, list_tasks
from maestrale.store.selection import Viewer


class TaskChange(msgspec.Struct, frozen=True):
    """A wish to rerun (RUNNING) or skip (SKIPPED) a task. Given names must be those of the task.

    `environment` is a map or the name of a stored one.
    """

    state: str | None = None
    reset: bool | None = None
    environment: Json = None
    name: str | None = None
    workflow_name: str | None = None


class Tasks:
    """What can be done with task executions."""

    shape = TASKS.shape()

    def __init__(self, database: Database, engine: WorkflowEngine, watching: Watching) -> None:
        self._watching = watching
        self._database = database
        self._engine = engine

    async def page(self, caller: Caller, listing: Listing, execution_id: str | None = None) -> list[Row]:
        """One page of tasks. With `execution_id`: NotFound if there is no such execution."""
        authorise(caller, "tasks:list")
        return await page_of(self._database, TASKS, _listed, caller.viewer, listing, execution_id)

    async def get(
        self, caller: Caller, identifier: str, fields: Sequence[str] | None = None, wait: float = 0
    ) -> Row:
        """One task, by default with its result.

        With `wait` as soon as it has ended, at the latest after so many seconds.
        """
        authorise(caller, "tasks:get")
        if wait:
            task = await self._read(caller, identifier, ("state", "workflow_execution_id"))
            if task["state"] not in states.COMPLETED:
                key = task["workflow_execution_id"]
                await self._watching.until_end(caller.project_id, "tasks", identifier, key, wait)
        return await self._read(caller, identifier, TASK_FIELDS if fields is None else fields)

    async def update(self, caller: Caller, identifier: str, change: TaskChange) -> Row:
        """Rerun or skip a failed task and answer the task as it is now."""
        authorise(caller, "tasks:update")
        execution_id, event = await outcome(self._database.read(_command, caller.viewer, identifier, change))
        await lend(self._engine, caller, execution_id)
        await outcome(self._engine.send(execution_id, event))
        return await self._read(caller, identifier, TASK_FIELDS)

    async def plan_restart(self, caller: Caller, identifier: str) -> list[PlannedTask]:
        """What a restart from this task would make run again; InvalidState if it would be refused."""
        authorise(caller, "tasks:get")
        return await self._plan(caller, identifier)

    async def restart(
        self, caller: Caller, identifier: str, environment: Json = None
    ) -> tuple[Row, list[PlannedTask]]:
        """Run a finished execution again from this task; the task as it is now, and what runs again.

        `environment` is a map or the name of a stored one.
        """
        authorise(caller, "tasks:update")
        found = None
        if environment is not None:
            reading = self._database.read(environment_of, caller.viewer.project_id, environment)
            found = await outcome(reading)
        planned = await self._plan(caller, identifier)
        event = RestartRequested(identifier, found)
        await lend(self._engine, caller, planned[0].workflow_execution_id)
        await outcome(self._engine.send(planned[0].workflow_execution_id, event))
        return await self._read(caller, identifier, TASK_FIELDS), planned

    async def _plan(self, caller: Caller, identifier: str) -> list[PlannedTask]:
        task = await self._read(caller, identifier, ("workflow_execution_id",))
        return await outcome(self._engine.plan_restart(task["workflow_execution_id"], identifier))

    async def _read(self, caller: Caller, identifier: str, fields: Sequence[str]) -> Row:
        return await outcome(self._database.read(get_task, caller.viewer, identifier, fields))


def _listed(connection: Connection, viewer: Viewer, listing: Listing, execution_id: str | None) -> list[Row]:
    if execution_id is not None:
        get_execution(connection, viewer, execution_id, ("id",))
    return list_tasks(connection, viewer, listing)


def _command(
    connection: Connection, viewer: Viewer, identifier: str, change: TaskChange
) -> tuple[str, RerunRequested | SkipRequested]:
    """The execution to tell and what to tell it; what is wrong with the wish is a BadRequest."""
    fields = ("id", "name", "workflow_name", "workflow_execution_id", "state", "runtime_context")
    task = get_task(connection, viewer, identifier, fields)
    for name, given in (("name", change.name), ("workflow_name", change.workflow_name)):
        if given is not None and given != task[name]:
            raise BadRequest(f"The {name} does not match: the task has '{task[name]}', not '{given}'")
    if change.state not in (states.RUNNING, states.SKIPPED):
        raise BadRequest("Invalid task state. Only updating task to RUNNING or SKIPPED is supported")
    if msgspec.json.decode(task["runtime_context"]).get("superseded"):
        raise BadRequest(
            "The task execution was superseded by a restart and is history only",
            "rerun or skip the newer execution of this task",
        )
    if task["state"] != states.ERROR:
        raise BadRequest(
            f"The current task execution must be in ERROR for rerun or skip, it is in {task['state']}"
        )
    execution_id = task["workflow_execution_id"]
    if change.state == states.SKIPPED:
        return execution_id, SkipRequested(identifier)
    if change.reset is None:
        raise BadRequest(
            "Mandatory field 'reset' is missing",
            "true runs everything again, false (with-items only) the failed items",
        )
    environment = None
    if change.environment is not None:
        environment = environment_of(connection, viewer.project_id, change.environment)
    return execution_id, RerunRequested(identifier, change.reset, environment)
