"""How many may wait and follow, what that costs, and what becomes of them when the service stops."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from api_service import PATIENCE, Api, serving
from event_streams import TEXT, Event, finish, listening, parsed
from starlette.types import Message

from maestrale.api import events
from maestrale.config import ApiLimits
from maestrale.model.errors import NotFound
from maestrale.services.access import OPERATOR, Caller

ON_POSTGRESQL = 1


@contextmanager
def limited(database_url: str, **limits: Any) -> Iterator[Api]:
    """A service of its own with these limits."""
    with serving(database_url, api=ApiLimits(**limits)) as api:
        api.define(TEXT)
        yield api


def test_no_more_streams_than_allowed(database_url: str) -> None:
    """A project fills half of the places; the others are for other projects. A place that is left is free."""
    with limited(database_url, max_event_streams=4) as api:
        path = f"/executions/{api.start('asks')['id']}/events"

        async def follow() -> None:
            async with listening(api) as url, httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
                async with client.stream("GET", url + path), client.stream("GET", url + path):
                    refused = await client.get(url + path)
                    assert refused.status_code == 429
                    assert int(refused.headers["Retry-After"]) > 0
                async with asyncio.timeout(5):
                    while True:
                        async with client.stream("GET", url + path) as answer:
                            if answer.status_code == 200:
                                return
                        await asyncio.sleep(0.02)

        asyncio.run(follow())


def test_very_many_wait(database_url: str) -> None:
    """Thousands of waiting requests take no threads, few statements, and are all answered at the end."""
    with limited(database_url) as api:
        execution_id = api.start("many", input={"count": 20})["id"]
        api.task(execution_id, "t", "RUNNING")
        reads = 0
        read = api.service.database.read

        def counted(unit: Any, *args: Any, **kwargs: Any) -> Any:
            nonlocal reads
            reads += unit.__name__ == "find_ended"
            return read(unit, *args, **kwargs)

        api.service.database.read = counted  # type: ignore[method-assign]
        watching = api.service.watching

        async def wait() -> None:
            waiters = [
                asyncio.ensure_future(
                    watching.until_end("p", "executions", execution_id, execution_id, PATIENCE)
                )
                for _ in range(5000)
            ]
            await asyncio.sleep(0)
            transport = httpx.ASGITransport(api.service.app())
            async with httpx.AsyncClient(transport=transport) as client:
                await finish(client, "http://localhost:8989/v2", execution_id)
            async with asyncio.timeout(PATIENCE / 2):
                await asyncio.gather(*waiters)

        asyncio.run(wait())
        assert 0 < reads < 200
        assert not watching._waiting


def test_a_service_that_stops_lets_everybody_go(database_url: str) -> None:
    """Who waits is told what is, and streams end without an end: the client comes again."""
    with limited(database_url) as api:
        path = f"/v2/executions/{api.start('asks')['id']}"

        async def wait() -> tuple[str, list[Event]]:
            transport = httpx.ASGITransport(api.service.app())
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8989") as client:
                read = asyncio.ensure_future(client.get(f"{path}?wait=30"))
                stream = asyncio.ensure_future(client.get(f"{path}/events"))
                await asyncio.sleep(0.2)
                api.service.let_go()
                async with asyncio.timeout(5):
                    return (await read).json()["state"], list(parsed((await stream).text))

        state, found = asyncio.run(wait())
        assert state == "RUNNING"
        assert [event.name for event in found] == ["message"]


def test_who_leaves_takes_nothing_with_him(database_url: str) -> None:
    """A client that is gone is waited for no longer, and nothing is looked up for it."""
    with limited(database_url) as api:
        path = f"/executions/{api.start('asks')['id']}"

        async def leave() -> None:
            async with listening(api) as url, httpx.AsyncClient(trust_env=False, timeout=0.3) as client:
                with pytest.raises(httpx.ReadTimeout):
                    await client.get(f"{url}{path}?wait=50")
                with pytest.raises(httpx.ReadTimeout):
                    await client.get(f"{url}{path}/events")
                async with asyncio.timeout(5):
                    while api.service.engine.watches._here:
                        await asyncio.sleep(0.02)

        asyncio.run(leave())
        assert not api.service.watching._waiting


def test_a_reader_who_takes_nothing_is_let_go(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while; his place is free again, and the server says nothing of it."""
    monkeypatch.setattr(events, "STALLED", 0.2)
    with limited(database_url) as api:
        path = f"/v2/executions/{api.start('asks')['id']}/events"
        scope = {
            "type": "http", "method": "GET", "path": path, "query_string": b"", "http_version": "1.1",
            "headers": [(b"host", b"localhost")], "scheme": "http", "server": ("localhost", 80),
        }  # fmt: skip
        sent: list[str] = []

        async def receive() -> Message:
            await asyncio.Event().wait()
            raise AssertionError("never")

        async def send(message: Message) -> None:
            sent.append(message["type"])
            if message["type"] == "http.response.body":
                await asyncio.Event().wait()

        async def stall() -> None:
            async with asyncio.timeout(5):
                await api.service.app()(scope, receive, send)

        asyncio.run(stall())
        assert sent == ["http.response.start", "http.response.body"]
        assert not api.service.engine.watches._here


def test_only_who_may_read_may_follow(database_url: str) -> None:
    """For other projects there is no such execution."""
    with limited(database_url) as api:
        execution_id = api.start("asks")["id"]
        services = api.service.services()

        async def follow(caller: Caller) -> str:
            async for history in services.events.follow(caller, execution_id, 0):
                assert history is not None
                return history.state
            raise AssertionError("nothing came")

        assert asyncio.run(follow(OPERATOR)) == "RUNNING"
        stranger = Caller("another")
        with pytest.raises(NotFound):
            asyncio.run(follow(stranger))
        with pytest.raises(NotFound):
            asyncio.run(services.executions.get(stranger, execution_id, wait=10))
