"""Plays every case against a real server on SQLite, and against an API with three engines on PostgreSQL.

Secrets that were planted before are then nowhere in clear.

What is not built yet stands in `not_yet.yaml`, with the reason. A listed case must fail: one that
passes has to be taken off the list.
"""

from __future__ import annotations

import argparse
import concurrent.futures
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import canaries
import pytest
import yaml

import run as kit
from databases import kind_of
from maestrale.store.keyring import make_key_file
from postgresql import PostgresqlServer
from processes.fleet import Fleet
from processes.server import Server

HERE = Path(__file__).parent
CASES = sorted((HERE / "cases").rglob("*.yaml"))
ON_POSTGRESQL = 100
NOT_YET: dict[str, str] = yaml.safe_load((HERE / "not_yet.yaml").read_text())
JOBS = 24

Verdicts = dict[str, tuple[str, list[str]]]


@pytest.fixture(scope="module")
def verdicts(
    request: pytest.FixtureRequest, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Verdicts:
    """Play the chosen cases, many at a time because most of the time they wait."""
    kind = "sqlite" if module_database_url.startswith("sqlite") else "postgresql"
    chosen = _chosen(request.session.items, kind)
    folder = tmp_path_factory.mktemp("conformance")
    with _served(request, kind, module_database_url, folder) as base_url:
        options = argparse.Namespace(
            base_url=base_url, header=[], record=False, reference=False, timeout_scale=2.0, keep=False
        )
        receiver = kit.TestServer("127.0.0.1")
        loaded = [(path, yaml.safe_load(path.read_text())) for path in CASES if path in chosen]
        found: Verdicts = {}
        canaries.plant(base_url)
        for jobs, exclusive in ((JOBS, False), (1, True)):
            batch = [(path, case) for path, case in loaded if bool(case.get("exclusive")) is exclusive]
            with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
                runs = [pool.submit(kit.run_case, path, case, options, receiver) for path, case in batch]
                for run in runs:
                    path, _, verdict, problems, _ = run.result()
                    found[_key(path)] = (verdict, problems)
        canaries.listen(base_url)
        receiver.shutdown()
    canaries.listen_to_what_is_left(folder, module_database_url)
    return found


@contextmanager
def _served(request: pytest.FixtureRequest, kind: str, database_url: str, folder: Path) -> Iterator[str]:
    key_file = folder / "keys"
    make_key_file(key_file)
    settings = {
        "MAESTRALE_API_ALLOW_ACTION_EXECUTION_DELETION": "true",
        "MAESTRALE_SECURITY_KEY_FILE": str(key_file),
        "MAESTRALE_LOG_LEVEL": "DEBUG",
    }
    if kind == "sqlite":
        with Server(folder / "server", database_url, **settings) as server:
            yield server.url
        return
    postgresql: PostgresqlServer = request.getfixturevalue("postgresql")
    name = database_url.rpartition("/")[2]
    with Fleet(folder, postgresql, name, engines=3, apis=1, clocks_jump=False, **settings) as fleet:
        yield fleet.apis[0].url


def _chosen(items: list[pytest.Item], kind: str) -> set[Path]:
    """The cases that this run of the tests asks of that kind of database."""
    asked = [item for item in items if isinstance(item, pytest.Function) and kind_of(item) == kind]
    return {Path(str(item.callspec.params["path"])) for item in asked if item.function is test_case}


def _key(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@pytest.mark.parametrize("path", CASES, ids=_key)
def test_case(path: Path, verdicts: Verdicts) -> None:
    """One case behaves as recorded."""
    verdict, problems = verdicts[_key(path)]
    reason: Any = NOT_YET.get(_key(path))
    if reason is not None:
        assert verdict != "passed", f"passes now: take {_key(path)} off not_yet.yaml"
        pytest.xfail(reason)
    if verdict == "skipped":
        pytest.skip(problems[0])
    assert not problems, "\n".join(problems)


def test_list_names_cases() -> None:
    """The list of what is not built yet names only cases that exist."""
    assert set(NOT_YET) <= {_key(path) for path in CASES}
