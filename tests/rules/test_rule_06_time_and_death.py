"""Rule 6: leases run by the database's clock; the end of a process is proven, or its lease is waited for."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from gates import Gate
from service import PATIENCE, World
from sqlalchemy import Connection, text, update
from store_rows import execution

from maestrale.runtime.lease import Lease
from maestrale.runtime.machine import description
from maestrale.store import leases
from maestrale.store.database import Database
from maestrale.store.executions import write_executions
from maestrale.store.leases import LeaseLost
from maestrale.store.tables import execution_heads, processes

pytestmark = pytest.mark.postgresql

SECOND = 1_000_000
HOUR = 3600.0


@pytest.fixture
def database(lent_url: str) -> Iterator[Database]:
    opened = Database(lent_url)
    yield opened
    opened.close()


def _process(key: str, **changed: Any) -> dict[str, Any]:
    return {**description(), "id": key, "roles": "engine", "address": None, **changed}


def _dead_pid() -> int:
    """The number of a process that is no more."""
    with subprocess.Popen(["true"]) as process:
        process.wait()
        return process.pid


@pytest.mark.parametrize("own_clock", [0, 4_000_000_000 * SECOND], ids=["behind", "ahead"])
def test_a_lease_runs_by_the_clock_of_the_database(database: Database, own_clock: int) -> None:
    """What the clock of the machine says does not make a lease longer, or another one run out."""
    for key in ("one", "two"):
        database.write(leases.register, _process(key), 100.0, own_clock).result(PATIENCE)
    beat = database.write(leases.renew, "one", 200.0).result(PATIENCE)
    ask = text("SELECT extract(epoch FROM now())")
    now = database.read(lambda c: float(c.execute(ask).scalar_one()) * SECOND).result(PATIENCE)
    assert abs(now - beat.now) < 60 * SECOND
    assert [(other.id, other.is_over) for other in beat.others] == [("two", False)]
    until = processes.c.lease_until
    query = processes.select().with_only_columns(until).where(processes.c.id == "one")
    found = database.read(lambda c: c.execute(query).scalar_one()).result(PATIENCE)
    assert found == beat.now + 200 * SECOND
    condemned = database.write(leases.condemn, ["two"], [], own_clock).result(PATIENCE)
    assert condemned == []


def test_a_process_reckons_by_the_clock_of_the_database() -> None:
    """Between two beats it goes by a clock that is never set."""
    monotonic = [5_000 * SECOND]
    lease = Lease("me", lambda: monotonic[0])
    lease.heard(1_700_000_000 * SECOND, asked=5_000 * SECOND)
    monotonic[0] += 30 * SECOND
    assert lease.now() == 1_700_000_030 * SECOND


def test_the_end_of_a_predecessor_is_proven_at_once(lent_url: str, database: Database) -> None:
    """Same host, same boot, and no such process: its lease of an hour is not waited for."""
    rows = execution("left")
    rows.head["owner"] = "predecessor"
    row = _process("predecessor", pid=_dead_pid())
    database.write(leases.register, row, HOUR, 0).result(PATIENCE)
    database.write(write_executions, [rows]).result(PATIENCE)
    with World(lent_url) as world:
        world.folds = False
        world.until(lambda: "predecessor" not in [row["id"] for row in world.rows(processes)])
        (head,) = world.rows(execution_heads)
        assert head["owner"] != "predecessor"


@pytest.mark.parametrize("elsewhere", ["host", "boot"])
def test_of_others_the_lease_is_waited_for(
    lent_url: str, database: Database, monkeypatch: pytest.MonkeyPatch, elsewhere: str
) -> None:
    """Of another machine, or of this one before it was started again, nothing can be proven by its number."""
    monkeypatch.setattr("maestrale.runtime.lease._SILENCE", 0)  # not as after an outage
    rows = execution("left")
    rows.head["owner"] = "far"
    row = _process("far", pid=_dead_pid(), **{elsewhere: "another one"})
    database.write(leases.register, row, HOUR, 0).result(PATIENCE)
    database.write(write_executions, [rows]).result(PATIENCE)
    with World(lent_url) as world:
        world.folds = False
        membership = world.service.presence._membership  # type: ignore[attr-defined]
        for _ in range(3):
            membership.beat()
        (found,) = world.rows(processes, processes.c.id == "far")
        assert not found["gone"]
        assert [head["owner"] for head in world.rows(execution_heads)] == ["far"]

        def run_out(connection: Connection) -> None:
            connection.execute(update(processes).where(processes.c.id == "far").values(lease_until=1))

        world.database.write(run_out).result(PATIENCE)
        world.until(lambda: "far" not in [row["id"] for row in world.rows(processes)])


def test_nothing_is_committed_in_the_name_of_the_dead(lent_url: str) -> None:
    """Nor by one that does not know yet that it was taken for dead."""
    gate = Gate()
    with ExitStack() as stack:
        world = stack.enter_context(World(lent_url, actions=[gate.action]))
        lease = world.service.lease
        membership = world.service.presence._membership  # type: ignore[attr-defined]
        with membership._beating:  # it hears nothing for a while
            world.database.aside(leases.condemn, [], [lease.process_id], 0)
            rows = execution("late")
            rows.process_id = lease.process_id
            with pytest.raises(LeaseLost):
                world.database.write(write_executions, [rows]).result(PATIENCE)
        assert world.rows(execution_heads) == []
