"""Who is let in while the database does not keep up, and who is not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import httpx
from api_service import BASE, Api, assert_fault, serving

from maestrale.config import ApiLimits

WORKFLOW = """
version: '2.0'
one: {tasks: {t: {action: std.noop}}}
"""

Ask = Callable[[], Awaitable[httpx.Response]]


@contextmanager
def held(api: Api) -> Iterator[None]:
    """Nothing is stored until the block ends: the writer has something else to do."""
    begun, over = threading.Event(), threading.Event()

    def hold(_connection: object) -> None:
        begun.set()
        over.wait(20)

    future = api.service.database.write(hold)
    assert begun.wait(20)
    try:
        yield
    finally:
        over.set()
        future.result()


async def starts_waiting(
    api: Api, count: int
) -> tuple[httpx.AsyncClient, list[asyncio.Task[httpx.Response]]]:
    """So many starts that have come in, and the client that has sent them."""
    client = httpx.AsyncClient(transport=httpx.ASGITransport(api.service.app()), base_url=BASE)
    tasks = [asyncio.create_task(start(client)) for _ in range(count)]
    for _ in range(20):
        await asyncio.sleep(0)
    return client, tasks


async def start(client: httpx.AsyncClient) -> httpx.Response:
    return await client.post("/v2/executions", json={"workflow_name": "one"})


def test_no_start_is_let_in_while_one_waits_too_long(database_url: str) -> None:
    """Reads are answered meanwhile, whoever waits is served in the end, and then all are again."""

    async def ask() -> None:
        with held(api):
            client, tasks = await starts_waiting(api, 1)
            await asyncio.sleep(0.1)
            refused = await start(client)
            assert refused.status_code == 503, refused.text
            assert 1 <= int(refused.headers["Retry-After"]) <= 30
            assert "does not keep up" in refused.json()["faultstring"]
            body = {"name": "std.echo", "input": {"output": 1}, "params": {"run_sync": True}}
            assert (await client.post("/v2/action_executions", json=body)).status_code == 503
            assert (await client.get("/v2/executions")).status_code == 200
        assert [(await task).status_code for task in tasks] == [201]
        assert (await start(client)).status_code == 201

    with serving(database_url, api=ApiLimits(longest_wait=0.05)) as api:
        api.define(WORKFLOW)
        asyncio.run(ask())


def test_one_project_may_have_half_of_the_places(database_url: str) -> None:
    async def ask() -> None:
        with held(api):
            client, tasks = await starts_waiting(api, 2)
            refused = await start(client)
            assert_fault(refused, 429, "2 starts of this project wait already", "try again in 1 s")
            assert refused.headers["Retry-After"] == "1"
        assert [(await task).status_code for task in tasks] == [201, 201]
        assert (await start(client)).status_code == 201

    with serving(database_url, api=ApiLimits(max_waiting_starts=4)) as api:
        api.define(WORKFLOW)
        asyncio.run(ask())
