"""Policies: waits, retry, timeout, pause-before, fail-on, keep-result, on a virtual clock."""

from __future__ import annotations

import pytest
from harness import SECOND, START, Run, run

from maestrale.engine.effects import CancelAction, Tell
from maestrale.engine.events import ActionFinished, AlarmDue, StopRequested
from maestrale.model.errors import InvalidState


def one(policies: str, action: str = "remote") -> Run:
    """A workflow of one remote task with these policies (lines of YAML); `h` runs if it fails."""
    lines = "\n".join(f"      {line}" for line in policies.strip("\n").splitlines())
    text = f"""\
w:
  tasks:
    t:
      action: {action}
      publish: {{got: <% task().result %>}}
      publish-on-error: {{lost: <% task().result %>}}
{lines}
      on-success: after
      on-error: h
    after: {{action: std.noop}}
    h: {{action: std.noop}}
"""
    return run(text)


def seconds(found: Run, name: str = "t") -> list[float]:
    """When the actions of a task were made, in seconds from the start."""
    return [(action.created_at - START) / SECOND for action in found.actions(name)]


# -- wait-before, wait-after


@pytest.mark.covers("dsl.policy.wait_before")
def test_wait_before_delays_the_action() -> None:
    found = one("wait-before: 4")
    task = found.task("t")
    assert (task.state, task.state_info) == ("DELAYED", "Delayed by 'wait-before' policy [delay=4]")
    assert found.actions("t") == []
    found.world.advance(3.9)
    assert found.task("t").state == "DELAYED"
    found.world.advance(0.1)
    assert (found.task("t").state, found.task("t").state_info) == ("RUNNING", None)
    assert seconds(found) == [4]


@pytest.mark.parametrize("policy", ["wait-before: <% 0 %>", "wait-after: <% 0 %>", "timeout: <% 0 %>"])
def test_zero_switches_a_policy_off(policy: str) -> None:
    found = one(policy)
    assert seconds(found) == [0]
    found.finish("t")
    assert (found.state, found.execution.timers) == ("SUCCESS", {})


@pytest.mark.covers("dsl.policy.wait_after")
def test_wait_after_delays_what_follows() -> None:
    found = one("wait-after: 4")
    found.finish("t", "x")
    task = found.task("t")
    assert (task.state, task.state_info) == ("DELAYED", "Delayed by 'wait-after' policy [delay=4]")
    assert found.published("t") == {"got": "x"}
    assert found.names == ["t"]
    found.world.advance(4)
    assert (found.task("t").state, found.task("t").state_info) == ("SUCCESS", None)
    assert found.states == {"t": "SUCCESS", "after": "SUCCESS"}
    assert found.output == {"got": "x"}


def test_wait_after_holds_a_failure_back_too() -> None:
    found = one("wait-after: 4")
    found.fail("t", "boom")
    assert found.task("t").state == "DELAYED"
    found.world.advance(4)
    assert (found.task("t").state, found.task("t").state_info) == ("ERROR", "boom")
    assert found.states == {"t": "ERROR", "h": "SUCCESS"}


def test_wait_after_comes_before_fail_on_and_retry() -> None:
    found = one("wait-after: 4\nfail-on: <% task().result = 1 %>\nretry: {count: 1, delay: 2}")
    found.finish("t", 1)
    assert found.task("t").state_info == "Delayed by 'wait-after' policy [delay=4]"
    found.world.advance(4)
    assert found.task("t").state_info == "Delayed by 'retry' policy [delay=2]"
    found.world.advance(2)
    assert seconds(found) == [0, 6]
    found.finish("t", 1)
    assert (found.task("t").state, found.task("t").state_info) == ("ERROR", "Failed by 'fail-on' policy")


def test_delays_that_end_together_end_in_the_order_of_creation() -> None:
    names = "abcdefgh"
    text = "".join(f"    {n}: {{action: remote, on-success: {n}{n}}}\n" for n in names)
    text += "".join(f"    {n}{n}: {{action: remote, wait-before: 1}}\n" for n in names)
    found = run(f"w:\n  tasks:\n{text}")
    for name in names:
        found.finish(name)
    found.world.advance(1)
    followers = [task.id for task in found.tasks() if len(task.name) == 2]
    assert [row.task_id for row in found.world.rows.values() if row.task_id in followers] == followers


def test_an_alarm_before_anything_is_due_changes_nothing() -> None:
    found = one("wait-before: 4")
    before = found.task("t")
    found.send(AlarmDue())
    assert found.task("t") is before


def test_two_delays_go_off_one_after_the_other() -> None:
    found = run("""
        w:
          tasks:
            a: {wait-before: 2, action: remote}
            b: {wait-before: 1, action: remote}
    """)
    assert found.world.next_alarm() == (START + SECOND, found.id)
    found.world.advance(10)
    assert (seconds(found, "a"), seconds(found, "b")) == ([2], [1])
    assert found.world.next_alarm() is None


# -- retry


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


# -- timeout


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


# -- pause-before


@pytest.mark.covers("dsl.policy.pause_before")
def test_pause_before_holds_task_and_workflow_until_resume() -> None:
    found = one("pause-before: true")
    task = found.task("t")
    assert (task.state, task.state_info) == ("IDLE", "Set by 'pause-before' policy")
    assert (found.state, found.info) == ("PAUSED", "Set by 'pause-before' policy")
    assert found.actions("t") == []
    found.resume()
    assert (found.state, found.task("t").state) == ("RUNNING", "RUNNING")
    found.finish("t")
    assert found.state == "SUCCESS"


def test_pause_before_by_an_expression_that_is_false() -> None:
    found = one("pause-before: <% 1 = 2 %>")
    assert (found.state, found.task("t").state) == ("RUNNING", "RUNNING")


def test_after_pause_before_there_is_no_wait_before_and_the_timeout_begins() -> None:
    found = one("pause-before: true\nwait-before: 9\ntimeout: 5")
    found.world.advance(7)
    found.resume()
    assert seconds(found) == [7]
    found.world.advance(4)
    assert found.task("t").state == "RUNNING"
    found.world.advance(1)
    assert found.task("t").state_info == "Task timed out [timeout(s)=5]."


def test_pause_before_lets_other_branches_finish_what_they_run() -> None:
    found = run("""
        w:
          tasks:
            a: {action: remote, on-success: after}
            b: {pause-before: true}
            after: {action: std.noop}
    """)
    assert found.states == {"a": "RUNNING", "b": "IDLE"}
    found.finish("a")
    assert found.states == {"a": "SUCCESS", "b": "IDLE"}
    found.resume()
    assert found.state == "SUCCESS"


def test_pause_before_pauses_again_on_rerun() -> None:
    found = run("""
        w:
          tasks:
            t: {action: remote, pause-before: true}
    """)
    found.resume()
    found.fail("t")
    found.rerun("t")
    assert (found.state, found.task("t").state) == ("PAUSED", "IDLE")
    found.resume()
    found.finish("t")
    assert found.state == "SUCCESS"


# -- fail-on, keep-result


@pytest.mark.covers("dsl.policy.fail_on")
def test_fail_on_turns_a_success_into_an_error_after_publishing() -> None:
    found = one("fail-on: <% task().result < 5 %>")
    found.finish("t", 4)
    task = found.task("t")
    assert (task.state, task.state_info) == ("ERROR", "Failed by 'fail-on' policy")
    assert found.published("t") == {"got": 4}
    assert found.states == {"t": "ERROR", "h": "SUCCESS"}
    assert found.inbound("h") == {"got": 4}


def test_fail_on_that_does_not_hold() -> None:
    found = one("fail-on: <% task().result < 5 %>")
    found.finish("t", 5)
    assert found.states == {"t": "SUCCESS", "after": "SUCCESS"}


def test_fail_on_is_not_asked_about_an_error() -> None:
    found = one("fail-on: <% true %>")
    found.fail("t", "own reason")
    assert found.task("t").state_info == "own reason"


def test_fail_on_sees_the_inbound_variables_only() -> None:
    found = one("fail-on: <% $.get(got) != null %>")
    found.finish("t", 1)
    assert found.task("t").state == "SUCCESS"


def test_fail_on_drives_retry() -> None:
    found = one("fail-on: <% task().result != good %>\nretry: {count: 5, delay: 0}")
    found.finish("t", "bad")
    found.finish("t", "good")
    assert found.states == {"t": "SUCCESS", "after": "SUCCESS"}
    assert len(found.actions("t")) == 2


@pytest.mark.parametrize("value", ["false", "<% 1 = 2 %>", '"{{ false }}"'])
@pytest.mark.covers("dsl.policy.keep_result")
def test_a_result_that_is_not_kept_is_seen_by_publish_only(value: str) -> None:
    found = run(f"""
        w:
          output: {{len: <% $.len %>, later: <% task(t1).result %>}}
          tasks:
            t1:
              action: std.echo output="secret"
              keep-result: {value}
              publish: {{len: <% task().result.len() %>}}
              on-success: [{{seen: <% task().result != null %>}}]
            seen: {{action: std.noop}}
    """)
    assert found.output == {"len": 6, "later": None}
    assert found.names == ["t1"]
    assert found.actions("t1")[0].output is None


def test_a_result_that_is_not_kept_is_null_for_continue_on_already() -> None:
    found = one("keep-result: false\nretry: {count: 1, delay: 0, continue-on: <% task().result != null %>}")
    found.finish("t", 1)
    assert found.task("t").state == "SUCCESS"
    assert len(found.actions("t")) == 1


def test_the_results_of_items_that_are_not_kept() -> None:
    found = run("""
        w:
          tasks:
            t: {with-items: "i in [1, 2]", action: std.echo output=<% $.i %>, keep-result: false}
    """)
    assert found.state == "SUCCESS"
    assert found.result("t") is None


def test_the_output_of_a_sub_workflow_is_always_kept() -> None:
    found = run("""
        w:
          output: {r: <% task(t).result %>}
          tasks:
            t: {workflow: sub, keep-result: false}
        sub:
          output: {v: 7}
          tasks: {s: {action: std.noop}}
    """)
    assert found.output == {"r": {"v": 7}}
    found.world.check_replay_and_reload()


@pytest.mark.parametrize("restart", [False, True])
def test_a_result_that_is_not_kept_does_not_show_in_the_reason_of_the_workflow(restart: bool) -> None:
    found = run("w: {tasks: {t: {action: remote, keep-result: false}, u: {action: remote}}}")
    found.fail("t", "what went wrong")
    if restart:
        found.world.restart()
    found.finish("u")
    assert found.state == "ERROR"
    assert found.info.endswith(f"    [action_ex_id={found.actions('t')[0].id}, idx=0]: None\n")


def test_a_rerun_keeps_the_new_result() -> None:
    found = run("""
        w:
          output: {r: <% task(t).result %>}
          tasks:
            t: {action: remote, keep-result: "<% task().state = SUCCESS %>"}
    """)
    found.fail("t", "no")
    assert found.result("t") is None
    found.rerun("t")
    found.finish("t", "yes")
    assert found.output == {"r": "yes"}


# -- defaults, and time that passes while nothing may happen


@pytest.mark.covers("dsl.workflow.task_defaults", "dsl.workflow.task_defaults.override")
def test_policies_of_task_defaults_apply_unless_the_task_has_its_own() -> None:
    found = run("""
        w:
          task-defaults: {retry: {count: 2, delay: 0}, wait-before: 2}
          tasks:
            a: {action: std.fail, on-error: noop}
            b: {action: std.fail, retry: {count: 1, delay: 0}, on-error: noop}
            c: {action: std.fail, wait-before: 0, on-error: noop}
    """)
    assert seconds(found, "c") == [0, 0, 0]
    found.world.advance(2)
    assert (len(found.actions("a")), len(found.actions("b"))) == (3, 2)
    assert found.state == "SUCCESS"


def test_delays_are_held_while_the_workflow_is_paused() -> None:
    found = one("wait-before: 4")
    found.pause()
    assert found.world.next_alarm() is None
    found.world.advance(10)
    found.send(AlarmDue())
    assert found.task("t").state == "DELAYED"
    found.resume()
    assert found.task("t").state == "DELAYED"
    found.world.advance(0)
    assert seconds(found) == [10]


@pytest.mark.parametrize("state", ["SUCCESS", "ERROR", "CANCELLED"])
def test_delays_of_an_ended_workflow_never_go_off(state: str) -> None:
    found = one("wait-before: 4\ntimeout: 6")
    found.stop(state)
    found.world.advance(10)
    found.send(AlarmDue())
    assert found.task("t").state == "DELAYED"
    assert found.actions("t") == []
