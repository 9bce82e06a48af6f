"""Bringing a database to the schema of this version: quickly when it is new or up to date."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError

from maestrale.store.database import Database
from maestrale.store.dialect import DatabaseError
from maestrale.store.tables import for_postgresql, metadata

HEAD: Final = "0013"
"""The newest revision in migrations/versions."""

MIGRATIONS: Final = Path(__file__).parent / "migrations"


def prepare(database: Database) -> None:
    """Create or upgrade the tables; processes that do it at the same time wait for each other.

    Raises `DatabaseError` for a database from a newer version or of another program, or whose user may not
    create tables.
    """
    revision = database.read(find_revision).result()
    check_revision(database, revision)
    if revision == HEAD:
        return
    try:
        database.write(_create_or_upgrade, database).result()
    except DBAPIError as error:
        reason = str(error.orig).splitlines()[0]
        raise DatabaseError(
            f"The tables of {database.dialect.name} cannot be made or changed: {reason}",
            "the user of the database must be allowed to create tables in its first schema, and own them",
        ) from error


def check_revision(database: Database, revision: str | None) -> None:
    """Refuse a revision that this version does not know. Raises `DatabaseError`."""
    if revision in (None, HEAD):
        return
    known = {path.name.split("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py")}
    if revision not in known:
        raise DatabaseError(
            f"The database {database.dialect.name} has the schema revision '{revision}',"
            f" which this version does not know; its own is {HEAD}",
            "a newer version has used this database: install that one, or take a backup from before",
        )


def find_revision(connection: Connection) -> str | None:
    """The schema revision of a database, None if it is empty. Raises `DatabaseError` for foreign tables."""
    names = inspect(connection).get_table_names()
    if "alembic_version" in names:
        return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one())
    if names:
        raise DatabaseError("The database holds tables of another program", "name an empty or new database")
    return None


def is_current(connection: Connection) -> bool:
    """Whether a database that was prepared still has the schema of this version; one short query."""
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == HEAD


def upgrade(connection: Connection) -> None:
    """Run the migrations that are missing, all of them in an empty database."""
    from alembic import command  # its import costs 0.25 s, and most starts do not need it
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _create_or_upgrade(connection: Connection, database: Database) -> None:
    database.dialect.begin_migration(connection)
    revision = find_revision(connection)
    if revision is None:
        _create(connection)
        return
    check_revision(database, revision)
    if revision != HEAD:
        upgrade(connection)


def _create(connection: Connection) -> None:
    """What all migrations together make, in a moment."""
    tables = for_postgresql() if connection.dialect.name == "postgresql" else metadata
    tables.create_all(connection)
    connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD})
