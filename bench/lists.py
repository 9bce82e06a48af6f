"""Measure lists over very many executions: `.venv/bin/python bench/lists.py --folder /var/tmp/lists`.

Builds databases with so many executions, five times as many tasks and twice as many action executions in the
folder, once; then asks each for the lists that people ask for, through the store and over HTTP. The exit code
is 1 if the 95th percentile of any takes longer than the limit. Nothing else should work on the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
from starlette.requests import Request

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # started as a file, the packages are not
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))  # known

from bench import list_rows, report
from bench.compare import DURABLE
from bench.list_cases import CASES, EVERYBODY, Asked, Case, Known
from bench.list_database import build
from bench.server import Server
from maestrale.api.listing import ListQuery, read_listing
from maestrale.model.listing import Filter, Listing
from maestrale.store import queries
from maestrale.store.database import Database
from maestrale.store.selection import Viewer
from postgresql import PostgresqlServer

RESULTS = Path(__file__).resolve().parent / "results"
TIMES = 60
UNMEASURED = 5
LIMIT_MS = 50.0
EXTRA = ("all_projects", "nulls", "include_output")
DATABASES = ("sqlite", "postgresql")


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    given = _parser().parse_args(arguments)
    given.folder.mkdir(parents=True, exist_ok=True)
    given.folder.chmod(0o755)
    conditions = report.conditions(given.folder, None) | {"executions": given.n}
    known = Known(given.n)
    cases = [case for case in CASES if not given.case or any(word in case.name for word in given.case)]
    results: list[report.Result] = []
    for kind in given.database or DATABASES:
        with _database(kind, given.folder, given.n) as url:
            results += _through_the_store(kind, url, known, cases, given.times)
            if not given.store_only:
                results += _over_http(kind, url, known, cases, given.times)
    conditions["load_after"] = round(os.getloadavg()[0], 2)
    table = _table(results, conditions)
    report.write(given.results, conditions, results, table, "lists-")
    print(table)
    return 0 if all(result["p95_ms"] <= given.limit for result in results) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measure lists over very many executions.")
    parser.add_argument("--folder", type=Path, required=True, help="where the databases are kept")
    parser.add_argument("--n", type=int, default=100_000, help="executions")
    parser.add_argument("--times", type=int, default=TIMES, help="so often each list")
    parser.add_argument("--database", action="append", choices=DATABASES, help="only this one; repeatable")
    parser.add_argument("--case", action="append", metavar="WORDS", help="only lists named so; repeatable")
    parser.add_argument("--store-only", action="store_true", help="leave HTTP out")
    parser.add_argument("--limit", type=float, default=LIMIT_MS, metavar="MS", help="longest p95")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER", help="where to write")
    return parser


@contextmanager
def _database(kind: str, folder: Path, count: int) -> Iterator[str]:
    """The URL of the database, which is built unless it is there."""
    if kind == "sqlite":
        file = folder / f"lists-{count}.db"
        url = f"sqlite:///{file}"
        if not file.exists():
            build(url, count)
        yield url
        return
    (folder / "postgresql").mkdir(exist_ok=True)
    with PostgresqlServer(folder / "postgresql", **DURABLE) as server:
        name = f"lists_{count}"
        if not server.execute("postgres", "SELECT 1 FROM pg_database WHERE datname = %s", name):
            server.execute("postgres", f"CREATE DATABASE {name} TEMPLATE template0")
            build(server.url(name), count)
        yield server.url(name)


def _through_the_store(
    kind: str, url: str, known: Known, cases: Sequence[Case], times: int
) -> list[report.Result]:
    database = Database(url)
    results = []
    try:
        for case in cases:
            taken = []
            for number in range(times + UNMEASURED):
                unit, viewer, listing = _listing(case.ask(known))
                begun = time.perf_counter()
                rows = database.read_list(unit, viewer, listing).result()
                if number >= UNMEASURED:
                    taken.append((time.perf_counter() - begun) * 1000)
            results.append(_result(case.name, kind, "store", taken, len(rows)))
    finally:
        database.close()
    return results


Unit = Callable[..., list[dict[str, Any]]]


def _listing(asked: Asked) -> tuple[Unit, Viewer, Listing]:
    """The same as the API makes of a request."""
    parts = asked.path.split("/")[2:]
    collection = parts[-1] if parts[-1] != "workflow_executions" else "executions"
    unit: Unit
    resource, unit = {
        "executions": (queries.EXECUTIONS, queries.list_executions),
        "tasks": (queries.TASKS, queries.list_tasks),
        "action_executions": (queries.ACTION_EXECUTIONS, queries.list_action_executions),
    }[collection]
    scope = {"type": "http", "query_string": asked.query.encode(), "headers": []}
    listing = read_listing(Request(scope), ListQuery(resource.shape(), EXTRA), 1000)
    if len(parts) == 3:
        parent = "workflow_execution_id" if parts[0] == "executions" else "task_execution_id"
        filters = (*listing.filters, Filter(parent, "eq", parts[1]))
        listing = Listing(listing.limit, listing.sort, filters, listing.nulls, listing.marker)
    return unit, Viewer(asked.caller, sees_all=asked.caller == EVERYBODY), listing


def _over_http(kind: str, url: str, known: Known, cases: Sequence[Case], times: int) -> list[report.Result]:
    with tempfile.TemporaryDirectory() as name:
        tokens = Path(name) / "tokens.yaml"
        tokens.touch(mode=0o600)
        tokens.write_text("".join(map(_token, (*list_rows.PROJECTS, EVERYBODY))), encoding="utf-8")
        with Server(Path(name), url, MAESTRALE_SERVER_AUTH=f"tokens:{tokens}") as server:
            return asyncio.run(_ask_all(kind, server.url, known, cases, times))


def _token(caller: str) -> str:
    roles = "[admin]" if caller == EVERYBODY else "[]"
    return f"bench-token-of-{caller}:\n  project_id: {caller}\n  user_id: bench\n  roles: {roles}\n"


async def _ask_all(
    kind: str, url: str, known: Known, cases: Sequence[Case], times: int
) -> list[report.Result]:
    results = []
    async with aiohttp.ClientSession() as session:
        for case in cases:
            taken = []
            for number in range(times + UNMEASURED):
                asked = case.ask(known)
                headers = {"X-Auth-Token": f"bench-token-of-{asked.caller}"}
                begun = time.perf_counter()
                async with session.get(f"{url}{asked.path}?{asked.query}", headers=headers) as answer:
                    body = await answer.read()
                    assert answer.status == 200, body
                if number >= UNMEASURED:
                    taken.append((time.perf_counter() - begun) * 1000)
            results.append(_result(case.name, kind, "HTTP", taken, len(body)))
    return results


def _result(case: str, kind: str, way: str, taken: list[float], size: int) -> report.Result:
    in_order = sorted(taken)
    found = {
        "case": case,
        "database": kind,
        "way": way,
        "p50_ms": statistics.median(in_order),
        "p95_ms": in_order[min(len(in_order) - 1, int(len(in_order) * 0.95))],
        "worst_ms": in_order[-1],
        "last_size": size,
    }
    report.progress(f"{kind} {way} {case}: p50 {found['p50_ms']:.1f}, p95 {found['p95_ms']:.1f} ms")
    return found


def _table(results: list[report.Result], conditions: dict[str, Any]) -> str:
    ways = list(dict.fromkeys((result["database"], result["way"]) for result in results))
    by_case: dict[str, dict[tuple[str, str], str]] = {}
    for result in results:
        shown = f"{result['p50_ms']:.1f} / {result['p95_ms']:.1f}"
        by_case.setdefault(result["case"], {})[result["database"], result["way"]] = shown
    head = ["p50 / p95, ms", *(f"{kind}, {way}" for kind, way in ways)]
    rows = [[case, *(found.get(way, "") for way in ways)] for case, found in by_case.items()]
    return (
        "\n".join([*report.lines([head, ["---"] * len(head), *rows]), "", *report.shown(conditions)]) + "\n"
    )


if __name__ == "__main__":
    sys.exit(main())
