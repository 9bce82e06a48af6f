"""Actions that reach out, in a whole service: what is stored of them, and what ends them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from script_processes import children
from service import PATIENCE, World
from ssh_peer import PASSWORD, Peer, settings_in, ssh_peer

from maestrale.actions.settings import JavaScriptSettings
from maestrale.model import states
from maestrale.model.values import MASK

T = TypeVar("T")

ON_POSTGRESQL = 1

WORKFLOW = """
version: '2.0'
w:
  input: [host, cmd, password]
  output: {r: <% $.get(r) %>}
  tasks:
    t:
      action: std.ssh
      TIMEOUT
      input:
        host: <% $.host %>
        cmd: <% $.cmd %>
        username: ada
        password: <% $.password %>
      publish: {r: <% task().result %>}
"""


class Loop:
    """An event loop in a thread, for servers that a service talks to."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine that runs there."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(PATIENCE)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def loop() -> Iterator[Loop]:
    running = Loop()
    yield running
    running.close()


@contextmanager
def served(loop: Loop) -> Iterator[Peer]:
    """An SSH server in the loop."""
    manager = ssh_peer()
    peer = loop.call(manager.__aenter__())
    try:
        yield peer
    finally:
        loop.call(manager.__aexit__(None, None, None))


def wait_for(loop: Loop, event: asyncio.Event) -> None:
    """Return when something has happened at a server."""
    loop.call(asyncio.wait_for(event.wait(), PATIENCE))


def text(timeout: str = "") -> str:
    return WORKFLOW.replace("TIMEOUT", timeout)


def test_passwords_reach_the_server_and_nobody_else(database_url: str, tmp_path: Path, loop: Loop) -> None:
    with served(loop) as peer, World(database_url, std_ssh=settings_in(tmp_path)) as world:
        given = {"host": peer.address, "password": PASSWORD}
        done = world.run(text(), input={**given, "cmd": "say hello"})
        assert (done["state"], done["output"]) == (states.SUCCESS, {"r": "hello"})
        failed = world.end(world.start("w", input={**given, "cmd": f"fail 1 --password={PASSWORD}"}))
        assert failed["state"] == states.ERROR
        [good], [bad] = world.actions(done["id"]), world.actions(failed["id"])
        for row in (good, bad):
            assert row["input"]["host"] == peer.address
            assert PASSWORD not in str(row["input"]["password"])
        assert f"cmd 'fail 1 --password={MASK}' on" in bad["output"]
        assert PASSWORD not in failed["state_info"]
        adhoc = world.run_action("std.ssh", {"username": "ada", "cmd": "say me", **given})
        assert adhoc.result == "me"


def test_a_time_out_of_the_task_ends_a_command(database_url: str, tmp_path: Path, loop: Loop) -> None:
    with served(loop) as peer, World(database_url, std_ssh=settings_in(tmp_path)) as world:
        given = {"host": peer.address, "password": PASSWORD, "cmd": "hang"}
        ended = world.run(text("timeout: 1"), input=given)
        assert ended["state"] == states.ERROR
        wait_for(loop, peer.ended)


def test_a_cancelled_action_ends_a_command(database_url: str, tmp_path: Path, loop: Loop) -> None:
    with served(loop) as peer, World(database_url, std_ssh=settings_in(tmp_path)) as world:
        world.define(text())
        given = {"host": peer.address, "password": PASSWORD, "cmd": "hang"}
        execution_id = world.start("w", input=given)
        wait_for(loop, peer.started)
        [row] = world.actions(execution_id)
        world.complete(row["id"], states.CANCELLED)
        wait_for(loop, peer.ended)
        assert world.end(execution_id)["state"] == states.CANCELLED


def test_the_end_of_the_service_ends_commands_and_scripts(
    database_url: str, tmp_path: Path, loop: Loop
) -> None:
    with served(loop) as peer:
        with World(database_url, std_ssh=settings_in(tmp_path)) as world:
            world.define(text())
            given = {"host": peer.address, "password": PASSWORD, "cmd": "hang"}
            world.start("w", input=given)
            wait_for(loop, peer.started)
            assert world.run_action("std.js", {"script": "return $ + 1", "context": 1}).result == 2
            assert children()
            world.folds = False
        wait_for(loop, peer.ended)
        assert not children()


def test_a_script_is_stopped_by_the_time_out_of_its_task(database_url: str) -> None:
    script = """
version: '2.0'
w:
  tasks:
    t: {action: std.javascript, input: {script: 'for (;;) {}'}, timeout: 1}
"""
    with World(database_url, std_javascript=JavaScriptSettings(timeout=60)) as world:
        assert world.run(script)["state"] == states.ERROR
        assert world.run_action("std.js", {"script": "return 1"}).result == 1
