"""The policy timeout, on a virtual clock."""

from __future__ import annotations

import pytest
from harness import run
from policy_examples import one, seconds

from maestrale.engine.effects import CancelAction, Tell
from maestrale.engine.events import ActionFinished, StopRequested
from maestrale.model.errors import InvalidState


@pytest.mark.covers("dsl.policy.timeout")
def test_a_task_that_does_not_end_in_time_fails() -> None:
    found = one("timeout: 4")
    action = found.open_actions("t")[0]
    found.world.advance(3)
    assert found.task("t").state == "RUNNING"
    found.world.advance(1)
    assert (found.task("t").state, found.task("t").state_info) == ("ERROR", "Task timed out [timeout(s)=4].")
    assert found.states == {"t": "ERROR", "h": "SUCCESS"}
    assert found.actions("t")[0].state == "CANCELLED"
    assert CancelAction(action.id) in [effect for _, effect in found.world.effects]
    assert found.published("t") == {"lost": []}


@pytest.mark.parametrize("state", ["SUCCESS", "ERROR"])
def test_a_result_that_comes_between_the_time_and_the_alarm_is_too_late(state: str) -> None:
    found = one("timeout: 4\nretry: {count: 3, delay: 0}")
    found.world.now += 4_000_001
    found.finish("t", "late", state)
    assert (found.task("t").state, found.task("t").state_info) == ("ERROR", "Task timed out [timeout(s)=4].")
    assert len(found.actions("t")) == 1


def test_an_attempt_that_was_to_start_while_paused_is_too_late() -> None:
    found = one("timeout: 4\nretry: {count: 3, delay: 0}")
    found.pause()
    found.fail("t")
    found.world.now += 4_000_001
    found.resume()
    assert found.task("t").state_info == "Task timed out [timeout(s)=4]."
    assert len(found.actions("t")) == 1


def test_a_late_result_after_a_timeout_is_ignored_and_explained_to_users() -> None:
    found = one("timeout: 4", "std.async_noop")
    action = found.open_actions("t")[0]
    found.world.advance(4)
    found.send(ActionFinished(action.id, "SUCCESS", 1))
    assert found.task("t").state == "ERROR"
    with pytest.raises(InvalidState, match="is already completed"):
        found.send(ActionFinished(action.id, "SUCCESS", 1, by_user=True))


def test_a_task_that_ends_in_time_has_no_alarm_left() -> None:
    found = one("timeout: 4")
    found.world.advance(1)
    found.finish("t", 1)
    assert found.world.next_alarm() is None
    assert found.state == "SUCCESS"


def test_the_timeout_spans_all_retries_and_is_final() -> None:
    found = one("timeout: 5\nretry: {count: 9, delay: 2}")
    found.fail("t")
    found.world.advance(2)
    found.world.advance(1)
    found.fail("t")
    assert found.task("t").state == "DELAYED"
    found.world.advance(2)
    assert found.task("t").state_info == "Task timed out [timeout(s)=5]."
    assert found.states == {"t": "ERROR", "h": "SUCCESS"}
    found.world.advance(20)
    assert seconds(found) == [0, 2]
    assert found.state == "SUCCESS"


def test_the_timeout_is_final_for_a_running_attempt_too() -> None:
    found = one("timeout: 5\nretry: {count: 9, delay: 2}")
    found.world.advance(30)
    assert seconds(found) == [0]
    assert found.states == {"t": "ERROR", "h": "SUCCESS"}


def test_the_timeout_counts_during_wait_before() -> None:
    found = one("timeout: 2\nwait-before: 10")
    found.world.advance(2)
    assert found.task("t").state == "ERROR"
    assert found.actions("t") == []
    found.world.advance(10)
    assert found.actions("t") == []


def test_a_timeout_waits_after_like_any_end_and_stays_final() -> None:
    found = one("timeout: 5\nwait-after: 3\nretry: {count: 2, delay: 1}", "std.async_noop")
    action = found.open_actions("t")[0]
    found.world.advance(5)
    assert found.task("t").state_info == "Delayed by 'wait-after' policy [delay=3]"
    found.send(ActionFinished(action.id, "SUCCESS", "late"))
    assert found.task("t").state == "DELAYED"
    found.world.advance(2.9)
    assert found.task("t").state == "DELAYED"
    found.world.advance(0.1)
    assert (found.task("t").state, found.task("t").state_info) == ("ERROR", "Task timed out [timeout(s)=5].")
    assert seconds(found) == [0]


def test_the_timeout_counts_during_wait_after_too() -> None:
    found = one("timeout: 5\nwait-after: 3")
    found.world.advance(4)
    found.finish("t", 1)
    found.world.advance(10)
    assert found.task("t").state == "ERROR"
    assert found.task("t").state_info == "Task timed out [timeout(s)=5]."


def test_a_timed_out_sub_workflow_is_cancelled() -> None:
    found = run("""
        w:
          tasks:
            t: {workflow: sub, timeout: 3, on-error: noop}
        sub:
          tasks: {s: {action: remote}}
    """)
    child = found.child("t")
    found.world.advance(3)
    assert found.state == "SUCCESS"
    assert Tell(child.id, StopRequested("CANCELLED", "Task timed out [timeout(s)=3].")) in [
        effect for _, effect in found.world.effects
    ]
    assert (child.state, child.info) == ("CANCELLED", "Task timed out [timeout(s)=3].")
    assert found.task("t").state == "ERROR"


@pytest.mark.parametrize("body", ["timeout: 2, publish-on-error: {global: {late: true}}", "wait-after: 2"])
def test_what_is_due_in_the_moment_in_which_the_workflow_ends_comes_too_late(body: str) -> None:
    """Whatever the order: a moment later nothing would happen either."""
    found = run(f"""
        w:
          tasks:
            a: {{action: remote, wait-after: 2, on-success: [fail]}}
            t: {{action: remote, {body}}}
    """)
    found.finish("a")
    if "wait-after" in body:
        found.finish("t")
    before = found.task("t").state
    found.world.advance(2)
    assert (found.state, found.workflow.globals) == ("ERROR", {})
    assert found.task("t").state == before


def test_a_result_after_the_end_of_the_workflow_counts_whenever_it_comes() -> None:
    found = run("""
        w:
          tasks:
            t: {action: remote, timeout: 4, publish: {a: <% task().result %>}}
    """)
    found.stop("ERROR")
    found.world.now += 5_000_000
    found.finish("t", 1)
    assert (found.task("t").state, found.published("t")) == ("SUCCESS", {"a": 1})


def test_a_rerun_after_a_timeout_has_its_full_time_again() -> None:
    found = run("""
        w:
          tasks:
            t: {action: remote, timeout: 5}
    """)
    found.world.advance(7)
    assert found.state == "ERROR"
    found.rerun("t")
    found.world.advance(4)
    assert found.task("t").state == "RUNNING"
    found.world.advance(1)
    assert found.task("t").state == "ERROR"
