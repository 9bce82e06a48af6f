"""Answers and hints that get lost on the way: the database is asked again, and nothing lies about."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from threading import Timer
from typing import Any

import pytest
from gates import Gate
from service import PATIENCE, World
from sqlalchemy import Connection, insert
from sqlalchemy.exc import OperationalError

from maestrale.engine.events import StopRequested
from maestrale.model.errors import BadRequest
from maestrale.store import mail
from maestrale.store.executions import write_executions
from maestrale.store.rows import mail_row
from maestrale.store.tables import command_replies

GATED = """
version: '2.0'
wf:
  output: {answer: <% $.answer %>}
  tasks:
    ask:
      action: test.gate
      publish: {answer: <% task().result %>}
"""


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def gated(database_url: str, gate: Gate) -> Iterator[World]:
    with World(database_url, actions=[gate.action]) as world:
        world.define(GATED)
        yield world


def test_a_commit_whose_answer_was_lost_is_read_back(
    database_url: str, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit has happened, but the engine hears of an error: its effects must follow all the same."""
    with World(database_url, actions=[gate.action]) as world:
        world.define(GATED)
        real = world.database.write
        lost: list[object] = []

        def write(unit: Callable[..., Any], *args: Any, **kwargs: Any) -> Future[Any]:
            future = real(unit, *args, **kwargs)
            if unit is not write_executions or lost:
                return future
            lost.append(unit)
            answer: Future[Any] = Future()
            future.add_done_callback(
                lambda _: answer.set_exception(OperationalError("COMMIT", {}, Exception("connection lost")))
            )
            return answer

        for name in ("write", "write_here"):
            monkeypatch.setattr(world.database, name, write)
        identifier = world.start("wf")
        gate.wait()
        gate.open("fine")

        assert world.end(identifier)["output"] == {"answer": "fine"}
        assert len(lost) == 1
        assert len(gate.contexts) == 1


def test_a_letter_that_nobody_was_told_of_is_found_by_the_sweep(gated: World, gate: Gate) -> None:
    identifier = gated.start("wf")
    gate.wait()
    row = mail_row(identifier, StopRequested("ERROR", "enough"), 1, "a-command")
    gated.database.write(mail.post_command, row).result(PATIENCE)
    assert gated.execution(identifier)["state"] == "RUNNING"

    gated.service.upkeep.sweep()

    assert gated.end(identifier)["state_info"] == "enough"


def test_the_sweep_answers_commands_that_another_process_has_decided(gated: World, gate: Gate) -> None:
    identifier = gated.start("wf")
    gate.wait()
    waiting: list[Future[None]] = [Future(), Future()]
    for number, future in enumerate(waiting):
        gated.engine._commands.expect(f"command-{number}", identifier, future)

    def reply(connection: Connection) -> None:
        rows = [
            {"command_id": "command-0", "status": 200, "message": None, "created_at": 1},
            {"command_id": "command-1", "status": 400, "message": "not now", "created_at": 1},
        ]
        connection.execute(insert(command_replies), rows)

    gated.database.write(reply).result(PATIENCE)
    gated.service.upkeep.sweep()

    assert waiting[0].result(PATIENCE) is None
    with pytest.raises(BadRequest, match="not now"):
        waiting[1].result(PATIENCE)
    gated.until(lambda: not gated.replies(), "old replies to be dropped")


def test_the_sweep_drops_no_old_reply_before_it_has_been_handed_on(
    gated: World, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a night in which the machine slept: somebody still waits for a reply that is old by now."""
    identifier = gated.start("wf")
    gate.wait()
    future: Future[None] = Future()
    gated.engine._commands.expect("command", identifier, future)
    row = {"command_id": "command", "status": 200, "message": None, "created_at": 1}
    gated.database.write(lambda connection: connection.execute(insert(command_replies), row)).result(PATIENCE)
    real = gated.database.read

    def read(unit: Callable[..., Any], *args: Any) -> Future[Any]:
        if unit is not mail.find_replies:
            return real(unit, *args)
        found: Future[Any] = Future()
        Timer(0.3, lambda: found.set_result(real(unit, *args).result(PATIENCE))).start()
        return found

    monkeypatch.setattr(gated.database, "read", read)
    gated.service.upkeep.sweep()

    assert future.result(PATIENCE) is None
    gated.until(lambda: not gated.replies(), "old replies to be dropped")
