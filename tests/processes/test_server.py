"""Starting and stopping the service as a person does."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from processes.receiver import Receiver
from processes.server import Server, clean_environment

CALLING = """version: '2.0'
calling:
  input: [url]
  tasks:
    ask: {action: std.http url="<% $.url %>" method="POST"}
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_running_action_may_end(tmp_path: Path, number: int) -> None:
    """A signal stops the server without a traceback; what runs gets its grace and is kept."""
    server = Server(tmp_path)
    with Receiver(delay=0.6) as receiver:
        server.start()
        httpx.post(f"{server.url}/v2/workflows", content=CALLING, trust_env=False).raise_for_status()
        body = {"workflow_name": "calling", "input": {"url": receiver.url}, "id": "mine"}
        httpx.post(f"{server.url}/v2/executions", json=body, trust_env=False).raise_for_status()
        while not receiver.calls:
            time.sleep(0.01)
        assert server.stop(number) == 0
        assert "Traceback" not in server.log.read_text()
        assert server.log.read_text().count("Stopping") == 1
        assert "Stopping: running actions may end first" in server.log.read_text()
        with server:
            found = httpx.get(f"{server.url}/v2/executions/mine", trust_env=False).json()
            assert found["state"] == "SUCCESS", found["state_info"]
        assert sum(receiver.calls.values()) == 1


def test_an_interrupted_run_is_kept(tmp_path: Path) -> None:
    """Ctrl-C ends `run` quickly, without a traceback; the execution stays."""
    path = tmp_path / "slow.yaml"
    path.write_text("version: '2.0'\nslow:\n  tasks: {t: {action: std.sleep seconds=30}}\n")
    assert "goes on when a server starts" in _interrupted(tmp_path, path)


def test_a_run_leaves_alone_what_is_not_its_own(tmp_path: Path) -> None:
    """What was interrupted waits for a server; another `run` neither goes on with it nor waits for it."""
    slow, quick = tmp_path / "slow.yaml", tmp_path / "quick.yaml"
    slow.write_text("version: '2.0'\nslow:\n  tasks: {t: {action: std.sleep seconds=30}}\n")
    quick.write_text("version: '2.0'\nquick:\n  tasks: {t: {action: std.noop}}\n")
    database = f"sqlite:///{tmp_path}/maestrale.db"
    _interrupted(tmp_path, slow, "--database", database)
    began = time.monotonic()
    command = [sys.executable, "-m", "maestrale", "run", "--database", database, str(quick)]
    ran = subprocess.run(command, check=True, capture_output=True, text=True, env=clean_environment(tmp_path))
    assert "abandoned" not in ran.stderr
    assert time.monotonic() - began < 8
    with Server(tmp_path, MAESTRALE_SERVER_GRACE="0") as server:
        rows = httpx.get(f"{server.url}/v2/executions", trust_env=False).json()["executions"]
        assert {row["workflow_name"]: row["state"] for row in rows} == {"slow": "RUNNING", "quick": "SUCCESS"}
        actions = f"{server.url}/v2/action_executions?name=std.sleep"
        (action,) = httpx.get(actions, trust_env=False).json()["action_executions"]
        assert action["state"] == "RUNNING"
        ended = httpx.put(
            f"{server.url}/v2/executions/{rows[0]['id']}", json={"state": "CANCELLED"}, trust_env=False
        )
        assert ended.status_code == 200


def test_an_interrupted_run_goes_on_at_the_server(tmp_path: Path) -> None:
    """If a server has the database, Ctrl-C only ends the watching."""
    path = tmp_path / "slow.yaml"
    path.write_text("version: '2.0'\nslow:\n  tasks: {t: {action: std.async_noop}}\n")
    with Server(tmp_path) as server:
        errors = _interrupted(tmp_path, path, "--database", f"sqlite:///{server.database}")
        assert "The execution goes on at the server" in errors
        (row,) = httpx.get(f"{server.url}/v2/executions", trust_env=False).json()["executions"]
        assert row["state"] == "RUNNING"


@pytest.mark.covers("eng.trace_log")
def test_changes_of_state_are_logged_if_asked_for(tmp_path: Path) -> None:
    """One line for each, with the reason, and in their order."""
    text = (
        "version: '2.0'\nw:\n  tasks:\n    a: {action: std.noop, on-success: b}\n"
        "    b: {action: std.fail error_data='out of cheese', retry: {count: 1, delay: 0}}\n"
    )
    with Server(tmp_path, MAESTRALE_LOG_TRANSITIONS="true") as server:
        httpx.post(f"{server.url}/v2/workflows", content=text, trust_env=False).raise_for_status()
        body = {"workflow_name": "w", "id": "mine"}
        httpx.post(f"{server.url}/v2/executions", json=body, trust_env=False).raise_for_status()
        while httpx.get(f"{server.url}/v2/executions/mine", trust_env=False).json()["state"] == "RUNNING":
            time.sleep(0.02)
    marked = [line for line in server.log.read_text().splitlines() if " maestrale.transitions: " in line]
    lines = [re.sub(r" \([^)]*\)", "", line.split(" maestrale.transitions: ")[1]) for line in marked]
    assert lines == [
        "workflow w: RUNNING",
        "task a of workflow w: IDLE -> RUNNING",
        "action std.noop of task a of workflow w: SUCCESS",
        "task a of workflow w: RUNNING -> SUCCESS",
        "task b of workflow w: IDLE -> RUNNING",
        "action std.fail of task b of workflow w: ERROR",
        "task b of workflow w: RUNNING -> ERROR: out of cheese",
        "task b of workflow w: ERROR -> RUNNING",
        "action std.fail of task b of workflow w: ERROR",
        "task b of workflow w: RUNNING -> ERROR: out of cheese",
        "workflow w: RUNNING -> ERROR: Failure caused by error in tasks: b",
    ]
    assert "workflow w (mine): RUNNING" in marked[0]


def test_idle_costs_nothing(tmp_path: Path) -> None:
    """An idle server waits for events: it uses no processor time worth mentioning."""
    with Server(tmp_path) as server:
        assert server.process is not None
        time.sleep(4)  # what is loaded after the start is loaded by now
        before = _processor_seconds(server.process.pid)
        time.sleep(2)
        assert _processor_seconds(server.process.pid) - before <= 0.1


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def _interrupted(folder: Path, *arguments: str | Path) -> str:
    """What `run` says after Ctrl-C."""
    with subprocess.Popen(
        [sys.executable, "-m", "maestrale", "run", *arguments],
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=clean_environment(folder),
    ) as process:  # fmt: skip
        assert process.stderr is not None
        while "RUNNING" not in process.stderr.readline():
            pass
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
        assert process.returncode == 130
        assert "Traceback" not in errors
        assert time.monotonic() - began < 8
        return errors
