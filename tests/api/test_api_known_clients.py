"""What known clients of the Mistral API ask for, and what they read of the answers."""

from __future__ import annotations

from typing import Any

import pytest
from api_service import NOBODY, Api, assert_fault

pytest_plugins = ["api_fixtures"]

FAMILY = """version: '2.0'
family:
  tasks:
    child: {workflow: kid}
    bad: {action: std.fail, on-error: [noop]}
kid: {tasks: {say: {action: std.echo output=1}}}
"""


@pytest.fixture(scope="module")
def family(api: Api) -> Any:
    """A finished execution with a child and a task that failed on the way."""
    assert api("POST", "/v2/workflows", content=FAMILY).status_code == 201
    return api.run("family")


@pytest.mark.usefixtures("family")
@pytest.mark.covers("api.action_executions.task_name")
def test_action_executions_name_their_task(api: Api) -> None:
    """Reads and lists show it to those who ask for it; an action that runs by itself has none."""
    tasks = {task["id"]: task["name"] for task in api.get("/v2/tasks")["tasks"]}
    wanted = {"fields": "task_name,task_execution_id"}
    listed = api.get("/v2/action_executions", **wanted)["action_executions"]
    assert {row["task_name"] for row in listed} == {"bad", "say"}
    for row in listed:
        assert row["task_name"] == tasks[row["task_execution_id"]]
        assert api.get(f"/v2/action_executions/{row['id']}", **wanted) == row
    body = {"name": "std.noop", "params": {"save_result": True, "run_sync": True}}
    alone = api("POST", "/v2/action_executions", json=body).json()
    assert api.get(f"/v2/action_executions/{alone['id']}", **wanted)["task_name"] is None


def test_only_errors_below_a_task(api: Api, family: Any) -> None:
    """A task that did not fail has nothing below it then, whatever it started."""
    task = next(
        row for row in api.get(f"/v2/executions/{family['id']}/tasks")["tasks"] if row["name"] == "child"
    )
    path = f"/v2/tasks/{task['id']}/executions"
    assert [row["workflow_name"] for row in api.get(path)["executions"]] == ["kid"]
    assert api.get(path, errors_only="true")["executions"] == []


def test_of_an_action_that_goes_on_there_is_no_output_yet(api: Api) -> None:
    """`run-action` prints what is there: nothing, and not an empty result."""
    made = api("POST", "/v2/action_executions", json={"name": "std.async_noop"})
    assert (made.status_code, made.json()["state"], made.json()["output"]) == (201, "RUNNING", None)


def test_the_newest_page_turned_round_is_in_the_order_of_time(api: Api, family: Any) -> None:
    """Clients turn round what they got newest first; what was made at one moment stays in order."""
    for path in (
        "/v2/tasks",
        "/v2/action_executions",
        "/v2/executions",
        f"/v2/executions/{family['id']}/tasks",
    ):
        oldest_first, newest_first = (
            next(iter(api.get(path, sort_keys="created_at", sort_dirs=way).values()))
            for way in ("asc", "desc")
        )
        assert oldest_first == newest_first[::-1]
    page = api.get("/v2/tasks", sort_dirs="desc", limit="1")
    assert "sort_keys=created_at,id&sort_dirs=desc,desc" in page["next"]
    following = api.get(page["next"].partition("8989")[2])
    assert [*page["tasks"], *following["tasks"]] == api.get("/v2/tasks", sort_dirs="desc", limit="2")["tasks"]


BOOK = "version: '2.0'\nname: shelf\nworkflows: {w: {tasks: {t: {action: std.noop}}}}\n"
ONE = "version: '2.0'\none: {input: [x: 1], tasks: {t: {action: std.noop}}}\n"
ACT = "version: '2.0'\nact: {base: std.noop}\n"
TEXT = {"headers": {"Content-Type": "text/plain"}}
ODD = {"headers": {"headers": "Content-Type:text/plain"}}
"""What the plugin of Tempest sends instead of a content type."""
Call = tuple[str, str, dict[str, Any], int, str]
SHEET: dict[str, list[Call]] = {
    "mistral-dashboard": [
        ("POST", "/v2/workbooks?scope=private", {"content": BOOK, **TEXT}, 201, "name"),
        ("GET", "/v2/workbooks", {}, 200, "workbooks"),
        ("GET", "/v2/workbooks/shelf", {}, 200, "definition"),
        ("PUT", "/v2/workbooks?scope=private", {"content": BOOK, **TEXT}, 200, "name"),
        ("POST", "/v2/workbooks/validate", {"content": BOOK, **TEXT}, 200, "valid"),
        ("POST", "/v2/workflows?scope=private&namespace=", {"content": ONE, **TEXT}, 201, "workflows"),
        ("PUT", "/v2/workflows?namespace=&scope=private", {"content": ONE, **TEXT}, 200, "workflows"),
        ("GET", "/v2/workflows?limit=1000&sort_dirs=asc", {}, 200, "workflows"),
        ("GET", "/v2/workflows/one?namespace=", {}, 200, "interface"),
        ("POST", "/v2/actions?scope=private", {"content": ACT, **TEXT}, 201, "actions"),
        ("GET", "/v2/actions?limit=21&sort_keys=name&sort_dirs=desc", {}, 200, "actions"),
        ("GET", "/v2/actions?marker=std.echo&limit=21&sort_keys=name&sort_dirs=asc", {}, 200, "actions"),
        ("GET", "/v2/actions/act/", {}, 200, "definition"),
        ("POST", "/v2/action_executions", {"json": {"name": "act", "params": "{}"}}, 201, "output"),
        ("POST", "/v2/action_executions",
         {"json": {"name": "act", "input": "{}", "params": '{"save_result": true}'}}, 201, "id"),
        ("POST", "/v2/executions",
         {"json": {"description": "", "workflow_name": "one", "input": '{"x": 2}'}}, 201, "id"),
        ("GET", "/v2/executions?limit=1000&sort_dirs=asc", {}, 200, "executions"),
        ("GET", "/v2/tasks", {}, 200, "tasks"),
        ("GET", "/v2/action_executions?limit=21&sort_dirs=asc", {}, 200, "action_executions"),
        ("POST", "/v2/cron_triggers",
         {"json": {"name": "of the day", "pattern": "0 0 * * *", "first_execution_time": None,
                   "remaining_executions": None, "workflow_name": "one", "workflow_input": "{}"}},
         201, "name"),
        ("GET", "/v2/cron_triggers/of%20the%20day", {}, 200, "next_execution_time"),
        ("DELETE", "/v2/cron_triggers/of%20the%20day", {}, 204, ""),
        ("DELETE", "/v2/actions/act/", {}, 204, ""),
        ("DELETE", "/v2/workflows/one", {}, 204, ""),
        ("DELETE", "/v2/workbooks/shelf", {}, 204, ""),
    ],
    "heat": [
        ("POST", "/v2/workflows?scope=private&namespace=", {"content": ONE, **TEXT}, 201, "workflows"),
        ("GET", "/v2/workflows/one?namespace=", {}, 200, "name"),
        ("POST", "/v2/executions",
         {"json": {"description": "Heat managed", "workflow_name": "one", "input": '{"x": 2}',
                   "params": '{"env": {"heat_extresource_data": {}}}'}}, 201, "state"),
        ("POST", "/v2/cron_triggers",
         {"json": {"name": "stack-trigger-x7", "pattern": None, "first_execution_time": "2050-04-08 06:20",
                   "remaining_executions": 1, "workflow_name": "one", "workflow_input": '{"x": 1}'}},
         201, "name"),
        ("GET", "/v2/cron_triggers/stack-trigger-x7", {}, 200, "remaining_executions"),
        ("DELETE", "/v2/cron_triggers/stack-trigger-x7", {}, 204, ""),
        ("PUT", "/v2/workflows?namespace=&scope=private", {"content": ONE, **TEXT}, 200, "workflows"),
        ("DELETE", "/v2/workflows/one", {}, 204, ""),
        ("DELETE", "/v2/workflows/one", {}, 404, ""),
    ],
    "mistral-tempest-plugin": [
        ("POST", "/v2/workbooks", {"content": BOOK, **ODD}, 201, "name"),
        ("POST", "/v2/workflows?", {"content": ONE, **ODD}, 201, "workflows"),
        ("PUT", "/v2/workflows?", {"content": ONE, **ODD}, 200, "workflows"),
        ("PUT", "/v2/workflows?scope=public&", {"content": ONE, **ODD}, 200, "workflows"),
        ("POST", "/v2/actions", {"content": ACT, **ODD}, 201, "actions"),
        ("PUT", "/v2/actions", {"content": ACT, **ODD}, 200, "actions"),
        ("GET", "/v2/actions?limit=1&sort_keys=name&sort_dirs=desc", {}, 200, "next"),
        ("GET", "/v2/workflows?limit=1&sort_keys=name&sort_dirs=desc", {}, 200, "next"),
        ("GET", "/v2/workflows?limit=1&sort_keys=id&sort_dirs=nonexist", {}, 400, ""),
        ("POST", "/v2/executions", {"content": '{"workflow_name": "one", "params": "{}"}'}, 201, "id"),
        ("GET", f"/v2/executions?task_execution_id={NOBODY}", {}, 200, "executions"),
        ("GET", f"/v2/tasks?workflow_execution_id={NOBODY}", {}, 200, "tasks"),
        ("POST", "/v2/action_executions",
         {"json": {"name": "std.echo", "input": '{"output": "hi"}', "params": "{}"}}, 201, "output"),
        ("POST", "/v2/cron_triggers",
         {"content": '{"name": "t", "workflow_name": "one", "pattern": "5 * * * *", '
                     '"remaining_executions": null, "first_execution_time": null}'}, 201, "name"),
        ("PUT", "/v2/cron_triggers", {"json": {"name": "t"}}, 405, ""),
        ("DELETE", "/v2/cron_triggers/t", {}, 204, ""),
        ("DELETE", "/v2/actions/act", {}, 204, ""),
        ("DELETE", "/v2/workflows/one", {}, 204, ""),
        ("DELETE", "/v2/workbooks/shelf", {}, 204, ""),
    ],
    "openstacksdk": [
        ("POST", "/v2/workflows?scope=private", {"content": ONE, **TEXT}, 201, "workflows"),
        ("PUT", "/v2/workflows/one?scope=public", {"content": ONE, **TEXT}, 200, "name"),
        ("GET", "/v2/workflows/one", {}, 200, "scope"),
        ("POST", "/v2/executions",
         {"json": {"workflow_name": "one", "input": {"x": 1}, "description": "d"}}, 201, "id"),
        ("GET", "/v2/executions?include_output=True&limit=2", {}, 200, "executions"),
        ("POST", "/v2/cron_triggers",
         {"json": {"name": "t", "pattern": "5 * * * *", "workflow_name": "one", "workflow_input": {"x": 1}}},
         201, "id"),
        ("GET", "/v2/cron_triggers?name=t&all_projects=False", {}, 200, "cron_triggers"),
        ("DELETE", "/v2/cron_triggers/t", {}, 204, ""),
        ("DELETE", "/v2/workflows/one", {}, 204, ""),
    ],
}  # fmt: skip


@pytest.mark.parametrize("client", SHEET)
def test_calls_of_other_clients(api: Api, client: str) -> None:
    """What they send is understood as it is, and what they read of the answer is there."""
    for method, path, given, status, read in SHEET[client]:
        answer = api(method, path, **given)
        assert answer.status_code == status, (method, path, answer.text)
        assert not read or read in answer.json(), (method, path, answer.text)
        if status >= 400:
            assert_fault(answer, status)
