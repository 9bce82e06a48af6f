"""What is measured at growing sizes, and what the database may hold afterwards."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bench import scenarios
from bench.client import Client, require
from bench.scenarios import DOCUMENT_BYTES, Measured

GROWTH_PER_TEXT = 2.5
"""The value, the record of the event that brought it, and the rows around them take less than so many times
the size of the text."""

Run = Callable[[Client, int], Awaitable[Measured]]


@dataclass(frozen=True)
class Series:
    """`unit` names what `run` makes n of. `small` are sizes for a quick look.

    `check` looks into the database file after the server has stopped and raises `WrongResult`; it gets by
    how many bytes the file has grown.
    """

    name: str
    unit: str
    sizes: tuple[int, ...]
    small: tuple[int, ...]
    run: Run
    check: Callable[[Path, int], None] | None = None


def is_stored_once(file: Path, grown: int) -> None:
    """Every execution has one copy of its text, however many tasks had it in their hands."""
    query = "SELECT root_id, count(*) FROM execution_values WHERE length(data) > ? GROUP BY root_id"
    with closing(sqlite3.connect(file)) as connection:
        found = connection.execute(query, (DOCUMENT_BYTES // 2,)).fetchall()
    require(bool(found), "no large text in execution_values")
    for root_id, copies in found:
        require(copies == 1, f"{copies} copies of the text of {root_id}")
    most = int(len(found) * DOCUMENT_BYTES * GROWTH_PER_TEXT)
    require(grown < most, f"{len(found)} texts let the database grow by {grown} bytes")


SERIES = (
    Series("chain", "tasks", (100, 1_000, 10_000), (20, 100), scenarios.chain),
    Series("fork_join", "branches", (100, 500, 5_000), (20, 100), scenarios.fork_join),
    Series("fork_join_executed", "branches", (100, 500, 5_000), (20, 100), scenarios.fork_join_executed),
    Series("with_items", "items", (1_000, 10_000, 100_000), (100, 1_000), scenarios.with_items_echoed),
    Series("with_items_executed", "items", (1_000, 10_000), (100, 500), scenarios.with_items_executed),
    Series("nested", "sub-workflows", (1, 100, 1_000), (1, 20), scenarios.nested),
    Series("loop", "turns", (1_000, 10_000), (100, 500), scenarios.loop),
    Series("big_text", "tasks", (10, 100), (2, 10), scenarios.big_text, is_stored_once),
)
