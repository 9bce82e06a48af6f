"""Measure the service: `.venv/bin/python bench/run.py`.

Starts a server on a fresh SQLite file, plays the scenarios, checks their results, prints a table, and writes
it with the conditions to bench/results. The exit code is 1 if a result was wrong. Nothing else should work
on the machine meanwhile; compare only runs of the same machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import aiohttp

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # started as a file, the package is not known

from bench import report
from bench.client import Client, WrongResult
from bench.scenarios import SCENARIOS, Scenario
from bench.server import Server, Usage

RESULTS = Path(__file__).resolve().parent / "results"

Play = tuple[Scenario, int]


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    given = _parser().parse_args(arguments)
    plays = list(_plays(given.scenario, given.n, given.quick, given.repeat))
    given.results.mkdir(parents=True, exist_ok=True)
    earlier = report.read(given.compare) if given.compare else None
    with tempfile.TemporaryDirectory(dir=given.results) as name, contextlib.ExitStack() as stack:
        conditions = report.conditions(Path(name), given.url)
        url, pid, server = given.url, given.pid, None
        if url is None:
            server = stack.enter_context(Server(Path(name)))
            url, pid = server.url, server.pid
            conditions["start_seconds"] = round(server.start_seconds, 3)
        usage = Usage(pid)
        results = asyncio.run(_play_all(url, plays, usage))
        is_right = all(result["ok"] for result in results)
        if server is not None and not is_right:
            report.progress(f"The server's log ends with:\n{server.last_words()}")
        peak = usage.peak_mebibytes()
        if peak is not None:
            conditions["peak_memory_mib"] = round(peak)
    table = report.table(conditions, results, earlier)
    path = report.write(given.results, conditions, results, table)
    print(table)
    report.progress(f"Written to {path} and {path.with_suffix('.json').name}")
    return 0 if is_right else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measure the service over its REST API.")
    names = [scenario.name for scenario in SCENARIOS]
    parser.add_argument("--scenario", action="append", choices=names, help="only this one; repeatable")
    parser.add_argument("--n", type=int, help="how many, instead of the usual sizes")
    parser.add_argument("--quick", action="store_true", help="small sizes: does it work at all?")
    parser.add_argument("--repeat", type=int, default=1, metavar="TIMES", help="play everything so often")
    parser.add_argument("--url", help="measure this server instead of starting one")
    parser.add_argument("--pid", type=int, help="process of that server, for its CPU time")
    parser.add_argument("--compare", type=Path, metavar="FILE", help="JSON of an earlier run: show ratios")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER", help="where to write")
    return parser


def _plays(names: list[str] | None, n: int | None, quick: bool, repeat: int) -> Iterator[Play]:
    for _ in range(repeat):
        for scenario in SCENARIOS:
            if names and scenario.name not in names:
                continue
            sizes = (n,) if n else (scenario.small,) if quick else scenario.sizes
            yield from ((scenario, size) for size in sizes)


async def _play_all(url: str, plays: list[Play], usage: Usage) -> list[report.Result]:
    results = []
    async with Client(url) as client:
        for scenario, n in plays:
            result = await play(client, scenario, n, usage)
            figure = f"{result['per_second']:.1f} {scenario.unit}/s" if result["ok"] else result["error"]
            report.progress(f"{scenario.name} {n}: {figure}")
            results.append(result)
    return results


async def play(client: Client, scenario: Scenario, n: int, usage: Usage) -> report.Result:
    """One scenario against the server of a client; `usage` is that of the server."""
    result: report.Result = {"scenario": scenario.name, "n": n, "unit": scenario.unit, "ok": False}
    before = usage.cpu_seconds()
    try:
        measured = await scenario.run(client, n)
    except (WrongResult, aiohttp.ClientError, TimeoutError, ValueError, KeyError) as error:
        return result | {"error": f"{type(error).__name__}: {error}"}
    after = usage.cpu_seconds()
    result |= {"ok": True, "seconds": measured.seconds, "units": measured.units}
    result |= {"per_second": measured.units / measured.seconds, **measured.details}
    if before is not None and after is not None:
        result["cpu_ms_each"] = (after - before) * 1000 / measured.units
    return result


if __name__ == "__main__":
    sys.exit(main())
