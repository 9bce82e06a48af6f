"""Streams of events as a client reads them, and executions that have some."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx
import uvicorn
from api_service import Api

from processes.server import free_port

TEXT = """version: '2.0'
quick:
  tasks:
    a: {action: std.noop, on-success: b}
    b: {action: std.echo output="x"}
asks:
  tasks:
    a: {action: std.noop, on-success: ask}
    ask: {action: std.async_noop, on-success: last}
    last: {action: std.noop}
outer:
  tasks:
    call: {workflow: asks}
fails:
  tasks:
    a: {action: std.fail error_data="out of cheese"}
many:
  input: [count]
  tasks:
    t: {with-items: i in <% range($.count) %>, action: std.async_noop}
"""


class Event(NamedTuple):
    """One event as a client gets it."""

    id: str
    name: str
    data: dict[str, Any]


def parsed(text: str) -> Iterator[Event]:
    """The events in a text; comments and other fields are passed over."""
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line[:1] not in ("", ":"))
        if "data" in fields:
            yield Event(fields["id"], fields.get("event", "message"), json.loads(fields["data"]))


@asynccontextmanager
async def listening(api: Api) -> AsyncIterator[str]:
    """The API on a real socket."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(api.service.app(), port=port, log_config=None, lifespan="off"))
    running = asyncio.ensure_future(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}/v2"
    finally:
        server.should_exit = True
        await running


async def finish(client: httpx.AsyncClient, url: str, execution_id: str) -> int:
    """End every action of an execution; how many there were."""
    tasks = (await client.get(f"{url}/executions/{execution_id}/tasks")).json()["tasks"]
    (task,) = [task for task in tasks if task["state"] == "RUNNING"]
    actions = (await client.get(f"{url}/tasks/{task['id']}/action_executions")).json()["action_executions"]
    for action in actions:
        path = f"{url}/action_executions/{action['id']}"
        assert (await client.put(path, json={"state": "SUCCESS", "output": {}})).status_code == 200
    return len(actions)
