"""`maestrale evaluate`: over data, at a server, and in a database."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from cli_server import ApiServer, Outcome, ask, run

TEXT = """version: '2.0'
trip:
  input: [start]
  tasks:
    go:
      action: std.echo output=<% $.start %>
      publish: {reached: <% task().result %>}
      on-success: stay
    stay:
      with-items: day in <% [1, 2] %>
      action: std.noop
"""


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with ApiServer() as server:
        yield server


def typed(text: str, *words: str) -> Outcome:
    """Run the program with `text` at its standard input."""
    with mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode()))):
        return run(*words)


@pytest.fixture
def data(tmp_path: Path) -> str:
    path = tmp_path / "data.yaml"
    path.write_text("vm: {name: web, ports: [80, 443]}\nwhen: 2026-01-01\n")
    return str(path)


@pytest.mark.parametrize(
    ("expression", "form", "out"),
    [
        ("<% $.vm.ports %>", "json", "[\n    80,\n    443\n]\n"),
        ("<% $.vm.ports %>", "yaml", "- 80\n- 443\n"),
        ("{{ _.vm.name }}", "json", '"web"\n'),
        ("{{ _.vm.name }}", "yaml", "web\n"),
        ("{{ _.vm.name }}:<% 1 %>", "value", None),
        ("at {{ _.vm.name }}", "value", "at web\n"),
        ("<% $.when %>", "value", "2026-01-01\n"),
        ("<% $.vm.name.len() %>", "value", "3\n"),
    ],
)
def test_over_data_without_a_server(data: str, expression: str, form: str, out: str | None) -> None:
    outcome = run("evaluate", expression, "--data", data, "-f", form)
    assert outcome.out == (out or "")
    assert outcome.code == (out is None)


def test_without_data() -> None:
    assert run("evaluate", "<% 1 + 1 %>") == Outcome(0, "2\n", "")


def test_standard_input_is_the_expression_or_the_data(data: str) -> None:
    assert typed("<% $.vm.name %>\n", "evaluate", "-", "-d", data).out == '"web"\n'
    assert typed("{{ _.vm\n .name }}\n", "evaluate", "-", "-d", data).out == '"web"\n'
    assert typed('{"a": [1]}', "evaluate", "<% $.a %>", "-d", "-", "-f", "yaml").out == "- 1\n"
    assert typed("- 1", "evaluate", "<% $ %>", "-d", "-", "-f", "yaml").out == "- 1\n"
    assert run("evaluate", "-", "-d", "-").code == 2


@pytest.mark.parametrize(
    ("expression", "shown"),
    [
        ("<% $.vm.nam %>", "  $.vm.nam\n       ^\n"),
        ("x={{ _.vm.nam }}", "  x={{ _.vm.nam }}\n            ^\n"),
        ("<% $.vm.ports + %>", "  <% $.vm.ports + %>\n                 ^\n"),
        ("<% $.vm.\n\tname.x %>", "  \tname.x\n  \t     ^\n"),
        ("{{ nope }}", "  nope\n  ^\n"),
    ],
)
def test_what_is_wrong_is_shown_with_a_mark(data: str, expression: str, shown: str) -> None:
    outcome = run("evaluate", expression, "-d", data)
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith("ERROR (app) Can not ")
    assert outcome.err.endswith(shown)


def test_plain_text_gets_a_remark(data: str) -> None:
    outcome = run("evaluate", "_.vm", "-d", data)
    assert outcome == Outcome(
        0, '"_.vm"\n', "warning: This is plain text without an expression: write {{ _.vm }}\n"
    )
    assert "write <% $.name %> or {{ _.name }}" in run("evaluate", "vm").err


def test_files_that_do_not_fit(tmp_path: Path) -> None:
    assert "can't open" in run("evaluate", "<% 1 %>", "-d", str(tmp_path / "none")).err
    broken = tmp_path / "broken"
    broken.write_text("a: [1")
    assert f"in the file {broken}" in run("evaluate", "<% 1 %>", "-d", str(broken)).err


def test_at_a_server(api: ApiServer, data: str) -> None:
    api.answer("POST /evaluations", {"result": [1], "warnings": ["odd"]})
    outcome = ask(api, "evaluate", "<% $.a %>", "--task", "t", "-d", data, "-f", "yaml")
    assert outcome == Outcome(0, "- 1\n", "warning: odd\n")
    assert api.last.body == {
        "expression": "<% $.a %>",
        "data": {"vm": {"name": "web", "ports": [80, 443]}, "when": "2026-01-01"},
        "task_execution_id": "t",
    }
    ask(api, "evaluate", "<% $.a %>", "--task", "t")
    assert api.last.body == {"expression": "<% $.a %>", "task_execution_id": "t"}


def test_the_mark_of_a_server(api: ApiServer) -> None:
    place = {"expression": "$.a", "line": 1, "column": 3}
    fault: dict[str, Any] = {"faultcode": "Client", "faultstring": "no variable 'a'", "debuginfo": None}
    api.answer("POST /evaluations", fault | {"place": place}, status=400)
    assert ask(api, "evaluate", "<% $.a %>", "-t", "t").err == "ERROR (app) no variable 'a'\n  $.a\n    ^\n"
    assert (
        "No server answers"
        in run("evaluate", "<% 1 %>", "-t", "t", "--os-mistral-url", "http://127.0.0.1:1").err
    )


def test_in_a_database(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "trip.yaml"
    file.write_text(TEXT)
    words = ("--database", database_url)
    with pytest.raises(SystemExit, match="0"):
        run("run", str(file), "-i", "start=Rome", *words)
    answer = run("evaluate", "<% tasks().select([$.name, $.id]) %>", "-t", _any_task(database_url), *words)
    ids = dict(json.loads(answer.out))

    def seen(expression: str, task: str, *more: str) -> str:
        return run("evaluate", expression, "-t", ids[task], "-f", "value", *words, *more).out

    assert seen("{{ _.reached }}", "stay") == "Rome\n"
    item = tmp_path / "item.json"
    item.write_text('{"day": 2}')
    assert seen("<% $.reached + str($.day) %>", "stay", "-d", str(item)) == "Rome2\n"
    outcome = run("evaluate", "<% $.reached %>", "-t", ids["go"], *words)
    assert outcome.err.endswith("  $.reached\n    ^\n")
    assert "not found" in run("evaluate", "<% 1 %>", "-t", "nobody", *words).err


def test_a_database_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "never.db"
    outcome = run("evaluate", "<% 1 %>", "-t", "t", "--database", f"sqlite:///{path}")
    assert "There is no database" in outcome.err
    assert not path.exists()


def _any_task(url: str) -> str:
    from sqlalchemy import select

    from maestrale.store.database import Database
    from maestrale.store.tables import task_executions

    database = Database(url)
    try:
        found: str = database.read(
            lambda connection: connection.execute(select(task_executions.c.id)).scalars().all()
        ).result()[0]
        return found
    finally:
        database.close()
