"""A small asynchronous client of the REST API v2, with the waiting that a measurement needs."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any, Self

import aiohttp

ENDED = ("SUCCESS", "ERROR", "CANCELLED", "SKIPPED")
LIMIT_SECONDS = 300
PAGE = 1000


class WrongResult(Exception):
    """The server answered, but not what it should have."""


class Client:
    """Calls one server; for use in an `async with` statement."""

    def __init__(self, url: str) -> None:
        self._base = f"{url.rstrip('/').removesuffix('/v2')}/v2"

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=LIMIT_SECONDS)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def upload(self, text: str) -> None:
        """Store workflows."""
        headers = {"Content-Type": "text/plain"}
        await self._call("POST", "/workflows", data=text.encode(), headers=headers)

    async def start(self, workflow: str, **given: object) -> str:
        """Start an execution; its id."""
        body = {"workflow_name": workflow, "input": json.dumps(given)}
        execution_id: str = (await self._call("POST", "/executions", json=body))["id"]
        return execution_id

    async def finish(self, execution_id: str) -> Any:
        """Wait until an execution has ended; its output. Raises `WrongResult` unless it is SUCCESS."""
        began = time.perf_counter()
        while True:
            found = await self._call("GET", f"/executions/{execution_id}")
            if found["state"] in ENDED:
                break
            await _pause(began)
        require(found["state"] == "SUCCESS", f"the execution is {found['state']}: {found['state_info']}")
        return json.loads(found["output"])

    async def finish_all(self, workflow: str, count: int) -> None:
        """Wait until all executions of a workflow have ended; there must be `count` in SUCCESS."""
        await self.wait_for_all(workflow)
        found = await self.count(workflow, "SUCCESS")
        require(found == count, f"{found} of {count} executions of {workflow} are SUCCESS")

    async def wait_for_all(self, workflow: str) -> None:
        """Wait until no execution of a workflow is left that has not ended."""
        began = time.perf_counter()
        while await self._listed(workflow, f"nin:{','.join(ENDED)}", 1):
            await _pause(began)

    async def count(self, workflow: str, state: str) -> int:
        """How many executions of a workflow are in a state; of more than a page, that many."""
        return len(await self._listed(workflow, state, PAGE))

    async def _listed(self, workflow: str, state: str, limit: int) -> list[Any]:
        query = {"workflow_name": workflow, "state": state, "fields": "id", "limit": str(limit)}
        found: list[Any] = (await self._call("GET", "/executions", params=query))["executions"]
        return found

    async def run_action(self, name: str, **given: object) -> Any:
        """Run an action and wait for its result."""
        body = {"name": name, "input": json.dumps(given), "params": json.dumps({"run_sync": True})}
        answer = await self._call("POST", "/action_executions", json=body)
        return json.loads(answer["output"])["result"]

    async def _call(self, method: str, path: str, **given: Any) -> Any:
        async with self._session.request(method, self._base + path, **given) as answer:
            text = await answer.text()
            if answer.status >= 400:
                raise WrongResult(f"{method} {path}: {answer.status} {text[:400]}")
        return json.loads(text)


def require(condition: bool, message: str) -> None:
    """Raise `WrongResult` unless the condition holds."""
    if not condition:
        raise WrongResult(message)


async def share(count: int, clients: int, job: Callable[[int], Awaitable[None]]) -> None:
    """Do `job(0)` to `job(count - 1)`, by so many clients at the same time."""
    numbers = iter(range(count))

    async def client() -> None:
        for number in numbers:
            await job(number)

    await asyncio.gather(*(client() for _ in range(clients)))


async def _pause(began: float) -> None:
    """Wait before the next look: 2 % of the time so far, so that looking costs little and errs by as much."""
    elapsed = time.perf_counter() - began
    if elapsed > LIMIT_SECONDS:
        raise WrongResult(f"no end within {LIMIT_SECONDS} s")
    await asyncio.sleep(min(1.0, max(0.005, elapsed * 0.02)))
