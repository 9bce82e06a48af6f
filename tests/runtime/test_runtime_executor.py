"""The executor by itself: places, queues, time-outs, cancellation and the end."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest
from gates import PATIENCE, BlockingGate, Gate

from maestrale.actions.base import Action, ActionContext, action
from maestrale.model.actions import ActionFailure, ActionResult
from maestrale.model.values import Json, Secret
from maestrale.runtime.executor import ASK_AGAIN_AFTER, ActionRun, Executor


@action("test.fail")
async def failing() -> None:
    """Fail with a result."""
    raise ActionFailure({"code": 7})


@action("test.own_timeout")
async def own_timeout() -> None:
    """Raise what a time-out raises."""
    raise TimeoutError("the peer did not answer")


@action("test.reveal")
async def revealing(text: str) -> bool:
    """Whether a secret arrives in clear."""
    return text == "hush"


@action("test.object")
async def returning_an_object() -> object:
    """Return something without a JSON form."""
    return object()


@action("test.context")
def telling(context: ActionContext) -> Json:
    """Return what the context says."""
    return [context.action_execution_id, context.idempotency_key, context.attempt]


class Bench:
    """An executor with a few actions, its results, and a durable mark that tests can hold back."""

    def __init__(self, asynchronous: int = 2, threads: int = 2) -> None:
        self.gate, self.block = Gate(), BlockingGate()
        self.stubborn = threading.Event()

        @action("test.stubborn")
        async def stubborn() -> str:
            """Go on although it is stopped."""
            try:
                self.stubborn.set()
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return "done all the same"
            raise AssertionError

        actions: list[Action[..., Any]] = [
            self.gate.action, self.block.action, failing, own_timeout, revealing, returning_an_object,
            telling, stubborn,
        ]  # fmt: skip
        self._actions = {found.name: found for found in actions}
        self._results: dict[str, Future[ActionResult]] = {}
        self.marks: list[list[str]] = []
        self.may_start = True
        self.is_replaced = False
        self.mark: Callable[[list[str]], Future[set[str]]] = self._mark_all
        self.executor = Executor(
            self,
            self._finished,
            self._marked,
            self,
            asynchronous=asynchronous,
            threads=threads,
        )

    def allows(self, _: str | None) -> bool:
        return self.may_start

    def is_gone(self, _: str | None) -> bool:
        return self.is_replaced

    def find(self, name: str) -> Action[..., object] | None:
        return self._actions.get(name)

    def _finished(self, run: ActionRun, result: ActionResult) -> None:
        self.result_of(run.action_id).set_result(result)

    def _marked(self, action_ids: list[str]) -> Future[set[str]]:
        self.marks.append(action_ids)
        return self.mark(action_ids)

    def _mark_all(self, action_ids: list[str]) -> Future[set[str]]:
        future: Future[set[str]] = Future()
        future.set_result(set(action_ids))
        return future

    def result_of(self, action_id: str) -> Future[ActionResult]:
        return self._results.setdefault(action_id, Future())

    def enqueue(self, action_id: str, name: str = "test.gate", **more: object) -> None:
        self.executor.enqueue(run_of(action_id, name, **more))

    def result(self, action_id: str) -> ActionResult:
        return self.result_of(action_id).result(PATIENCE)


def run_of(action_id: str, name: str = "test.gate", **more: object) -> ActionRun:
    given = more.pop("given", {"label": action_id} if name in ("test.gate", "test.block") else {})
    context = ActionContext(action_execution_id=action_id, idempotency_key=action_id, attempt=2)
    return ActionRun(action_id, name, given, context, **more)  # type: ignore[arg-type]


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    made.executor.start()
    yield made
    made.block.open()
    made.executor.stop(0)


def test_the_result_is_reported(bench: Bench) -> None:
    bench.enqueue("a")
    bench.gate.wait()
    bench.gate.open([1])

    assert bench.result("a") == ActionResult("SUCCESS", [1])


def test_the_context_reaches_the_action(bench: Bench) -> None:
    bench.enqueue("a", "test.context")

    assert bench.result("a").result == ["a", "a", 2]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("test.fail", {"code": 7}),
        ("test.own_timeout", "msg='the peer did not answer'"),
        ("test.object", "The returned value is not JSON"),
        ("test.nowhere", "the action 'test.nowhere' is not installed here"),
    ],
)
@pytest.mark.parametrize("timeout", [None, 10])
def test_every_failure_is_a_result(bench: Bench, name: str, expected: Json, timeout: float | None) -> None:
    bench.enqueue("a", name, timeout=timeout)

    result = bench.result("a")
    assert result.state == "ERROR"
    assert result.result == expected or expected in result.result


def test_a_timeout_is_named_with_its_length(bench: Bench) -> None:
    bench.enqueue("a", timeout=0.05)
    bench.enqueue("b", "test.block", timeout=0.05)

    assert bench.result("a") == ActionResult("ERROR", "Timeout after 0.05 seconds")
    assert bench.result("b") == ActionResult("ERROR", "Timeout after 0.05 seconds")
    assert bench.gate.cancelled == ["a"]


def test_secrets_are_revealed_to_the_action_only(bench: Bench) -> None:
    bench.enqueue("a", "test.reveal", given={"text": Secret("hush")})

    assert bench.result("a").result is True


def test_not_more_than_its_places_run_at_once(bench: Bench) -> None:
    for number in range(5):
        bench.enqueue(f"a{number}")
        bench.enqueue(f"b{number}", "test.block")
    bench.gate.wait(2)
    bench.block.wait(2)

    assert bench.gate.labels == ["a0", "a1"]
    assert sorted(map(str, bench.block.labels)) == ["b0", "b1"]
    bench.gate.open()
    bench.gate.wait(2)
    assert bench.gate.labels == ["a0", "a1", "a2", "a3"]
    bench.gate.open()
    bench.gate.wait()
    bench.gate.open()
    bench.block.open()
    for number in range(5):
        assert bench.result(f"a{number}").state == "SUCCESS"
        assert bench.result(f"b{number}").state == "SUCCESS"
    assert bench.block.most == 2


def test_reserved_places_count(bench: Bench) -> None:
    assert bench.executor.reserve("test.gate")
    assert bench.executor.reserve("test.gate")
    assert not bench.executor.reserve("test.gate")
    assert bench.executor.reserve("test.block")
    bench.executor.give_back("test.block")

    bench.enqueue("waits")
    bench.executor.run(run_of("reserved"))
    bench.gate.wait()
    assert bench.gate.labels == ["reserved"]
    bench.executor.give_back("test.gate")
    bench.gate.wait()

    assert bench.gate.labels == ["reserved", "waits"]
    assert bench.marks == [["waits"]]


def test_nobody_overtakes_the_queue(bench: Bench) -> None:
    held: Future[set[str]] = Future()
    bench.mark = lambda _: held
    for number in range(3):
        bench.enqueue(f"a{number}")
    _until(lambda: _flat(bench.marks) == ["a0", "a1"])

    assert not bench.executor.reserve("test.gate")
    held.set_result(set())
    _until(lambda: _flat(bench.marks) == ["a0", "a1", "a2"])


def _flat(marks: list[list[str]]) -> list[str]:
    """Which actions were marked, in order; which of them share a write depends on who is quicker."""
    return [name for mark in marks for name in mark]


def test_what_may_not_start_does_not(bench: Bench) -> None:
    bench.mark = lambda ids: _done({"a1"} & set(ids))
    bench.enqueue("a0")
    bench.enqueue("a1")
    bench.gate.wait()

    assert bench.gate.labels == ["a1"]
    assert bench.executor.reserve("test.gate")


def test_a_start_that_could_not_be_stored_is_tried_again(bench: Bench) -> None:
    failures = iter([RuntimeError("disk full")])

    def mark(ids: list[str]) -> Future[set[str]]:
        error = next(failures, None)
        if error is None:
            return _done(set(ids))
        future: Future[set[str]] = Future()
        future.set_exception(error)
        return future

    bench.mark = mark
    bench.enqueue("a0")
    bench.gate.wait()
    bench.gate.open()

    assert bench.result("a0").state == "SUCCESS"
    assert bench.marks == [["a0"], ["a0"]]


def test_a_cancelled_action_is_not_reported(bench: Bench) -> None:
    for number in range(3):
        bench.enqueue(f"a{number}")
    bench.gate.wait(2)

    bench.executor.cancel("a0")
    bench.gate.wait()
    bench.gate.open()

    assert bench.gate.cancelled == ["a0"]
    assert bench.result("a1").state == bench.result("a2").state == "SUCCESS"
    assert not bench.result_of("a0").done()


def test_a_waiting_action_can_be_cancelled(bench: Bench) -> None:
    for number in range(4):
        bench.enqueue(f"a{number}")
    bench.gate.wait(2)

    bench.executor.cancel("a2")
    bench.gate.open()
    bench.gate.wait()

    assert bench.gate.labels == ["a0", "a1", "a3"]


def test_an_action_can_be_cancelled_while_its_start_is_stored(bench: Bench) -> None:
    held: Future[set[str]] = Future()
    bench.mark = lambda _: held
    bench.enqueue("a0")
    bench.enqueue("a1")
    _until(lambda: bench.marks != [])
    bench.executor.cancel(bench.marks[0][0])
    _settle(bench)

    held.set_result({"a0", "a1"})
    bench.gate.wait()

    assert len(bench.gate.labels) == 1
    assert "a0" not in bench.gate.labels


@pytest.mark.parametrize("place", [0, 2], ids=["runs", "waits"])
def test_an_action_that_is_stopped_may_report_its_end(bench: Bench, place: int) -> None:
    for number in range(3):
        bench.enqueue(f"a{number}")
    bench.gate.wait(2)

    bench.executor.cancel(f"a{place}", reports=True)

    assert bench.result(f"a{place}") == ActionResult("CANCELLED")
    _settle(bench)
    assert bench.executor.active == {"a0", "a1", "a2"} - {f"a{place}"}


def test_an_action_that_is_stopped_while_its_start_is_stored_reports_its_end(bench: Bench) -> None:
    held: Future[set[str]] = Future()
    bench.mark = lambda _: held
    bench.enqueue("a0")
    _until(lambda: bench.marks != [])
    bench.executor.cancel("a0", reports=True)
    _settle(bench)

    held.set_result({"a0"})

    assert bench.result("a0") == ActionResult("CANCELLED")
    assert bench.gate.labels == []


def test_an_action_that_ends_although_it_is_stopped_reports_that(bench: Bench) -> None:
    bench.enqueue("a0", "test.stubborn")
    bench.stubborn.wait(PATIENCE)

    bench.executor.cancel("a0", reports=True)

    assert bench.result("a0") == ActionResult("SUCCESS", "done all the same")


def test_cancelling_what_is_not_there_does_nothing(bench: Bench) -> None:
    bench.executor.cancel("a0")
    _settle(bench)

    bench.enqueue("a1")
    bench.gate.wait()
    bench.gate.open()

    assert bench.result("a1").state == "SUCCESS"


def test_running_actions_get_their_grace(bench: Bench) -> None:
    bench.enqueue("a0")
    bench.gate.wait()
    threading.Timer(0.1, bench.gate.open).start()

    began = time.monotonic()
    assert bench.executor.stop(5) == 0

    assert time.monotonic() - began < 3
    assert bench.result("a0").state == "SUCCESS"


def test_after_their_grace_actions_are_abandoned(bench: Bench) -> None:
    for number in range(3):
        bench.enqueue(f"a{number}")
    bench.enqueue("b0", "test.block")
    bench.gate.wait(2)
    bench.block.wait()

    began = time.monotonic()
    assert bench.executor.stop(0.1) == 3

    assert time.monotonic() - began < 3
    assert bench.gate.labels == ["a0", "a1"]
    assert not any(bench.result_of(name).done() for name in ("a0", "a1", "a2", "b0"))


def test_a_start_that_is_being_stored_gets_its_grace_too(bench: Bench) -> None:
    held: Future[set[str]] = Future()
    bench.mark = lambda _: held
    bench.enqueue("a0")
    _until(lambda: bench.marks != [])
    threading.Timer(0.1, lambda: held.set_result({"a0"})).start()
    threading.Timer(0.2, bench.gate.open).start()

    assert bench.executor.stop(5) == 0

    assert bench.result("a0").state == "SUCCESS"


def test_a_stopped_executor_takes_nothing(bench: Bench) -> None:
    bench.executor.stop(0)

    assert not bench.executor.reserve("test.gate")
    bench.enqueue("a0")
    bench.executor.cancel("a0")
    bench.executor.give_back("test.gate")

    assert bench.gate.labels == []
    assert bench.executor.stop(0) == 0


def test_a_start_that_becomes_durable_after_the_end_is_no_start(bench: Bench) -> None:
    held: Future[set[str]] = Future()
    bench.mark = lambda _: held
    bench.enqueue("a0")
    _until(lambda: bench.marks != [])

    bench.executor.stop(0)
    held.set_result({"a0"})

    assert bench.gate.labels == []


def test_an_executor_that_never_ran_can_be_stopped() -> None:
    assert Bench().executor.stop(0) == 0


def _done(ids: set[str]) -> Future[set[str]]:
    future: Future[set[str]] = Future()
    future.set_result(ids)
    return future


def _settle(bench: Bench) -> None:
    """Let everything be done that was posted to the executor's loop so far."""

    async def nothing() -> None:
        await asyncio.sleep(0)

    asyncio.run_coroutine_threadsafe(nothing(), bench.executor._loop).result(PATIENCE)


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_places_that_free_together_are_filled_by_one_write() -> None:
    bench = Bench(asynchronous=4)
    ids = [f"action-{number}" for number in range(40)]
    for action_id in ids:
        bench.enqueue(action_id, "test.reveal", given={"text": "hush"})
    bench.executor.start()
    try:
        assert all(bench.result(action_id).result is True for action_id in ids)
    finally:
        bench.executor.stop(0)
    assert bench.marks == [ids[start : start + 4] for start in range(0, 40, 4)]


def test_nothing_starts_while_the_lease_is_uncertain(bench: Bench) -> None:
    """What may not start now starts later: nobody else runs it as long as this process is not gone."""
    bench.may_start = False
    bench.enqueue("a")
    time.sleep(2.5 * ASK_AGAIN_AFTER)
    assert bench.gate.labels == []
    bench.may_start = True
    bench.gate.wait()
    bench.gate.open([1])
    assert bench.result("a").state == "SUCCESS"


def test_nothing_starts_in_the_name_of_a_process_that_is_gone(bench: Bench) -> None:
    """Others see to it; its place is free again."""
    bench.may_start, bench.is_replaced = False, True
    bench.enqueue("a")
    bench.enqueue("b")
    while bench.executor.active:
        time.sleep(0.01)
    bench.may_start, bench.is_replaced = True, False
    bench.enqueue("c")
    bench.gate.wait()
    assert bench.gate.labels == ["c"]
