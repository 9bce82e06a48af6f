"""The API in this process, on a database file of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from maestrale.config import ApiLimits, DatabaseSettings, ServerSettings, Settings
from maestrale.wiring import Service

Call = Callable[..., httpx.Response]

MAX_BODY = 100_000


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A started service."""
    path = tmp_path_factory.mktemp("api") / "maestrale.db"
    settings = Settings(
        server=ServerSettings(grace=0.1, allowed_origins=("https://friend.example",)),
        database=DatabaseSettings(f"sqlite:///{path}"),
        api=ApiLimits(max_body=MAX_BODY),
    )
    found = Service(settings)
    found.start()
    yield found
    found.stop()


@pytest.fixture(scope="module")
def call(service: Service) -> Call:
    """Send one request: `call("GET", "/v2/workflows", ...)`."""
    app = service.app()

    def send(method: str, path: str, host: str = "localhost:8989", **given: Any) -> httpx.Response:
        async def once() -> httpx.Response:
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
                return await client.request(method, path, **given)

        return asyncio.run(once())

    return send
