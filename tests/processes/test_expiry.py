"""Servers that remove what is old, and one that is killed while it does."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from postgresql import PostgresqlServer
from processes.command import maestrale
from processes.server import Server

TREE = """
version: '2.0'
tree: {tasks: {t: {with-items: i in <% range(8) %>, workflow: many}}}
many: {tasks: {t: {with-items: i in <% range(1000) %>, action: std.echo output=<% $.i %>}}}
"""


def _client(server: Server) -> httpx.Client:
    return httpx.Client(base_url=server.url, trust_env=False, timeout=60)


def _define(client: httpx.Client) -> None:
    client.post("/v2/workflows", content=TREE, headers={"Content-Type": "text/plain"}).raise_for_status()


def _run(client: httpx.Client, name: str) -> str:
    created = client.post("/v2/executions", json={"workflow_name": name}).raise_for_status()
    identifier: str = created.json()["id"]
    end = time.monotonic() + 60
    while client.get(f"/v2/executions/{identifier}").raise_for_status().json()["state"] != "SUCCESS":
        assert time.monotonic() < end
        time.sleep(0.02)
    return identifier


def _until(find: Any, what: str) -> None:
    end = time.monotonic() + 60
    while not find():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def test_the_setting_is_shown_and_holds(tmp_path: Path) -> None:
    with Server(tmp_path) as server, _client(server) as client:
        _define(client)
        old = _run(client, "many")
    assert "Finished executions are kept for ever.\n" in server.log.read_text()

    time.sleep(1)
    settings = {"MAESTRALE_RETENTION_KEEP_FOR": "1 s", "MAESTRALE_RETENTION_KEEP_AT_MOST": "1000"}
    with Server(tmp_path, **settings) as server, _client(server) as client:
        log = server.log.read_text()
        assert "Finished executions are removed after 1 second; at most 1,000 are kept.\n" in log
        _until(lambda: client.get(f"/v2/executions/{old}").status_code == 404, "it stays")
        assert client.get("/v2/workflows/many").status_code == 200


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    settings = {"MAESTRALE_RETENTION_IGNORED_STATES": "RUNNING"}
    ran = maestrale(tmp_path, "server", settings=settings)
    assert ran.code == 1
    assert "retention.ignored_states" in ran.err
    assert "executions do not end in RUNNING" in ran.err


def test_killed_while_it_removes(tmp_path: Path) -> None:
    """What it has begun is finished by the next one, which does not show it meanwhile."""
    with Server(tmp_path) as server, _client(server) as client:
        _define(client)
        root = _run(client, "tree")
        database = sqlite3.connect(server.database)
        actions = "SELECT count(*) FROM action_executions"
        (before,) = database.execute(actions).fetchone()
        assert before == 8000
    time.sleep(1.1)  # what is too young at the start is looked at a minute later
    server = Server(
        tmp_path, MAESTRALE_RETENTION_KEEP_AT_MOST="1", MAESTRALE_RETENTION_KEEP_FOR="1 s"
    ).start()
    _until(lambda: database.execute(actions).fetchone()[0] < before, "nothing is removed")
    server.kill()
    (left,) = database.execute(actions).fetchone()
    assert 0 < left < before

    with Server(tmp_path) as server, _client(server) as client:  # without the setting
        assert client.get(f"/v2/executions/{root}").status_code == 404
        assert client.get("/v2/action_executions").json()["action_executions"] == []
        tables = ("action_executions", "task_executions", "execution_heads", "decision_records", "mail")
        for table in tables:
            count = f"SELECT count(*) FROM {table}"
            _until(lambda count=count: database.execute(count).fetchone() == (0,), table)
    database.close()


@pytest.mark.postgresql
def test_an_api_by_itself_says_nothing_of_it(tmp_path: Path, postgresql: PostgresqlServer) -> None:
    """The engines do it, by their settings; each says so."""
    name = postgresql.lend()
    settings = {"MAESTRALE_RETENTION_KEEP_FOR_ERROR": "2 weeks"}
    with Server(tmp_path / "api", postgresql.url(name), "api", **settings) as api:
        engine = Server(tmp_path / "engine", postgresql.url(name), "engine", **settings)
        with engine:
            said = "Finished executions are removed: ERROR after 14 days, SUCCESS and CANCELLED never.\n"
            _until(lambda: said in engine.log.read_text(), "it says nothing")
            assert "(" in engine.log.read_text().split("runs workflows of")[1].splitlines()[0]
        assert "Finished executions" not in api.log.read_text()
    postgresql.take_back(name)
