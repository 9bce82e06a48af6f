"""The process is killed while executions run; the next one on the same file finishes everything."""

from __future__ import annotations

import json
import random
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from processes.fleet import Caller
from processes.receiver import Receiver
from processes.server import Server

EXECUTIONS = 100
KILLS = 3
ENDED = ("SUCCESS", "ERROR", "CANCELLED")
END_SECONDS = 90

DEFINITION = """
version: '2.0'
diamond:
  input: [url, n]
  output: {{n: <% $.n %>, seen: <% $.seen %>, sum: <% $.b1 + $.b2 + $.b3 %>}}
  tasks:
    begin:
      action: std.echo output=<% $.n %>
      publish: {{n: <% task().result %>}}
      on-success: [p1, p2, p3, p4, call1, call2, call3]
    p1: {{action: std.echo output=1, publish: {{b1: <% task().result %>}}, on-success: meet}}
    p2: {{action: std.echo output=2, publish: {{b2: <% task().result %>}}, on-success: meet}}
    p4: {{action: std.noop, on-success: meet}}
    p3: {{action: std.sleep seconds=0, publish: {{b3: 3}}, on-success: meet}}
    call1:
      action: std.http url="<% $.url %>/1" method="POST"
      safe-rerun: {safe}
      on-success: meet
    call2:
      action: std.http url="<% $.url %>/2" method="POST"
      safe-rerun: {safe}
      on-success: meet
    call3:
      action: std.http url="<% $.url %>/3" method="POST"
      safe-rerun: {safe}
      on-success: meet
    meet:
      join: all
      action: std.echo output="met"
      publish: {{seen: <% task().result %>}}
      on-success: last
    last: {{action: std.noop}}
"""


def _start(server: Server, receiver: Receiver) -> list[str]:
    """Start all executions, asking again under the same id while nobody answers."""
    caller = Caller([server], random.Random())

    def start(number: int) -> str:
        execution_id = str(uuid.uuid4())
        given = {"url": receiver.url, "n": number}
        body = {"workflow_name": "diamond", "id": execution_id, "input": given}
        caller.ask("POST", "/v2/executions", json=body).raise_for_status()
        return execution_id

    with ThreadPoolExecutor(32) as pool:
        return list(pool.map(start, range(EXECUTIONS)))


def _wait_for_all(server: Server, ids: list[str]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    end = time.monotonic() + END_SECONDS
    with httpx.Client(base_url=server.url, trust_env=False, timeout=30) as client:
        while len(found) < len(ids) and time.monotonic() < end:
            query = {"include_output": "true", "limit": "1000"}
            rows = client.get("/v2/executions", params=query).raise_for_status().json()["executions"]
            found = {row["id"]: row for row in rows if row["state"] in ENDED}
            time.sleep(0.1)
    missing = [i for i in ids if i not in found]
    assert not missing, f"{len(missing)} executions have not ended, e.g. {missing[0]}"
    return found


@pytest.mark.parametrize(("seed", "safe"), [(1, False), pytest.param(2, True, marks=pytest.mark.slow)])
@pytest.mark.covers("eng.restart", "eng.integrity", "dsl.policy.safe_rerun")
def test_everything_ends_after_a_kill(tmp_path: Path, seed: int, safe: bool) -> None:
    """All acknowledged executions end as they should; no started call is repeated without leave."""
    chance = random.Random(seed)
    server = Server(tmp_path)
    with Receiver(delay=0.4) as receiver:
        server.start()
        text = DEFINITION.format(safe="true" if safe else "false")
        httpx.post(f"{server.url}/v2/workflows", content=text, trust_env=False).raise_for_status()
        with ThreadPoolExecutor(1) as pool:
            starting = pool.submit(_start, server, receiver)
            for _ in range(KILLS):
                time.sleep(chance.uniform(0.2, 1.0))
                server.kill()
                server.start()
            ids = starting.result()
        assert len(ids) == EXECUTIONS
        found = _wait_for_all(server, ids)
        _reconcile(server, receiver, ids, found, safe)
        assert server.stop() == 0


def _reconcile(
    server: Server, receiver: Receiver, ids: list[str], found: dict[str, dict[str, Any]], safe: bool
) -> None:
    lost = sum(row["state"] == "ERROR" for row in found.values())
    print(f"{len(ids)} executions, {sum(receiver.calls.values())} calls, {lost} ended by a lost action")
    repeated = {key: count for key, count in receiver.calls.items() if count > 1}
    if not safe:
        assert not repeated, f"{len(repeated)} calls were made twice without leave"
    with httpx.Client(base_url=server.url, trust_env=False, timeout=30) as client:
        for number, execution_id in enumerate(ids):
            row = found[execution_id]
            if row["state"] == "SUCCESS":
                expected = {"n": json.loads(row["input"])["n"], "seen": "met", "sum": 6}
                assert json.loads(row["output"]) == expected
            else:
                assert not safe, row["state_info"]
                assert "executor was lost" in row["state_info"]
            if number % 20 == 0 and row["state"] == "SUCCESS":
                _check_calls(client, receiver, execution_id)


def _check_calls(client: httpx.Client, receiver: Receiver, execution_id: str) -> None:
    """Ten tasks, each once, and every HTTP action really reached the receiver."""
    tasks = client.get(f"/v2/executions/{execution_id}/tasks").json()["tasks"]
    names = sorted(task["name"] for task in tasks)
    assert names == ["begin", "call1", "call2", "call3", "last", "meet", "p1", "p2", "p3", "p4"]
    for task in tasks:
        if task["name"].startswith("call"):
            actions = client.get(f"/v2/tasks/{task['id']}/action_executions").json()["action_executions"]
            assert len(actions) == 1
            assert receiver.calls[actions[0]["id"]] >= 1
