"""Telling whoever asked (`params.notify`, the log) that something is in another state."""

from __future__ import annotations

from typing import Final

from maestrale.engine.decision import Decision
from maestrale.engine.effects import Notify, Trace
from maestrale.engine.execution import Cause, Child, TaskExecution
from maestrale.model import notifications as names
from maestrale.model import states
from maestrale.model.notifications import Publisher
from maestrale.model.values import Json, masked, timestamp_text

_WORKFLOW_EVENTS: Final = {
    states.SUCCESS: names.WORKFLOW_SUCCEEDED,
    states.ERROR: names.WORKFLOW_FAILED,
    states.CANCELLED: names.WORKFLOW_CANCELLED,
    states.PAUSED: names.WORKFLOW_PAUSED,
}
_TASK_EVENTS: Final = {
    states.SUCCESS: names.TASK_SUCCEEDED,
    states.ERROR: names.TASK_FAILED,
    states.CANCELLED: names.TASK_CANCELLED,
    states.PAUSED: names.TASK_PAUSED,
    states.SKIPPED: names.TASK_SKIPPED,
}
_ENDED: Final = (states.ERROR, states.SUCCESS)


def workflow_changed(decision: Decision, before: str | None) -> None:
    """Note that the workflow has gone from the state `before` (None: it has just begun) to another one."""
    workflow = decision.draft.workflow
    if workflow.state == before:
        return
    if decision.limits.traces:
        _trace(decision, None, before, workflow.state, workflow.state_info)
    if not workflow.params.get("notify"):
        return
    if workflow.state != states.RUNNING:
        event = _WORKFLOW_EVENTS[workflow.state]
    elif before == states.PAUSED:
        event = names.WORKFLOW_RESUMED
    else:
        event = names.WORKFLOW_RERUN if before in _ENDED else names.WORKFLOW_LAUNCHED
    data: dict[str, Json] = {
        "id": workflow.id,
        "name": workflow.name,
        "workflow_name": workflow.name,
        "workflow_namespace": workflow.namespace,
        "workflow_id": workflow.workflow_id,
        "state": workflow.state,
        "state_info": workflow.state_info,
        "project_id": workflow.project_id,
        "task_execution_id": workflow.parent_task_id,
        "root_execution_id": None if workflow.root_id == workflow.id else workflow.root_id,
        "created_at": timestamp_text(workflow.created_at),
        "updated_at": timestamp_text(workflow.updated_at),
    }
    _notify(decision, event, data)


def task_changed(decision: Decision, task: TaskExecution, before: str, why: Cause | None) -> None:
    """Note that a task has gone from the state `before`, in which it was because of `why`, to another one."""
    workflow = decision.draft.workflow
    if task.state == before:
        return
    if decision.limits.traces:
        _trace(decision, task, before, task.state, task.state_info)
    if not workflow.params.get("notify"):
        return
    event = _launched(task, before, why) if task.state == states.RUNNING else _TASK_EVENTS.get(task.state)
    if event is None:
        return
    starts = before == states.IDLE and task.state == states.RUNNING
    data: dict[str, Json] = {
        "id": task.id,
        "name": task.name,
        "workflow_execution_id": workflow.id,
        "workflow_name": workflow.name,
        "workflow_namespace": workflow.namespace,
        "workflow_id": workflow.workflow_id,
        "state": task.state,
        "state_info": task.state_info,
        "type": task.type,
        "project_id": workflow.project_id,
        "created_at": timestamp_text(task.created_at),
        "updated_at": timestamp_text(task.updated_at),
        "started_at": timestamp_text(decision.now if starts else task.started_at),
        "finished_at": timestamp_text(decision.now) if task.is_completed else None,
    }
    _notify(decision, event, data)


def action_changed(decision: Decision, task: TaskExecution, child: Child, before: str | None) -> None:
    """Note for the log that a child of a task has gone from the state `before` (None: it is new) to another.

    Nobody else can ask for it, and a sub-workflow tells of itself.
    """
    if decision.limits.traces and not child.is_workflow and child.state != before:
        _trace(decision, task, before, child.state, child.state_info, child)


def _launched(task: TaskExecution, before: str, why: Cause | None) -> str | None:
    """What it means that a task is RUNNING now."""
    if before == states.IDLE:
        if (why or {}).get("kind") == "rerun":
            return names.TASK_RERUN
        goes_on = task.is_join or task.runtime.get("paused_before")
        return names.TASK_RESUMED if goes_on else names.TASK_LAUNCHED
    if before in (states.PAUSED, states.WAITING):
        return names.TASK_RESUMED
    kind = (task.cause or {}).get("kind")
    if kind == "skip":  # on its way to SKIPPED
        return None
    if before in _ENDED and kind == "sub-workflow":
        return names.TASK_RERUN
    return names.TASK_LAUNCHED  # a further attempt


def _trace(
    decision: Decision,
    task: TaskExecution | None,
    before: str | None,
    state: str,
    info: str | None,
    child: Child | None = None,
) -> None:
    workflow = decision.draft.workflow
    which = None if task is None else (task.name, task.id)
    action = None if child is None else (child.name, child.id)
    decision.draft.effects.append(Trace(workflow.name, workflow.id, which, before, state, info, action))


def _notify(decision: Decision, event: str, data: dict[str, Json]) -> None:
    publishers = _wanting(decision.draft.workflow.params["notify"], event)
    if publishers:
        told = masked({**data, "sequence": decision.identity.next_order()})
        decision.draft.effects += [
            Notify(decision.identity.next_id(), event, told, publisher) for publisher in publishers
        ]


def _wanting(publishers: Json, event: str) -> list[Publisher]:
    """Those who want to know of this event; what is no publisher is passed over."""
    if not isinstance(publishers, list):
        return []
    found = []
    for publisher in publishers:
        if isinstance(publisher, dict):
            events = publisher.get("event_types")
            if not events or (isinstance(events, list) and event in events):
                found.append(publisher)
    return found
