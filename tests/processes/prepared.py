"""A process that has loaded the program, and runs each command in a fork of itself.

What a command does is what it does when a person starts it, but for the second that loading takes.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
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


class Prepared:
    """The loaded process, as tests have it; it ends with them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, folder: Path, arguments: list[str], environment: dict[str, str], files: list[Path]) -> int:
        """The exit code of a command. `files`: what it reads, and where what it prints goes."""
        order = {
            "arguments": arguments,
            "folder": str(folder),
            "environment": environment,
            "files": [str(file) for file in files],
        }
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
    assert threading.active_count() == 1, "a fork would miss threads"
    for order in _orders():
        child = os.fork()
        if not child:
            return _command(order)
        os.write(1, b"%d\n" % _code(child))
    return 0


def _command(order: dict[str, Any]) -> int:
    modes = (os.O_RDONLY, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
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
