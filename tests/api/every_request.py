"""Every request that the API takes, with the rules of access that it is held to."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from api_service import NOBODY

WORKFLOW: Final = "version: '2.0'\nruled:\n  tasks: {t: {action: std.noop}}\n"
ACTION: Final = "version: '2.0'\nruled:\n  base: std.noop\n"
WORKBOOK: Final = "version: '2.0'\nname: ruled\nworkflows: {w: {tasks: {t: {action: std.noop}}}}\n"


class Asked(NamedTuple):
    """A request and the rules that it is held to. `path`: with the names of its parts."""

    method: str
    path: str
    rules: tuple[str, ...]
    given: Mapping[str, Any] = MappingProxyType({})


def asked(line: str, *rules: str, **given: Any) -> Asked:
    method, path = line.split()
    return Asked(method, path, rules, given)


def collection(path: str, kind: str, text: str, *, item: str) -> list[Asked]:
    """What can be asked of definitions that are uploaded as text."""
    public = (f"{kind}:create", f"{kind}:publicize")
    return [
        asked(f"GET {path}", f"{kind}:list"),
        asked(f"POST {path}", f"{kind}:create", content=text),
        asked(f"POST {path}", *public, content=text, params={"scope": "public", "namespace": "public"}),
        asked(f"PUT {path}", f"{kind}:update", content=text),
        asked(f"PUT {path}", f"{kind}:update", f"{kind}:publicize", content=text, params={"scope": "public"}),
        asked(f"DELETE {path}"),
        asked(f"POST {path}/validate", content=text),
        asked(f"GET {path}/{item}", f"{kind}:get"),
        asked(f"DELETE {path}/{item}", f"{kind}:delete"),
    ]


EXPRESSION: Final = {"expression": "<% 1 %>"}
CRON: Final = {"name": "c", "workflow_name": "none", "pattern": "@daily"}
EVENT: Final = {"workflow_id": NOBODY, "exchange": "e", "topic": "t", "event": "e"}


SOURCE: Final = {"content": "class Greet: pass\n", "params": {"name": "s"}}
DYNAMIC: Final = {"name": "d", "class_name": "Greet", "code_source_id": NOBODY}


def uploaded(path: str, kind: str, new: Mapping[str, Any]) -> list[Asked]:
    """What can be asked of code sources and of dynamic actions, besides changes."""
    place = "params" if "params" in new else "json"
    public = {**new, place: {**new[place], "scope": "public", "name": "public"}}
    return [
        asked(f"GET {path}", f"{kind}:list"),
        asked(f"POST {path}", f"{kind}:create", **new),
        asked(f"POST {path}", f"{kind}:create", f"{kind}:publicize", **public),
        asked(f"DELETE {path}"),
        asked(f"GET {path}/{{identifier:path}}", f"{kind}:get"),
        asked(f"DELETE {path}/{{identifier:path}}", f"{kind}:delete"),
    ]


def triggers(path: str, kind: str, item: str, new: Mapping[str, Any]) -> list[Asked]:
    """What can be asked of both kinds of triggers."""
    public = {**new, "scope": "public"}
    return [
        asked(f"GET {path}", f"{kind}:list"),
        asked(f"GET {path}", f"{kind}:list", f"{kind}:list:all_projects", params={"all_projects": "1"}),
        asked(f"POST {path}", f"{kind}:create", json=new),
        asked(f"POST {path}", f"{kind}:create", f"{kind}:publicize", json=public),
        asked(f"DELETE {path}"),
        asked(f"GET {path}/{item}", f"{kind}:get"),
        asked(f"DELETE {path}/{item}", f"{kind}:delete"),
    ]


TABLE: Final = [
    asked("GET /"),
    asked("GET /v2"),
    asked("GET /v2/"),
    asked("GET /health"),
    asked("GET /healthcheck"),
    asked("GET /ready"),
    asked("GET /openapi.json"),
    asked("GET /v2/openapi.json"),
    asked("GET /docs"),
    asked("GET /info"),
    asked("GET /maintenance"),
    asked("PUT /maintenance", "maintenance:update", json={"status": "RUNNING"}),
    asked("GET /v2/services", "services:list"),
    *collection("/v2/workflows", "workflows", WORKFLOW, item="{identifier}"),
    asked("GET /v2/workflows", "workflows:list", "workflows:list:all_projects", params={"all_projects": "1"}),
    asked("PUT /v2/workflows/{identifier}", "workflows:update", content=WORKFLOW),
    asked("GET /v2/workflows/{id}/members", "members:list"),
    asked("POST /v2/workflows/{id}/members", "members:create", json={"member_id": "p"}),
    asked("PUT /v2/workflows/{id}/members"),
    asked("DELETE /v2/workflows/{id}/members"),
    asked("GET /v2/workflows/{id}/members/{member_id:path}", "members:get"),
    asked("PUT /v2/workflows/{id}/members/{member_id:path}", "members:update", json={"status": "accepted"}),
    asked("DELETE /v2/workflows/{id}/members/{member_id:path}", "members:delete"),
    *collection("/v2/workbooks", "workbooks", WORKBOOK, item="{name:path}"),
    *collection("/v2/actions", "actions", ACTION, item="{identifier}"),
    asked("PUT /v2/actions/{identifier}", "actions:update", content=ACTION),
    asked("GET /v2/actions/{identifier}/{namespace}", "actions:get"),
    asked("PUT /v2/actions/{identifier}/{namespace}", "actions:update", content=ACTION),
    asked("DELETE /v2/actions/{identifier}/{namespace}", "actions:delete"),
    asked("GET /v2/environments", "environments:list"),
    asked("POST /v2/environments", "environments:create", json={"name": "e"}),
    asked("POST /v2/environments", "environments:create", "environments:publicize",
          json={"name": "public", "scope": "public"}),
    asked("PUT /v2/environments", "environments:update", json={"name": "e"}),
    asked("PUT /v2/environments", "environments:update", "environments:publicize",
          json={"name": "e", "scope": "public"}),
    asked("DELETE /v2/environments"),
    asked("GET /v2/environments/{name:path}", "environments:get"),
    asked("PUT /v2/environments/{name:path}", "environments:update", json={}),
    asked("DELETE /v2/environments/{name:path}", "environments:delete"),
    asked("GET /v2/executions", "executions:list"),
    asked("GET /v2/executions", "executions:list", "executions:list:all_projects",
          params={"all_projects": "true"}),
    asked("GET /v2/executions", "executions:list", "executions:list:all_projects",
          params={"project_id": "p"}),
    asked("POST /v2/executions", "executions:create", json={"workflow_name": "none"}),
    asked("PUT /v2/executions"),
    asked("DELETE /v2/executions"),
    asked("GET /v2/executions/{id}", "executions:get"),
    asked("PUT /v2/executions/{id}", "executions:update", json={"description": "d"}),
    asked("DELETE /v2/executions/{id}", "executions:delete"),
    asked("GET /v2/executions/{id}/tasks", "tasks:list"),
    asked("GET /v2/executions/{id}/executions", "executions:get"),
    asked("GET /v2/executions/{id}/report", "executions:get"),
    asked("GET /v2/executions/{id}/why", "executions:get"),
    asked("GET /v2/executions/{id}/events", "executions:get"),
    asked("GET /v2/tasks", "tasks:list"),
    asked("PUT /v2/tasks"),
    asked("DELETE /v2/tasks"),
    asked("GET /v2/tasks/{id}", "tasks:get"),
    asked("PUT /v2/tasks/{id}", "tasks:update", json={"state": "SKIPPED"}),
    asked("POST /v2/tasks/{id}/restart", "tasks:update", json={}),
    asked("POST /v2/tasks/{id}/restart", "tasks:get", json={"dry_run": True}),
    asked("GET /v2/tasks/{id}/action_executions", "action_executions:list"),
    asked("GET /v2/tasks/{id}/action_executions/{action_id}", "action_executions:get"),
    asked("GET /v2/tasks/{id}/workflow_executions", "executions:list"),
    asked("GET /v2/tasks/{id}/executions", "executions:get"),
    asked("GET /v2/tasks/{id}/why", "tasks:get"),
    asked("GET /v2/action_executions", "action_executions:list"),
    asked("POST /v2/action_executions", "action_executions:create", json={"name": "std.noop"}),
    asked("POST /v2/action_executions", "action_executions:create",
          json={"name": "std.noop", "params": {"save_result": True}}),
    asked("PUT /v2/action_executions"),
    asked("DELETE /v2/action_executions"),
    asked("GET /v2/action_executions/{id}", "action_executions:get"),
    asked("PUT /v2/action_executions/{id}", "action_executions:update", json={"state": "SUCCESS"}),
    asked("DELETE /v2/action_executions/{id}", "action_executions:delete"),
    asked("GET /v2/action_executions/{id}/why", "action_executions:get"),
    *uploaded("/v2/code_sources", "code_sources", SOURCE),
    asked("PUT /v2/code_sources", "code_sources:update", content="", params={"identifier": "s"}),
    asked("PUT /v2/code_sources", "code_sources:update", "code_sources:publicize", content="",
          params={"identifier": "s", "scope": "public"}),
    *uploaded("/v2/dynamic_actions", "dynamic_actions", {"json": DYNAMIC}),
    asked("PUT /v2/dynamic_actions", "dynamic_actions:update", json=DYNAMIC),
    asked("PUT /v2/dynamic_actions", "dynamic_actions:update", "dynamic_actions:publicize",
          json=DYNAMIC | {"scope": "public"}),
    *triggers("/v2/cron_triggers", "cron_triggers", "{identifier:path}", CRON),
    *triggers("/v2/event_triggers", "event_triggers", "{identifier}", EVENT),
    asked("PUT /v2/event_triggers"),
    asked("PUT /v2/event_triggers/{identifier}", "event_triggers:update", json={"name": "n"}),
    asked("PUT /v2/event_triggers/{identifier}", "event_triggers:update", "event_triggers:publicize",
          json={"scope": "public"}),
    asked("POST /v2/evaluations", "tasks:get", json=EXPRESSION),
    asked("POST /v2/evaluations", "tasks:get", json=EXPRESSION | {"task_execution_id": NOBODY}),
]  # fmt: skip
"""Every path of the API with every method, and with what makes it ask for more."""
