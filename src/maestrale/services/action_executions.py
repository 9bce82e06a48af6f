"""Use cases of action executions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import Connection

from maestrale.model import states
from maestrale.model.errors import BadRequest, Forbidden
from maestrale.model.listing import Listing, Row
from maestrale.model.secrets import WELL_KNOWN, SecretRules
from maestrale.model.values import Json, masked
from maestrale.runtime.requests import RanAction, RunAction, WorkflowEngine
from maestrale.services.access import Caller, authorise
from maestrale.services.admission import Admission
from maestrale.services.lists import page_of
from maestrale.services.waiting import outcome
from maestrale.services.watching import Watching
from maestrale.store.database import Database
from maestrale.store.deletion import delete_action
from maestrale.store.history import execution_of_action
from maestrale.store.queries import (
    ACTION_EXECUTION_FIELDS,
    ACTION_EXECUTIONS,
    get_action_execution,
    get_task,
    list_action_executions,
)
from maestrale.store.selection import Viewer

UNKNOWN_ERROR: Final = "Unknown error"


class NewActionExecution(msgspec.Struct, frozen=True):
    """A wish to run one action by itself; `timeout` in seconds."""

    name: str
    input: dict[str, Json] = {}
    namespace: str = ""
    description: str | None = None
    save_result: bool = False
    run_sync: bool = False
    target: str | None = None
    timeout: float | None = None


class ActionExecutions:
    """What can be done with action executions."""

    shape = ACTION_EXECUTIONS.shape()

    def __init__(
        self,
        database: Database,
        engine: WorkflowEngine,
        admission: Admission,
        watching: Watching,
        *,
        allow_deletion: bool = False,
        secrets: SecretRules = WELL_KNOWN,
    ) -> None:
        self._secrets = secrets
        self._allow_deletion = allow_deletion
        self._admission = admission
        self._watching = watching
        self._database = database
        self._engine = engine

    async def page(self, caller: Caller, listing: Listing, task_id: str | None = None) -> list[Row]:
        """One page of action executions. With `task_id`: NotFound if there is no such task."""
        authorise(caller, "action_executions:list")
        return await page_of(self._database, ACTION_EXECUTIONS, _listed, caller.viewer, listing, task_id)

    async def get(
        self,
        caller: Caller,
        identifier: str,
        fields: Sequence[str] | None = None,
        task_id: str | None = None,
        wait: float = 0,
    ) -> Row:
        """One action execution (of that task), by default with its output.

        With `wait` as soon as it has ended, at the latest after so many seconds.
        """
        authorise(caller, "action_executions:get")
        if wait:
            row = await self._read(caller, identifier, ("id", "state"), task_id)
            if row["state"] not in states.COMPLETED:
                key = await outcome(self._database.read(execution_of_action, identifier)) or identifier
                await self._watching.until_end(caller.project_id, "action_executions", identifier, key, wait)
        shown = ACTION_EXECUTION_FIELDS if fields is None else fields
        return await self._read(caller, identifier, shown, task_id)

    async def run(self, caller: Caller, new: NewActionExecution) -> Row:
        """Run an action. Nothing is stored of a synchronous one unless `save_result`; its id is None then.

        Raises `Unavailable` or `TooManyRequests` while too much waits to be started.
        """
        authorise(caller, "action_executions:create")
        self._admission.check(caller.project_id)
        request = RunAction(
            name=new.name,
            input=self._secrets.input.marked_map(new.input),
            namespace=new.namespace,
            project_id=caller.project_id,
            description=new.description,
            target=new.target,
            timeout=new.timeout,
            save=new.save_result,
            wait=new.run_sync,
            security=caller.acting,
        )
        ran = await outcome(self._engine.run_action(request))
        if ran.action_id is None:
            return _unsaved(request, ran)
        row = await self._read(caller, ran.action_id)
        if ran.state == states.RUNNING:
            row |= {"state": states.RUNNING, "state_info": None, "output": None, "accepted": False}
        return row

    async def update(
        self, caller: Caller, identifier: str, state: str | None, output: Json, has_output: bool
    ) -> Row:
        """Complete, pause or resume an action execution on behalf of who does the work."""
        authorise(caller, "action_executions:update")
        if state not in states.ACTION_STATES:
            raise BadRequest(f"Error. Expected one of {sorted(states.ACTION_STATES)}, actual: {state}")
        await self._read(caller, identifier, ("id",))
        result = output
        if state == states.SUCCESS and not has_output:
            result = {}
        elif state == states.ERROR and (output is None or output == {}):
            result = UNKNOWN_ERROR
        await outcome(self._engine.complete_action(identifier, state, result))
        return await self._read(caller, identifier)

    async def delete(self, caller: Caller, identifier: str) -> None:
        """Remove a finished stand-alone action execution, if the operator allows it."""
        authorise(caller, "action_executions:delete")
        row = await self._read(caller, identifier, ("id", "state", "task_execution_id"))
        if not self._allow_deletion:
            raise Forbidden(
                "Action execution deletion is not allowed",
                "the operator can set api.allow_action_execution_deletion",
            )
        if row["task_execution_id"] is not None:
            raise Forbidden(
                "Only ad-hoc action execution can be deleted", "it goes with its workflow execution"
            )
        if row["state"] not in states.COMPLETED:
            raise Forbidden(f"Only completed action execution can be deleted, this one is {row['state']}")
        await outcome(self._database.write(delete_action, identifier))

    async def _read(
        self,
        caller: Caller,
        identifier: str,
        fields: Sequence[str] = ACTION_EXECUTION_FIELDS,
        task_id: str | None = None,
    ) -> Row:
        reading = self._database.read(get_action_execution, caller.viewer, identifier, fields, task_id)
        return await outcome(reading)


def _listed(connection: Connection, viewer: Viewer, listing: Listing, task_id: str | None) -> list[Row]:
    if task_id is not None:
        get_task(connection, viewer, task_id, ("id",))
    return list_action_executions(connection, viewer, listing)


def _unsaved(request: RunAction, ran: RanAction) -> Row:
    row: Row = dict.fromkeys(ACTION_EXECUTION_FIELDS)
    given = request.input if ran.input is None else ran.input
    return row | {
        "name": request.name,
        "description": request.description,
        "project_id": request.project_id,
        "state": ran.state,
        "tags": "[]",
        "accepted": False,
        "input": msgspec.json.encode(masked(given)).decode(),
        "output": msgspec.json.encode({"result": masked(ran.result)}).decode(),
    }
