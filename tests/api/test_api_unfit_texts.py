"""Texts that a database might not hold are refused at the door, and not when they have become letters."""

from __future__ import annotations

import json
from typing import Any

import pytest
from api_service import Api, assert_fault

pytest_plugins = ["api_fixtures"]

OUTSIDE = "version: '2.0'\noutside:\n  input: [data: '']\n  tasks: {wait: {action: std.async_noop}}\n"


@pytest.fixture(scope="module")
def waiting(api: Api) -> dict[str, str]:
    """An execution that waits, and its action."""
    api.define(OUTSIDE)
    execution = api.start("outside")["id"]
    task = api.task(execution, "wait", "RUNNING")
    (action,) = api.get(f"/v2/tasks/{task['id']}/action_executions")["action_executions"]
    return {"execution": execution, "task": task["id"], "action": action["id"]}


@pytest.mark.parametrize(
    ("method", "path", "body", "attribute"),
    [
        ("POST", "/v2/executions", {"workflow_name": "outside", "description": "a\0b"}, "description"),
        ("POST", "/v2/executions", {"workflow_name": "out\0side"}, "workflow_name"),
        ("POST", "/v2/executions", {"workflow_name": "outside", "input": {"data": ["\0"]}}, "input"),
        ("POST", "/v2/executions", {"workflow_name": "outside", "input": {"\0": 1}}, "input"),
        ("POST", "/v2/executions", {"workflow_name": "outside", "input": json.dumps(["\0"])}, "input"),
        ("POST", "/v2/executions", {"workflow_name": "outside", "params": {"env": {"e": "\0"}}}, "params"),
        ("PUT", "/v2/executions/{execution}", {"description": "\0"}, "description"),
        ("PUT", "/v2/executions/{execution}", {"state": "ERROR", "state_info": "a\0"}, "state_info"),
        ("PUT", "/v2/executions/{execution}", {"state": "RUNNING", "params": {"env": {"e": "\0"}}}, "params"),
        ("PUT", "/v2/tasks/{task}", {"state": "RUNNING", "reset": True, "env": {"e": "\0"}}, "env"),
        ("PUT", "/v2/tasks/{task}", {"state": "RUNNING", "reset": True, "env": '{"e": "\\u0000"}'}, "env"),
        ("PUT", "/v2/action_executions/{action}", {"state": "ERROR", "output": "a\0"}, "output"),
        ("PUT", "/v2/action_executions/{action}", {"state": "ERROR", "output": json.dumps(["\0"])}, "output"),
        ("POST", "/v2/action_executions", {"name": "std.echo", "input": {"output": "\0"}}, "input"),
        ("POST", "/v2/environments", {"name": "e", "variables": {"v": "\0"}}, "variables"),
    ],
)  # fmt: skip
def test_a_nul_is_refused_before_it_ends_an_execution(
    api: Api, waiting: dict[str, str], method: str, path: str, body: dict[str, Any], attribute: str
) -> None:
    """On every database alike, although one could hold it and another not."""
    answer = api(method, path.format(**waiting), json=body)
    assert_fault(answer, 400, f"Attribute '{attribute}' has a NUL character (U+0000)")
    execution = api.get(f"/v2/executions/{waiting['execution']}")
    assert (execution["state"], execution["description"]) == ("RUNNING", None)
    assert api.task(waiting["execution"], "wait", "RUNNING")


@pytest.mark.parametrize("text", [r"\ud800", r"\ud800\ud800", r"\udc00 "])
def test_half_a_character_is_no_json(api: Api, waiting: dict[str, str], text: str) -> None:
    """Half of a surrogate pair has no bytes in UTF-8, so no database could hold it."""
    content = f'{{"description": "{text}"}}'
    assert_fault(api("PUT", f"/v2/executions/{waiting['execution']}", content=content), 400, "not JSON")


def test_what_only_looks_like_a_nul_is_taken(api: Api) -> None:
    given = {"name": r"\u0000", "more": [r"\\u0000"]}
    row = api.start("outside", description=r"\u0000", input={"data": given})
    assert (row["description"], json.loads(row["input"])) == (r"\u0000", {"data": given})
