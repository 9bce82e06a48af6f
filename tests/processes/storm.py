"""What runs in a storm: mixed workflows, who starts them, and what must hold when it is over."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

import msgspec
import psycopg
from psycopg.rows import dict_row

from processes.fleet import Caller, Fleet
from processes.receiver import Receiver

Row = dict[str, Any]

ENDED: Final = ("SUCCESS", "ERROR", "CANCELLED")
LOST: Final = "executor was lost"

DEFINITIONS: Final = """
version: '2.0'

plain:
  input: [url, n]
  output: {n: <% $.n %>, sum: <% $.a + $.b + $.c %>}
  tasks:
    begin: {action: std.noop, on-success: [a, b, c]}
    a: {action: std.echo output=1, publish: {a: <% task().result %>}, on-success: meet}
    b: {action: std.echo output=2, publish: {b: <% task().result %>}, on-success: meet}
    c: {action: std.sleep seconds=0, publish: {c: 3}, on-success: meet}
    meet: {join: all, action: std.noop, on-success: last}
    last: {action: std.noop}

once:
  input: [url, n]
  output: {n: <% $.n %>, calls: <% $.calls %>}
  tasks:
    one: {action: std.http url="<% $.url %>/one" method="POST", on-success: meet}
    two: {action: std.http url="<% $.url %>/two" method="POST", on-success: meet}
    meet: {join: all, action: std.noop, publish: {calls: 2}}

again:
  input: [url, n]
  output: {n: <% $.n %>, path: <% $.path %>}
  tasks:
    call:
      action: std.http url="<% $.url %>/again" method="POST"
      safe-rerun: true
      publish: {path: <% task().result.content.path %>}
      on-success: pause
    pause: {action: std.noop, wait-before: 1}

items:
  input: [url, n]
  output: {n: <% $.n %>, results: <% $.results %>}
  tasks:
    calls:
      with-items: i in <% range(8) %>
      concurrency: 3
      action: std.http url="<% $.url %>/<% $.i %>" method="POST"
      safe-rerun: true
      publish: {results: <% task().result.content.path %>}

flaky:
  input: [url, n]
  output: {n: <% $.n %>, done: true}
  tasks:
    call:
      action: std.http url="<% $.url %>/flaky/<% execution().id %>" method="POST"
      safe-rerun: true
      retry: {count: 4, delay: 1}

tree:
  input: [url, n]
  output: {n: <% $.n %>, children: <% $.children %>}
  tasks:
    leaves:
      with-items: i in <% range(3) %>
      workflow: again
      input: {url: <% $.url %>, n: <% $.i %>}
      publish: {children: <% task().result.n %>}
      on-success: deeper
    deeper:
      workflow: items
      input: {url: <% $.url %>, n: <% $.n %>}

outside:
  input: [url, n]
  output: {n: <% $.n %>, told: <% $.told %>}
  tasks:
    wait: {action: std.async_noop, publish: {told: <% task().result %>}, on-success: last}
    last: {action: std.noop}

held:
  input: [url, n]
  output: {n: <% $.n %>}
  tasks:
    first: {action: std.noop, on-success: second}
    second: {action: std.noop, pause-before: true}
"""

PATHS: Final = [f"/{number}" for number in range(8)]
OUTPUTS: Final[dict[str, Row]] = {
    "plain": {"sum": 6},
    "once": {"calls": 2},
    "again": {"path": "/again"},
    "items": {"results": PATHS},
    "flaky": {"done": True},
    "tree": {"children": [0, 1, 2]},
    "outside": {"told": {"result": "told"}},
    "held": {},
}
"""What the output of each workflow says besides its `n`."""


class People:
    """Start workflows under ids of their own, and do what some of them wait for."""

    def __init__(self, fleet: Fleet, receiver: Receiver, seed: int) -> None:
        self._receiver = receiver
        self._chance = random.Random(seed)
        self._caller = Caller(fleet.apis, random.Random(seed))
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(4)
        self._starts: list[Future[None]] = []
        self.started: dict[str, Row] = {}
        self._thread = threading.Thread(target=self._run, daemon=True)

    def define(self) -> None:
        """Store the workflows."""
        answer = self._caller.ask("POST", "/v2/workflows", content=DEFINITIONS)
        assert answer.status_code == 201, answer.text

    def begin(self) -> None:
        """Start workflows from now on."""
        self._thread.start()

    def end(self) -> None:
        """Start no more."""
        self._over.set()
        self._thread.join()
        for start in self._starts:
            start.result()

    def _run(self) -> None:
        number = 0
        while not self._over.is_set():
            name = self._chance.choice(list(OUTPUTS))
            number += 1
            self._starts.append(self._pool.submit(self._start, name, number))
            self._over.wait(self._chance.expovariate(6.0))

    def _start(self, name: str, number: int) -> None:
        execution_id = str(uuid.UUID(int=self._chance.getrandbits(128), version=4))
        given = {"url": self._receiver.url, "n": number}
        body = {"workflow_name": name, "id": execution_id, "input": given}
        answer = self._caller.ask("POST", "/v2/executions", json=body)
        assert answer.status_code == 201, answer.text
        self.started[execution_id] = {"name": name, "n": number}

    def attend(self, open_ids: list[str]) -> None:
        """Complete what waits for somebody outside, and let paused executions go on."""
        for execution_id in open_ids:
            name = self.started[execution_id]["name"]
            if name == "held":
                row = self._caller.ask("GET", f"/v2/executions/{execution_id}").json()
                if row["state"] == "PAUSED":
                    self._caller.ask("PUT", f"/v2/executions/{execution_id}", json={"state": "RUNNING"})
            elif name == "outside":
                self._complete(execution_id)

    def _complete(self, execution_id: str) -> None:
        tasks = self._caller.ask("GET", f"/v2/executions/{execution_id}/tasks").json()["tasks"]
        for task in tasks:
            if task["name"] != "wait" or task["state"] != "RUNNING":
                continue
            path = f"/v2/tasks/{task['id']}/action_executions"
            for action in self._caller.ask("GET", path).json()["action_executions"]:
                body = {"state": "SUCCESS", "output": {"result": "told"}}
                self._caller.ask("PUT", f"/v2/action_executions/{action['id']}", json=body)


def wait_for_all(people: People, url: str, seconds: float) -> None:
    """Wait until every execution that was acknowledged has ended."""
    end = time.monotonic() + seconds
    while True:
        states = {row["id"]: row["state"] for row in rows(url, "SELECT id, state FROM workflow_executions")}
        missing = [i for i in people.started if i not in states]
        assert not missing, f"acknowledged, but not there: {missing}"
        open_ids = [i for i in people.started if states[i] not in ENDED]
        if not open_ids:
            return
        people.attend(open_ids)
        assert time.monotonic() < end, (
            f"{len(open_ids)} of {len(states)} do not end\n{_explain(url, open_ids)}"
        )
        time.sleep(0.3)


def _explain(url: str, execution_ids: list[str]) -> str:
    """What there is to know about executions that do not end, and who is there."""
    chosen = ", ".join(f"'{key}'" for key in execution_ids[:3])
    trees = f"SELECT id FROM workflow_executions WHERE root_id IN ({chosen})"
    found = rows(url, "SELECT * FROM processes")
    for table, column in (
        ("workflow_executions", "id"), ("execution_heads", "id"), ("mail", "execution_id"),
        ("task_executions", "execution_id"), ("action_executions", "execution_id"),
    ):  # fmt: skip
        found += rows(url, f"SELECT * FROM {table} WHERE {column} IN ({trees})")
    return "\n".join(str({k: v for k, v in row.items() if v not in (None, "", "{}", "[]")}) for row in found)


def rows(url: str, statement: str) -> list[Row]:
    """What the database says."""
    with psycopg.connect(url, row_factory=dict_row) as connection:
        return connection.execute(statement.encode()).fetchall()


def reconcile(people: People, receiver: Receiver, url: str) -> Counter[str]:
    """Compare what the database says with what really happened; counts for the report."""
    counts: Counter[str] = Counter()
    for row in rows(url, "SELECT id, name, state, state_info, output FROM workflow_executions"):
        counts[f"{row['name']} {row['state']}"] += 1
        _check_end(people, row)
    actions = rows(url, "SELECT id, name, state, state_info, output, repeatable FROM action_executions")
    known = {row["id"]: row for row in actions}
    for key, calls in receiver.calls.items():
        assert key in known, f"the call {key} belongs to no action"
        counts["calls"] += calls
        if calls > 1:
            counts["repeated calls"] += 1
            assert known[key]["repeatable"], f"{key} was called {calls} times without leave"
    for row in actions:
        if row["name"] == "std.http":
            counts[f"action {row['state']}"] += 1
            assert row["state"] != "SUCCESS" or receiver.calls[row["id"]], f"{row['id']} was never called"
    _check_rest(url)
    return counts


def _check_end(people: People, row: Row) -> None:
    if row["state"] == "ERROR":
        assert row["name"] == "once", row
        assert LOST in row["state_info"], row
        return
    assert row["state"] == "SUCCESS", row
    output = msgspec.json.decode(row["output"])
    number = output.pop("n")
    started = people.started.get(row["id"])
    if started is not None:
        assert (row["name"], number) == (started["name"], started["n"]), row
    assert output == OUTPUTS[row["name"]], row


def _check_rest(url: str) -> None:
    """Nothing is left over: no owner, no letter, no open task, no action that nobody runs."""
    for statement in (
        "SELECT id, owner FROM execution_heads WHERE owner IS NOT NULL",
        "SELECT id, alarm_at FROM execution_heads WHERE alarm_at IS NOT NULL",
        "SELECT * FROM mail",
        "SELECT id, name, state FROM task_executions WHERE state NOT IN ('SUCCESS', 'ERROR') AND live",
        "SELECT id, name, state FROM action_executions WHERE state NOT IN ('SUCCESS', 'ERROR')",
    ):
        left = rows(url, statement)
        assert not left, f"{statement}: {left[:5]}"
