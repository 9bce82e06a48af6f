"""Bringing a database to the schema of this version: quickly when it is new or up to date."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, text

from maestrale.store.database import Database, DatabaseError
from maestrale.store.tables import metadata

HEAD: Final = "0002"
"""The newest revision in migrations/versions."""

MIGRATIONS: Final = Path(__file__).parent / "migrations"


def prepare(database: Database) -> None:
    """Create or upgrade the tables. Raises `DatabaseError` for a database from a newer version."""
    revision = database.write(_revision_or_create).result()
    if revision == HEAD:
        return
    known = {path.name.split("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py")}
    if revision not in known:
        raise DatabaseError(
            f"The database {database.path} has the unknown schema revision '{revision}'",
            "it was made by a newer version, or by another program",
        )
    upgrade(database)


def upgrade(database: Database) -> None:
    """Run the migrations that are missing."""
    from alembic import command  # its import costs 0.25 s, and most starts do not need it
    from alembic.config import Config

    def run(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    database.write(run).result()


def _revision_or_create(connection: Connection) -> str:
    names = inspect(connection).get_table_names()
    if "alembic_version" in names:
        return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one())
    if names:
        raise DatabaseError("The database holds tables of another program", "name an empty or new database")
    metadata.create_all(connection)
    connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD})
    return HEAD
