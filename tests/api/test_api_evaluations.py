"""`POST /v2/evaluations`: expressions tried on data, and where a task execution stands."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from api_service import NOBODY, Api, assert_fault

from maestrale.model.errors import NotFound
from maestrale.services import evaluations
from maestrale.services.access import Caller
from maestrale.services.evaluations import Question

pytest_plugins = ["api_fixtures"]

ON_POSTGRESQL = 3

TEXT = """version: '2.0'
sees:
  input: [given, both: default]
  vars: {counted: 1}
  tasks:
    first:
      action: std.echo output=<% [1, 2] %>
      publish: {came: <% task().result %>, both: published}
      publish-on-error: {came: never}
      on-success: second
    second:
      action: std.echo output=<% $.came %>
      publish: {came: later}
      on-success: third
    third:
      action: std.noop
"""


@pytest.fixture(scope="module", autouse=True)
def _defined(api: Api) -> None:
    api.define(TEXT)


def evaluate(api: Api, expression: str, **more: Any) -> Any:
    answer = api("POST", "/v2/evaluations", json={"expression": expression, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def task_id(api: Api, execution_id: str, name: str) -> str:
    tasks = api.get(f"/v2/executions/{execution_id}/tasks")["tasks"]
    found: str = next(task["id"] for task in tasks if task["name"] == name)
    return found


@pytest.mark.parametrize(
    ("expression", "data", "result"),
    [
        ("<% $.a + 1 %>", {"a": 1}, 2),
        ("{{ _.a + 1 }}", {"a": 1}, 2),
        ("<% $.where($ > 1) %>", [1, 2, 3], [2, 3]),
        ("{{ _ | length }}", [1, 2, 3], 3),
        ("a <% $ %> b", 7, "a 7 b"),
        ("<% $ %>", None, None),
        ("<% env() %>", {}, {}),
        ("<% task() %>", {}, None),
    ],
)
def test_an_expression_over_data(api: Api, expression: str, data: Any, result: Any) -> None:
    assert evaluate(api, expression, data=data) == {"result": result}


def test_an_expression_sees_what_the_input_of_a_task_saw(api: Api) -> None:
    execution = api.run("sees", input={"given": "g"}, params={"env": {"region": "here"}})
    second = task_id(api, execution["id"], "second")

    def seen(expression: str, **more: Any) -> Any:
        return evaluate(api, expression, task_execution_id=second, **more)["result"]

    assert seen("<% [$.came, $.both, $.given, $.counted] %>") == [[1, 2], "published", "g", 1]
    assert seen("{{ env().region }}") == "here"
    assert seen("<% task().name %>") == "second"
    assert seen("<% task().result %>") == [1, 2]
    assert seen("<% task(first).published.both %>") == "published"
    assert seen("<% execution().id %>") == execution["id"]
    assert seen("<% $.item + $.counted %>", data={"item": 4}) == 5
    assert seen("<% $.both %>", data={"both": "nearest"}) == "nearest"
    everywhere = seen(f"<% tasks('{execution['id']}', true).name %>")
    assert everywhere == ["first", "second", "third"]
    first = task_id(api, execution["id"], "first")
    assert evaluate(api, "<% $.both %>", task_execution_id=first)["result"] == "default"


def test_a_task_that_a_restart_has_superseded_is_seen_as_it_was(api: Api) -> None:
    execution = api.run("sees", input={"given": "g"})
    first, second, third = (task_id(api, execution["id"], name) for name in ("first", "second", "third"))
    assert api("POST", f"/v2/tasks/{first}/restart", json={}).status_code == 200
    api.reach(execution["id"], "SUCCESS")
    for old in (second, third):
        assert json.loads(api.get(f"/v2/tasks/{old}")["runtime_context"])["superseded"]
    for expression, result in (
        ("<% $.came %>", "later"),
        ("<% $.both %>", "published"),
        ("<% task().id %>", third),
        ("<% task(third).id = task().id %>", True),
    ):
        assert evaluate(api, expression, task_execution_id=third)["result"] == result
    newer = evaluate(api, "<% task(second).id %>", task_execution_id=third)["result"]
    assert newer not in (first, second, third)


def test_nothing_is_changed_by_a_trial(api: Api) -> None:
    execution = api.run("sees", input={"given": "g"})
    second = task_id(api, execution["id"], "second")
    before = api.get(f"/v2/executions/{execution['id']}")
    one = evaluate(api, "<% uuid() %>", task_execution_id=second)["result"]
    other = evaluate(api, "<% uuid() %>", task_execution_id=second)["result"]
    assert one != other
    assert api.get(f"/v2/executions/{execution['id']}") == before


def test_text_without_an_expression_is_itself_and_a_remark(api: Api) -> None:
    answer = evaluate(api, "$.a", data={"a": 1})
    assert answer["result"] == "$.a"
    assert answer["warnings"] == ["This is plain text without an expression: write <% $.a %>"]


def test_tasks_of_other_projects_are_unknown(api: Api) -> None:
    execution = api.run("sees", input={"given": "g"})
    question = Question("<% $.given %>", task_execution_id=task_id(api, execution["id"], "first"))
    trials = api.service.services().evaluations
    with pytest.raises(NotFound):
        asyncio.run(trials.evaluate(Caller("another-project"), question))
    mine = Caller(execution["project_id"])
    assert asyncio.run(trials.evaluate(mine, question)).result == "g"


def test_what_is_wrong_is_said(api: Api) -> None:
    def refused(status: int, *words: str, **body: Any) -> None:
        assert_fault(api("POST", "/v2/evaluations", json=body), status, *words)

    refused(400, "Missing argument", data={})
    refused(400, "Unknown attribute", expression="<% 1 %>", text="")
    refused(400, "must be an object", expression="<% $.b %>", data=[1], task_execution_id=NOBODY)
    refused(400, "longer than", expression=f"<% '{'x' * 70_000}' %>")
    refused(400, "cannot be stored as JSON", expression="{{ _.n * 10 }}", data={"n": 1e308})
    refused(400, "Can not evaluate", expression="{{ range('a') }}")
    refused(404, "Task execution not found", expression="<% 1 %>", task_execution_id=NOBODY)


@pytest.mark.parametrize(
    ("expression", "words", "place"),
    [
        ("<% $.b %>", "no variable 'b'", {"expression": "$.b", "line": 1, "column": 3}),
        ("<% $.a + %>", "Can not parse YAQL", {"expression": "<% $.a + %>", "line": 1, "column": 9}),
        ("{{ _.a +\n _.b }}", "no variable 'b'", {"expression": "_.a +\n _.b", "line": 2, "column": 4}),
    ],
)
def test_the_place_of_what_is_wrong(api: Api, expression: str, words: str, place: dict[str, Any]) -> None:
    answer = api("POST", "/v2/evaluations", json={"expression": expression, "data": {"a": 1}})
    assert answer.status_code == 400
    assert words in answer.json()["faultstring"]
    assert answer.json()["place"] == place


def test_what_takes_long_is_ended_and_holds_up_nobody(api: Api) -> None:
    """On data, and where a task stands, whose result is asked for on the way."""
    slow = f"<% '{'a' * 40}!'.matches('(a+)+$') %>"
    execution = api.run("sees", input={"given": "g"})
    second = task_id(api, execution["id"], "second")
    places: list[dict[str, Any]] = [{"data": {}}, {"task_execution_id": second}]
    for more in places:
        answer = api("POST", "/v2/evaluations", json={"expression": slow, **more})
        assert_fault(answer, 400, "longer than 2 s", "time_limit")
    many = "<% range(400).where(range(400).len() + task().result.len() > $).len() %>"
    assert evaluate(api, many, task_execution_id=second)["result"] == 400


def test_who_comes_when_too_many_wait_comes_later(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluations, "MOST_WAITING", -evaluations.AT_ONCE)
    answer = api("POST", "/v2/evaluations", json={"expression": "<% 1 %>"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
