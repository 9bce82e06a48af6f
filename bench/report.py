"""Results with the conditions they hold under, as JSON for programs and as a table for people."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from maestrale.store.database import Database

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("maestrale", "SQLAlchemy", "starlette", "uvicorn", "httptools", "yaql", "Jinja2")
SYNCHRONOUS = {0: "OFF", 1: "NORMAL", 2: "FULL", 3: "EXTRA"}

Result = dict[str, Any]


def conditions(folder: Path, url: str | None) -> dict[str, Any]:
    """Machine, versions and settings. `folder`: where the database is; `url`: a server we did not start."""
    found: dict[str, Any] = {
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": _commit(),
        "server": url or "started for this",
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
        "fsyncs_per_second": round(_fsyncs(folder)),
    }
    if url is None:
        found["database"] = _database(folder)
    return found


def write(
    folder: Path, conditions: dict[str, Any], results: list[Result], table: str, prefix: str = ""
) -> Path:
    """Write both forms into `folder`; the path of the table."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / (prefix + time.strftime("%Y%m%d-%H%M%S", time.gmtime()))
    document = {"conditions": conditions, "results": results}
    stem.with_suffix(".json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    path = stem.with_suffix(".md")
    path.write_text(table, encoding="utf-8")
    return path


def read(file: Path) -> dict[tuple[str, int], float]:
    """Units per second of an earlier run, by scenario and n."""
    document = json.loads(file.read_text(encoding="utf-8"))
    return {(r["scenario"], r["n"]): r["per_second"] for r in document["results"] if r["ok"]}


def table(
    conditions: dict[str, Any], results: Iterable[Result], earlier: dict[tuple[str, int], float] | None
) -> str:
    """Markdown. With `earlier`, how many times as fast as then."""
    head = ["scenario", "n", "seconds", "per second", "unit", "p50 ms", "p95 ms", "server CPU ms each"]
    if earlier is not None:
        head.append("times as fast")
    rows = [head, ["---"] * len(head)]
    for result in results:
        row = [result["scenario"], str(result["n"])]
        if result["ok"]:
            row += [f"{result['seconds']:.3f}", f"{result['per_second']:.1f}", result["unit"]]
            row += [_number(result.get(key)) for key in ("p50_ms", "p95_ms", "cpu_ms_each")]
        else:
            row += [f"FAILED: {result['error']}".replace("|", "/")] + [""] * 5
        if earlier is not None:
            before = earlier.get((result["scenario"], result["n"]))
            row.append(f"{result['per_second'] / before:.2f}" if before and result["ok"] else "")
        rows.append(row)
    return "\n".join([*lines(rows), "", *shown(conditions)]) + "\n"


def lines(rows: Iterable[Sequence[str]]) -> list[str]:
    """The rows of a Markdown table."""
    return ["| " + " | ".join(row) + " |" for row in rows]


def shown(conditions: dict[str, Any]) -> list[str]:
    """The conditions as a Markdown list."""
    return [f"- {name}: {_plain(value)}" for name, value in conditions.items()]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _plain(value: Any) -> str:
    return ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)


def _commit() -> str:
    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    changed = " with changes" if git("status", "--porcelain", "src") else ""
    return (git("rev-parse", "--short", "HEAD") or "unknown") + changed


def _database(folder: Path) -> str:
    """The settings with which the service opens its database, asked of a connection of its own making."""
    database = Database(f"sqlite:///{folder / 'conditions.db'}")
    try:
        journal, synchronous = database.read(
            lambda connection: (
                connection.exec_driver_sql("PRAGMA journal_mode").scalar_one(),
                connection.exec_driver_sql("PRAGMA synchronous").scalar_one(),
            )
        ).result()
    finally:
        database.close()
    return f"SQLite {sqlite3.sqlite_version}, journal {journal}, synchronous {SYNCHRONOUS[synchronous]}"


def _fsyncs(folder: Path, seconds: float = 0.5) -> float:
    """How often per second a written block can be made durable there."""
    with tempfile.TemporaryFile(dir=folder) as file:
        count, began = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - began) < seconds:
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
            count += 1
    return count / elapsed


def progress(text: str) -> None:
    """Tell the person who waits."""
    print(text, file=sys.stderr, flush=True)
