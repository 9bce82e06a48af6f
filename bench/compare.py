"""Compare in one run: the service on SQLite and on PostgreSQL, the bare databases, and other servers.

`.venv/bin/python bench/compare.py [--other NAME=URL]`. Scenarios take turns between all of them, round by
round; the median of the rounds counts, and the table says how far they lie apart. Another server is any that
speaks the same REST API and runs already; it gets small sizes. Nothing else should work on the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # started as a file, the packages are not
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))  # known

from bench import bare, moments, report
from bench.client import Client, WrongResult
from bench.run import play
from bench.scenarios import (
    Scenario,
    big_document,
    chain,
    diamonds,
    executed_chain,
    fork_join,
    hello_alone,
    hello_beside_diamonds,
    hello_of_many,
    with_items_echoed,
)
from bench.server import Server, Usage
from postgresql import PostgresqlServer

RESULTS = Path(__file__).resolve().parent / "results"
ROUNDS = 3
WAITING = 10_000
BARE_EXECUTIONS = 400
DURABLE = {
    "fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "autovacuum": "on",
    "shared_buffers": "128MB", "checkpoint_timeout": "5min", "deadlock_timeout": "1s",
}  # fmt: skip
"""PostgreSQL as it comes; the tests start it in a hurry."""

SCENARIOS = (
    Scenario("diamonds", "tasks", (200,), 10, diamonds),
    Scenario("chain", "tasks", (100,), 50, chain),
    Scenario("executed_chain", "tasks", (100,), 20, executed_chain),
    Scenario("hello_alone", "executions", (100,), 10, hello_alone),
    Scenario("hello_of_many", "executions", (1000,), 50, hello_of_many),
    Scenario("hello_beside_diamonds", "executions", (200,), 5, hello_beside_diamonds),
    Scenario("with_items", "items", (1_000, 10_000, 100_000), 100, with_items_echoed),
    Scenario("fork_join", "branches", (500, 5_000), 100, fork_join),
    Scenario("big_document", "tasks", (10,), 10, big_document),
)


@dataclass(frozen=True)
class Contender:
    """One server that is measured. `is_ours`: it gets the usual sizes."""

    name: str
    url: str
    usage: Usage
    is_ours: bool


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 1 if a result was wrong."""
    given = _parser().parse_args(arguments)
    given.results.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=given.results) as name:
        folder = Path(name)
        folder.chmod(0o755)
        conditions = report.conditions(folder, None) | {"rounds": given.rounds}
        with PostgresqlServer(folder, **DURABLE) as postgresql:
            conditions["postgresql"] = postgresql.execute("postgres", "SHOW server_version")[0][0]
            results = _play_all(given, folder, postgresql)
            if not given.scenario:
                results += _moments(folder, postgresql, given.waiting)
    merged = _merged(results)
    table = _table(merged, conditions)
    path = report.write(given.results, conditions, merged, table, "compare-")
    print(table)
    report.progress(f"Written to {path} and {path.with_suffix('.json').name}")
    return 0 if all(result["ok"] for result in merged) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Compare the service with bare databases and other servers.")
    names = [scenario.name for scenario in SCENARIOS]
    parser.add_argument("--scenario", action="append", choices=names, help="only this one; repeatable")
    parser.add_argument("--quick", action="store_true", help="small sizes: does it work at all?")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="so often; the median counts")
    parser.add_argument("--waiting", type=int, default=WAITING, help="executions that wait for somebody")
    parser.add_argument("--other", action="append", default=[], metavar="NAME=URL", help="another server")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER", help="where to write")
    return parser


def _play_all(given: argparse.Namespace, folder: Path, postgresql: PostgresqlServer) -> list[report.Result]:
    chosen = [scenario for scenario in SCENARIOS if not given.scenario or scenario.name in given.scenario]
    results: list[report.Result] = []
    with contextlib.ExitStack() as stack:
        contenders = list(_contenders(stack, given.other, folder, postgresql))
        for round_ in range(given.rounds):
            results += _bare(folder, postgresql, round_)
            for scenario in chosen:
                for contender in contenders:
                    small = given.quick or not contender.is_ours
                    for n in (scenario.small,) if small else scenario.sizes:
                        results.append(asyncio.run(_play(contender, scenario, n)))
                        _tell(round_, results[-1])
    return results


def _contenders(
    stack: contextlib.ExitStack, others: list[str], folder: Path, postgresql: PostgresqlServer
) -> Iterator[Contender]:
    for name, url, of_database in (
        ("sqlite", None, []),
        ("postgresql", postgresql.url(postgresql.create()), postgresql.process_ids()[:1]),
    ):
        here = folder / name
        here.mkdir()
        server = stack.enter_context(Server(here, url))
        yield Contender(name, server.url, Usage(server.pid, *of_database), is_ours=True)
    for other in others:
        name, _, url = other.partition("=")
        yield Contender(name, url, Usage(), is_ours=False)


async def _play(contender: Contender, scenario: Scenario, n: int) -> report.Result:
    async with Client(contender.url) as client:
        return {"contender": contender.name} | await play(client, scenario, n, contender.usage)


def _bare(folder: Path, postgresql: PostgresqlServer, round_: int) -> list[report.Result]:
    """Each round has databases of its own, made as the service makes them."""
    here = folder / f"bare-{round_}"
    here.mkdir()
    name = postgresql.lend()
    with Server(here) as server:
        file = server.database_file
    found = {
        "bare sqlite": bare.on_sqlite(file, BARE_EXECUTIONS),
        "bare postgresql": bare.on_postgresql(postgresql.url(name), BARE_EXECUTIONS),
    }
    results: list[report.Result] = []
    for contender, speed in found.items():
        for scenario, unit, figure in (
            ("diamonds", "tasks", speed.tasks_per_second),
            ("single_rows", "commits", speed.commits_per_second),
        ):
            results.append(
                {
                    "contender": contender, "scenario": scenario, "n": BARE_EXECUTIONS, "unit": unit,
                    "ok": True, "seconds": 0.0, "per_second": figure,
                }
            )  # fmt: skip
            _tell(round_, results[-1])
    return results


def _moments(folder: Path, postgresql: PostgresqlServer, waiting: int) -> list[report.Result]:
    """What needs servers of its own."""
    results: list[report.Result] = []
    for contender in ("sqlite", "postgresql"):
        for name, measure in (
            ("at_rest", moments.at_rest),
            ("waiting", lambda make: moments.with_waiting(make, waiting)),
            ("after_a_kill", moments.after_a_kill),
        ):
            here = folder / f"{contender}-{name}"
            here.mkdir()
            url = None if contender == "sqlite" else postgresql.url(postgresql.create())
            result: report.Result = {"contender": contender, "scenario": name, "n": 1, "ok": True}
            result |= _figures(measure, here, url)
            results.append(result)
            _tell(0, result)
    return results


def _figures(
    measure: Callable[[Callable[[], Server]], moments.Figures], here: Path, url: str | None
) -> dict[str, Any]:
    try:
        return dict(measure(lambda: Server(here, url)))
    except (WrongResult, aiohttp.ClientError, TimeoutError, RuntimeError) as error:
        return {"ok": False, "error": f"{type(error).__name__}: {error}"}


def _tell(round_: int, result: report.Result) -> None:
    if not result["ok"]:
        figure = result["error"]
    elif "per_second" in result:
        figure = f"{result['per_second']:.1f} {result['unit']}/s"
    else:
        figure = _details(result)
    report.progress(
        f"round {round_ + 1}: {result['contender']}: {result['scenario']} {result['n']}: {figure}"
    )


def _merged(results: list[report.Result]) -> list[report.Result]:
    """One result out of the rounds of each: the medians; a wrong one before any other."""
    groups: dict[tuple[str, str, int], list[report.Result]] = {}
    for result in results:
        groups.setdefault((result["scenario"], result["contender"], result["n"]), []).append(result)
    merged = []
    for rounds in groups.values():
        wrong = next((result for result in rounds if not result["ok"]), None)
        if wrong is not None:
            merged.append(wrong)
            continue
        one = dict(rounds[0])
        for name, value in rounds[0].items():
            if isinstance(value, float):
                one[name] = statistics.median(result[name] for result in rounds)
        if "per_second" in one:
            speeds = [result["per_second"] for result in rounds]
            one["spread"] = max(speeds) / min(speeds)
        merged.append(one)
    return merged


def _table(results: list[report.Result], conditions: dict[str, Any]) -> str:
    order = list(dict.fromkeys(result["scenario"] for result in results))
    results = sorted(results, key=lambda result: (order.index(result["scenario"]), result["n"]))
    head = ["scenario", "n", "who", "per second", "unit", "spread", "CPU ms each", "share of bare", "more"]
    rows = [head, ["---"] * len(head)]
    for result in results:
        row = [result["scenario"], str(result["n"]), result["contender"]]
        if not result["ok"]:
            rows.append([*row, f"FAILED: {result['error']}".replace("|", "/"), *[""] * 5])
            continue
        speed, cpu = result.get("per_second"), result.get("cpu_ms_each")
        row += ["" if speed is None else f"{speed:,.1f}", result.get("unit", "")]
        row += [f"{result['spread']:.2f}" if "spread" in result else "", "" if cpu is None else f"{cpu:.3f}"]
        rows.append([*row, _share(result, results), _details(result)])
    note = (
        "Medians of the rounds; spread: fastest through slowest. CPU: of the server and its database."
        " share of bare: of the speed at which a bare driver puts the same rows there in the same batches;"
        " for executed_chain, of its commits with a single row."
    )
    return "\n".join([*report.lines(rows), "", note, "", *report.shown(conditions)]) + "\n"


def _share(result: report.Result, results: list[report.Result]) -> str:
    beside = {"diamonds": "diamonds", "executed_chain": "single_rows"}.get(result["scenario"])
    speed = next(
        (
            other["per_second"]
            for other in results
            if other["scenario"] == beside and other["contender"] == f"bare {result['contender']}"
        ),
        None,
    )
    return "" if speed is None else f"{result['per_second'] / speed:.2f}"


def _details(result: report.Result) -> str:
    hidden = {"seconds", "per_second", "spread", "cpu_ms_each"}
    shown = {k: v for k, v in result.items() if isinstance(v, float) and k not in hidden}
    if "finished" in result:
        shown |= {name: result[name] for name in ("seconds", "finished", "lost")}
    elif "per_second" in result and result["seconds"]:
        shown |= {"s": result["seconds"]}
    return ", ".join(f"{name} {value:.2f}".removesuffix(".00") for name, value in shown.items())


if __name__ == "__main__":
    sys.exit(main())
