"""Rule 7: all is bounded: what a decision takes and brings about, what a commit holds, what is kept."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest
from gates import Gate
from service import PATIENCE, World
from sqlalchemy import Connection

from maestrale.engine.events import Described
from maestrale.runtime import commits, deciding, memory, programs, reading
from maestrale.store import mail
from maestrale.store.executions import load_execution, write_executions
from maestrale.store.rows import ExecutionRows, mail_row
from maestrale.store.tables import decision_records, task_executions

OUTSIDE = """
version: '2.0'
wf:
  input: [data: '']
  tasks: {t: {action: std.async_noop}}
"""
WIDE = """
version: '2.0'
wf:
  tasks:
    t1: {action: test.gate, on-success: [a1, a2, a3, a4, a5]}
    t2: {action: test.gate, on-success: [b1, b2, b3, b4, b5]}
    t3: {action: test.gate, on-success: [c1, c2, c3, c4, c5]}
    t4: {action: test.gate, on-success: [d1, d2, d3, d4, d5]}
"""
LEAVES = "".join(
    f"    {letter}{number}: {{action: std.async_noop}}\n" for letter in "abcd" for number in range(1, 6)
)


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def world(database_url: str, gate: Gate) -> Iterator[World]:
    with World(database_url, actions=[gate.action]) as running:
        yield running


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[list[ExecutionRows]]:
    """What was committed, together each time."""
    found: list[list[ExecutionRows]] = []

    def write(connection: Connection, batch: list[ExecutionRows]) -> None:
        found.append(batch)
        write_executions(connection, batch)

    monkeypatch.setattr(commits, "write_executions", write)
    return found


def _at_once(world: World, ask: Callable[[], list[Future[Any]]]) -> None:
    """Have things asked for while the engine's thread stands, so that they arrive together."""
    stands, may_go_on = threading.Event(), threading.Event()

    def stand() -> None:
        stands.set()
        may_go_on.wait(PATIENCE)

    world.engine.loop.post(stand)
    assert stands.wait(PATIENCE)
    futures = ask()
    may_go_on.set()
    for future in futures:
        future.result(PATIENCE)


def _open(world: World, gate: Gate, results: int) -> list[Future[Any]]:
    """Let actions end, and wait until their results have come to the engine's thread, which stands still."""
    gate.open()
    end = time.monotonic() + PATIENCE
    while world.engine.loop._inbox.qsize() < results:
        assert time.monotonic() < end
        time.sleep(0.01)
    return []


def _per_commit(world: World, execution_id: str) -> list[int]:
    """How many decisions of an execution each of its commits has."""
    rows = world.rows(decision_records, decision_records.c.execution_id == execution_id)
    return list(Counter(row["version"] for row in rows).values())


def test_mails_per_decision(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "LETTERS_PER_READ", 5)
    world.define(OUTSIDE)
    key = world.start("wf")
    rows = [mail_row(key, Described(str(number)), 1) for number in range(23)]
    world.database.write(mail.post, rows).result(PATIENCE)
    world.engine.loop.has_mail(key)
    world.until(lambda: not world.letters())
    assert world.execution(key)["description"] == "22"
    assert _per_commit(world, key) == [1, 5, 5, 5, 5, 3]


def test_events_per_decision(world: World, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what happens here without mail, too."""
    monkeypatch.setattr(deciding, "EVENTS_PER_DECISION", 4)
    world.define("version: '2.0'\nwf: {tasks: {t: {action: test.gate, with-items: i in <% range(10) %>}}}\n")
    key = world.start("wf")
    gate.wait(10)
    _at_once(world, lambda: _open(world, gate, 10))
    world.end(key)
    assert _per_commit(world, key) == [1, 4, 4, 2]


def test_what_one_decision_brings_about(
    world: World, gate: Gate, batches: list[list[ExecutionRows]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four results at once, each of which starts five tasks: the rest of them waits for the next commit."""
    monkeypatch.setattr(deciding, "CONSEQUENCES_PER_DECISION", 9)
    world.define(WIDE + LEAVES)
    key = world.start("wf")
    gate.wait(4)
    batches.clear()

    _at_once(world, lambda: _open(world, gate, 4))
    tasks = task_executions.c
    world.until(lambda: len(world.rows(task_executions, tasks.execution_id == key)) == 24)
    assert [len(rows.new_tasks) for batch in batches for rows in batch if rows.new_tasks] == [5, 5, 5, 5]


@pytest.mark.parametrize(
    ("limit", "size"),
    [("ROWS_PER_COMMIT", lambda rows: rows.size.rows), ("BYTES_PER_COMMIT", lambda rows: rows.size.bytes)],
    ids=["rows", "bytes"],
)
def test_rows_and_bytes_per_commit(
    world: World,
    batches: list[list[ExecutionRows]],
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    size: Callable[[ExecutionRows], int],
) -> None:
    """A commit takes no more once it is full: it exceeds the bound by less than the last execution has."""
    world.define(OUTSIDE)
    request = world.request("wf", input={"data": "x" * 10_000})
    world.engine.start_workflow(request).result(PATIENCE)
    one = max(size(rows) for rows in batches.pop())
    monkeypatch.setattr(commits, limit, 4 * one)
    _at_once(world, lambda: [world.engine.start_workflow(request) for _ in range(24)])
    assert sum(map(len, batches)) == 24
    sizes = [sum(map(size, batch)) for batch in batches]
    assert max(sizes) < 5 * one + 100
    assert max(map(len, batches)) > 2, "they share commits all the same"


def test_the_size_of_what_is_written_is_known(batches: list[list[ExecutionRows]], world: World) -> None:
    """Values that are stored by reference count too."""
    world.define(OUTSIDE)
    world.start("wf", input={"data": "x" * 10_000})
    ((rows,),) = batches
    assert sum(map(len, rows.values.values())) > 10_000
    assert 20_000 < rows.size.bytes < 25_000  # as a value, and in the record of the start
    assert rows.size.rows == 1 + 1 + 1 + 1 + 1 + 1  # head, workflow, task, action, record, value


def test_definitions_in_memory_are_bounded_by_their_size(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that were used last stay, and at least one, however large it is."""
    texts = [OUTSIDE.replace("wf", f"wf{number}") for number in range(5)]
    monkeypatch.setattr(programs, "CHARACTERS_CACHED", 2 * len(texts[0]) + 10)
    found = world.engine.programs

    def add(number: int) -> None:
        found.add(f"hash{number}", f"wf{number}", texts[number])

    def kept() -> list[int]:
        return [number for number in range(5) if found.cached(f"hash{number}", f"wf{number}")]

    for number in (0, 1, 2, 2):
        add(number)
    assert kept() == [1, 2]
    found.cached("hash1", "wf1")
    add(3)
    assert kept() == [1, 3]
    monkeypatch.setattr(programs, "CHARACTERS_CACHED", 1)
    add(4)
    assert kept() == [4]


def test_executions_in_memory_are_bounded_by_bytes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that were used last stay; the others are read again when something happens to them."""
    monkeypatch.setattr(memory, "BYTES_AT_REST", 200_000)
    world.define(OUTSIDE)
    keys = [world.start("wf", input={"data": "x" * 20_000}) for _ in range(20)]
    world.engine.loop.settle()
    loop = world.engine.loop
    assert loop._resting.bytes <= 200_000
    kept = set(loop._slots)
    assert 0 < len(kept) < 10
    assert kept == set(keys[-len(kept) :])

    world.send(keys[0], Described("read again"))
    world.engine.loop.settle()
    read = world.database.read(load_execution, keys[0]).result(PATIENCE)
    assert read is not None
    assert read.size > 20_000
    assert loop._slots[keys[0]].size > read.size + 10_000, "what was written since counts too"
    assert loop._resting.bytes <= 200_000
    assert keys[0] in loop._slots
    for action in world.actions():
        world.complete(action["id"])
    assert {world.end(key)["state"] for key in keys} == {"SUCCESS"}
    world.engine.loop.settle()
    assert (loop._resting.bytes, len(loop._resting)) == (0, 0)


def test_executions_in_memory_are_bounded_by_number(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "SLOTS_AT_REST", 5)
    world.define(OUTSIDE)
    keys = [world.start("wf") for _ in range(12)]
    world.engine.loop.settle()
    assert set(world.engine.loop._slots) == set(keys[-5:])


def test_claims_and_reads_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest waits here, where projects take turns, and not in the queue of the database."""
    monkeypatch.setattr(reading, "READS_AT_ONCE", 4)
    monkeypatch.setattr(memory, "SLOTS_AT_REST", 0)
    world.define(OUTSIDE)
    keys = [world.start("wf") for _ in range(12)]
    world.engine.loop.settle()
    under_way, most = [0], [0]

    def counted(real: Callable[..., Future[Any]]) -> Callable[..., Future[Any]]:
        def ask(unit: Callable[..., Any], *args: Any, **kwargs: Any) -> Future[Any]:
            future = real(unit, *args, **kwargs)
            if unit.__name__ in ("claim", "load", "read_letters"):
                under_way[0] += 1
                most[0] = max(most[0], under_way[0])
                future.add_done_callback(lambda _: world.engine.loop.post(done))
            return future

        return ask

    def done() -> None:
        under_way[0] -= 1

    monkeypatch.setattr(world.database, "read", counted(world.database.read))
    monkeypatch.setattr(world.database, "write", counted(world.database.write))
    world.database.write(mail.post, [mail_row(key, Described("x"), 1) for key in keys]).result(PATIENCE)
    world.engine.loop.wake(keys, ())
    world.until(lambda: not world.letters())
    assert 1 < most[0] <= 4
