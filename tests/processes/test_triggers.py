"""Cron triggers on real processes that are killed at any moment: each planned time starts one execution."""

from __future__ import annotations

import json
import random
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from maestrale.runtime.triggers import execution_id_of
from postgresql import PostgresqlServer
from processes.fleet import Caller, Fleet
from processes.server import Server

PLAIN = "version: '2.0'\nplain: {tasks: {t: {action: std.noop}}}\n"
TRIGGERS = 12
RUNS = 6
END_SECONDS = 60.0


def _create(caller: Caller) -> dict[str, dict[str, Any]]:
    """Triggers that fire each second, by their ids."""
    caller.ask("POST", "/v2/workflows", content=PLAIN, headers={"Content-Type": "text/plain"})
    found = {}
    for number in range(TRIGGERS):
        body = {
            "name": f"c{number}",
            "workflow_name": "plain",
            "pattern": "* * * * * *",
            "remaining_executions": RUNS,
        }
        caller.ask("POST", "/v2/cron_triggers", json=body).raise_for_status()
        row = caller.ask("GET", f"/v2/cron_triggers/c{number}").raise_for_status().json()
        found[row["id"]] = row
    return found


def _check(caller: Caller, created: dict[str, dict[str, Any]]) -> None:
    """As many runs as each trigger had to give, each of a time of its own, and all have ended."""

    def ended() -> bool:
        found = caller.ask("GET", "/v2/executions", params={"fields": "state"}).json()["executions"]
        return len(found) >= TRIGGERS * RUNS and all(row["state"] == "SUCCESS" for row in found)

    _until(lambda: not caller.ask("GET", "/v2/cron_triggers").json()["cron_triggers"], "some triggers stay")
    _until(ended, "some runs are missing")
    runs: dict[str, list[str]] = {key: [] for key in created}
    for row in caller.ask("GET", "/v2/executions").json()["executions"]:
        trigger = json.loads(row["description"])["triggered_by"]["id"]
        planned = (uuid.UUID(row["id"]).int >> 80) * 1000
        assert row["id"] == execution_id_of(trigger, planned)
        runs[trigger].append(row["id"])
    assert {key: len(set(found)) for key, found in runs.items()} == dict.fromkeys(created, RUNS)
    assert sum(map(len, runs.values())) == TRIGGERS * RUNS


def _until(holds: Callable[[], bool], otherwise: str) -> None:
    end = time.monotonic() + END_SECONDS
    while not holds():
        assert time.monotonic() < end, otherwise
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.postgresql
def test_engines_that_are_killed(tmp_path: Path, postgresql: PostgresqlServer) -> None:
    """Of three engines one vanishes every half a second, the others go on, and it comes back."""
    chance = random.Random(11)
    name = postgresql.lend()
    with Fleet(tmp_path, postgresql, name, engines=3, apis=1) as fleet:
        caller = Caller(fleet.apis, chance)
        created = _create(caller)
        for _ in range(8):
            time.sleep(chance.uniform(0.3, 0.7))
            victim = chance.choice(fleet.engines)
            victim.kill()
            victim.launch()
        fleet.settle()
        _check(caller, created)
        assert fleet.stop() == [0] * len(fleet.all)
    postgresql.drop(name)


def test_a_server_that_is_killed(tmp_path: Path) -> None:
    """On its file everything goes on where it was; what it missed meanwhile counts as one."""
    server = Server(tmp_path)
    chance = random.Random(5)
    caller = Caller([server], chance)
    server.start()
    try:
        created = _create(caller)
        for _ in range(3):
            time.sleep(chance.uniform(0.5, 1.5))
            server.kill()
            server.start()
        _check(caller, created)
        assert server.stop() == 0
    finally:
        if server.process is not None and server.process.poll() is None:
            server.kill()


def test_what_a_person_sees(tmp_path: Path) -> None:
    """A trigger whose workflow asks for more than it gives says so where it is looked at."""
    with Server(tmp_path) as server, httpx.Client(base_url=server.url, trust_env=False) as client:
        text = {"Content-Type": "text/plain"}
        client.post("/v2/workflows", content=PLAIN, headers=text).raise_for_status()
        body = {"name": "c", "workflow_name": "plain", "pattern": "* * * * * *"}
        client.post("/v2/cron_triggers", json=body).raise_for_status()
        changed = PLAIN.replace("plain: {", "plain: {input: [name], ")
        client.put("/v2/workflows", content=changed, headers=text).raise_for_status()
        _until(lambda: "last_error" in client.get("/v2/cron_triggers/c").json(), "no error is shown")
        shown = client.get("/v2/cron_triggers/c").json()
        assert "missing=['name']" in shown["last_error"]
        assert client.get("/v2/cron_triggers").json()["cron_triggers"][0]["last_error"] == shown["last_error"]
        assert "The cron trigger 'c'" in server.log.read_text()
