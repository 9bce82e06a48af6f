"""Workflow executions, task executions, action executions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from maestrale.client.absent import NOT_GIVEN
from maestrale.client.binding import Kind, M, items, operation
from maestrale.client.collections import Collection, Filters
from maestrale.client.conversation import Request
from maestrale.client.events import EventStream
from maestrale.client.listing import Pages, listing_query
from maestrale.client.paths import by_identifier, flags, given, path, selected
from maestrale.client.reading import many, nothing, one
from maestrale.client.results import (
    ActionExecution,
    Execution,
    Explanation,
    PlannedTask,
    Report,
    Resource,
    Task,
)
from maestrale.client.waiting import Waiting
from maestrale.model import states

R = TypeVar("R", bound=Resource)


def _awaited(
    kind: type[R], collection: str, identifier: str, wait: float, fields: Sequence[str] = ()
) -> Request[R]:
    query = selected(fields) | given(wait=_seconds(wait))
    return Request("GET", path(collection, identifier), one(kind), query)


def _seconds(wait: float) -> str:
    return f"{wait:g}" if wait else ""


def _tree(errors_only: bool, max_depth: int) -> dict[str, str]:
    return {"max_depth": str(max_depth)} | flags(errors_only=errors_only)


class Executions(Kind[M]):
    """Workflow executions."""

    @items
    def list(
        self,
        filters: Filters | None = None,
        *,
        limit: int | None = None,
        marker: str = "",
        sort_keys: str = "",
        sort_dirs: str = "",
        fields: Sequence[str] = (),
        roots_only: bool = False,
        include_output: bool = False,
        all_projects: bool = False,
    ) -> Pages[Execution]:
        """Those that match, `limit` at most, after the one with the id `marker`.

        `roots_only`: not those that another one has started. `fields`: only these are read.
        """
        query = listing_query(
            filters,
            marker,
            sort_keys,
            sort_dirs,
            fields,
            include_output=include_output,
            all_projects=all_projects,
        ) | ({"nulls": "root_execution_id"} if roots_only else {})
        return Pages(Execution, "/executions", "executions", query, limit)

    @operation
    def get(self, identifier: str, *, wait: float = 0, fields: Sequence[str] = ()) -> Request[Execution]:
        """The execution with this id; with `wait` once it has ended, or after so many seconds."""
        return _awaited(Execution, "executions", identifier, wait, fields)

    @operation
    def wait(self, identifier: str, timeout: float | None = None) -> Waiting[Execution]:
        """The execution once it has ended, or is paused. `WaitTimeout` after `timeout` seconds."""
        return Waiting(lambda seconds: _awaited(Execution, "executions", identifier, seconds), timeout)

    @items
    def events(self, identifier: str, last: str = "", *, resumes: bool = True) -> EventStream:
        """What happens in an execution, from its beginning or after the event `last`, until its end.

        A connection that breaks off is taken up again, for a minute if need be. Without `resumes` the events
        are over then; go on with the last id.
        """
        return EventStream(path("executions", identifier, "events"), last, resumes)

    @operation
    def create(
        self,
        workflow: str = "",
        input: Any = None,  # noqa: A002 (the API's own word)
        *,
        params: Mapping[str, Any] | None = None,
        namespace: str = "",
        description: str = "",
        source_execution_id: str = "",
        id: str = "",  # noqa: A002
    ) -> Request[Execution]:
        """Start `workflow` (an id or a name), or again what `source_execution_id` ran.

        With an `id` of one's own the call may be repeated, and is if need be: an existing execution is
        returned as it is.
        """
        body = {"description": description} | given(
            workflow_namespace=namespace,
            source_execution_id=source_execution_id,
            id=id,
            input=input,
            params=dict(params or {}) or None,
        )
        body |= by_identifier("workflow", workflow)
        return Request("POST", "/executions", one(Execution), body=body, repeatable=bool(id))

    @operation
    def update(
        self,
        identifier: str,
        state: str = "",
        *,
        description: str | None = None,
        env: Any = None,
        state_info: str = "",
    ) -> Request[Execution]:
        """Change the state (`state_info` says why), or the description, or merge `env` into the environment.

        `env` is a map or the name of a stored environment.
        """
        body = given(state=state, state_info=state_info)
        if description is not None:
            body["description"] = description
        if env:
            body["params"] = {"env": env}
        return Request("PUT", path("executions", identifier), one(Execution), body=body)

    @operation
    def delete(self, identifier: str, *, force: bool = False) -> Request[None]:
        """Remove the execution with everything below it; `force` an unfinished one."""
        return Request("DELETE", path("executions", identifier), nothing, flags(force=force))

    @items
    def tasks(
        self,
        identifier: str,
        filters: Filters | None = None,
        *,
        limit: int | None = None,
        marker: str = "",
        sort_keys: str = "",
        sort_dirs: str = "",
        fields: Sequence[str] = (),
    ) -> Pages[Task]:
        """The task executions of an execution."""
        query = listing_query(filters, marker, sort_keys, sort_dirs, fields)
        return Pages(Task, path("executions", identifier, "tasks"), "tasks", query, limit)

    @operation
    def sub_executions(
        self,
        identifier: str,
        *,
        errors_only: bool = False,
        max_depth: int = -1,
        include_output: bool = False,
    ) -> Request[Sequence[Execution]]:
        """The execution itself and all below, at most `max_depth` levels (-1: all)."""
        query = _tree(errors_only, max_depth) | flags(include_output=include_output)
        address = path("executions", identifier, "executions")
        return Request("GET", address, many(Execution, "executions"), query)

    @operation
    def report(
        self,
        identifier: str,
        *,
        errors_only: bool = True,
        max_depth: int = -1,
        statistics_only: bool = False,
    ) -> Request[Report]:
        """How many tasks are in which state, and the tree of what has run."""
        query = _tree(errors_only, max_depth) | flags(statistics_only=statistics_only)
        return Request("GET", path("executions", identifier, "report"), one(Report), query)

    @operation
    def why(self, identifier: str) -> Request[Explanation]:
        """What the execution waits for, or of what it failed."""
        return Request("GET", path("executions", identifier, "why"), one(Explanation))


class Tasks(Collection[M, Task]):
    """Task executions."""

    kind = Task
    collection = "tasks"

    @operation
    def get(self, identifier: str, *, wait: float = 0, fields: Sequence[str] = ()) -> Request[Task]:
        """The task execution with its result; with `wait` once it has ended, or after so many seconds."""
        return _awaited(Task, "tasks", identifier, wait, fields)

    @operation
    def wait(self, identifier: str, timeout: float | None = None) -> Waiting[Task]:
        """The task execution once it has ended, or is paused. `WaitTimeout` after `timeout` seconds."""
        return Waiting(lambda seconds: _awaited(Task, "tasks", identifier, seconds), timeout)

    @operation
    def rerun(self, identifier: str, *, reset: bool = True, env: Any = None) -> Request[Task]:
        """Run a failed task again; without `reset` only the failed items of a with-items task."""
        body = {"id": identifier, "state": states.RUNNING, "reset": reset} | given(env=env or None)
        return Request("PUT", path("tasks", identifier), one(Task), body=body)

    @operation
    def skip(self, identifier: str) -> Request[Task]:
        """Go on after a failed task as its on-skip says."""
        body = {"id": identifier, "state": states.SKIPPED}
        return Request("PUT", path("tasks", identifier), one(Task), body=body)

    @operation
    def restart(self, identifier: str, *, env: Any = None) -> Request[Sequence[PlannedTask]]:
        """Run a finished execution again from this task; what runs again."""
        address = path("tasks", identifier, "restart")
        return Request("POST", address, many(PlannedTask, "tasks"), body=given(env=env or None))

    @operation
    def plan_restart(self, identifier: str) -> Request[Sequence[PlannedTask]]:
        """What a restart from this task would make run again; nothing is done."""
        address = path("tasks", identifier, "restart")
        return Request("POST", address, many(PlannedTask, "tasks"), body={"dry_run": True}, repeatable=True)

    @items
    def action_executions(
        self,
        identifier: str,
        filters: Filters | None = None,
        *,
        limit: int | None = None,
        marker: str = "",
        sort_keys: str = "",
        sort_dirs: str = "",
        fields: Sequence[str] = (),
        include_output: bool = False,
    ) -> Pages[ActionExecution]:
        """The action executions of a task execution."""
        query = listing_query(filters, marker, sort_keys, sort_dirs, fields, include_output=include_output)
        address = path("tasks", identifier, "action_executions")
        return Pages(ActionExecution, address, "action_executions", query, limit)

    @items
    def workflow_executions(
        self,
        identifier: str,
        filters: Filters | None = None,
        *,
        limit: int | None = None,
        marker: str = "",
        include_output: bool = False,
    ) -> Pages[Execution]:
        """The workflow executions that a task execution has started itself."""
        query = listing_query(filters, marker, "", "", (), include_output=include_output)
        address = path("tasks", identifier, "workflow_executions")
        return Pages(Execution, address, "executions", query, limit)

    @operation
    def sub_executions(
        self,
        identifier: str,
        *,
        errors_only: bool = False,
        max_depth: int = -1,
        include_output: bool = False,
    ) -> Request[Sequence[Execution]]:
        """All workflow executions below, at most `max_depth` levels (-1: all)."""
        query = _tree(errors_only, max_depth) | flags(include_output=include_output)
        address = path("tasks", identifier, "executions")
        return Request("GET", address, many(Execution, "executions"), query)

    @operation
    def why(self, identifier: str) -> Request[Explanation]:
        """What the task waits for, or of what it failed."""
        return Request("GET", path("tasks", identifier, "why"), one(Explanation))


class ActionExecutions(Kind[M]):
    """Action executions."""

    @items
    def list(
        self,
        filters: Filters | None = None,
        *,
        limit: int | None = None,
        marker: str = "",
        sort_keys: str = "",
        sort_dirs: str = "",
        fields: Sequence[str] = (),
        include_output: bool = False,
    ) -> Pages[ActionExecution]:
        """Those that match, `limit` at most, after the one with the id `marker`."""
        query = listing_query(filters, marker, sort_keys, sort_dirs, fields, include_output=include_output)
        return Pages(ActionExecution, "/action_executions", "action_executions", query, limit)

    @operation
    def get(
        self, identifier: str, *, wait: float = 0, fields: Sequence[str] = ()
    ) -> Request[ActionExecution]:
        """The action execution; with `wait` once it has ended, or after so many seconds."""
        return _awaited(ActionExecution, "action_executions", identifier, wait, fields)

    @operation
    def wait(self, identifier: str, timeout: float | None = None) -> Waiting[ActionExecution]:
        """The action execution once it has ended, or is paused. `WaitTimeout` after `timeout` seconds."""
        return Waiting(
            lambda seconds: _awaited(ActionExecution, "action_executions", identifier, seconds), timeout
        )

    @operation
    def create(
        self,
        name: str,
        input: Any = None,  # noqa: A002 (the API's own word)
        *,
        namespace: str = "",
        description: str = "",
        save_result: bool = False,
        run_sync: bool = False,
        target: str = "",
        timeout: float | None = None,
    ) -> Request[ActionExecution]:
        """Run the action `name`, for `timeout` seconds at most.

        Its result is in the answer unless it is saved (`save_result` without `run_sync`) or comes later, from
        outside. The call takes as long as the action.
        """
        chosen = {"save_result": save_result, "run_sync": run_sync}
        params = {flag: True for flag, wanted in chosen.items() if wanted}
        params |= given(target=target, timeout=timeout)
        body = {"name": name} | given(
            workflow_namespace=namespace, description=description, input=input, params=params or None
        )
        return Request("POST", "/action_executions", one(ActionExecution), body=body, patient=True)

    @operation
    def update(
        self, identifier: str, state: str = "", *, output: Any = NOT_GIVEN
    ) -> Request[ActionExecution]:
        """Change the state, or complete it with `output`."""
        body = given(state=state) | ({} if output is NOT_GIVEN else {"output": output})
        return Request("PUT", path("action_executions", identifier), one(ActionExecution), body=body)

    @operation
    def delete(self, identifier: str) -> Request[None]:
        """Remove one that has ended and ran outside of workflows, if the operator allows it."""
        return Request("DELETE", path("action_executions", identifier), nothing)

    @operation
    def why(self, identifier: str) -> Request[Explanation]:
        """What the action waits for, or of what it failed."""
        return Request("GET", path("action_executions", identifier, "why"), one(Explanation))
