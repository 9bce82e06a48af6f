"""Restarts on a real database: rows as history, another process, folding (checked when a world is left)."""

from __future__ import annotations

from service import World

from maestrale.engine.events import RestartRequested, StopRequested
from maestrale.store.tables import task_executions

TREE = """
version: '2.0'
top:
  output: {n: <% $.n %>}
  tasks:
    call:
      with-items: i in <% [0, 1] %>
      workflow: leaf
      publish: {n: <% task().result.n.sum() %>}
      on-success: after
    after: {action: std.noop}
leaf:
  output: {n: <% $.n %>}
  tasks:
    ask: {action: std.async_noop, publish: {n: <% task().result %>}, on-success: last}
    last: {action: std.noop}
"""


def answer(world: World, execution_id: str, result: int) -> None:
    """Complete the open action of an execution."""

    def find() -> str | None:
        waiting = [row["id"] for row in world.actions(execution_id) if row["state"] == "RUNNING"]
        return waiting[0] if waiting else None

    action_id = world.until(find)
    assert action_id is not None
    world.complete(action_id, "SUCCESS", result)


def test_a_restart_survives_the_process(database_url: str) -> None:
    with World(database_url) as world:
        world.define(TREE)
        top = world.start("top")
        leaves = world.until(lambda: len(world.children(top)) == 2 and world.children(top))
        assert leaves
        first, second = [leaf["id"] for leaf in leaves]
        for leaf in (first, second):
            answer(world, leaf, 1)
        assert world.end(top)["output"] == {"n": 2}
        old = world.task(top, "after")["id"]
        world.send(second, RestartRequested(world.task(second, "ask")["id"]))
        world.state(top, "RUNNING")
    with World(database_url) as world:
        answer(world, second, 5)
        assert world.end(top)["output"] == {"n": 6}
        (superseded,) = world.rows(task_executions, task_executions.c.id == old)
        assert (superseded["state"], superseded["live"]) == ("SUCCESS", False)
        assert [row["name"] for row in world.tasks(first)] == ["ask", "last"]
        assert [row["name"] for row in world.tasks(second)] == ["ask", "last", "last"]


def test_an_item_beside_a_cancelled_one_counts_after_its_restart(database_url: str) -> None:
    with World(database_url) as world:
        world.define(TREE)
        top = world.start("top")
        leaves = world.until(lambda: len(world.children(top)) == 2 and world.children(top))
        assert leaves
        first, second = [leaf["id"] for leaf in leaves]
        world.until(lambda: world.actions(first))
        world.send(first, StopRequested("CANCELLED"))
        assert world.end(top)["state"] == "CANCELLED"
    with World(database_url) as world:
        answer(world, second, 10)
        world.end(second)
        world.until(lambda: all(row["accepted"] for row in world.children(top)))
    with World(database_url) as world:
        world.send(first, RestartRequested(world.task(first, "ask")["id"]))
        world.state(top, "RUNNING")
        answer(world, first, 1)
        assert world.end(top)["output"] == {"n": 11}
        assert [row["id"] for row in world.children(top)] == [first, second]
