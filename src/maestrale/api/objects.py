"""The objects that the API shows, as types: what clients may rely on.

Rows come from the store with the names of these fields, and `resources.py` gives their values the form
that the types tell. Lists leave heavy fields out, and `fields` chooses, so only `always` are always there.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

Id = Annotated[str, Meta(description="A UUID.", examples=["1f7e0a52-3c0d-4b4f-9f55-5d3f2a9d7c11"])]
Time = Annotated[
    str,
    Meta(
        description="In UTC, to the second.",
        pattern=r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}$",
        examples=["2027-01-31 08:15:00"],
    ),
]
JsonText = Annotated[
    str,
    Meta(
        description="A text that holds JSON: read it as JSON once more.",
        examples=['{"name": "Ada"}'],
        extra_json_schema={"contentMediaType": "application/json"},
    ),
]
Visibility = Annotated[
    Literal["private", "public"], Meta(description="Who sees it: its project only, or all of them.")
]
Project = Annotated[str, Meta(description="The project that it belongs to.", examples=["<default-project>"])]
Namespace = Annotated[str, Meta(description="Its namespace; the default one has an empty name.")]
Tags = Annotated[list[str], Meta(description="As the definition names them.", examples=[["nightly"]])]
Info = Annotated[str, Meta(description="Why it is in its state, in words.")]
Name = Annotated[str, Meta(examples=["greet"])]
Text = Annotated[str, Meta(description="As it was uploaded.")]
WorkflowState = Literal["IDLE", "RUNNING", "PAUSED", "SUCCESS", "ERROR", "CANCELLED"]
TaskState = Literal[
    "IDLE", "WAITING", "RUNNING", "DELAYED", "PAUSED", "SUCCESS", "ERROR", "CANCELLED", "SKIPPED"
]
ActionState = Literal["RUNNING", "PAUSED", "SUCCESS", "ERROR", "CANCELLED"]


class Shown(msgspec.Struct):
    """An object in answers. `always`: the fields that are never left out; None for all of them."""

    always: ClassVar[tuple[str, ...] | None] = ("id",)


class Workbook(Shown):
    """Workflows and ad-hoc actions in one text."""

    id: Id
    name: Name
    namespace: Namespace
    definition: Text
    tags: Tags
    scope: Visibility
    project_id: Project
    created_at: Time
    updated_at: Time | None


class Workflow(Shown):
    """A stored workflow."""

    id: Id
    name: Name
    namespace: Namespace
    input: Annotated[str, Meta(description="Its input for people.", examples=['name, greeting="Hello"'])]
    interface: Annotated[JsonText, Meta(description="The names of its input and output, as JSON in a text.")]
    definition: Text
    checksum: Annotated[str | None, Meta(description="MD5 of the text; null for members of a workbook.")]
    tags: Tags
    scope: Visibility
    project_id: Project
    created_at: Time
    updated_at: Time | None


class Interface(Shown):
    """What goes into a workflow, and what comes out."""

    input: Annotated[list[Any], Meta(description="Names, or maps of a name to its default.")]
    output: list[str]

    always = None


class UploadedWorkflow(Workflow):
    """A workflow in the answer to an upload."""

    interface: Interface  # type: ignore[assignment]  # clients know it as an object here


class Action(Shown):
    """An action: built in, ad-hoc, or dynamic."""

    id: Annotated[str, Meta(description="A UUID, or the name of a built-in one.", examples=["std.echo"])]
    name: Annotated[str, Meta(examples=["std.echo"])]
    namespace: Namespace
    is_system: Annotated[bool, Meta(description="Whether it is built in.")]
    input: Annotated[str, Meta(description="Its input for people.", examples=["output, delay=0"])]
    description: str | None
    tags: Tags | None
    definition: Text
    scope: Visibility | None
    project_id: Project | None
    created_at: Annotated[str | None, Meta(description="In UTC, to the second; empty for built-in ones.")]
    updated_at: Annotated[str | None, Meta(description="In UTC, to the second; empty for built-in ones.")]


class Environment(Shown):
    """Variables with a name, for `params.env` of executions."""

    id: Id
    name: Name
    description: str | None
    variables: JsonText
    scope: Visibility
    project_id: Project
    created_at: Time
    updated_at: Time | None


class Execution(Shown):
    """A workflow execution."""

    id: Annotated[str, Meta(description="A UUID, or what the client chose.", examples=["nightly-2027-01-31"])]
    workflow_id: str | None
    workflow_name: Name
    workflow_namespace: Namespace
    description: str | None
    tags: Tags
    params: JsonText
    task_execution_id: Annotated[str | None, Meta(description="The task that started it; null for roots.")]
    root_execution_id: Annotated[str | None, Meta(description="The root of its tree; null for roots.")]
    state: WorkflowState
    state_info: Info | None
    input: JsonText
    output: JsonText | None
    created_at: Time
    updated_at: Time | None
    project_id: Project
    published_global: JsonText


class Task(Shown):
    """A task execution."""

    id: Id
    name: Name
    type: Literal["ACTION", "WORKFLOW"]
    workflow_name: Name
    workflow_namespace: Namespace
    workflow_id: str | None
    workflow_execution_id: str
    tags: Tags
    state: TaskState
    state_info: Info | None
    project_id: Project
    runtime_context: JsonText
    published: JsonText | None
    processed: Annotated[bool, Meta(description="Whether what follows it has been decided.")]
    created_at: Time
    updated_at: Time | None
    started_at: Time | None
    finished_at: Time | None
    result: JsonText | None
    published_global: JsonText | None


class ActionExecution(Shown):
    """An action execution, of a task or by itself."""

    id: Annotated[str | None, Meta(description="A UUID; null for what ran at once and was not stored.")]
    workflow_name: str | None
    workflow_namespace: str | None
    task_execution_id: str | None
    task_name: str | None
    state: ActionState
    state_info: Info | None
    tags: Tags
    name: Annotated[str, Meta(description="The action.", examples=["std.echo"])]
    description: str | None
    project_id: Project
    accepted: Annotated[bool, Meta(description="Whether its result counts.")]
    input: JsonText
    output: JsonText | None
    created_at: Time | None
    updated_at: Time | None


class CronTrigger(Shown):
    """Starts a workflow at set times."""

    id: Id
    name: Name
    workflow_name: Name
    workflow_id: Id
    workflow_input: JsonText
    workflow_params: JsonText
    scope: Visibility
    pattern: Annotated[str | None, Meta(description="When, in UTC.", examples=["0 3 * * *"])]
    remaining_executions: Annotated[int | None, Meta(description="null: without end.")]
    first_execution_time: Time | None
    next_execution_time: Time | None
    last_error: Annotated[str | None, Meta(description="Why the last start failed; absent if it did not.")]
    project_id: Project
    created_at: Time
    updated_at: Time | None


class EventTrigger(Shown):
    """Is to start a workflow when a message comes."""

    id: Id
    name: str | None
    workflow_id: Id
    workflow_input: JsonText
    workflow_params: JsonText
    exchange: str
    topic: str
    event: str
    scope: Visibility
    project_id: Project
    created_at: Time
    updated_at: Time | None


class CodeSource(Shown):
    """A Python text with classes that can become actions."""

    id: Id
    name: Name
    namespace: Namespace
    content: Text
    version: Annotated[int, Meta(description="1, and one more with each update.", ge=1)]
    scope: Visibility
    project_id: Project
    created_at: Time
    updated_at: Time | None


class DynamicAction(Shown):
    """A class of a code source as an action."""

    id: Id
    name: Name
    namespace: Namespace
    class_name: str
    code_source_id: Id
    code_source_name: str
    scope: Visibility
    project_id: Project
    created_at: Time
    updated_at: Time | None


class Member(Shown):
    """A project with which a workflow is shared."""

    id: Id
    resource_id: Annotated[Id, Meta(description="The workflow.")]
    resource_type: Literal["workflow"]
    project_id: Annotated[str, Meta(description="The project of the owner.")]
    member_id: Annotated[str, Meta(description="The project that it is shared with.")]
    status: Literal["pending", "accepted", "rejected"]
    created_at: Time
    updated_at: Time | None
