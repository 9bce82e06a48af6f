"""Notifications as they are asked for: in params, and by the operator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from api_service import Api, assert_fault

from maestrale.config import ConfigError, DatabaseSettings, NotifierSettings, Settings, load
from maestrale.wiring import Service

pytest_plugins = ["api_fixtures"]

TEXT = "version: '2.0'\nw: {tasks: {t: {action: std.noop}}}\n"


@pytest.fixture(scope="module", autouse=True)
def _defined(api: Api) -> None:
    api.define(TEXT)


def notify_of(row: dict[str, Any]) -> Any:
    return json.loads(row["params"]).get("notify")


@pytest.mark.parametrize(
    ("notify", "words"),
    [
        ({"type": "log"}, "params.notify must be a list of publishers"),
        ([{"type": "lgo"}], "params.notify[0].type: there is no publisher 'lgo' (did you mean 'log'?)"),
        ([{"type": "log", "event_types": ["X"]}], "params.notify[0].event_types: there is no event 'X'"),
    ],
)
def test_a_wrong_shape_is_refused(api: Api, notify: Any, words: str) -> None:
    body = {"workflow_name": "w", "params": {"notify": notify}}
    assert_fault(api("POST", "/v2/executions", json=body), 400, words)


def test_what_was_asked_for_is_kept(api: Api) -> None:
    wanted = [{"type": "noop", "event_types": ["TASK_FAILED"], "more": 1}]
    row = api.run("w", params={"notify": wanted})
    assert notify_of(row) == wanted
    again = api.start("w", source_execution_id=row["id"])
    assert notify_of(again) == wanted


@pytest.mark.parametrize("notify", [None, []])
def test_nothing_may_be_asked_for(api: Api, notify: Any) -> None:
    assert api.run("w", params={"notify": notify})["state"] == "SUCCESS"


def test_publishers_of_the_operator_are_added_once(database_url: str) -> None:
    everybody: tuple[dict[str, Any] | str, ...] = ("noop", {"type": "log", "event_types": ["TASK_FAILED"]})
    service = Service(
        Settings(
            database=DatabaseSettings(database_url),
            notifier=NotifierSettings(everybody),
        )
    )
    service.start()
    try:
        api = Api(service)
        api.define(TEXT)
        noop, log = {"type": "noop"}, {"type": "log", "event_types": ["TASK_FAILED"]}
        row = api.run("w")
        assert notify_of(row) == [noop, log]
        assert notify_of(api.start("w", source_execution_id=row["id"])) == [noop, log]
        assert notify_of(api.start("w", params={"notify": [{"type": "log"}]})) == [{"type": "log"}, noop, log]
        trigger = {"name": "c", "workflow_name": "w", "pattern": "* * * * * *", "remaining_executions": 1}
        assert api("POST", "/v2/cron_triggers", json=trigger).status_code == 201
        found = api.until(
            lambda: api.get("/v2/executions", description="has:cron_trigger")["executions"], "it to fire"
        )
        assert notify_of(found[0]) == [noop, log]
    finally:
        service.stop(0)


def test_the_setting(tmp_path: Path) -> None:
    file = tmp_path / "maestrale.toml"
    file.write_text('[[notifier.notify]]\ntype = "webhook"\nurl = "http://example.org/"\n')
    found = load(environment={}, file=file).settings.notifier
    assert found.publishers == [{"type": "webhook", "url": "http://example.org/"}]
    found = load(environment={"MAESTRALE_NOTIFIER_NOTIFY": "log, noop"}).settings.notifier
    assert found.publishers == [{"type": "log"}, {"type": "noop"}]
    with pytest.raises(ConfigError, match="there is no publisher 'lgo'"):
        load(environment={"MAESTRALE_NOTIFIER_NOTIFY": "lgo"})
