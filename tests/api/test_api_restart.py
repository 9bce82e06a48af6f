"""`POST /v2/tasks/{id}/restart`: dry runs, restarts, refusals, and what the API shows of superseded tasks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from api_service import NOBODY, Api, assert_fault

pytest_plugins = ["api_fixtures"]

TEXT = """version: '2.0'
sums:
  input: [n]
  output: {n: <% $.n %>}
  tasks:
    one: {action: std.echo output=<% $.n %>, publish: {n: <% task().result + 1 %>}, on-success: two}
    two:
      action: std.echo output=<% $.n + env().get(more, 0) %>
      publish: {n: <% task().result %>}
      on-success: three
    three: {publish: {n: <% $.n * 10 %>}}
outer:
  output: {n: <% $.n %>}
  tasks:
    call: {workflow: sums n=1, publish: {n: <% task().result.n %>}, on-success: after}
    after: {action: std.noop}
held:
  tasks:
    first: {action: std.noop, on-success: wait}
    wait: {action: std.async_noop}
"""


@pytest.fixture(scope="module", autouse=True)
def _defined(api: Api) -> None:
    api.define(TEXT)


def restart(api: Api, task_id: str, **body: Any) -> Any:
    answer = api("POST", f"/v2/tasks/{task_id}/restart", json=body or None)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_restart_of_a_successful_execution(api: Api) -> None:
    execution = api.run("sums", input={"n": 1})
    assert json.loads(execution["output"]) == {"n": 20}
    before = api.tasks(execution["id"])
    task_id = before["two"]["id"]

    planned = restart(api, task_id, dry_run=True)
    shared = {"workflow_execution_id": execution["id"], "workflow_name": "sums", "state": "SUCCESS"}
    assert planned == {
        "dry_run": True,
        "tasks": [
            {"id": task_id, "name": "two", "reason": "is restarted", **shared},
            {"id": before["three"]["id"], "name": "three", "reason": "follows 'two'", **shared},
        ],
    }
    assert api.get(f"/v2/executions/{execution['id']}")["state"] == "SUCCESS"

    answer = restart(api, task_id, env={"more": 5})
    assert (answer["id"], answer["name"]) == (task_id, "two")
    assert answer["tasks"] == planned["tasks"]
    after = api.reach(execution["id"], "SUCCESS")
    assert json.loads(after["output"]) == {"n": 70}

    rows = api.get(f"/v2/executions/{execution['id']}/tasks")["tasks"]
    assert [(row["name"], row["state"]) for row in rows] == [
        ("one", "SUCCESS"),
        ("two", "SUCCESS"),
        ("three", "SUCCESS"),
        ("three", "SUCCESS"),
    ]
    report = api.get(f"/v2/executions/{execution['id']}/report")
    assert report["statistics"]["total_tasks_count"] == 3
    entries = report["root_workflow_execution"]["task_executions"]
    assert [entry.get("superseded") for entry in entries] == [None, None, True, None]
    old = next(row for row in rows if row["id"] == before["three"]["id"])
    assert json.loads(old["runtime_context"])["superseded"] is True
    assert f"Superseded by a restart of task 'two' [task_ex_id={task_id}]" in old["state_info"]
    assert "superseded" not in json.loads(rows[-1]["runtime_context"])
    assert_fault(api("POST", f"/v2/tasks/{old['id']}/restart"), 400, "superseded", "newer execution")
    rerun = api("PUT", f"/v2/tasks/{old['id']}", json={"state": "RUNNING", "reset": True})
    assert_fault(rerun, 400, "superseded", "newer execution")
    why = api.get(f"/v2/tasks/{old['id']}/why")["why"]
    assert why["text"] == f"Superseded by a restart of task 'two' [task_ex_id={task_id}]"


def test_restart_runs_again_what_is_above(api: Api) -> None:
    execution = api.run("outer")
    child = api.get(f"/v2/tasks/{api.tasks(execution['id'])['call']['id']}/workflow_executions")[
        "executions"
    ][0]
    task_id = api.tasks(child["id"])["one"]["id"]
    planned = restart(api, task_id, dry_run=True)["tasks"]
    assert [(task["workflow_name"], task["name"]) for task in planned] == [
        ("sums", "one"),
        ("sums", "two"),
        ("sums", "three"),
        ("outer", "call"),
        ("outer", "after"),
    ]
    assert planned[3]["reason"] == f"waits for the sub-workflow execution {child['id']}"
    restart(api, task_id, env={"more": 1})

    def ended() -> bool:
        found = api.get(f"/v2/executions/{execution['id']}")
        return bool(found["state"] == "SUCCESS" and json.loads(found["output"]) == {"n": 30})

    api.until(ended, "the outer execution to end anew")

    api("POST", f"/v2/tasks/{api.tasks(execution['id'])['call']['id']}/restart")
    api.reach(execution["id"], "SUCCESS")
    refused = api("POST", f"/v2/tasks/{task_id}/restart", json={"dry_run": True})
    assert_fault(refused, 400, "belongs to an earlier attempt", "restart a task of the newest")


def test_refusals(api: Api) -> None:
    execution = api.start("held")
    api.task(execution["id"], "wait", "RUNNING")
    task_id = api.tasks(execution["id"])["first"]["id"]
    for body in ({}, {"dry_run": True}):
        refused = api("POST", f"/v2/tasks/{task_id}/restart", json=body)
        assert_fault(refused, 400, "has ended", "is RUNNING", "cancel it first")
    assert_fault(api("POST", f"/v2/tasks/{NOBODY}/restart"), 404, "Task execution not found")
    assert_fault(api("POST", f"/v2/tasks/{task_id}/restart", json={"reset": True}), 400, "reset")
    assert_fault(api("POST", f"/v2/tasks/{task_id}/restart", json={"env": [1]}), 400, "environment")
    api.put(f"/v2/executions/{execution['id']}", state="CANCELLED")
    restart(api, task_id)
    api.task(execution["id"], "wait", "RUNNING")
    api.put(f"/v2/executions/{execution['id']}", state="CANCELLED")


@pytest.mark.parametrize("given", [None, "yes", 1])
def test_a_restart_is_not_begun_by_a_wrong_dry_run(api: Api, given: Any) -> None:
    execution = api.run("sums", input={"n": 1})
    task_id = api.tasks(execution["id"])["two"]["id"]
    refused = api("POST", f"/v2/tasks/{task_id}/restart", json={"dry_run": given})
    assert_fault(refused, 400, "dry_run must be true or false, not")
    assert api.get(f"/v2/executions/{execution['id']}")["state"] == "SUCCESS"
