"""A new database, an upgraded one, and databases that are none of ours."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, delete, func, insert, select, text
from store_rows import execution

from maestrale.store.database import Database
from maestrale.store.dialect import DatabaseError
from maestrale.store.lock import DatabaseInUse, DatabaseLock
from maestrale.store.schema import HEAD, MIGRATIONS, find_revision, prepare, upgrade
from maestrale.store.tables import (
    definition_texts,
    mail,
    metadata,
    task_executions,
    workflow_executions,
)
from postgresql import PostgresqlServer

POSTGRESQL_SHAPE = """
SELECT c.relname, a.attname, a.attnum, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
       l.collname, pg_get_expr(d.adbin, d.adrelid), c.reloptions::text
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid
LEFT JOIN pg_collation l ON l.oid = a.attcollation
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0
  AND c.relname <> 'alembic_version'
"""
POSTGRESQL_INDEXES = """
SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'
"""


def _shape(connection: Connection) -> dict[str, Any]:
    """Columns and indexes of every table."""
    found: dict[str, Any] = {}
    if connection.dialect.name == "postgresql":
        for table, name, _, *facts in connection.exec_driver_sql(POSTGRESQL_SHAPE):
            found.setdefault(table, {})[name] = facts
        for table, definition in connection.exec_driver_sql(POSTGRESQL_INDEXES):
            found.setdefault(f"indexes of {table}", set()).add(definition)
        return found
    for table in metadata.tables:
        columns = connection.exec_driver_sql(f"PRAGMA table_info({table})").all()
        indexes = connection.exec_driver_sql(f"PRAGMA index_list({table})").all()
        members = {
            row[1]: [c[2] for c in connection.exec_driver_sql(f"PRAGMA index_info({row[1]})")]
            for row in indexes
        }
        found[table] = ([tuple(c) for c in columns], sorted((r[1], r[2], members[r[1]]) for r in indexes))
    return found


@pytest.fixture
def database(empty_database_url: str) -> Iterator[Database]:
    opened = Database(empty_database_url)
    yield opened
    opened.close()


def test_migrations_make_what_a_new_database_has(database: Database) -> None:
    """Whoever starts anew and whoever upgrades have the same tables."""
    prepare(database)
    prepare(database)  # again: nothing to do
    new = database.read(_shape).result()

    def start_again(connection: Connection) -> None:
        metadata.drop_all(connection)
        connection.execute(text("DROP TABLE alembic_version"))
        upgrade(connection)

    database.write(start_again).result()
    assert database.read(_shape).result() == new
    assert database.read(find_revision).result() == HEAD


@pytest.mark.postgresql
def test_texts_and_hot_tables_on_postgresql(postgresql: PostgresqlServer) -> None:
    name = postgresql.lend()
    database = Database(postgresql.url(name))
    shape = database.read(_shape).result()
    database.close()
    postgresql.take_back(name)
    columns = [column for table in metadata.tables for column in shape[table].values()]
    texts = [facts for facts in columns if facts[0] == "text"]
    assert len(texts) > 80
    assert {facts[3] for facts in texts} == {"C"}
    assert "fillfactor=70" in shape["execution_heads"]["id"][-1]
    assert "autovacuum_vacuum_scale_factor=0.02" in shape["mail"]["sequence"][-1]
    assert shape["mail"]["sequence"][2] == "d"  # a number of its own, unless one is given


def test_letters_are_numbered_and_no_number_is_used_again(database: Database) -> None:
    prepare(database)
    letter = {"execution_id": "e", "epoch": 0, "event": b"", "attempts": 0, "created_at": 1}

    def post_and_take(connection: Connection) -> int:
        connection.execute(insert(mail), [letter, letter])
        number = connection.execute(select(func.max(mail.c.sequence))).scalar_one()
        connection.execute(delete(mail))
        return int(number)

    numbers = [database.write(post_and_take).result() for _ in range(3)]
    assert numbers == sorted(set(numbers))


@pytest.mark.postgresql
def test_processes_that_start_together_make_the_tables_once(postgresql: PostgresqlServer) -> None:
    """On SQLite a lock file lets one in after the other."""
    name = postgresql.create()
    databases = [Database(postgresql.url(name)) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(prepare, databases))
    for database in databases:
        assert database.read(find_revision).result() == HEAD
        database.close()
    postgresql.drop(name)


def test_an_older_database_is_upgraded_at_the_start(database: Database) -> None:
    def as_it_was(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        connection.execute(text("INSERT INTO definition_texts VALUES ('h', 'kept')"))

    database.write(as_it_was).result()
    assert database.read(find_revision).result() == "0002"
    prepare(database)
    assert database.read(find_revision).result() == HEAD
    kept = database.read(lambda connection: connection.execute(select(definition_texts.c.text)).scalar())
    assert kept.result() == "kept"


def test_tasks_of_an_older_database_get_their_project(database: Database) -> None:
    def as_it_was(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0010")
        for number, project in enumerate(("web", "storage")):
            rows = execution(f"e{number}", project_id=project)
            row = {name: value for name, value in (rows.workflow or {}).items() if name != "caller"}
            connection.execute(insert(workflow_executions), [row])
            old = {name: value for name, value in rows.new_tasks[0].items() if name != "project_id"}
            connection.execute(insert(task_executions), [old])

    database.write(as_it_was).result()
    prepare(database)
    project = select(task_executions.c.project_id).order_by(task_executions.c.id)
    found = database.read(lambda connection: connection.execute(project).scalars().all()).result()
    assert found == ["web", "storage"]


def test_durability_settings(tmp_path: Path) -> None:
    """Every connection writes ahead and waits for the disk."""
    database = Database(f"sqlite:///{tmp_path}/x.db")

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
def test_databases_that_are_none_of_ours(database: Database, statement: str, words: str) -> None:
    """A newer schema, or somebody else's tables, are refused."""
    prepare(database)

    def change(connection: Connection) -> None:
        connection.execute(text(statement))

    database.write(change).result()
    with pytest.raises(DatabaseError, match=words):
        prepare(database)


def test_one_bad_unit_fails_alone(database: Database) -> None:
    """Units that share a commit do not share a failure."""
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
