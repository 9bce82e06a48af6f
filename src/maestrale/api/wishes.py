"""The JSON bodies of requests, as types: what clients may send.

Where one is read, `attributes` gives the names that are known there; their values are checked one by one,
with messages that name them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from maestrale.api.objects import ActionState

Document = dict[str, Any] | str | None
"""An object, or a text that holds one as JSON."""

Visibility = Literal["private", "public"]
Environment = Annotated[
    dict[str, Any] | str | None,
    Meta(description="A map (also as JSON in a text), or the name of a stored environment."),
]


class Wish(msgspec.Struct, forbid_unknown_fields=True):
    """A body. Whatever may be left out may be null as well."""


def attributes(wish: type[msgspec.Struct]) -> tuple[str, ...]:
    """The names that a body may have."""
    return wish.__struct_fields__


class ExecutionStart(Wish):
    """Which workflow to start, and with what. Read-only attributes of an execution are ignored."""

    workflow_id: Annotated[str | None, Meta(description="The workflow by its id, or by its name.")] = None
    workflow_name: str | None = None
    workflow_namespace: str | None = None
    input: Document = None
    params: Annotated[
        Document,
        Meta(description="`env`, `evaluate_env`, `notify`, `task_name`; other names are kept as they are."),
    ] = None
    description: str | None = None
    id: Annotated[
        str | None,
        Meta(description="A chosen id. If there is an execution with this id, that one is the answer."),
    ] = None
    source_execution_id: Annotated[
        str | None, Meta(description="An execution to copy: what is not given comes from it.")
    ] = None


class ExecutionUpdate(Wish):
    """A new state, or a description, or (in `params`) a new `env`. Read-only attributes are ignored."""

    state: Annotated[
        Literal["RUNNING", "PAUSED", "SUCCESS", "ERROR", "CANCELLED"] | None,
        Meta(description="RUNNING resumes, PAUSED pauses, the others stop the execution."),
    ] = None
    state_info: str | None = None
    description: str | None = None
    params: Annotated[Document, Meta(description="`env` is merged into what the execution has.")] = None


class TaskUpdate(Wish):
    """Run a failed task again, or skip it. Read-only attributes of a task are ignored."""

    state: Annotated[Literal["RUNNING", "SKIPPED"] | None, Meta(description="It must be there.")] = None
    reset: Annotated[
        bool, Meta(description="Run all items again, not only those that failed; must be there for RUNNING.")
    ] = True
    env: Environment = None
    name: Annotated[str | None, Meta(description="If given, it must be the task's.")] = None
    workflow_name: Annotated[str | None, Meta(description="If given, it must be the task's.")] = None


class TaskRestart(Wish):
    """How to run a finished execution again from a task."""

    env: Environment = None
    dry_run: Annotated[bool, Meta(description="Only say what would run again.")] = False


class ActionRun(Wish):
    """Which action to run, and with what. Read-only attributes of an action execution are ignored."""

    name: Annotated[str, Meta(min_length=1)]
    input: Document = None
    workflow_namespace: Annotated[str | None, Meta(description="Where an ad-hoc action is looked up.")] = None
    description: str | None = None
    params: Annotated[
        Document,
        Meta(
            description="`save_result`: store it and answer at once; `run_sync`: wait for its end; `target`, "
            "`timeout` in seconds. Others are ignored."
        ),
    ] = None


class ActionUpdate(Wish):
    """The end of an asynchronous action, or a pause. Read-only attributes are ignored."""

    state: ActionState | None = None
    output: Annotated[Any, Meta(description="Its result: any JSON, also as a text that holds JSON.")] = None


class EnvironmentChange(Wish):
    """An environment; in updates, what is missing stays as it is."""

    name: Annotated[str | None, Meta(description="Which one, unless the path says so.")] = None
    description: str | None = None
    variables: Annotated[Document, Meta(description="They take the place of all that was there.")] = None
    scope: Visibility | None = None


class CronTriggerStart(Wish):
    """Which workflow to start, and when: `pattern`, `first_execution_time`, or both."""

    name: str | None = None
    workflow_name: str | None = None
    workflow_id: str | None = None
    workflow_input: Document = None
    workflow_params: Document = None
    pattern: Annotated[
        str | None, Meta(description="As cron has them, in UTC.", examples=["*/5 * * * *", "@daily"])
    ] = None
    first_execution_time: Annotated[
        str | None, Meta(description="In UTC, to the minute.", examples=["2030-01-31 08:15"])
    ] = None
    remaining_executions: Annotated[int | str | None, Meta(description="How many; null for no end.")] = None
    scope: Visibility | None = None


class EventTriggerStart(Wish):
    """Which workflow to start, and for which message."""

    workflow_id: str
    exchange: str
    topic: str
    event: str
    name: str | None = None
    workflow_input: Document = None
    workflow_params: Document = None
    scope: Visibility | None = None


class EventTriggerUpdate(Wish):
    """What may change of an event trigger; what is missing stays as it is."""

    name: str | None = None
    workflow_id: str | None = None
    workflow_input: Document = None
    workflow_params: Document = None
    scope: Visibility | None = None


class DynamicActionChange(Wish):
    """A dynamic action: which class of which code source. Read-only attributes are ignored."""

    id: Annotated[str | None, Meta(description="In updates: which one; else `name` says it.")] = None
    name: str | None = None
    class_name: str | None = None
    code_source_id: str | None = None
    code_source_name: str | None = None
    scope: Visibility | None = None
    namespace: str | None = None


class MemberOffer(Wish):
    """With whom to share. Read-only attributes of a member are ignored."""

    member_id: Annotated[str, Meta(description="The project.", min_length=1)]


class MemberAnswer(Wish):
    """What the other project says. Read-only attributes of a member are ignored."""

    status: Literal["pending", "accepted", "rejected"]


class MaintenanceChange(Wish):
    """PAUSED begins maintenance, RUNNING ends it."""

    status: Literal["PAUSED", "RUNNING"]


class Question(Wish):
    """An expression, and what it sees."""

    expression: Annotated[str, Meta(min_length=1, examples=["<% $.name.toUpper() %>"])]
    data: Annotated[Any, Meta(description="The value of `$` and `_`.")] = msgspec.UNSET
    task_execution_id: Annotated[str | None, Meta(description="The task that it is tried at.")] = None
