"""Whether the service is alive, and whether it is ready."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from api_service import Api, serving
from callers import callers
from sqlalchemy import Connection, text

from maestrale.services import health
from maestrale.store.schema import HEAD

pytest_plugins = ["api_fixtures"]


def test_all_is_well(api: Api) -> None:
    assert api.get("/health") == {"status": "UP"}
    up = {"status": "UP"}
    checks = {"database": up, "schema": up, "writer": up, "engine": up}
    assert api.get("/ready") == {"status": "UP", "checks": checks}
    answer = api("GET", "/healthcheck")
    assert (answer.status_code, answer.text) == (200, "")
    assert answer.headers["content-type"].startswith("text/plain")


def test_nobody_needs_a_token_for_it(tmp_path: Path) -> None:
    with callers(f"sqlite:///{tmp_path}/maestrale.db", tmp_path) as people:
        for path in ("/health", "/healthcheck", "/ready"):
            assert people.stranger("GET", path).status_code == 200


def run(connection: Connection, statement: str) -> None:
    connection.execute(text(statement))


def down(api: Api) -> dict[str, str]:
    """What is wrong, by part."""
    answer = api("GET", "/ready")
    assert answer.status_code == 503
    assert answer.json()["status"] == "DOWN"
    return {name: check["text"] for name, check in answer.json()["checks"].items() if "text" in check}


def test_the_schema_is_another_one(database_url: str) -> None:
    with serving(database_url) as api:
        database = api.service.database
        change = "UPDATE alembic_version SET version_num = "
        database.write(run, f"{change}'9999'").result()
        assert list(down(api)) == ["schema"]
        database.write(run, f"{change}'{HEAD}'").result()
        assert api.get("/ready")["status"] == "UP"


def test_the_database_refuses(tmp_path: Path) -> None:
    with serving(f"sqlite:///{tmp_path}/maestrale.db") as api:
        api.service.database.write(run, "ALTER TABLE alembic_version RENAME TO other").result()
        assert "no such table" in down(api)["database"]
        assert api.get("/health") == {"status": "UP"}


def test_the_writer_is_stuck_and_the_database_silent(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "LONGEST_COMMIT", 0.0)
    monkeypatch.setattr(health, "PATIENCE", 0.05)
    with serving(database_url) as api:
        database, begun, go_on = api.service.database, threading.Event(), threading.Event()

        def hold(_connection: Connection) -> None:
            begun.set()
            go_on.wait(20)

        held: list[Any] = [database.write(hold), *(database.read(hold) for _ in range(4))]
        try:
            begun.wait(20)
            found = down(api)
            assert set(found) == {"database", "schema", "writer"}
            assert "has not answered" in found["database"]
            assert down(api) == found
        finally:
            go_on.set()
        for future in held:
            future.result()
        api.until(lambda: api("GET", "/ready").status_code == 200, "it to be ready again")


def test_the_engine_has_stopped(tmp_path: Path) -> None:
    with serving(f"sqlite:///{tmp_path}/maestrale.db") as api:
        api.service.let_go()
        assert down(api) == {"engine": "The service is stopping"}
        api.service.watching.is_closed = False
        api.service.engine.loop.end()
        assert down(api) == {"engine": "It does not run"}
