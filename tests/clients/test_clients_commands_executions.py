"""`mistral` and `openstack`: the commands for executions, tasks and actions, held against the service."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from client_service import Plain
from columns import listed, shown
from programs import Program, Row

pytest_plugins = ["client_fixtures"]
pytestmark = pytest.mark.slow

TEXTS = (
    """version: '2.0'
told:
  input: [word]
  output: {all: <% $.all %>, none: [], never: false}
  tasks:
    first:
      action: std.echo output=<% $.word %>
      publish: {word: <% task().result %>}
      on-success:
        publish: {global: {everywhere: <% $.word %>}}
        next: [child]
    child: {workflow: teller word=<% $.word %>, publish: {all: <% task().result %>}}
teller:
  input: [word]
  output: {said: <% $.word %>}
  tasks: {say: {action: std.echo output=<% $.word %>}}
""",
    """version: '2.0'
worse:
  tasks:
    bad: {with-items: "i in <% [1, 2] %>", action: "std.fail error_data=<% env().get(why, 'nothing') %>"}
    again: {action: std.fail error_data=4, retry: {count: 1, delay: 0}}
    below: {workflow: broken_below}
broken_below: {tasks: {deep: {action: std.fail}}}
""",
    "version: '2.0'\noutside: {input: [x: 1], tasks: {wait: {action: std.async_noop}}}\n",
    "version: '2.0'\nbare: {tasks: {t: {action: std.noop}}}\n",
)
DETAILS = "\nTo get more details on a task failure run: mistral task-get <id> -c 'State info'\n\n"
RULE = "=" * 30


@pytest.fixture(scope="module", autouse=True)
def _workflows(plain: Plain) -> None:
    """The workflows above, one also in a namespace."""
    for text in TEXTS:
        plain.post("/workflows", content=text)
    plain.post("/workflows", params={"namespace": "away"}, content=TEXTS[3])


@pytest.fixture(scope="module")
def told(plain: Plain) -> str:
    """A finished execution with a child."""
    return str(plain.run("told", input={"word": "hi"}, description="d")["id"])


@pytest.fixture(scope="module")
def worse(plain: Plain) -> str:
    """A failed execution with a child."""
    return str(plain.run("worse")["id"])


def without(row: Row, *names: str) -> Row:
    """A row without what changes while one looks."""
    return {name: value for name, value in row.items() if name not in names}


def indented(text: str) -> str:
    """JSON as the commands print it."""
    return json.dumps(json.loads(text), indent=4) + "\n"


@pytest.mark.asks("execution-create", "execution-update", "execution-delete", "execution-get")
def test_executions_live(program: Program, plain: Plain, tmp_path: Path) -> None:
    """Started with input, parameters and description; paused, resumed, ended; removed by force or not."""
    words = ('{"x": 5}', '{"env": {"e": 1}}', "-d", "why")
    made = program.row("execution-create", "outside", *words)
    found = plain.get(f"/executions/{made['ID']}")
    assert without(made, "Duration", "Updated at") == without(
        shown("execution", found), "Duration", "Updated at"
    )
    assert (made["State"], made["Description"], made["Duration"]) == ("RUNNING", "why", "...")
    assert json.loads(found["input"]) == {"x": 5}
    assert json.loads(found["params"])["env"] == {"e": 1}
    name = made["ID"]

    assert program.row("execution-update", name, "-s", "PAUSED")["State"] == "PAUSED"
    assert program.row("execution-update", name, "-d", "because")["Description"] == "because"
    program("execution-update", name, "-e", '{"e": 2}')
    file = tmp_path / "env.yaml"
    file.write_text("f: [3]\n")
    assert program.row("execution-update", name, "-s", "RUNNING", "-e", str(file))["State"] == "RUNNING"
    assert json.loads(plain.get(f"/executions/{name}")["params"])["env"] == {"e": 2, "f": [3]}
    ran = program("execution-update", name, "-s", "PAUSED", "-d", "both", code=1)
    assert "description" in ran.err

    ran = program("execution-delete", name, code=1)
    assert "force" in ran.out
    assert "Unable to delete the specified execution(s)." in ran.err
    program("execution-update", name, "--state", "CANCELLED")
    ended = program.row("execution-get", name)
    assert without(ended, "Duration") == without(
        shown("execution", plain.get(f"/executions/{name}")), "Duration"
    )
    other = program.row("execution-create", "outside", str(_written(tmp_path, {"x": 7})))["ID"]
    ran = program("execution-delete", name, "nowhere", other, "--force", code=1)
    assert ran.out.splitlines() == [
        f"Request to delete execution {name} has been accepted.",
        "WorkflowExecution not found [id=nowhere]",
        f"Request to delete execution {other} has been accepted.",
    ]

    away = program.row("execution-create", "bare", "--namespace", "away")
    assert away["Workflow namespace"] == "away"
    assert plain.ended(away["ID"])["state"] == "SUCCESS"
    by_id = program.row("execution-create", plain.get("/workflows/bare")["id"])
    again = program.row("execution-create", "-s", by_id["ID"])
    assert again["Workflow ID"] == by_id["Workflow ID"]
    assert "Based on the execution" in again["Description"]
    assert "missing=['word']" in program("execution-create", "told", code=1).err
    assert "Workflow not found" in program("execution-create", "nowhere", code=1).err
    assert program("execution-create", "outside", "{x", code=1).err
    program("execution-update", name, "-s", "IDLE", code=2)


def _written(folder: Path, content: object) -> Path:
    path = folder / "input.json"
    path.write_text(json.dumps(content))
    return path


@pytest.mark.asks(
    "execution-get", "execution-get-input", "execution-get-output", "execution-get-published",
    "execution-get-sub-executions", "execution-list",
)  # fmt: skip
def test_executions(program: Program, plain: Plain, told: str, worse: str) -> None:
    """What is shown of executions, of their data, and of those below them."""
    found = plain.get(f"/executions/{told}")
    assert program.show_everywhere("execution-get", told) == shown("execution", found)
    assert re.fullmatch(r"0:00:\d\d", program.row("execution-get", told)["Duration"])
    failed = program.row("execution-get", worse)
    assert failed == shown("execution", plain.get(f"/executions/{worse}"))
    assert program.out("execution-get-input", told) == indented(found["input"])
    assert program.out("execution-get-output", told) == indented(found["output"])
    assert json.loads(program.out("execution-get-output", told)) == {
        "all": {"said": "hi"}, "none": [], "never": False,
    }  # fmt: skip
    assert json.loads(program.out("execution-get-published", told)) == {"everywhere": "hi"}
    assert program.out("execution-get-published", worse) == "{}\n"

    (child,) = plain.list("executions", root_execution_id=told)
    task = plain.tasks(told)["child"]["id"]
    rows = program.list_everywhere("execution-list", "--filter", f"root_execution_id={told}")
    assert rows == [listed("execution", child)] == program.rows("execution-list", "--task", task)
    roots = program.rows("execution-list", "--rootsonly", "--filter", "workflow_name=in:told,teller")
    assert {row["Workflow name"] for row in roots} == {"told"}
    if program.has("execution-get-sub-executions"):
        rows = program.list_everywhere("execution-get-sub-executions", told)
        assert rows == [
            listed("execution", row) for row in plain.get(f"/executions/{told}/executions")["executions"]
        ]
        assert [row["Workflow name"] for row in rows] == ["told", "teller"]
        assert len(program.rows("execution-get-sub-executions", told, "--max-depth", "0")) == 1
        errors = program.rows("execution-get-sub-executions", worse, "--errors-only")
        assert [row["Workflow name"] for row in errors] == ["worse", "broken_below"]


@pytest.mark.asks("execution-list", "task-list", "action-execution-list")
def test_the_newest_first_page(program: Program, plain: Plain) -> None:
    """Lists of what runs show the newest by default, in the order of time, and the oldest on demand."""
    for number in range(3):
        plain.run("bare", description=f"{program.name}_{number}")
    for command, collection, kind in (
        ("execution-list", "executions", "execution"),
        ("task-list", "tasks", "task"),
        ("action-execution-list", "action_executions", "action_execution"),
    ):
        newest = plain.list(collection, sort_dirs="desc", limit="2")
        assert program.rows(command, "--limit", "2") == [listed(kind, row) for row in reversed(newest)]
        oldest = plain.list(collection, limit="2")
        assert program.rows(command, "--limit", "2", "--oldest") == [listed(kind, row) for row in oldest]
        after = plain.list(collection, marker=oldest[0]["id"], limit="3")
        words = ("--marker", oldest[0]["id"], "--limit", "3")
        assert program.rows(command, *words) == [listed(kind, row) for row in after]
        ordered = plain.list(collection, sort_keys="state,id", sort_dirs="desc,asc", limit="100")
        words = ("--sort_keys", "state,id", "--sort_dirs", "desc,asc")
        assert program.rows(command, *words) == [listed(kind, row) for row in ordered]
        wanted = plain.list(collection, state="neq:SUCCESS", sort_dirs="desc", limit="100")
        rows = program.rows(command, "--filter", "state=neq:SUCCESS")
        assert [row["ID"] for row in rows] == [row["id"] for row in reversed(wanted)]
        narrow = program.rows(command, "--limit", "1", "-c", "ID", "-c", "State")
        assert [list(row) for row in narrow] == [["ID", "State"]]
        assert "nonsense" in program(command, "--filter", "nonsense=1", code=1).err
        assert "Invalid filter" in program(command, "--filter", "nonsense", code=1).err


@pytest.mark.asks("execution-get-report")
def test_reports(program: Program, plain: Plain, told: str, worse: str) -> None:
    """The tree of a run, with its statistics; by default only what failed."""
    tasks, below = plain.tasks(worse), plain.list("executions", root_execution_id=worse)[0]
    deep = plain.tasks(below["id"])["deep"]
    text = program.out("execution-get-report", worse)
    assert text.startswith(f"{DETAILS}{RULE} General Statistics {RULE}\n\n")
    assert "Number of tasks in ERROR state: 4\n" in text
    assert "Estimated time (seconds) for the execution to finish: 0\n" in text
    tree = text.split(f"{RULE} Workflow Execution Tree {RULE}\n\n")[1]
    lines = [line for line in tree.splitlines() if "(error info" not in line]
    assert lines[0] == f"workflow 'worse' [ERROR] {worse}"
    again = lines.index(f"    task 'again' [ERROR] {tasks['again']['id']}")
    assert lines[again + 1] == "    (retry count: 1)"
    assert sum(line.startswith("        action 'std.fail' [ERROR] ") for line in lines) == 4
    assert f"        workflow 'broken_below' [ERROR] {below['id']}" in lines
    assert f"            task 'deep' [ERROR] {deep['id']}" in lines

    assert "Number of tasks in SUCCESS state: 0" in program.out("execution-get-report", told, "--errors-only")
    everything = program.out("execution-get-report", told, "--no-errors-only")
    assert "Number of tasks in SUCCESS state: 3" in everything
    assert f"    task 'first' [SUCCESS] {plain.tasks(told)['first']['id']}\n" in everything
    only = program.out("execution-get-report", told, "--no-errors-only", "--statistics-only")
    assert everything.startswith(only)
    assert "Tree" not in only
    shallow = program.out("execution-get-report", told, "--no-errors-only", "--max-depth", "0")
    assert "workflow 'teller'" in shallow
    assert "task 'say'" not in shallow


@pytest.mark.asks(
    "task-list", "task-get", "task-get-result", "task-get-published", "task-get-sub-executions", "task-rerun"
)
def test_tasks(program: Program, plain: Plain, told: str) -> None:
    """What is shown of tasks and of their data; a failed one runs again."""
    tasks = plain.tasks(told)
    rows = program.list_everywhere("task-list", told)
    assert rows == [listed("task", row) for row in plain.get(f"/executions/{told}/tasks")["tasks"]]
    first = tasks["first"]["id"]
    assert program.show_everywhere("task-get", first) == shown("task", plain.get(f"/tasks/{first}"))
    assert program.out("task-get-result", first) == '"hi"\n'
    assert program.out("task-get-result", tasks["child"]["id"]) == indented('{"said": "hi"}')
    assert program.out("task-get-published", first) == indented('{"word": "hi"}') + indented(
        '{"everywhere": "hi"}'
    )
    assert program.out("task-get-published", tasks["child"]["id"]) == indented('{"all": {"said": "hi"}}')
    if program.has("task-get-sub-executions"):
        rows = program.rows("task-get-sub-executions", tasks["child"]["id"])
        assert rows == [listed("execution", plain.list("executions", root_execution_id=told)[0])]
        assert program.rows("task-get-sub-executions", first) == []
        assert program.rows("task-get-sub-executions", tasks["child"]["id"], "--errors-only") == []
        assert len(program.rows("task-get-sub-executions", tasks["child"]["id"], "--max-depth", "1")) == 1

    name = plain.run("worse")["id"]
    bad = plain.tasks(name)["bad"]["id"]
    again = program.row("task-rerun", bad, "--resume", "-e", '{"why": "again"}')
    assert (again["ID"], again["Name"]) == (bad, "bad")
    assert plain.ended(name)["state"] == "ERROR"
    assert json.loads(plain.get(f"/executions/{name}")["params"])["env"] == {"why": "again"}
    program("task-rerun", bad)
    plain.ended(name)
    assert len(program.rows("action-execution-list", bad)) == 6
    assert "Task execution not found" in program("task-rerun", "nowhere", code=1).err
    assert program("task-rerun", first, code=1).err


@pytest.mark.asks(
    "run-action", "action-execution-list", "action-execution-get", "action-execution-get-input",
    "action-execution-get-output", "action-execution-update", "action-execution-delete",
)  # fmt: skip
def test_action_executions(program: Program, plain: Plain, told: str, tmp_path: Path) -> None:
    """Actions run in every way; those that wait are told their end; those that ended are removed."""
    first = plain.tasks(told)["first"]["id"]
    (row,) = program.list_everywhere("action-execution-list", first)
    (found,) = plain.get(f"/tasks/{first}/action_executions")["action_executions"]
    assert row == listed("action_execution", found)
    full = plain.get(f"/action_executions/{found['id']}")
    assert program.show_everywhere("action-execution-get", found["id"]) == shown("action_execution", full)
    assert program.out("action-execution-get-input", found["id"]) == indented(full["input"])
    assert program.out("action-execution-get-output", found["id"]) == indented('{"result": "hi"}')

    given = '{"output": {"a": [0]}}'
    assert json.loads(program.out("run-action", "std.echo", given)) == {"result": {"a": [0]}}
    assert json.loads(program.out("run-action", "std.echo", str(_written(tmp_path, {"output": 0})))) == {
        "result": 0
    }
    assert json.loads(program.out("run-action", "std.echo", given, "--run-sync")) == {"result": {"a": [0]}}
    assert json.loads(program.out("run-action", "std.echo", given, "--run-sync", "-s")) == {
        "result": {"a": [0]}
    }
    assert "result" in json.loads(program.out("run-action", "std.fail"))
    kept = program.row("run-action", "std.echo", given, "-s", "--namespace", "away")
    after = plain.get(f"/action_executions/{kept['ID']}", wait="20")
    assert (kept["State"], after["state"]) == ("RUNNING", "SUCCESS")
    assert program.out("action-execution-get-output", kept["ID"]) == indented('{"result": {"a": [0]}}')
    assert "Failed to find action" in program("run-action", "nowhere", code=1).err

    waiting = program.row("run-action", "std.async_noop", "-s")["ID"]
    assert program.row("action-execution-update", waiting, "--state", "PAUSED")["State"] == "PAUSED"
    assert program.row("action-execution-update", waiting, "--state", "RUNNING")["State"] == "RUNNING"
    done = program.row("action-execution-update", waiting, "--state", "SUCCESS", "--output", '{"a": 1}')
    assert done == shown("action_execution", plain.get(f"/action_executions/{waiting}"))
    assert program.out("action-execution-get-output", waiting) == indented('{"result": {"a": 1}}')
    other = program.row("run-action", "std.async_noop", "-s")["ID"]
    output = str(_written(tmp_path, {"b": 2}))
    assert (
        program.row("action-execution-update", other, "--state", "ERROR", "--output", output)["State"]
        == "ERROR"
    )
    assert program("run-action", "std.async_noop").out == "None\n"

    ran = program("action-execution-delete", waiting, "nowhere", other, kept["ID"], code=1)
    assert ran.out.splitlines() == [
        f"Request to delete action execution {waiting} has been accepted.",
        "ActionExecution not found [id=nowhere]",
        f"Request to delete action execution {other} has been accepted.",
        f"Request to delete action execution {kept['ID']} has been accepted.",
    ]
