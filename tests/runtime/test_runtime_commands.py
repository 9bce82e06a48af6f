"""Commands to executions: each is a letter, and is answered when its consequences are durable."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest
from gates import Gate
from service import PATIENCE, World
from sqlalchemy import select

from maestrale.engine.events import (
    Described,
    EnvironmentUpdated,
    PauseRequested,
    RerunRequested,
    ResumeRequested,
    SkipRequested,
    StopRequested,
)
from maestrale.model.errors import EvaluationError, Forbidden, InvalidState, NotFound, Unavailable
from maestrale.model.maintenance import CAUSE
from maestrale.store.executions import INDEXES_PER_STATEMENT
from maestrale.store.tables import execution_heads

ON_POSTGRESQL = 4

UNKNOWN = "00000000-0000-7000-8000-000000000000"

TWO_STEPS = """
version: '2.0'
wf:
  output: {first: <% $.get(first) %>}
  tasks:
    first:
      action: std.async_noop
      publish: {first: <% task().result %>}
      on-success: second
    second: {action: std.noop}
"""


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def gated(database_url: str, gate: Gate) -> Iterator[World]:
    with World(database_url, actions=[gate.action]) as world:
        yield world


def started(world: World, text: str = TWO_STEPS, **options: object) -> str:
    world.define(text)
    return world.start("wf", **options)  # type: ignore[arg-type]


def test_pause_and_resume(world: World) -> None:
    identifier = started(world)

    world.send(identifier, PauseRequested())
    assert world.execution(identifier)["state"] == "PAUSED"
    assert world.execution(identifier)["cause"] == {"kind": "pause", "by": "request"}
    (action,) = world.actions(identifier)
    world.complete(action["id"], result="done")
    assert world.task_states(identifier) == {"first": "SUCCESS"}
    assert world.execution(identifier)["state"] == "PAUSED"

    world.send(identifier, ResumeRequested())

    assert world.end(identifier)["output"] == {"first": "done"}
    assert world.task_states(identifier) == {"first": "SUCCESS", "second": "SUCCESS"}


def test_every_command_leaves_a_reply_and_no_letter(world: World) -> None:
    identifier = started(world)

    world.send(identifier, PauseRequested())
    world.send(identifier, Described("what it is"))
    with pytest.raises(Forbidden):
        world.send(world.start("wf"), EnvironmentUpdated({"a": 1}))

    assert world.letters() == []
    assert sorted(reply["status"] for reply in world.replies()) == [200, 200, 403]
    assert world.execution(identifier)["description"] == "what it is"


@pytest.mark.parametrize("state", ["SUCCESS", "ERROR", "CANCELLED"])
def test_stop(world: World, state: str) -> None:
    identifier = started(world)

    world.send(identifier, StopRequested(state, "enough"))  # type: ignore[arg-type]

    row = world.execution(identifier)
    assert (row["state"], row["state_info"]) == (state, "enough")
    assert row["output"] == ({"first": None} if state == "SUCCESS" else {"result": "enough"})
    (head,) = world.rows(execution_heads, execution_heads.c.id == identifier)
    assert head["owner"] is None


def test_a_refused_command_raises_and_changes_nothing(world: World) -> None:
    identifier = started(world)
    world.send(identifier, StopRequested("ERROR", "enough"))
    before = world.execution(identifier)

    with pytest.raises(InvalidState, match="from ERROR to PAUSED"):
        world.send(identifier, PauseRequested())
    with pytest.raises(InvalidState, match="from ERROR to SUCCESS"):
        world.send(identifier, StopRequested("SUCCESS"))

    assert world.execution(identifier) == before
    assert world.letters() == []
    refused = [reply for reply in world.replies() if reply["status"] == 400]
    assert len(refused) == 2
    assert all("Can't change workflow execution state" in reply["message"] for reply in refused)


def test_a_refusal_after_changes_in_the_core_leaves_no_trace(world: World) -> None:
    """Resuming evaluates guards; one that fails with the new environment refuses the resume as a whole."""
    identifier = started(
        world,
        """
version: '2.0'
wf:
  tasks:
    first:
      action: std.async_noop
      on-success:
        - second: <% env().number > 0 %>
    second: {action: std.noop}
""",
        params={"env": {"number": 1}},
    )
    (action,) = world.actions(identifier)
    world.send(identifier, PauseRequested())
    world.complete(action["id"])
    before = world.execution(identifier)

    with pytest.raises(EvaluationError):
        world.send(identifier, ResumeRequested({"number": {"not": "a number"}}))

    assert world.execution(identifier) == before
    world.send(identifier, ResumeRequested({"number": 2}))
    assert world.end(identifier)["state"] == "SUCCESS"
    assert world.task_states(identifier) == {"first": "SUCCESS", "second": "SUCCESS"}


def test_commands_to_an_unknown_execution(world: World) -> None:
    for event in (PauseRequested(), ResumeRequested(), StopRequested("ERROR"), RerunRequested(UNKNOWN)):
        with pytest.raises(NotFound, match=UNKNOWN):
            world.send(UNKNOWN, event)

    assert world.letters() == []


def test_commands_about_an_unknown_task(world: World) -> None:
    identifier = started(world)

    with pytest.raises(NotFound, match="Task execution not found"):
        world.send(identifier, RerunRequested(UNKNOWN))
    with pytest.raises(NotFound, match="Task execution not found"):
        world.send(identifier, SkipRequested(UNKNOWN))


FLAKY = """
version: '2.0'
wf:
  output: {answer: <% $.answer %>}
  tasks:
    ask:
      action: test.gate
      publish: {answer: <% task().result %>}
      publish-on-skip: {answer: skipped}
      on-success: after
      on-skip: after
    after: {action: std.noop}
"""


def test_rerun(gated: World, gate: Gate) -> None:
    identifier = started(gated, FLAKY)
    gate.wait()
    gate.fail(ValueError("not yet"))
    assert "not yet" in gated.end(identifier)["state_info"]
    task = gated.task(identifier, "ask")

    gated.send(identifier, RerunRequested(task["id"]))
    assert gated.execution(identifier)["state"] == "RUNNING"
    gate.wait()
    gate.open("yes")

    assert gated.end(identifier)["output"] == {"answer": "yes"}
    assert [(a["state"], a["accepted"]) for a in gated.actions(identifier) if a["name"] == "test.gate"] == [
        ("ERROR", False), ("SUCCESS", True),
    ]  # fmt: skip
    keys = [context.idempotency_key for context in gate.contexts]
    assert keys[0] != keys[1]
    assert [context.attempt for context in gate.contexts] == [1, 2]
    with pytest.raises(InvalidState):
        gated.send(identifier, RerunRequested(task["id"]))


def test_skip(gated: World, gate: Gate) -> None:
    identifier = started(gated, FLAKY)
    gate.wait()
    gate.fail(ValueError("never"))
    gated.end(identifier)

    gated.send(identifier, SkipRequested(gated.task(identifier, "ask")["id"]))

    assert gated.end(identifier)["output"] == {"answer": "skipped"}
    assert gated.task_states(identifier) == {"ask": "SKIPPED", "after": "SUCCESS"}


def test_rerun_of_failed_items_only(gated: World, gate: Gate) -> None:
    identifier = started(
        gated,
        """
version: '2.0'
wf:
  output: {all: <% $.all %>}
  tasks:
    each:
      with-items: i in [0, 1, 2]
      action: <% switch($.i = 1 => 'test.gate', true => 'std.noop') %>
      publish: {all: <% task().result %>}
""",
    )
    gate.wait()
    gate.fail(ValueError("item"))
    assert gated.end(identifier)["state"] == "ERROR"

    gated.send(identifier, RerunRequested(gated.task(identifier, "each")["id"], reset=False))
    gate.wait()
    gate.open("better")

    assert gated.end(identifier)["output"] == {"all": [None, "better", None]}
    assert len(gated.actions(identifier)) == 4


def test_rerun_below_reopens_everything_above(gated: World, gate: Gate) -> None:
    gated.define("""
version: '2.0'
top:
  output: {x: <% $.x %>}
  tasks:
    t: {workflow: middle, publish: {x: <% task().result.x %>}}
middle:
  output: {x: <% $.x %>}
  tasks:
    t: {workflow: bottom, publish: {x: <% task().result.x %>}}
bottom:
  output: {x: <% $.x %>}
  tasks:
    t: {action: test.gate, publish: {x: <% task().result %>}}
""")
    top = gated.start("top")
    gate.wait()
    gate.fail(ValueError("first time"))
    assert gated.end(top)["state"] == "ERROR"
    (bottom,) = [row["id"] for row in gated.executions() if row["name"] == "bottom"]

    gated.send(bottom, RerunRequested(gated.task(bottom, "t")["id"]))
    gated.state(top, "RUNNING")
    gate.wait()
    gate.open("second time")

    assert gated.end(top)["output"] == {"x": "second time"}
    assert {row["state"] for row in gated.executions()} == {"SUCCESS"}


def test_pause_goes_down_and_resume_too(gated: World, gate: Gate) -> None:
    gated.define("""
version: '2.0'
outer:
  tasks:
    t: {workflow: inner, on-success: after}
    after: {action: std.noop}
inner:
  tasks:
    t: {action: test.gate, on-success: after}
    after: {action: std.noop}
""")
    outer = gated.start("outer")
    gate.wait()
    (inner,) = [row["id"] for row in gated.children(outer)]

    gated.send(outer, PauseRequested())
    gated.state(inner, "PAUSED")
    gate.open()
    gated.until(lambda: gated.task_states(inner) == {"t": "SUCCESS"})
    gated.send(outer, ResumeRequested())

    assert gated.end(outer)["state"] == "SUCCESS"
    assert gated.task_states(inner) == {"t": "SUCCESS", "after": "SUCCESS"}


def test_cancel_goes_down(world: World) -> None:
    world.define("""
version: '2.0'
outer:
  tasks:
    t: {workflow: inner}
inner:
  tasks:
    t: {action: std.async_noop}
""")
    outer = world.start("outer")
    (inner,) = [row["id"] for row in world.children(outer)]
    world.until(lambda: world.task_states(inner))

    world.send(outer, StopRequested("CANCELLED", "no more"))

    assert world.end(inner)["state_info"] == "no more"
    assert world.execution(outer)["output"] == {"result": "no more"}


# -- starting under an id of the client's


@pytest.mark.covers("eng.idempotent_start")
def test_start_with_an_id_is_idempotent(world: World) -> None:
    world.define(TWO_STEPS)

    first = world.engine.start_workflow(world.request("wf", "my-id")).result(PATIENCE)
    again = world.engine.start_workflow(world.request("wf", "my-id")).result(PATIENCE)

    assert (first.execution_id, first.created) == ("my-id", True)
    assert (again.execution_id, again.created) == ("my-id", False)
    assert len(world.tasks("my-id")) == 1


def test_an_id_is_known_after_the_execution_ended(world: World) -> None:
    world.define(TWO_STEPS)
    world.start("wf", "my-id")
    world.send("my-id", StopRequested("SUCCESS"))

    again = world.engine.start_workflow(world.request("wf", "my-id")).result(PATIENCE)

    assert not again.created
    assert world.execution("my-id")["state"] == "SUCCESS"


def test_two_starts_with_one_id_at_once(world: World) -> None:
    world.define(TWO_STEPS)

    futures = [world.engine.start_workflow(world.request("wf", "my-id")) for _ in range(5)]
    answers = [future.result(PATIENCE) for future in futures]

    assert sorted(answer.created for answer in answers) == [False] * 4 + [True]
    assert [task["name"] for task in world.tasks("my-id")] == ["first"]
    assert len(world.actions("my-id")) == 1


def test_a_refused_start_does_not_take_the_id(world: World) -> None:
    world.define(TWO_STEPS)

    bad = world.engine.start_workflow(world.request("wf", "my-id", input={"unknown": 1}))
    good = world.engine.start_workflow(world.request("wf", "my-id"))

    assert bad.exception(PATIENCE) is not None
    assert good.result(PATIENCE).created


# -- actions that somebody outside completes


@pytest.mark.parametrize(
    ("state", "end", "task"),
    [("SUCCESS", "SUCCESS", "SUCCESS"), ("ERROR", "ERROR", "ERROR"), ("CANCELLED", "CANCELLED", "CANCELLED")],
)
def test_completing_an_action(world: World, state: str, end: str, task: str) -> None:
    identifier = started(world)
    (action,) = world.actions(identifier)
    assert (action["state"], action["executor"], action["queued"]) == ("RUNNING", None, False)

    world.complete(action["id"], state, {"n": 1})

    assert world.end(identifier)["state"] == end
    assert world.task(identifier, "first")["state"] == task
    assert world.action(action["id"])["state"] == state


def test_completing_an_action_twice(world: World) -> None:
    identifier = started(world)
    (action,) = world.actions(identifier)
    world.complete(action["id"], result=1)

    with pytest.raises(InvalidState, match=f"Action {action['id']} is already completed"):
        world.complete(action["id"], result=2)

    assert world.end(identifier)["output"] == {"first": 1}


def test_completing_an_action_twice_at_once(world: World) -> None:
    identifier = started(world)
    (action,) = world.actions(identifier)

    futures = [world.engine.complete_action(action["id"], "SUCCESS", number) for number in range(4)]
    errors = [future.exception(PATIENCE) for future in futures]

    assert [type(error) for error in errors if error is not None] == [InvalidState] * 3
    assert world.end(identifier)["output"] == {"first": errors.index(None)}
    assert world.letters() == []


def test_completing_an_action_that_an_executor_runs(gated: World, gate: Gate) -> None:
    identifier = started(gated, FLAKY)
    gate.wait()
    (action,) = gated.actions(identifier)

    gated.complete(action["id"], result="from outside")

    assert gated.end(identifier)["output"] == {"answer": "from outside"}
    gated.until(lambda: gate.cancelled == [action["id"]])


def test_pausing_an_action_pauses_its_execution(world: World) -> None:
    identifier = started(world)
    (action,) = world.actions(identifier)

    world.complete(action["id"], "PAUSED")
    assert world.task(identifier, "first")["state"] == "PAUSED"
    assert world.execution(identifier)["state"] == "PAUSED"
    world.complete(action["id"], "RUNNING")
    assert world.task(identifier, "first")["state"] == "RUNNING"
    world.complete(action["id"], "SUCCESS", "x")

    assert world.end(identifier)["output"] == {"first": "x"}


def test_completing_an_unknown_action(world: World) -> None:
    with pytest.raises(NotFound, match=f"ActionExecution not found \\[id={UNKNOWN}\\]"):
        world.complete(UNKNOWN)


# -- deleting


def test_only_completed_executions_are_deleted(world: World) -> None:
    identifier = started(world)

    with pytest.raises(Forbidden, match=f"Execution {identifier} is in RUNNING state"):
        world.engine.delete_execution(identifier, force=False).result(PATIENCE)

    world.send(identifier, StopRequested("SUCCESS"))
    world.engine.delete_execution(identifier, force=False).result(PATIENCE)
    assert world.executions() == []
    with pytest.raises(NotFound):
        world.engine.delete_execution(identifier, force=False).result(PATIENCE)


def test_deleting_while_actions_run(gated: World, gate: Gate) -> None:
    gated.define("""
version: '2.0'
outer:
  tasks:
    t: {workflow: inner}
inner:
  tasks:
    each:
      with-items: i in [1, 2, 3]
      action: test.gate
    wait: {action: std.noop, wait-before: 1}
""")
    identifier = gated.start("outer")
    gate.wait(3)

    gated.engine.delete_execution(identifier, force=True).result(PATIENCE)

    gated.until(lambda: len(gate.cancelled) == 3)
    kept = {name for name, count in gated.counts().items() if count}
    assert kept == {"definitions", "definition_texts", "processes"}
    with pytest.raises(NotFound):
        gated.send(identifier, PauseRequested())
    other = gated.start("outer", identifier)
    assert gated.execution(other)["state"] == "RUNNING"


def test_a_command_to_an_execution_that_is_deleted_meanwhile_is_answered(world: World) -> None:
    world.define(TWO_STEPS)
    for _ in range(20):
        identifier = world.start("wf")
        commands = [world.engine.send(identifier, PauseRequested()) for _ in range(3)]
        deleted = world.engine.delete_execution(identifier, force=True)
        commands += [world.engine.send(identifier, Described("late"))]

        deleted.result(PATIENCE)
        for command in commands:
            error = command.exception(5)
            assert error is None or isinstance(error, NotFound)


def test_a_parent_of_a_deleted_child_goes_on(world: World) -> None:
    """A letter to an execution that is no more is thrown away."""
    world.define("""
version: '2.0'
outer:
  tasks:
    t: {workflow: inner}
inner:
  tasks:
    t: {action: std.async_noop}
""")
    outer = world.start("outer")
    (inner,) = [row["id"] for row in world.children(outer)]
    world.engine.delete_execution(inner, force=True).result(PATIENCE)

    world.send(outer, StopRequested("CANCELLED", "over"))

    world.until(lambda: not world.letters())
    assert world.execution(outer)["state"] == "CANCELLED"


# -- when the service stops


def test_nothing_is_accepted_after_the_stop(world: World) -> None:
    identifier = started(world)
    (action,) = world.actions(identifier)
    world.engine.stop(0)

    for future in (
        world.engine.send(identifier, PauseRequested()),
        world.engine.start_workflow(world.request("wf")),
        world.engine.complete_action(action["id"], "SUCCESS", None),
        world.engine.delete_execution(identifier, force=True),
    ):
        assert isinstance(future.exception(PATIENCE), Unavailable)
    with pytest.raises(Unavailable):
        world.run_action("std.noop")


def test_commands_that_arrive_while_stopping_are_answered(world: World) -> None:
    world.define(TWO_STEPS)
    identifiers = [world.start("wf") for _ in range(30)]

    futures: list[Future[Any]] = [
        world.engine.send(identifier, PauseRequested()) for identifier in identifiers
    ]
    starts = [world.engine.start_workflow(world.request("wf")) for _ in range(30)]
    world.engine.stop(0)

    for future in [*futures, *starts]:
        error = future.exception(5)
        assert error is None or isinstance(error, Unavailable)
    paused = {
        identifier
        for identifier, future in zip(identifiers, futures, strict=True)
        if future.exception() is None
    }
    table = execution_heads.c
    assert world.database.read(lambda c: c.execute(select(table.id)).all()).result()
    assert all(world.execution(identifier)["state"] == "PAUSED" for identifier in paused)


def test_a_rerun_repeats_more_items_than_fit_into_one_statement(world: World) -> None:
    count = 2 * INDEXES_PER_STATEMENT + 1
    row = world.run(f"""
version: '2.0'
wf:
  tasks:
    t: {{with-items: i in <% range({count}).toList() %>, action: std.fail}}
""")
    task_id = world.task(row["id"], "t")["id"]

    world.send(row["id"], RerunRequested(task_id, reset=False))

    assert world.end(row["id"])["state"] == "ERROR"
    found = [(a["attempt"], a["accepted"]) for a in world.actions(row["id"])]
    assert sorted(found) == [(0, False)] * count + [(1, True)] * count


def test_maintenance_is_part_of_the_record(world: World) -> None:
    """What it paused and freed can be folded like everything else."""
    world.define("version: '2.0'\nw:\n  tasks: {t: {action: std.async_noop}}\n")
    key = world.start("w")
    world.send(key, PauseRequested(maintenance=True))
    assert world.execution(key)["cause"] == CAUSE
    world.check_folds()
    world.send(key, ResumeRequested(maintenance=True))
    assert world.execution(key)["state"] == "RUNNING"
