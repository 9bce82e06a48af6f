"""What a server costs when it starts, when it idles, when much waits, and after it was killed."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable

from bench import workflows
from bench.client import Client, require, share
from bench.scenarios import CLIENTS
from bench.server import Server, Usage

IDLE_SECONDS = 10.0
SETTLED_SECONDS = 3.0
KILLED_EXECUTIONS = 100
KILLED_STEPS = 50
KILL_AFTER_SECONDS = 0.5

Figures = dict[str, float]


def at_rest(make: Callable[[], Server]) -> Figures:
    """Seconds from the start of the process to its first answer; MiB then, and share of a core, at rest."""
    began = time.perf_counter()
    with make() as server:
        asyncio.run(_first_answer(server.url))
        first_answer = time.perf_counter() - began
        time.sleep(SETTLED_SECONDS)
        usage = Usage(server.pid)
        before = usage.cpu_seconds() or 0.0
        time.sleep(IDLE_SECONDS)
        idle = ((usage.cpu_seconds() or 0.0) - before) / IDLE_SECONDS
        return {
            "first_answer_s": first_answer,
            "memory_mib": usage.mebibytes() or 0.0,
            "idle_cpu_percent": idle * 100,
        }


def with_waiting(make: Callable[[], Server], executions: int) -> Figures:
    """MiB when so many executions wait for somebody outside, and after a restart with them."""
    with make() as server:
        asyncio.run(_start_waiting(server.url, executions))
        waiting = Usage(server.pid).mebibytes() or 0.0
    with make() as server:
        time.sleep(SETTLED_SECONDS)
        return {"waiting_mib": waiting, "restarted_mib": Usage(server.pid).mebibytes() or 0.0}


def after_a_kill(make: Callable[[], Server]) -> Figures:
    """Seconds from the start of the next process until all executions that ran at the kill have ended."""
    name = f"bench_{uuid.uuid4().hex}"
    with make() as server:
        asyncio.run(_start_chains(server.url, name))
        time.sleep(KILL_AFTER_SECONDS)
        server.kill()
    began = time.perf_counter()
    with make() as server:
        done = asyncio.run(_count_finished(server.url, name))
        seconds = time.perf_counter() - began
    return {"seconds": seconds, "finished": done, "lost": KILLED_EXECUTIONS - done}


async def _first_answer(url: str) -> None:
    async with Client(url) as client:
        await client.run_action("std.echo", output=1)


async def _start_waiting(url: str, executions: int) -> None:
    name = f"bench_{uuid.uuid4().hex}"
    async with Client(url) as client:
        await client.upload(workflows.waiting(name))

        async def start(_: int) -> None:
            await client.start(name)

        await share(executions, CLIENTS, start)


async def _start_chains(url: str, name: str) -> None:
    async with Client(url) as client:
        await client.upload(workflows.executed_chain(name, KILLED_STEPS))

        async def start(_: int) -> None:
            await client.start(name)

        await share(KILLED_EXECUTIONS, CLIENTS, start)
        running = await client.count(name, "RUNNING")
        require(running > 0, "all executions had ended before the kill")


async def _count_finished(url: str, name: str) -> int:
    async with Client(url) as client:
        await client.wait_for_all(name)
        return await client.count(name, "SUCCESS")
