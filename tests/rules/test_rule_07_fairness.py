"""Rule 7: projects take turns. One with a hundred thousand things to do does not starve one with one."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import psycopg
import pytest
from gates import BlockingGate
from service import PATIENCE, World
from sqlalchemy import Connection
from store_rows import execution

from maestrale.engine.events import Described
from maestrale.runtime import commits, memory, reading, recovery
from maestrale.runtime.fairness import FairQueue
from maestrale.runtime.requests import RunAction, StartWorkflow
from maestrale.store import mail
from maestrale.store.database import Database
from maestrale.store.executions import write_executions
from maestrale.store.processes import Left, claim_left, find_left
from maestrale.store.rows import ExecutionRows, mail_row
from postgresql import PostgresqlServer

OUTSIDE = "version: '2.0'\nwf: {tasks: {t: {action: std.async_noop}}}\n"
MANY = 37


def test_a_queue_goes_round_the_projects() -> None:
    queue: FairQueue[str] = FairQueue()
    for number in range(4):
        queue.add("big", f"b{number}", f"b{number}")
    queue.add("small", "s0", "s0")
    assert queue.pop() == "b0"
    assert queue.pop() == "s0"
    queue.add("small", "s1", "s1")
    assert queue.remove("b2")
    assert not queue.remove("b2")
    queue.add_first("other", "first", "first")
    assert [queue.pop() for _ in range(len(queue))] == ["first", "b1", "s1", "b3"]
    with pytest.raises(KeyError):
        queue.pop()


class Started:
    """Executions of two projects that wait outside; the small one's was started last."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.define(OUTSIDE)
        self.big = [self._start("big") for _ in range(MANY)]
        self.small = self._start("small")
        world.engine.loop.settle()

    def _start(self, project_id: str) -> str:
        started = msgspec.structs.replace(self.world.request("wf").started, project_id=project_id)
        future = self.world.engine.start_workflow(StartWorkflow(started))
        return future.result(PATIENCE).execution_id

    def change_all(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """Give all of them something to do at once, the small one last; in which order it was committed."""
        order: list[str] = []

        def write(connection: Connection, batch: list[ExecutionRows]) -> None:
            order.extend(rows.execution_id for rows in batch)
            write_executions(connection, batch)

        monkeypatch.setattr(commits, "write_executions", write)
        keys = [*self.big, self.small]
        letters = [mail_row(key, Described("changed"), 1) for key in keys]
        self.world.database.write(mail.post, letters).result(PATIENCE)
        self.world.engine.loop.wake(keys, ())
        self.world.until(lambda: not self.world.letters())
        assert sorted(set(order)) == sorted(keys)
        return order


@pytest.fixture
def started(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Started]:
    """Commits and reads are made small, so that the order of turns can be seen."""
    monkeypatch.setattr(commits, "GROUPS_PER_COMMIT", 4)
    monkeypatch.setattr(reading, "READS_AT_ONCE", 4)
    with World(database_url) as world:
        yield Started(world)


def test_executions_in_memory_take_turns(started: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    order = started.change_all(monkeypatch)
    assert order.index(started.small) < 16


def test_executions_that_have_to_be_claimed_and_read_take_turns(
    started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where nothing is known of them but their ids: first of all it is found out whose they are."""
    monkeypatch.setattr(memory, "SLOTS_AT_REST", 0)
    started.world.engine.loop.forget([*started.big, started.small])
    started.world.engine.loop.settle()
    assert not started.world.engine.loop._slots
    order = started.change_all(monkeypatch)
    assert order.index(started.small) < 16


def test_starts_that_wait_in_the_mail_take_turns(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of these there is no row yet that says whose they are, only the order to start, if it can be read."""
    monkeypatch.setattr(commits, "GROUPS_PER_COMMIT", 4)
    monkeypatch.setattr(reading, "READS_AT_ONCE", 4)
    order: list[str] = []

    def write(connection: Connection, batch: list[ExecutionRows]) -> None:
        order.extend(rows.head["project_id"] for rows in batch)
        write_executions(connection, batch)

    monkeypatch.setattr(commits, "write_executions", write)
    with World(database_url) as world:
        world.define(OUTSIDE)
        event = world.request("wf").started
        rows = [
            mail_row(f"{number:03}", msgspec.structs.replace(event, project_id=project_id), 1)
            for number, project_id in enumerate([*["big"] * MANY, "small"])
        ]
        strange = {**rows[0], "execution_id": "strange", "event": b"of the future"}
        world.database.write(mail.post, [strange, *rows]).result(PATIENCE)
        world.service.upkeep.sweep()
        world.until(lambda: len(world.letters()) == 1)
    assert len(order) == MANY + 1
    assert order.index("small") < 16


def test_actions_that_wait_for_a_place_take_turns(database_url: str) -> None:
    block = BlockingGate()
    with World(database_url, actions=[block.action], threads=1) as world:
        labels = [*range(MANY), "small"]
        futures = [
            world.engine.run_action(
                RunAction("test.block", {"label": label}, save=True, wait=True,
                          project_id="small" if label == "small" else "big")
            )
            for label in labels
        ]  # fmt: skip
        block.wait()
        world.until(lambda: len(world.engine.executor.active) == MANY + 1)
        block.open()
        for future in futures:
            future.result(PATIENCE)
    assert block.labels.index("small") <= 2


def _leave(database: Database) -> None:
    """What a dead process may leave: much of one project, and a little of two."""
    batch = []
    for number in range(MANY + 3):
        rows = execution(f"e-{number:03}")
        rows.head["owner"] = "dead"
        rows.head["project_id"] = "big" if number < MANY else ("middle" if number < MANY + 2 else "small")
        batch.append(rows)
    database.write(write_executions, batch).result(PATIENCE)


def test_claims_per_project_and_round(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every project has its share of a round, and all rounds together take everything once."""
    monkeypatch.setattr(recovery, "CLAIMS_PER_ROUND", 10)
    rounds: list[list[str]] = []

    def claim(connection: Connection, left: Left, execution_ids: list[str]) -> list[str]:
        found = claim_left(connection, left, execution_ids)
        rounds.append(found)
        return found

    monkeypatch.setattr(recovery, "claim_left", claim)
    with World(database_url) as world:
        world.folds = False
        _leave(world.database)
        recovery.recover(world.database, world.engine, ["dead"])
    little = {f"e-{number:03}" for number in range(MANY, MANY + 3)}
    assert little <= set(rounds[0])
    assert [len(found) for found in rounds] == [10, 10, 10, 10]
    assert len({key for found in rounds for key in found}) == MANY + 3


@pytest.mark.postgresql
def test_engines_that_claim_at_the_same_time_share(postgresql: PostgresqlServer) -> None:
    """What one is just claiming is passed over by the others, which do not wait for it."""
    name = postgresql.lend()
    database = Database(postgresql.url(name))
    _leave(database)
    left = Left("me", ["dead"])
    everything = database.read(find_left, left).result(PATIENCE)
    assert len(everything) == MANY + 3
    with psycopg.connect(postgresql.url(name)) as other:
        theirs = other.execute("SELECT id FROM execution_heads WHERE id < 'e-009' FOR UPDATE").fetchall()
        found = database.write(claim_left, left, [key for key, _ in everything]).result(PATIENCE)
    assert {key for key, _ in everything} - set(found) == {key for (key,) in theirs}
    assert database.write(claim_left, left, found).result(PATIENCE) == []
    database.close()
    postgresql.take_back(name)
