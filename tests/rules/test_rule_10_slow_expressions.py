"""Rule 10: expressions beyond a budget run in a helper process, which can be ended; nobody waits for them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Future
from pathlib import Path

import pytest
from service import PATIENCE, World

from maestrale.expressions.leaving import Request
from maestrale.model.values import Json
from maestrale.runtime.evaluator import HelperProcess, InPlace
from maestrale.runtime.machine import pid_started
from maestrale.store.executions import read_records

ON_POSTGRESQL = 1

ENDLESS = """
version: '2.0'
endless:
  vars: {text: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab}
  tasks: {t: {action: std.noop, publish: {x: "<% regex('(a+)+$').matches($.text) %>"}}}
"""
QUICK = """
version: '2.0'
quick:
  tasks: {t: {action: std.noop, publish: {x: <% 1 + 1 %>}}}
"""
SLOW = """
version: '2.0'
slow:
  vars:
    words: <% range(1000).select(w + str($)) %>
  output:
    found: <% $.words.where($ =~ '^(w+)+99$') %>
    here: <% task(t).published.one %>
  tasks:
    t: {action: std.noop, publish: {one: 1}}
"""
ITEMS = """
version: '2.0'
items:
  output: {all: <% task(t).result %>}
  tasks:
    t:
      with-items: i in <% range(30) %>
      action: std.echo output="<% regex('(a+)+b$').matches('aaaaaaaaaaaaaaaaaaaaab' + str($.i)) %>"
"""


def _helper(world: World) -> HelperProcess:
    evaluator = world.engine.evaluator
    assert isinstance(evaluator, HelperProcess)
    return evaluator


def test_a_slow_expression_delays_nobody_else(database_url: str) -> None:
    with World(database_url) as world:
        world.define(ENDLESS)
        world.define(QUICK)
        world.end(world.start("quick"))
        started = world.engine.start_workflow(world.request("endless"))
        world.until(lambda: _helper(world).process_id, "the helper process to start")
        latencies = []
        for _ in range(20):
            begun = time.monotonic()
            assert world.end(world.start("quick"))["state"] == "SUCCESS"
            latencies.append(time.monotonic() - begun)
        assert not started.done()
        assert sorted(latencies)[-2] < 1.0
        ended = world.end(started.result(PATIENCE).execution_id)
        assert ended["state"] == "ERROR"
        assert "it takes longer than 2 s ([expressions] time_limit)" in ended["state_info"]
        assert "'publish.x' of task 't', line 5" in ended["state_info"]


def test_the_outcome_is_part_of_the_record(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with World(database_url) as world:  # leaving it takes all decisions again by their records
        asked: list[Request] = []
        evaluate = _helper(world).evaluate

        def ask(request: Request) -> Future[Json]:
            asked.append(request)
            return evaluate(request)

        monkeypatch.setattr(_helper(world), "evaluate", ask)
        ended = world.run(SLOW)
        assert ended["output"] == {"found": ["w99"], "here": 1}
        assert len(asked) == 1
        assert set(asked[0].layers[-2]) == {"words"}
        records = world.database.read(read_records, ended["id"]).result(PATIENCE)
        (answer,) = [found for record in records for found in record.answers.values()]
        assert answer == {"value": ["w99"]}


def test_every_item_of_a_task_may_have_a_slow_expression(database_url: str) -> None:
    with World(database_url) as world:
        ended = world.run(ITEMS)
        assert ended["output"] == {"all": [False] * 30}


def test_the_process_begins_when_it_is_needed_and_is_replaced_when_it_was_ended(database_url: str) -> None:
    with World(database_url) as world:
        world.run(QUICK)
        assert _helper(world).process_id is None
        world.run(SLOW)
        first = _helper(world).process_id
        assert first is not None
        world.end(world.start("slow"))
        assert _helper(world).process_id == first
        os.kill(first, signal.SIGKILL)
        world.until(lambda: pid_started(first) is None, "the helper process to end")
        assert world.end(world.start("slow"))["state"] == "SUCCESS"
        second = _helper(world).process_id
        assert second not in (None, first)
    assert second is not None
    assert pid_started(second) is None


def test_the_process_knows_no_secrets(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAESTRALE_DATABASE_PASSWORD_FOR_TESTS", "hush")
    with World(database_url) as world:
        world.run(SLOW)
        helper = Path(f"/proc/{_helper(world).process_id}")
        assert b"hush" not in (helper / "environ").read_bytes()
        assert database_url.encode() not in (helper / "environ").read_bytes()
        opened = [os.readlink(link) for link in (helper / "fd").iterdir()]
        assert not [name for name in opened if name.startswith("socket:") or ".db" in name]
        limits = (helper / "limits").read_text()
        assert "536870912" in next(
            line for line in limits.splitlines() if line.startswith("Max address space")
        )


_ORPHANED = """
import os, signal, sys, threading, time
from maestrale.expressions import template
from maestrale.expressions.leaving import Request
from maestrale.expressions.options import Options
from maestrale.expressions.leaving import Request
from maestrale.model.values import Json
from maestrale.runtime.evaluator import HelperProcess

template.configure(Options(time_limit=0.5))
helper = HelperProcess()
helper.evaluate(Request("<% 1 %>", (), ())).result()
print(helper.process_id, flush=True)
helper.evaluate(Request("<% regex('(a+)+$').matches('" + "a" * 60 + "b') %>", (), ()))
time.sleep(0.2)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_process_does_not_outlive_whoever_started_it() -> None:
    output = subprocess.run([sys.executable, "-c", _ORPHANED], stdout=subprocess.PIPE, check=False).stdout
    number = int(output)
    deadline = time.monotonic() + PATIENCE
    while pid_started(number) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_in_a_simulation_the_outcome_is_the_same(database_url: str) -> None:
    with World(database_url) as world:
        world.engine.evaluator.stop()
        world.engine.loop._reader._evaluator = InPlace()
        assert world.run(SLOW)["output"] == {"found": ["w99"], "here": 1}
