"""A real server process for tests: started, asked, killed."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, Self

import httpx

from processes.prepared import Forked, Prepared, is_harmless

START_SECONDS = 60


def free_port() -> int:
    """A port of loopback that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


SERVERS: Final = Prepared()


class Server:
    """`maestrale server`, on a database file of its own or on the database of a URL.

    In a fork of a process that is loaded already, unless it gets settings that the interpreter reads when it
    starts, or another `python`.

    `roles`: what it does, of several processes on one database; with all of them unless some are given.
    `python`: of the virtual environment that has it.
    """

    def __init__(
        self,
        folder: Path,
        database_url: str | None = None,
        roles: str = "",
        python: Path | str = sys.executable,
        **settings: str,
    ) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.roles = roles
        self.python = str(python)
        self.database = folder / "maestrale.db"
        self.database_url = database_url or f"sqlite:///{self.database}"
        self.port = free_port()
        certificate = settings.get("MAESTRALE_SERVER_TLS_CERT")
        self.trust = ssl.create_default_context(cafile=certificate) if certificate else False
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self.port}"
        self.log = folder / "server.log"
        self.is_forked = self.python == sys.executable and is_harmless(settings)
        self.environment = clean_environment(folder) | {"MAESTRALE_STD_HTTP_DENIED_CIDRS": ""} | settings
        self.process: subprocess.Popen[bytes] | Forked | None = None

    def start(self) -> Self:
        """Start and wait until it answers (or, without an API, says that it works)."""
        self.launch()
        end = time.monotonic() + START_SECONDS
        while not self.is_ready():
            assert self.process is not None
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended:\n{self.log.read_text()}")
            if time.monotonic() > end:
                self.kill()
                raise AssertionError(f"the server does not answer:\n{self.log.read_text()}")
            time.sleep(0.02)
        return self

    def is_ready(self) -> bool:
        """Whether it answers, or says that it works."""
        if self.roles == "engine":
            return b"runs workflows" in self.log.read_bytes()[self._known :]
        with socket.socket() as probe:  # asking in vain by HTTP takes a hundred times as long
            if probe.connect_ex(("127.0.0.1", self.port)):
                return False
        try:
            return httpx.get(f"{self.url}/v2/", trust_env=False, verify=self.trust).status_code == 200
        except httpx.TransportError:
            return False

    def launch(self) -> None:
        """Start without waiting."""
        self.log.touch()
        self._known = self.log.stat().st_size
        words = ["server", "--port", str(self.port), "--database", self.database_url]
        words += ["--role", self.roles] if self.roles else []
        if self.is_forked:
            self.process = SERVERS.start(Path.cwd(), words, self.environment, self.log)
            return
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [self.python, "-m", "maestrale", *words],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment,
            )  # fmt: skip

    def kill(self) -> None:
        """The process vanishes without any chance to tidy up."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask the process to end; its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Wait for the end of the process; its exit code."""
        assert self.process is not None
        return self.process.wait(30)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def clean_environment(folder: Path) -> dict[str, str]:
    """This environment without settings of ours or of clouds, and with its own data folder."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MAESTRALE_", "OS_", "MISTRAL"))}
    return kept | {"XDG_DATA_HOME": str(folder / "data"), "XDG_CONFIG_HOME": str(folder / "config")}
