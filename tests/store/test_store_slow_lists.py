"""A list that takes long is given up, says why, and holds up nobody meanwhile."""

from __future__ import annotations

import asyncio
import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pytest
from sqlalchemy import Connection, func, insert, literal, select
from store_rows import execution

from maestrale.model.errors import BadRequest, Unavailable
from maestrale.model.listing import Filter, Listing, Row, SortKey
from maestrale.model.timeouts import Timeouts
from maestrale.services.lists import page_of
from maestrale.store.database import LISTERS, Database
from maestrale.store.dialect import TookTooLong
from maestrale.store.queries import EXECUTIONS, list_executions
from maestrale.store.schema import prepare
from maestrale.store.selection import Viewer
from maestrale.store.tables import definition_texts, workflow_executions

LIMIT: Final = 0.15
ENDLESS: Final = 2**30
COMMITS: Final = 20


@pytest.fixture(scope="module")
def database(module_database_url: str) -> Iterator[Database]:
    opened = Database(module_database_url, timeouts=Timeouts(list=LIMIT))
    prepare(opened)
    rows = execution("e").workflow or {}
    opened.write(lambda c: c.execute(insert(workflow_executions), [rows]).rowcount).result()
    yield opened
    opened.close()


def _count(connection: Connection) -> int:
    """Work for the database alone, without end."""
    numbers = select(literal(1).label("number")).cte("numbers", recursive=True)
    following = select(numbers.c.number % 1000 + 1).where(numbers.c.number < ENDLESS)
    numbers = numbers.union_all(following)
    return int(connection.execute(select(func.count()).select_from(numbers)).scalar_one())


def _endless_page(connection: Connection, _viewer: Viewer, _listing: Listing) -> list[Row]:
    return [{"count": _count(connection)}]


def test_it_is_given_up(database: Database) -> None:
    begun = time.monotonic()
    with pytest.raises(TookTooLong, match=r"longer than 0\.15 s"):
        database.read_list(_count).result()
    assert LIMIT <= time.monotonic() - begun < 20


def test_the_next_one_on_its_connection_has_all_its_time(database: Database) -> None:
    for _ in range(LISTERS + 1):
        with pytest.raises(TookTooLong):
            database.read_list(_count).result()
    for _ in range(LISTERS + 1):
        assert len(database.read_list(list_executions, Viewer("p"), Listing(limit=1)).result()) == 1


@pytest.mark.parametrize(
    ("listing", "named"),
    [
        (Listing(1, filters=(Filter("description", "has", "x"),)), "description"),
        (Listing(1, filters=(Filter("input", "eq", "{}"), Filter("state", "eq", "ERROR"))), "input"),
        (Listing(1, filters=(Filter("workflow_name", "neq", "x"),)), "workflow_name"),
        (Listing(1, sort=(SortKey("updated_at"), SortKey("id"))), "sort_keys"),
        (Listing(1, nulls=("description",)), "nulls"),
    ],
)
def test_people_are_told_which_argument_it_was(database: Database, listing: Listing, named: str) -> None:
    with pytest.raises(BadRequest, match=f"longer than 0.15 s: there is no index for {named}") as told:
        asyncio.run(page_of(database, EXECUTIONS, _endless_page, Viewer("p"), listing))
    assert "database.list_timeout" in told.value.hint


def test_it_is_not_the_fault_of_a_list_with_an_index(database: Database) -> None:
    listing = Listing(1, filters=(Filter("state", "eq", "ERROR"), Filter("created_at", "gt", "2026-01-01")))
    with pytest.raises(Unavailable, match="longer than"):
        asyncio.run(page_of(database, EXECUTIONS, _endless_page, Viewer("p"), listing))


def test_commits_and_reads_go_on_meanwhile(database: Database) -> None:
    """As many long lists as may run at a time, and some that wait, one after the other."""
    stopped = threading.Event()
    ended: list[int] = []

    def keep_busy() -> None:
        while not stopped.is_set():
            with pytest.raises(TookTooLong):
                database.read_list(_count).result()
            ended.append(len(ended))

    def commit(connection: Connection, number: int) -> None:
        connection.execute(insert(definition_texts), [{"hash": f"{number}", "text": "x"}])

    def count(connection: Connection) -> int:
        return connection.execute(select(func.count()).select_from(definition_texts)).scalar_one()

    def commits(first: int) -> list[float]:
        taken = []
        for number in range(first, first + COMMITS):
            begun = time.monotonic()
            database.write(commit, number).result()
            database.read(count).result()
            taken.append(time.monotonic() - begun)
        return taken

    alone = commits(0)
    with ThreadPoolExecutor(LISTERS * 2) as people:
        lists = [people.submit(keep_busy) for _ in range(LISTERS * 2)]
        try:
            beside = commits(COMMITS)
        finally:
            stopped.set()
    for found in lists:
        found.result()
    assert len(ended) >= len(lists)
    # a commit that waited for a list would take as long as that one may
    assert statistics.median(beside) < max(LIMIT / 2, 10 * statistics.median(alone))
