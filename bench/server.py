"""The server to be measured: a process of its own on a fresh database."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

STARTED = re.compile(r"listens on (http://\S+)/v2")
START_SECONDS = 30
STOP_SECONDS = 30


class Server:
    """`mistral server` on a free port of loopback, for use in a `with` statement.

    `start_seconds` is how long it took from the start of the process until it listened.
    """

    def __init__(self, folder: Path) -> None:
        self.database_file = folder / "bench.db"
        self.database = f"sqlite:///{self.database_file}"
        self.url = ""
        self.start_seconds = 0.0
        self._log = folder / "server.log"
        kept = {k: v for k, v in os.environ.items() if not k.startswith("MAESTRALE_")}
        self._environment = kept | {
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_DATA_HOME": str(folder / "data"),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "maestrale.cli.main", "server", "--port", "0"]
        began = time.perf_counter()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*command, "--database", self.database],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
            )
        self.url = self._wait_until_started(self._process)
        self.start_seconds = time.perf_counter() - began
        return self

    def __exit__(self, *_: object) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def last_words(self) -> str:
        """The end of what the server logged."""
        return self._log.read_text(encoding="utf-8", errors="replace")[-4000:]

    @property
    def pid(self) -> int:
        """The id of the process."""
        assert self._process is not None
        return self._process.pid

    def _wait_until_started(self, process: subprocess.Popen[bytes]) -> str:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            text = self._log.read_text(encoding="utf-8", errors="replace")
            found = STARTED.search(text)
            if found:
                return found[1]
            if process.poll() is not None:
                raise RuntimeError(f"The server ended at once:\n{text}")
            time.sleep(0.01)
        self.__exit__()
        raise RuntimeError(f"The server did not start within {START_SECONDS} s:\n{text}")


class Usage:
    """CPU seconds and memory of a process, from /proc; nothing where there is none."""

    def __init__(self, pid: int | None) -> None:
        self._folder = Path(f"/proc/{pid}")

    def cpu_seconds(self) -> float | None:
        """User and system time so far."""
        try:
            fields = (self._folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def forget_peak(self) -> None:
        """Let the peak memory count from now on, where the system can do that."""
        with contextlib.suppress(OSError):
            (self._folder / "clear_refs").write_text("5")

    def peak_mebibytes(self) -> float | None:
        """The most memory that it had resident, ever or since `forget_peak`."""
        try:
            found = re.search(r"VmHWM:\s+(\d+) kB", (self._folder / "status").read_text())
        except OSError:
            return None
        return int(found[1]) / 1024 if found else None
