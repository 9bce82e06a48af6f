"""Cron triggers fire: in time, once, and what goes wrong with one is visible there and stops no other."""

from __future__ import annotations

import datetime
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from service import PATIENCE, PROJECT, Clock, World
from sqlalchemy import Connection, delete, update
from sqlalchemy.exc import DataError, OperationalError
from trigger_rows import SECOND, Row, add_trigger, started_by, triggers

from maestrale.model.schedules import NEVER
from maestrale.model.values import Microseconds
from maestrale.runtime import triggers as runtime_triggers
from maestrale.runtime.triggers import MOST_FAILURES, execution_id_of
from maestrale.store import cron_triggers as store_triggers
from maestrale.store.cron_triggers import Due, find_due
from maestrale.store.maintenance import ask_for
from maestrale.store.tables import cron_triggers, definitions

ON_POSTGRESQL = 8

WORKFLOWS = """
version: '2.0'
plain: {tasks: {t: {action: std.noop}}}
greet: {input: [name], output: {name: <% $.name %>}, tasks: {t: {action: std.noop}}}
backwards: {type: reverse, tasks: {t: {action: std.noop}}}
"""
NOON = int(datetime.datetime(2026, 11, 28, 12, tzinfo=datetime.UTC).timestamp()) * SECOND
MINUTE = 60 * SECOND


@pytest.fixture
def noon(database_url: str) -> Iterator[World]:
    """A world whose clock stands at noon."""
    with World(database_url, clock=Clock(NOON)) as world:
        world.define(WORKFLOWS)
        yield world


def look(world: World) -> float | None:
    """Have everything fired that is due; seconds until it would be looked for again."""
    return world.engine.triggers.look().result(PATIENCE)


def runs(world: World, row: Row) -> list[Row]:
    """What a trigger has started, once all that was ordered has been decided."""
    world.until(lambda: not world.letters(), "the mail to be read")
    return started_by(world).get(row["id"], [])


def test_it_fires_when_its_time_has_come(noon: World) -> None:
    """Not a moment before; and its time is that of the execution's id."""
    row = add_trigger(noon, "greet", NOON + MINUTE, pattern="* * * * *", workflow_input={"name": "Ada"})
    assert look(noon) == runtime_triggers.EVERY
    noon.clock.at += MINUTE - 1  # type: ignore[union-attr]
    assert look(noon) == pytest.approx(0.000001)
    assert runs(noon, row) == []
    noon.clock.at += 1  # type: ignore[union-attr]
    look(noon)
    key = execution_id_of(row["id"], NOON + MINUTE)
    assert [run["id"] for run in runs(noon, row)] == [key]
    assert noon.end(key)["output"] == {"name": "Ada"}
    assert triggers(noon)[row["id"]]["next_execution_time"] == NOON + 2 * MINUTE


def test_missed_times_are_one(noon: World) -> None:
    """What nobody could fire for three days is fired once, and then goes on as if nothing had been."""
    planned = NOON - 3 * 24 * 60 * MINUTE
    row = add_trigger(noon, "plain", planned, pattern="* * * * *", remaining_executions=5)
    look(noon)
    assert [run["id"] for run in runs(noon, row)] == [execution_id_of(row["id"], planned)]
    stored = triggers(noon)[row["id"]]
    assert stored["next_execution_time"] == NOON + MINUTE
    assert (stored["remaining_executions"], stored["updated_at"]) == (4, NOON)


def test_it_counts_down_and_goes(noon: World) -> None:
    row = add_trigger(noon, "plain", NOON, pattern="* * * * *", remaining_executions=3)
    for left in (2, 1):
        look(noon)
        assert triggers(noon)[row["id"]]["remaining_executions"] == left
        noon.clock.at += MINUTE  # type: ignore[union-attr]
    look(noon)
    assert triggers(noon) == {}
    assert len(runs(noon, row)) == 3


def test_nothing_fires_during_maintenance(noon: World) -> None:
    row = add_trigger(noon, "plain", NOON, pattern="* * * * *", remaining_executions=3)
    noon.database.write(ask_for, True, NOON).result(PATIENCE)
    for _ in range(3):
        look(noon)
        noon.clock.at += MINUTE  # type: ignore[union-attr]
    assert runs(noon, row) == []
    noon.database.write(ask_for, False, noon.clock.at).result(PATIENCE)  # type: ignore[union-attr]
    look(noon)
    assert len(runs(noon, row)) == 1
    assert triggers(noon)[row["id"]]["remaining_executions"] == 2


@pytest.mark.parametrize("remaining", [1, None])
def test_a_first_time_alone_is_once(noon: World, remaining: int | None) -> None:
    row = add_trigger(noon, "plain", NOON, pattern=NEVER, remaining_executions=remaining)
    look(noon)
    assert triggers(noon) == {}
    assert len(runs(noon, row)) == 1


def test_what_it_starts_may_overlap(noon: World) -> None:
    noon.define("version: '2.0'\nlong: {tasks: {t: {action: std.async_noop}}}\n")
    row = add_trigger(noon, "long", NOON, pattern="* * * * *")
    look(noon)
    noon.clock.at += MINUTE  # type: ignore[union-attr]
    look(noon)
    assert [run["state"] for run in runs(noon, row)] == ["RUNNING", "RUNNING"]


# -- what goes wrong


def test_input_that_is_wrong_is_told_at_the_trigger(noon: World, caplog: pytest.LogCaptureFixture) -> None:
    """It does not count as a run, and others fire all the same."""
    wrong = add_trigger(noon, "greet", NOON, pattern="* * * * *", remaining_executions=2)
    right = add_trigger(noon, "plain", NOON, pattern="* * * * *")
    look(noon)
    stored = triggers(noon)[wrong["id"]]
    assert "Invalid input [name=greet" in stored["last_error"]
    assert "missing=['name']" in stored["last_error"]
    assert (stored["failures"], stored["remaining_executions"]) == (1, 2)
    assert stored["next_execution_time"] == NOON + MINUTE
    assert (len(runs(noon, wrong)), len(runs(noon, right))) == (0, 1)
    assert f"The cron trigger '{wrong['name']}' ({wrong['id']}) starts nothing: " in caplog.text


def test_it_does_not_fail_for_ever(noon: World) -> None:
    row = add_trigger(noon, "greet", NOON, pattern="* * * * *")
    for number in range(MOST_FAILURES):
        assert triggers(noon)[row["id"]]["next_execution_time"] == NOON + number * MINUTE
        look(noon)
        noon.clock.at += MINUTE  # type: ignore[union-attr]
    stored = triggers(noon)[row["id"]]
    assert (stored["failures"], stored["next_execution_time"]) == (MOST_FAILURES, None)
    assert look(noon) == runtime_triggers.EVERY


@pytest.mark.parametrize("gone", ["backwards", "greet"])
def test_what_is_mended_forgets_its_failures(noon: World, gone: str) -> None:
    """Whether the start was refused before it was ordered, or after."""
    row = add_trigger(noon, gone, NOON, pattern="* * * * *")
    look(noon)
    runs(noon, row)
    noon.until(lambda: triggers(noon)[row["id"]]["failures"] == 1, "the failure to be noted")
    change(noon, row, workflow_id=noon.definition_id("plain"))
    noon.clock.at += MINUTE  # type: ignore[union-attr]
    look(noon)
    noon.until(lambda: triggers(noon)[row["id"]]["failures"] == 0, "the failures to be forgotten")
    assert triggers(noon)[row["id"]]["last_error"] is None
    assert len(runs(noon, row)) == 1


def test_a_start_that_the_engine_refuses(noon: World, caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be told from the input alone: a reverse workflow needs to know its task."""
    row = add_trigger(noon, "backwards", NOON, pattern="* * * * *")
    for number in range(MOST_FAILURES):
        look(noon)
        noon.until(lambda: triggers(noon)[row["id"]]["failures"] == number + 1, "the failure")  # noqa: B023
        noon.clock.at += MINUTE  # type: ignore[union-attr]
    stored = triggers(noon)[row["id"]]
    assert "task_name" in stored["last_error"]
    assert stored["next_execution_time"] is None
    assert runs(noon, row) == []
    assert "starts nothing" in caplog.text


def test_a_workflow_that_is_gone(noon: World) -> None:
    """It does not come back under its id, so the trigger fires no more, but says why."""
    row = add_trigger(noon, "plain", NOON, pattern="* * * * *")

    def drop(connection: Connection) -> None:
        connection.execute(delete(definitions).where(definitions.c.id == row["workflow_id"]))

    noon.database.write(drop).result(PATIENCE)
    assert look(noon) == runtime_triggers.EVERY
    stored = triggers(noon)[row["id"]]
    assert (stored["next_execution_time"], stored["failures"]) == (None, 1)
    assert (
        stored["last_error"] == f"Workflow not found [workflow_identifier={row['workflow_id']}, namespace=]"
    )


def test_an_environment_that_is_gone(noon: World) -> None:
    row = add_trigger(noon, "plain", NOON, pattern="* * * * *", workflow_params={"env": "none"})
    look(noon)
    stored = triggers(noon)[row["id"]]
    assert "Environment is not found: none" in stored["last_error"]
    assert stored["next_execution_time"] == NOON + MINUTE


def test_one_that_trips_over_a_bug_stops_no_other(noon: World, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = add_trigger(noon, "plain", NOON, pattern="* * * * *", name="broken")
    right = add_trigger(noon, "plain", NOON, pattern="* * * * *")
    real = runtime_triggers._wish

    def wish(connection: Connection, due: Due) -> Any:
        if due.name == "broken":
            raise RuntimeError("a bug")
        return real(connection, due)

    monkeypatch.setattr(runtime_triggers, "_wish", wish)
    look(noon)
    assert triggers(noon)[broken["id"]]["last_error"] == "Internal error: RuntimeError: a bug"
    assert triggers(noon)[broken["id"]]["next_execution_time"] == NOON + MINUTE
    assert (len(runs(noon, broken)), len(runs(noon, right))) == (0, 1)


def failing(monkeypatch: pytest.MonkeyPatch, error: Callable[[Due], Exception | None]) -> None:
    """Let `fire` raise what `error` says, after it has done its part."""
    real = store_triggers.fire

    def fire(connection: Connection, due: Due, *given: Any) -> bool:
        fired = real(connection, due, *given)
        problem = error(due)
        if problem is not None:
            raise problem
        return fired

    monkeypatch.setattr(store_triggers, "fire", fire)


@pytest.mark.parametrize(
    "problem", [DataError("INSERT", {}, Exception("too long")), RuntimeError("too long: a bug")]
)
def test_one_that_cannot_be_stored_stops_no_other(
    noon: World, monkeypatch: pytest.MonkeyPatch, problem: Exception
) -> None:
    unfit = add_trigger(noon, "plain", NOON, pattern="* * * * *", name="unfit")
    right = add_trigger(noon, "plain", NOON, pattern="* * * * *")
    failing(monkeypatch, lambda due: problem if due.name == "unfit" else None)
    look(noon)
    assert "too long" in triggers(noon)[unfit["id"]]["last_error"]
    assert (len(runs(noon, unfit)), len(runs(noon, right))) == (0, 1)


def test_while_the_database_refuses_it_is_tried_again(noon: World, monkeypatch: pytest.MonkeyPatch) -> None:
    row = add_trigger(noon, "plain", NOON, pattern="* * * * *")
    problems = [OperationalError("INSERT", {}, Exception("disk full")) for _ in range(2)]
    failing(monkeypatch, lambda _: problems.pop() if problems else None)
    assert look(noon) == runtime_triggers.AGAIN_AFTER
    assert triggers(noon)[row["id"]] == {
        **triggers(noon)[row["id"]],
        "failures": 0,
        "next_execution_time": NOON,
    }
    look(noon)
    look(noon)
    assert len(runs(noon, row)) == 1


# -- when it looks


def now() -> Microseconds:
    return time.time_ns() // 1000


def test_it_sleeps_until_the_next_is_due(world: World) -> None:
    """Long before the slow sweep, and nobody has to say anything then."""
    world.define(WORKFLOWS)
    row = add_trigger(world, "plain", now() + SECOND // 2, remaining_executions=1)
    world.engine.triggers_changed()
    began = time.monotonic()
    world.until(lambda: started_by(world).get(row["id"]), "the trigger to fire")
    assert time.monotonic() - began < runtime_triggers.EVERY / 3


def test_the_sweep_finds_what_nobody_told_of(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_triggers, "EVERY", 0.2)
    with World(database_url) as world:
        world.define(WORKFLOWS)
        row = add_trigger(world, "plain", now(), remaining_executions=1)
        world.until(lambda: started_by(world).get(row["id"]), "the trigger to fire")


def test_one_that_was_missed_while_nothing_ran(database_url: str) -> None:
    with World(database_url) as world:
        world.define(WORKFLOWS)
        row = add_trigger(world, "plain", now() + SECOND // 10, pattern="@hourly")
    time.sleep(0.2)
    with World(database_url) as world:
        world.until(lambda: started_by(world).get(row["id"]), "the trigger to fire")


def test_who_looks_back_only_fires_nothing(database_url: str) -> None:
    """As `mistral run` on a database: it takes up nothing, triggers neither."""
    with World(database_url, start=False) as world:
        world.service.start(takes_up=False)
        world.define(WORKFLOWS)
        row = add_trigger(world, "plain", now(), remaining_executions=1)
        world.engine.triggers_changed()
        world.run("version: '2.0'\nwf: {tasks: {t: {action: std.noop}}}\n")
        assert row["id"] in triggers(world)


def test_however_often_it_is_told_it_sets_few_timers(noon: World) -> None:
    add_trigger(noon, "plain", NOON + MINUTE)
    timers: list[float] = []
    fired = noon.engine.triggers
    fired._later = lambda seconds, _job: timers.append(seconds)
    fired._wakes_at = None
    for _ in range(10):
        fired.changed()
        noon.until(lambda: not fired._is_looking, "the look to end")
    assert timers == [runtime_triggers.EVERY]
    add_trigger(noon, "plain", NOON + 5 * SECOND)
    fired.changed()
    noon.until(lambda: not fired._is_looking, "the look to end")
    assert timers == [runtime_triggers.EVERY, 5.0]


def test_once_stopped_it_fires_nothing(noon: World) -> None:
    add_trigger(noon, "plain", NOON)
    noon.engine.triggers.stop()
    noon.engine.triggers.changed()
    look(noon)
    assert len(triggers(noon)) == 1
    assert noon.letters() == noon.executions() == []


def test_many_at_once_in_bounded_parts(noon: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_triggers, "FIRED_AT_ONCE", 7)
    parts: list[int] = []
    real = runtime_triggers.plan

    def plan(*given: Any) -> Any:
        found = real(*given)
        parts.append(len(found))
        return found

    monkeypatch.setattr(runtime_triggers, "plan", plan)
    rows = [add_trigger(noon, "plain", NOON - number, remaining_executions=1) for number in range(20)]
    look(noon)
    assert parts == [7, 7, 6]
    noon.until(lambda: not noon.letters(), "the mail to be read")
    assert {key: len(found) for key, found in started_by(noon).items()} == {row["id"]: 1 for row in rows}


def test_projects_take_turns(noon: World) -> None:
    for number in range(6):
        add_trigger(noon, "plain", NOON - 100 + number, name=f"big {number}")
    add_trigger(noon, "plain", NOON - 10, name="small", project_id="small")
    add_trigger(noon, "plain", NOON + 1, name="later", project_id="later")
    found = noon.database.read(find_due, NOON, 3).result(PATIENCE)
    assert [due.name for due in found] == ["big 0", "small", "big 1"]


# -- several processes


@pytest.mark.postgresql
def test_an_engine_is_told_of_a_trigger_that_an_api_stored(lent_url: str) -> None:
    with World(lent_url, roles=("engine",)) as engine, World(lent_url, roles=("api",)) as api:
        api.define(WORKFLOWS)
        row = add_trigger(api, "plain", now(), remaining_executions=1)
        began = time.monotonic()
        api.engine.triggers_changed()
        engine.until(lambda: started_by(engine).get(row["id"]), "the trigger to fire")
        assert time.monotonic() - began < runtime_triggers.EVERY / 3
        engine.until(lambda: triggers(engine) == {}, "the trigger to be gone")


@pytest.mark.postgresql
def test_an_api_fires_nothing(lent_url: str) -> None:
    with World(lent_url, roles=("api",)) as api:
        api.define(WORKFLOWS)
        row = add_trigger(api, "plain", now(), remaining_executions=1)
        api.engine.triggers_changed()
        api.engine.received("sweep", [])
        api.service.upkeep.sweep()
        assert row["id"] in triggers(api)


@pytest.mark.postgresql
def test_what_another_is_about_to_fire_is_not_waited_for(
    lent_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one engine has a trigger in hand, the other passes over it, and fires the rest."""
    with World(lent_url, clock=Clock(NOON)) as here, World(lent_url, clock=Clock(NOON)) as there:
        here.define(WORKFLOWS)
        there._definitions = here._definitions
        held, may_go = threading.Event(), threading.Event()
        real = store_triggers.fire

        def fire(connection: Connection, due: Due, *given: Any) -> bool:
            fired = real(connection, due, *given)
            if due.name == "held" and not held.is_set():
                held.set()
                assert may_go.wait(PATIENCE)
            return fired

        monkeypatch.setattr(store_triggers, "fire", fire)
        first = add_trigger(here, "plain", NOON, remaining_executions=1, name="held")
        looking = here.engine.triggers.look()
        assert held.wait(PATIENCE)
        second = add_trigger(there, "plain", NOON, remaining_executions=1)
        there.engine.triggers.look().result(PATIENCE)
        assert list(triggers(there)) == [first["id"]]
        may_go.set()
        looking.result(PATIENCE)
        there.until(lambda: set(started_by(there)) == {first["id"], second["id"]}, "both runs")
        assert triggers(there) == {}


def change(world: World, row: Row, **columns: Any) -> None:
    """Change a trigger in the database."""
    table = cron_triggers

    def write(connection: Connection) -> None:
        connection.execute(update(table).where(table.c.id == row["id"]).values(**columns))

    world.database.write(write).result(PATIENCE)


def test_the_description_names_the_trigger(noon: World) -> None:
    row = add_trigger(noon, "plain", NOON, name="größe")
    look(noon)
    (run,) = runs(noon, row)
    assert json.loads(run["description"])["triggered_by"] == {
        "type": "cron_trigger", "id": row["id"], "name": "größe",
    }  # fmt: skip
    assert (run["project_id"], run["workflow_id"]) == (PROJECT, row["workflow_id"])
