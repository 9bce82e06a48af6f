"""A new database, an upgraded one, and databases that are none of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from maestrale.store.database import Database
from maestrale.store.dialect import DatabaseError
from maestrale.store.lock import DatabaseInUse, DatabaseLock
from maestrale.store.schema import prepare, upgrade
from maestrale.store.tables import metadata


def _open(path: Path) -> Database:
    return Database(f"sqlite:///{path}")


def _shape(connection: Connection) -> dict[str, Any]:
    """Columns and indexes of every table."""
    found: dict[str, Any] = {}
    for table in metadata.tables:
        columns = connection.exec_driver_sql(f"PRAGMA table_info({table})").all()
        indexes = connection.exec_driver_sql(f"PRAGMA index_list({table})").all()
        members = {
            row[1]: [c[2] for c in connection.exec_driver_sql(f"PRAGMA index_info({row[1]})")]
            for row in indexes
        }
        found[table] = ([tuple(c) for c in columns], sorted((r[1], r[2], members[r[1]]) for r in indexes))
    return found


def test_migrations_make_what_a_new_database_has(tmp_path: Path) -> None:
    """Whoever starts anew and whoever upgrades have the same tables."""
    new, migrated = _open(tmp_path / "new.db"), _open(tmp_path / "migrated.db")
    prepare(new)
    migrated.write(upgrade).result()
    assert migrated.read(_shape).result() == new.read(_shape).result()
    for database in (new, migrated):
        prepare(database)  # again: nothing to do
        database.close()


def test_durability_settings(tmp_path: Path) -> None:
    """Every connection writes ahead and waits for the disk."""
    database = _open(tmp_path / "x.db")

    def pragmas(connection: Connection) -> tuple[str, int]:
        mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
        return mode, connection.exec_driver_sql("PRAGMA synchronous").scalar_one()

    assert database.read(pragmas).result() == ("wal", 2)
    assert database.write(pragmas).result() == ("wal", 2)
    database.close()


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE alembic_version SET version_num = '9999'", "9999"),
        ("DROP TABLE alembic_version", "another program"),
    ],
)
def test_databases_that_are_none_of_ours(tmp_path: Path, statement: str, words: str) -> None:
    """A newer schema, or somebody else's tables, are refused."""
    database = _open(tmp_path / "x.db")
    prepare(database)

    def change(connection: Connection) -> None:
        connection.execute(text(statement))

    database.write(change).result()
    with pytest.raises(DatabaseError, match=words):
        prepare(database)
    database.close()


def test_one_bad_unit_fails_alone(tmp_path: Path) -> None:
    """Units that share a commit do not share a failure."""
    database = _open(tmp_path / "x.db")
    prepare(database)

    def good(connection: Connection, number: int) -> int:
        connection.execute(text("INSERT INTO definition_texts VALUES (:h, 't')"), {"h": str(number)})
        return number

    def bad(connection: Connection) -> None:
        good(connection, 99)
        raise RuntimeError("bad")

    futures = [database.write(good, number) for number in range(5)]
    failing = database.write(bad)
    futures += [database.write(good, number) for number in range(5, 10)]
    assert [future.result() for future in futures] == list(range(10))
    with pytest.raises(RuntimeError):
        failing.result()

    def count(connection: Connection) -> int:
        return int(connection.execute(text("SELECT count(*) FROM definition_texts")).scalar_one())

    assert database.read(count).result() == 10
    database.close()


def test_the_lock_names_its_holder(tmp_path: Path) -> None:
    """The second one learns who has the database and where it listens; a stale file locks nobody out."""
    path = tmp_path / "x.db"
    first = DatabaseLock(path)
    first.acquire()
    first.announce("http://127.0.0.1:8989")
    with pytest.raises(DatabaseInUse, match="8989") as refused:
        DatabaseLock(path).acquire()
    assert refused.value.holder.address == "http://127.0.0.1:8989"
    first.release()
    first.path.write_text("nonsense of a killed process")
    second = DatabaseLock(path)
    second.acquire()
    second.release()
