"""Who waits for its own commit makes it itself, but comes after what others have handed in."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import Connection

from maestrale.model.errors import Unavailable
from maestrale.store.database import Database

PATIENCE = 20


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(f"sqlite:///{tmp_path}/turns.db")


def test_a_commit_is_made_in_the_thread_that_waits_for_it(database: Database) -> None:
    def where(_: Connection) -> threading.Thread:
        return threading.current_thread()

    assert database.write_here(where).result(0) is threading.current_thread()
    assert database.write(where).result(PATIENCE).name == "writer"
    database.close()


def test_what_others_have_handed_in_comes_first(database: Database) -> None:
    order: list[str] = []

    def handed_in_by_another(_: Connection) -> None:
        order.append("another")

    def first(_: Connection) -> None:
        order.append("first")
        database.write(handed_in_by_another)
        while not database._has_taken:  # it is in the writer's hands, who waits for the connection
            threading.Event().wait(0.001)

    def second(_: Connection) -> None:
        order.append("second")

    database.write_here(first).result(PATIENCE)
    database.write_here(second).result(PATIENCE)
    assert order == ["first", "another", "second"]
    database.close()


def test_after_the_end_nothing_is_written(database: Database) -> None:
    database.close()
    with pytest.raises(Exception, match="shutting down"):
        database.write_here(lambda _: None).result(PATIENCE)


def test_after_the_end_nothing_is_read(database: Database) -> None:
    database.close()
    for read in (database.read, database.read_list):
        with pytest.raises(Unavailable, match="shutting down"):
            read(lambda _: None).result(PATIENCE)
