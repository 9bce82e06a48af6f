"""The policy retry, on a virtual clock."""

from __future__ import annotations

import pytest
from harness import SECOND, START, run
from policy_examples import one, seconds

from maestrale.engine.events import ActionFinished
from maestrale.model.errors import InvalidState


@pytest.mark.covers("dsl.policy.retry.count_delay")
def test_retry_repeats_a_failing_action_after_the_delay() -> None:
    found = one("retry: {count: 3, delay: 2}")
    for attempt in (1, 2):
        found.fail("t", attempt)
        task = found.task("t")
        assert (task.state, task.state_info) == ("DELAYED", "Delayed by 'retry' policy [delay=2]")
        assert found.published("t") == {"lost": attempt}
        found.world.advance(2)
    found.finish("t", "done")
    assert seconds(found) == [0, 2, 4]
    assert [action.accepted for action in found.actions("t")] == [False, False, True]
    assert found.result("t") == "done"
    assert found.states == {"t": "SUCCESS", "after": "SUCCESS"}
    assert found.task("t").runtime["retry_task_policy"] == {"retry_no": 2}


def test_count_is_the_number_of_repetitions_after_the_first_attempt() -> None:
    found = one("retry: count=2 delay=0")
    for _ in range(3):
        found.fail("t", "no")
    assert len(found.actions("t")) == 3
    assert found.states == {"t": "ERROR", "h": "SUCCESS"}


def test_a_count_of_zero_repeats_nothing() -> None:
    found = one("retry: {count: <% 0 %>, delay: 0}")
    found.fail("t")
    assert len(found.actions("t")) == 1


def test_retry_of_an_action_that_the_engine_runs_itself() -> None:
    found = one("retry: {count: 4, delay: 0}", "std.fail")
    assert len(found.actions("t")) == 5
    assert found.states == {"t": "ERROR", "h": "SUCCESS"}


@pytest.mark.covers("dsl.policy.retry.break_on")
def test_break_on_ends_the_repetition_and_sees_what_the_attempt_published() -> None:
    found = one("retry: {count: 5, delay: 0, break-on: <% $.lost >= 2 %>}")
    found.fail("t", 1)
    found.fail("t", 2)
    assert len(found.actions("t")) == 2
    assert found.states == {"t": "ERROR", "h": "SUCCESS"}


@pytest.mark.covers("dsl.policy.retry.continue_on")
def test_continue_on_repeats_a_success_until_it_is_false() -> None:
    found = one("retry: {count: 10, delay: 0, continue-on: <% task().result < 3 %>}")
    for number in (1, 2, 3):
        found.finish("t", number)
    assert found.output == {"got": 3}
    assert len(found.actions("t")) == 3


def test_continue_on_that_stays_true_ends_in_success_when_the_count_is_used_up() -> None:
    found = one("retry: {count: 2, delay: 0, continue-on: <% true %>}")
    for number in (1, 2, 3):
        found.finish("t", number)
    assert found.states == {"t": "SUCCESS", "after": "SUCCESS"}
    assert len(found.actions("t")) == 3


def test_an_error_is_not_repeated_while_continue_on_is_false() -> None:
    found = one("retry: {count: 2, delay: 0, continue-on: <% false %>}")
    found.fail("t")
    assert found.states == {"t": "ERROR", "h": "SUCCESS"}
    assert len(found.actions("t")) == 1


def test_an_error_is_repeated_while_continue_on_is_true_unless_break_on_holds() -> None:
    found = one("retry: {count: 9, delay: 0, continue-on: <% true %>, break-on: <% task().result = stop %>}")
    found.fail("t", "go")
    found.fail("t", "stop")
    assert len(found.actions("t")) == 2
    assert found.task("t").state == "ERROR"


def test_break_on_does_not_matter_to_a_success() -> None:
    found = one("retry: {count: 1, delay: 0, continue-on: <% true %>, break-on: <% true %>}")
    found.finish("t", 1)
    assert found.task("t").state == "RUNNING"
    found.finish("t", 2)
    assert found.output == {"got": 2}


def test_a_cancelled_action_is_not_repeated() -> None:
    found = one("retry: {count: 3, delay: 0}")
    found.finish("t", state="CANCELLED")
    assert found.states == {"t": "CANCELLED"}


def test_wait_before_is_not_repeated_by_retry_but_by_rerun() -> None:
    found = run("""
        w:
          tasks:
            t: {action: remote, wait-before: 3, retry: {count: 1, delay: 1}}
    """)
    found.world.advance(3)
    found.fail("t")
    found.world.advance(1)
    assert seconds(found) == [3, 4]
    found.fail("t")
    found.rerun("t")
    assert found.task("t").state_info == "Delayed by 'wait-before' policy [delay=3]"
    found.world.advance(3)
    assert seconds(found) == [3, 4, 7]
    assert found.task("t").started_at == START + 4 * SECOND


def test_every_failing_attempt_publishes_globals() -> None:
    found = run("""
        w:
          vars: {n: 0}
          tasks:
            t:
              action: std.fail
              retry: {count: 2, delay: 0}
              on-error: {publish: {global: {n: <% global(n) + 1 %>}}, next: noop}
    """)
    assert found.workflow.globals == {"n": 3}


def test_a_result_of_an_earlier_attempt_counts_no_more() -> None:
    found = one("retry: {count: 1, delay: 5}", "std.async_noop")
    first = found.finish("t", "no", "ERROR")
    found.send(ActionFinished(first, "SUCCESS", "late"))
    assert found.task("t").state == "DELAYED"
    with pytest.raises(InvalidState, match=f"Action {first} is already completed"):
        found.send(ActionFinished(first, "SUCCESS", "late", by_user=True))


def test_each_attempt_starts_a_new_sub_workflow() -> None:
    found = run("""
        w:
          output: {r: <% $.r %>}
          tasks:
            t: {workflow: sub, retry: {count: 2, delay: 1}, publish: {r: <% task().result.v %>}}
        sub:
          output: {v: <% $.v %>}
          tasks:
            s: {action: remote, publish: {v: <% task().result %>}}
    """)
    found.child("t").fail("s")
    assert found.task("t").state == "DELAYED"
    found.world.advance(1)
    assert len(found.children("t")) == 2
    found.child("t").finish("s", 8)
    assert (found.state, found.output) == ("SUCCESS", {"r": 8})
