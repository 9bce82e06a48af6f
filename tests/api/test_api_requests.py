"""Bad requests get a 4xx that says what and where, in the envelope that clients read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from api_service import Api
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest_plugins = ["api_fixtures"]

TEXT = """version: '2.0'
asked:
  input: [name]
  output: {greeting: <% $.greeting %>}
  tasks:
    greet:
      action: std.echo output="Hello <% $.name %>"
      publish: {greeting: <% task().result %>}
"""


@pytest.fixture(scope="module", autouse=True)
def _defined(api: Api) -> None:
    assert api("POST", "/v2/workflows", content=TEXT).status_code == 201


@pytest.mark.parametrize(
    ("method", "path", "given_", "status", "words"),
    [
        ("POST", "/v2/executions", {"content": "{"}, 400, "not JSON"),
        ("POST", "/v2/executions", {"json": []}, 400, "JSON object, not a list"),
        ("POST", "/v2/executions", {"json": {"worflow_name": "x"}}, 400, "worflow_name"),
        ("POST", "/v2/executions", {"json": {}}, 400, "workflow_name"),
        ("POST", "/v2/executions", {"json": {"workflow_name": "nobody"}}, 404, "workflow_identifier=nobody"),
        ("POST", "/v2/executions", {"json": {"workflow_name": "asked"}}, 400, "missing=['name']"),
        ("POST", "/v2/executions", {"json": {"workflow_name": "asked", "input": {"name": 1, "n": 2}}}, 400,
         "unexpected=['n']"),
        ("POST", "/v2/executions", {"json": {"workflow_name": "asked", "input": "{"}}, 400, "input"),
        ("POST", "/v2/executions", {"data": {"workflow_name": "asked"}}, 400, "form"),
        ("POST", "/v2/executions", {"content": "<a/>", "headers": {"Content-Type": "text/xml"}}, 415, "xml"),
        ("POST", "/v2/workflows", {"content": TEXT}, 409, "workflow-update"),
        ("POST", "/v2/workflows", {"content": b"\xff"}, 400, "UTF-8"),
        ("POST", "/v2/workflows", {"content": "a: ["}, 400, "Definition could not be parsed"),
        ("POST", "/v2/workflows", {"content": TEXT.replace("greet:", "greet: {actoin: x}\n    other:")}, 400,
         "line 6"),
        ("PUT", "/v2/workflows", {"content": TEXT.replace("asked", "nobody")}, 404, "nobody"),
        ("GET", "/v2/workflows/nobody", {}, 404, "Workflow not found"),
        ("GET", "/v2/workflows?colour=red", {}, 400, 'Unknown argument: "colour"'),
        ("GET", "/v2/workflows?limit=0", {}, 400, "Limit must be positive"),
        ("GET", "/v2/workflows?limit=x", {}, 400, "limit"),
        ("GET", "/v2/workflows?marker=x", {}, 400, "UUID"),
        ("GET", "/v2/workflows?sort_keys=colour", {}, 400, "colour"),
        ("GET", "/v2/workflows?fields=colour", {}, 400, "colour"),
        ("GET", "/v2/executions/none", {}, 404, "WorkflowExecution not found [id=none]"),
        ("PUT", "/v2/executions/none", {"json": {"state": "PAUSED"}}, 404, "none"),
        ("DELETE", "/v2/executions/none", {}, 404, "none"),
        ("GET", "/v2/tasks/none", {}, 404, "Task execution not found [id=none]"),
        ("GET", "/v2/action_executions/none", {}, 404, "ActionExecution not found [id=none]"),
        ("POST", "/v2/action_executions", {"json": {"name": "std.ehco"}}, 400, "did you mean 'std.echo'?"),
        ("POST", "/v2/action_executions", {"json": {"name": "std.echo"}}, 400, "missing=['output']"),
        ("PUT", "/v2/tasks/none", {"json": {"state": "RUNNING", "reset": "yes"}}, 400,
         "reset must be true or false, not text"),
        ("PUT", "/v2/tasks/none", {"json": {"state": "RUNNING", "reset": None}}, 400,
         "reset must be true or false, not null"),
        ("POST", "/v2/action_executions", {"json": {"name": "std.noop", "params": {"save_result": 1}}}, 400,
         "save_result must be true or false, not a number"),
        ("POST", "/v2/action_executions", {"json": {"name": "std.noop", "params": '{"run_sync": "false"}'}},
         400, "run_sync must be true or false, not text"),
        ("POST", "/v2/executions", {"json": {"workflow_name": "asked", "params": {"evaluate_env": "no"}}},
         400, "evaluate_env must be true or false, not text"),
        ("DELETE", "/v2/executions/none?force=perhaps", {}, 400, "force: 'perhaps' is neither true nor"),
        ("GET", "/v2/workflows/x/members", {}, 400, "with authentication enabled"),
        ("GET", "/v3/nothing", {}, 404, "/v3/nothing"),
        ("PATCH", "/v2/workflows", {}, 405, "PATCH"),
    ],
)  # fmt: skip
def test_bad_request(
    api: Api, method: str, path: str, given_: dict[str, Any], status: int, words: str
) -> None:
    answer = api(method, path, **given_)
    assert answer.status_code == status, answer.text
    fault = answer.json()
    assert set(fault) == {"faultcode", "faultstring", "debuginfo"}
    assert words in fault["faultstring"]
    assert answer.headers["Server-Error-Message"]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v2/workflows", {"DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"}),
        ("/v2/tasks/x", {"GET", "HEAD", "OPTIONS", "PUT"}),
        ("/v2/tasks/x/restart", {"OPTIONS", "POST"}),
    ],
)
def test_allowed_methods_are_all_named(api: Api, path: str, allowed: set[str]) -> None:
    for method, status in (("PATCH", 405), ("OPTIONS", 200)):
        answer = api(method, path)
        assert answer.status_code == status
        assert set(answer.headers["Allow"].split(", ")) == allowed
    assert (api("HEAD", path).status_code == 405) is ("HEAD" not in allowed)


def test_a_stored_text_with_warnings_says_so(api: Api) -> None:
    text = "version: '2.0'\nquoted:\n  tasks: {t: {action: 'std.echo output=\"x\u201d'}}\n"
    answer = api("POST", "/v2/workflows", content=text.encode())
    assert answer.status_code == 201
    assert "line 3" in answer.json()["warnings"][0]
    assert "warnings" not in api("PUT", "/v2/workflows", content=TEXT).json()


def test_root_for_programs_and_for_people(api: Api) -> None:
    assert api("GET", "/").json()["versions"][0]["id"] == "v2.0"
    page = api("GET", "/", headers={"Accept": "text/html"})
    assert page.headers["content-type"].startswith("text/html")
    assert "mistral workflow-create" in page.text


def test_large_values_come_back_whole(api: Api) -> None:
    name = "é" * 20_000
    body = {"workflow_name": "asked", "input": {"name": name}}
    execution = api("POST", "/v2/executions", json=body).json()
    for _ in range(100):
        found = api("GET", f"/v2/executions/{execution['id']}").json()
        if found["state"] == "SUCCESS":
            break
    assert json.loads(found["output"]) == {"greeting": f"Hello {name}"}
    assert json.loads(found["input"]) == {"name": name}


@pytest.mark.parametrize("truth", ["true", "neq:false", "in:1,yes"])
def test_lists_can_be_filtered_by_flags(api: Api, truth: str) -> None:
    api.run("asked", input={"name": "x"})
    assert api.names("tasks", processed=truth)
    assert api.names("action_executions", accepted=truth)
    assert not api.names("tasks", processed=truth, name="none")
    assert api.names("tasks", processed="false") == []


PATHS = (
    "/v2/workflows", "/v2/workflows/x", "/v2/workflows/validate", "/v2/executions", "/v2/executions/x",
    "/v2/executions/x/tasks", "/v2/executions/x/report", "/v2/executions/x/why", "/v2/tasks/x/restart",
    "/v2/tasks", "/v2/tasks/x", "/v2/action_executions",
    "/v2/action_executions/x", "/v2/actions", "/v2/actions/std.echo", "/v2/actions/x/n", "/v2/workbooks",
    "/v2/actions/validate", "/v2/workbooks/x", "/v2/workbooks/validate", "/v2/environments",
    "/v2/environments/x",
)  # fmt: skip
ARGUMENTS = (
    "limit", "marker", "sort_keys", "sort_dirs", "fields", "name", "state", "tags", "created_at", "nulls",
    "workflow_id", "include_output", "namespace", "max_depth", "input", "scope", "is_system", "variables",
    "processed", "accepted", "description",
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
BODIES = st.dictionaries(
    st.sampled_from(
        [
            *("name", "workflow_name", "input", "params", "state", "id", "output", "reset", "env"),
            *("variables", "scope", "description"),
        ]
    ),
    JSON,
    max_size=4,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    path=st.sampled_from(PATHS),
    query=st.dictionaries(st.sampled_from(ARGUMENTS), st.text(max_size=12), max_size=3),
    body=BODIES | JSON,
)
def test_nothing_is_answered_by_a_fault_of_ours(
    api: Api, method: str, path: str, query: dict[str, str], body: Any
) -> None:
    answer = api(method, path, params=query, json=None if method == "GET" else body)
    assert answer.status_code < 500, answer.text


def test_what_led_to_a_join_of_very_many(api: Api) -> None:
    """It is so much that it is stored elsewhere; it is shown all the same."""
    names = [f"b{number}" for number in range(80)]
    tasks = "".join(f"    {name}: {{action: std.noop, on-success: end}}\n" for name in names)
    api.define(f"version: '2.0'\ngathering:\n  tasks:\n{tasks}    end: {{join: all}}\n")
    found = api.tasks(api.run("gathering")["id"])
    triggers = json.loads(found["end"]["runtime_context"])["triggered_by"]
    assert [trigger["task_id"] for trigger in triggers] == [found[name]["id"] for name in names]
