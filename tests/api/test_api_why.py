"""`/v2/executions/{id}/why`: every kind of cause is named, down to what blocks and what comes next."""

from __future__ import annotations

import os
from typing import Any

import pytest
from api_service import NOBODY, Api, assert_fault

pytest_plugins = ["api_fixtures"]

Node = dict[str, Any]

TEXT = """version: '2.0'
outer:
  tasks:
    call: {workflow: inner}
inner:
  tasks:
    a: {action: std.noop, on-success: meet}
    b: {action: std.noop, on-success: [ask, hurry], on-error: meet}
    ask: {action: std.async_noop, on-success: last}
    last: {action: std.noop, on-success: meet}
    hurry: {action: std.async_noop, timeout: 1000}
    meet: {join: 2}
many:
  tasks:
    t: {with-items: i in <% range(30) %>, concurrency: 25, action: std.async_noop}
late:
  tasks:
    t: {action: std.fail, retry: {count: 3, delay: 500}}
held:
  tasks:
    a: {action: std.noop, on-success: [pause, b]}
    b: {action: std.noop}
    c: {action: std.async_noop}
before:
  tasks:
    a: {pause-before: true, action: std.noop}
fails:
  tasks:
    call: {workflow: failing}
failing:
  tasks:
    a: {action: std.noop, on-success: b}
    b: {action: std.fail error_data="out of cheese"}
stops:
  tasks:
    a: {action: std.noop, on-success: 'fail msg="not today"'}
slow:
  tasks:
    a: {action: std.sleep seconds=30}
brief:
  tasks:
    a: {wait-before: 1, action: std.noop, on-success: pause}
"""


@pytest.fixture(scope="module", autouse=True)
def _defined(api: Api) -> None:
    api.define(TEXT)


def why(api: Api, identifier: str, kind: str = "executions") -> Any:
    return api.get(f"/v2/{kind}/{identifier}/why")


def find(node: Node, name: str) -> Node:
    """The first node of that name, from the top."""
    level = [node]
    while level:
        for found in level:
            if found["name"] == name:
                return found
        level = [child for parent in level for child in parent["children"]]
    raise AssertionError(f"no {name} in {node}")


def settled(api: Api, execution_id: str, *names: str, state: str = "RUNNING") -> None:
    for name in names:
        api.task(execution_id, name, state)


def child_of(api: Api, execution_id: str, task: str) -> str:
    rows = api.get(f"/v2/tasks/{api.tasks(execution_id)[task]['id']}/workflow_executions")["executions"]
    identifier: str = rows[-1]["id"]
    return identifier


def end(api: Api, execution_id: str) -> None:
    api.put(f"/v2/executions/{execution_id}", state="CANCELLED")


def test_a_join_below_a_sub_workflow_down_to_an_outside_party(api: Api) -> None:
    top = api.start("outer")["id"]
    settled(api, top, "call")
    inner = child_of(api, top, "call")
    settled(api, inner, "ask", "hurry")
    answer = why(api, top)
    tree = answer["why"]
    assert (tree["kind"], tree["id"], tree["name"], tree["state"]) == ("execution", top, "outer", "RUNNING")
    assert tree["text"] == "waits until 1 task is done: 1 RUNNING"
    call = find(tree, "call")
    assert call["text"] == "waits for its sub-workflow"
    assert find(call, "inner")["id"] == inner
    meet = find(call, "meet")
    assert meet["text"] == "join: 2 of 3 branches must come; come: a; will not come: b"
    last = find(meet, "last")
    assert (last["state"], last["text"]) == (None, "has not begun; before it: ask")
    action = find(last, "std.async_noop")
    path = f"/v2/action_executions/{action['id']}"
    assert action["text"] == f"waits for an outside party, which reports to PUT {path}"
    assert api.get(path)["task_execution_id"] == api.tasks(inner)["ask"]["id"]
    hurry = find(call, "hurry")
    assert hurry["until"] > hurry["since"]
    assert {node["id"] for node in answer["blocking"]} == {action["id"], hurry["children"][0]["id"]}
    assert answer["next"] == {"at": hurry["until"], "text": "task 'hurry' of inner times out"}
    of_task = why(api, api.tasks(inner)["ask"]["id"], "tasks")
    assert (of_task["why"]["name"], of_task["blocking"][0]["id"]) == ("ask", action["id"])
    assert of_task["next"]["text"] == f"nothing, it waits for action std.async_noop {action['id']}"
    assert why(api, action["id"], "action_executions")["why"]["text"] == action["text"]
    end(api, top)


def test_items_are_counted_and_a_few_shown(api: Api) -> None:
    execution = api.start("many")["id"]
    api.until(lambda: len(api.get("/v2/action_executions")["action_executions"]) >= 25, "the items to run")
    first = api.get(f"/v2/tasks/{api.tasks(execution)['t']['id']}/action_executions")["action_executions"][0]
    api.put(f"/v2/action_executions/{first['id']}", state="ERROR")
    task = find(why(api, execution)["why"], "t")
    assert task["text"] == "1 of 30 items are done (1 failed), 25 run, 4 have not begun, at most 25 at once"
    assert len(task["children"]) == 21
    assert task["children"][-1]["text"] == "5 more that run"
    assert task["children"][0]["text"].startswith("item 1: waits for an outside party")
    end(api, execution)


def test_a_retry_says_when(api: Api) -> None:
    execution = api.start("late")["id"]
    settled(api, execution, "t", state="DELAYED")
    answer = why(api, execution)
    task = find(answer["why"], "t")
    assert task["text"] == "failed and waits for the next attempt of its policy retry"
    assert answer["next"] == {"at": task["until"], "text": "task 't' of late goes on"}
    assert [node["name"] for node in answer["blocking"]] == ["t"]
    api.put(f"/v2/executions/{execution}", state="PAUSED")
    answer = why(api, execution)
    assert [node["kind"] for node in answer["blocking"]] == ["pause"]
    assert answer["next"] == {"at": None, "text": f"nothing, it waits for pause late {execution}"}
    assert find(answer["why"], "t")["text"].endswith("nothing happens while the execution is PAUSED")
    end(api, execution)


def test_who_paused(api: Api) -> None:
    held = api.start("held")["id"]
    api.reach(held, "PAUSED")
    text = why(api, held)["why"]["text"]
    assert text.startswith(
        "was paused by the command 'pause' after task 'a'; b will follow when it is resumed"
    )
    end(api, held)

    before = api.start("before")["id"]
    api.reach(before, "PAUSED")
    tree = why(api, before)["why"]
    assert tree["text"].startswith("was paused before task 'a', by its policy pause-before")
    assert find(tree, "a")["text"] == "waits for the execution to be resumed, by its policy pause-before"
    end(api, before)

    top = api.start("outer")["id"]
    settled(api, top, "call")
    inner = child_of(api, top, "call")
    settled(api, inner, "ask")
    api.put(f"/v2/executions/{inner}", state="PAUSED")
    api.reach(top, "PAUSED")
    answer = why(api, top)
    assert answer["why"]["text"].startswith(f"was paused because {inner}, which task 'call' waits for, was")
    assert find(answer["why"], "inner")["text"].startswith("was paused by request")
    assert "pause" in [node["kind"] for node in answer["blocking"]]
    end(api, top)


def test_a_failure_is_followed_down_to_the_action(api: Api) -> None:
    execution = api.run("fails")
    answer = why(api, execution["id"])
    names = []
    node = answer["why"]
    while node["children"]:
        (node,) = node["children"]
        names.append((node["kind"], node["name"]))
    assert names == [("task", "call"), ("execution", "failing"), ("task", "b"), ("action", "std.fail")]
    assert node["text"].startswith("ended as ERROR: ")
    assert "out of cheese" in node["text"]
    assert [leaf["id"] for leaf in answer["blocking"]] == [node["id"]]
    assert answer["next"] == {"at": None, "text": "nothing, it has ended"}


def test_ends_without_a_failed_task(api: Api) -> None:
    answer = why(api, api.run("stops")["id"])
    assert answer["why"]["text"] == "ended as ERROR: not today"
    assert answer["blocking"][0]["kind"] == "execution"
    api.define("version: '2.0'\nfine: {tasks: {a: {action: std.noop}}}")
    good = api.run("fine")["id"]
    assert why(api, good)["why"]["text"] == "ended as SUCCESS"
    assert why(api, api.tasks(good)["a"]["id"], "tasks")["why"]["text"] == "ended as SUCCESS"


def test_a_running_action_names_its_process(api: Api) -> None:
    execution = api.start("slow")["id"]
    settled(api, execution, "a")
    answer = why(api, execution)
    action = find(answer["why"], "std.sleep")
    assert action["text"].startswith("runs on ")
    assert f"process {os.getpid()}" in action["text"]
    assert answer["next"]["text"] == f"an action ends (std.sleep {action['id']}); when is not known"
    end(api, execution)


def test_refusals(api: Api) -> None:
    for kind in ("executions", "tasks", "action_executions"):
        assert_fault(api("GET", f"/v2/{kind}/{NOBODY}/why"), 404, NOBODY)
    assert_fault(api("GET", f"/v2/executions/{NOBODY}/why?depth=1"), 400, "depth")


def test_since_when_it_is_paused_or_has_ended(api: Api) -> None:
    execution = api.reach(api.start("brief")["id"], "PAUSED")
    paused = why(api, execution["id"])["why"]
    assert paused["since"] == paused["children"][0]["since"] > execution["created_at"]
    row = api.put(f"/v2/executions/{execution['id']}", state="CANCELLED")
    assert why(api, execution["id"])["why"]["since"] == row["updated_at"]


def test_an_action_outside_of_workflows(api: Api) -> None:
    body = {"name": "std.async_noop", "params": {"save_result": True}}
    action_id = api("POST", "/v2/action_executions", json=body).json()["id"]
    found = api.get(f"/v2/action_executions/{action_id}/why")
    assert found["why"]["state"] == "RUNNING"
