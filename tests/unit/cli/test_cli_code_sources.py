"""What the commands for code sources and dynamic actions send and print."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_objects import CODE_SOURCE, DYNAMIC_ACTION
from cli_server import ApiServer, ask


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with ApiServer() as server:
        yield server


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "m.py"
    path.write_text(CODE_SOURCE["content"])
    return path


@pytest.mark.parametrize(
    ("command", "request_", "given", "query"),
    [
        ("code-source-create", "POST", [], {"name": ["m"], "scope": ["private"]}),
        ("code-source-create", "POST", ["--public", "--namespace", "n"],
         {"name": ["m"], "scope": ["public"], "namespace": ["n"]}),
        ("code-source-update", "PUT", [], {"identifier": ["m"]}),
        ("code-source-update", "PUT", ["--public"], {"identifier": ["m"], "scope": ["public"]}),
    ],
)  # fmt: skip
def test_uploads(
    api: ApiServer, file: Path, command: str, request_: str, given: list[str], query: dict[str, list[str]]
) -> None:
    api.answer(f"{request_} /code_sources", CODE_SOURCE)
    outcome = ask(api, command, "m", str(file), *given, "-f", "json")
    assert outcome.code == 0, outcome.err
    assert (api.last.content, api.last.content_type, api.last.query) == (
        CODE_SOURCE["content"],
        "text/plain",
        query,
    )
    assert json.loads(outcome.out) == {
        "ID": CODE_SOURCE["id"],
        "Name": "m",
        "Namespace": "",
        "Project ID": "<default-project>",
        "Scope": "private",
        "Created at": "2026-11-23 20:09:36",
        "Updated at": None,
    }


def test_the_text_is_printed_as_it_is(api: ApiServer) -> None:
    api.answer("GET /code_sources/m", CODE_SOURCE)
    assert ask(api, "code-source-get-content", "m").out == CODE_SOURCE["content"]


@pytest.mark.parametrize("kind", ["code-source", "dynamic-action"])
def test_reading_and_deleting_in_a_namespace(api: ApiServer, kind: str) -> None:
    path = kind.replace("-", "_") + "s"
    api.answer(f"GET /{path}/m", CODE_SOURCE if kind == "code-source" else DYNAMIC_ACTION)
    api.answer(f"DELETE /{path}/m", status=204)
    for command in (f"{kind}-get", f"{kind}-delete"):
        assert ask(api, command, "m", "--namespace", "n").code == 0
        assert api.last.query == {"namespace": ["n"]}
        ask(api, command, "m")
        assert api.last.query == {}


@pytest.mark.parametrize(
    ("given", "body"),
    [
        (["m"], {"code_source_name": "m", "scope": "private"}),
        (
            [CODE_SOURCE["id"], "--public", "--namespace", "n"],
            {"code_source_id": CODE_SOURCE["id"], "scope": "public", "namespace": "n"},
        ),
    ],
)
def test_making_a_class_an_action(api: ApiServer, given: list[str], body: dict[str, str]) -> None:
    api.answer("POST /dynamic_actions", DYNAMIC_ACTION, status=201)
    outcome = ask(api, "dynamic-action-create", "greet", "Greet", *given, "-f", "json")
    assert api.last.body == {"name": "greet", "class_name": "Greet", **body}
    assert list(json.loads(outcome.out)) == [
        "ID", "Name", "Class", "Code source ID", "Code source name", "Project ID", "Scope", "Created at",
        "Updated at",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "body"),
    [
        (["greet", "--class-name", "A"], {"name": "greet", "class_name": "A"}),
        (
            [CODE_SOURCE["id"], "--code-source", "n", "--public"],
            {"id": CODE_SOURCE["id"], "code_source_name": "n", "scope": "public"},
        ),
    ],
)
def test_changing_a_dynamic_action(api: ApiServer, given: list[str], body: dict[str, str]) -> None:
    api.answer("PUT /dynamic_actions", DYNAMIC_ACTION)
    assert ask(api, "dynamic-action-update", *given).code == 0
    assert api.last.body == body


def test_lists_ask_for_what_they_show(api: ApiServer) -> None:
    api.answer("GET /code_sources", {"code_sources": [CODE_SOURCE]})
    api.answer("GET /dynamic_actions", {"dynamic_actions": [DYNAMIC_ACTION]})
    assert "m" in ask(api, "code-source-list").out
    assert api.last.query["fields"] == ["id,name,namespace,project_id,scope,created_at,updated_at"]
    assert "greet" in ask(api, "dynamic-action-list", "--namespace", "n").out
    assert api.last.query["namespace"] == ["n"]


@pytest.mark.parametrize(
    ("command", "status", "hint"),
    [
        ("code-source-create", 409, "mistral code-source-update m"),
        ("code-source-update", 404, "mistral code-source-create m"),
    ],
)
def test_refusals_say_what_to_do(api: ApiServer, file: Path, command: str, status: int, hint: str) -> None:
    api.refuse(f"{'POST' if status == 409 else 'PUT'} /code_sources", status, "Refused.")
    assert f"{hint} {file}" in ask(api, command, "m", str(file)).err
