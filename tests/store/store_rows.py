"""Rows of executions as a commit writes them, without an engine."""

from __future__ import annotations

from typing import Any

from maestrale.store.rows import ExecutionRows

Row = dict[str, Any]


def execution(key: str, **changed: Any) -> ExecutionRows:
    """A new execution that has one task with one action. `changed`: columns of workflow_executions."""
    workflow: Row = {
        "id": key,
        "project_id": "p",
        "scope": "private",
        "name": "wf",
        "namespace": "",
        "workflow_id": None,
        "workbook": "",
        "definition_hash": "h",
        "root_id": key,
        "parent_id": None,
        "parent_task_id": None,
        "item_index": None,
        "attempt": 0,
        "state": "RUNNING",
        "state_info": None,
        "cause": None,
        "input": "{}",
        "params": "{}",
        "variables": "{}",
        "globals": "{}",
        "output": None,
        "backlog": None,
        "cascades": None,
        "description": None,
        "tags": "[]",
        "accepted": False,
        "security_context": None,
        "caller": None,
        "created_at": 1,
        "updated_at": None,
        "finished_at": None,
    } | changed
    return ExecutionRows(
        execution_id=key,
        root_id=workflow["root_id"],
        old_version=None,
        old_owner=None,
        is_new=True,
        head=head(key, root_id=workflow["root_id"]),
        workflow=workflow,
        new_tasks=[task(f"{key}-t", key, project_id=workflow["project_id"])],
        new_actions=[action(f"{key}-a", key)],
    )


def head(key: str, **changed: Any) -> Row:
    """A row of execution_heads."""
    row = {
        "id": key,
        "version": 1,
        "owner": None,
        "alarm_at": None,
        "project_id": "p",
        "root_id": key,
        "next_sequence": 1,
        "open_tasks": 1,
        "ready": None,
        "control_epoch": 0,
        "seed": "s",
        "deleting": False,
    }
    return row | changed


def task(key: str, execution_id: str, **changed: Any) -> Row:
    """A row of task_executions."""
    row = {
        "id": key,
        "execution_id": execution_id,
        "sequence": 1,
        "name": "t",
        "type": "ACTION",
        "state": "RUNNING",
        "state_info": None,
        "cause": None,
        "triggered_by": "[]",
        "next_tasks": None,
        "published": None,
        "published_global": None,
        "checkpoint": None,
        "runtime": "{}",
        "items": None,
        "tags": "[]",
        "due_at": None,
        "timeout_at": None,
        "items_count": None,
        "items_next": 0,
        "items_done": 0,
        "items_failed": 0,
        "is_join": False,
        "live": True,
        "processed": False,
        "error_handled": False,
        "created_at": 1,
        "updated_at": None,
        "started_at": None,
        "finished_at": None,
        "project_id": "p",
    }
    return row | changed


def action(key: str, execution_id: str, **changed: Any) -> Row:
    """A row of action_executions."""
    row = {
        "id": key,
        "execution_id": execution_id,
        "task_id": f"{execution_id}-t",
        "item_index": None,
        "attempt": 0,
        "project_id": "p",
        "name": "std.noop",
        "namespace": "",
        "target": None,
        "state": "RUNNING",
        "state_info": None,
        "accepted": False,
        "queued": True,
        "repeatable": False,
        "waits_outside": False,
        "executor": None,
        "timeout": None,
        "input": "{}",
        "output": None,
        "description": None,
        "tags": "[]",
        "created_at": 1,
        "updated_at": None,
        "adhoc": None,
    }
    return row | changed
