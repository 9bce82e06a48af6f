"""Rule 9: a cascade has a durable cursor, and older ones are dropped."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from service import PATIENCE, Clock, World
from sqlalchemy import Connection

from maestrale.engine.events import PauseRequested, ResumeRequested, StopRequested
from maestrale.runtime import commits
from maestrale.store.executions import write_executions
from maestrale.store.rows import ExecutionRows

PORTION = 3
MANY = """
version: '2.0'
wf:
  tasks: {t: {with-items: i in <% range(10) %>, workflow: sub}}
sub:
  tasks: {s: {action: std.async_noop}}
"""


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    with World(database_url, letters=PORTION, clock=Clock()) as running:
        running.define(MANY)
        yield running


class Commits:
    """What an execution told others with each commit. Its first commit that leaves something to tell can be
    kept from returning."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, execution_id: str, *, holds: bool = False) -> None:
        self._key = execution_id
        self._holds = holds
        self.letters: list[int] = []
        self.is_held = threading.Event()
        self.may_return = threading.Event()
        monkeypatch.setattr(commits, "write_executions", self._write)

    def _write(self, connection: Connection, batch: list[ExecutionRows]) -> None:
        write_executions(connection, batch)
        for rows in batch:
            if rows.execution_id != self._key:
                continue
            if rows.mail:
                self.letters.append(len(rows.mail))
            if self._holds and rows.workflow is not None and rows.workflow["cascades"] is not None:
                self._holds = False
                self.is_held.set()
                assert self.may_return.wait(PATIENCE)


def _started(world: World) -> str:
    key = world.start("wf")
    world.until(lambda: len(world.actions()) == 10)
    return key


def _below(world: World, key: str) -> list[str]:
    return [row["state"] for row in world.children(key)]


def _until_below(world: World, key: str, state: str) -> None:
    world.until(lambda: _below(world, key) == [state] * 10)
    world.until(lambda: not world.letters() and world.execution(key)["cascades"] is None)


def test_one_decision_tells_a_bounded_number(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    key = _started(world)
    seen = Commits(monkeypatch, key)
    world.send(key, PauseRequested())
    _until_below(world, key, "PAUSED")
    world.send(key, ResumeRequested())
    _until_below(world, key, "RUNNING")
    world.send(key, StopRequested("CANCELLED", "enough"))
    _until_below(world, key, "CANCELLED")
    assert seen.letters == [3, 3, 3, 1] * 3


def test_the_last_command_wins_in_the_middle_of_a_cascade(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second command is decided when three of ten have been told of the first."""
    key = _started(world)
    seen = Commits(monkeypatch, key, holds=True)
    pause = world.engine.send(key, PauseRequested())
    assert seen.is_held.wait(PATIENCE)
    stop = world.engine.send(key, StopRequested("CANCELLED", "enough"))
    seen.may_return.set()
    pause.result(PATIENCE)
    stop.result(PATIENCE)
    _until_below(world, key, "CANCELLED")
    assert {row["state_info"] for row in world.children(key)} == {"enough"}
    assert sum(seen.letters) < 20


def test_a_cascade_goes_on_where_a_process_has_left_it(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with World(database_url, letters=PORTION, clock=Clock()) as first:
        first.define(MANY)
        key = _started(first)
        seen = Commits(monkeypatch, key, holds=True)
        first.engine.send(key, PauseRequested())
        assert seen.is_held.wait(PATIENCE)
        first.engine.loop.post(lambda: setattr(first.engine.loop, "_stopping", True))
        seen.may_return.set()
        first.until(lambda: first.execution(key)["cascades"])
        first.engine.loop._thread.join(PATIENCE)
    assert seen.letters == [PORTION]
    with World(database_url, letters=PORTION, clock=Clock()) as second:
        _until_below(second, key, "PAUSED")
        assert second.execution(key)["state"] == "PAUSED"
    assert seen.letters == [3, 3, 3, 1]
