"""`keys`: look after the keys that protect credentials in the database."""

from __future__ import annotations

from pathlib import Path

import click

from maestrale.cli.local_options import config_option, database_option, load_settings
from maestrale.config import database_url as url_of
from maestrale.config import key_file, timeouts
from maestrale.store import security_contexts
from maestrale.store.database import Database, dialect_of
from maestrale.store.dialect import DatabaseError
from maestrale.store.keyring import Keyring, KeyringError, add_key, drop_old_keys, make_key_file
from maestrale.store.sealing import is_needed
from maestrale.store.security_contexts import Kept


@click.group("keys")
def keys() -> None:
    """Look after the keys that protect credentials in the database."""


@keys.command("new")
@click.argument("file", type=click.Path(path_type=Path))
def new(file: Path) -> None:
    """Make a FILE with a new key, for the setting security.key_file. Only its owner may read it."""
    if file.exists():
        raise KeyringError(f"There is a file {file} already", "`maestrale keys rotate` adds a key to it")
    make_key_file(file)
    click.echo(f"The key file {file} was made. Keep a copy in a safe place.")


@keys.command("rotate")
@database_option
@config_option
def rotate(database_url: str | None, config_file: Path | None) -> None:
    """Add a new key to the key file, and protect with it what is stored.

    Servers may go on: they read the file again. The key before stays in the file until the next rotation, and
    longer while environments or executions have secrets that were stored with it.
    Where the keys are a setting (security.keys), put a new one first, restart all servers, and then run this.
    """
    settings = load_settings({("database", "url"): database_url}, config_file)
    dialect = dialect_of(url_of(settings))
    if dialect.file is not None and not dialect.file.is_file():
        raise DatabaseError(
            f"There is no database {dialect.file}", "name it with --database; a server makes it"
        )
    file = key_file(settings, dialect.file)
    if file is not None:
        add_key(file)
    keyring = Keyring(settings.security.keys) if file is None else Keyring(file=file)
    database = Database(url_of(settings), timeouts=timeouts(settings))
    try:
        count = _seal_anew(database, keyring)
        dropped = 0
        if file is not None:
            dropped = drop_old_keys(file, lambda key_id: database.read(is_needed, key_id).result())
    finally:
        database.close()
    click.echo(
        f"Protected anew, with the key {keyring.newest}: {count}."
        + (f" Old keys dropped: {dropped}." if dropped else "")
    )


def _seal_anew(database: Database, keyring: Keyring) -> int:
    """Seal with the newest key what is sealed with others; how much that was."""
    count, after = 0, ""
    newest = keyring.newest
    while found := database.read(security_contexts.sealed_otherwise, newest, after).result():
        for kept in found:
            _seal(database, keyring, kept)
        count, after = count + len(found), found[-1].id
    return count


def _seal(database: Database, keyring: Keyring, kept: Kept) -> None:
    assert kept.key_id is not None
    assert kept.sealed is not None
    plain = keyring.open(kept.key_id, kept.sealed, kept.id)
    key_id, sealed = keyring.seal(plain, kept.id)
    database.write(security_contexts.reseal, kept, key_id, sealed).result()
