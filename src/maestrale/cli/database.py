"""`database`: look after the database of a service."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from maestrale.cli.local_options import config_option, database_option, load_settings
from maestrale.cli.output import size_text
from maestrale.config import database_url as url_of
from maestrale.config import timeouts
from maestrale.store.database import Database, dialect_of
from maestrale.store.dialect import DatabaseError
from maestrale.store.opening import open_database
from maestrale.store.schema import HEAD, check_revision, find_revision
from maestrale.store.sqlite import Sqlite


@click.group("database")
def database() -> None:
    """Look after the database of the service."""


@database.command("check")
@click.option("-f", "--format", "form", type=click.Choice(["text", "json"]), default="text")
@database_option
@config_option
def check(form: str, database_url: str | None, config_file: Path | None) -> None:
    """Say what is at the database URL, and whether it has to be upgraded.

    Exits with 0 if a server can use it as it is, else with 1.
    """
    settings = load_settings({("database", "url"): database_url}, config_file)
    with _opened(url_of(settings), timeouts=timeouts(settings)) as found:
        revision = found.read(find_revision).result()
        check_revision(found, revision)
        facts: dict[str, Any] = {
            "database": found.dialect.name,
            "program": found.read(found.dialect.version).result(),
            "schema": revision,
            "newest_schema": HEAD,
            "size": found.read(found.dialect.size).result(),
        }
    if form == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(facts), indent=4).decode())
    else:
        facts |= {"schema": _state(revision), "size": size_text(facts["size"])}
        for name in ("database", "program", "schema", "size"):
            click.echo(f"{name:<10}{facts[name]}")
    sys.exit(0 if revision == HEAD else 1)


@database.command("upgrade")
@database_option
@config_option
def upgrade(database_url: str | None, config_file: Path | None) -> None:
    """Bring the tables to the schema of this version, or make them in an empty database.

    A server does the same when it starts. Take a backup first: there is no way back.
    """
    settings = load_settings({("database", "url"): database_url}, config_file)
    opened, lock = open_database(url_of(settings), timeouts(settings))
    opened.close()
    if lock is not None:
        lock.release()
    click.echo(f"The database {opened.dialect.name} has the schema {HEAD}, the newest.")


@database.command("backup")
@click.argument("file", type=click.Path(path_type=Path))
@database_option
@config_option
def backup(file: Path, database_url: str | None, config_file: Path | None) -> None:
    """Copy a SQLite database into a new FILE, also while a server works on it, and check the copy."""
    dialect = dialect_of(url_of(load_settings({("database", "url"): database_url}, config_file)))
    if not isinstance(dialect, Sqlite):
        raise DatabaseError(
            f"{dialect.name} is no SQLite file",
            "for PostgreSQL use its own tools: pg_dump --format=custom --file=FILE DATABASE",
        )
    dialect.back_up(file)
    click.echo(f"The database {dialect.name} was copied to {file} ({size_text(file.stat().st_size)}).")


@contextlib.contextmanager
def _opened(url: str, **options: Any) -> Iterator[Database]:
    """A database that is there: a look at a file must not make one."""
    file = dialect_of(url).file
    if file is not None and not file.is_file():
        raise DatabaseError(f"There is no database {file}", "name it with --database; a server makes it")
    opened = Database(url, **options)
    try:
        yield opened
    finally:
        opened.close()


def _state(revision: str | None) -> str:
    if revision is None:
        return "none: the database is empty, `maestrale database upgrade` makes the tables"
    if revision != HEAD:
        return f"{revision}, the newest is {HEAD}: `maestrale database upgrade`"
    return f"{revision} (the newest)"
