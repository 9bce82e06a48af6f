"""The server to be measured: a process of its own, on a fresh database file unless one is named."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

STARTED = re.compile(r"listens on (http://\S+)/v2")
START_SECONDS = 30
STOP_SECONDS = 30


class Server:
    """`mistral server` on a free port of loopback, with `settings` in its environment; use it in a `with`.

    `start_seconds` is how long it took from the start of the process until it listened.
    """

    def __init__(self, folder: Path, database: str | None = None, **settings: str) -> None:
        self.database_file = folder / "bench.db"
        self.database = database or f"sqlite:///{self.database_file}"
        self.url = ""
        self.start_seconds = 0.0
        self._log = folder / "server.log"
        kept = {k: v for k, v in os.environ.items() if not k.startswith("MAESTRALE_")}
        self._environment = kept | {
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_DATA_HOME": str(folder / "data"),
            **settings,
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

    def kill(self) -> None:
        """The process vanishes without any chance to tidy up."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

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
    """CPU seconds and memory of processes with all below them, from /proc; nothing where there is none."""

    def __init__(self, *pids: int | None) -> None:
        self._pids = [pid for pid in pids if pid is not None]

    def cpu_seconds(self) -> float | None:
        """User and system time so far, of those that have ended below them too."""
        try:
            ticks = sum(sum(map(int, _statistics(pid)[11:15])) for pid in self._all())
        except OSError:
            return None
        return ticks / os.sysconf("SC_CLK_TCK") if self._pids else None

    def forget_peak(self) -> None:
        """Let the peak memory count from now on, where the system can do that."""
        for pid in self._pids:
            with contextlib.suppress(OSError):
                Path(f"/proc/{pid}/clear_refs").write_text("5")

    def peak_mebibytes(self) -> float | None:
        """The most memory that the first process had resident, ever or since `forget_peak`."""
        return self._memory("VmHWM")

    def mebibytes(self) -> float | None:
        """The memory that the first process has resident."""
        return self._memory("VmRSS")

    def _memory(self, name: str) -> float | None:
        try:
            found = re.search(rf"{name}:\s+(\d+) kB", Path(f"/proc/{self._pids[0]}/status").read_text())
        except (OSError, IndexError):
            return None
        return int(found[1]) / 1024 if found else None

    def _all(self) -> Iterator[int]:
        waiting = list(self._pids)
        while waiting:
            pid = waiting.pop()
            yield pid
            with contextlib.suppress(OSError):
                for task in Path(f"/proc/{pid}/task").iterdir():
                    waiting += map(int, (task / "children").read_text().split())


def _statistics(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
