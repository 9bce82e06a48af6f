"""PostgreSQL, by way of psycopg 3 (whose import is left to the moment when such a database is opened)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import sqlalchemy
from sqlalchemy import URL, Connection, Engine, event
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.pool import NullPool

from maestrale.model.timeouts import Timeouts
from maestrale.store.dialect import DatabaseError

DRIVERS: Final = frozenset({"postgresql", "postgres", "postgresql+psycopg"})
OLDEST: Final = 14
"""The oldest major version that can be used."""

MIGRATION: Final = 0x6D6165_0001
"""The advisory lock of whoever changes the schema."""

_DEAD_AFTER: Final = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
"""TCP says after a minute, on both sides, that nobody is there any more (its own default is hours)."""

_AGAIN: Final = frozenset({"40001", "40P01"})
"""serialization_failure, deadlock_detected: what two transactions did to each other."""

_REFUSING_CLASSES: Final = ("08", "53", "57", "58")
"""Connections, resources (disk, memory, connections), operators (shutdown, time-outs), the system."""

_REFUSING: Final = _AGAIN | {"25006", "25P03", "55P03", "55006"}
"""Read-only (a standby), idle for too long, a lock that was not to be had, an object in use."""

_GROWING: Final = ("mdextend", "mdzeroextend")
"""Functions of the server that give a file more room."""

_ENDS_CONNECTION: Final = frozenset({"25006", "25P03", "57P01", "57P02", "57P03", "57P05"})
"""After these it takes another connection, and after a failover that leads to another server."""

_UNFIT_CLASSES: Final = ("22", "54")
"""Values that do not fit: a NUL in a text, a number out of range, a key that is too long for an index."""

_HINTS: Final = (
    ("too many connections", "raise max_connections of the server, or let fewer programs connect"),
    ("too many clients", "raise max_connections of the server, or let fewer programs connect"),
    ("connection slots", "raise max_connections of the server, or let fewer programs connect"),
    ("read-only", "this server is a standby: name the primary"),
    ("pg_hba.conf", "the server's pg_hba.conf must let this user in from this machine"),
    ("password", "give user and password: postgresql://USER:PASSWORD@HOST/DATABASE"),
    ("database", "the database must exist: CREATE DATABASE name OWNER user ENCODING 'UTF8'"),
    ("role", "the user must exist: CREATE ROLE name LOGIN PASSWORD '...'"),
)
"""What the server says, and what to do about it; the first that fits counts."""


class Postgresql:
    """The dialect of a database on a server."""

    file: Path | None = None

    def __init__(self, url: URL, timeouts: Timeouts) -> None:
        self._url = url.set(drivername="postgresql+psycopg")
        self._timeouts = timeouts
        self.name = _name(url)

    def engines(self, readers: int) -> tuple[Engine, Engine]:
        """Readers see one state of the database for the whole of a unit, as they do on SQLite."""
        reading = self._engine(pool_size=readers, max_overflow=0)
        writing = self._engine(poolclass=NullPool)

        @event.listens_for(reading, "connect")
        def _read_only(connection: Any, _record: Any) -> None:
            from psycopg import IsolationLevel

            connection.isolation_level = IsolationLevel.REPEATABLE_READ
            connection.read_only = True

        return reading, writing

    def _engine(self, **options: Any) -> Engine:
        given = self._url.query
        connection: dict[str, Any] = {
            "connect_timeout": 10,
            "application_name": "maestrale",
            "target_session_attrs": "read-write",
            **_DEAD_AFTER,
        }
        connection = {name: value for name, value in connection.items() if name not in given}
        connection["options"] = " ".join([*_texts(given.get("options")), *self._options()])
        engine = sqlalchemy.create_engine(self._url, connect_args=connection, **options)
        event.listen(engine, "do_connect", self._open)
        event.listen(engine, "handle_error", _note_lost_connection)
        return engine

    def _open(self, _dialect: Any, _record: Any, given: list[Any], named: dict[str, Any]) -> Any:
        """Connect. Raises `DatabaseError` for old servers, and for databases whose texts are not Unicode."""
        import psycopg

        connection = psycopg.connect(*given, **named)
        info = connection.info
        try:
            if info.server_version < OLDEST * 10_000:
                raise DatabaseError(
                    f"{self.name} runs on PostgreSQL {info.server_version // 10_000}, which is too old",
                    f"it takes PostgreSQL {OLDEST} or newer",
                )
            encoding = info.parameter_status("server_encoding")
            if encoding != "UTF8":
                raise DatabaseError(
                    f"The database {self.name} has the encoding {encoding}",
                    "make one for all texts: CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0",
                )
        except BaseException:
            connection.close()
            raise
        return connection

    def _options(self) -> list[str]:
        """Settings of every session. The planner's compiler costs more than statements of ours take."""
        waits = self._timeouts
        milliseconds = {
            "lock_timeout": waits.lock,
            "statement_timeout": waits.statement,
            "idle_in_transaction_session_timeout": waits.idle_in_transaction,
        }
        settings = {name: str(round(seconds * 1000)) for name, seconds in milliseconds.items()}
        settings |= {f"tcp_{name}": str(value) for name, value in _DEAD_AFTER.items()}
        settings |= {"jit": "off"}
        return [f"-c {name}={value}" for name, value in settings.items()]

    @contextmanager
    def limited(self, connection: Connection, seconds: float) -> Iterator[None]:
        """Until the end of the transaction; a plan for any values would not know which are rare."""
        wait = round(seconds * 1000)
        connection.exec_driver_sql(
            f"SET LOCAL statement_timeout = {wait}; SET LOCAL plan_cache_mode = force_custom_plan"
        )
        yield

    def is_over(self, error: DBAPIError) -> bool:
        """query_canceled: by the server, or by an administrator."""
        return _state(error) == "57014"

    def explain(self, error: DBAPIError) -> DatabaseError:
        """Why there is no connection, in the words of the server, with what to do about it."""
        words = " ".join(str(error.orig).split())
        hint = next((hint for word, hint in _HINTS if word in words.rpartition("FATAL:")[2]), None)
        return DatabaseError(
            f"The database {self.name} cannot be used: {words}",
            hint or "is the server running, and are host and port right?",
        )

    def begin_migration(self, connection: Connection) -> None:
        """Wait for others who do the same, however long they take."""
        connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATION})")

    def version(self, connection: Connection) -> str:
        """The version of the server."""
        return f"PostgreSQL {_session(connection).parameter_status('server_version')}"

    def size(self, connection: Connection) -> int:
        """Bytes of the whole database."""
        return int(connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one())


def is_refusal(error: DBAPIError) -> bool:
    """Whether the database refused, whatever it was asked: the same may succeed later."""
    state = _state(error)
    if state is None:
        return is_lost(error)
    return state.startswith(_REFUSING_CLASSES) or state in _REFUSING or _cannot_grow(error)


def _cannot_grow(error: DBAPIError) -> bool:
    """A quota or a limit of the file system, which the server takes for an error of its own."""
    diagnosis = getattr(error.orig, "diag", None)
    return getattr(diagnosis, "source_function", None) in _GROWING


def is_lost(error: DBAPIError) -> bool:
    """Whether there is no connection, or none any more."""
    state = _state(error)
    if error.connection_invalidated:
        return True
    if state is None:
        return isinstance(error, OperationalError | InterfaceError)
    return state.startswith("08") or state in _ENDS_CONNECTION


def is_transient(error: DBAPIError) -> bool:
    """Whether the same transaction may succeed at once."""
    return _state(error) in _AGAIN


def is_unfit(error: DBAPIError) -> bool:
    """Whether a value is one that PostgreSQL cannot hold."""
    state = _state(error)
    if state is None:
        return isinstance(error, sqlalchemy.exc.DataError)
    return state.startswith(_UNFIT_CLASSES)


def unfit_reason(error: DBAPIError) -> str:
    """Why PostgreSQL cannot hold a value."""
    if _state(error) == "22P05":
        return "texts of PostgreSQL have no NUL characters"
    return str(error.orig).splitlines()[0]


def ends_connection(error: BaseException) -> bool:
    """Whether an error of the driver leaves no connection, or one that is of no use."""
    return getattr(error, "sqlstate", None) in _ENDS_CONNECTION


def _state(error: DBAPIError) -> str | None:
    """SQLSTATE; None if the error was found on this side."""
    state: str | None = getattr(error.orig, "sqlstate", None)
    return state


def _note_lost_connection(context: Any) -> None:
    """Not only a connection that is closed is lost, but also one that leads to a server without a say, and
    one that the driver itself calls useless (a statement that nobody waits for is under way)."""
    import psycopg

    error = context.original_exception
    is_of_the_driver = isinstance(error, psycopg.OperationalError) and error.sqlstate is None
    if is_of_the_driver or ends_connection(error):
        context.is_disconnect = True


def _session(connection: Connection) -> Any:
    return connection.connection.driver_connection.info  # type: ignore[union-attr]


def _texts(given: str | tuple[str, ...] | None) -> tuple[str, ...]:
    if given is None:
        return ()
    return (given,) if isinstance(given, str) else given


def _name(url: URL) -> str:
    """The database without its password and options."""
    host = url.host or ",".join(_texts(url.query.get("host"))) or "localhost"
    user = f"{url.username}@" if url.username else ""
    port = f":{url.port}" if url.port else ""
    return f"postgresql://{user}{host}{port}/{url.database or ''}"
