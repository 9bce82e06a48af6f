"""Finished executions get old and go; nothing else does, and nobody is held up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from gates import Gate
from service import PATIENCE, Clock, World

from maestrale.engine.events import RerunRequested, StopRequested
from maestrale.model.durations import parse_duration
from maestrale.model.errors import Conflict, NotFound
from maestrale.model.retention import EXPIRING, Retention
from maestrale.runtime import expiry as rounds
from maestrale.runtime.expiry import Expiry
from maestrale.runtime.removal import Removal
from maestrale.store import deletion
from maestrale.store.tables import execution_heads, workflow_executions
from postgresql import PostgresqlServer

DAY = 86_400.0
WORKFLOWS = """
version: '2.0'
good: {tasks: {t: {action: std.noop}}}
bad: {tasks: {t: {action: std.fail}}}
asks: {tasks: {t: {action: std.async_noop}}}
large:
  tasks:
    many: {with-items: i in <% range(700) %>, action: std.echo output=<% $.i %>}
tree:
  tasks:
    t: {workflow: large}
failing:
  tasks:
    many: {with-items: i in <% range(700) %>, action: std.noop, on-success: t}
    t: {workflow: bad}
leaving:
  tasks:
    stays: {workflow: asks}
    fails: {action: std.fail, on-error: fail}
"""


def keeping(days: float | None = None, at_most: int = 0, **by_state: float | None) -> Retention:
    """Days by state; `days` for the others."""
    ages = {state: by_state.get(state, days) for state in EXPIRING}
    return Retention(
        {s: None if d is None else parse_duration(f"{d} days") for s, d in ages.items()}, at_most
    )


class HeldBack:
    """A timer that goes off when the test says so."""

    def __init__(self) -> None:
        self.jobs: list[Callable[[], None]] = []

    def __call__(self, _seconds: float, job: Callable[[], None]) -> None:
        self.jobs.append(job)

    def ring(self) -> None:
        """Let everything happen that waits."""
        jobs, self.jobs = self.jobs, []
        for job in jobs:
            job()


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    """A service whose time the test moves."""
    with World(database_url, clock=Clock()) as running:
        running.define(WORKFLOWS)
        yield running


def expiry(world: World, retention: Retention, removal: Removal | None = None) -> Expiry:
    """What makes the rounds of that service."""
    return Expiry(
        world.database, removal or world.engine.removal, world.service.lease, retention, clock=world.clock
    )


def make_round(world: World, retention: Retention) -> list[str]:
    """One round; which executions are left."""
    expiry(world, retention).round().result(PATIENCE)
    return [row["id"] for row in world.executions()]


def run(world: World, name: str, seconds: float = 1) -> str:
    """An execution that has ended, and a little time after it."""
    identifier = world.start(name)
    world.end(identifier)
    world.pass_time(seconds)
    return identifier


def test_by_age_and_state(world: World) -> None:
    good, bad = run(world, "good"), run(world, "bad")
    cancelled = world.start("asks")
    world.send(cancelled, StopRequested("CANCELLED"))
    running = world.start("asks")
    rule = keeping(30, ERROR=90, CANCELLED=None)

    world.pass_time(30 * DAY - 10)
    assert set(make_round(world, rule)) == {good, bad, cancelled, running}
    world.pass_time(20)
    assert set(make_round(world, rule)) == {bad, cancelled, running}
    world.pass_time(60 * DAY)
    assert set(make_round(world, rule)) == {cancelled, running}
    world.pass_time(1000 * DAY)
    assert set(make_round(world, rule)) == {cancelled, running}


def test_by_count_alone(world: World) -> None:
    ids = [run(world, "good"), run(world, "bad"), run(world, "tree"), run(world, "good")]
    running = world.start("asks")

    assert len(make_round(world, keeping(at_most=4))) == 6
    left = make_round(world, keeping(at_most=2))
    assert set(left) == {*ids[2:], running, *(row["id"] for row in world.children(ids[2]))}
    assert set(make_round(world, keeping(at_most=1))) == {ids[3], running}


def test_states_that_are_ignored(world: World) -> None:
    """They stay, and do not count among those that are kept."""
    bad, first, second = run(world, "bad"), run(world, "good"), run(world, "good")
    ages = {state: age for state, age in keeping(1).ages.items() if state != "ERROR"}
    rule = Retention(ages, 1)
    assert set(make_round(world, rule)) == {bad, second}
    assert first != second
    world.pass_time(2 * DAY)
    assert make_round(world, rule) == [bad]


def test_off_nothing_goes(world: World) -> None:
    run(world, "good")
    world.pass_time(10_000 * DAY)
    assert len(make_round(world, keeping())) == 1


def test_a_child_that_still_runs_keeps_its_tree(world: World) -> None:
    """And the round goes on behind it, and ends."""
    root, behind = run(world, "leaving"), run(world, "good")
    world.pass_time(2 * DAY)
    (child,) = world.children(root)
    assert child["state"] == "RUNNING"

    assert set(make_round(world, keeping(1))) == {root, child["id"]}
    assert behind not in [row["id"] for row in world.executions()]
    world.send(child["id"], StopRequested("SUCCESS"))
    world.until(lambda: not world.letters())
    world.pass_time(2 * DAY)
    assert make_round(world, keeping(1)) == []


def test_a_tree_that_cannot_be_removed_holds_up_nobody(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [run(world, "good") for _ in range(3)]
    monkeypatch.setattr("maestrale.store.expiry.EXECUTIONS_PER_PART", 1)
    _keep(world, ids[0])
    world.pass_time(2 * DAY)

    assert make_round(world, keeping(1)) == ids[:1]
    assert make_round(world, keeping(1)) == ids[:1]
    _sql(world, "DROP TRIGGER keep" + ("" if world.database.dialect.file else " ON workflow_executions"))
    assert make_round(world, keeping(1)) == []


def _keep(world: World, identifier: str) -> None:
    """Have the database refuse to delete an execution."""
    begin = "CREATE TRIGGER keep BEFORE DELETE ON workflow_executions"
    when = f"WHEN (OLD.id = '{identifier}')"
    if world.database.dialect.file:
        _sql(world, f"{begin} {when} BEGIN SELECT RAISE(ABORT, 'it stays'); END")
        return
    body = "BEGIN RAISE EXCEPTION 'it stays'; END"
    _sql(world, f"CREATE OR REPLACE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $${body}$$")
    _sql(world, f"{begin} FOR EACH ROW {when} EXECUTE FUNCTION keep()")


def _sql(world: World, statement: str) -> None:
    world.database.write(lambda c: c.exec_driver_sql(statement) and None).result(PATIENCE)


def test_what_comes_while_a_tree_is_removed_is_refused(world: World) -> None:
    """A rerun, a restart, a start under its id: each gets an answer, and none leaves half a tree."""
    root = run(world, "failing")
    (child,) = [row["id"] for row in world.children(root)]
    task = world.task(child, "t")["id"]
    world.pass_time(2 * DAY)
    held = HeldBack()
    removal = Removal(world.database, world.engine.loop.forget, world.engine.executor.cancel, held)
    done = expiry(world, keeping(1), removal).round()
    world.until(lambda: held.jobs)
    assert world.rows(execution_heads, execution_heads.c.deleting)

    with pytest.raises(NotFound, match="WorkflowExecution not found"):
        world.send(child, RerunRequested(task, reset=True))
    with pytest.raises(NotFound):
        world.engine.plan_restart(root, world.task(root, "many")["id"]).result(PATIENCE)
    with pytest.raises(NotFound):
        world.engine.delete_execution(root, force=True).result(PATIENCE)
    with pytest.raises(Conflict, match=f"{root} is being deleted"):
        world.start("good", root)
    while not done.done():
        world.until(lambda: held.jobs or done.done())
        held.ring()
    done.result(PATIENCE)
    left = {name for name, count in world.counts().items() if count}
    assert left == {"definitions", "definition_texts", "processes"}
    world.end(world.start("good", root))


def test_a_rerun_that_comes_first_saves_its_tree(world: World) -> None:
    root = run(world, "failing")
    (child,) = world.children(root)
    world.pass_time(2 * DAY)
    world.send(child["id"], RerunRequested(world.task(child["id"], "t")["id"], reset=True))
    assert root in make_round(world, keeping(1))
    world.end(root)
    world.until(lambda: world.execution(root)["finished_at"] > world.clock.at - DAY)  # type: ignore[union-attr]
    assert set(make_round(world, keeping(1))) == {root, child["id"]}


def _stop_in_the_middle(url: str) -> str:
    """A tree whose removal has begun when its process ends."""
    with World(url, clock=Clock()) as first:
        first.folds = False
        first.define(WORKFLOWS)
        root = run(first, "tree")
        first.pass_time(2 * DAY)
        held = HeldBack()
        expiry(
            first, keeping(1), Removal(first.database, first.engine.loop.forget, lambda _: None, held)
        ).round()
        first.until(lambda: held.jobs)
    return root


def test_a_removal_that_was_broken_off_is_finished(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By whoever starts next, whatever its own setting is; where others may be at it, a round later."""
    monkeypatch.setattr(rounds, "EVERY", 0.1)
    root = _stop_in_the_middle(database_url)
    with World(database_url) as second:
        second.until(lambda: not second.rows(workflow_executions))
        left = {name for name, count in second.counts().items() if count}
        assert left <= {"definitions", "definition_texts", "processes"}
        assert root not in second.service.engine.removal.in_hand


@pytest.mark.parametrize("is_expired", [False, True], ids=["deleted", "expired"])
def test_others_have_their_turn(world: World, monkeypatch: pytest.MonkeyPatch, is_expired: bool) -> None:
    """No transaction of a removal deletes much, and there is a pause after each."""
    root = run(world, "tree")
    parts: list[int] = []
    remove = deletion.remove

    def counted(connection: Any, ids: Any) -> list[str]:
        before = _rows(connection)
        left = remove(connection, ids)
        parts.append(before - _rows(connection))
        return left

    monkeypatch.setattr(deletion, "remove", counted)
    monkeypatch.setattr("maestrale.store.expiry.remove", counted)
    if is_expired:
        world.pass_time(2 * DAY)
        assert make_round(world, keeping(1)) == []
    else:
        world.engine.delete_execution(root, force=False).result(PATIENCE)
    assert sum(parts) > 700
    assert max(parts) <= deletion.ROWS_PER_PART + 2 * deletion.EXECUTIONS_PER_PART


def _rows(connection: Any) -> int:
    tables = ("action_executions", "task_executions", "decision_records", "workflow_executions", "mail")
    return sum(connection.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar() for name in tables)


def test_a_large_tree_that_runs_is_deleted(database_url: str) -> None:
    gate = Gate()
    with World(database_url, actions=[gate.action]) as world:
        world.define("""
version: '2.0'
outer: {tasks: {t: {with-items: i in <% range(150) %>, workflow: inner}}}
inner: {tasks: {t: {action: test.gate}}}
""")
        root = world.start("outer")
        gate.wait(150)
        world.engine.delete_execution(root, force=True).result(PATIENCE)
        world.until(lambda: len(gate.cancelled) == 150)
        world.until(lambda: not world.letters())
        left = {name for name, count in world.counts().items() if count}
        assert left == {"definitions", "definition_texts", "processes"}


@pytest.mark.postgresql
def test_rounds_of_several_processes(postgresql: PostgresqlServer) -> None:
    """They share the work, without one in the other's way."""
    name = postgresql.lend()
    url = postgresql.url(name)
    with World(url) as one, World(url) as two:
        one.define(WORKFLOWS)
        for number in range(60):
            one.start("good" if number % 20 else "tree")
        one.until(lambda: all(row["state"] == "SUCCESS" for row in one.executions()))
        rule = Retention(dict.fromkeys(EXPIRING, 1), 0)
        made = [
            Expiry(world.database, world.engine.removal, world.service.lease, rule).round()
            for world in (one, two, one)
        ]
        for done in made:
            done.result(PATIENCE)
        one.until(lambda: not one.executions())
    postgresql.take_back(name)


def test_texts_that_nothing_uses_go_after_a_while(world: World) -> None:
    run(world, "good")
    making = expiry(world, keeping(1))
    _sql(world, "DELETE FROM definitions WHERE name = 'good'")
    before = world.counts()["definition_texts"]

    def texts_after(seconds: float) -> int:
        world.pass_time(seconds)
        making.round().result(PATIENCE)
        return world.counts()["definition_texts"]

    assert texts_after(0) == before
    assert texts_after(2 * DAY) == before  # the execution went in this round
    assert texts_after(1800) == before
    assert texts_after(1801) == before - 1
