"""Following executions over real servers: across processes, restarts and crashes, and from a terminal."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from maestrale.client import Client, ServerUnreachable
from maestrale.client.results import ActionExecution, Event
from processes.server import Server, clean_environment

SOON = 3.0
"""Seconds, far less than the 15 after which a sweep would show what a hint has not told."""

ONLY_STATE = ("-c", "State", "-f", "value")

TEXT = """version: '2.0'
asks:
  tasks:
    first: {action: std.noop, on-success: ask}
    ask: {action: std.async_noop, on-success: last}
    last: {action: std.noop}
fails:
  tasks:
    ask: {action: std.fail error_data="out of cheese"}
stops:
  tasks:
    ask: {action: std.noop, on-success: [pause, last]}
    last: {action: std.noop}
"""


class Follower:
    """Collects the events of an execution in a thread, until they end or the server does."""

    def __init__(self, url: str, execution_id: str, last: str = "") -> None:
        self.events: list[Event] = []
        self.broken = False
        self.is_done = threading.Event()
        self._args = (url, execution_id, last)
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        url, execution_id, last = self._args
        try:
            with Client(f"{url}/v2") as client:
                for event in client.executions.events(execution_id, last, resumes=False):
                    self.events.append(event)
        except ServerUnreachable:
            self.broken = True
        self.is_done.set()


@pytest.fixture
def processes(lent_url: str, tmp_path: Path) -> Iterator[tuple[Server, Server]]:
    """An engine and an API without one, on one PostgreSQL."""
    engine = Server(tmp_path / "engine", lent_url, "engine").start()
    api = Server(tmp_path / "api", lent_url, "api").start()
    try:
        yield engine, api
    finally:
        for server in (api, engine):
            server.stop()


def started(server: Server, workflow: str = "asks") -> str:
    """An execution of one of the workflows."""
    with Client(f"{server.url}/v2") as client:
        if not list(client.workflows.list()):
            client.workflows.create(TEXT)
        return client.executions.create(workflow).id


def answer(server: Server, execution_id: str) -> None:
    """End the action that somebody outside has to end."""
    with Client(f"{server.url}/v2") as client:

        def running() -> list[ActionExecution]:
            tasks = client.executions.tasks(execution_id, {"name": "ask", "state": "RUNNING"})
            return [action for task in tasks for action in client.tasks.action_executions(task.id)]

        (action,) = until(running)
        client.action_executions.update(action.id, "SUCCESS", output={})


def until(find: Callable[[], Any], seconds: float = 20.0) -> Any:
    """What is found in the end."""
    end = time.monotonic() + seconds
    while not (found := find()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
    return found


@pytest.mark.postgresql
def test_an_api_without_an_engine_is_told(processes: tuple[Server, Server]) -> None:
    """Events arrive at once over another process, for a stream and for a read that waits."""
    _, api = processes
    execution_id = started(api)
    follower = Follower(api.url, execution_id)
    until(lambda: follower.events)
    answers: list[str] = []

    def wait() -> None:
        with Client(f"{api.url}/v2") as client:
            answers.append(client.executions.get(execution_id, wait=30).state)

    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(0.5)
    assert waiting.is_alive()
    answer(api, execution_id)
    assert follower.is_done.wait(SOON)
    waiting.join(SOON)
    assert answers == ["SUCCESS"]
    assert [event.is_end for event in follower.events[-2:]] == [False, True]


@pytest.mark.slow
@pytest.mark.postgresql
def test_the_engine_is_lost(processes: tuple[Server, Server]) -> None:
    """Another one takes over, and whoever follows notices nothing but what happens."""
    engine, api = processes
    execution_id = started(api)
    follower = Follower(api.url, execution_id)
    until(lambda: follower.events)
    engine.kill()
    engine.start()
    answer(api, execution_id)
    assert follower.is_done.wait(20)
    assert not follower.broken
    sequences = [event.sequence for event in follower.events if not event.is_end]
    assert sequences == list(range(1, len(sequences) + 1))


def test_a_server_is_killed_in_the_middle(tmp_path: Path) -> None:
    """Who comes again with the last id gets the rest, without a gap or a repetition."""
    with Server(tmp_path) as server:
        execution_id = started(server)
        follower = Follower(server.url, execution_id)
        until(lambda: follower.events)
        server.kill()
        assert follower.is_done.wait(SOON)
        assert follower.broken
        server.start()
        answer(server, execution_id)
        rest = Follower(server.url, execution_id, follower.events[-1].id)
        assert rest.is_done.wait(SOON)
        whole = Follower(server.url, execution_id)
        assert whole.is_done.wait(SOON)
        assert follower.events + rest.events == whole.events


def test_a_server_stops_without_delay(tmp_path: Path) -> None:
    """Open streams and waiting requests are let go, quietly."""
    with Server(tmp_path) as server:
        execution_id = started(server)
        follower = Follower(server.url, execution_id)
        states: list[str] = []

        def wait() -> None:
            path = f"{server.url}/v2/executions/{execution_id}?wait=60"
            states.append(httpx.get(path, timeout=70, trust_env=False).json()["state"])

        waiting = threading.Thread(target=wait)
        waiting.start()
        until(lambda: follower.events)
        time.sleep(0.3)
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 2
        assert follower.is_done.wait(SOON)
        waiting.join(SOON)
        assert states == ["RUNNING"]
        assert not any(event.is_end for event in follower.events)
        log = server.log.read_text()
        assert "Traceback" not in log
        assert "rror" not in log


# -- from a terminal


class Mistral:
    """The program, started in the background."""

    def __init__(self, server: Server, *words: str) -> None:
        environment = clean_environment(server.folder) | {"OS_MISTRAL_URL": f"{server.url}/v2"}
        command = [sys.executable, "-m", "maestrale", *words]
        self.errors = ""
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.errors += line

    def end(self) -> tuple[int, str, str]:
        """Exit code, output and errors."""
        assert self.process.stdout is not None
        output = self.process.stdout.read()
        code = self.process.wait(20)
        self._reader.join()
        return code, output, self.errors


def test_create_and_wait(tmp_path: Path) -> None:
    """Progress as plain lines, the output, and an exit code that says how it ended."""
    with Server(tmp_path) as server:
        started(server)
        waiting = Mistral(server, "execution-create", "asks", "--wait")
        until(lambda: "RUNNING    ask" in waiting.errors)
        with Client(f"{server.url}/v2") as client:
            newest = list(client.executions.list(sort_keys="created_at"))[-1].id
        answer(server, newest)
        code, output, errors = waiting.end()
        assert (code, output) == (0, "{}\n")
        lines = [line.split("s  ", 1)[-1] for line in errors.splitlines()]
        assert lines[0] == f"asks: execution {newest}"
        assert lines[1:] == [
            "SUCCESS    first", "RUNNING    ask", "SUCCESS    ask", "SUCCESS    last",
        ]  # fmt: skip
        code, output, errors = Mistral(server, "execution-create", "fails", "--wait").end()
        assert code == 1
        assert "task 'ask'" in errors
        assert "error: out of cheese" in errors
        code, output, _ = Mistral(
            server, "-q", "execution-create", "fails", "--wait", "-c", "State", "-f", "value"
        ).end()
        assert (code, output) == (1, "ERROR\n")


def test_a_pause_ends_the_waiting(tmp_path: Path) -> None:
    """Nothing would happen by itself; it says how to go on, and to watch what has been resumed once works."""
    with Server(tmp_path) as server:
        execution_id = started(server, "stops")
        code, _, errors = Mistral(server, "execution-watch", execution_id).end()
        assert code == 1
        assert f"mistral execution-update {execution_id} -s RUNNING" in errors
        with Client(f"{server.url}/v2") as client:
            client.executions.update(execution_id, "RUNNING")
        code, output, _ = Mistral(
            server, "execution-get", execution_id, "--wait", "-c", "State", "-f", "value"
        ).end()
        assert (code, output) == (0, "SUCCESS\n")


def test_time_is_over_or_interrupted(tmp_path: Path) -> None:
    """The execution goes on in both cases, and it is said."""
    with Server(tmp_path) as server:
        execution_id = started(server)
        began = time.monotonic()
        code, output, errors = Mistral(
            server, "execution-get", execution_id, "--wait", "--timeout", "0.5", *ONLY_STATE
        ).end()
        assert time.monotonic() - began < 5
        assert (code, output) == (124, "RUNNING\n")
        assert "The time is over; the execution goes on" in errors
        watching = Mistral(server, "execution-watch", execution_id)
        until(lambda: "RUNNING    ask" in watching.errors)
        watching.process.send_signal(signal.SIGINT)
        code, _, errors = watching.end()
        assert code == 130
        assert "The execution goes on at the server" in errors
        assert "Traceback" not in errors
        with Client(f"{server.url}/v2") as client:
            assert client.executions.get(execution_id).state == "RUNNING"


def test_watching_outlives_a_restart(tmp_path: Path) -> None:
    """Each change is shown once, although the server was killed and started again."""
    with Server(tmp_path) as server:
        execution_id = started(server)
        watching = Mistral(server, "execution-watch", execution_id)
        until(lambda: "RUNNING    ask" in watching.errors)
        server.kill()
        until(lambda: "The server is away" in watching.errors)
        server.start()
        answer(server, execution_id)
        code, output, errors = watching.end()
        assert (code, output) == (0, "{}\n")
        shown = [line.split()[-1] for line in errors.splitlines() if "SUCCESS" in line]
        assert shown == ["first", "ask", "last"]
