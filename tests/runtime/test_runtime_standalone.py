"""Actions that are run directly, outside of any workflow."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from gates import BlockingGate, Gate
from service import PATIENCE, PROJECT, World

from maestrale.actions.base import Action, ActionContext, action
from maestrale.model.errors import BadRequest, InvalidAction, InvalidInput, InvalidState, Unavailable
from maestrale.model.values import Json, Secret
from maestrale.runtime.requests import RunAction
from maestrale.store.tables import execution_values


@action("test.raise")
async def raising(text: str = "no") -> None:
    """Raise."""
    raise ValueError(text)


@action("test.half")
async def half_a_character() -> str:
    """Return what JSON cannot hold."""
    return "\ud800"


@action("test.secret")
async def secret() -> Json:
    """Return a secret."""
    return {"token": Secret("hush")}


@action("test.outside", waits_outside=True)
async def outside() -> str:
    """Ask somebody to report the result later."""
    return "asked"


@action("test.refused", waits_outside=True)
async def refused() -> str:
    """Fail to ask."""
    raise ValueError("nobody there")


@action("test.progress")
async def progressing(context: ActionContext) -> None:
    """Say how far it is, and go on."""
    context.progress("copying", 0.25)
    await asyncio.sleep(PATIENCE)


ACTIONS: list[Action[..., Any]] = [raising, half_a_character, secret, outside, refused, progressing]


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def gated(database_url: str, gate: Gate) -> Iterator[World]:
    with World(database_url, actions=[gate.action, *ACTIONS]) as world:
        yield world


# -- a synchronous action: neither, save, wait, both


@pytest.mark.parametrize("wait", [False, True])
@pytest.mark.covers("eng.action.run_alone")
def test_an_unsaved_action_answers_with_its_result(world: World, wait: bool) -> None:
    ran = world.run_action("std.echo", {"output": [1]}, wait=wait)

    assert (ran.action_id, ran.state, ran.result) == (None, "SUCCESS", [1])
    assert world.actions() == []


def test_a_saved_action_is_scheduled_and_ends_later(gated: World, gate: Gate) -> None:
    ran = gated.run_action("test.gate", {"label": "x"}, save=True, description="why")

    assert (ran.state, ran.result) == ("RUNNING", None)
    assert ran.action_id is not None
    gate.wait()
    row = gated.action(ran.action_id)
    assert (row["state"], row["queued"], row["executor"]) == (
        "RUNNING",
        False,
        gated.service.lease.process_id,
    )
    assert (row["project_id"], row["description"], row["input"]) == (PROJECT, "why", {"label": "x"})
    assert (row["execution_id"], row["task_id"]) == (None, None)
    gate.open("done")
    row = gated.until(lambda: _ended(gated, str(ran.action_id)))
    assert (row["state"], row["output"], row["accepted"]) == ("SUCCESS", "done", False)
    assert gate.contexts[0].action_execution_id == ran.action_id


def _ended(world: World, action_id: str) -> dict[str, Json]:
    row = world.action(action_id)
    return {} if row["state"] == "RUNNING" else row


def test_saved_and_waited_for(world: World) -> None:
    ran = world.run_action("std.echo", {"output": "x"}, save=True, wait=True)

    assert (ran.state, ran.result) == ("SUCCESS", "x")
    assert ran.action_id is not None
    row = world.action(ran.action_id)
    assert (row["state"], row["output"], row["accepted"]) == ("SUCCESS", "x", False)


@pytest.mark.parametrize("save", [False, True])
def test_a_failing_action(gated: World, save: bool) -> None:
    ran = gated.run_action("test.raise", {"text": "oh no"}, save=save, wait=True)

    assert ran.state == "ERROR"
    assert "msg='oh no'" in ran.result
    if ran.action_id is not None:
        assert gated.action(ran.action_id)["state"] == "ERROR"


@pytest.mark.parametrize("save", [False, True])
@pytest.mark.covers("eng.action.timeout")
def test_a_timeout(gated: World, gate: Gate, save: bool) -> None:
    ran = gated.run_action("test.gate", timeout=0.05, save=save, wait=True)

    assert (ran.state, ran.result) == ("ERROR", "Timeout after 0.05 seconds")
    assert len(gate.cancelled) == 1


# -- one that waits outside


@pytest.mark.parametrize("save", [False, True])
def test_an_action_without_anything_to_run_waits_outside(world: World, save: bool) -> None:
    ran = world.run_action("std.async_noop", save=save)

    assert ran.state == "RUNNING"
    assert ran.action_id is not None
    row = world.action(ran.action_id)
    assert (row["state"], row["queued"], row["executor"]) == ("RUNNING", False, None)
    world.complete(ran.action_id, "ERROR", {"why": "outside"})
    assert world.action(ran.action_id)["output"] == {"why": "outside"}
    with pytest.raises(InvalidState, match="is already completed"):
        world.complete(ran.action_id)


def test_an_action_that_asks_an_outside_party(gated: World) -> None:
    ran = gated.run_action("test.outside", save=True)
    assert ran.action_id is not None
    gated.until(lambda: not gated.action(str(ran.action_id))["queued"])

    gated.complete(ran.action_id, "PAUSED")
    assert gated.action(ran.action_id)["state"] == "PAUSED"
    gated.complete(ran.action_id, "RUNNING")
    gated.complete(ran.action_id, "SUCCESS", 1)

    assert (gated.action(ran.action_id)["state"], gated.action(ran.action_id)["output"]) == ("SUCCESS", 1)


def test_asking_an_outside_party_may_fail(gated: World) -> None:
    ran = gated.run_action("test.refused", save=True)

    row = gated.until(lambda: _ended(gated, str(ran.action_id)))

    assert row["state"] == "ERROR"
    assert "nobody there" in str(row["output"])


def test_only_what_waits_outside_can_be_paused(gated: World, gate: Gate) -> None:
    ran = gated.run_action("test.gate", save=True)
    assert ran.action_id is not None
    gate.wait()

    with pytest.raises(InvalidState, match="only supported for asynchronous"):
        gated.complete(ran.action_id, "PAUSED")

    gate.open(1)
    gated.until(lambda: _ended(gated, str(ran.action_id)))


def test_completing_from_outside_wins_over_the_executor(gated: World, gate: Gate) -> None:
    future = gated.engine.run_action(RunAction("test.gate", {}, project_id=PROJECT, save=True, wait=True))
    gate.wait()
    (row,) = gated.actions()

    gated.complete(row["id"], "SUCCESS", "outside")
    gate.open("executor")

    assert future.result(PATIENCE).state == "SUCCESS"
    assert gated.action(row["id"])["output"] == "outside"


# -- refusals


def test_refusals_come_by_the_future(gated: World) -> None:
    for request, error, text in (
        (RunAction("std.eco", {"output": 1}), InvalidAction, "did you mean 'std.echo'"),
        (RunAction("std.echo", {}), InvalidInput, "missing"),
        (RunAction("std.noop", {"x": 1}), InvalidInput, "unexpected"),
        (RunAction("std.async_noop", {}, wait=True), BadRequest, "does not support synchronous"),
        (RunAction("std.echo", {"output": "\ud800"}, save=True), BadRequest, "cannot be stored"),
    ):
        with pytest.raises(error, match=text):
            gated.engine.run_action(request).result(PATIENCE)
    assert gated.actions() == []


def test_a_result_that_cannot_be_stored_is_an_error(gated: World) -> None:
    ran = gated.run_action("test.half", save=True)

    row = gated.until(lambda: _ended(gated, str(ran.action_id)))

    assert row["state"] == "ERROR"
    assert "cannot be stored as JSON" in str(row["output"])


def test_completing_with_what_cannot_be_stored_is_refused(gated: World) -> None:
    ran = gated.run_action("std.async_noop")
    assert ran.action_id is not None

    with pytest.raises(BadRequest, match="cannot be stored"):
        gated.complete(ran.action_id, "SUCCESS", "\ud800")

    assert gated.action(ran.action_id)["state"] == "RUNNING"


def test_large_values(world: World) -> None:
    text = "x" * 10_000
    ran = world.run_action("std.echo", {"output": text}, save=True, wait=True)

    assert ran.result == text
    values = world.rows(execution_values, execution_values.c.root_id == ran.action_id)
    assert len(values) == 1  # input and output are the same value


def test_a_secret_result_stays_marked(gated: World) -> None:
    ran = gated.run_action("test.secret", save=True, wait=True)

    assert ran.result == {"token": Secret("hush")}
    assert ran.action_id is not None
    assert "hush" not in str(gated.action(ran.action_id)["output"])


# -- many, and the end


def test_more_actions_than_places(database_url: str) -> None:
    block = BlockingGate()
    with World(database_url, actions=[block.action], threads=3) as world:
        futures = [
            world.engine.run_action(RunAction("test.block", {"label": n}, save=n % 2 == 0, wait=True))
            for n in range(10)
        ]
        block.wait(3)
        rows = world.until(lambda: found if len(found := world.actions()) == 5 else None)
        assert rows is not None
        queued = [row["queued"] for row in rows]
        block.open()
        results = [future.result(PATIENCE).result for future in futures]

    assert results == list(range(10))
    assert queued.count(True) >= 2
    assert block.most == 3


def test_whoever_waits_is_answered_when_the_service_stops(database_url: str) -> None:
    gate = Gate()
    with World(database_url, actions=[gate.action], asynchronous=1) as world:
        futures = [
            world.engine.run_action(RunAction("test.gate", {}, save=save, wait=True))
            for save in (True, False, True, False)
        ]
        gate.wait()
        world.engine.stop(0)

    for future in futures:
        with pytest.raises(Unavailable):
            future.result(5)


def test_the_target_is_stored(world: World) -> None:
    ran = world.run_action("std.noop", save=True, wait=True, target="elsewhere")
    assert ran.action_id is not None
    assert world.action(ran.action_id)["target"] == "elsewhere"


def test_progress_is_seen_while_it_runs(gated: World) -> None:
    gated.run_action("test.progress", save=True)
    end = time.monotonic() + PATIENCE
    while gated.actions()[0]["state_info"] is None:
        assert time.monotonic() < end
        time.sleep(0.02)
    assert gated.actions()[0]["state_info"] == "25%: copying"
    assert gated.actions()[0]["state"] == "RUNNING"


@pytest.mark.parametrize("save", [False, True])
def test_a_result_has_a_largest_size(world: World, save: bool) -> None:
    ran = world.run_action("std.echo", {"output": "x" * 2_000_000}, save=save, wait=True)
    assert ran.state == "ERROR"
    assert ran.result.startswith(
        "Field size limit exceeded [class=ActionExecution, field=output, size=1953KB, limit=1024KB]"
    )
