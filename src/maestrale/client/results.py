"""What a client gives back: the objects of the API, with types.

Times are aware and in UTC. What the API sends as JSON in a text (`input`, `output`, `variables`) is here the
value itself. What the server has not sent (because of `fields`, say) has its default. `raw` is always the
object as it was sent, with what this version of the client does not know.
"""

from __future__ import annotations

import datetime
from typing import Any, ClassVar

import msgspec

Moment = datetime.datetime
Json = Any
"""Whatever JSON can hold."""


class Resource(msgspec.Struct, kw_only=True, frozen=True):
    """One object of the API. `documents` names the fields that are sent as JSON in a text."""

    documents: ClassVar[frozenset[str]] = frozenset()
    raw: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.raw!r})"


class _Stored(Resource, kw_only=True, frozen=True):
    """What is kept for a project, alone (`scope` "private") or for all ("public")."""

    id: str = ""
    name: str = ""
    scope: str | None = None
    project_id: str | None = None
    created_at: Moment | None = None
    updated_at: Moment | None = None


class _Definition(_Stored, kw_only=True, frozen=True):
    """What is uploaded as text."""

    namespace: str = ""
    definition: str = ""
    tags: list[str] = []


class Workbook(_Definition, kw_only=True, frozen=True):
    """A workbook, whose workflows and actions are stored as WORKBOOK.NAME."""


class Workflow(_Definition, kw_only=True, frozen=True):
    """A workflow definition. `input` is for people, `interface` for programs."""

    documents = frozenset({"interface"})
    input: str = ""
    interface: Json = None
    checksum: str | None = None


class Action(_Definition, kw_only=True, frozen=True):
    """An action: built in (`is_system`), ad-hoc or dynamic."""

    is_system: bool = False
    input: str = ""
    description: str | None = None


class Environment(_Stored, kw_only=True, frozen=True):
    """A named set of variables."""

    documents = frozenset({"variables"})
    description: str | None = None
    variables: Json = None


class CodeSource(_Stored, kw_only=True, frozen=True):
    """A Python text; `version` counts its updates from 1."""

    namespace: str = ""
    content: str = ""
    version: int = 0


class DynamicAction(_Stored, kw_only=True, frozen=True):
    """A class of a code source that tasks can run."""

    namespace: str = ""
    class_name: str = ""
    code_source_id: str = ""
    code_source_name: str = ""


class CronTrigger(_Stored, kw_only=True, frozen=True):
    """Starts a workflow at set times. `remaining_executions` None: without end."""

    documents = frozenset({"workflow_input", "workflow_params"})
    workflow_name: str = ""
    workflow_id: str | None = None
    workflow_input: Json = None
    workflow_params: Json = None
    pattern: str | None = None
    remaining_executions: int | None = None
    first_execution_time: Moment | None = None
    next_execution_time: Moment | None = None
    last_error: str | None = None


class EventTrigger(_Stored, kw_only=True, frozen=True):
    """Starts a workflow for each message of a kind."""

    documents = frozenset({"workflow_input", "workflow_params"})
    workflow_id: str = ""
    workflow_input: Json = None
    workflow_params: Json = None
    exchange: str = ""
    topic: str = ""
    event: str = ""


class Member(Resource, kw_only=True, frozen=True):
    """The project `member_id`, with which something of the project `project_id` is shared."""

    id: str = ""
    resource_id: str = ""
    resource_type: str = ""
    project_id: str = ""
    member_id: str = ""
    status: str = ""
    created_at: Moment | None = None
    updated_at: Moment | None = None


class _Running(Resource, kw_only=True, frozen=True):
    """What has a state. `id` is empty for an action that was run without being stored."""

    id: str = ""
    state: str = ""
    state_info: str | None = None
    tags: list[str] = []
    workflow_name: str | None = None
    workflow_namespace: str | None = None
    project_id: str | None = None
    created_at: Moment | None = None
    updated_at: Moment | None = None


class Execution(_Running, kw_only=True, frozen=True):
    """A workflow execution. Lists leave `output` out unless they are asked to include it."""

    documents = frozenset({"params", "input", "output", "published_global"})
    workflow_id: str | None = None
    description: str | None = None
    params: Json = None
    task_execution_id: str | None = None
    root_execution_id: str | None = None
    input: Json = None
    output: Json = None
    published_global: Json = None


class Task(_Running, kw_only=True, frozen=True):
    """A task execution. Lists leave `result` out."""

    documents = frozenset({"runtime_context", "result", "published", "published_global"})
    name: str = ""
    type: str = ""
    workflow_id: str | None = None
    workflow_execution_id: str = ""
    runtime_context: Json = None
    result: Json = None
    published: Json = None
    published_global: Json = None
    processed: bool = False
    started_at: Moment | None = None
    finished_at: Moment | None = None


class ActionExecution(_Running, kw_only=True, frozen=True):
    """An action execution. `output` is `{"result": ...}`; lists leave it out unless asked to include it."""

    documents = frozenset({"input", "output"})
    name: str = ""
    description: str | None = None
    task_name: str | None = None
    task_execution_id: str | None = None
    accepted: bool = False
    input: Json = None
    output: Json = None


class Verdict(Resource, kw_only=True, frozen=True):
    """What the server thinks of a text; `error` tells every problem with its place."""

    valid: bool = False
    error: str | None = None
    warnings: list[str] = []


class Change(msgspec.Struct, kw_only=True, frozen=True):
    """What is in another state: "workflow", "task", "action" or "sub-workflow". `before` None: it began."""

    type: str
    id: str = ""
    name: str = ""
    before: str | None = msgspec.field(name="from", default=None)
    after: str = msgspec.field(name="to", default="")
    state_info: str | None = None
    task_execution_id: str | None = None
    index: int | None = None


class Event(Resource, kw_only=True, frozen=True):
    """One event of an execution. `id` is for going on after it.

    The last one has `is_end`, and tells of the execution in `state`, `state_info` and `deleted`; all others
    have a `sequence`, the time `at`, what happened (`event`) and what it changed.
    """

    id: str = ""
    is_end: bool = False
    sequence: int = 0
    event: str = ""
    at: Moment | None = None
    changes: list[Change] = []
    state: str | None = None
    state_info: str | None = None
    deleted: bool = False


class PlannedTask(Resource, kw_only=True, frozen=True):
    """A task execution that a restart makes run again, and for what reason."""

    id: str = ""
    name: str = ""
    state: str = ""
    workflow_name: str = ""
    workflow_execution_id: str = ""
    reason: str = ""


class Node(msgspec.Struct, kw_only=True, frozen=True):
    """One part of an explanation: what something waits for, or of what it failed."""

    kind: str
    text: str = ""
    id: str | None = None
    name: str | None = None
    state: str | None = None
    since: Moment | None = None
    until: Moment | None = None
    children: list[Node] = []


class Next(msgspec.Struct, kw_only=True, frozen=True):
    """What happens by itself, and when (None: not known)."""

    text: str = ""
    at: Moment | None = None


class Explanation(Resource, kw_only=True, frozen=True):
    """Why something is where it is: as a tree, the leaves that hold it up, and what happens next."""

    why: Node
    blocking: list[Node] = []
    next: Next = Next()


class Statistics(msgspec.Struct, kw_only=True, frozen=True):
    """Tasks of a tree of executions by their states. `estimated_time` in seconds, -1 for not known."""

    total_tasks_count: int = 0
    running_tasks_count: int = 0
    success_tasks_count: int = 0
    error_tasks_count: int = 0
    idle_tasks_count: int = 0
    paused_tasks_count: int = 0
    estimated_time: int | None = None


class ReportedAction(msgspec.Struct, kw_only=True, frozen=True):
    """An action execution in a report."""

    id: str
    name: str = ""
    state: str = ""
    state_info: str | None = None
    accepted: bool = False


class ReportedTask(msgspec.Struct, kw_only=True, frozen=True):
    """A task execution in a report."""

    id: str
    name: str = ""
    state: str = ""
    state_info: str | None = None
    retry_count: int = 0
    action_executions: list[ReportedAction] = []
    workflow_executions: list[ReportedExecution] = []


class ReportedExecution(msgspec.Struct, kw_only=True, frozen=True):
    """A workflow execution in a report."""

    id: str
    name: str = ""
    state: str = ""
    state_info: str | None = None
    task_executions: list[ReportedTask] = []


class Report(Resource, kw_only=True, frozen=True):
    """How many tasks are in which state, and the tree of what has run (None: only statistics were asked)."""

    statistics: Statistics
    root_workflow_execution: ReportedExecution | None = None


class Evaluation(Resource, kw_only=True, frozen=True):
    """What an expression is."""

    result: Json = None
    warnings: list[str] = []


class Process(Resource, kw_only=True, frozen=True):
    """A process that works for the service, in one of its roles (`type`)."""

    id: str = ""
    name: str = ""
    type: str = ""
    address: str | None = None


class Maintenance(Resource, kw_only=True, frozen=True):
    """Whether the service runs ("RUNNING"), comes to rest ("PAUSING") or rests ("PAUSED")."""

    status: str = ""
