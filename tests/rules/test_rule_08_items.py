"""Rule 8: the list of with-items is stored once, by reference; where it stands is on the task's row."""

from __future__ import annotations

import json

import pytest
from gates import Gate
from service import World
from sqlalchemy import Connection

from maestrale.runtime import commits, memory
from maestrale.store.executions import write_executions
from maestrale.store.rows import ExecutionRows
from maestrale.store.tables import execution_values

ITEMS = """
version: '2.0'
wf:
  input: [texts]
  output: {count: <% len(task(each).result) %>}
  tasks:
    each:
      with-items: text in <% $.texts %>
      concurrency: 2
      action: test.gate label=<% len($.text) %>
"""
COUNT = 12


def test_the_list_is_written_once_and_progress_costs_counters(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the execution is read anew for every item that ends."""
    monkeypatch.setattr(memory, "SLOTS_AT_REST", 0)
    written: list[ExecutionRows] = []

    def write(connection: Connection, batch: list[ExecutionRows]) -> None:
        written.extend(batch)
        write_executions(connection, batch)

    monkeypatch.setattr(commits, "write_executions", write)
    gate = Gate()
    with World(database_url, actions=[gate.action]) as world:
        world.define(ITEMS)
        texts = [f"{number}" * 1000 for number in range(COUNT)]
        key = world.start("wf", input={"texts": texts})
        seen: list[tuple[int, int, int]] = []
        for done in range(COUNT):
            if done:
                world.until(lambda done=done: world.task(key, "each")["items_done"] == done)  # type: ignore[misc]
                assert world.task(key, "each")["items_done"] == done
            row = world.task(key, "each")
            seen.append((row["items_count"], row["items_next"], row["items_done"]))
            gate.wait(2 if done == 0 else int(done < COUNT - 1))
            ids = {context.action_execution_id for context in gate.contexts}
            gate.open_one(min(ids & set(gate._waiting)))
        assert world.end(key)["output"] == {"count": COUNT}
    assert seen == [(COUNT, min(done + 2, COUNT), done) for done in range(COUNT)]

    whole = [row for rows in written for row in (*rows.new_tasks, *rows.full_tasks)]
    light = [row for rows in written for row in rows.light_tasks]
    assert len(whole) <= 2, "the task as it begins, and as it ends"
    assert len(light) >= COUNT - 2
    (items,) = {row["items"] for row in whole}
    assert json.loads(items).keys() == {"$value"}
    lists = [value for rows in written for value in rows.values.values() if texts[3].encode() in value]
    assert len({bytes(value) for value in lists}) == 2, "the input, and the list of items"
    progress = [rows for rows in written if rows.light_tasks]
    assert all(rows.size.bytes < 4000 for rows in progress), "no more than an action's row or two"


def test_lists_are_shared_by_reference(database_url: str) -> None:
    """Two tasks over the same list store it once."""
    with World(database_url) as world:
        row = world.run(
            """
version: '2.0'
wf:
  input: [texts]
  tasks:
    one: {with-items: text in <% $.texts %>, action: std.noop}
    two: {with-items: text in <% $.texts %>, action: std.noop}
""",
            input={"texts": ["x" * 100 for _ in range(100)]},
        )
        values = world.rows(execution_values, execution_values.c.root_id == row["id"])
        items = {task["name"]: task["items"] for task in world.tasks(row["id"])}
        assert items["one"] == items["two"]
        assert items["one"].keys() == {"$value"}
        assert len([value for value in values if value["hash"] == items["one"]["$value"]]) == 1
