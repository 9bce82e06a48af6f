"""What the commands send, and how they take arguments and refusals."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cli_objects import ACTION_EXECUTION, CREATED, EXECUTION, REPORT, TASK, WORKFLOW
from cli_server import ApiServer, ask

ID = EXECUTION["id"]


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with ApiServer() as server:
        yield server


def test_the_walk_through(api: ApiServer, tmp_path: Path) -> None:
    api.answer("POST /workflows", {"workflows": [CREATED]}, status=201)
    api.answer("POST /executions", EXECUTION | {"state": "RUNNING", "updated_at": None}, status=201)
    api.answer("GET /executions", {"executions": [EXECUTION]})
    api.answer(f"GET /executions/{ID}", EXECUTION | {"output": '{"output": "Hello Workflow!"}'})
    ran = ACTION_EXECUTION | {"id": None, "output": '{"result": "Hello Workflow!"}'}
    api.answer("POST /action_executions", ran, status=201)
    file = tmp_path / "hello_world.yaml"
    file.write_text(WORKFLOW["definition"])

    assert "| hello_world |" in ask(api, "workflow-create", str(file)).out
    assert "| State              | RUNNING" in ask(api, "execution-create", "hello_world").out
    assert f"| {ID} |" in ask(api, "execution-list").out
    assert "| State              | SUCCESS" in ask(api, "execution-get", ID).out
    assert ask(api, "execution-get-output", ID).out == '{\n    "output": "Hello Workflow!"\n}\n'
    outcome = ask(api, "run-action", "std.echo", '{"output": "Hello Workflow!"}')
    assert outcome == (0, '{"result": "Hello Workflow!"}\n', "")
    assert api.last.body == {"name": "std.echo", "input": {"output": "Hello Workflow!"}}


def test_a_definition_goes_as_it_is(api: ApiServer, tmp_path: Path) -> None:
    api.answer("POST /workflows", {"workflows": [CREATED]}, status=201)
    file = tmp_path / "w.yaml"
    file.write_bytes("version: '2.0'\r\n# größe\r\n".encode())
    assert ask(api, "workflow-create", str(file), "--namespace", "n s", "--public").code == 0
    assert api.last.content == "version: '2.0'\r\n# größe\r\n"
    assert api.last.content_type == "text/plain"
    assert api.last.query == {"scope": ["public"], "namespace": ["n s"]}


def test_a_definition_may_come_from_standard_input(api: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    api.answer("POST /workflows/validate", {"valid": True})
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"version: '2.0'")))
    outcome = ask(api, "workflow-validate", "-", "-f", "json")
    assert json.loads(outcome.out) == {"Valid": True, "Error": None}
    assert api.last.content == "version: '2.0'"


def test_a_definition_that_cannot_be_read_is_a_usage_error(api: ApiServer, tmp_path: Path) -> None:
    outcome = ask(api, "workflow-create", str(tmp_path / "missing.yaml"))
    assert outcome.code == 2
    assert "missing.yaml': No such file or directory" in outcome.err
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert "is not UTF-8 text" in ask(api, "workflow-create", str(tmp_path / "binary")).err
    assert api.requests == []


def test_a_workflow_that_exists_can_be_updated(api: ApiServer, tmp_path: Path) -> None:
    file = tmp_path / "w.yaml"
    file.write_text("x")
    api.refuse("POST /workflows", 409, "Duplicate entry for WorkflowDefinition ['name']: hello_world")
    outcome = ask(api, "workflow-create", str(file))
    assert outcome == (
        1,
        "",
        "ERROR (app) Duplicate entry for WorkflowDefinition ['name']: hello_world\n"
        f"To replace what is stored: mistral workflow-update {file}\n",
    )


def test_updating_one_workflow_by_id_shows_the_bare_object(api: ApiServer, tmp_path: Path) -> None:
    (tmp_path / "w.yaml").write_text("x")
    api.answer(f"PUT /workflows/{WORKFLOW['id']}", WORKFLOW)
    outcome = ask(api, "workflow-update", str(tmp_path / "w.yaml"), "--id", WORKFLOW["id"], "-f", "value")
    assert outcome.out.startswith(WORKFLOW["id"])


@pytest.mark.parametrize(("valid", "options", "code"), [(True, 1, 0), (False, 1, 1), (False, 0, 0)])
def test_validation_fails_the_program_only_if_asked(
    api: ApiServer, tmp_path: Path, valid: bool, options: int, code: int
) -> None:
    (tmp_path / "w.yaml").write_text("x")
    api.answer("POST /workflows/validate", {"valid": valid})
    outcome = ask(api, "workflow-validate", str(tmp_path / "w.yaml"), *["--exit-code"][:options])
    assert outcome.code == code
    assert f"| Valid | {valid}" in outcome.out


def test_deleting_goes_on_after_a_failure(api: ApiServer) -> None:
    api.answer("DELETE /workflows/a", status=204)
    api.refuse("DELETE /workflows/b", 404, "Workflow not found [workflow_identifier=b, namespace=]")
    api.answer("DELETE /workflows/c", status=204)
    assert ask(api, "workflow-delete", "a", "b", "c") == (
        1,
        "Request to delete workflow a has been accepted.\nRequest to delete workflow c has been accepted.\n",
        "Workflow not found [workflow_identifier=b, namespace=]\n"
        "ERROR (app) Unable to delete the specified workflow(s).\n",
    )


def test_force_is_said_when_deleting_executions(api: ApiServer) -> None:
    api.answer(f"DELETE /executions/{ID}", status=204)
    assert ask(api, "execution-delete", ID).code == 0
    assert api.last.query == {}
    assert ask(api, "execution-delete", ID, "--force").code == 0
    assert api.last.query == {"force": ["true"]}


@pytest.mark.parametrize(
    ("words", "body"),
    [
        (["w"], {"description": "", "workflow_name": "w"}),
        ([WORKFLOW["id"]], {"description": "", "workflow_id": WORKFLOW["id"]}),
        (
            ["w", '{"x": 1}', '{"env": {"y": 2}}', "--namespace", "n", "-d", "why"],
            {
                "description": "why",
                "workflow_name": "w",
                "workflow_namespace": "n",
                "input": {"x": 1},
                "params": {"env": {"y": 2}},
            },
        ),
        (["-s", "an-id"], {"description": "", "source_execution_id": "an-id"}),
    ],
)
def test_starting_a_workflow(api: ApiServer, words: list[str], body: dict[str, Any]) -> None:
    api.answer("POST /executions", EXECUTION, status=201)
    assert ask(api, "execution-create", *words).code == 0
    assert api.last.body == body
    assert api.last.content_type == "application/json"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "Missing argument 'WORKFLOW'"),
        (["w", "{}", "[1]"], "PARAMS must be a JSON object"),
    ],
)
def test_a_start_that_makes_no_sense_is_a_usage_error(api: ApiServer, words: list[str], text: str) -> None:
    outcome = ask(api, "execution-create", *words)
    assert outcome.code == 2
    assert text in outcome.err
    assert api.requests == []


def test_an_unknown_workflow_leads_to_the_list(api: ApiServer) -> None:
    api.refuse("POST /executions", 404, "Workflow not found [workflow_identifier=w, namespace=]")
    assert ask(api, "execution-create", "w").err == (
        "ERROR (app) Workflow not found [workflow_identifier=w, namespace=]\n"
        "To see which workflows there are: mistral workflow-list\n"
    )


def test_json_arguments_may_be_files(api: ApiServer, tmp_path: Path) -> None:
    api.answer("POST /executions", EXECUTION, status=201)
    (tmp_path / "input.json").write_text('{"x": "é"}')
    assert ask(api, "execution-create", "w", str(tmp_path / "input.json")).code == 0
    assert api.last.body["input"] == {"x": "é"}
    (tmp_path / "input.json").write_text("{")
    outcome = ask(api, "execution-create", "w", str(tmp_path / "input.json"))
    assert outcome.code == 1
    assert outcome.err.startswith("ERROR (app) Expecting property name")
    assert f"in the file {tmp_path / 'input.json'}" in outcome.err


@pytest.mark.parametrize("text", ["{a: 1}", "{" + "x" * 5000, "a\0b"])
def test_bad_json_is_an_error_of_its_own(api: ApiServer, text: str) -> None:
    outcome = ask(api, "run-action", "std.echo", text)
    assert outcome.code == 1
    assert outcome.err.startswith("ERROR (app) Expect")
    assert "neither JSON nor the name of a file" in outcome.err
    assert api.requests == []


@pytest.mark.parametrize(
    ("words", "body"),
    [
        (["-s", "PAUSED"], {"state": "PAUSED"}),
        (["-d", "text"], {"description": "text"}),
        (["-s", "RUNNING", "-e", "a: 1"], {"state": "RUNNING", "params": {"env": {"a": 1}}}),
    ],
)
def test_updating_an_execution(api: ApiServer, words: list[str], body: dict[str, Any]) -> None:
    api.answer(f"PUT /executions/{ID}", EXECUTION)
    assert ask(api, "execution-update", ID, *words).code == 0
    assert api.last.body == body


@pytest.mark.parametrize(
    ("words", "state", "parts"),
    [
        (
            ["-s", "RUNNING"],
            "ERROR",
            ["is in ERROR", "paused", "task-rerun", "task-restart", f"task-list {ID}"],
        ),
        (["-s", "RUNNING"], "CANCELLED", ["is in CANCELLED", "task-restart"]),
        (["-s", "RUNNING"], "RUNNING", []),
        (["-s", "RUNNING"], "SUCCESS", []),
        (["-s", "ERROR"], "ERROR", []),
        (["-d", "text"], "ERROR", []),
    ],
)
def test_resuming_what_has_ended_says_what_helps(
    api: ApiServer, words: list[str], state: str, parts: list[str]
) -> None:
    api.answer(f"PUT /executions/{ID}", EXECUTION | {"state": state})
    outcome = ask(api, "execution-update", ID, *words, "-f", "json")
    assert outcome.code == 0
    assert json.loads(outcome.out)["State"] == state
    assert bool(outcome.err) is bool(parts)
    for part in parts:
        assert part in outcome.err
    assert ("task-rerun" in outcome.err) is ("task-rerun" in parts)


def test_bad_yaml_of_an_environment_is_an_error(api: ApiServer) -> None:
    outcome = ask(api, "execution-update", ID, "-e", "{a: [")
    assert outcome.code == 1
    assert "neither YAML nor the name of a file" in outcome.err


def test_rerunning_a_task(api: ApiServer) -> None:
    api.answer("PUT /tasks/t", TASK)
    ask(api, "task-rerun", "t")
    assert api.last.body == {"id": "t", "state": "RUNNING", "reset": True}
    ask(api, "task-rerun", "t", "--resume", "-e", '{"a": 1}')
    assert api.last.body == {"id": "t", "state": "RUNNING", "reset": False, "env": {"a": 1}}


def test_what_of_a_tree_is_asked_for(api: ApiServer) -> None:
    api.answer("GET /executions/x/report", {"statistics": REPORT["statistics"]})
    api.answer("GET /executions/x/executions", {"executions": [EXECUTION]})
    api.answer("GET /tasks/t/executions", {"executions": [EXECUTION]})
    ask(api, "execution-get-report", "x")
    assert api.last.query == {"errors_only": ["true"], "max_depth": ["-1"]}
    ask(api, "execution-get-report", "x", "--no-errors-only", "--statistics-only", "--max-depth", "2")
    assert api.last.query == {"statistics_only": ["true"], "max_depth": ["2"]}
    ask(api, "execution-get-sub-executions", "x")
    assert api.last.query == {"max_depth": ["-1"]}
    ask(api, "task-get-sub-executions", "t", "--errors-only", "--max-depth", "0")
    assert api.last.query == {"errors_only": ["true"], "max_depth": ["0"]}
    assert ask(api, "execution-get-report", "x", "--max-depth", "-2").code == 2


def test_why(api: ApiServer) -> None:
    leaf: dict[str, Any] = {
        "kind": "action", "name": "std.http", "id": "a", "state": "RUNNING", "text": "runs", "since": "1",
        "until": None, "children": [],
    }  # fmt: skip
    more: dict[str, Any] = dict.fromkeys(leaf) | {"kind": "more", "text": "3 more that run", "children": []}
    tree = leaf | {"kind": "task", "name": "t", "id": "x", "until": "2", "children": [leaf, more]}
    answer = {"why": tree, "blocking": [leaf], "next": {"at": "2", "text": "task 't' of w times out"}}
    api.refuse("GET /executions/x/why", 404, "not there")
    api.answer("GET /tasks/x/why", answer)
    assert ask(api, "why", "x").out == (
        "task t x RUNNING (since 1, until 2)\n"
        "  runs\n"
        "  action std.http a RUNNING (since 1)\n"
        "    runs\n"
        "  … 3 more that run\n"
        "\n"
        "Next: task 't' of w times out at 2 UTC\n"
    )
    assert json.loads(ask(api, "why", "x", "-f", "json").out) == answer
    outcome = ask(api, "why", "nobody")
    assert (outcome.code, outcome.err) == (
        1,
        "ERROR (app) No execution, task or action execution has the id nobody\n",
    )


def test_restarting_from_a_task(api: ApiServer) -> None:
    planned = {
        "id": "u", "name": "after", "state": "SUCCESS", "workflow_execution_id": "e", "workflow_name": "w",
        "reason": "follows 't'",
    }  # fmt: skip
    api.answer("POST /tasks/t/restart", {"dry_run": True, "tasks": [planned]})
    outcome = ask(api, "task-restart", "t", "--dry-run", "-f", "value")
    assert outcome.out == "u after w e SUCCESS follows 't'\n"
    assert api.last.body == {"dry_run": True}
    ask(api, "task", "execution", "restart", "t", "-e", '{"a": 1}')
    assert api.last.body == {"env": {"a": 1}}


@pytest.mark.parametrize(
    ("words", "body"),
    [
        (["--output", "0"], {"output": 0}),
        (["--output", "null", "--state", "ERROR"], {"state": "ERROR", "output": None}),
        (["--state", "CANCELLED"], {"state": "CANCELLED"}),
    ],
)
def test_completing_an_action_execution(api: ApiServer, words: list[str], body: dict[str, Any]) -> None:
    api.answer("PUT /action_executions/a", ACTION_EXECUTION)
    assert ask(api, "action-execution-update", "a", *words).code == 0
    assert api.last.body == body


def test_running_an_action(api: ApiServer) -> None:
    running = ACTION_EXECUTION | {"state": "RUNNING", "output": None}
    api.answer("POST /action_executions", running, status=201)
    outcome = ask(api, "run-action", "a", "-s", "-t", "host", "--namespace", "n", "-f", "value", "-c", "id")
    assert outcome.out == f"{ACTION_EXECUTION['id']}\n"
    assert api.last.body == {
        "name": "a",
        "workflow_namespace": "n",
        "params": {"save_result": True, "target": "host"},
    }


def test_an_action_that_goes_on_says_where_its_result_will_be(api: ApiServer) -> None:
    running = ACTION_EXECUTION | {"state": "RUNNING", "output": None}
    api.answer("POST /action_executions", running, status=201)
    outcome = ask(api, "run-action", "std.async_noop")
    assert outcome.out == "None\n"
    assert f"mistral action-execution-get-output {ACTION_EXECUTION['id']}" in outcome.err


def test_identifiers_are_quoted_in_the_path(api: ApiServer) -> None:
    api.answer("GET /workflows/a b/ö?", WORKFLOW)
    assert ask(api, "workflow-get", "a b/ö?").code == 0


def test_lists_ask_for_their_columns_only(api: ApiServer) -> None:
    api.answer("GET /workflows", {"workflows": []})
    ask(api, "workflow-list", "--marker", ID, "--filter", "name=has:a=b", "--filter", "scope=private")
    assert api.last.query == {
        "marker": [ID],
        "sort_keys": ["created_at"],
        "sort_dirs": ["asc"],
        "fields": ["id,name,namespace,project_id,tags,input,scope,created_at,updated_at"],
        "name": ["has:a=b"],
        "scope": ["private"],
    }


@pytest.mark.parametrize("command", ["execution-list", "task-list", "action-execution-list"])
def test_execution_lists_show_the_newest_last(api: ApiServer, command: str) -> None:
    kind = {"execution-list": "executions", "task-list": "tasks"}.get(command, "action_executions")
    rows = [{"id": "new", "created_at": "2026-01-02 00:00:00"}, {"id": "old", "created_at": None}]
    api.answer(f"GET /{kind}", {kind: rows})
    assert ask(api, command, "-f", "value", "-c", "ID").out == "old\nnew\n"
    assert (api.last.query["limit"], api.last.query["sort_dirs"]) == (["100"], ["desc"])
    for option in (["--oldest"], ["--marker", "m"], ["--sort_keys", "id"], ["--sort_dirs", "desc"]):
        assert ask(api, command, "-f", "value", "-c", "ID", *option).out == "new\nold\n"
        assert api.last.query["sort_dirs"] == ["desc" if option[1:] == ["desc"] else "asc"]


def test_filters_of_execution_lists(api: ApiServer) -> None:
    api.answer("GET /executions", {"executions": []})
    ask(api, "execution-list", "--task", "t", "--rootsonly", "--limit", "3")
    assert api.last.query["task_execution_id"] == ["t"]
    assert api.last.query["nulls"] == ["root_execution_id"]
    assert api.last.query["limit"] == ["3"]


def test_no_limit_means_all_pages(api: ApiServer) -> None:
    api.answer("GET /executions", {"executions": [{"id": "c"}, {"id": "b"}], "next": "http://elsewhere/"})
    api.answer("GET /executions", {"executions": [{"id": "a"}]})
    assert ask(api, "execution-list", "--limit", "-1", "-f", "value", "-c", "ID").out == "a\nb\nc\n"
    assert [request.query.get("marker") for request in api.requests] == [None, ["b"]]


@pytest.mark.parametrize("state", ["SUCCESS", "ERROR", "CANCELLED", "PAUSED"])
def test_the_duration_of_what_does_not_run_stands_still(api: ApiServer, state: str) -> None:
    api.answer("GET /executions/e", EXECUTION | {"state": state})
    assert ask(api, "execution-get", "e", "-f", "value", "-c", "duration").out == "0:00:02\n"


def test_an_empty_list_prints_nothing(api: ApiServer) -> None:
    api.answer("GET /workflows", {"workflows": []})
    assert ask(api, "workflow-list").out == ""
    assert ask(api, "workflow-list", "-f", "json").out == "[]\n"
    assert ask(api, "workflow-list", "-f", "value").out == ""
    table = ask(api, "workflow-list", "--print-empty", "-c", "Name").out
    assert table == "+------+\n| Name |\n+------+\n+------+\n"


def test_a_bad_filter_is_an_error(api: ApiServer) -> None:
    outcome = ask(api, "workflow-list", "--filter", "name")
    assert outcome.code == 1
    assert outcome.err.startswith("ERROR (app) Invalid filter: name.")


def test_an_unknown_column_is_an_error(api: ApiServer) -> None:
    api.answer("GET /workflows", {"workflows": [WORKFLOW]})
    outcome = ask(api, "workflow-list", "-c", "colour")
    assert (outcome.code, outcome.out) == (1, "")
    assert "No column is named colour. Columns are: ID, Name" in outcome.err


def test_raw_texts_without_json(api: ApiServer) -> None:
    api.answer("GET /executions/a", {"id": "a", "output": "no JSON"})
    assert ask(api, "execution-get-output", "a").out == "no JSON"
    assert ask(api, "execution-get-published", "a").out == "\n"


def test_maintenance_stands_beside_the_version_of_the_api(api: ApiServer) -> None:
    api.answer("GET /maintenance", {"status": "RUNNING"}, root="")
    assert "RUNNING" in ask(api, "maintenance-get").out
    api.answer("PUT /maintenance", {"status": "PAUSING"}, root="")
    assert "PAUSING" in ask(api, "maintenance-update", "paused").out
    assert api.last.body == {"status": "PAUSED"}
    assert ask(api, "maintenance-update", "PAUSING").code == 2
