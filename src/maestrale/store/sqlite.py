"""SQLite: one file, one process."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import sqlalchemy
from sqlalchemy import URL, Connection, Engine, event
from sqlalchemy.exc import DBAPIError

from maestrale.store.dialect import DatabaseError

SECONDS_FOR_A_LOCK: Final = 30

STEPS_BETWEEN_LOOKS: Final = 100_000
"""Of SQLite's machine, some milliseconds: each look at the clock needs the interpreter for a moment."""


class Sqlite:
    """The dialect of a database file."""

    def __init__(self, url: URL) -> None:
        if not url.database or url.database == ":memory:":
            raise DatabaseError(
                f"The database URL '{url.render_as_string()}' names no file",
                "write for example sqlite:////absolute/path.db",
            )
        self.file: Path | None = Path(url.database).absolute()
        self.name = str(self.file)
        self._url = url

    def engines(self, readers: int) -> tuple[Engine, Engine]:
        """One pool for all."""
        engine = sqlalchemy.create_engine(
            self._url,
            pool_size=readers + 1,
            max_overflow=2,
            connect_args={"timeout": SECONDS_FOR_A_LOCK, "check_same_thread": False},
        )
        configure_sqlite(engine)
        return engine, engine

    @contextmanager
    def limited(self, connection: Connection, seconds: float) -> Iterator[None]:
        """SQLite looks at the clock itself."""
        driver: Any = connection.connection.driver_connection
        end = time.monotonic() + seconds
        driver.set_progress_handler(lambda: time.monotonic() > end, STEPS_BETWEEN_LOOKS)
        try:
            yield
        finally:
            driver.set_progress_handler(None, 0)

    def is_over(self, error: DBAPIError) -> bool:
        """Nothing else interrupts a statement."""
        return getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT

    def explain(self, error: DBAPIError) -> DatabaseError:
        """Why the file could not be opened."""
        return DatabaseError(
            f"The database {self.name} cannot be opened: {error.orig}",
            "is it a SQLite file, and may you write it and its folder?",
        )

    def begin_migration(self, connection: Connection) -> None:
        """Nothing to do: the lock file keeps others out."""

    def version(self, connection: Connection) -> str:
        """The version of the library."""
        return f"SQLite {connection.exec_driver_sql('SELECT sqlite_version()').scalar_one()}"

    def size(self, connection: Connection) -> int:
        """Bytes of the file."""
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        return int(pages * connection.exec_driver_sql("PRAGMA page_size").scalar_one())

    def back_up(self, target: Path) -> None:
        """Copy the committed state into a new file, also while a server works on it, and check the copy.

        Raises `DatabaseError`; then there is no copy.
        """
        assert self.file is not None
        if not self.file.is_file():
            raise DatabaseError(f"There is no database {self.file}", "name it with --database")
        try:
            target.touch(mode=0o600, exist_ok=False)
        except FileExistsError:
            raise DatabaseError(f"{target} exists already", "name a new file") from None
        except OSError as error:
            raise DatabaseError(f"{target} cannot be written: {error.strerror}") from None
        try:
            _copy(self.file, target)
        except BaseException:
            target.unlink()
            raise


def _copy(file: Path, target: Path) -> None:
    source = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=SECONDS_FOR_A_LOCK)
    copy = sqlite3.connect(target)
    try:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, nothing beside it
        (found,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.Error as error:
        raise DatabaseError(f"The database {file} cannot be copied: {error}") from None
    finally:
        copy.close()
        source.close()
    if found != "ok":
        raise DatabaseError(f"The copy of {file} is damaged: {found}", "is the database itself?")


def configure_sqlite(engine: Engine) -> None:
    """Durable, with readers beside the writer, and transactions that begin when we say so."""

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we begin transactions ourselves, see below
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=OFF")
        cursor.execute("PRAGMA cache_size=-32768")
        cursor.execute("PRAGMA temp_store=MEMORY")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        execute(connection, "BEGIN")


def execute(connection: Connection, text: str, rows: Sequence[Mapping[str, Any]] | None = None) -> int:
    """Run a statement, once or for each row of values, as the driver alone does it; how many rows it found.

    SQLAlchemy's way to the driver costs as much as the statement itself. Raises `DBAPIError` as that does.
    """
    driver: Any = connection.connection.driver_connection
    try:
        cursor = driver.execute(text) if rows is None else driver.executemany(text, rows)
    except sqlite3.Error as error:
        raise DBAPIError.instance(text, None, error, sqlite3.Error, dialect=connection.dialect) from error
    return int(cursor.rowcount)
