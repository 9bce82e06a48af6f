"""A process that has loaded the program, and runs each command, or server, in a fork of itself.

What that does is what it does when a person starts it, but for the second that loading takes.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

SECONDS: Final = 60.0
MODULES: Final = (
    "maestrale.cli.main", "maestrale.cli.local", "maestrale.cli.running", "maestrale.cli.serving",
    "maestrale.cli.backends", "maestrale.cli.evaluating", "maestrale.client.sync", "maestrale.wiring",
    "maestrale.api.app", "maestrale.ui.app", "maestrale.runtime.presence", "maestrale.store.schema",
    "alembic.command", "psycopg", "uvicorn", "httpx",
    "sqlalchemy.dialects.sqlite.pysqlite", "sqlalchemy.dialects.postgresql.psycopg",
)  # fmt: skip


HARMLESS: Final = ("MAESTRALE_", "MISTRAL", "OS_", "OPENID_", "XDG_")
"""How names of variables begin that say nothing to the interpreter itself."""


def is_harmless(settings: Iterable[str]) -> bool:
    """Whether variables of these names can be set when the program is loaded already."""
    return all(name.startswith(HARMLESS) for name in settings)


class Prepared:
    """The loaded process, as tests have it; it ends with them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, folder: Path, arguments: list[str], environment: dict[str, str], files: list[Path]) -> int:
        """The exit code of a command. `files`: what it reads, and where what it prints goes."""
        return self.code(self._start(folder, arguments, environment, files))

    def start(self, folder: Path, arguments: list[str], environment: dict[str, str], log: Path) -> Forked:
        """A process that goes on; what it prints is added to a file."""
        return Forked(self, self._start(folder, arguments, environment, [Path(os.devnull), log, log]))

    def code(self, pid: int) -> int:
        """The exit code of a process once it has ended; one that takes too long is killed."""
        return self._answer({"wait": pid})

    def _start(
        self, folder: Path, arguments: list[str], environment: dict[str, str], files: list[Path]
    ) -> int:
        order = {
            "arguments": arguments,
            "folder": str(folder),
            "environment": environment,
            "files": [str(file) for file in files],
        }
        return self._answer(order)

    def _answer(self, order: dict[str, Any]) -> int:
        with self._lock:
            if self._process is None:
                self._process = subprocess.Popen(
                    [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE
                )
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline())


class Forked:
    """A process that was started by a loaded one, in the ways of `subprocess.Popen`."""

    def __init__(self, prepared: Prepared, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._prepared = prepared
        self._ended = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """The exit code, if it has ended."""
        return self._code(0)

    def wait(self, timeout: float | None = None) -> int:
        """The exit code once it has ended."""
        code = self._code(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it without any chance to tidy up."""
        self.send_signal(signal.SIGKILL)

    def _code(self, seconds: float | None) -> int | None:
        if self.returncode is None and select.select([self._ended], [], [], seconds)[0]:
            self.returncode = self._prepared.code(self.pid)
            os.close(self._ended)
        return self.returncode


def _orders() -> Any:
    """Each order as it comes. Nothing is read ahead by `sys.stdin`, which the forks have as theirs."""
    data = b""
    while piece := os.read(0, 1 << 16):
        data += piece
        while b"\n" in data:
            line, _, data = data.partition(b"\n")
            yield json.loads(line)


def _serve() -> int:
    for name in MODULES:
        importlib.import_module(name)
    importlib.import_module("maestrale.expressions.template").warm_up()
    assert threading.active_count() == 1, "a fork would miss threads"
    running: set[int] = set()
    for order in _orders():
        if "wait" in order:
            running.discard(order["wait"])
            os.write(1, b"%d\n" % _code(order["wait"]))
        elif child := os.fork():
            running.add(child)
            os.write(1, b"%d\n" % child)
        else:
            return _command(order)
    for child in running:  # the tests are over, however they ended
        os.kill(child, signal.SIGKILL)
    return 0


def _command(order: dict[str, Any]) -> int:
    writing = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    modes = (os.O_RDONLY, writing, writing)
    for number, (file, mode) in enumerate(zip(order["files"], modes, strict=True)):
        opened = os.open(file, mode, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.argv = ["maestrale", *order["arguments"]]
    from maestrale.cli.main import main

    return main()


def _code(child: int) -> int:
    """How a command ends; one that takes too long is killed."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    sys.exit(_serve())
