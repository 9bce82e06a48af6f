"""What is measured: each scenario does one thing n times, checks the results, and says how long it took."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from bench import workflows
from bench.client import Client, require, share

CLIENTS = 16
"""So many clients start executions, or run actions, at the same time."""

MANY_CLIENTS = 50
DIAMOND_TASKS = 20
DOCUMENT_BYTES = 900_000
ITEMS_AT_ONCE = 10
CHECKED_OUTPUTS = 20


@dataclass
class Measured:
    """`units` things in `seconds`; `details` are further figures, their names end in their units."""

    seconds: float
    units: int
    details: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Scenario:
    """`unit` names what `run` makes n of. `sizes` are usual values of n, `small` one for a quick look."""

    name: str
    unit: str
    sizes: tuple[int, ...]
    small: int
    run: Callable[[Client, int], Awaitable[Measured]]


async def hello_alone(client: Client, n: int) -> Measured:
    """Executions one after the other: the time from the request until the result can be read."""
    name = await _upload(client, workflows.hello)
    times = []
    for number in range(n):
        began = time.perf_counter()
        output = await client.finish(await client.start(name, to=number))
        times.append(time.perf_counter() - began)
        require(output == {"greeting": f"hello {number}"}, f"output {output}")
    return Measured(sum(times), n, _latencies(times))


async def hello_burst(client: Client, n: int) -> Measured:
    """Executions that some clients start at once, until the last one has ended."""
    return await _hello(client, n, CLIENTS)


async def hello_of_many(client: Client, n: int) -> Measured:
    """Executions that many clients start at once, until the last one has ended."""
    return await _hello(client, n, MANY_CLIENTS)


async def _hello(client: Client, n: int, clients: int) -> Measured:
    name = await _upload(client, workflows.hello)
    started: dict[int, str] = {}
    times = []

    async def start(number: int) -> None:
        began = time.perf_counter()
        started[number] = await client.start(name, to=number)
        times.append(time.perf_counter() - began)

    began = time.perf_counter()
    await share(n, clients, start)
    await client.finish_all(name, n)
    seconds = time.perf_counter() - began
    for number in list(started)[:: max(1, n // CHECKED_OUTPUTS)]:
        output = await client.finish(started[number])
        require(output == {"greeting": f"hello {number}"}, f"output {output}")
    return Measured(seconds, n, _latencies(times))


async def run_action(client: Client, n: int) -> Measured:
    """Actions without a workflow, each of them awaited, by many clients."""
    times = []

    async def run(number: int) -> None:
        began = time.perf_counter()
        result = await client.run_action("std.echo", output=number)
        times.append(time.perf_counter() - began)
        require(result == number, f"result {result}")

    began = time.perf_counter()
    await share(n, CLIENTS, run)
    return Measured(time.perf_counter() - began, n, _latencies(times))


async def chain(client: Client, n: int) -> Measured:
    """One execution of n tasks in a row."""
    name = await _upload(client, lambda name: workflows.chain(name, n))
    return await _one(client, name, n, {"count": n})


async def fan_out(client: Client, n: int) -> Measured:
    """One execution of n parallel tasks and a join."""
    name = await _upload(client, lambda name: workflows.fan_out(name, n))
    return await _one(client, name, n + 1, {"done": True})


async def fork_join(client: Client, n: int) -> Measured:
    """One execution that forks into n tasks, whose actions the engine runs itself, and joins them."""
    name = await _upload(client, lambda name: workflows.fork_join(name, n, "std.noop"))
    return await _one(client, name, n, {"done": True})


async def fork_join_executed(client: Client, n: int) -> Measured:
    """One execution that forks into n tasks, whose actions an executor runs, and joins them."""
    name = await _upload(client, lambda name: workflows.fork_join(name, n, "std.sleep seconds=0"))
    return await _one(client, name, n, {"done": True})


async def diamonds(client: Client, n: int) -> Measured:
    """Executions at the same time, each a fork into 18 trivial tasks and a join: 20 tasks."""
    name = await _upload(client, lambda name: workflows.fork_join(name, DIAMOND_TASKS - 2, "std.noop"))
    began = time.perf_counter()
    await _start_and_finish(client, name, n)
    return Measured(time.perf_counter() - began, n * DIAMOND_TASKS)


async def hello_beside_diamonds(client: Client, n: int) -> Measured:
    """The same executions over and over, and meanwhile n small ones, one after the other: their latency."""
    name = await _upload(client, lambda name: workflows.fork_join(name, DIAMOND_TASKS - 2, "std.noop"))
    stopped = asyncio.Event()

    async def keep_busy(_: int) -> None:
        while not stopped.is_set():
            await client.finish(await client.start(name))

    busy = asyncio.gather(*(keep_busy(number) for number in range(CLIENTS)))
    try:
        return await hello_alone(client, n)
    finally:
        stopped.set()
        await busy


async def executed_chain(client: Client, n: int) -> Measured:
    """One execution of n tasks in a row; each leaves the engine and is durable before the next."""
    name = await _upload(client, lambda name: workflows.executed_chain(name, n))
    return await _one(client, name, n, {"done": True})


async def with_items(client: Client, n: int) -> Measured:
    """One task over n items."""
    name = await _upload(client, lambda name: workflows.items(name, None))
    return await _one(client, name, n, {"squares": [i * i for i in range(n)]}, count=n)


async def with_items_limited(client: Client, n: int) -> Measured:
    """One task over n items, a few of them at a time."""
    name = await _upload(client, lambda name: workflows.items(name, ITEMS_AT_ONCE))
    return await _one(client, name, n, {"squares": [i * i for i in range(n)]}, count=n)


async def with_items_echoed(client: Client, n: int) -> Measured:
    """One task over n items, whose actions the engine runs itself."""
    name = await _upload(client, lambda name: workflows.counted_items(name, "std.echo output=<% $.i %>"))
    return await _one(client, name, n, {"count": n, "last": n - 1}, count=n)


async def with_items_executed(client: Client, n: int) -> Measured:
    """One task over n items, whose actions an executor runs."""
    name = await _upload(client, lambda name: workflows.counted_items(name, "std.sleep seconds=0"))
    return await _one(client, name, n, {"count": n, "last": None}, count=n)


async def loop(client: Client, n: int) -> Measured:
    """One execution of a task that runs n times."""
    name = await _upload(client, workflows.loop)
    return await _one(client, name, n, {"count": n}, turns=n)


async def nested(client: Client, n: int) -> Measured:
    """One task over n items, each a sub-workflow."""
    name = await _upload(client, workflows.nested)
    return await _one(client, name, n, {"doubled": [i * 2 for i in range(n)]}, count=n)


async def big_document(client: Client, n: int) -> Measured:
    """A document that n tasks in a row publish again."""
    name = await _upload(client, lambda name: workflows.document(name, n))
    row = {"id": 0, "name": "x" * 60, "tags": ["a", "b", "c"], "load": 0.5}
    rows = [row | {"id": number} for number in range(DOCUMENT_BYTES // len(json.dumps(row)))]
    expected = {"rows": len(rows), "last": len(rows) - 1}
    return await _one(client, name, n, expected, document={"rows": rows})


async def big_text(client: Client, n: int) -> Measured:
    """A long text that n tasks in a row publish again."""
    name = await _upload(client, lambda name: workflows.big_text(name, n))
    return await _one(client, name, n, {"length": DOCUMENT_BYTES}, text="x" * DOCUMENT_BYTES)


SCENARIOS = (
    Scenario("hello_alone", "executions", (50,), 5, hello_alone),
    Scenario("hello_burst", "executions", (100, 1000), 20, hello_burst),
    Scenario("hello_of_many", "executions", (1000,), 20, hello_of_many),
    Scenario("hello_beside_diamonds", "executions", (200,), 5, hello_beside_diamonds),
    Scenario("diamonds", "tasks", (200,), 5, diamonds),
    Scenario("run_action", "actions", (200, 1000), 20, run_action),
    Scenario("chain", "tasks", (50, 200, 1000), 20, chain),
    Scenario("executed_chain", "tasks", (100,), 10, executed_chain),
    Scenario("fan_out", "tasks", (100, 500, 1000), 20, fan_out),
    Scenario("with_items", "items", (100, 1000), 20, with_items),
    Scenario("with_items_limited", "items", (100, 1000), 20, with_items_limited),
    Scenario("nested", "sub-workflows", (20, 100), 5, nested),
    Scenario("big_document", "tasks", (10,), 2, big_document),
)


async def _upload(client: Client, text: Callable[[str], str]) -> str:
    """Store a workflow under a new name; the name."""
    name = f"bench_{uuid.uuid4().hex}"
    await client.upload(text(name))
    return name


async def _start_and_finish(client: Client, name: str, n: int) -> None:
    async def start(_: int) -> None:
        await client.start(name)

    await share(n, CLIENTS, start)
    await client.finish_all(name, n)


async def _one(client: Client, name: str, units: int, expected: object, **given: object) -> Measured:
    """One execution, from the request until its end was seen."""
    began = time.perf_counter()
    output = await client.finish(await client.start(name, **given))
    seconds = time.perf_counter() - began
    require(output == expected, f"output {str(output)[:400]}")
    return Measured(seconds, units)


def _latencies(times: list[float]) -> dict[str, float]:
    in_order = sorted(times)

    def late(share: float) -> float:
        return in_order[min(len(in_order) - 1, int(len(in_order) * share))] * 1000

    return {"p50_ms": statistics.median(times) * 1000, "p95_ms": late(0.95), "p99_ms": late(0.99)}
