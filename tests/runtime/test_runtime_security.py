"""In whose name work is done, on both databases and without a cloud."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from click.testing import CliRunner
from service import PATIENCE, PROJECT, Row, World
from sqlalchemy import update

from maestrale.actions.base import ActionContext, action
from maestrale.cli.keys import keys
from maestrale.config import SecuritySettings
from maestrale.engine.events import RestartRequested
from maestrale.model.errors import BadRequest, InvalidInput, MaestraleError
from maestrale.model.security import SecurityContext
from maestrale.store.keyring import make_key_file
from maestrale.store.tables import security_contexts

ON_POSTGRESQL: Final = 5
TOKEN: Final = "a-token-that-is-nowhere"
HELD: Final = """
version: '2.0'
held:
  tasks:
    hold: {action: std.async_noop, on-success: [ask]}
    ask: {action: tests.whose}
  output: {whose: <% task(ask).result %>, known: <% $.openstack.user_id %>}
"""


@action("tests.whose")
async def whose(context: ActionContext) -> Any:
    """In whose name it runs, and whether it has the token."""
    security = context.security
    if security is None or security.auth_token is None:
        return None
    return [security.user_id, security.auth_token == TOKEN]


@action("tests.careless", acts_for_caller=False)
async def careless(context: ActionContext) -> Any:
    """It does not want to know."""
    return context.security and context.security.auth_token


def somebody(user: str = "ada", project: str = PROJECT, hours: float = 1.0) -> SecurityContext:
    """A caller whose token ends after so many hours."""
    ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=hours)
    return SecurityContext(
        project_id=project, user_id=user, user_name=user, auth_token=TOKEN, expires_at=ends.isoformat()
    )


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    make_key_file(path)
    return path


@pytest.fixture
def world(database_url: str, key_file: Path) -> Iterator[World]:
    security = SecuritySettings(key_file=str(key_file))
    with World(database_url, actions=[whose, careless], security=security) as running:
        running.define(HELD)
        yield running


def begin(world: World, caller: SecurityContext, **started: Any) -> str:
    """Start `held` in somebody's name; its id."""
    request = msgspec.structs.replace(world.request("held", **started), security=caller)
    return world.engine.start_workflow(request).result(PATIENCE).execution_id


def go_on(world: World, execution_id: str) -> Row:
    """Complete the action that holds an execution, and wait for the end."""

    def held() -> list[Row]:
        return [row for row in world.actions(execution_id) if row["state"] == "RUNNING"]

    world.complete(world.until(held)[-1]["id"])
    world.end(execution_id)
    return world.execution(execution_id)


def kept(world: World) -> list[Row]:
    return world.rows(security_contexts)


def until_nothing_is_kept(world: World) -> None:
    world.until(lambda: not kept(world), "everything to be forgotten")


@pytest.mark.covers("expr.openstack_ctx")
def test_an_action_acts_for_who_started_the_execution(world: World) -> None:
    execution_id = begin(world, somebody())
    (row,) = kept(world)
    assert (row["id"], row["kind"], row["user_id"], row["trust_id"]) == (
        execution_id,
        "execution",
        "ada",
        None,
    )
    assert TOKEN.encode() not in row["sealed"]
    assert go_on(world, execution_id)["output"] == {"whose": ["ada", True], "known": "ada"}
    until_nothing_is_kept(world)


@pytest.mark.covers("expr.openstack_ctx")
def test_without_a_caller_nobody_is_acted_for(world: World) -> None:
    execution_id = world.start("held")
    assert kept(world) == []
    ended = go_on(world, execution_id)
    assert ended["state"] == "ERROR"
    assert "openstack" in ended["state_info"], "there is no such variable"
    (row,) = [one for one in world.actions(execution_id) if one["name"] == "tests.whose"]
    assert row["output"] is None


def test_a_token_that_has_ended(world: World) -> None:
    execution_id = begin(world, somebody(hours=0.001))
    ended = go_on(world, execution_id)
    assert ended["state"] == "ERROR"
    assert "The token of the user 'ada' has ended" in ended["state_info"]


def test_who_does_not_want_to_know_runs_with_a_token_that_has_ended(world: World) -> None:
    world.define("version: '2.0'\ncareless:\n  tasks: {t: {action: tests.careless}}\n")
    request = msgspec.structs.replace(world.request("careless"), security=somebody(hours=-1))
    started = world.engine.start_workflow(request).result(PATIENCE)
    assert world.end(started.execution_id)["state"] == "SUCCESS"


def test_a_start_that_is_refused_keeps_nothing(world: World) -> None:
    with pytest.raises(InvalidInput):
        begin(world, somebody(), input={"unknown": 1})
    assert kept(world) == []


def test_an_id_that_is_taken_keeps_what_belongs_to_it(world: World) -> None:
    execution_id = begin(world, somebody())
    request = msgspec.structs.replace(world.request("held", execution_id), security=somebody("bob"))
    assert world.engine.start_workflow(request).result(PATIENCE).created is False
    assert go_on(world, execution_id)["output"]["whose"] == ["ada", True]


@pytest.mark.parametrize("options", [{}, {"save": True, "wait": True}])
def test_an_action_by_itself(world: World, options: dict[str, Any]) -> None:
    ran = world.run_action("tests.whose", security=somebody(), **options)
    assert ran.result == ["ada", True]
    until_nothing_is_kept(world)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (somebody("ada", hours=2), ["ada", True]),
        (somebody("bob", hours=2), None),
        (somebody("ada", "elsewhere", hours=2), None),
    ],
    ids=["the same", "another user", "another project"],
)
def test_who_lends_a_name_to_what_goes_on(
    world: World, other: SecurityContext, expected: list[Any] | None
) -> None:
    execution_id = begin(world, somebody(hours=0.001))
    world.engine.security.lend(execution_id, other).result(PATIENCE)
    ended = go_on(world, execution_id)
    assert (ended["state"] == "SUCCESS") is (expected is not None)
    if expected is not None:
        assert ended["output"]["whose"] == expected


def test_an_execution_that_is_over_gets_a_new_name(world: World) -> None:
    execution_id = begin(world, somebody())
    go_on(world, execution_id)
    until_nothing_is_kept(world)
    world.engine.security.lend(execution_id, somebody("bob")).result(PATIENCE)
    world.engine.security.sweep().result(PATIENCE)
    assert [row["user_id"] for row in kept(world)] == ["bob"], "it is to go on in a moment"
    world.send(execution_id, RestartRequested(world.task(execution_id, "ask")["id"]))
    world.end(execution_id)
    assert world.execution(execution_id)["output"] == {"whose": ["bob", True], "known": "ada"}
    until_nothing_is_kept(world)


def test_a_sweep_forgets_what_belongs_to_nothing(world: World) -> None:
    security = world.engine.security
    security.keep("never-begun", "execution", somebody()).result(PATIENCE)
    security.sweep().result(PATIENCE)
    assert len(kept(world)) == 1, "it may be on its way"

    def let_time_pass(connection: Any) -> None:
        connection.execute(update(security_contexts).values(created_at=1))

    world.database.write(let_time_pass).result(PATIENCE)
    running = begin(world, somebody())
    world.database.write(let_time_pass).result(PATIENCE)
    security.sweep().result(PATIENCE)
    assert [row["id"] for row in kept(world)] == [running]


def test_keys_rotate_beside_a_running_service(world: World, database_url: str, key_file: Path) -> None:
    held = [begin(world, somebody()) for _ in range(3)]
    before = {row["key_id"] for row in kept(world)}
    settings = {"MAESTRALE_SECURITY_KEY_FILE": str(key_file), "MAESTRALE_DATABASE_URL": database_url}
    for number in (3, 4):
        ran = CliRunner().invoke(keys, ["rotate"], env=settings)
        assert (ran.exit_code, f": {number}." in ran.output) == (0, True), ran.output
        held.append(begin(world, somebody()))
    after = {row["key_id"] for row in kept(world)}
    assert len(after) == 1
    assert before.isdisjoint(after)
    assert len([line for line in key_file.read_text().splitlines() if not line.startswith("#")]) == 2
    for execution_id in held:
        assert go_on(world, execution_id)["output"]["whose"] == ["ada", True]


def test_without_keys_nothing_is_kept(tmp_path: Path) -> None:
    with World(f"sqlite:///{tmp_path}/keyless.db") as world:
        world.define(HELD)
        with pytest.raises(BadRequest, match="keeps no credentials"):
            begin(world, somebody())
        future: Future[Any] = world.engine.security.keep("t", "cron_trigger", somebody())
        with pytest.raises(MaestraleError, match="no Keystone"):
            future.result(PATIENCE)
