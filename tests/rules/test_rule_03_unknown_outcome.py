"""Rule 3: where nobody knows whether a commit happened, it is read back before anything follows from it."""

from __future__ import annotations

import threading

import pytest
from gates import Gate
from service import PATIENCE, World
from sqlalchemy import Connection, update

from maestrale.engine.events import ActionFinished
from maestrale.runtime import commits
from maestrale.runtime.machine import description
from maestrale.store import leases
from maestrale.store.executions import find_committed
from maestrale.store.rows import ExecutionRows, load_event
from maestrale.store.tables import execution_heads
from postgresql import PostgresqlServer
from relay import Relay

pytestmark = pytest.mark.postgresql

GATED = """
version: '2.0'
wf:
  output: {answer: <% $.answer %>}
  tasks: {ask: {action: test.gate, publish: {answer: <% task().result %>}}}
"""


@pytest.mark.parametrize("is_committed", [True, False], ids=["committed", "not committed"])
def test_no_effect_leaves_before_the_outcome_is_known(
    postgresql: PostgresqlServer, monkeypatch: pytest.MonkeyPatch, is_committed: bool
) -> None:
    """The connection is cut at the COMMIT. Until the versions are read back nobody is answered and nothing
    starts; then everything happens once."""
    asked, may_answer = threading.Event(), threading.Event()

    def find(connection: Connection, batch: list[ExecutionRows]) -> set[str]:
        asked.set()
        assert may_answer.wait(PATIENCE)
        return find_committed(connection, batch)

    monkeypatch.setattr(commits, "find_committed", find)
    gate, name = Gate(), postgresql.lend()
    with Relay(postgresql.port) as relay:
        url = postgresql.url(name).replace(f":{postgresql.port}/", f":{relay.port}/")
        with World(url, actions=[gate.action]) as world:
            world.define(GATED)
            relay.cut_at(b"COMMIT", forwards=is_committed, after=b"decision_records")
            started = world.engine.start_workflow(world.request("wf"))
            assert asked.wait(PATIENCE)
            assert relay.cuts == 1
            assert len(world.executions()) == is_committed
            assert not started.done()
            assert gate.contexts == []
            may_answer.set()
            key = started.result(PATIENCE).execution_id
            gate.wait()
            gate.open("fine")
            assert world.end(key)["output"] == {"answer": "fine"}
            assert len(world.executions()) == len(gate.contexts) == 1
    postgresql.take_back(name)


@pytest.mark.parametrize("is_committed", [True, False], ids=["committed", "not committed"])
def test_a_local_result_is_kept_until_its_commit_is_confirmed(
    postgresql: PostgresqlServer, is_committed: bool
) -> None:
    """Nobody else knows of it: the executor tells a result once."""
    gate, name = Gate(), postgresql.lend()
    with Relay(postgresql.port) as relay:
        url = postgresql.url(name).replace(f":{postgresql.port}/", f":{relay.port}/")
        with World(url, actions=[gate.action]) as world:
            world.define(GATED)
            key = world.start("wf")
            gate.wait()
            relay.cut_at(b"COMMIT", forwards=is_committed, after=b"decision_records")
            gate.open("fine")
            assert world.end(key)["output"] == {"answer": "fine"}
            assert relay.cuts == 1
    postgresql.take_back(name)


def test_a_result_of_an_execution_that_somebody_else_owns_becomes_mail(postgresql: PostgresqlServer) -> None:
    """The owner changed while the action ran: the result is not thrown away with what was decided on it."""
    gate, name = Gate(), postgresql.lend()
    with World(postgresql.url(name), actions=[gate.action]) as world:
        world.folds = False
        world.define(GATED)
        key = world.start("wf")
        gate.wait()
        heir = {**description(), "id": "heir", "roles": "engine", "address": None}

        def take_over(connection: Connection) -> None:
            leases.register(connection, heir, 3600, 0)
            heads = execution_heads.c
            changed = {"owner": "heir", "version": heads.version + 1}
            connection.execute(update(execution_heads).where(heads.id == key).values(changed))

        world.database.write(take_over).result(PATIENCE)
        gate.open("fine")
        world.until(world.letters)
        (letter,) = world.letters()
        assert letter["execution_id"] == key
        event = load_event(letter["event"])
        assert isinstance(event, ActionFinished)
        assert event.result == "fine"
        assert world.execution(key)["state"] == "RUNNING"
    postgresql.take_back(name)
