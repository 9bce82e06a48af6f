"""Measure how time and memory grow with size: `.venv/bin/python bench/scaling.py`.

Every measurement has a server and a database of its own. The table shows the best of some rounds and the
growth exponent of every series: 1 means that twice as many take twice as long. The exit code is 1 if a result
was wrong or an exponent is above the limit. Nothing else should work on the machine meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # started as a file, the package is not known

from bench import growth, report
from bench.client import Client, WrongResult
from bench.scenarios import Measured
from bench.series import SERIES, Series
from bench.server import Server, Usage

RESULTS = Path(__file__).resolve().parent / "results"
ROUNDS = 3
LIMIT = 1.1
MEBIBYTE = 1024 * 1024

Sizes = list[tuple[Series, tuple[int, ...]]]


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    given = _parser().parse_args(arguments)
    chosen: Sizes = [
        (series, tuple(given.n or (series.small if given.quick else series.sizes)))
        for series in SERIES
        if not given.series or series.name in given.series
    ]
    given.results.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=given.results) as name:
        conditions = report.conditions(Path(name), None) | {"rounds": given.rounds}
        runs = _play_all(chosen, given.rounds, given.results)
    results = [_best(series, n, runs) for series, sizes in chosen for n in sizes]
    exponents = {series.name: _exponent(series, results) for series, _ in chosen}
    too_steep = [name for name, found in exponents.items() if found is not None and found > given.limit]
    conditions |= {"limit": given.limit, "exponents": exponents}
    table = _table(chosen, results, exponents, conditions)
    path = report.write(given.results, conditions, results, table, "scaling-")
    print(table)
    report.progress(f"Written to {path} and {path.with_suffix('.json').name}")
    for steep in too_steep:
        report.progress(f"{steep} grows with exponent {exponents[steep]:.2f}, more than {given.limit}")
    return 0 if all(result["ok"] for result in results) and not too_steep else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measure how time and memory grow with size.")
    names = [series.name for series in SERIES]
    parser.add_argument("--series", action="append", choices=names, help="only this one; repeatable")
    parser.add_argument("--n", type=int, action="append", help="this size instead of the usual; repeatable")
    parser.add_argument("--quick", action="store_true", help="small sizes: does it work at all?")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="so often; the fastest counts")
    parser.add_argument("--limit", type=float, default=LIMIT, help="largest exponent that is fine")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER", help="where to write")
    return parser


def _play_all(chosen: Sizes, rounds: int, folder: Path) -> list[report.Result]:
    """Sizes take turns, so that a slow moment of the machine does not hit one of them alone."""
    runs = []
    for number in range(rounds):
        for series, sizes in chosen:
            for n in sizes:
                with tempfile.TemporaryDirectory(dir=folder) as name:
                    result = _play(series, n, Path(name))
                runs.append(result)
                figure = f"{result['seconds']:.3f} s" if result["ok"] else result["error"]
                report.progress(f"round {number + 1}: {series.name} {n}: {figure}")
    return runs


def _play(series: Series, n: int, folder: Path) -> report.Result:
    result: report.Result = {"scenario": series.name, "n": n, "unit": series.unit, "ok": False}
    server = Server(folder)
    try:
        with server:
            before = _bytes(server)
            usage = Usage(server.pid)
            measured, base = asyncio.run(_measure(series, n, server.url, usage))
            peak = usage.peak_mebibytes()
        grown = max(0, _bytes(server) - before)
        if series.check is not None:
            series.check(server.database_file, grown)
    except (WrongResult, aiohttp.ClientError, TimeoutError, ValueError, KeyError, RuntimeError) as error:
        report.progress(f"The server's log ends with:\n{server.last_words()}")
        return result | {"error": f"{type(error).__name__}: {error}"}
    result |= {"ok": True, "seconds": measured.seconds, "per_second": n / measured.seconds}
    result |= {"base_memory_mib": base, "peak_memory_mib": peak, "database_mib": grown / MEBIBYTE}
    return result


async def _measure(series: Series, n: int, url: str, usage: Usage) -> tuple[Measured, float | None]:
    """Also the memory that the server had before. A first play of the smallest kind warms the server up."""
    async with Client(url) as client:
        await series.run(client, 1)
        usage.forget_peak()
        base = usage.peak_mebibytes()
        return await series.run(client, n), base


def _bytes(server: Server) -> int:
    """The size of the database; once the server has stopped, all of it is in one file."""
    files = server.database_file.parent.glob(server.database_file.name + "*")
    return sum(file.stat().st_size for file in files if not file.name.endswith("-shm"))


def _best(series: Series, n: int, runs: list[report.Result]) -> report.Result:
    """The fastest of the runs of one size, with all times; a run with a wrong result before any other."""
    same = [run for run in runs if run["scenario"] == series.name and run["n"] == n]
    wrong = next((run for run in same if not run["ok"]), None)
    if wrong is not None:
        return wrong
    return min(same, key=lambda run: run["seconds"]) | {"all_seconds": [run["seconds"] for run in same]}


def _points(series: Series, results: list[report.Result]) -> list[growth.Point]:
    return growth.telling(
        [(r["n"], r["seconds"]) for r in results if r["scenario"] == series.name and r["ok"]]
    )


def _exponent(series: Series, results: list[report.Result]) -> float | None:
    return growth.exponent(_points(series, results))


def _table(
    chosen: Sizes,
    results: list[report.Result],
    exponents: dict[str, float | None],
    conditions: dict[str, Any],
) -> str:
    head = ["series", "n", "seconds", "spread", "ms each", "unit", "exponent", "from the size before"]
    head += ["peak MiB", "before MiB", "database MiB"]
    rows = [head, ["---"] * len(head)]
    for series, _ in chosen:
        steps = growth.steps(_points(series, results))
        last = max(r["n"] for r in results if r["scenario"] == series.name)
        for result in [r for r in results if r["scenario"] == series.name]:
            n = result["n"]
            row = [series.name, str(n)]
            if result["ok"]:
                seconds, every = result["seconds"], result["all_seconds"]
                row += [f"{seconds:.3f}", f"{max(every) / min(every):.2f}", f"{seconds * 1000 / n:.3f}"]
                row += [series.unit, _figure(exponents[series.name] if n == last else None)]
                row += [_figure(steps.get(n))]
                row += [_figure(result[key], 0) for key in ("peak_memory_mib", "base_memory_mib")]
                row += [_figure(result["database_mib"], 1)]
            else:
                row += [f"FAILED: {result['error']}".replace("|", "/")] + [""] * 8
            rows.append(row)
    note = (
        f"Exponents are over the sizes that took more than {growth.SHORTEST * 1000:.0f} ms. spread: slowest"
        " through fastest round. before: memory after warming up. database: what the file grew by."
    )
    shown = report.shown({k: v for k, v in conditions.items() if k != "exponents"})
    return "\n".join([*report.lines(rows), "", note, "", *shown]) + "\n"


def _figure(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:.{digits}f}"


if __name__ == "__main__":
    sys.exit(main())
