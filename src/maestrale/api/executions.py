"""Workflow executions, task executions, action executions."""

from __future__ import annotations

from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from maestrale.api.answers import CREATED, NOTHING, json_answer, nothing
from maestrale.api.arguments import FORCE, INCLUDE_OUTPUT, SINGLE, TREE
from maestrale.api.authentication import caller_of
from maestrale.api.bodies import (
    flag_of,
    json_of,
    object_of,
    query_depth,
    query_flag,
    query_seconds,
    read_attributes,
    text_of,
)
from maestrale.api.connection import while_connected
from maestrale.api.listing import ListQuery, page_answer, read_fields, read_listing
from maestrale.api.objects import ActionExecution, Execution, Task
from maestrale.api.operation import Argument, operation
from maestrale.api.replies import Executions, Report, RestartedTask, page_of
from maestrale.api.resources import presented, presented_all, presented_report
from maestrale.api.routing import missing_id, route
from maestrale.api.settings import ApiSettings
from maestrale.api.wishes import (
    ActionRun,
    ActionUpdate,
    ExecutionStart,
    ExecutionUpdate,
    TaskRestart,
    TaskUpdate,
    attributes,
)
from maestrale.model.errors import BadRequest, Conflict, NotFound, TooManyRequests
from maestrale.model.listing import Filter, Listing, Row
from maestrale.model.values import Json
from maestrale.services import Services
from maestrale.services.action_executions import ActionExecutions, NewActionExecution
from maestrale.services.executions import ExecutionChange, NewExecution
from maestrale.services.executions import Executions as WorkflowExecutions
from maestrale.services.tasks import TaskChange, Tasks

LISTS: Final = ("all_projects", "nulls", "include_output")
EXECUTIONS: Final = ListQuery(WorkflowExecutions.shape, also=LISTS)
CHILDREN_OF: Final = ListQuery(WorkflowExecutions.shape, also=LISTS, without=("task_execution_id",))
TASKS: Final = ListQuery(Tasks.shape)
TASKS_OF: Final = ListQuery(Tasks.shape, without=("workflow_execution_id",))
ACTION_EXECUTIONS: Final = ListQuery(ActionExecutions.shape, also=("include_output",))
ACTIONS_OF: Final = ListQuery(
    ActionExecutions.shape, also=("include_output",), without=("task_execution_id",)
)
STATISTICS_ONLY: Final = Argument("statistics_only", "Without the tree.", bool)

# Clients send objects back as they got them: what can be read may be sent, and is ignored.
EXECUTION_ATTRIBUTES: Final = {*attributes(Execution), *attributes(ExecutionStart)}
TASK_ATTRIBUTES: Final = {*attributes(Task), *attributes(TaskUpdate)}
ACTION_ATTRIBUTES: Final = {*attributes(ActionExecution), *attributes(ActionRun)}


class ExecutionRoutes:
    """`/v2/executions`, `/v2/tasks` and `/v2/action_executions`."""

    def __init__(self, services: Services, settings: ApiSettings) -> None:
        self._executions = services.executions
        self._tasks = services.tasks
        self._actions = services.action_executions
        self._settings = settings

    def routes(self) -> list[BaseRoute]:
        """All routes."""
        return [
            route("/v2/executions", GET=self.page, POST=self.start, PUT=missing_id, DELETE=missing_id),
            route("/v2/executions/{id}", GET=self.get, PUT=self.update, DELETE=self.delete),
            route("/v2/executions/{id}/tasks", GET=self.tasks_of),
            route("/v2/executions/{id}/executions", GET=self.tree),
            route("/v2/executions/{id}/report", GET=self.report),
            route("/v2/tasks", GET=self.task_page, PUT=missing_id, DELETE=missing_id),
            route("/v2/tasks/{id}", GET=self.task, PUT=self.update_task),
            route("/v2/tasks/{id}/restart", POST=self.restart_task),
            route("/v2/tasks/{id}/action_executions", GET=self.actions_of),
            route("/v2/tasks/{id}/action_executions/{action_id}", GET=self.action_of),
            route("/v2/tasks/{id}/workflow_executions", GET=self.children_of),
            route("/v2/tasks/{id}/executions", GET=self.tree_of_task),
            route(
                "/v2/action_executions",
                GET=self.action_page,
                POST=self.run,
                PUT=missing_id,
                DELETE=missing_id,
            ),
            route(
                "/v2/action_executions/{id}", GET=self.action, PUT=self.complete, DELETE=self.delete_action
            ),
        ]

    @operation(query=EXECUTIONS, answers=page_of(Execution, EXECUTIONS), fails=(NotFound,))
    async def page(self, request: Request) -> Response:
        """List workflow executions."""
        listing = read_listing(request, EXECUTIONS, self._settings.max_limit)
        return await self._execution_page(request, listing, None)

    async def _execution_page(self, request: Request, listing: Listing, task_id: str | None) -> Response:
        rows = await self._executions.page(caller_of(request), listing, task_id)
        shown = presented_all(rows)
        return json_answer(page_answer(request, "/v2/executions", EXECUTIONS.shape, listing, shown))

    @operation(query=SINGLE, answers=Execution, fails=(NotFound, TooManyRequests))
    async def get(self, request: Request) -> Response:
        """One workflow execution."""
        fields = read_fields(request, self._executions.shape.fields)
        found = self._executions.get(caller_of(request), _id(request), fields, self._wait(request))
        return json_answer(presented(await while_connected(request, found)))

    def _wait(self, request: Request) -> float:
        """How long to wait for the end of what is asked for."""
        return query_seconds(request, "wait", self._settings.max_wait)

    @operation(
        takes=ExecutionStart,
        answers=Execution,
        status=CREATED,
        fails=(NotFound, Conflict, TooManyRequests),
        example={"workflow_name": "greet", "input": {"name": "Ada"}},
    )
    async def start(self, request: Request) -> Response:
        """Start a workflow."""
        content = await read_attributes(request, "wf_ex", EXECUTION_ATTRIBUTES)
        new = NewExecution(
            workflow=text_of(content, "workflow_id") or text_of(content, "workflow_name") or None,
            namespace=text_of(content, "workflow_namespace"),
            input=object_of(content, "input"),
            params=_start_params(content),
            description=text_of(content, "description"),
            id=text_of(content, "id") or None,
            source_id=text_of(content, "source_execution_id") or None,
        )
        return json_answer(presented(await self._executions.start(caller_of(request), new)), CREATED)

    @operation(takes=ExecutionUpdate, answers=Execution, fails=(NotFound,), example={"state": "PAUSED"})
    async def update(self, request: Request) -> Response:
        """Describe, pause, resume, stop, or change the environment."""
        content = await read_attributes(request, "wf_ex", EXECUTION_ATTRIBUTES)
        change = ExecutionChange(
            state=text_of(content, "state") or None,
            state_info=text_of(content, "state_info"),
            description=text_of(content, "description"),
            environment=object_of(content, "params").get("env"),
        )
        return json_answer(presented(await self._executions.update(caller_of(request), _id(request), change)))

    @operation(query=(FORCE,), status=NOTHING, fails=(NotFound,))
    async def delete(self, request: Request) -> Response:
        """Delete with everything below."""
        await self._executions.delete(caller_of(request), _id(request), query_flag(request, "force"))
        return nothing()

    @operation(query=(*TREE, INCLUDE_OUTPUT), answers=Executions, fails=(NotFound,))
    async def tree(self, request: Request) -> Response:
        """The execution and everything below it."""
        return await self._below(request, of_task=False)

    @operation(query=(*TREE, INCLUDE_OUTPUT), answers=Executions, fails=(NotFound,))
    async def tree_of_task(self, request: Request) -> Response:
        """Everything below a task."""
        return await self._below(request, of_task=True)

    async def _below(self, request: Request, *, of_task: bool) -> Response:
        rows = await self._executions.below(
            caller_of(request),
            _id(request),
            of_task=of_task,
            errors_only=query_flag(request, "errors_only"),
            max_depth=query_depth(request),
            include_output=query_flag(request, "include_output"),
        )
        return json_answer({"executions": presented_all(rows)})

    @operation(query=(*TREE, STATISTICS_ONLY), answers=Report, fails=(NotFound,))
    async def report(self, request: Request) -> Response:
        """Statistics and tree."""
        report = await self._executions.report(
            caller_of(request),
            _id(request),
            errors_only=query_flag(request, "errors_only"),
            max_depth=query_depth(request),
            statistics_only=query_flag(request, "statistics_only"),
        )
        return json_answer(presented_report(report))

    @operation(query=TASKS_OF, answers=page_of(Task, TASKS), fails=(NotFound,))
    async def tasks_of(self, request: Request) -> Response:
        """The tasks of an execution."""
        listing = read_listing(request, TASKS_OF, self._settings.max_limit)
        listing = _below(listing, "workflow_execution_id", _id(request))
        return await self._task_page(request, listing, _id(request))

    @operation(query=TASKS, answers=page_of(Task, TASKS), fails=(NotFound,))
    async def task_page(self, request: Request) -> Response:
        """List tasks."""
        listing = read_listing(request, TASKS, self._settings.max_limit)
        return await self._task_page(request, listing, None)

    async def _task_page(self, request: Request, listing: Listing, execution_id: str | None) -> Response:
        rows = await self._tasks.page(caller_of(request), listing, execution_id)
        shown = [_task(row, listing.fields) for row in rows]
        return json_answer(page_answer(request, "/v2/tasks", TASKS.shape, listing, shown))

    @operation(query=SINGLE, answers=Task, fails=(NotFound, TooManyRequests))
    async def task(self, request: Request) -> Response:
        """One task with its result."""
        fields = read_fields(request, self._tasks.shape.fields)
        found = self._tasks.get(caller_of(request), _id(request), fields, self._wait(request))
        return json_answer(_task(await while_connected(request, found), fields))

    @operation(takes=TaskUpdate, answers=Task, fails=(NotFound,), example={"state": "RUNNING", "reset": True})
    async def update_task(self, request: Request) -> Response:
        """Rerun or skip a task."""
        content = await read_attributes(request, "task", TASK_ATTRIBUTES)
        change = TaskChange(
            state=text_of(content, "state"),
            reset=flag_of(content, "reset"),
            environment=_environment(content),
            name=text_of(content, "name"),
            workflow_name=text_of(content, "workflow_name"),
        )
        return json_answer(_task(await self._tasks.update(caller_of(request), _id(request), change)))

    @operation(takes=TaskRestart, answers=RestartedTask, fails=(NotFound,), example={"dry_run": True})
    async def restart_task(self, request: Request) -> Response:
        """Run a finished execution again from a task, or with `dry_run` only say what that would mean."""
        content = await read_attributes(request, "restart", attributes(TaskRestart), optional=True)
        if flag_of(content, "dry_run"):
            planned = await self._tasks.plan_restart(caller_of(request), _id(request))
            answer: Row = {"dry_run": True}
        else:
            row, planned = await self._tasks.restart(caller_of(request), _id(request), _environment(content))
            answer = _task(row)
        return json_answer(answer | {"tasks": [msgspec.to_builtins(task) for task in planned]})

    @operation(query=CHILDREN_OF, answers=page_of(Execution, EXECUTIONS), fails=(NotFound,))
    async def children_of(self, request: Request) -> Response:
        """The sub-workflow executions that a task has started."""
        listing = read_listing(request, CHILDREN_OF, self._settings.max_limit)
        listing = _below(listing, "task_execution_id", _id(request))
        return await self._execution_page(request, listing, _id(request))

    @operation(query=ACTIONS_OF, answers=page_of(ActionExecution, ACTION_EXECUTIONS), fails=(NotFound,))
    async def actions_of(self, request: Request) -> Response:
        """The action executions of a task."""
        listing = read_listing(request, ACTIONS_OF, self._settings.max_limit)
        listing = _below(listing, "task_execution_id", _id(request))
        return await self._action_page(request, listing, _id(request))

    @operation(
        query=ACTION_EXECUTIONS, answers=page_of(ActionExecution, ACTION_EXECUTIONS), fails=(NotFound,)
    )
    async def action_page(self, request: Request) -> Response:
        """List action executions."""
        listing = read_listing(request, ACTION_EXECUTIONS, self._settings.max_limit)
        return await self._action_page(request, listing, None)

    async def _action_page(self, request: Request, listing: Listing, task_id: str | None) -> Response:
        rows = await self._actions.page(caller_of(request), listing, task_id)
        shape, shown = ACTION_EXECUTIONS.shape, presented_all(rows)
        return json_answer(page_answer(request, "/v2/action_executions", shape, listing, shown))

    @operation(query=SINGLE, answers=ActionExecution, fails=(NotFound, TooManyRequests))
    async def action(self, request: Request) -> Response:
        """One action execution."""
        return await self._one_action(request, _id(request), None)

    @operation(query=SINGLE, answers=ActionExecution, fails=(NotFound, TooManyRequests))
    async def action_of(self, request: Request) -> Response:
        """One action execution of a task."""
        return await self._one_action(request, request.path_params["action_id"], _id(request))

    async def _one_action(self, request: Request, action_id: str, task_id: str | None) -> Response:
        fields = read_fields(request, self._actions.shape.fields)
        wait = self._wait(request)
        found = self._actions.get(caller_of(request), action_id, fields, task_id, wait)
        return json_answer(presented(await while_connected(request, found)))

    @operation(
        takes=ActionRun,
        answers=ActionExecution,
        status=CREATED,
        fails=(NotFound, TooManyRequests),
        example={"name": "std.echo", "input": {"output": "Hello"}},
    )
    async def run(self, request: Request) -> Response:
        """Run one action by itself."""
        content = await read_attributes(request, "action_ex", ACTION_ATTRIBUTES)
        name = text_of(content, "name")
        if not name:
            raise BadRequest("Please provide at least action name to run action.")
        params = object_of(content, "params")
        new = NewActionExecution(
            name=name,
            input=object_of(content, "input"),
            namespace=text_of(content, "workflow_namespace") or "",
            description=text_of(content, "description"),
            save_result=bool(flag_of(params, "save_result")),
            run_sync=bool(flag_of(params, "run_sync")),
            target=text_of(params, "target"),
            timeout=_timeout(params),
        )
        return json_answer(presented(await self._actions.run(caller_of(request), new)), CREATED)

    @operation(
        takes=ActionUpdate,
        answers=ActionExecution,
        fails=(NotFound,),
        example={"state": "SUCCESS", "output": {"disk": "sda"}},
    )
    async def complete(self, request: Request) -> Response:
        """Complete, pause or resume an action execution."""
        content = await read_attributes(request, "action_ex", ACTION_ATTRIBUTES)
        output = _output(content)
        row = await self._actions.update(
            caller_of(request), _id(request), text_of(content, "state"), output, "output" in content
        )
        return json_answer(presented(row))

    @operation(status=NOTHING, fails=(NotFound,))
    async def delete_action(self, request: Request) -> Response:
        """Refused by default."""
        await self._actions.delete(caller_of(request), _id(request))
        return nothing()


def _id(request: Request) -> str:
    identifier: str = request.path_params["id"]
    return identifier


def _below(listing: Listing, name: str, identifier: str) -> Listing:
    """The same list, but only of one parent."""
    parent = Filter(name, "eq", identifier)
    return Listing(
        limit=listing.limit,
        sort=listing.sort,
        filters=(*listing.filters, parent),
        nulls=listing.nulls,
        marker=listing.marker,
        fields=listing.fields,
        extra=listing.extra,
        all_projects=listing.all_projects,
    )


def _task(row: Row, fields: tuple[str, ...] | None = None) -> Row:
    """A task; `published_global` only where there is something in it, or where it was asked for."""
    shown = presented(row)
    if shown.get("published_global") in (None, "{}") and (fields is None or "published_global" not in fields):
        shown.pop("published_global", None)
    return shown


def _start_params(content: dict[str, Json]) -> dict[str, Json]:
    """How to start a workflow: kept as given, but what is no boolean must not pass for one."""
    params = object_of(content, "params")
    flag_of(params, "evaluate_env")
    return params


def _environment(content: dict[str, Json]) -> Json:
    """A map, also as text that holds JSON, or the name of a stored environment; None if nothing is given."""
    given = content.get("env")
    if isinstance(given, str) and not given.lstrip().startswith("{"):
        return given or None
    return json_of(content, "env") or None


def _output(content: dict[str, Json]) -> Json:
    """What an outside party delivers: any JSON value, also as text that holds JSON."""
    output = content.get("output")
    if isinstance(output, str) and output:
        return json_of(content, "output")
    return output


def _timeout(params: dict[str, Json]) -> float | None:
    timeout = params.get("timeout")
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or timeout < 0:
        raise BadRequest(f"params.timeout must be a number of seconds, not {timeout!r}")
    return float(timeout)
