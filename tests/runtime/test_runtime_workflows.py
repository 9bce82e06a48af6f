"""Workflows from start to end, on a real database."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from itertools import pairwise

import pytest
from service import PATIENCE, Clock, World

from maestrale.engine.events import Described, PauseRequested, ResumeRequested
from maestrale.model.errors import InvalidInput
from maestrale.runtime.slots import Pending
from maestrale.store.tables import decision_records, execution_heads

ON_POSTGRESQL = 5

HELLO = """
version: '2.0'
hello:
  input:
    - name: World
  output:
    greeting: <% $.greeting %>
  tasks:
    greet:
      action: std.echo output="Hello, <% $.name %>!"
      publish:
        greeting: <% task().result %>
"""


def test_hello(world: World) -> None:
    row = world.run(HELLO, input={"name": "Maestrale"})

    assert row["state"] == "SUCCESS"
    assert row["output"] == {"greeting": "Hello, Maestrale!"}
    assert row["input"] == {"name": "Maestrale"}
    assert row["finished_at"] >= row["created_at"]
    assert world.task_states(row["id"]) == {"greet": "SUCCESS"}
    (action,) = world.actions(row["id"])
    assert (action["state"], action["accepted"], action["output"]) == ("SUCCESS", True, "Hello, Maestrale!")


def test_an_ended_execution_is_owned_by_nobody_and_wants_no_alarm(world: World) -> None:
    row = world.run(HELLO)

    (head,) = world.rows(execution_heads, execution_heads.c.id == row["id"])
    assert (head["owner"], head["alarm_at"], head["open_tasks"]) == (None, None, 0)


def test_wrong_input_refuses_the_start_and_leaves_nothing(world: World) -> None:
    world.define(HELLO)

    with pytest.raises(InvalidInput, match="unexpected=\\['nmae'\\]"):
        world.start("hello", input={"nmae": "x"})

    assert world.executions() == []
    assert world.rows(decision_records) == []


DIAMOND = """
version: '2.0'
diamond:
  output:
    all: <% [$.a, $.b, $.c] %>
  tasks:
    top:
      action: std.echo
      input: {{output: 1, delay: {delay}}}
      publish: {{a: <% task().result %>}}
      on-success: [left, right]
    left:
      action: std.echo
      input: {{output: 2, delay: {delay}}}
      publish: {{b: <% task().result + $.a %>}}
      on-success: bottom
    right:
      action: std.echo
      input: {{output: 3, delay: {delay}}}
      publish: {{c: <% task().result + $.a %>}}
      on-success: bottom
    bottom:
      join: all
      action: std.noop
"""


@pytest.mark.parametrize("delay", [0, 0.02])
def test_diamond(world: World, delay: float) -> None:
    row = world.run(DIAMOND.format(delay=delay))

    assert row["output"] == {"all": [1, 3, 4]}
    assert set(world.task_states(row["id"]).values()) == {"SUCCESS"}
    triggers = {t["task_id"] for t in world.task(row["id"], "bottom")["triggered_by"]}
    assert triggers == {world.task(row["id"], "left")["id"], world.task(row["id"], "right")["id"]}


PARENT = """
version: '2.0'
parent:
  input: [values]
  output:
    doubled: <% $.doubled %>
  tasks:
    each:
      with-items: n in <% $.values %>
      workflow: child number=<% $.n %>
      publish: {doubled: <% task().result.value %>}
child:
  input: [number]
  output:
    value: <% $.doubled %>
  tasks:
    double:
      action: std.echo output=<% $.number * 2 %>
      publish: {doubled: <% task().result %>}
"""


@pytest.mark.covers("eng.subworkflow.tree")
def test_one_sub_workflow(world: World) -> None:
    row = world.run(PARENT, input={"values": [21]})

    assert row["output"] == {"doubled": [42]}
    (child,) = world.children(row["id"])
    assert (child["state"], child["accepted"]) == ("SUCCESS", True)
    assert child["root_id"] == row["id"]
    assert child["parent_task_id"] == world.task(row["id"], "each")["id"]


def test_fifty_sub_workflows(world: World) -> None:
    row = world.run(PARENT, input={"values": list(range(50))})

    assert row["output"] == {"doubled": [2 * number for number in range(50)]}
    children = world.children(row["id"])
    assert sorted(child["item_index"] for child in children) == list(range(50))
    assert all(child["accepted"] for child in children)


@pytest.mark.covers("eng.parallel_scale", "dsl.join.all")
def test_a_thousand_parallel_tasks_meet(world: World) -> None:
    names = [f"t{number}" for number in range(1000)]
    tasks = "".join(f"    {name}: {{action: std.echo output=1, on-success: meet}}\n" for name in names)
    text = f"version: '2.0'\nwide:\n  tasks:\n{tasks}    meet: {{join: all}}\n"

    row = world.run(text)

    assert row["state"] == "SUCCESS"
    found = world.tasks(row["id"])
    assert sorted(task["name"] for task in found) == sorted([*names, "meet"])
    assert {task["state"] for task in found} == {"SUCCESS"}


def test_a_failing_sub_workflow_is_the_error_of_its_task(world: World) -> None:
    row = world.run("""
version: '2.0'
outer:
  output: {seen: <% $.seen %>}
  tasks:
    t:
      workflow: inner
      publish-on-error: {seen: <% task().result.result %>}
      on-error: noop
inner:
  tasks:
    bad:
      action: std.fail error_data="broken"
""")

    assert row["state"] == "SUCCESS"
    assert "broken" in row["output"]["seen"]
    assert world.task_states(row["id"]) == {"t": "ERROR"}


@pytest.mark.covers("eng.subworkflow.tree")
def test_sub_workflows_three_levels_deep(world: World) -> None:
    row = world.run("""
version: '2.0'
one:
  output: {x: <% $.x %>}
  tasks:
    t: {workflow: two, publish: {x: <% task().result.x %>}}
two:
  output: {x: <% $.x %>}
  tasks:
    t: {workflow: three, publish: {x: <% task().result.x + 1 %>}}
three:
  output: {x: 1}
  tasks:
    t:
      action: std.echo
      input: {output: 1, delay: 0.02}
""")

    assert row["output"] == {"x": 2}
    assert {r["root_id"] for r in world.executions()} == {row["id"]}


def test_an_unknown_sub_workflow_is_an_error_of_the_task(world: World) -> None:
    row = world.run("""
version: '2.0'
wf:
  tasks:
    t: {workflow: nowhere, on-error: [after]}
    after: {action: std.noop}
""")

    assert row["state"] == "SUCCESS"
    assert world.task_states(row["id"]) == {"t": "ERROR", "after": "SUCCESS"}
    assert "Failed to find workflow [name=nowhere" in world.task(row["id"], "t")["state_info"]


def test_an_unknown_action_fails_the_execution_visibly(world: World) -> None:
    row = world.run("""
version: '2.0'
wf:
  tasks:
    t: {action: std.eco output=1, on-error: [after]}
    after: {action: std.noop}
""")

    assert row["state"] == "ERROR"
    assert "Failed to find action [action_name=std.eco]" in row["state_info"]
    assert "std.echo" in row["state_info"]
    assert world.task_states(row["id"]) == {"t": "ERROR"}


ITEMS = """
version: '2.0'
items:
  input: [values, width: null]
  output: {results: <% $.results %>}
  tasks:
    each:
      with-items: i in <% $.values %>
      action: std.echo output=<% $.i * 10 %> delay=<% 0.01 %>
      concurrency: <% int($.width) %>
      publish: {results: <% task().result %>}
"""


@pytest.mark.parametrize("width", [1, 3, 0])
def test_items_of_asynchronous_actions(world: World, width: int) -> None:
    row = world.run(ITEMS, input={"values": list(range(12)), "width": width})

    assert row["output"] == {"results": [10 * number for number in range(12)]}
    task = world.task(row["id"], "each")
    assert (task["items_count"], task["items_done"], task["items_failed"]) == (12, 12, 0)
    assert len(world.actions(row["id"])) == 12


def test_more_items_than_one_decision_may_start(database_url: str) -> None:
    with World(database_url, steps=7) as world:
        row = world.run(ITEMS, input={"values": list(range(40)), "width": 0})

    assert row["output"] == {"results": [10 * number for number in range(40)]}


def test_a_failing_item_fails_its_task_after_the_others_ended(world: World) -> None:
    row = world.run("""
version: '2.0'
wf:
  tasks:
    each:
      with-items: i in [1, 0, 2]
      action: <% switch($.i = 0 => 'std.fail', true => 'std.noop') %>
""")

    assert row["state"] == "ERROR"
    task = world.task(row["id"], "each")
    assert (task["items_done"], task["items_failed"]) == (3, 1)
    assert task["state_info"] == "One or more actions had failed."


RETRY = """
version: '2.0'
wf:
  tasks:
    t:
      action: std.fail
      retry: {count: 2, delay: 1}
"""


def test_retry_waits_by_alarm(world: World) -> None:
    world.define(RETRY)
    identifier = world.start("wf")

    task = world.task(identifier, "t")
    assert task["state"] == "DELAYED"
    assert task["cause"]["kind"] == "due"
    (head,) = world.rows(execution_heads, execution_heads.c.id == identifier)
    assert head["alarm_at"] == task["due_at"]
    assert head["owner"] is None

    row = world.end(identifier)
    assert row["state"] == "ERROR"
    actions = world.actions(identifier)
    assert [(a["attempt"], a["accepted"]) for a in actions] == [(0, False), (1, False), (2, True)]
    gaps = [b["created_at"] - a["created_at"] for a, b in pairwise(actions)]
    assert all(1_000_000 <= gap < 3_000_000 for gap in gaps)


TIMES = """
version: '2.0'
wf:
  tasks:
    slow:
      wait-before: 60
      action: std.async_noop
      timeout: 3600
      on-error: [after]
    after:
      action: std.noop
      wait-after: 5
"""


def test_due_times_are_kept(database_url: str) -> None:
    with World(database_url, clock=Clock()) as world:
        world.define(TIMES)
        identifier = world.start("wf")

        world.pass_time(59.9)
        world.engine.loop.settle()
        assert world.task(identifier, "slow")["state"] == "DELAYED"
        world.pass_time(0.1)
        world.until(lambda: world.task(identifier, "slow")["state"] == "RUNNING")
        world.pass_time(3540)
        world.until(lambda: world.task(identifier, "slow")["state"] == "ERROR")
        world.until(lambda: world.task(identifier, "after")["state"] == "DELAYED")
        world.pass_time(5)

        assert world.end(identifier)["state"] == "SUCCESS"
        slow = world.task(identifier, "slow")
        assert slow["state_info"] == "Task timed out [timeout(s)=3600]."
        (action,) = [a for a in world.actions(identifier) if a["name"] == "std.async_noop"]
        assert action["state"] == "CANCELLED"


def test_an_alarm_outlives_a_clock_that_steps_back(database_url: str) -> None:
    with World(database_url, clock=Clock()) as world:
        world.define(TIMES)
        identifier = world.start("wf")
        hold = threading.Event()
        world.database.write(lambda _: hold.wait(PATIENCE))
        described: Future[None] = Future()
        world.engine.loop.deliver(identifier, Pending(Described("held back"), described))
        world.until(lambda: world.engine.loop._slots[identifier].busy)

        world.pass_time(61)
        world.until(lambda: not world.engine.loop._alarms, "the alarm to ring while the execution is busy")
        world.pass_time(-10)
        hold.set()
        described.result(PATIENCE)
        world.engine.loop.settle()
        assert world.task(identifier, "slow")["state"] == "DELAYED"
        world.pass_time(10)

        world.until(lambda: world.task(identifier, "slow")["state"] == "RUNNING")


def test_time_never_goes_back_for_an_execution(database_url: str) -> None:
    with World(database_url, clock=Clock()) as world:
        world.define(TIMES)
        identifier = world.start("wf")
        world.pass_time(-100)
        world.send(identifier, Described("later"))

        row = world.execution(identifier)
        assert row["updated_at"] >= row["created_at"]


def test_held_timers_go_on_after_resume(database_url: str) -> None:
    with World(database_url, clock=Clock()) as world:
        world.define(TIMES)
        identifier = world.start("wf")
        world.send(identifier, PauseRequested())
        world.pass_time(100)
        world.engine.loop.settle()
        assert world.task(identifier, "slow")["state"] == "DELAYED"

        world.send(identifier, ResumeRequested())

        world.until(lambda: world.task(identifier, "slow")["state"] == "RUNNING")


def test_what_stands_before_an_end_runs_on(database_url: str) -> None:
    with World(database_url, steps=2) as world:
        row = world.run("""
version: '2.0'
wf:
  tasks:
    beside: {action: std.echo output=1 delay=0.05}
    t1: {on-success: [before, 'fail msg="now"', after]}
    before: {with-items: i in <% range(9).toList() %>, action: std.echo output=<% $.i %> delay=0.02}
    after: {action: std.noop}
""")
        assert (row["state"], row["state_info"]) == ("ERROR", "now")
        expected = {"beside": "SUCCESS", "t1": "SUCCESS", "before": "SUCCESS"}
        world.until(lambda: world.task_states(row["id"]) == expected)
        outputs = [a["output"] for a in world.actions(row["id"]) if a["item_index"] is not None]
        assert sorted(outputs) == list(range(9))


def test_tasks_and_executions_are_answered_from_committed_rows(world: World) -> None:
    first = world.run(HELLO)
    row = world.run(f"""
version: '2.0'
wf:
  output: {{names: <% $.names %>, count: <% $.count %>}}
  tasks:
    t:
      action: std.noop
      publish:
        names: <% tasks('{first["id"]}').name %>
        count: <% len(executions(state => 'SUCCESS')) %>
""")

    assert row["output"] == {"names": ["greet"], "count": 1}


LARGE = """
version: '2.0'
outer:
  output: {same: <% $.text = $.again %>}
  tasks:
    make:
      action: std.echo
      input: {output: <% 'x' * 50000 %>, delay: 0.01}
      publish: {text: <% task().result %>}
      on-success: [through, beside]
    through:
      workflow: inner text=<% $.text %>
      publish: {again: <% task().result.text %>}
    beside: {action: std.echo output=<% $.text %>}
inner:
  input: [text]
  output: {text: <% $.text %>}
  tasks:
    t: {action: std.echo output=<% $.text %>}
"""


def test_a_large_value_is_stored_once_for_a_whole_tree(world: World) -> None:
    row = world.run(LARGE)

    assert row["state"] == "SUCCESS", row["state_info"]
    assert row["output"] == {"same": True}
    values = world.values(row["id"])
    assert [len(data) for data in values] == [50_002]
