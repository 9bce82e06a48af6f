"""Rule 2: what cannot be stored fails by itself, with a reason, and stops nobody; letters are set aside."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import pairwise

import pytest
from gates import Gate
from service import PATIENCE, World
from sqlalchemy import Connection, insert, text

from maestrale.engine.events import Described, PauseRequested, ResumeRequested
from maestrale.model.errors import MaestraleError
from maestrale.runtime import commits
from maestrale.runtime.deciding import TRIES_PER_COMMIT
from maestrale.store import mail
from maestrale.store.documents import dump
from maestrale.store.executions import write_executions
from maestrale.store.rows import ExecutionRows, mail_row
from maestrale.store.tables import mail as letters

GATED = "version: '2.0'\nwf: {tasks: {t: {action: test.gate}}}\n"

REFUSALS = {
    "sqlite": [
        "CREATE TRIGGER poison BEFORE UPDATE ON workflow_executions WHEN NEW.description = 'poison'"
        " BEGIN SELECT RAISE(ABORT, 'it does not fit'); END"
    ],
    "postgresql": [
        "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF NEW.description = 'poison' THEN RAISE EXCEPTION 'it does not fit'; END IF; RETURN NEW; END $$",
        "CREATE TRIGGER poison BEFORE UPDATE ON workflow_executions FOR EACH ROW EXECUTE FUNCTION poison()",
    ],
}


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def world(database_url: str, gate: Gate) -> Iterator[World]:
    """A database that refuses one description, whoever brings it."""
    with World(database_url, actions=[gate.action]) as running:
        kind = database_url.partition(":")[0]

        def refuse(connection: Connection) -> None:
            for statement in REFUSALS[kind]:
                connection.execute(text(statement))

        running.database.write(refuse).result(PATIENCE)
        running.define(GATED)
        yield running
        if kind == "postgresql":
            drop = text("DROP FUNCTION poison CASCADE")
            running.database.write(lambda c: c.execute(drop)).result(PATIENCE)


class Counted:
    """`write_executions`, with the executions of each batch that was tried."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.batches: list[list[str]] = []
        monkeypatch.setattr(commits, "write_executions", self)

    def __call__(self, connection: Connection, batch: list[ExecutionRows]) -> None:
        self.batches.append([rows.execution_id for rows in batch])
        write_executions(connection, batch)


def _together(world: World, events: dict[str, Described]) -> None:
    """Have events decided for a commit that they share, but for the first ones, which are under way then."""

    def post(connection: Connection) -> None:
        mail.post(connection, [mail_row(key, event, 1) for key, event in events.items()])

    world.database.write(post).result(PATIENCE)
    may_go_on = threading.Event()
    world.database.write(lambda _: may_go_on.wait(PATIENCE))
    world.engine.loop.wake(list(events), ())
    loop = world.engine.loop
    world.until(lambda: all(loop._slots[key].busy for key in events) and not loop._reader._in_flight)
    may_go_on.set()


def test_a_batch_is_halved_until_the_guilty_one_stands_alone(
    world: World, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [world.start("wf") for _ in range(16)]
    gate.wait(16)
    counted = Counted(monkeypatch)
    bad = keys[-1]
    _together(world, {key: Described("poison" if key == bad else "fine") for key in keys})
    row = world.end(bad)
    assert row["state"] == "ERROR"
    for reason in ("Described", "set aside", "it does not fit"):
        assert reason in row["state_info"]
    others = [world.execution(key) for key in keys if key != bad]
    assert {(row["state"], row["description"]) for row in others} == {("RUNNING", "fine")}
    assert world.letters() == []
    tried_together = [len(batch) for batch in counted.batches if bad in batch]
    sizes = sorted(set(tried_together), reverse=True)
    assert sizes[0] > 2
    assert sizes[-1] == 1
    assert all(half <= (whole + 1) // 2 for whole, half in pairwise(sizes))


def test_a_nul_in_a_text_fails_one_execution(world: World, gate: Gate) -> None:
    """PostgreSQL cannot hold it; SQLite can, and then it is just the text of the error."""
    keys = [world.start("wf") for _ in range(5)]
    gate.wait(5)
    (action,) = world.actions(keys[2])
    waiting = gate._waiting.pop(action["id"])
    waiting.set_exception(RuntimeError("a\0b"))
    gate.open()
    row = world.end(keys[2])
    assert row["state"] == "ERROR"
    assert "NUL" in row["state_info"] or "a\0b" in row["state_info"]
    assert {world.end(key)["state"] for key in keys if key != keys[2]} == {"SUCCESS"}


def test_a_letter_whose_consequences_cannot_be_stored_is_set_aside(
    world: World, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those around it are answered as if it were not there, and it is not tried for ever."""
    key = world.start("wf")
    gate.wait()
    counted = Counted(monkeypatch)
    world.engine.send(key, PauseRequested()).result(PATIENCE)
    poison = world.engine.send(key, Described("poison"))
    after = world.engine.send(key, ResumeRequested())
    with pytest.raises(MaestraleError, match=r"set aside.*it does not fit"):
        poison.result(PATIENCE)
    after.result(PATIENCE)
    assert world.letters() == []
    assert "it does not fit" in world.execution(key)["state_info"]
    assert len(counted.batches) < 20


def test_innocent_letters_are_told_from_the_guilty_one(world: World, gate: Gate) -> None:
    """What failed together is tried one by one: only one of fifty commands is refused."""
    key = world.start("wf")
    gate.wait()
    world.send(key, PauseRequested())
    rows = [
        mail_row(key, Described("poison" if number == 49 else str(number)), 1, f"command-{number}")
        for number in range(50)
    ]
    world.database.write(mail.post, rows).result(PATIENCE)
    world.engine.loop.has_mail(key)
    world.until(lambda: len(world.replies()) == 51)
    refused = [reply["command_id"] for reply in world.replies() if reply["status"] != 200]
    assert refused == ["command-49"]
    assert world.execution(key)["description"] == "48"


def test_attempts_are_counted_in_the_mail(world: World, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes after a crash goes on with the count: a letter that used it up is not tried again."""
    key = world.start("wf")
    gate.wait()
    counts: list[int] = []
    real = mail.count_attempt

    def count(connection: Connection, sequences: list[int]) -> None:
        real(connection, sequences)
        counts.extend(connection.execute(letters.select()).mappings().one()["attempts"] for _ in sequences)

    monkeypatch.setattr(mail, "count_attempt", count)
    with pytest.raises(MaestraleError):
        world.send(key, Described("poison"))
    assert counts == list(range(1, TRIES_PER_COMMIT + 1))

    other = world.start("wf")
    gate.wait()
    counted = Counted(monkeypatch)
    row = {**mail_row(other, Described("poison"), 1), "attempts": TRIES_PER_COMMIT}
    world.database.write(mail.post, [row]).result(PATIENCE)
    world.engine.loop.has_mail(other)
    assert "set aside" in world.end(other)["state_info"]
    assert len(counted.batches) == 1


def test_a_letter_that_cannot_be_read_is_set_aside(world: World, gate: Gate) -> None:
    """It keeps its place for a few sweeps, for another version may know it; then it stops nobody."""
    key = world.start("wf")
    gate.wait()

    def post(connection: Connection) -> None:
        strange = {"execution_id": key, "epoch": 0, "event": b'{"event":"of the future"}', "attempts": 0}
        connection.execute(insert(letters), {**strange, "created_at": 1})
        mail.post(connection, [mail_row(key, PauseRequested(), 1, "behind")])

    world.database.write(post).result(PATIENCE)
    for attempts in range(1, TRIES_PER_COMMIT + 1):
        world.service.upkeep.sweep()
        world.until(lambda attempts=attempts: world.letters()[0]["attempts"] == attempts)  # type: ignore[misc]
        assert world.execution(key)["state"] == "RUNNING"
        assert world.replies() == []
    world.service.upkeep.sweep()
    assert "cannot be read" in world.end(key)["state_info"]
    world.until(lambda: world.replies() and not world.letters())


def test_whoever_waits_for_an_unreadable_letter_is_answered(world: World, gate: Gate) -> None:
    key = world.start("wf")
    gate.wait()
    event = {"event": dump("nonsense"), "command_id": "a-command", "attempts": TRIES_PER_COMMIT}
    row = {**mail_row(key, PauseRequested(), 1), **event}
    world.database.write(mail.post, [row]).result(PATIENCE)
    world.engine.loop.has_mail(key)
    world.until(world.replies)
    (reply,) = world.replies()
    assert reply["status"] == 500
    assert "cannot be read" in reply["message"]
