"""Canaries: secrets that enter wherever they can are found in no table, file, log and answer."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from api_service import Api, Row
from sqlalchemy import Connection, select, update

from maestrale.actions.egress import HttpSettings
from maestrale.config import DatabaseSettings, SecuritySettings, Settings
from maestrale.model.values import Secret
from maestrale.store.environments import find_variables
from maestrale.store.keyring import Keyring, KeyringError, add_key, drop_old_keys, make_key_file
from maestrale.store.sealing import documents_of, is_needed
from maestrale.store.tables import cron_triggers, event_triggers, metadata
from maestrale.wiring import Service

CANARY: Final = "canary-4711"
"""What each planted secret begins with."""

WORKFLOWS: Final = """
version: '2.0'
child:
  input: [pin, key]
  tasks:
    keep:
      action: std.echo output=<% $.key %>
      publish: {kept: <% task().result %>}
      on-success: [wait]
    wait: {action: std.async_noop}
  output: {key: <% $.kept %>, env: <% env() %>}
parent:
  input: [pin, key, {nested: null}]
  tasks:
    show:
      action: std.echo output="<% $.key %> and <% env().api_key %>"
      publish: {both: <% task().result %>}
      on-success: [each, http, ssh, mail, fails]
    each:
      with-items: one in <% $.nested.many %>
      action: std.echo
      input: {output: <% $.one %>, delay: 0.01}
      on-success: [sub]
    sub: {workflow: child, input: {pin: <% $.pin %>, key: <% $.both %>}}
    http:
      action: std.http
      input:
        url: 'http://127.0.0.1:1/'
        auth: 'me:<% $.key %>'
        headers: {X-Auth-Token: <% env().api_key %>}
        body: <% $.nested.many.first() %>
      retry: {count: 1, delay: 0}
      on-error: [done]
    ssh:
      action: std.ssh
      input: {cmd: ls, host: '127.0.0.1:1', username: me, password: <% $.key %>}
      on-error: [done]
    mail:
      action: std.email
      input:
        from_addr: a@b.c
        to_addrs: [a@b.c]
        smtp_server: '127.0.0.1:1'
        smtp_password: <% env().deep.password %>
      on-error: [done]
    fails: {action: std.fail, input: {error_data: <% $.key %>}, on-error: [done]}
    done: {action: std.noop}
  output: {all: <% $ %>}
broken:
  input: [key]
  tasks:
    one: {action: std.echo output=1, publish: {x: <% int($.key) %>}}
"""


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    key_file = tmp_path / "keys"
    make_key_file(key_file)
    return Settings(
        database=DatabaseSettings(database_url),
        security=SecuritySettings(key_file=str(key_file), secret_keys=("^pin$",)),
        std_http=HttpSettings(denied_cidrs=()),
    )


@contextmanager
def serving(settings: Settings) -> Iterator[Api]:
    service = Service(settings)
    service.start()
    try:
        yield Api(service)
    finally:
        service.stop(0)


@pytest.fixture
def served(settings: Settings) -> Iterator[Api]:
    with serving(settings) as api:
        yield api


def secret(name: str) -> str:
    return f"{CANARY}-{name}-canary"


def plant(api: Api) -> Row:
    variables = {
        "api_key": secret("environment"),
        "deep": {"password": secret("deep"), "user": "me"},
        "marked": {"$secret": [secret("list")]},
        "late": "<% env().api_key + 'x' %>",
    }
    answer = api("POST", "/v2/environments", json={"name": "e", "variables": variables})
    assert answer.status_code == 201, answer.text
    api.define(WORKFLOWS)
    return api.start(
        "parent",
        input={
            "pin": secret("pin"),
            "key": {"$secret": secret("key")},
            "nested": {"many": [{"$secret": secret("one")}, {"$secret": secret("two")}]},
        },
        params={
            "env": "e",
            "notify": [
                {
                    "type": "webhook",
                    "url": "http://127.0.0.1:1/",
                    "headers": {"Authorization": secret("told")},
                }
            ],
        },
    )


def everything_stored(connection: Connection) -> str:
    """Every value of every table, binary ones as they are."""
    found = []
    for table in metadata.tables.values():
        for row in connection.execute(select(table)):
            found += [v.decode("latin-1") if isinstance(v, bytes) else str(v) for v in map(_plain, row)]
    return "\n".join(found)


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value


def answers(api: Api, execution_id: str) -> dict[str, str]:
    found = {}
    children = [row["id"] for row in api.get("/v2/executions")["executions"]]
    paths = [
        "/executions",
        "/v2/environments",
        "/v2/environments/e",
        "/v2/executions?include_output=true",
        "/v2/tasks",
    ]
    paths += ["/v2/cron_triggers", "/v2/event_triggers", "/v2/cron_triggers/t"]
    paths += ["/v2/action_executions?include_output=true", f"/v2/executions/{execution_id}/report"]
    for one in children:
        paths += [f"/v2/executions/{one}", f"/v2/executions/{one}/tasks", f"/v2/executions/{one}/why"]
        paths += [f"/v2/executions/{one}/executions", f"/executions/{one}"]
        if api.get(f"/v2/executions/{one}")["state"] in ("SUCCESS", "ERROR"):
            paths.append(f"/v2/executions/{one}/events")
        for task in api.get(f"/v2/executions/{one}/tasks")["tasks"]:
            paths += [f"/v2/tasks/{task['id']}", f"/v2/tasks/{task['id']}/action_executions"]
    for path in paths:
        answer = api("GET", path)
        assert answer.status_code == 200, (path, answer.text)
        found[path] = answer.text
    for action in api.get("/v2/action_executions")["action_executions"]:
        found[action["id"]] = api("GET", f"/v2/action_executions/{action['id']}").text
    for task in api.get(f"/v2/executions/{execution_id}/tasks")["tasks"]:
        wish = {"expression": "<% $ %> <% env() %> <% $.key.len() %>", "task_execution_id": task["id"]}
        tried = api("POST", "/v2/evaluations", json=wish)
        assert tried.status_code == 200, tried.text
        found[f"evaluate {task['name']}"] = tried.text
    return found


def plant_triggers(api: Api) -> None:
    started_with = {
        "workflow_input": {"pin": secret("trigger"), "key": {"$secret": secret("triggered")}},
        "workflow_params": {
            "env": {"api_key": secret("of-trigger")},
            "notify": [
                {"type": "webhook", "url": "http://127.0.0.1:1/", "headers": {"Cookie": secret("cookie")}}
            ],
        },
    }
    body = {"name": "t", "workflow_name": "child", "pattern": "0 0 1 1 *", **started_with}
    assert api("POST", "/v2/cron_triggers", json=body).status_code == 201
    workflow = api.get("/v2/workflows/child")["id"]
    event = {"workflow_id": workflow, "exchange": "x", "topic": "t", "event": "e", **started_with}
    answer = api("POST", "/v2/event_triggers", json=event)
    assert answer.status_code == 201, answer.text
    api.put(f"/v2/event_triggers/{answer.json()['id']}", workflow_input={"pin": "***", "key": "***"})


def fire(api: Api) -> str:
    """Let the cron trigger be due; the id of the task of its execution that waits."""
    due = update(cron_triggers).values(next_execution_time=1)
    api.service.database.write(lambda connection: connection.execute(due).rowcount).result()
    api.service.engine.triggers.changed()
    known = {row["id"] for row in waiting_children(api)}
    found = api.until(lambda: [row for row in waiting_children(api) if row["id"] not in known], "it to fire")
    return str(found[0]["id"])


def go_on(api: Api, task_id: str) -> str:
    """Complete what a task waits for; the id of its execution, which has ended well."""
    action = api.get(f"/v2/tasks/{task_id}/action_executions")["action_executions"][0]
    ended = api.put(f"/v2/action_executions/{action['id']}", state="SUCCESS", output={"result": 1})
    assert ended["state"] == "SUCCESS"
    execution_id: str = api.get(f"/v2/tasks/{task_id}")["workflow_execution_id"]
    assert api.reach(execution_id, "SUCCESS", "ERROR")["state"] == "SUCCESS"
    return execution_id


def test_no_canary_sings(settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(settings) as served:
        started = plant(served)
        plant_triggers(served)
        assert served.run("broken", input={"key": {"$secret": secret("broken")}})["state"] == "ERROR"
        served.until(lambda: waiting_children(served), "the child to wait")
        before = answers(served, started["id"])
        stored = served.service.database.read(everything_stored).result()
    with serving(settings) as served:
        for task in waiting_children(served):
            go_on(served, task["id"])
        served.reach(started["id"], "SUCCESS", "ERROR")
        triggered = go_on(served, fire(served))
        assert json.loads(served.get(f"/v2/executions/{triggered}")["output"]) == {
            "env": {"api_key": "***"},
            "key": "***",
        }
        repeated = served("POST", "/v2/executions", json={"source_execution_id": started["id"]})
        assert repeated.status_code == 201, repeated.text
        stored += served.service.database.read(everything_stored).result()
        files = [path.read_bytes().decode("latin-1") for path in tmp_path.iterdir() if path.is_file()]
        after = answers(served, started["id"])
    sung = {name: found for name, found in {**before, **after}.items() if CANARY in found}
    assert sung == {}
    assert CANARY not in started["input"] + started["params"] + repeated.text
    assert CANARY not in stored
    assert not any(CANARY in found for found in files)
    assert CANARY not in caplog.text


def test_a_planted_leak_is_heard(served: Api) -> None:
    served.define(WORKFLOWS)
    started = served.start("broken", input={"key": secret("plain")})

    assert CANARY in served.service.database.read(everything_stored).result()
    assert CANARY in started["input"]


def test_a_masked_variable_keeps_its_secret(served: Api) -> None:
    body = {"name": "e", "variables": {"password": secret("before"), "user": "me"}}
    assert served("POST", "/v2/environments", json=body).status_code == 201
    shown = served.get("/v2/environments/e")
    served.put("/v2/environments", name="e", variables={"password": "***", "user": "you"})

    found = served.service.database.read(find_variables, owner(served), "e").result()
    assert json.loads(shown["variables"]) == {"password": "***", "user": "me"}
    assert found == {"password": Secret(secret("before")), "user": "you"}


def test_a_masked_input_of_a_trigger_keeps_its_secret(served: Api) -> None:
    served.define(WORKFLOWS)
    plant_triggers(served)
    event_trigger = served.get("/v2/event_triggers")["event_triggers"][0]

    assert json.loads(event_trigger["workflow_input"]) == {"pin": "***", "key": "***"}
    found = served.service.database.read(
        lambda connection: documents_of(
            connection, dict(connection.execute(select(event_triggers)).mappings().one())
        )
    ).result()
    assert found["workflow_input"] == {"pin": Secret(secret("trigger")), "key": Secret(secret("triggered"))}
    assert found["workflow_params"]["env"] == {"api_key": Secret(secret("of-trigger"))}


def test_triggers_with_different_secrets_differ(served: Api) -> None:
    served.define(WORKFLOWS)
    for name, pin, status in (("a", "1", 201), ("b", "2", 201), ("b", "2", 409)):
        given = {"pin": pin, "key": {"$secret": pin}}
        body: Row = {"name": name, "workflow_name": "child", "pattern": "0 0 1 1 *", "workflow_input": given}
        body |= {"first_execution_time": "2999-01-01 00:00", "remaining_executions": 3}
        assert served("POST", "/v2/cron_triggers", json=body).status_code == status


def test_an_action_whose_key_is_lost_holds_up_no_other(settings: Settings, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with serving(settings) as served:
            sealed = call(served, {"url": url, "headers": {"Authorization": secret("header")}})
            clear = call(served, {"url": url})
            connected = [silent.accept() for _ in range(2)]
    (tmp_path / "keys").unlink()
    make_key_file(tmp_path / "keys")
    with serving(settings) as served:
        for action_id, expected in ((sealed, "is on no ring of this server"), (clear, "executor was lost")):
            found = served.until(partial(ended, served, action_id), "it to be lost")
            assert found is not None
            assert found["state"] == "ERROR"
            assert expected in found["output"]
    for connection, _ in connected:
        connection.close()


def call(api: Api, given: Row) -> str:
    body = {"name": "std.http", "params": {"save_result": True}}
    answer = api("POST", "/v2/action_executions", json={**body, "input": given})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def ended(api: Api, action_id: str) -> Row | None:
    row: Row = api.get(f"/v2/action_executions/{action_id}")
    return row if row["state"] != "RUNNING" else None


def test_keys_stay_while_secrets_need_them(served: Api, tmp_path: Path) -> None:
    body = {"name": "e", "variables": {"password": secret("kept")}}
    assert served("POST", "/v2/environments", json=body).status_code == 201
    database, file = served.service.database, tmp_path / "keys"
    first = Keyring(file=file).newest
    assert database.read(is_needed, first).result()
    assert not database.read(is_needed, "another").result()
    for _ in range(3):
        add_key(file)
        drop_old_keys(file, lambda key_id: database.read(is_needed, key_id).result())
    found = database.read(find_variables, owner(served), "e").result()

    assert found == {"password": Secret(secret("kept"))}
    file.unlink()
    make_key_file(file)
    another = {"name": "another", "variables": {"password": secret("new")}}
    assert served("POST", "/v2/environments", json=another).status_code == 201
    with pytest.raises(KeyringError, match=f"The key '{first}' is on no ring"):
        database.read(find_variables, owner(served), "e").result()


def owner(api: Api) -> str:
    project: str = api.get("/v2/environments/e")["project_id"]
    return project


def waiting_children(api: Api) -> list[Row]:
    rows = api.get("/v2/tasks")["tasks"]
    return [row for row in rows if row["name"] == "wait" and row["state"] == "RUNNING"]
