"""Several processes on one PostgreSQL: who may decide what, and what becomes of the work of the dead."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from gates import Gate
from service import PATIENCE, World

from maestrale.engine.events import PauseRequested, ResumeRequested
from maestrale.model.errors import NotFound
from maestrale.model.values import Microseconds
from maestrale.runtime.machine import description, has_ended
from maestrale.store import leases
from maestrale.store.leases import Neighbour
from maestrale.store.tables import execution_heads, processes

pytestmark = pytest.mark.postgresql

ONE = "version: '2.0'\none:\n  tasks: {t: {action: test.gate, publish: {got: <% task().result %>}}}\n"
TREE = """
version: '2.0'
tree: {tasks: {t: {with-items: i in <% range(5) %>, workflow: leaf}}}
leaf: {tasks: {t: {action: std.echo output=1}}}
"""


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def _condemn(world: World, process_id: str) -> None:
    """Have a process counted as dead, without waiting for its lease."""
    world.database.write(leases.condemn, [], [process_id], 0).result()


def _owner(world: World, execution_id: str) -> str | None:
    (head,) = world.rows(execution_heads, execution_heads.c.id == execution_id)
    owner: str | None = head["owner"]
    return owner


@pytest.mark.covers("eng.multi")
def test_a_command_reaches_the_owner(lent_url: str, stack: ExitStack) -> None:
    """Whoever is asked, the process decides that has the execution, and its reply comes back."""
    gate = Gate()
    here = stack.enter_context(World(lent_url, actions=[gate.action]))
    there = stack.enter_context(World(lent_url, actions=[gate.action]))
    here.define(ONE)
    key = here.start("one")
    gate.wait()
    assert _owner(here, key) == here.service.lease.process_id
    began = time.monotonic()
    there.send(key, PauseRequested())
    there.send(key, ResumeRequested())
    assert time.monotonic() - began < 3, "hints make this quick"
    gate.open([1])
    assert here.end(key)["state"] == "SUCCESS"
    assert _owner(here, key) is None


def test_an_api_leaves_workflows_to_engines(lent_url: str, stack: ExitStack) -> None:
    gate = Gate()
    engine = stack.enter_context(World(lent_url, actions=[gate.action], roles=("engine",)))
    api = stack.enter_context(World(lent_url, roles=("api",), actions=[Gate().action]))
    api.define(ONE)
    key = api.start("one")
    gate.wait()
    again = api.engine.start_workflow(api.request("one", key)).result(PATIENCE)
    assert (again.execution_id, again.created) == (key, False)
    gate.open([1])
    assert engine.end(key)["state"] == "SUCCESS"
    with pytest.raises(NotFound):
        api.send("nothing", PauseRequested())


def test_a_start_waits_for_an_engine(lent_url: str, stack: ExitStack) -> None:
    """Without any engine it is kept; the next one begins it."""
    api = stack.enter_context(World(lent_url, roles=("api",), actions=[Gate().action]))
    api.define(TREE)
    started = api.engine.start_workflow(api.request("tree"))
    engine = stack.enter_context(World(lent_url, roles=("engine",)))
    key = started.result(PATIENCE).execution_id
    assert engine.end(key)["state"] == "SUCCESS"


@pytest.mark.covers("eng.heartbeat", "eng.multi")
def test_who_was_taken_for_dead_begins_anew(lent_url: str, stack: ExitStack) -> None:
    """What it runs is given up; what it decides in its old name is refused, and decided in the new one."""
    gate, other_gate = Gate(), Gate()
    here = stack.enter_context(World(lent_url, actions=[gate.action]))
    there = stack.enter_context(World(lent_url, actions=[other_gate.action]))
    here.define(ONE)
    key = here.start("one")
    gate.wait()
    old = here.service.lease.process_id
    _condemn(there, old)
    row = there.end(key)
    assert row["state"] == "ERROR"
    assert "executor was lost" in row["state_info"]
    here.until(lambda: here.service.lease.process_id != old, "a new id")
    here.until(lambda: gate.cancelled, "the action to be given up")
    again = here.start("one")
    gate.wait()
    gate.open([2])
    assert here.end(again)["state"] == "SUCCESS"
    there.until(lambda: old not in [row["id"] for row in there.rows(processes)], "the burial")


def test_what_may_be_repeated_runs_elsewhere(lent_url: str, stack: ExitStack) -> None:
    gate, other_gate = Gate(repeatable=True), Gate(repeatable=True)
    here = stack.enter_context(World(lent_url, actions=[gate.action]))
    there = stack.enter_context(World(lent_url, actions=[other_gate.action]))
    here.define(ONE)
    key = here.start("one")
    gate.wait()
    _condemn(there, here.service.lease.process_id)
    other_gate.wait()
    other_gate.open([1])
    assert there.end(key)["state"] == "SUCCESS"
    assert [c.idempotency_key for c in gate.contexts] == [c.idempotency_key for c in other_gate.contexts]


def test_a_parent_hears_of_children_that_others_end(lent_url: str, stack: ExitStack) -> None:
    """Also of those that went on elsewhere, since their process was taken for dead."""
    worlds = [stack.enter_context(World(lent_url)) for _ in range(3)]
    worlds[0].define(TREE)
    keys = [worlds[0].start("tree") for _ in range(10)]
    _condemn(worlds[1], worlds[0].service.lease.process_id)
    for key in keys:
        assert worlds[1].end(key)["state"] == "SUCCESS"


def test_what_could_not_be_started_can_be_stopped(lent_url: str) -> None:
    """As when the database goes away between the first connection and the first statement."""
    World(lent_url, start=False).close(check=False)


def test_the_end_of_a_process_of_this_machine_is_seen() -> None:
    """Its number is free, or somebody else's; of other machines and boots nothing can be said."""
    me = description()
    names = ("host", "boot", "pid", "pid_started")
    host, boot, pid, started = (me[name] for name in names)

    def ended(host: str, boot: str, pid: int, pid_started: Microseconds | None) -> bool:
        return has_ended(Neighbour("id", host, boot, pid, pid_started, "engine", None, False, False))

    assert not ended(host, boot, pid, started)
    assert ended(host, boot, pid, started + 1)
    assert ended(host, boot, 4_194_303, 1)
    assert not ended("elsewhere", boot, 4_194_303, 1)
    assert not ended(host, "another boot", 4_194_303, 1)
    assert not ended(host, boot, pid, None)
