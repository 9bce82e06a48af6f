"""Rule 11: a trigger advances and its execution is ordered in one transaction, under an id that follows from
trigger and planned time. So each planned time starts one execution, whoever dies or loses its connection."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from typing import Any

import pytest
from service import PATIENCE, Clock, World
from sqlalchemy.exc import OperationalError
from trigger_rows import SECOND, Row, add_trigger, started_by, triggers

from maestrale.model.secrets import WELL_KNOWN
from maestrale.runtime.presence import AmongOthers
from maestrale.runtime.triggers import Firing, execution_id_of, plan
from maestrale.store import leases, mail
from postgresql import PostgresqlServer
from relay import Relay

NOON = 1_795_867_200 * SECOND
EACH_SECOND = "* * * * * *"
PLAIN = "version: '2.0'\nplain: {tasks: {t: {action: std.noop}}}\n"


@pytest.fixture
def noon(database_url: str) -> Iterator[World]:
    with World(database_url, clock=Clock(NOON)) as world:
        looks_no_more(world)
        world.define(PLAIN)
        yield world


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def looks_no_more(world: World) -> World:
    """From now on only the test has the world fire what is due."""
    fired = world.engine.triggers
    fired.changed = lambda: None  # type: ignore[method-assign]
    world.until(lambda: not fired._is_looking, "its first look to be over")
    return world


def look(world: World) -> None:
    world.engine.triggers.look().result(PATIENCE)


def ids(world: World, row: Row) -> list[str]:
    """The executions of a trigger, once all letters have been read."""
    world.until(lambda: not world.letters(), "the mail to be read")
    return [run["id"] for run in started_by(world).get(row["id"], [])]


def test_the_id_follows_from_trigger_and_planned_time() -> None:
    """For ever: another rule for ids would fire times twice while two versions work side by side."""
    first = "5f9c1d2e-0000-4000-8000-000000000001"
    key = execution_id_of(first, NOON)
    assert key == "01a22206-ca00-798c-b5db-faa6ba5af2ca"
    assert uuid.UUID(key).version == 7
    others = [execution_id_of(first, NOON + 1), execution_id_of(first.replace("1d2e", "1d2f"), NOON)]
    assert len({key, *others}) == 3
    assert key < execution_id_of(first, NOON + SECOND)


@pytest.mark.parametrize("remaining", [2, 1])
def test_nothing_is_advanced_without_its_order(
    noon: World, monkeypatch: pytest.MonkeyPatch, remaining: int
) -> None:
    """The order cannot be stored: the trigger stays as it is, the last run too."""
    row = add_trigger(noon, "plain", NOON, pattern=EACH_SECOND, remaining_executions=remaining)
    before = triggers(noon)
    with monkeypatch.context() as broken:
        broken.setattr(mail, "post_start", refuse)
        look(noon)
    assert triggers(noon) == before
    assert noon.letters() == noon.executions() == []
    look(noon)
    assert ids(noon, row) == [execution_id_of(row["id"], NOON)]
    assert [left["remaining_executions"] for left in triggers(noon).values()] == [1][: remaining - 1]


def refuse(*_: Any) -> bool:
    raise OperationalError("INSERT", {}, Exception("no space left"))


@pytest.mark.parametrize("remaining", [2, 1])
def test_nothing_is_ordered_by_who_was_overtaken(noon: World, remaining: int) -> None:
    """What was planned on an older state of the trigger comes to nothing."""
    row = add_trigger(noon, "plain", NOON, pattern=EACH_SECOND, remaining_executions=remaining)
    fired = noon.engine.triggers
    plans = [plan_of(noon), plan_of(noon)]
    assert fired._order(plans[0]).result(PATIENCE)
    assert not fired._order(plans[1]).result(PATIENCE)
    assert ids(noon, row) == [execution_id_of(row["id"], NOON)]
    assert [left["remaining_executions"] for left in triggers(noon).values()] == [1][: remaining - 1]


def plan_of(world: World) -> Firing:
    firing: Firing
    (firing,) = world.database.read(plan, world.engine.programs, (), WELL_KNOWN, NOON, 10).result(PATIENCE)
    return firing


@pytest.mark.postgresql
def test_engines_share_what_is_due(lent_url: str, stack: ExitStack) -> None:
    """Three engines see the same triggers due at the same moment, again and again."""
    clock = Clock(NOON)
    worlds = [looks_no_more(stack.enter_context(World(lent_url, clock=clock))) for _ in range(3)]
    worlds[0].define(PLAIN)
    rows = [
        add_trigger(worlds[0], "plain", NOON, pattern=EACH_SECOND, remaining_executions=100)
        for _ in range(30)
    ]
    start = threading.Barrier(len(worlds))

    def go(world: World) -> None:
        start.wait(PATIENCE)
        look(world)

    rounds = 6
    with ThreadPoolExecutor(len(worlds)) as pool:
        for _ in range(rounds):
            for done in wait([pool.submit(go, world) for world in worlds]).done:
                done.result()
            # Each has passed over what others had in hand; what is left, if anything, comes now.
            look(worlds[0])
            clock.at += SECOND
    for row in rows:
        wanted = [execution_id_of(row["id"], NOON + number * SECOND) for number in range(rounds)]
        assert sorted(ids(worlds[0], row)) == wanted
        assert triggers(worlds[0])[row["id"]]["remaining_executions"] == 100 - rounds


@pytest.mark.postgresql
@pytest.mark.parametrize("forwards", [False, True], ids=["unheard", "unanswered"])
@pytest.mark.parametrize("word", [b"UPDATE cron_triggers", b"INSERT INTO mail", b"COMMIT"])
def test_a_connection_that_breaks_at_any_step(
    postgresql: PostgresqlServer, lent_name: str, stack: ExitStack, word: bytes, forwards: bool
) -> None:
    """Nobody can know how far it came. The next to look does what is left, whoever that is."""
    url = postgresql.url(lent_name)
    relay = stack.enter_context(Relay(postgresql.port))
    there = looks_no_more(stack.enter_context(World(url, clock=Clock(NOON))))
    there.define(PLAIN)
    row = add_trigger(there, "plain", NOON, pattern=EACH_SECOND, remaining_executions=5)
    broken = url.replace(f":{postgresql.port}/", f":{relay.port}/")
    here = looks_no_more(stack.enter_context(World(broken, clock=Clock(NOON - SECOND))))
    look(here)
    here.clock.at = NOON  # type: ignore[union-attr]
    relay.cut_at(word, forwards=forwards, after=b"UPDATE cron_triggers")
    look(here)
    assert relay.cuts == 1
    look(there)
    look(here)
    there.until(lambda: not there.letters(), "the order to be found")
    assert ids(there, row) == [execution_id_of(row["id"], NOON)]
    stored = triggers(there)[row["id"]]
    assert (stored["next_execution_time"], stored["remaining_executions"]) == (NOON + SECOND, 4)


@pytest.mark.postgresql
def test_an_order_outlives_who_gave_it(lent_url: str, stack: ExitStack) -> None:
    """An engine is taken for dead between the commit and the moment at which it would have told of it."""
    clock = Clock(NOON)
    here = looks_no_more(stack.enter_context(World(lent_url, clock=clock)))
    there = looks_no_more(stack.enter_context(World(lent_url, clock=clock)))
    here.define(PLAIN)
    row = add_trigger(here, "plain", NOON, pattern=EACH_SECOND, remaining_executions=5)
    here.engine.triggers._has_mail = lambda _: None
    look(here)
    assert [letter["execution_id"] for letter in there.letters()] == [execution_id_of(row["id"], NOON)]
    there.database.write(leases.condemn, [], [here.service.lease.process_id], 0).result(PATIENCE)
    there.until(lambda: not there.letters(), "the order to be found")
    assert ids(there, row) == [execution_id_of(row["id"], NOON)]


@pytest.mark.postgresql
def test_the_dead_fire_nothing(lent_url: str, stack: ExitStack) -> None:
    """What an engine planned while it slept is refused if it was taken for dead meanwhile."""
    here = looks_no_more(stack.enter_context(World(lent_url, clock=Clock(NOON))))
    there = looks_no_more(stack.enter_context(World(lent_url, clock=Clock(NOON))))
    here.define(PLAIN)
    row = add_trigger(here, "plain", NOON, pattern=EACH_SECOND, remaining_executions=5)
    planned = plan_of(here)
    assert isinstance(here.service.presence, AmongOthers)
    membership = here.service.presence._membership
    assert membership is not None
    membership.stop()
    there.database.write(leases.condemn, [], [here.service.lease.process_id], 0).result(PATIENCE)
    with pytest.raises(leases.LeaseLost):
        here.engine.triggers._order(planned).result(PATIENCE)
    assert there.letters() == []
    look(there)
    assert ids(there, row) == [execution_id_of(row["id"], NOON)]
    assert triggers(there)[row["id"]]["remaining_executions"] == 4


def test_a_letter_read_twice_starts_once(noon: World) -> None:
    """The order is found by the one that gave it and by a sweep: the id is taken then."""
    row = add_trigger(noon, "plain", NOON, pattern=EACH_SECOND, remaining_executions=5)
    look(noon)
    key = execution_id_of(row["id"], NOON)
    noon.engine.loop.has_mail(key)
    noon.service.upkeep.sweep()
    assert ids(noon, row) == [key]
    assert json.loads(noon.execution(key)["description"])["triggered_by"]["id"] == row["id"]
