"""Policies: waits, pause-before, fail-on, keep-result, on a virtual clock."""

from __future__ import annotations

import pytest
from harness import SECOND, START, run
from policy_examples import one, seconds

from maestrale.engine.events import AlarmDue

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
