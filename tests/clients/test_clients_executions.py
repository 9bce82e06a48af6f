"""python-mistralclient: executions, tasks and action executions through its Python API."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from client_service import Plain, refused
from original import PythonApi

pytest_plugins = ["client_fixtures"]
pytestmark = pytest.mark.slow

PATIENT = """version: '2.0'
patient:
  input: [x, {y: 2}]
  tags: [slow]
  tasks:
    wait: {action: std.async_noop}
"""
FAMILY = """version: '2.0'
family:
  input: [word]
  output: {all: <% $.all %>, none: <% $.none %>}
  tasks:
    first:
      action: std.echo output=<% $.word %>
      publish: {word: <% task().result %>, none: 0}
      on-success:
        publish: {global: {everywhere: <% $.word %>}}
        next: [child]
    child:
      workflow: kid word=<% $.word %>
      publish: {all: <% task().result %>}
"""
KID = """version: '2.0'
kid:
  input: [word]
  output: {said: <% $.word %>}
  tasks:
    say: {action: std.echo output=<% $.word %>}
"""
FAILING = """version: '2.0'
failing:
  tasks:
    bad:
      with-items: i in <% [1, 2] %>
      action: std.fail error_data=<% env().get(why, nothing) %>
    other: {workflow: broken}
"""
BROKEN = "version: '2.0'\nbroken: {tasks: {deep: {action: std.fail, retry: {count: 1, delay: 0}}}}\n"
EMPTY = """version: '2.0'
empty:
  output: {never: false, zero: 0, text: '', items: []}
  tasks:
    nothing: {action: std.echo output='', publish: {a: false, b: 0, c: '', d: []}}
"""


@pytest.fixture(scope="module", autouse=True)
def _workflows(plain: Plain) -> None:
    """The workflows above."""
    for text in (PATIENT, KID, FAMILY, BROKEN, FAILING, EMPTY):
        plain.post("/workflows", content=text)


@pytest.fixture(scope="module")
def family(plain: Plain) -> str:
    """A finished execution with a child."""
    found = plain.run("family", input={"word": "hi"})
    assert found["state"] == "SUCCESS", found
    return str(found["id"])


@pytest.fixture(scope="module")
def failed(plain: Plain) -> str:
    """A failed execution with a failed child."""
    found = plain.run("failing")
    assert found["state"] == "ERROR"
    return str(found["id"])


@pytest.fixture
def waiting(plain: Plain) -> Iterator[str]:
    """An execution that waits for somebody outside."""
    made = plain.post("/executions", json={"workflow_name": "patient", "input": {"x": 1}})
    yield made["id"]
    plain.delete(f"/executions/{made['id']}", force="true")


@pytest.mark.asks(
    *(f"executions.{method}" for method in ("create", "get", "update", "delete", "list", "find"))
)
def test_executions(api: PythonApi, plain: Plain) -> None:
    """Started by name and by id, paused, resumed, described, ended, removed."""
    made = api("executions.create", "patient", "", {"x": 1}, "why", env={"e": 1}, read_only=False)
    shown = plain.get(f"/executions/{made.data['id']}")
    assert (made.kind, shown["state"], shown["description"]) == ("Execution", "RUNNING", "why")
    assert json.loads(shown["input"]) == {"x": 1, "y": 2}
    assert (
        json.loads(shown["params"]).items() >= {"env": {"e": 1}, "read_only": False, "namespace": ""}.items()
    )
    assert made.data.items() <= {**shown, "updated_at": made.data["updated_at"]}.items()
    name = made.data["id"]
    assert api("executions.get", name).data == shown

    described = api("executions.update", name, None, description="because")
    assert described.data["description"] == "because" == plain.get(f"/executions/{name}")["description"]
    for state in ("PAUSED", "RUNNING", "PAUSED"):
        assert api("executions.update", name, state).data["state"] == state
        assert plain.get(f"/executions/{name}")["state"] == state
    api("executions.update", name, None, env={"f": 2})
    assert json.loads(plain.get(f"/executions/{name}")["params"])["env"] == {"e": 1, "f": 2}
    api("executions.update", name, "RUNNING", env={"e": 3})
    assert json.loads(plain.get(f"/executions/{name}")["params"])["env"] == {"e": 3, "f": 2}
    refusal = refused(api, "executions.update", name, None, env={"g": 1})
    assert refusal[0] == 403
    assert refused(api, "executions.update", name, "IDLE")[0] == 400
    assert refused(api, "executions.update", name, "PAUSED", description="both")[0] == 400
    assert [one.data["id"] for one in api("executions.find", description="because")] == [name]
    assert [one.data["id"] for one in api("executions.list", description="because")] == [name]

    assert refused(api, "executions.delete", name)[0] == 403
    for state in ("SUCCESS", "ERROR", "CANCELLED"):
        one = api("executions.create", plain.get("/workflows/patient")["id"], workflow_input='{"x": 5}')
        ended = api("executions.update", one.data["id"], state)
        shown = plain.get(f"/executions/{one.data['id']}")
        assert ended.data == {key: value for key, value in shown.items() if key != "published_global"}
        assert shown["state"] == state
        assert api("executions.delete", one.data["id"]) is None
        assert plain.status(f"/executions/{one.data['id']}") == 404
    assert api("executions.delete", name, force=True) is None
    assert refused(api, "executions.get", name) == (404, f"WorkflowExecution not found [id={name}]")
    assert refused(api, "executions.delete", name)[0] == 404


def test_executions_that_cannot_be(api: PythonApi) -> None:
    """What is wrong with a start is said with the code of the service."""
    assert refused(api, "executions.create") == (400, 'Execution is missing field "workflow_identifier"')
    assert refused(api, "executions.create", "nowhere") == (
        404,
        "Workflow not found [workflow_identifier=nowhere, namespace=]",
    )
    code, message = refused(api, "executions.create", "patient")
    assert code == 400
    assert "Invalid input" in message
    assert "missing=['x']" in message
    code, message = refused(api, "executions.create", "kid", "", {"word": 1, "zz": 1})
    assert code == 400
    assert "unexpected=['zz']" in message
    assert refused(api, "executions.create", "patient", "far", {"x": 1})[0] == 404
    assert refused(api, "executions.create", "patient", "", {"x": 1}, env="nowhere")[0] == 400
    assert refused(api, "executions.create", "patient", "", "{")[0] == 400


def test_an_execution_made_from_another(api: PythonApi, plain: Plain, family: str) -> None:
    """A source gives workflow and input; what is given counts more."""
    again = api("executions.create", source_execution_id=family)
    assert plain.ended(again.data["id"])["output"] == plain.get(f"/executions/{family}")["output"]
    assert f"Based on the execution '{family}'" in again.data["description"]
    other = api(
        "executions.create", workflow_input={"word": "ho"}, source_execution_id=family, description="d"
    )
    assert json.loads(plain.ended(other.data["id"])["input"]) == {"word": "ho"}


@pytest.mark.asks("executions.get_ex_sub_executions", "tasks.get_task_sub_executions")
def test_executions_below(api: PythonApi, plain: Plain, family: str, failed: str) -> None:
    """The tree below an execution and below a task, with its depth and only with errors."""
    child = plain.list("executions", root_execution_id=family)[0]
    task = plain.tasks(family)["child"]
    listed = api("executions.get_ex_sub_executions", family)
    assert [one.data["id"] for one in listed] == [family, child["id"]]
    assert listed[1].data == child
    assert [one.data for one in listed] == plain.get(f"/executions/{family}/executions")["executions"]
    assert len(api("executions.get_ex_sub_executions", family, max_depth=0)) == 1
    assert [one.data["id"] for one in api("executions.get_ex_sub_executions", family, errors_only=True)] == [
        family
    ]
    below = api("tasks.get_task_sub_executions", task["id"])
    assert [(one.kind, one.data) for one in below] == [("Execution", child)]
    assert api("tasks.get_task_sub_executions", task["id"], errors_only=True) == []
    other = plain.tasks(failed)["other"]
    (deep,) = api("tasks.get_task_sub_executions", other["id"], errors_only=True, max_depth=2)
    assert deep.data["workflow_name"] == "broken"
    assert refused(api, "tasks.get_task_sub_executions", "nowhere")[0] == 404
    assert refused(api, "executions.get_ex_sub_executions", "nowhere")[0] == 404


@pytest.mark.asks("executions.get_report")
def test_reports(api: PythonApi, plain: Plain, family: str, failed: str) -> None:
    """The tree of a run; by default only what failed, statistics too."""
    report = api("executions.get_report", failed)
    assert report == plain.get(f"/executions/{failed}/report", errors_only="true")
    assert report["statistics"]["error_tasks_count"] == 3
    names = {task["name"] for task in report["root_workflow_execution"]["task_executions"]}
    assert names == {"bad", "other"}
    everything = api("executions.get_report", family, errors_only=False)
    assert everything == plain.get(f"/executions/{family}/report")
    assert everything["statistics"]["success_tasks_count"] == 3
    assert api("executions.get_report", family)["statistics"]["total_tasks_count"] == 0
    shallow = api("executions.get_report", family, errors_only=False, max_depth=0)
    assert shallow == plain.get(f"/executions/{family}/report", max_depth="0")
    only = api("executions.get_report", family, errors_only=False, statistics_only=True)
    assert only == {"statistics": everything["statistics"]}
    assert "faultstring" in api("executions.get_report", "nowhere")


@pytest.mark.asks("tasks.list", "tasks.get", "tasks.find")
def test_tasks(api: PythonApi, plain: Plain, family: str) -> None:
    """Tasks of an execution and of all; results and published values are JSON text."""
    mine = api("tasks.list", family)
    assert [one.data for one in mine] == plain.get(f"/executions/{family}/tasks")["tasks"]
    assert [(one.kind, one.data["name"]) for one in mine] == [("Task", "first"), ("Task", "child")]
    first = api("tasks.get", mine[0].data["id"])
    assert first.data == plain.get(f"/tasks/{mine[0].data['id']}")
    assert json.loads(first.data["result"]) == "hi"
    assert json.loads(first.data["published"]) == {"word": "hi", "none": 0}
    assert json.loads(first.data["published_global"]) == {"everywhere": "hi"}
    assert [one.data for one in api("tasks.find", id=first.data["id"])] == [mine[0].data]
    everywhere = api("tasks.list", workflow_name="family", state="SUCCESS")
    assert [one.data for one in everywhere] == plain.list("tasks", workflow_name="family", state="SUCCESS")
    assert refused(api, "tasks.get", "nowhere") == (404, "Task execution not found [id=nowhere]")
    assert refused(api, "tasks.list", "11111111-1111-4111-8111-111111111111")[0] == 404


def test_values_that_are_nothing(api: PythonApi, plain: Plain) -> None:
    """False, zero, empty text and empty lists are values like others."""
    name = plain.run("empty")["id"]
    assert json.loads(api("executions.get", name).data["output"]) == {
        "never": False,
        "zero": 0,
        "text": "",
        "items": [],
    }
    task = api("tasks.get", plain.tasks(name)["nothing"]["id"])
    assert json.loads(task.data["result"]) == ""
    assert json.loads(task.data["published"]) == {"a": False, "b": 0, "c": "", "d": []}
    assert json.loads(api("executions.get", name).data["published_global"]) == {}


@pytest.mark.asks("tasks.rerun")
def test_reruns(api: PythonApi, plain: Plain) -> None:
    """A failed task runs again, all of it or only what failed, with another environment."""
    name = plain.run("failing")["id"]
    task = plain.tasks(name)["bad"]
    again = api("tasks.rerun", task["id"], reset=False, env={"why": "again"})
    assert (again.kind, again.data["id"]) == ("Task", task["id"])
    assert plain.ended(name)["state"] == "ERROR"
    assert json.loads(plain.get(f"/executions/{name}")["params"])["env"] == {"why": "again"}
    api("tasks.rerun", task["id"])
    plain.ended(name)
    assert len(plain.get(f"/tasks/{task['id']}/action_executions")["action_executions"]) == 6
    assert refused(api, "tasks.rerun", plain.tasks(name)["other"]["id"], reset=False)[0] == 400
    assert refused(api, "tasks.rerun", "nowhere")[0] == 404


@pytest.mark.asks(
    *(f"action_executions.{method}" for method in ("create", "get", "update", "list", "find", "delete"))
)
def test_action_executions(api: PythonApi, plain: Plain, waiting: str) -> None:
    """Those of tasks are listed and ended from outside; others are started, kept or not, and removed."""
    task = plain.tasks(waiting)["wait"]
    (one,) = api("action_executions.list", task["id"])
    assert [one.data] == plain.get(f"/tasks/{task['id']}/action_executions")["action_executions"]
    assert (one.kind, one.data["name"], one.data["state"]) == ("ActionExecution", "std.async_noop", "RUNNING")
    assert api("action_executions.get", one.data["id"]).data == plain.get(
        f"/action_executions/{one.data['id']}"
    )
    assert api("action_executions.update", one.data["id"], "PAUSED").data["state"] == "PAUSED"
    assert api("action_executions.update", one.data["id"], "RUNNING").data["state"] == "RUNNING"
    done = api("action_executions.update", one.data["id"], "SUCCESS", {"said": [0]})
    assert json.loads(done.data["output"]) == {"result": {"said": [0]}}
    assert done.data == plain.get(f"/action_executions/{one.data['id']}")
    plain.ended(waiting)
    assert json.loads(plain.get(f"/tasks/{task['id']}")["result"]) == {"said": [0]}
    assert refused(api, "action_executions.update", one.data["id"], "SUCCESS")[0] in (400, 409)
    assert refused(api, "action_executions.update", one.data["id"])[0] == 400
    assert refused(api, "action_executions.update", one.data["id"], "IDLE")[0] == 400
    assert refused(api, "action_executions.delete", one.data["id"])[0] == 403

    at_once = api("action_executions.create", "std.echo", {"output": "hi"})
    assert (at_once.data["output"], at_once.data["state"], at_once.data["id"]) == (
        '{"result": "hi"}',
        "SUCCESS",
        None,
    )
    kept = api("action_executions.create", "std.echo", {"output": "hi"}, save_result=True, run_sync=True)
    assert json.loads(kept.data["output"]) == {"result": "hi"}
    assert kept.data == plain.get(f"/action_executions/{kept.data['id']}")
    later = api("action_executions.create", "std.echo", {"output": "later"}, save_result=True)
    ended = plain.get(f"/action_executions/{later.data['id']}", wait="20")
    assert (ended["state"], ended["output"]) == ("SUCCESS", '{"result": "later"}')
    bad = api("action_executions.create", "std.fail")
    assert bad.data["state"] == "ERROR"
    assert [found.data["id"] for found in api("action_executions.find", id=later.data["id"])] == [
        later.data["id"]
    ]
    assert api("action_executions.list", name="std.fail", state="RUNNING", limit=1) == []

    outside = api("action_executions.create", "std.async_noop", save_result=True)
    assert (outside.data["state"], plain.get(f"/action_executions/{outside.data['id']}")["state"]) == (
        "RUNNING",
    ) * 2
    failed = api("action_executions.update", outside.data["id"], state="ERROR", output={"why": 1})
    assert (failed.data["state"], json.loads(failed.data["output"])) == ("ERROR", {"result": {"why": 1}})
    for name in (kept.data["id"], later.data["id"], outside.data["id"]):
        assert api("action_executions.delete", name) is None
        assert refused(api, "action_executions.get", name) == (404, f"ActionExecution not found [id={name}]")

    code, message = refused(api, "action_executions.create", "nowhere")
    assert (code, message.startswith("Failed to find action [action_name=nowhere]")) == (400, True)
    assert refused(api, "action_executions.create", "std.echo", {"no": 1})[0] == 400
    assert refused(api, "action_executions.create", "") == (400, 'ActionExecution is missing field "name"')
