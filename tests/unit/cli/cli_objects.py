"""Objects as the API shows them."""

from __future__ import annotations

import json
from typing import Any, Final

WORKFLOW: Final[dict[str, Any]] = {
    "id": "641271da-0000-4000-8000-000000000001",
    "name": "hello_world",
    "namespace": "",
    "input": "",
    "interface": '{"input": [], "output": []}',
    "definition": "version: '2.0'\nhello_world:\n  tasks:\n    say_hello:\n      action: std.noop\n",
    "checksum": "012d93",
    "tags": [],
    "scope": "private",
    "project_id": "<default-project>",
    "created_at": "2026-11-23 20:09:36",
    "updated_at": None,
}
TAGGED: Final = WORKFLOW | {
    "id": "641271da-0000-4000-8000-000000000002",
    "name": "größe.日本語",
    "input": 'x, y="2", a_rather_long_name="None", z="1"',
    "tags": ["one", "two", "a tag that is long", "and another"],
    "updated_at": "2026-11-23 20:10:00",
}
CREATED: Final = {name: value for name, value in WORKFLOW.items() if name != "updated_at"}

EXECUTION: Final[dict[str, Any]] = {
    "id": "123e4567-e89b-12d3-a456-426655440000",
    "workflow_id": WORKFLOW["id"],
    "workflow_name": "hello_world",
    "workflow_namespace": "",
    "description": "",
    "tags": [],
    "params": '{"namespace": "", "env": {}}',
    "task_execution_id": None,
    "root_execution_id": None,
    "state": "SUCCESS",
    "state_info": None,
    "input": "{}",
    "output": json.dumps({"output": "Hello Workflow!”", "n": [1, 2.5, None, {"a": {}}], "e": []}),
    "created_at": "2026-11-23 20:09:36",
    "updated_at": "2026-11-23 20:09:38",
    "project_id": "<default-project>",
    "published_global": "{}",
}
FAILED: Final = EXECUTION | {
    "id": "123e4567-e89b-12d3-a456-426655440001",
    "state": "ERROR",
    "description": 'several\nlines, "quoted" text\tand a tab',
    "state_info": "Failure caused by error in tasks: t1\n\n  t1 [id=x] -> The action raised an exception\r\n"
    "    with a line of so many characters that it wraps somewhere in a narrow terminal",
    "root_execution_id": "aaaaaaaa-e89b-12d3-a456-426655440001",
    "task_execution_id": "bbbbbbbb-e89b-12d3-a456-426655440001",
    "updated_at": "2026-11-25 21:09:38",
}
TASK: Final[dict[str, Any]] = {
    "id": "c0ffee00-0000-4000-8000-000000000001",
    "name": "say_hello",
    "type": "ACTION",
    "workflow_name": "hello_world",
    "workflow_namespace": "",
    "workflow_id": WORKFLOW["id"],
    "workflow_execution_id": EXECUTION["id"],
    "tags": [],
    "state": "SUCCESS",
    "state_info": None,
    "result": '"Hello"',
    "published": '{"output": "x"}',
    "published_global": '{"g": 1}',
    "processed": True,
    "created_at": "2026-11-23 20:09:36",
    "updated_at": "2026-11-23 20:09:36",
    "started_at": "2026-11-23 20:09:36",
    "finished_at": "2026-11-23 20:09:37",
}
WAITING: Final = TASK | {
    "id": "c0ffee00-0000-4000-8000-000000000002",
    "state": "WAITING",
    "started_at": None,
    "finished_at": None,
    "state_info": "x" * 40,
}
ACTION_EXECUTION: Final[dict[str, Any]] = {
    "id": "acc00000-0000-4000-8000-000000000001",
    "name": "std.echo",
    "workflow_name": "hello_world",
    "workflow_namespace": "",
    "task_name": "say_hello",
    "task_execution_id": TASK["id"],
    "state": "SUCCESS",
    "state_info": None,
    "tags": [],
    "accepted": True,
    "input": '{"output": "x"}',
    "output": '{"result": "x"}',
    "created_at": "2026-11-23 20:09:36",
    "updated_at": None,
}
ACTION: Final[dict[str, Any]] = {
    "id": "std.echo",
    "name": "std.echo",
    "is_system": True,
    "input": "output, delay=0",
    "description": "Says what it is told: a text that is long\nand has lines",
    "tags": None,
    "definition": "",
    "scope": None,
    "created_at": "",
    "updated_at": "",
    "namespace": "",
}
AD_HOC: Final = ACTION | {
    "id": "ad0c0000-0000-4000-8000-000000000001",
    "name": "greet",
    "is_system": False,
    "input": 'name, mark="!", a_rather_long_name=null',
    "description": None,
    "tags": ["one", "two", "a tag that is long"],
    "definition": "version: '2.0'\ngreet:\n  base: std.echo output=1\n",
    "scope": "private",
    "created_at": "2026-11-23 20:09:36",
    "updated_at": None,
}
CREATED_ACTION: Final = {name: value for name, value in AD_HOC.items() if value is not None} | {
    "description": "what it does"
}
WORKBOOK: Final[dict[str, Any]] = {
    "id": "b0000000-0000-4000-8000-000000000001",
    "name": "book",
    "namespace": "",
    "definition": "version: '2.0'\nname: book\n",
    "tags": ["one", "two", "a tag that is long"],
    "scope": "private",
    "project_id": "<default-project>",
    "created_at": "2026-11-23 20:09:36",
    "updated_at": None,
}
CREATED_WORKBOOK: Final = {name: value for name, value in WORKBOOK.items() if value is not None} | {
    "tags": []
}
ENVIRONMENT: Final[dict[str, Any]] = {
    "id": "e0000000-0000-4000-8000-000000000001",
    "name": "staging",
    "description": None,
    "variables": '{"host": "größe", "ports": [80, {"tls": true}], "none": null}',
    "scope": "private",
    "project_id": "<default-project>",
    "created_at": "2026-11-23 20:09:36",
    "updated_at": None,
}
CREATED_ENVIRONMENT: Final = {name: value for name, value in ENVIRONMENT.items() if value is not None}
CODE_SOURCE: Final[dict[str, Any]] = {
    "id": "c0de0000-0000-4000-8000-000000000001",
    "name": "m",
    "namespace": "",
    "content": "x = 'größe'\n",
    "version": 1,
    "scope": "private",
    "project_id": "<default-project>",
    "created_at": "2026-11-23 20:09:36",
    "updated_at": None,
}
DYNAMIC_ACTION: Final[dict[str, Any]] = {
    "id": "d0de0000-0000-4000-8000-000000000001",
    "name": "greet",
    "namespace": "",
    "class_name": "Greet",
    "code_source_id": CODE_SOURCE["id"],
    "code_source_name": "m",
    "scope": "private",
    "project_id": "<default-project>",
    "created_at": "2026-11-23 20:09:36",
    "updated_at": None,
}
REPORT: dict[str, Any] = {
    "statistics": {
        "total_tasks_count": 4,
        "success_tasks_count": 1,
        "error_tasks_count": 2,
        "running_tasks_count": 1,
        "idle_tasks_count": 0,
        "paused_tasks_count": 0,
        "estimated_time": 60,
    },
    "root_workflow_execution": FAILED
    | {
        "name": "outer",
        "task_executions": [
            TASK | {"action_executions": [ACTION_EXECUTION], "workflow_executions": []},
            TASK
            | {
                "name": "call",
                "state": "ERROR",
                "state_info": FAILED["state_info"],
                "retry_count": 2,
                "action_executions": [],
                "workflow_executions": [
                    EXECUTION | {"name": "inner", "task_executions": [WAITING | {"action_executions": []}]},
                ],
            },
            TASK
            | {
                "state": "ERROR",
                "state_info": None,
                "action_executions": [ACTION_EXECUTION | {"state": "ERROR", "state_info": "lost"}],
            },
        ],
    },
}

CRON_TRIGGER: Final[dict[str, Any]] = {
    "id": "42b2b9e2-0000-4000-8000-000000000001",
    "name": "nightly",
    "workflow_name": "hello_world",
    "workflow_id": WORKFLOW["id"],
    "workflow_input": '{"x": "größe"}',
    "workflow_params": '{"env": {"host": "größe", "ports": [80]}}',
    "scope": "private",
    "pattern": "0 3 * * *",
    "remaining_executions": None,
    "first_execution_time": None,
    "next_execution_time": "2026-11-24 03:00:00",
    "project_id": "<default-project>",
    "created_at": "2026-11-23 20:09:36",
    "updated_at": None,
}
CREATED_CRON_TRIGGER: Final = {n: v for n, v in CRON_TRIGGER.items() if n != "updated_at"}
COUNTED: Final = CRON_TRIGGER | {
    "name": "counted",
    "workflow_params": "{}",
    "remaining_executions": 3,
    "updated_at": "2026-11-23 20:10:00",
}

EVENT_TRIGGER: Final[dict[str, Any]] = {
    "id": "42b2b9e2-0000-4000-8000-000000000002",
    "name": "on_create",
    "workflow_id": WORKFLOW["id"],
    "workflow_input": "{}",
    "workflow_params": "{}",
    "exchange": "nova",
    "topic": "notifications",
    "event": "compute.instance.create.end",
    "scope": "private",
    "project_id": "<default-project>",
    "created_at": "2026-11-23 20:09:36",
    "updated_at": None,
}
CREATED_EVENT_TRIGGER: Final = {n: v for n, v in EVENT_TRIGGER.items() if n != "updated_at"}
MEMBER: Final = {
    "id": "f2f0f0f1-0c0b-4a7c-8f4c-7f1f8a4f0a11",
    "resource_id": "w",
    "resource_type": "workflow",
    "project_id": "blue",
    "member_id": "green",
    "status": "pending",
    "created_at": "2026-11-28 10:00:00",
    "updated_at": None,
}
ACCEPTED: Final = MEMBER | {"status": "accepted", "updated_at": "2026-11-28 10:05:00"}
