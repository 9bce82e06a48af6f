"""The JSON that the API answers with around its objects: pages, uploads, reports, explanations, faults."""

from __future__ import annotations

from functools import cache
from types import GenericAlias
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from maestrale.api.listing import ListQuery
from maestrale.api.objects import (
    Action,
    ActionState,
    DynamicAction,
    Execution,
    Id,
    Info,
    Member,
    Name,
    Shown,
    Task,
    TaskState,
    Time,
    UploadedWorkflow,
    Workbook,
    WorkflowState,
)

Warnings = Annotated[list[str], Meta(description="Remarks on the text; absent if there are none.")]


@cache
def page_of(item: type[Shown], query: ListQuery) -> type[Shown]:
    """The type of a page of a list of these objects."""
    collection = query.shape.collection
    link = Annotated[str, Meta(description="The address of the next page; there if this one is full.")]
    rows = GenericAlias(list, (item,))
    made: Any = msgspec.defstruct(
        f"{item.__name__}Page",
        [(collection, rows), ("next", link)],
        bases=(Shown,),
        namespace={"always": (collection,), "__doc__": "One page of a list."},
    )
    page: type[Shown] = made
    return page


class Place(Shown):
    """Where in an expression something is wrong."""

    expression: str
    line: Annotated[int, Meta(ge=1)]
    column: Annotated[int, Meta(ge=1)] | None

    always = None


class Fault(Shown):
    """What is wrong, and what to do about it."""

    faultcode: Annotated[Literal["Client", "Server"], Meta(description="Whose fault it is.")]
    faultstring: Annotated[str, Meta(description="For people.", examples=["Workflow not found [name=greet]"])]
    debuginfo: None
    place: Annotated[Place, Meta(description="Only where an expression is wrong.")]

    always = ("faultcode", "faultstring", "debuginfo")


class UploadedWorkbook(Workbook):
    """A workbook in the answer to an upload."""

    warnings: Warnings


class UploadedWorkflows(Shown):
    """What was stored of a text."""

    workflows: list[UploadedWorkflow]
    warnings: Warnings

    always = ("workflows",)


class UploadedActions(Shown):
    """What was stored of a text."""

    actions: list[Action]
    warnings: Warnings

    always = ("actions",)


class UploadedDynamicAction(DynamicAction):
    """A dynamic action in the answer to a change."""

    warnings: Warnings


class Verdict(Shown):
    """Whether a text is valid."""

    valid: bool
    error: Annotated[str, Meta(description="What is wrong; absent if it is valid.")]
    warnings: Warnings

    always = ("valid",)


class Executions(Shown):
    """Executions of a tree."""

    executions: list[Execution]

    always = ("executions",)


class Members(Shown):
    """With whom a workflow is shared."""

    members: list[Member]

    always = ("members",)


class Statistics(Shown):
    """Numbers of tasks of a whole tree."""

    total_tasks_count: int
    running_tasks_count: int
    success_tasks_count: int
    error_tasks_count: int
    idle_tasks_count: int
    paused_tasks_count: int
    estimated_time: Annotated[
        int, Meta(description="Seconds left; 0: it has ended, -1: nobody knows.", ge=-1)
    ]

    always = None


class ReportedAction(Shown):
    """An action execution in a report."""

    id: Id
    name: str
    state: ActionState
    state_info: Info | None
    created_at: Time
    updated_at: Time | None
    accepted: bool
    last_heartbeat: None

    always = None


class ReportedTask(Shown):
    """A task execution in a report."""

    id: Id
    name: Name
    state: TaskState
    state_info: Info | None
    created_at: Time
    updated_at: Time | None
    superseded: Annotated[bool, Meta(description="Whether a restart has put it aside; absent if not.")]
    retry_count: Annotated[int, Meta(description="Absent if it was not tried again.")]
    action_executions: list[ReportedAction]
    workflow_executions: list[ReportedExecution]


class ReportedExecution(Shown):
    """A workflow execution in a report."""

    id: str
    name: Name
    state: WorkflowState
    state_info: Info | None
    created_at: Time
    updated_at: Time | None
    task_executions: Annotated[list[ReportedTask], Meta(description="Absent below `max_depth`.")]


class Report(Shown):
    """Statistics and tree of an execution."""

    statistics: Statistics
    root_workflow_execution: ReportedExecution

    always = ("statistics",)


class PlannedTask(Shown):
    """A task that a restart makes run again, and why."""

    id: Id
    name: Name
    state: TaskState
    workflow_execution_id: str
    workflow_name: Name
    reason: str

    always = None


class RestartedTask(Task):
    """The task as it is now, or with `dry_run` nothing of it, and what runs again."""

    dry_run: Literal[True]
    tasks: list[PlannedTask]

    always = ("tasks",)


class CauseNode(Shown):
    """One thing, and why it is where it is."""

    kind: Annotated[str, Meta(examples=["task"])]
    id: str | None
    name: str | None
    state: str | None
    text: Annotated[str, Meta(description="For people.")]
    since: Time | None
    until: Annotated[Time | None, Meta(description="When something happens to it by itself.")]

    always = None


class Cause(CauseNode):
    """The same, with its own causes."""

    children: list[Cause]


class Next(Shown):
    """What happens next by itself."""

    at: Time | None
    text: str

    always = None


class Explanation(Shown):
    """The tree of causes, what stands at its ends, and what comes next."""

    why: Cause
    blocking: list[CauseNode]
    next: Next

    always = None


class Evaluated(Shown):
    """The result of an expression."""

    result: Any
    warnings: Warnings

    always = ("result",)


class Link(Shown):
    """Where a version is."""

    href: str
    target: str
    rel: str

    always = None


class Version(Shown):
    """A version of the API."""

    id: str
    status: str
    links: list[Link]

    always = None


class Versions(Shown):
    """The versions of the API."""

    versions: list[Version]

    always = None


class Address(Shown):
    """Where the API is."""

    uri: str

    always = None


class MaintenanceStatus(Shown):
    """Whether the service runs, is coming to rest, or rests."""

    status: Literal["RUNNING", "PAUSING", "PAUSED"]

    always = None


class Process(Shown):
    """One role of a process that shares the work."""

    id: Id
    name: Annotated[str, Meta(description="Its machine and number.", examples=["db7:4711"])]
    type: Annotated[str, Meta(description="Its role.", examples=["engine"])]
    address: str | None

    always = None


class Processes(Shown):
    """Who shares the work."""

    services: list[Process]

    always = None


class Alive(Shown):
    """This process answers."""

    status: Literal["UP"]

    always = None


class Check(Shown):
    """One thing that the service needs."""

    status: Literal["UP", "DOWN"]
    text: Annotated[str, Meta(description="What is wrong; absent if nothing is.")]

    always = ("status",)


class Checks(Shown):
    """All that it needs."""

    database: Check
    schema: Check
    writer: Check
    engine: Check

    always = None


class Readiness(Shown):
    """Whether the service can do its work."""

    status: Literal["UP", "DOWN"]
    checks: Checks

    always = None
