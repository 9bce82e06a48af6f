"""`database check`, `upgrade` and `backup`, and a server on each kind of database."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from maestrale.store.database import Database
from maestrale.store.schema import HEAD, prepare
from postgresql import PostgresqlServer
from processes.command import maestrale
from processes.server import Server

HELLO = """
version: '2.0'
hello:
  input: [name]
  output: {greeting: Hello <% $.name %>}
  tasks:
    t: {action: std.noop}
"""
GREETING = '{\n    "greeting": "Hello you"\n}\n'


@pytest.fixture
def hello(tmp_path: Path) -> Path:
    path = tmp_path / "hello.yaml"
    path.write_text(HELLO)
    return path


def _change(url: str, statement: str) -> None:
    database = Database(url)
    prepare(database)
    database.write(lambda connection: connection.execute(text(statement))).result()
    database.close()


def _shown(url: str) -> str:
    """What must stand in messages for people: not the password."""
    return url.replace(":secret@", "@").removeprefix("sqlite:///")


def test_an_empty_database_is_upgraded(tmp_path: Path, empty_database_url: str) -> None:
    url = empty_database_url
    before = maestrale(tmp_path, "database", "check", "--database", url)
    assert before.code == 1
    assert "database upgrade" in before.out or "There is no database" in before.err
    upgraded = maestrale(tmp_path, "database", "upgrade", "--database", url)
    assert (upgraded.code, _shown(url) in upgraded.out) == (0, True)
    after = maestrale(tmp_path, "database", "check", "--database", url)
    assert after.code == 0
    assert f"{HEAD} (the newest)" in after.out
    assert "secret" not in before.out + upgraded.out + after.out
    facts = json.loads(maestrale(tmp_path, "database", "check", "-f", "json", "--database", url).out)
    assert (facts["database"], facts["schema"]) == (_shown(url), HEAD)
    assert facts["program"].startswith("SQLite 3." if url.startswith("sqlite") else "PostgreSQL 1")
    assert facts["size"] > 100_000


def test_a_database_of_a_newer_version_is_refused(tmp_path: Path, empty_database_url: str) -> None:
    _change(empty_database_url, "UPDATE alembic_version SET version_num = '9999'")
    for command in (["database", "check"], ["database", "upgrade"], ["server", "--port", "0"]):
        ran = maestrale(tmp_path, *command, "--database", empty_database_url)
        assert ran.code == 1
        assert "'9999'" in ran.err
        assert "newer version" in ran.err


def test_a_look_makes_no_file(tmp_path: Path) -> None:
    ran = maestrale(tmp_path, "database", "check", "--database", f"sqlite:///{tmp_path}/none.db")
    assert ran.code == 1
    assert "There is no database" in ran.err
    assert not list(tmp_path.glob("none.db*"))


def test_a_backup_beside_a_running_server(tmp_path: Path, hello: Path) -> None:
    copy = tmp_path / "copy.db"
    with Server(tmp_path) as server:
        stored = httpx.post(f"{server.url}/v2/workflows", content=HELLO, trust_env=False)
        assert stored.status_code == 201
        done = maestrale(tmp_path, "database", "backup", str(copy), "--database", server.database_url)
        assert (done.code, str(copy) in done.out) == (0, True)
        again = maestrale(tmp_path, "database", "backup", str(copy), "--database", server.database_url)
        assert again.code == 1
        assert "exists already" in again.err
        upgraded = maestrale(tmp_path, "database", "upgrade", "--database", server.database_url)
        assert upgraded.code == 1
        assert server.url in upgraded.err
    assert not list(tmp_path.glob("copy.db-*"))
    with sqlite3.connect(f"file:{copy}?mode=ro", uri=True) as connection:
        assert connection.execute("SELECT name FROM definitions").fetchall() == [("hello",)]
    ran = maestrale(tmp_path, "run", str(hello), "-i", "name=you", "--database", f"sqlite:///{copy}")
    assert (ran.code, "Hello you" in ran.out) == (0, True)


def test_a_damaged_database_leaves_no_backup(tmp_path: Path) -> None:
    damaged, copy = tmp_path / "damaged.db", tmp_path / "copy.db"
    _change(f"sqlite:///{damaged}", "SELECT 1")
    content = bytearray(damaged.read_bytes())
    content[4096 * 3 : 4096 * 20] = b"\xff" * (4096 * 17)
    damaged.write_bytes(content)
    ran = maestrale(tmp_path, "database", "backup", str(copy), "--database", f"sqlite:///{damaged}")
    assert ran.code == 1
    assert "damaged" in ran.err
    assert not copy.exists()


@pytest.mark.postgresql
def test_a_backup_of_postgresql_is_for_its_own_tools(tmp_path: Path) -> None:
    url = "postgresql://me:secret@db/maestrale"
    ran = maestrale(tmp_path, "database", "backup", str(tmp_path / "x"), "--database", url)
    assert ran.code == 1
    assert "pg_dump" in ran.err
    assert "secret" not in ran.err


@pytest.mark.postgresql
def test_servers_on_postgresql(tmp_path: Path, postgresql: PostgresqlServer, hello: Path) -> None:
    """They keep the password to themselves, work beside each other, and what is stored survives them."""
    name = postgresql.lend()
    url = postgresql.url(name)
    run = ["run", str(hello), "-i", "name=you", "--database", url]
    server = Server(tmp_path / "one", url).start()
    api = f"{server.url}/v2"
    created = maestrale(tmp_path, "--os-mistral-url", api, "workflow-create", str(hello))
    assert created.code == 0
    with Server(tmp_path / "two", url) as other:
        beside = maestrale(tmp_path, *run)
        assert (beside.code, beside.out) == (0, GREETING)
        server.kill()
        api = f"{other.url}/v2"
        listed = maestrale(tmp_path, "--os-mistral-url", api, "workflow-list", "-f", "value", "-c", "Name")
        assert listed.out == "hello\n"
        assert maestrale(tmp_path, "database", "upgrade", "--database", url).code == 0
        logs = server.log.read_text() + other.log.read_text()
    assert f"Its data is in {_shown(url)} (" in logs
    assert ":secret@" not in logs
    postgresql.take_back(name)


@pytest.mark.postgresql
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("secret", "wrong"), ("password authentication failed", "USER:PASSWORD")),
        (("/test_", "/tset_"), ("does not exist", "CREATE DATABASE")),
        (("@127.0.0.1:", "@127.0.0.1:1"), ("cannot be used", "are host and port right")),
        (("postgresql:", "postgresql+asyncpg:"), ("Unsupported database URL", "postgresql://user:password")),
        (("127.0.0.1:", "127.0.0.1:x"), ("is not a database URL", "postgresql://user:password")),
    ],
    ids=["password", "database", "port", "driver", "nonsense"],
)
def test_what_cannot_be_opened_says_why(
    tmp_path: Path, postgresql: PostgresqlServer, change: tuple[str, str], words: tuple[str, str]
) -> None:
    url = postgresql.url("test_none").replace(*change)
    ran = maestrale(tmp_path, "database", "check", "--database", url)
    assert ran.code == 1
    for word in words:
        assert word in ran.err
    assert "secret" not in ran.err
    assert "wrong" not in ran.err


@pytest.mark.postgresql
def test_the_settings_are_shown_without_the_password(tmp_path: Path) -> None:
    settings = {
        "MAESTRALE_DATABASE_URL": "postgresql://me:sec:r@t@db/x?sslpassword=hidden&application_name=a"
    }
    for form in ("text", "json"):
        ran = maestrale(tmp_path, "config", "-f", form, settings=settings)
        assert "postgresql://me:***@db/x?sslpassword=***&application_name=a" in ran.out
        assert "r@t" not in ran.out
        assert "hidden" not in ran.out
