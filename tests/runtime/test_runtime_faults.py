"""Faults: whatever goes wrong for one execution is visible there, and stops nobody else."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import msgspec
import pytest
from gates import Gate
from service import PATIENCE, Clock, World
from sqlalchemy import Connection, update
from sqlalchemy.exc import OperationalError

from maestrale.actions.base import action
from maestrale.engine.events import PauseRequested, ResumeRequested, StopRequested
from maestrale.model.errors import BadRequest, MaestraleError
from maestrale.model.values import Json, Secret
from maestrale.runtime import commits, loading, reading
from maestrale.runtime.requests import StartWorkflow
from maestrale.runtime.slots import Pending
from maestrale.store import mail
from maestrale.store.executions import MailChanged, load_execution, write_executions
from maestrale.store.rows import ExecutionRows
from maestrale.store.tables import execution_heads

ON_POSTGRESQL = 6


def _always_broken(given: dict[str, Json]) -> bool:
    raise RuntimeError(f"a bug, given {sorted(given)}")


@action("test.bug", pure=True, pure_when=_always_broken)
def bug() -> None:
    """Stumble over a fault in what the decision calls."""


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def gated(database_url: str, gate: Gate) -> Iterator[World]:
    with World(database_url, actions=[gate.action, bug]) as world:
        yield world


GATED = """
version: '2.0'
wf:
  output: {answer: <% $.answer %>}
  tasks:
    ask:
      action: test.gate
      publish: {answer: <% task().result %>}
"""


# -- bugs in decisions


def test_a_bug_ends_the_execution_with_a_reason(
    gated: World, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    gated.define(GATED)
    gated.define("""
version: '2.0'
broken:
  tasks:
    first: {action: test.gate, on-success: second}
    second: {action: test.bug}
""")
    broken, sound = gated.start("broken"), gated.start("wf")
    gate.wait(2)
    with caplog.at_level(logging.ERROR):
        gate.open("fine")
        row = gated.end(broken)

    assert row["state"] == "ERROR"
    reason = "Internal error while deciding ActionFinished: RuntimeError: a bug, given []."
    assert row["state_info"] == f"{reason} The log has the details."
    assert gated.end(sound)["output"] == {"answer": "fine"}
    assert any("a bug" in str(record.exc_info) for record in caplog.records)


def test_a_bug_at_the_start_refuses_it(gated: World) -> None:
    gated.define("""
version: '2.0'
broken:
  tasks:
    first: {action: test.bug}
""")

    with pytest.raises(MaestraleError, match="Internal error while deciding Started"):
        gated.start("broken", "my-id")

    assert gated.executions() == []
    gated.define(GATED)
    assert gated.start("wf", "my-id") == "my-id"


def test_a_bug_after_a_command_fails_the_command_too(gated: World) -> None:
    gated.define("""
version: '2.0'
broken:
  tasks:
    first: {action: std.noop, pause-before: true, on-success: second}
    second: {action: test.bug}
""")
    broken = gated.start("broken")

    with pytest.raises(MaestraleError, match="Internal error while deciding ResumeRequested"):
        gated.send(broken, ResumeRequested())

    assert gated.execution(broken)["state"] == "ERROR"
    assert gated.letters() == []


def test_a_bug_in_a_sub_workflow_reaches_its_parent(gated: World, gate: Gate) -> None:
    gated.define("""
version: '2.0'
outer:
  tasks:
    t: {workflow: inner, on-error: after}
    after: {action: std.noop}
inner:
  tasks:
    first: {action: test.gate, on-success: second}
    second: {action: test.bug}
""")
    outer = gated.start("outer")
    gate.wait()
    gate.open()

    assert gated.end(outer)["state"] == "SUCCESS"
    assert "Internal error" in gated.task(outer, "t")["state_info"]


# -- what cannot be stored


@pytest.mark.parametrize(
    ("value", "reason"),
    [("\ud800", "surrogates not allowed"), ({"x": [float("nan")]}, "NaN"), (10**5000, "4300 digits")],
    ids=["surrogate", "nan", "number"],
)
def test_a_result_that_cannot_be_stored_fails_one_execution(
    gated: World, gate: Gate, value: Json, reason: str
) -> None:
    gated.define(GATED)
    bad, good = gated.start("wf"), gated.start("wf")
    gate.wait(2)
    (action_id,) = [a["id"] for a in gated.actions(bad)]
    run = next(c for c in gate.contexts if c.action_execution_id == action_id)
    assert run.workflow_execution_id == bad

    gate.open_one(action_id, value)
    row = gated.end(bad)

    assert row["state"] == "ERROR"
    assert "cannot be stored as JSON" in row["state_info"]
    assert reason in row["state_info"]
    gate.open("fine")
    assert gated.end(good)["state"] == "SUCCESS"


@pytest.mark.parametrize(
    "value", ["a\0b", 2**100, -(2**63) - 1, "\U0001f600", {"$value": "x"}, "x" * 100_000]
)
def test_odd_results_are_kept(gated: World, gate: Gate, value: Json) -> None:
    gated.define(GATED)
    identifier = gated.start("wf")
    gate.wait()
    gate.open(value)
    gated.end(identifier)

    loaded = gated.database.read(load_execution, identifier).result()
    assert loaded is not None
    assert loaded.execution.workflow is not None
    assert loaded.execution.workflow.output == {"answer": value}


def test_secrets_stay_marked_through_a_sub_workflow(gated: World, gate: Gate) -> None:
    gated.define("""
version: '2.0'
outer:
  output: {token: <% $.token %>}
  tasks:
    t: {workflow: inner, publish: {token: <% task().result.token %>}, on-success: use}
    use: {action: test.gate label=<% $.token %>}
inner:
  output: {token: <% $.token %>}
  tasks:
    t: {action: test.gate, publish: {token: <% task().result %>}}
""")
    outer = gated.start("outer")
    gate.wait()
    gate.open(Secret("hush"))
    gate.wait()
    gate.open()

    assert gate.labels == [None, "hush"]
    gated.end(outer)
    loaded = gated.database.read(load_execution, outer).result()
    assert loaded is not None
    assert loaded.execution.workflow is not None
    assert loaded.execution.workflow.output == {"token": Secret("hush")}
    assert "hush" not in str(gated.execution(outer))


def test_an_expression_that_gives_infinity_is_an_error(gated: World, gate: Gate) -> None:
    gated.define("""
version: '2.0'
wf:
  tasks:
    first: {action: test.gate, publish: {x: "{{ task().result * 10 }}"}}
""")
    identifier = gated.start("wf")
    gate.wait()
    gate.open(1e308)

    row = gated.end(identifier)
    assert row["state"] == "ERROR"
    assert "infinity" in row["state_info"]


def test_input_that_cannot_be_stored_is_refused(gated: World) -> None:
    gated.define("""
version: '2.0'
wf:
  input: [x]
  tasks:
    t: {action: std.noop}
""")

    with pytest.raises(BadRequest, match="cannot be stored"):
        gated.start("wf", input={"x": "\ud800"})
    with pytest.raises(BadRequest, match="cannot be stored"):
        gated.send(gated.start("wf", input={"x": 1}), StopRequested("ERROR", "\ud800"))

    assert len(gated.executions()) == 1
    assert gated.letters() == []


# -- commits that fail


class Faulty:
    """`write_executions`, but some calls fail."""

    def __init__(self, fails: Callable[[list[ExecutionRows]], Exception | None]) -> None:
        self.fails = fails
        self.failures = 0
        self.batches: list[int] = []

    def __call__(self, connection: Connection, batch: list[ExecutionRows]) -> None:
        self.batches.append(len(batch))
        write_executions(connection, batch)
        error = self.fails(batch)
        if error is not None:
            self.failures += 1
            raise error


def _fail(
    monkeypatch: pytest.MonkeyPatch, fails: Callable[[list[ExecutionRows]], Exception | None]
) -> Faulty:
    faulty = Faulty(fails)
    monkeypatch.setattr(commits, "write_executions", faulty)
    return faulty


def _once(*errors: Exception) -> Callable[[list[ExecutionRows]], Exception | None]:
    left = list(errors)
    return lambda _: left.pop(0) if left else None


def refusal() -> OperationalError:
    """What a full disk raises."""
    return OperationalError("COMMIT", {}, Exception("database or disk is full"))


CHAIN = """
version: '2.0'
wf:
  output: {answer: <% $.answer %>}
  tasks:
    first: {action: test.gate, publish: {answer: <% task().result %>}, on-success: second}
    second: {workflow: child, on-success: third}
    third: {action: test.gate}
child:
  tasks:
    t: {action: std.noop}
"""


@pytest.mark.parametrize(
    "errors",
    [[refusal()], [refusal(), refusal()], [RuntimeError("odd")], [RuntimeError("odd")] * 2, [MailChanged()]],
    ids=["full", "full-twice", "odd", "odd-twice", "mail"],
)
@pytest.mark.parametrize("when", ["start", "result", "command"])
@pytest.mark.covers("eng.integrity")
def test_a_commit_that_fails_is_repeated_and_nothing_is_lost(
    gated: World, gate: Gate, monkeypatch: pytest.MonkeyPatch, errors: list[Exception], when: str
) -> None:
    gated.define(CHAIN)
    if when == "start":
        faulty = _fail(monkeypatch, _once(*errors))
    identifier = gated.start("wf")
    gate.wait()
    if when == "command":
        faulty = _fail(monkeypatch, _once(*errors))
    gated.send(identifier, PauseRequested())
    gated.send(identifier, ResumeRequested())
    if when == "result":
        faulty = _fail(monkeypatch, _once(*errors))
    gate.open("answer")
    gate.wait()
    gate.open()

    assert gated.end(identifier)["output"] == {"answer": "answer"}
    assert faulty.failures == len(errors)
    assert len(gate.contexts) == 2
    assert len(gated.children(identifier)) == 1
    assert gated.letters() == []
    assert [reply["status"] for reply in gated.replies()] == [200, 200]


def test_children_begin_with_their_parent_or_not_at_all(
    gated: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    gated.define("""
version: '2.0'
wf:
  tasks:
    each: {with-items: "i in [1, 2, 3]", workflow: child}
child:
  tasks:
    t: {action: std.noop}
""")
    faulty = _fail(monkeypatch, _once(RuntimeError("odd")))

    row = gated.end(gated.start("wf"))

    assert row["state"] == "SUCCESS"
    assert faulty.failures == 1
    gated.engine.loop.settle()
    assert len(gated.executions()) == 4


def test_one_that_can_never_be_stored_ends_with_the_reason(
    gated: World, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    gated.define(GATED)
    identifiers = [gated.start("wf") for _ in range(5)]
    gate.wait(5)
    bad = identifiers[2]

    def fails(batch: list[ExecutionRows]) -> Exception | None:
        for rows in batch:
            if rows.execution_id == bad and rows.workflow and rows.workflow["state"] != "ERROR":
                return RuntimeError("it does not fit")
        return None

    faulty = _fail(monkeypatch, fails)
    gate.open("fine")

    row = gated.end(bad)
    assert row["state"] == "ERROR"
    assert "it does not fit" in row["state_info"]
    for identifier in identifiers:
        if identifier != bad:
            assert gated.end(identifier)["output"] == {"answer": "fine"}
    assert faulty.failures >= 3


def test_a_command_whose_consequences_can_never_be_stored(
    gated: World, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    gated.define(GATED)
    identifier = gated.start("wf")
    gate.wait()

    def fails(batch: list[ExecutionRows]) -> Exception | None:
        paused = any(rows.workflow and rows.workflow["state"] == "PAUSED" for rows in batch)
        return RuntimeError("it does not fit") if paused else None

    _fail(monkeypatch, fails)
    with pytest.raises(MaestraleError):
        gated.send(identifier, PauseRequested())

    assert "it does not fit" in gated.end(identifier)["state_info"]
    assert gated.letters() == []
    gate.open()


def test_one_that_was_overtaken_reads_the_truth_again(gated: World, gate: Gate) -> None:
    gated.define(GATED)
    identifiers = [gated.start("wf") for _ in range(3)]
    gate.wait(3)

    def overtake(connection: Connection) -> None:
        heads = execution_heads.c
        connection.execute(
            update(execution_heads).where(heads.id == identifiers[1]).values(version=heads.version + 7)
        )

    gated.database.write(overtake).result(PATIENCE)
    gated.send(identifiers[1], PauseRequested())
    gated.send(identifiers[1], ResumeRequested())
    gate.open("fine")

    assert [gated.end(identifier)["output"] for identifier in identifiers] == [{"answer": "fine"}] * 3


# -- reads that fail


def test_a_read_that_the_database_refuses_is_repeated(
    gated: World, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    gated.define(GATED)
    identifier = gated.start("wf")
    gate.wait()
    errors: list[Exception] = [refusal()]
    monkeypatch.setattr(reading, "READ_AGAIN_AFTER", 0.05)
    monkeypatch.setattr(loading, "load_execution", _failing(load_execution, errors))
    gated.engine.loop.post(gated.engine.loop._slots[identifier].forget)

    gate.open("fine")

    assert gated.end(identifier)["output"] == {"answer": "fine"}
    assert errors == []


def test_mail_that_the_database_refuses_to_read_is_read_again(
    gated: World, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    gated.define(GATED)
    identifier = gated.start("wf")
    gate.wait()
    errors: list[Exception] = [refusal()]
    monkeypatch.setattr(reading, "READ_AGAIN_AFTER", 0.05)
    monkeypatch.setattr(mail, "read_letters", _failing(mail.read_letters, errors))

    gated.send(identifier, StopRequested("ERROR", "enough"))

    assert gated.execution(identifier)["state"] == "ERROR"
    assert errors == []


def test_an_execution_that_cannot_be_read_refuses_commands(
    gated: World, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    gated.define(GATED)
    identifier, other = gated.start("wf"), gated.start("wf")
    gate.wait(2)
    gated.engine.loop.post(gated.engine.loop._slots[identifier].forget)
    monkeypatch.setattr(mail, "read_letters", _failing(mail.read_letters, [RuntimeError("odd")]))

    with pytest.raises(MaestraleError):
        gated.send(identifier, PauseRequested())

    gated.send(other, PauseRequested())
    assert gated.execution(other)["state"] == "PAUSED"


def _failing(function: Callable[..., Any], errors: list[Exception]) -> Callable[..., Any]:
    def failing(*args: Any) -> Any:
        if errors:
            raise errors.pop(0)
        return function(*args)

    return failing


def test_a_question_that_cannot_be_answered_ends_the_execution_visibly(gated: World, gate: Gate) -> None:
    gated.define("""
version: '2.0'
wf:
  tasks:
    first: {action: test.gate, on-success: second}
    second: {action: std.echo output=<% executions(from_time => 'nonsense') %>}
""")
    identifier = gated.start("wf")
    gate.wait()
    gate.open()

    row = gated.end(identifier)
    assert row["state"] == "ERROR"
    assert "'nonsense' is not a time" in row["state_info"]


def test_a_definition_that_is_gone_refuses_the_start(gated: World) -> None:
    gated.define(GATED)
    request = gated.request("wf")
    wrong = StartWorkflow(msgspec.structs.replace(request.started, definition_hash="0" * 64), "my-id")

    with pytest.raises(MaestraleError, match="Definition text not found"):
        gated.engine.start_workflow(wrong).result(PATIENCE)

    gated.start("wf", "my-id")


# -- alarms


def test_an_alarm_that_found_a_paused_execution_rings_again(database_url: str) -> None:
    """Paused, alarm, resumed: all in one commit, after which the alarm is still due."""
    with World(database_url, clock=Clock()) as world:
        world.define("""
version: '2.0'
wf:
  tasks:
    t: {action: std.noop, wait-before: 10}
""")
        identifier = world.start("wf")
        engine = world.engine
        done: list[Future[None]] = [Future(), Future()]

        def all_at_once() -> None:
            assert world.clock is not None
            world.clock.at += 20_000_000
            slot = engine.loop._slots[identifier]
            engine.loop._add(slot, Pending(PauseRequested(), done[0]))
            engine.loop._ring()
            engine.loop._add(slot, Pending(ResumeRequested(), done[1]))

        engine.loop.post(all_at_once)
        for future in done:
            future.result(PATIENCE)

        assert world.end(identifier)["state"] == "SUCCESS"
