"""Canaries: secrets that enter wherever they can are found in no table, file, log and answer."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from api_service import Api, Row
from sqlalchemy import Connection, select

from maestrale.actions.egress import HttpSettings
from maestrale.config import DatabaseSettings, SecuritySettings, Settings
from maestrale.model.values import Secret
from maestrale.store.environments import find_variables
from maestrale.store.keyring import Keyring, KeyringError, add_key, drop_old_keys, make_key_file
from maestrale.store.sealing import is_needed
from maestrale.store.tables import metadata
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
def served(database_url: str, tmp_path: Path) -> Iterator[Api]:
    key_file = tmp_path / "keys"
    make_key_file(key_file)
    service = Service(
        Settings(
            database=DatabaseSettings(database_url),
            security=SecuritySettings(key_file=str(key_file), secret_keys=("^pin$",)),
            std_http=HttpSettings(denied_cidrs=()),
        )
    )
    service.start()
    try:
        yield Api(service)
    finally:
        service.stop(0)


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


def test_no_canary_sings(served: Api, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    started = plant(served)
    assert served.run("broken", input={"key": {"$secret": secret("broken")}})["state"] == "ERROR"
    wait = served.until(lambda: waiting_child(served), "the child to wait")
    assert wait is not None
    sub = served.get(f"/v2/tasks/{wait['id']}/action_executions")["action_executions"][0]
    before = answers(served, started["id"])
    ended = served.put(f"/v2/action_executions/{sub['id']}", state="SUCCESS", output={"result": 1})
    assert ended["state"] == "SUCCESS"
    served.reach(started["id"], "SUCCESS", "ERROR")
    repeated = served("POST", "/v2/executions", json={"source_execution_id": started["id"]})
    assert repeated.status_code == 201, repeated.text

    stored = served.service.database.read(everything_stored).result()
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


def waiting_child(api: Api) -> Row | None:
    rows = api.get("/v2/tasks")["tasks"]
    return next((row for row in rows if row["name"] == "wait" and row["state"] == "RUNNING"), None)
