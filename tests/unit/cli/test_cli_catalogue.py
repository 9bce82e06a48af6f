"""What the commands for workbooks, ad-hoc actions and environments send."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_objects import AD_HOC, CREATED_ENVIRONMENT, CREATED_WORKBOOK, ENVIRONMENT, EXECUTION, WORKBOOK
from cli_server import ApiServer, ask

TEXT = "version: '2.0'\n# größe\n"


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with ApiServer() as server:
        yield server


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text(TEXT)
    return path


@pytest.mark.parametrize(
    ("command", "request_", "answer"),
    [
        ("workbook-create", "POST /workbooks", CREATED_WORKBOOK),
        ("workbook-update", "PUT /workbooks", WORKBOOK),
        ("action-create", "POST /actions", {"actions": [AD_HOC]}),
        ("action-update", "PUT /actions", {"actions": [AD_HOC]}),
    ],
)
@pytest.mark.parametrize(
    ("options", "query"),
    [
        ([], {"scope": ["private"]}),
        (["--public", "--namespace", "n s"], {"scope": ["public"], "namespace": ["n s"]}),
    ],
)
def test_uploads(
    api: ApiServer,
    file: Path,
    command: str,
    request_: str,
    answer: Any,
    options: list[str],
    query: dict[str, list[str]],
) -> None:
    api.answer(request_, answer)
    assert ask(api, command, str(file), *options).code == 0
    assert (api.last.content, api.last.content_type, api.last.query) == (TEXT, "text/plain", query)


def test_an_action_is_updated_by_id(api: ApiServer, file: Path) -> None:
    api.answer("PUT /actions/i", {"actions": [AD_HOC]})
    assert "greet" in ask(api, "action-update", str(file), "--id", "i", "--namespace", "n").out
    assert api.last.query["namespace"] == ["n"]


@pytest.mark.parametrize("kind", ["workbook", "action"])
def test_reading_and_deleting_in_a_namespace(api: ApiServer, kind: str) -> None:
    api.answer(f"GET /{kind}s/a.b", AD_HOC)
    api.answer(f"DELETE /{kind}s/a.b", status=204)
    for command in (f"{kind}-get", f"{kind}-get-definition", f"{kind}-delete"):
        assert ask(api, command, "a.b", "--namespace", "n").code == 0
        assert api.last.query == {"namespace": ["n"]}
        ask(api, command, "a.b")
        assert api.last.query == {}


@pytest.mark.parametrize(
    ("command", "status", "hint"),
    [
        ("workbook-create", 409, "mistral workbook-update FILE"),
        ("workbook-update", 404, "mistral workbook-create FILE"),
        ("action-create", 409, "mistral action-update FILE"),
        ("action-update", 404, "mistral action-create FILE"),
        ("environment-create", 409, "mistral environment-update FILE"),
        ("environment-update", 404, "mistral environment-create FILE"),
    ],
)
def test_refusals_say_what_to_do(
    api: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, status: int, hint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("FILE").write_text("name: e\n")
    kind, verb = command.split("-")
    api.refuse(f"{'POST' if verb == 'create' else 'PUT'} /{kind}s", status, "Refused.")
    outcome = ask(api, command, "FILE")
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith("ERROR (app) Refused.")
    assert hint in outcome.err


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ('{"name": "e", "variables": {"a": [1, null]}}', {"name": "e", "variables": {"a": [1, None]}}),
        ("name: e\nscope: public\nvariables:\n  on: 2026-11-23\n  x: &x {y: 1}\n  z: *x\n",
         {"name": "e", "scope": "public", "variables": {"true": "2026-11-23", "x": {"y": 1}, "z": {"y": 1}}}),
        ("name: e\nvariables: '{\"a\": 1}'\n", {"name": "e", "variables": '{"a": 1}'}),
        ("name: e\ncolour: red\n", {"name": "e", "colour": "red"}),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("command", "method"), [("environment-create", "POST"), ("environment-update", "PUT")]
)
def test_files_of_environments(
    api: ApiServer, tmp_path: Path, text: str, body: Any, command: str, method: str
) -> None:
    (tmp_path / "e").write_text(text)
    api.answer(f"{method} /environments", CREATED_ENVIRONMENT)
    assert ask(api, command, str(tmp_path / "e")).code == 0
    assert (api.last.body, api.last.content_type) == (body, "application/json")


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("[1]", 2, "holds no object"),
        ("", 2, "holds no object"),
        ("a: [", 1, "in the file"),
        ("a: !!set {b}", 1, "not JSON serializable"),
        ("a: !!python/object:os.x {}", 1, "in the file"),
    ],
)
def test_files_that_are_no_environment(
    api: ApiServer, tmp_path: Path, text: str, code: int, words: str
) -> None:
    (tmp_path / "e").write_text(text)
    outcome = ask(api, "environment-create", str(tmp_path / "e"))
    assert outcome.code == code
    assert words in outcome.err
    assert api.requests == []


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_an_exported_environment_can_be_stored_again(api: ApiServer, tmp_path: Path, form: str) -> None:
    api.answer("GET /environments/staging", ENVIRONMENT)
    api.answer("POST /environments", CREATED_ENVIRONMENT, status=201)
    (tmp_path / "e").write_text(ask(api, "environment-get", "staging", "--export", "-f", form).out)
    assert ask(api, "environment-create", str(tmp_path / "e")).code == 0
    body = api.last.body
    assert json.loads(body.pop("variables")) == json.loads(ENVIRONMENT["variables"])
    assert body == {"name": "staging", "description": None, "scope": "private"}


def test_an_environment_may_be_named_where_an_execution_changes(api: ApiServer) -> None:
    api.answer("PUT /executions/e", EXECUTION)
    ask(api, "execution-update", "e", "-s", "RUNNING", "-e", "staging")
    assert api.last.body == {"state": "RUNNING", "params": {"env": "staging"}}


def test_lists_ask_for_what_they_show(api: ApiServer) -> None:
    api.answer("GET /environments", {"environments": []})
    api.answer("GET /workbooks", {"workbooks": []})
    ask(api, "environment-list", "--filter", "scope=public")
    assert api.last.query["fields"] == ["name,description,scope,created_at,updated_at"]
    assert api.last.query["scope"] == ["public"]
    ask(api, "workbook-list")
    assert api.last.query["fields"] == ["name,namespace,tags,scope,created_at,updated_at"]
