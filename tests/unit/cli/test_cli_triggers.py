"""What the commands for cron triggers and event triggers send."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_objects import CREATED_CRON_TRIGGER, CREATED_EVENT_TRIGGER, CRON_TRIGGER, EVENT_TRIGGER, WORKFLOW
from cli_server import ApiServer, ask, run


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with ApiServer() as server:
        yield server


def test_a_cron_trigger(api: ApiServer, tmp_path: Path) -> None:
    api.answer("POST /cron_triggers", CREATED_CRON_TRIGGER, status=201)
    (tmp_path / "input").write_text('{"x": 1}')
    words = ("cron-trigger-create", "nightly", "hello_world", str(tmp_path / "input"))
    options = ("--params", '{"env": {"a": 1}}', "--pattern", "0 3 * * *", "--count", "3")
    first = ("--first-time", "2026-11-23 20:09", "--utc")
    assert ask(api, *words, *options, *first).code == 0
    assert api.last.body == {
        "name": "nightly",
        "workflow_name": "hello_world",
        "workflow_input": {"x": 1},
        "workflow_params": {"env": {"a": 1}},
        "pattern": "0 3 * * *",
        "first_execution_time": "2026-11-23 20:09",
        "remaining_executions": 3,
    }


def test_what_is_not_given_is_not_sent(api: ApiServer) -> None:
    api.answer("POST /cron_triggers", CREATED_CRON_TRIGGER, status=201)
    assert ask(api, "cron-trigger-create", "c", WORKFLOW["id"], "--pattern", "@daily").code == 0
    assert api.last.body == {"name": "c", "workflow_id": WORKFLOW["id"], "pattern": "@daily"}


@pytest.fixture
def in_new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("in_new_york")
@pytest.mark.parametrize(
    ("given", "sent"), [("2026-01-23 20:09", "2026-01-24 01:09"), ("2026-07-23 20:09", "2026-07-24 00:09")]
)
def test_a_first_time_is_local(api: ApiServer, given: str, sent: str) -> None:
    """By the offset of that day, not of this one."""
    api.answer("POST /cron_triggers", CREATED_CRON_TRIGGER, status=201)
    words = ("cron-trigger-create", "c", "w", "--first-time", given)
    assert run(*words, OS_MISTRAL_URL=api.url, TZ="America/New_York").code == 0
    assert api.last.body["first_execution_time"] == sent


@pytest.mark.parametrize("text", ["tomorrow", "2026-11-23", "2026-11-23T20:09", "2026-13-01 00:00"])
def test_a_first_time_that_is_none(api: ApiServer, text: str) -> None:
    outcome = ask(api, "cron-trigger-create", "c", "w", "--first-time", text)
    assert outcome.code == 2
    assert "YYYY-MM-DD HH:MM" in outcome.err
    assert text in outcome.err
    assert not api.requests


def test_an_error_is_shown_where_there_is_one(api: ApiServer) -> None:
    failing = CRON_TRIGGER | {"next_execution_time": None, "last_error": "Invalid input [name=w]"}
    api.answer("GET /cron_triggers/c", failing)
    shown = json.loads(ask(api, "cron-trigger-get", "c", "-f", "json").out)
    assert (shown["Last error"], shown["Next execution time"]) == ("Invalid input [name=w]", None)


def test_lists_can_be_filtered(api: ApiServer) -> None:
    for kind in ("cron", "event"):
        api.answer(f"GET /{kind}_triggers", {f"{kind}_triggers": []})
        assert ask(api, f"{kind}-trigger-list", "--filter", "name=has:x", "--limit", "5").code == 0
        assert (api.last.query["name"], api.last.query["limit"]) == (["has:x"], ["5"])


def test_an_event_trigger(api: ApiServer) -> None:
    api.answer("POST /event_triggers", CREATED_EVENT_TRIGGER, status=201)
    words = ("event-trigger-create", "n", WORKFLOW["id"], "nova", "notifications", "created", '{"x": 1}')
    assert ask(api, *words, "--params", '{"env": {}}').code == 0
    assert api.last.body == {
        "name": "n",
        "workflow_id": WORKFLOW["id"],
        "exchange": "nova",
        "topic": "notifications",
        "event": "created",
        "workflow_input": {"x": 1},
        "workflow_params": {"env": {}},
    }


@pytest.mark.parametrize(
    ("options", "body"),
    [
        (("--name", "new"), {"name": "new"}),
        (("--input", "{}"), {"workflow_input": {}}),
        (("--workflow-id", WORKFLOW["id"], "--params", '{"a": 1}'),
         {"workflow_id": WORKFLOW["id"], "workflow_params": {"a": 1}}),
    ],
)  # fmt: skip
def test_an_event_trigger_changes(api: ApiServer, options: tuple[str, ...], body: dict[str, Any]) -> None:
    api.answer("PUT /event_triggers/EVENT", EVENT_TRIGGER)
    assert ask(api, "event-trigger-update", "EVENT", *options).code == 0
    assert api.last.body == body


def test_a_missing_workflow_is_looked_for(api: ApiServer) -> None:
    api.refuse("POST /cron_triggers", 404, "Workflow not found [workflow_identifier=w, namespace=]")
    outcome = ask(api, "cron-trigger-create", "c", "w", "--pattern", "@daily")
    assert outcome.code == 1
    assert "mistral workflow-list" in outcome.err
