"""What the commands of the original clients show of an object: headings, and what the cells hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

Row = dict[str, Any]
NONE = "<none>"
LONGEST = 25
"""Characters of a long text in a list, before its dots."""


def same(name: str) -> Callable[[Row], Any]:
    """The attribute as it is."""
    return lambda row: row.get(name)


def or_none(name: str) -> Callable[[Row], Any]:
    """The attribute; other words for nothing."""
    return lambda row: row.get(name) or NONE


def tags(row: Row) -> str:
    """Tags in one line."""
    return ", ".join(row["tags"] or ()) or NONE


def duration(start: str, end: str, states: tuple[str, ...] = ()) -> Callable[[Row], Any]:
    """How long it took, where it has ended; else the dots of something that goes on."""

    def shown(row: Row) -> Any:
        if not row[start]:
            return ""
        if not row[end] or (states and row["state"] not in states):
            return "..."
        form = "%Y-%m-%d %H:%M:%S"
        return str(datetime.strptime(row[end], form) - datetime.strptime(row[start], form))

    return shown


CREATED = {"Created at": same("created_at"), "Updated at": same("updated_at")}
KINDS: dict[str, dict[str, Callable[[Row], Any]]] = {
    "workbook": {
        "Name": same("name"), "Namespace": same("namespace"), "Tags": tags, "Scope": same("scope"), **CREATED,
    },
    "workflow": {
        "ID": same("id"), "Name": same("name"), "Namespace": same("namespace"),
        "Project ID": same("project_id"), "Tags": tags, "Input": same("input"), "Scope": same("scope"),
        **CREATED,
    },
    "action": {
        "ID": same("id"), "Name": same("name"), "Is system": same("is_system"), "Input": same("input"),
        "Description": same("description"), "Tags": tags, **CREATED,
    },
    "environment": {
        "Name": same("name"), "Description": or_none("description"),
        "Variables": lambda row: json.dumps(json.loads(row["variables"]), indent=4), "Scope": same("scope"),
        "Created at": same("created_at"), "Updated at": or_none("updated_at"),
    },
    "execution": {
        "ID": same("id"), "Workflow ID": same("workflow_id"), "Workflow name": same("workflow_name"),
        "Workflow namespace": same("workflow_namespace"), "Description": same("description"),
        "Task Execution ID": or_none("task_execution_id"), "Root Execution ID": or_none("root_execution_id"),
        "State": same("state"), "State info": same("state_info"), "Created at": same("created_at"),
        "Updated at": or_none("updated_at"),
        "Duration": duration("created_at", "updated_at", ("SUCCESS", "ERROR")),
    },
    "task": {
        "ID": same("id"), "Name": same("name"), "Workflow name": same("workflow_name"),
        "Workflow namespace": same("workflow_namespace"),
        "Workflow Execution ID": same("workflow_execution_id"),
        "State": same("state"), "State info": same("state_info"), "Created at": same("created_at"),
        "Started at": or_none("started_at"), "Finished at": or_none("finished_at"),
        "Duration": duration("started_at", "finished_at"),
    },
    "action_execution": {
        "ID": same("id"), "Name": same("name"), "Workflow name": same("workflow_name"),
        "Workflow namespace": same("workflow_namespace"), "Task name": same("task_name"),
        "Task ID": same("task_execution_id"), "State": same("state"), "State info": same("state_info"),
        "Accepted": same("accepted"), "Created at": same("created_at"), "Updated at": or_none("updated_at"),
    },
    "cron_trigger": {
        "Name": same("name"), "Workflow": same("workflow_name"), "Params": same("workflow_params"),
        "Pattern": same("pattern"), "Next execution time": same("next_execution_time"),
        "Remaining executions": same("remaining_executions"), **CREATED,
    },
    "event_trigger": {
        "ID": same("id"), "Name": same("name"), "Workflow ID": same("workflow_id"),
        "Params": same("workflow_params"), "Exchange": same("exchange"), "Topic": same("topic"),
        "Event": same("event"), **CREATED,
    },
    "member": {
        "Resource ID": same("resource_id"), "Resource Type": same("resource_type"),
        "Resource Owner": same("project_id"), "Member ID": same("member_id"), "Status": same("status"),
        **CREATED,
    },
    "code_source": {
        "ID": same("id"), "Name": same("name"), "Namespace": same("namespace"),
        "Project ID": same("project_id"), "Scope": same("scope"), **CREATED,
    },
    "dynamic_action": {
        "ID": same("id"), "Name": same("name"), "Class": same("class_name"),
        "Code source ID": same("code_source_id"), "Code source name": same("code_source_name"),
        "Project ID": same("project_id"), "Scope": same("scope"), **CREATED,
    },
}  # fmt: skip
CUT = {
    "workflow": ("Input",),
    "action": ("Input", "Description"),
    "execution": ("State info",),
    "task": ("State info",),
}
LEFT_OUT = {"environment": ("Variables",), "action_execution": ("State info",)}
"""What lists cut and leave out."""


def shown(kind: str, row: Row) -> Row:
    """What a command that shows one object shows of it."""
    return {heading: cell(row) for heading, cell in KINDS[kind].items()}


def listed(kind: str, row: Row) -> Row:
    """What a list shows of an object."""
    cells = {name: value for name, value in shown(kind, row).items() if name not in LEFT_OUT.get(kind, ())}
    return cells | {name: _cut(cells[name]) for name in CUT.get(kind, ())}


def _cut(text: Any) -> Any:
    return f"{text[:LONGEST]}..." if text and len(text) > LONGEST else text
