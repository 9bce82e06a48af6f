"""Databases for tests: each test that asks for one runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from postgresql import PostgresqlServer

KINDS = ("sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql))
FIXTURES = ("database_url", "module_database_url")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of a costly module, which says so by `ON_POSTGRESQL`, only that many tests run there every time.

    They are spread evenly over the module. All of them run with `-m slow`, or `-m postgresql`.
    """
    found: dict[str, list[pytest.Function]] = {}
    for item in items:
        if isinstance(item, pytest.Function) and kind_of(item) == "postgresql":
            found.setdefault(str(item.path), []).append(item)
    for functions in found.values():
        wanted = getattr(functions[0].module, "ON_POSTGRESQL", len(functions))
        for number, item in enumerate(functions):
            if (number * wanted) // len(functions) == ((number + 1) * wanted) // len(functions):
                item.add_marker(pytest.mark.slow)


def kind_of(item: pytest.Function) -> str | None:
    """The kind of database on which a test runs, None if it has not asked for any."""
    chosen = item.callspec.params if hasattr(item, "callspec") else {}
    return next((str(chosen[name]) for name in FIXTURES if name in chosen), None)


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresqlServer]:
    """The PostgreSQL of this process of the test run."""
    with PostgresqlServer(tmp_path_factory.mktemp("postgresql")) as server:
        yield server


@pytest.fixture
def lent_name(postgresql: PostgresqlServer) -> Iterator[str]:
    """A database with all tables on the PostgreSQL, for what is about that alone."""
    name = postgresql.lend()
    yield name
    postgresql.take_back(name)


@pytest.fixture
def lent_url(postgresql: PostgresqlServer, lent_name: str) -> str:
    """The same, by its URL."""
    return postgresql.url(lent_name)


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of its own for the test, without anything in it."""
    yield from _databases(request, tmp_path)


@pytest.fixture(params=KINDS)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The same, and without any table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/empty.db"
        return
    server: PostgresqlServer = request.getfixturevalue("postgresql")
    name = server.create()
    yield server.url(name)
    server.drop(name)


@pytest.fixture(params=KINDS, scope="module")
def module_database_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A database that the tests of one module share."""
    yield from _databases(request, tmp_path_factory.mktemp("database"))


def _databases(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{folder}/maestrale.db"
        return
    server: PostgresqlServer = request.getfixturevalue("postgresql")
    name = server.lend()
    yield server.url(name)
    server.take_back(name)
