"""What known clients of the Mistral API ask for, and what they read of the answers."""

from __future__ import annotations

from typing import Any

import pytest
from api_service import Api

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
    """Reads and lists show it; an action that runs by itself has none."""
    tasks = {task["id"]: task["name"] for task in api.get("/v2/tasks")["tasks"]}
    listed = api.get("/v2/action_executions")["action_executions"]
    assert {row["task_name"] for row in listed} == {"bad", "say"}
    for row in listed:
        assert row["task_name"] == tasks[row["task_execution_id"]]
        assert api.get(f"/v2/action_executions/{row['id']}")["task_name"] == row["task_name"]
    body = {"name": "std.noop", "params": {"save_result": True, "run_sync": True}}
    alone = api("POST", "/v2/action_executions", json=body).json()
    assert api.get(f"/v2/action_executions/{alone['id']}")["task_name"] is None


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
