"""Rule 10: a big load or a big decision never holds the writer thread."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from gates import Gate
from service import PATIENCE, World
from sqlalchemy import Connection

from maestrale.actions.base import action
from maestrale.engine.events import Described
from maestrale.runtime import loading
from maestrale.store.executions import load_execution

TWO = """
version: '2.0'
wf: {tasks: {t: {action: test.gate}}}
"""
SLOW = """
version: '2.0'
slow: {tasks: {t: {action: test.slow}}}
"""


def _write(world: World) -> str:
    """Something of the API's; in time."""
    return world.database.write(lambda _: threading.current_thread().name).result(PATIENCE)


def test_others_write_and_decide_while_something_big_is_loaded(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    loading_now, may_go_on = threading.Event(), threading.Event()
    with World(database_url, actions=[gate.action]) as world:
        world.define(TWO)
        big, small = world.start("wf"), world.start("wf")
        gate.wait(2)
        world.engine.loop.settle()
        world.engine.loop.post(world.engine.loop._slots[big].forget)

        def load(connection: Connection, execution_id: str, superseded: str | None = None) -> Any:
            if execution_id == big:
                assert threading.current_thread().name.startswith("reader")
                loading_now.set()
                assert may_go_on.wait(PATIENCE)
            return load_execution(connection, execution_id, superseded)

        monkeypatch.setattr(loading, "load_execution", load)
        waiting = world.engine.send(big, Described("big"))
        try:
            assert loading_now.wait(PATIENCE)
            assert _write(world) == "writer"
            world.send(small, Described("small"))
            assert not waiting.done()
        finally:
            may_go_on.set()
        waiting.result(PATIENCE)


def test_others_write_while_something_big_is_decided(database_url: str) -> None:
    deciding_now, may_go_on = threading.Event(), threading.Event()
    names: list[str] = []

    @action("test.slow", pure=True)
    def slow() -> None:
        """Take long within a decision."""
        names.append(threading.current_thread().name)
        deciding_now.set()
        assert may_go_on.wait(PATIENCE)

    with World(database_url, actions=[slow]) as world:
        world.define(SLOW)
        started = world.engine.start_workflow(world.request("slow"))
        try:
            assert deciding_now.wait(PATIENCE)
            assert _write(world) == "writer"
            assert not started.done()
        finally:
            may_go_on.set()
        assert world.end(started.result(PATIENCE).execution_id)["state"] == "SUCCESS"
        assert names == ["engine"]
