"""What a PostgreSQL does to those who use it: which errors are whose, and how the store goes on."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, insert, select, text
from sqlalchemy.exc import DBAPIError

from maestrale.model.timeouts import Timeouts
from maestrale.store import postgresql as dialect
from maestrale.store.database import TRIES, Database, is_duplicate, is_unusable
from maestrale.store.dialect import DatabaseError, UnfitValue
from maestrale.store.opening import open_database
from maestrale.store.tables import definition_texts, processes
from maestrale.store.writes import writing
from postgresql import PostgresqlServer
from relay import Relay

pytestmark = pytest.mark.postgresql

PATIENCE = 20.0
LONG = "".join(random.Random(1).choices("abcdefghijklmnop", k=10_000))
"""More than an index of PostgreSQL takes, and it cannot be pressed together much."""
BLOCK = Timeouts(lock=0.2, statement=5.0)


@pytest.fixture
def database(postgresql: PostgresqlServer, lent_name: str) -> Iterator[Database]:
    opened = Database(postgresql.url(lent_name), readers=2, timeouts=BLOCK)
    yield opened
    opened.close()


class Adding:
    """A unit that adds a row, and may do something else before; counts its runs."""

    def __init__(
        self,
        key: str = "a",
        before: Callable[[Connection, int], object] | None = None,
        is_pipelined: bool = False,
    ) -> None:
        self.key, self.runs = key, 0
        self._before = before
        self._is_pipelined = is_pipelined

    def __call__(self, connection: Connection) -> str:
        self.runs += 1
        if self._before is not None:
            self._before(connection, self.runs)
        if self._is_pipelined:
            _pipelined(connection, self.key)
        else:
            connection.execute(insert(definition_texts).values(hash=self.key, text="t"))
        return self.key


def keys(connection: Connection) -> list[str]:
    column = definition_texts.c.hash
    return list(connection.execute(select(column).order_by(column)).scalars())


def backend(connection: Connection) -> int:
    return int(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())


def failure(future: Future[Any]) -> Exception:
    error = future.exception(PATIENCE)
    assert isinstance(error, Exception)
    return error


def run_sql(statement: str) -> Callable[[Connection, int], object]:
    return lambda connection, _: connection.execute(text(statement))


# -- lost connections


def test_idle_connections_that_were_cut_are_replaced(
    postgresql: PostgresqlServer, lent_name: str, database: Database
) -> None:
    assert database.read(keys).result(PATIENCE) == []
    assert postgresql.cut(lent_name) == 2
    assert database.read(keys).result(PATIENCE) == []
    adding = Adding()
    assert database.write(adding).result(PATIENCE) == "a"
    assert database.read(keys).result(PATIENCE) == ["a"]


@pytest.mark.parametrize("is_pipelined", [False, True])
def test_a_unit_that_was_cut_before_its_commit_runs_again(
    postgresql: PostgresqlServer, lent_name: str, database: Database, is_pipelined: bool
) -> None:
    def cut(connection: Connection, run: int) -> None:
        if run == 1:
            connection.execute(insert(definition_texts).values(hash="of the first run", text="t"))
            postgresql.execute(lent_name, "SELECT pg_terminate_backend(%s)", backend(connection))

    adding = Adding(before=cut, is_pipelined=is_pipelined)
    assert database.write(adding).result(PATIENCE) == "a"
    assert adding.runs == 2
    assert database.read(keys).result(PATIENCE) == ["a"]


def test_whoever_is_cut_every_time_is_told_so(
    postgresql: PostgresqlServer, lent_name: str, database: Database
) -> None:
    def cut(connection: Connection, _: int) -> None:
        postgresql.execute(lent_name, "SELECT pg_terminate_backend(%s)", backend(connection))

    adding = Adding(before=cut)
    assert is_unusable(failure(database.write(adding)))
    assert adding.runs == TRIES
    assert database.write(Adding("b")).result(PATIENCE) == "b"
    assert database.read(keys).result(PATIENCE) == ["b"]


@pytest.mark.parametrize("is_committed", [False, True])
def test_a_commit_without_an_answer_is_run_only_once(
    postgresql: PostgresqlServer, lent_name: str, is_committed: bool
) -> None:
    """The connection is cut before or after the server has heard of the COMMIT: nobody can know which."""
    with Relay(postgresql.port) as relay:
        database = Database(postgresql.url(lent_name).replace(f":{postgresql.port}/", f":{relay.port}/"))
        relay.cut_at(b"COMMIT", forwards=is_committed)
        units = [Adding("a"), Adding("b")]
        ready = threading.Event()
        database.write(lambda _: ready.wait(PATIENCE) and None)
        futures = [database.write(unit) for unit in units]
        ready.set()
        errors = [failure(future) for future in futures]
        assert all(map(is_unusable, errors))
        assert relay.cuts == 1
        # Each ran in the one transaction whose end is open, and nothing ran for a second time.
        assert [unit.runs for unit in units] == [1, 1]
        assert database.write(Adding("c")).result(PATIENCE) == "c"
        assert database.read(keys).result(PATIENCE) == (["a", "b", "c"] if is_committed else ["c"])
        database.close()


def test_a_restart_of_the_server(postgresql: PostgresqlServer, database: Database) -> None:
    database.write(Adding("a")).result(PATIENCE)
    postgresql.stop()
    assert is_unusable(failure(database.read(keys)))
    assert is_unusable(failure(database.write(Adding("b"))))
    postgresql.start()
    assert database.write(Adding("c")).result(PATIENCE) == "c"
    assert database.read(keys).result(PATIENCE) == ["a", "c"]


# -- transactions that get into each other's way


def test_a_deadlock_is_run_again(postgresql: PostgresqlServer, lent_name: str, database: Database) -> None:
    for key in "xy":
        database.write(Adding(key)).result(PATIENCE)
    change = "UPDATE definition_texts SET text = '{}' WHERE hash = '{}'"
    with psycopg.connect(postgresql.url(lent_name)) as other:
        other.execute("SET deadlock_timeout = '1min'")
        other.execute(change.format("theirs", "y"))
        second: list[threading.Thread] = []

        def meet(connection: Connection, run: int) -> None:
            if run > 1:  # the other one has what it waited for
                second[0].join(PATIENCE)
                other.commit()
                return
            connection.execute(text("SET LOCAL lock_timeout = 0"))
            connection.execute(text(change.format("ours", "x")))
            thread = threading.Thread(target=other.execute, args=(change.format("theirs", "x"),))
            thread.start()
            second.append(thread)
            _wait_until_somebody_waits(postgresql, lent_name)
            connection.execute(text(change.format("ours", "y")))

        adding = Adding(before=meet)
        assert database.write(adding).result(PATIENCE) == "a"
    assert adding.runs == 2
    texts = postgresql.execute(lent_name, "SELECT text FROM definition_texts ORDER BY hash")
    assert texts == [("t",), ("theirs",), ("theirs",)]


def _wait_until_somebody_waits(postgresql: PostgresqlServer, lent_name: str) -> None:
    end = time.monotonic() + PATIENCE
    waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'"
    while not postgresql.execute(lent_name, waiting, lent_name):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_serialization_failure_is_run_again(
    postgresql: PostgresqlServer, lent_name: str, database: Database
) -> None:
    database.write(Adding("x")).result(PATIENCE)

    def read_then_change(connection: Connection, run: int) -> None:
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        keys(connection)
        if run == 1:
            postgresql.execute(lent_name, "UPDATE definition_texts SET text = 'theirs'")
        connection.execute(text("UPDATE definition_texts SET text = text || '!'"))

    adding = Adding(before=read_then_change)
    assert database.write(adding).result(PATIENCE) == "a"
    assert adding.runs == 2
    assert postgresql.execute(lent_name, "SELECT text FROM definition_texts WHERE hash = 'x'") == [
        ("theirs!",)
    ]


def test_a_lock_that_is_not_to_be_had_fails_its_unit_alone(
    postgresql: PostgresqlServer, lent_name: str, database: Database
) -> None:
    database.write(Adding("x")).result(PATIENCE)
    with psycopg.connect(postgresql.url(lent_name)) as other:
        other.execute("UPDATE definition_texts SET text = 'theirs'")
        waiting = run_sql("UPDATE definition_texts SET text = 'ours'")
        futures = _together(database, Adding("a"), Adding("b", waiting), Adding("c"))
        assert is_unusable(failure(futures[1]))
    assert [futures[0].result(PATIENCE), futures[2].result(PATIENCE)] == ["a", "c"]
    assert database.read(keys).result(PATIENCE) == ["a", "c", "x"]


def _together(database: Database, *units: Adding) -> list[Future[str]]:
    """Hand in units so that they share a transaction."""
    ready = threading.Event()
    database.write(lambda _: ready.wait(PATIENCE) and None)
    futures = [database.write(unit) for unit in units]
    ready.set()
    return futures


# -- time-outs


def test_a_statement_that_takes_too_long(postgresql: PostgresqlServer, lent_name: str) -> None:
    database = Database(postgresql.url(lent_name), timeouts=Timeouts(statement=0.1))
    sleep = text("SELECT pg_sleep(10)")
    assert is_unusable(failure(database.write(lambda connection: connection.execute(sleep))))
    assert is_unusable(failure(database.read(lambda connection: connection.execute(sleep))))
    assert database.write(Adding("b")).result(PATIENCE) == "b"
    database.close()


def test_a_transaction_that_does_nothing_for_too_long(postgresql: PostgresqlServer, lent_name: str) -> None:
    """The server ends it: a process that is stopped in the middle of a transaction blocks nobody."""
    database = Database(postgresql.url(lent_name), timeouts=Timeouts(idle_in_transaction=0.2))

    def sleep(connection: Connection, run: int) -> None:
        keys(connection)
        if run == 1:
            time.sleep(0.5)

    adding = Adding(before=sleep)
    assert database.write(adding).result(PATIENCE) == "a"
    assert adding.runs == 2
    database.close()


# -- whose fault an error is


@pytest.mark.parametrize(
    ("state", "is_refusal"),
    [
        ("53100", True),
        ("53200", True),
        ("53300", True),
        ("57014", True),
        ("57P01", True),
        ("58030", True),
        ("25006", True),
        ("55P03", True),
        ("40P01", True),
        ("40001", True),
        ("08006", True),
        ("23502", False),
        ("42P01", False),
        ("42501", False),
        ("P0001", False),
        ("XX000", False),
    ],
)
def test_refusals_of_the_database_are_told_from_faults_of_a_unit(
    database: Database, state: str, is_refusal: bool
) -> None:
    raising = f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}'; END $$"
    error = failure(database.write(Adding(before=run_sql(raising))))
    assert is_unusable(error) is is_refusal
    assert isinstance(error, DBAPIError)
    with pytest.raises(DBAPIError) as found:
        database.read(lambda connection: connection.execute(text(raising))).result(PATIENCE)
    assert is_unusable(found.value) is is_refusal
    assert database.write(Adding("b")).result(PATIENCE) == "b"


def test_a_full_disk_is_not_the_fault_of_a_unit_that_a_pipeline_carries(
    postgresql: PostgresqlServer, lent_name: str, database: Database
) -> None:
    """Errors of pipelines come as those of other statements."""
    postgresql.execute(
        lent_name,
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'disk full' USING ERRCODE = '53100'; END $$;"
        "CREATE TRIGGER full_disk BEFORE INSERT ON definition_texts EXECUTE FUNCTION full_disk()",
    )
    error = failure(database.write(_pipelined, "a"))
    postgresql.execute(lent_name, "DROP FUNCTION full_disk CASCADE")
    assert is_unusable(error)
    assert "disk full" in str(error)
    database.write(_pipelined, "b").result(PATIENCE)
    duplicate = failure(database.write(_pipelined, "b"))
    assert is_duplicate(duplicate)
    assert not is_unusable(duplicate)


def _pipelined(connection: Connection, key: str, content: str = "t") -> None:
    with writing(connection) as writes:
        writes.insert(definition_texts, [{"hash": key, "text": content}])


@pytest.mark.parametrize(
    "unit",
    [
        lambda connection: _pipelined(connection, "n", "a\0b"),
        lambda connection: connection.execute(insert(definition_texts).values(hash="n", text="a\0b")),
        lambda connection: connection.execute(insert(definition_texts).values(hash=LONG, text="t")),
        lambda connection: connection.execute(
            insert(processes).values(
                id="p", host="h", boot="b", pid=2**40, roles="r", started_at=1, lease_until=2**80
            )
        ),
    ],
    ids=["NUL in a pipeline", "NUL", "key", "number"],
)
def test_a_value_that_does_not_fit_fails_its_unit_alone(
    database: Database, unit: Callable[[Connection], object]
) -> None:
    unfit = Adding("b", lambda connection, _: unit(connection))
    futures = _together(database, Adding("a"), unfit, Adding("c"))
    error = failure(futures[1])
    assert isinstance(error, UnfitValue)
    assert str(error).startswith("PostgreSQL cannot hold a value: ")
    assert "INSERT" not in str(error)
    assert not is_unusable(error)
    assert [futures[0].result(PATIENCE), futures[2].result(PATIENCE)] == ["a", "c"]


def test_a_question_that_does_not_fit_is_a_bad_request(database: Database) -> None:
    query = select(definition_texts).where(definition_texts.c.hash == "a\0b")
    with pytest.raises(UnfitValue, match="NUL"):
        database.read(lambda connection: connection.execute(query)).result(PATIENCE)


# -- opening


def test_a_read_only_server_is_refused(postgresql: PostgresqlServer, lent_name: str) -> None:
    """As a standby is."""
    setting = f"ALTER DATABASE {lent_name} SET default_transaction_read_only = "
    postgresql.execute("postgres", setting + "on")
    with pytest.raises(DatabaseError, match=r"read-only.*name the primary"):
        Database(postgresql.url(lent_name))
    postgresql.execute("postgres", setting + "off")


@pytest.mark.parametrize("is_pipelined", [False, True])
def test_whoever_finds_a_server_read_only_looks_for_another(database: Database, is_pipelined: bool) -> None:
    """A connection that was open when its server became a standby is of no use any more."""
    before = database.write(backend).result(PATIENCE)
    adding = Adding(before=run_sql("SET TRANSACTION READ ONLY"), is_pipelined=is_pipelined)
    assert is_unusable(failure(database.write(adding)))
    assert adding.runs == TRIES
    assert database.write(backend).result(PATIENCE) != before


def test_too_many_connections(postgresql: PostgresqlServer, lent_name: str) -> None:
    """Whoever has a connection keeps it; readers without one are refused, and try again later."""
    postgresql.execute(
        lent_name,
        "CREATE ROLE guest LOGIN PASSWORD 'secret' CONNECTION LIMIT 1;"
        "GRANT ALL ON ALL TABLES IN SCHEMA public TO guest",
    )
    url = postgresql.url(lent_name).replace("//maestrale:", "//guest:")
    database = Database(url)
    try:
        assert is_unusable(failure(database.read(keys)))
        with pytest.raises(DatabaseError, match="max_connections"):
            Database(url)
        assert database.write(Adding()).result(PATIENCE) == "a"
        postgresql.execute(lent_name, "ALTER ROLE guest CONNECTION LIMIT 2")
        assert database.read(keys).result(PATIENCE) == ["a"]
    finally:
        database.close()
        postgresql.execute(lent_name, "DROP OWNED BY guest; DROP ROLE guest")


def test_who_may_not_make_tables_is_told_so(postgresql: PostgresqlServer) -> None:
    name = postgresql.create()
    postgresql.execute(name, "CREATE ROLE visitor LOGIN PASSWORD 'secret'")
    try:
        with pytest.raises(DatabaseError, match="allowed to create tables"):
            open_database(postgresql.url(name).replace("//maestrale:", "//visitor:"), Timeouts())
    finally:
        postgresql.drop(name)
        postgresql.execute("postgres", "DROP ROLE visitor")


def test_texts_that_are_not_unicode_are_refused(postgresql: PostgresqlServer) -> None:
    name = postgresql.create(encoding="SQL_ASCII")
    with pytest.raises(DatabaseError, match="encoding SQL_ASCII"):
        Database(postgresql.url(name))
    postgresql.drop(name)


def test_old_servers_are_refused(
    postgresql: PostgresqlServer, lent_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialect, "OLDEST", 99)
    with pytest.raises(DatabaseError, match="PostgreSQL 99 or newer"):
        Database(postgresql.url(lent_name))
