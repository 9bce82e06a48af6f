"""Maintenance: executions are held and go on, changes are refused meanwhile, restarts change nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from api_service import Api, assert_fault, serving

from maestrale.config import ServerSettings
from maestrale.model.errors import Forbidden
from maestrale.services.access import Caller
from maestrale.store.maintenance import Maintenance

ON_POSTGRESQL = 4

WORKFLOWS = """version: '2.0'
outside:
  output: {got: <% task(t).result %>}
  tasks:
    t: {action: std.async_noop, on-success: next}
    next: {action: std.noop}
waiting:
  tasks: {t: {action: std.noop, wait-before: 600}}
outer:
  tasks: {t: {workflow: outside, on-success: next}, next: {action: std.noop}}
"""


@pytest.fixture
def api(database_url: str) -> Iterator[Api]:
    with serving(database_url) as found:
        found.define(WORKFLOWS)
        yield found


def switch(api: Api, status: str) -> str:
    answer: str = api.put("/maintenance", status=status)["status"]
    return answer


def reach(api: Api, status: str) -> None:
    api.until(lambda: api.get("/maintenance")["status"] == status, f"the status {status}")


def action_of(api: Api, execution_id: str, task: str = "t") -> str:
    task_id = api.task(execution_id, task, "RUNNING")["id"]
    found: str = api.get(f"/v2/tasks/{task_id}/action_executions")["action_executions"][0]["id"]
    return found


def locked(status: str) -> tuple[int, str]:
    return 423, f"Current Mistral state is {status}. Method is not allowed"


def test_where_nothing_runs_it_begins_and_ends_at_once(api: Api) -> None:
    assert api.get("/maintenance") == {"status": "RUNNING"}
    assert switch(api, "RUNNING") == "RUNNING"
    assert switch(api, "PAUSED") == "PAUSING"
    reach(api, "PAUSED")
    assert switch(api, "PAUSED") == "PAUSED"
    assert switch(api, "RUNNING") == "RUNNING"
    assert api.get("/maintenance") == {"status": "RUNNING"}


@pytest.mark.parametrize("body", [{"status": "BOGUS"}, {"status": "PAUSING"}, {"status": None}, {}, {"x": 1}])
def test_other_statuses_are_refused(api: Api, body: Any) -> None:
    assert_fault(api("PUT", "/maintenance", json=body), 400)
    assert api.get("/maintenance") == {"status": "RUNNING"}


def test_changes_are_refused_meanwhile(api: Api) -> None:
    switch(api, "PAUSED")
    reach(api, "PAUSED")
    for method, path in (
        ("POST", "/v2/executions"),
        ("POST", "/v2/workflows"),
        ("POST", "/v2/workflows/validate"),
        ("PUT", "/v2/action_executions/x"),
        ("PUT", "/v2/executions/x"),
        ("DELETE", "/v2/environments/x"),
        ("POST", "/v2/action_executions/"),
    ):
        answer = api(method, path, json={"workflow_name": "outside"})
        assert_fault(answer, *locked("PAUSED"))
        assert answer.headers["Server-Error-Message"] == locked("PAUSED")[1]
    assert api.names("workflows", sort_keys="name") == ["outer", "outside", "waiting"]
    assert api("OPTIONS", "/v2/executions").status_code == 200
    switch(api, "RUNNING")
    assert api.start("waiting")["state"] == "RUNNING"


def test_running_tasks_may_end_before_it_rests(api: Api) -> None:
    key = api.start("outside")["id"]
    action = action_of(api, key)
    assert switch(api, "PAUSED") == "PAUSING"
    api.reach(key, "PAUSED")
    assert api.get("/maintenance") == {"status": "PAUSING"}
    assert_fault(api("POST", "/v2/executions", json={"workflow_name": "waiting"}), *locked("PAUSING"))
    api.put(f"/v2/action_executions/{action}", state="SUCCESS", output={"a": 1})
    reach(api, "PAUSED")
    api.reach(key, "PAUSED")
    assert list(api.tasks(key)) == ["t"]
    why = str(api.get(f"/v2/executions/{key}/why"))
    assert "for maintenance of the service" in why
    assert "mistral maintenance-update RUNNING" in why
    switch(api, "RUNNING")
    assert api.reach(key, "SUCCESS", "ERROR")["state"] == "SUCCESS"


def test_an_execution_can_be_cancelled_meanwhile(api: Api) -> None:
    key = api.start("outside")["id"]
    switch(api, "PAUSED")
    api.reach(key, "PAUSED")
    assert_fault(api("PUT", f"/v2/executions/{key}", json={"state": "RUNNING"}), *locked("PAUSING"))
    assert_fault(api("PUT", f"/v2/executions/{key}", content=b"{"), *locked("PAUSING"))
    assert api.put(f"/v2/executions/{key}", state="CANCELLED")["state"] == "CANCELLED"
    reach(api, "PAUSED")


def test_a_whole_tree_is_held(api: Api) -> None:
    key = api.start("outer")["id"]
    task = api.task(key, "t", "RUNNING")["id"]
    child = api.get(f"/v2/tasks/{task}/workflow_executions")["executions"][0]["id"]
    action = action_of(api, child)
    switch(api, "PAUSED")
    api.reach(child, "PAUSED")
    api.put(f"/v2/action_executions/{action}", state="SUCCESS", output={})
    reach(api, "PAUSED")
    switch(api, "RUNNING")
    assert api.reach(key, "SUCCESS", "ERROR")["state"] == "SUCCESS"


def test_what_a_user_paused_stays_so(api: Api) -> None:
    paused, running = api.start("waiting")["id"], api.start("waiting")["id"]
    api.put(f"/v2/executions/{paused}", state="PAUSED")
    switch(api, "PAUSED")
    reach(api, "PAUSED")
    api.reach(running, "PAUSED")
    switch(api, "RUNNING")
    api.reach(running, "RUNNING")
    assert api.get(f"/v2/executions/{paused}")["state"] == "PAUSED"
    assert api.get(f"/v2/executions/{running}")["state_info"] is None


def test_changing_ones_mind(api: Api) -> None:
    key = api.start("outside")["id"]
    action = action_of(api, key)
    switch(api, "PAUSED")
    api.reach(key, "PAUSED")
    assert switch(api, "RUNNING") == "RUNNING"
    api.reach(key, "RUNNING")
    api.put(f"/v2/action_executions/{action}", state="SUCCESS", output={})
    assert api.reach(key, "SUCCESS", "ERROR")["state"] == "SUCCESS"


def test_it_outlives_a_restart(database_url: str) -> None:
    with serving(database_url) as api:
        api.define(WORKFLOWS)
        key = api.start("waiting")["id"]
        switch(api, "PAUSED")
        reach(api, "PAUSED")
    with serving(database_url) as api:
        assert_fault(api("POST", "/v2/executions", json={"workflow_name": "waiting"}), *locked("PAUSED"))
        assert api.get(f"/v2/executions/{key}")["state"] == "PAUSED"
        switch(api, "RUNNING")
        api.reach(key, "RUNNING")


def test_only_administrators_switch(api: Api) -> None:
    operations = api.service.services().operations
    with pytest.raises(Forbidden):
        asyncio.run(operations.set_status(Caller("p"), "PAUSED"))
    assert asyncio.run(operations.status()) == "RUNNING"


@pytest.mark.postgresql
def test_all_processes_of_a_database_take_part(lent_url: str) -> None:
    with ExitStack() as stack:
        one = stack.enter_context(serving(lent_url))
        two = stack.enter_context(serving(lent_url))
        front = stack.enter_context(serving(lent_url, ServerSettings(roles=("api",))))
        one.define(WORKFLOWS)
        keys = [api.start("waiting")["id"] for api in (one, two, front)]
        assert switch(front, "PAUSED") == "PAUSING"
        for api in (one, two, front):
            reach(api, "PAUSED")
            assert_fault(api("POST", "/v2/executions", json={"workflow_name": "waiting"}), *locked("PAUSED"))
        for key in keys:
            assert one.get(f"/v2/executions/{key}")["state"] == "PAUSED"
        switch(front, "RUNNING")
        for key in keys:
            two.reach(key, "RUNNING")


@pytest.mark.postgresql
def test_what_starts_by_a_late_request_is_held_too(lent_url: str) -> None:
    """Another process that has not heard of it yet lets one more in."""
    with ExitStack() as stack:
        one = stack.enter_context(serving(lent_url))
        late = stack.enter_context(serving(lent_url))
        one.define(WORKFLOWS)
        switch(one, "PAUSED")
        reach(one, "PAUSED")
        late.service.keeper.stop()
        late.service.keeper._known = Maintenance(), late.service.lease.now() + 10_000_000
        key = late.start("waiting")["id"]
        one.reach(key, "PAUSED")
        switch(one, "RUNNING")
        one.reach(key, "RUNNING")
