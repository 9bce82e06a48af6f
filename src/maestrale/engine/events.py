"""Facts that arrived for one workflow execution. Each is stored as it is in mail and decision records."""

from __future__ import annotations

from typing import Literal

import msgspec

from maestrale.model.values import Json


class Event(msgspec.Struct, frozen=True, tag_field="event", omit_defaults=True):
    """Something that happened to, or was asked of, one workflow execution."""


class Started(Event, frozen=True, tag="started"):
    """The execution begins. `input` and `params` are as the caller gave them.

    `environment` is the environment of the root, evaluated already for sub-workflows, raw for roots.
    `security_context`: under which id it is kept in whose name the tree works; `caller`: what expressions may
    know of that.
    """

    workflow_name: str
    definition_hash: str
    workflow_id: str | None = None
    workbook: str = ""
    namespace: str = ""
    project_id: str = ""
    scope: str = "private"
    input: dict[str, Json] = {}
    params: dict[str, Json] = {}
    description: str | None = None
    root_id: str | None = None
    parent_id: str | None = None
    parent_task_id: str | None = None
    item_index: int | None = None
    attempt: int = 0
    security_context: str | None = None
    caller: dict[str, Json] | None = None


class ActionFinished(Event, frozen=True, tag="action-finished"):
    """An action execution ended. `by_user`: told by an outside party, which wants refusals explained."""

    action_id: str
    state: Literal["SUCCESS", "ERROR", "CANCELLED"]
    result: Json = None
    by_user: bool = False


class ActionUpdated(Event, frozen=True, tag="action-updated"):
    """An outside party paused or resumed an action execution."""

    action_id: str
    state: Literal["PAUSED", "RUNNING"]


class SubWorkflowFinished(Event, frozen=True, tag="sub-workflow-finished"):
    """A child ended; `output` is its output map."""

    task_id: str
    execution_id: str
    state: Literal["SUCCESS", "ERROR", "CANCELLED"]
    output: Json = None
    state_info: str | None = None
    item_index: int | None = None
    attempt: int = 0


class SubWorkflowUpdated(Event, frozen=True, tag="sub-workflow-updated"):
    """A child was paused or went on. `cascaded`: because this execution told it to."""

    task_id: str
    execution_id: str
    state: Literal["PAUSED", "RUNNING"]
    cascaded: bool = False


class AlarmDue(Event, frozen=True, tag="alarm-due"):
    """A due time of this execution has come."""


class Continue(Event, frozen=True, tag="continue"):
    """Go on with what the last decision left for later."""


class PauseRequested(Event, frozen=True, tag="pause"):
    """Start nothing more until resumed. `cascaded`: told by the parent, which needs no telling.

    `maintenance`: the whole service is to come to rest.
    """

    cascaded: bool = False
    maintenance: bool = False


class ResumeRequested(Event, frozen=True, tag="resume"):
    """Go on; `environment` is merged into that of the tree first. `cascaded`: told by the parent.

    `maintenance`: it is over; what was paused for another reason stays so.
    """

    environment: dict[str, Json] | None = None
    cascaded: bool = False
    maintenance: bool = False


class StopRequested(Event, frozen=True, tag="stop"):
    """End now in `state`."""

    state: Literal["SUCCESS", "ERROR", "CANCELLED"]
    message: str | None = None


class RerunRequested(Event, frozen=True, tag="rerun"):
    """Run a failed task again; `reset` false repeats only the failed items of with-items."""

    task_id: str
    reset: bool = True
    environment: dict[str, Json] | None = None


class RestartRequested(Event, frozen=True, tag="restart"):
    """Run a finished execution again from any of its tasks; what followed from the task is superseded."""

    task_id: str
    environment: dict[str, Json] | None = None


class SkipRequested(Event, frozen=True, tag="skip"):
    """Take a failed task as done with."""

    task_id: str


class ChildRerun(Event, frozen=True, tag="child-rerun"):
    """A sub-workflow execution of `task_id` was opened again, so this execution is running again too.

    `restarted`: whatever followed from that task in this execution is superseded. `succeeded`: how the
    sub-workflow execution had ended, which its row does not tell any more. `attempt` is the task's for which
    it was started.
    """

    task_id: str
    execution_id: str
    restarted: bool = False
    succeeded: bool = False
    attempt: int = 0


class EnvironmentUpdated(Event, frozen=True, tag="environment"):
    """Merge into the environment, which is one for the whole tree.

    `from_child`, `from_parent`: a relative passes it on, whatever the state is.
    """

    environment: dict[str, Json]
    from_child: bool = False
    from_parent: bool = False


class Described(Event, frozen=True, tag="described"):
    """The description changed."""

    description: str


class DecisionFailed(Event, frozen=True, tag="decision-failed"):
    """Deciding another event failed by a fault of ours; the execution ends visibly instead of hanging."""

    reason: str


AnyEvent = (
    Started
    | ActionFinished
    | ActionUpdated
    | SubWorkflowFinished
    | SubWorkflowUpdated
    | AlarmDue
    | Continue
    | PauseRequested
    | ResumeRequested
    | StopRequested
    | RerunRequested
    | RestartRequested
    | SkipRequested
    | ChildRerun
    | EnvironmentUpdated
    | Described
    | DecisionFailed
)
