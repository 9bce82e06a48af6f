"""Several processes on one PostgreSQL, and what can happen to them."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from threading import Thread, Timer
from typing import Any, Final, Self

import httpx

from postgresql import PostgresqlServer
from processes.server import START_SECONDS, Server

HERE: Final = Path(__file__).parent
LEASE: Final = 3.0
"""Seconds without a sign of life after which a process counts as dead."""
LARGEST_FILE: Final = 2048
"""KiB to which a file may grow on a disk without room: more than a segment of the database's log."""


class Fleet:
    """Engines and APIs on one database of a PostgreSQL. Disasters happen in the order of a seed.

    Their clocks can be set only if `clocks_jump`.
    """

    def __init__(
        self,
        folder: Path,
        postgresql: PostgresqlServer,
        name: str,
        *,
        engines: int = 3,
        apis: int = 2,
        clocks_jump: bool = True,
        **settings: str,
    ) -> None:
        self._settings = settings
        self._clocks_jump = clocks_jump
        self._postgresql = postgresql
        self._name = name
        self._passing: list[Thread] = []
        self.happened: Counter[str] = Counter()
        url = postgresql.url(name)
        self.engines = [self._server(folder / f"engine{n}", url, "engine") for n in range(engines)]
        self.apis = [self._server(folder / f"api{n}", url, "api") for n in range(apis)]

    def _server(self, folder: Path, url: str, role: str) -> Server:
        folder.mkdir()
        settings = self._settings
        if self._clocks_jump:
            python_path = os.pathsep.join([str(HERE / "jumping_clock"), *filter(None, sys.path)])
            settings = settings | {"PYTHONPATH": python_path, "JUMPING_CLOCK": str(folder / "clock")}
        return Server(folder, url, role, **settings)

    @property
    def all(self) -> list[Server]:
        """All processes."""
        return [*self.engines, *self.apis]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nobody behind, whatever happened."""
        self._thaw()
        for server in self.all:
            if server.process is not None and server.process.poll() is None:
                server.kill()

    def start(self) -> None:
        """Start everybody and wait until they work."""
        for server in self.all:
            server.launch()
        self._until_all_work()

    def settle(self) -> None:
        """Let everything run that was stopped, and start what has ended."""
        self._thaw()
        for server in self.all:
            (server.folder / "clock").unlink(missing_ok=True)
        self._until_all_work()

    def _until_all_work(self) -> None:
        end = time.monotonic() + START_SECONDS
        while not all(self._revive(server) and server.is_ready() for server in self.all):
            assert time.monotonic() < end, "some processes do not start"
            time.sleep(0.1)

    def stop(self) -> list[int]:
        """Ask everybody to end; their exit codes."""
        for server in self.all:
            assert server.process is not None
            server.process.send_signal(signal.SIGTERM)
        return [server.wait() for server in self.all]

    def _revive(self, server: Server) -> bool:
        """Whether a process runs; otherwise it is started again, as one without a database must be."""
        assert server.process is not None
        if server.process.poll() is None:
            return True
        server.launch()
        return False

    # -- disasters

    def strike(self, chance: random.Random) -> str:
        """Let one thing happen, and start again what has ended before; its name."""
        for server in self.all:
            self._revive(server)
        disasters = {
            self.kill: 10, self.freeze_process: 3, self.cut: 3, self.jump: 2, self.restart_database: 1,
            self.freeze_database: 1, self.slow_database: 1, self.fill_disk: 1,
        }  # fmt: skip
        (disaster,) = chance.choices(list(disasters), list(disasters.values()))
        self.happened[disaster.__name__] += 1
        disaster(chance)
        return disaster.__name__

    def kill(self, chance: random.Random) -> None:
        """A process vanishes; it is started again at the next strike."""
        chance.choice(self.all).kill()

    def freeze_process(self, chance: random.Random) -> None:
        """An engine sleeps longer than its lease, or not quite as long."""
        server = chance.choice(self.engines)
        assert server.process is not None
        self._freeze([server.process.pid], chance.uniform(0.5 * LEASE, 2 * LEASE))

    def cut(self, _: random.Random) -> None:
        """All connections to the database end, some in the middle of a commit."""
        with contextlib.suppress(Exception):
            self._postgresql.cut(self._name)

    def jump(self, chance: random.Random) -> None:
        """The wall clock of one process is set, up to an hour to either side."""
        seconds = chance.choice([-3600, -60, -1, 0, 1, 60, 3600])
        (chance.choice(self.all).folder / "clock").write_text(str(seconds))

    def restart_database(self, chance: random.Random) -> None:
        """The database goes, cutting everybody off, and comes back."""
        self._thaw()
        self._postgresql.stop()
        time.sleep(chance.uniform(0, 2))
        self._postgresql.start()

    def freeze_database(self, chance: random.Random) -> None:
        """The database answers nobody for a while, perhaps longer than a lease."""
        self._freeze(self._postgresql.process_ids(), chance.uniform(0.2, 1.5 * LEASE))

    def slow_database(self, chance: random.Random) -> None:
        """The database works a small part of the time only."""
        asleep, awake = chance.uniform(0.02, 0.2), chance.uniform(0.002, 0.02)
        end = time.monotonic() + chance.uniform(1, 5)

        def crawl() -> None:
            while time.monotonic() < end:
                pids = self._postgresql.process_ids()
                _signal_all(pids, signal.SIGSTOP)
                time.sleep(asleep)
                _signal_all(pids, signal.SIGCONT)
                time.sleep(awake)

        self._let_pass(Thread(target=crawl))

    def fill_disk(self, chance: random.Random) -> None:
        """No file of the database can grow for a while."""
        self._postgresql.limit_files(LARGEST_FILE)
        seconds = chance.uniform(0.5, 4)
        self._let_pass(Timer(seconds, lambda: self._postgresql.limit_files(None)))

    def _freeze(self, pids: list[int], seconds: float) -> None:
        _signal_all(pids, signal.SIGSTOP)
        self._let_pass(Timer(seconds, lambda: _signal_all(pids, signal.SIGCONT)))

    def _let_pass(self, passing: Thread) -> None:
        passing.start()
        self._passing.append(passing)

    def _thaw(self) -> None:
        for passing in self._passing:
            passing.join()
        self._passing.clear()


def _signal_all(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


class Caller:
    """Asks any of the APIs, again and again until one answers. Requests must bear being repeated."""

    def __init__(self, apis: list[Server], chance: random.Random, patience: float = 60.0) -> None:
        self._urls = [api.url for api in apis]
        self._chance = chance
        self._patience = patience
        self._client = httpx.Client(trust_env=False, timeout=httpx.Timeout(15, connect=2))

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """The first answer that is not an excuse."""
        end = time.monotonic() + self._patience
        while True:
            try:
                answer = self._client.request(method, self._chance.choice(self._urls) + path, **options)
            except httpx.TransportError as error:
                problem = repr(error)
            else:
                if answer.status_code < 500:
                    return answer
                assert answer.status_code == 503, answer.text
                problem = answer.text
            assert time.monotonic() < end, f"nobody answers {method} {path}: {problem}"
            time.sleep(0.1)
