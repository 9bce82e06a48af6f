"""The engine commands noop, fail, succeed and pause, alone and among other targets."""

from __future__ import annotations

import pytest
from harness import run


@pytest.mark.covers("dsl.cmd.noop")
def test_noop_does_nothing_and_handles_an_error() -> None:
    found = run("""
        w:
          tasks:
            t1: {on-success: noop}
            t2: {action: std.fail, on-error: noop}
    """)
    assert (found.state, found.output) == ("SUCCESS", {})
    assert found.task("t2").error_handled
    assert found.task("t2").next_tasks == []


@pytest.mark.covers("dsl.cmd.fail", "dsl.cmd.msg")
def test_fail_ends_the_workflow_with_its_message() -> None:
    found = run(
        """
        w:
          input: [what]
          tasks:
            t1: {on-success: ['fail msg="stopped because of <% $.what %>"', t2]}
            t2: {action: std.noop}
        """,
        input={"what": "rain"},
    )
    assert (found.state, found.info) == ("ERROR", "stopped because of rain")
    assert found.output == {"result": "stopped because of rain"}
    assert found.names == ["t1"]


def test_fail_without_message_has_a_null_result() -> None:
    found = run("""
        w:
          tasks:
            t1: {on-success: fail}
    """)
    assert (found.state, found.workflow.state_info, found.output) == ("ERROR", None, {"result": None})


def test_fail_handles_the_error_it_follows_but_fails_the_workflow() -> None:
    found = run("""
        w:
          tasks:
            t1: {action: std.fail, on-error: 'fail(msg="on purpose")'}
    """)
    assert (found.state, found.info) == ("ERROR", "on purpose")
    assert found.task("t1").error_handled


@pytest.mark.parametrize(("command", "state"), [("fail", "ERROR"), ("succeed", "SUCCESS")])
def test_tasks_before_an_end_run_and_those_after_it_do_not_exist(command: str, state: str) -> None:
    found = run(f"""
        w:
          tasks:
            t1:
              on-success: [before, '{command} msg="now"', after]
              on-complete: [later]
            before: {{publish: {{x: 1}}, on-success: never}}
            after: {{action: std.noop}}
            later: {{action: std.noop}}
            never: {{action: std.noop}}
    """)
    assert (found.state, found.info) == (state, "now")
    assert found.states == {"t1": "SUCCESS", "before": "SUCCESS"}
    assert found.published("before") == {"x": 1}
    assert found.task("t1").next_tasks == [["before", "on-success"]]


def test_a_slow_task_before_an_end_runs_to_its_own_end() -> None:
    found = run("""
        w:
          tasks:
            t1: {on-success: [before, fail]}
            before: {action: remote, publish: {x: <% task().result %>}, on-success: never}
            never: {action: std.noop}
    """)
    assert found.state == "ERROR"
    assert found.states == {"t1": "SUCCESS", "before": "RUNNING"}
    assert found.world.running == {found.actions("before")[0].id: found.id}
    found.finish("before", 7)
    assert found.states == {"t1": "SUCCESS", "before": "SUCCESS"}
    assert found.published("before") == {"x": 7}
    assert found.state == "ERROR"


@pytest.mark.parametrize("steps", [2, 3, 200])
@pytest.mark.parametrize("action", ["std.echo output=<% $.i %>", "remote input=<% $.i %>"])
def test_all_items_of_a_task_before_an_end_run(steps: int, action: str) -> None:
    found = run(
        f"""
        w:
          tasks:
            t1: {{on-success: [before, beside, fail]}}
            before: {{with-items: i in <% range(7).toList() %>, concurrency: 2, action: "{action}"}}
            beside: {{action: std.noop}}
        """,
        steps=steps,
    )
    for _ in range(7):
        if found.open_actions("before"):
            found.world.restart()
            found.finish("before", 1)
    assert found.state == "ERROR"
    assert found.states == {"t1": "SUCCESS", "before": "SUCCESS", "beside": "SUCCESS"}
    assert len(found.actions("before")) == 7
    assert not found.execution.ready
    found.world.check_replay_and_reload()


def test_a_sub_workflow_before_an_end_runs_to_its_own_end() -> None:
    found = run("""
        w:
          tasks:
            t1: {on-success: [before, fail]}
            before: {workflow: inner}
        inner:
          tasks:
            t: {action: remote, on-success: u}
            u: {action: std.noop}
    """)
    found.child("before").finish("t")
    assert found.child("before").state == "SUCCESS"
    assert (found.state, found.states["before"]) == ("ERROR", "SUCCESS")


def test_a_join_before_an_end_runs_if_it_is_complete() -> None:
    found = run("""
        w:
          tasks:
            a: {on-success: j}
            b: {on-success: [j, fail]}
            j: {join: all, publish: {x: 1}}
    """)
    assert (found.state, found.states["j"], found.published("j")) == ("ERROR", "SUCCESS", {"x": 1})


def test_a_task_before_an_end_that_cannot_be_started_fails_alone() -> None:
    found = run("""
        w:
          tasks:
            t1: {on-success: [before, 'succeed msg="enough"']}
            before: {action: std.echo output=<% $.nope %>}
    """)
    assert (found.state, found.info) == ("SUCCESS", "enough")
    assert found.task("before").state == "ERROR"
    assert "nope" in (found.task("before").state_info or "")


def test_a_delay_before_an_end_is_never_over() -> None:
    found = run("""
        w:
          tasks:
            t1: {on-success: [before, again, fail]}
            before: {action: remote, wait-before: 1}
            again: {action: std.fail, retry: {count: 2, delay: 0}}
    """)
    found.world.advance(10)
    assert found.states == {"t1": "SUCCESS", "before": "DELAYED", "again": "ERROR"}
    assert len(found.actions("again")) == 3


def test_what_was_to_start_when_a_command_ended_the_workflow_still_runs() -> None:
    found = run("""
        w:
          tasks:
            t1: {on-success: fail}
            other: {action: std.noop, on-success: never}
            items: {with-items: i in <% range(5).toList() %>, action: std.noop}
            never: {action: std.noop}
    """)
    assert found.states == {"t1": "SUCCESS", "other": "SUCCESS", "items": "SUCCESS"}
    assert found.state == "ERROR"


def test_what_outlived_an_end_does_not_outlive_the_next() -> None:
    found = run("""
        w:
          tasks:
            t1: {on-success: [before, bad]}
            bad: {action: remote, on-error: [items, fail]}
            items: {with-items: "i in [1, 2, 3]", concurrency: 1, action: remote}
            before: {action: remote}
    """)
    found.fail("bad")
    assert found.state == "ERROR"
    found.world.advance(1)
    found.rerun("bad")
    assert found.state == "RUNNING"
    found.stop("CANCELLED")
    found.finish("items")
    assert found.open_actions("items") == []
    assert found.states["items"] == "RUNNING"


def test_the_first_command_in_the_list_decides() -> None:
    text = """
        w:
          tasks:
            t1: {on-success: [LIST]}
    """
    for commands, state in (("noop, succeed, fail", "SUCCESS"), ("fail, succeed, pause", "ERROR")):
        assert run(text.replace("LIST", commands)).state == state


def test_a_command_whose_guard_is_false_does_nothing() -> None:
    found = run("""
        w:
          tasks:
            t1: {on-success: [{fail: <% false %>}, t2]}
            t2: {action: std.noop}
    """)
    assert (found.state, found.names) == ("SUCCESS", ["t1", "t2"])


@pytest.mark.parametrize("targets", ["'succeed msg=\"enough\"'", "['succeed msg=\"enough\"', t2]"])
@pytest.mark.covers("dsl.cmd.succeed")
def test_succeed_ends_early_and_sees_the_variables_of_its_task(targets: str) -> None:
    found = run(f"""
        w:
          output: {{v: <% $.v %>}}
          tasks:
            t1:
              publish: {{v: early}}
              on-success: {targets}
              on-error: t2
            t2: {{action: std.fail}}
    """)
    assert (found.state, found.info, found.output) == ("SUCCESS", "enough", {"v": "early"})
    assert found.names == ["t1"]


def test_succeed_leaves_what_still_runs_as_it_is() -> None:
    found = run("""
        w:
          tasks:
            slow: {action: remote, on-success: never}
            quick: {on-success: succeed}
            never: {action: std.noop}
    """)
    assert found.states == {"slow": "RUNNING", "quick": "SUCCESS"}
    found.finish("slow", 7)
    assert found.states == {"slow": "SUCCESS", "quick": "SUCCESS"}
    assert found.result("slow") == 7
    assert found.state == "SUCCESS"


@pytest.mark.covers("dsl.cmd.pause")
def test_pause_starts_what_stands_before_it_and_keeps_the_rest_for_resume() -> None:
    found = run("""
        w:
          tasks:
            t1: {on-complete: [a, 'pause msg="look at me"', b]}
            a: {action: remote, on-success: c}
            b: {action: std.noop}
            c: {action: std.noop}
    """)
    assert (found.state, found.info) == ("PAUSED", "look at me")
    assert found.states == {"t1": "SUCCESS", "a": "RUNNING"}
    found.finish("a")
    assert (found.state, found.info) == ("PAUSED", "look at me")
    assert found.states == {"t1": "SUCCESS", "a": "SUCCESS"}
    found.resume()
    assert (found.state, found.info) == ("SUCCESS", "")
    assert found.states == {"t1": "SUCCESS", "a": "SUCCESS", "b": "SUCCESS", "c": "SUCCESS"}


def test_a_resumed_rest_ignores_further_pauses_and_obeys_other_commands() -> None:
    found = run("""
        w:
          tasks:
            t1: {on-success: [pause, noop, {pause: <% true %>}, b, 'fail msg="late"', c]}
            b: {action: std.noop}
            c: {action: std.noop}
    """)
    assert (found.state, found.names) == ("PAUSED", ["t1"])
    found.resume()
    assert (found.state, found.info) == ("ERROR", "late")
    assert found.names == ["t1", "b"]


def test_a_pause_with_nothing_behind_it_ends_on_resume() -> None:
    found = run("""
        w:
          tasks:
            t1: {publish: {x: 1}, on-success: pause}
    """)
    assert found.state == "PAUSED"
    found.resume()
    assert (found.state, found.output) == ("SUCCESS", {"x": 1})


def test_two_branches_may_pause_and_both_go_on() -> None:
    found = run("""
        w:
          tasks:
            a: {action: remote, on-success: [pause, a2]}
            b: {action: remote, on-success: [pause, b2]}
            a2: {action: std.noop}
            b2: {action: std.noop}
    """)
    found.finish("a")
    assert found.state == "PAUSED"
    found.finish("b")
    assert found.names == ["a", "b"]
    found.resume()
    assert found.state == "SUCCESS"
    assert sorted(found.names) == ["a", "a2", "b", "b2"]


def test_a_fail_behind_a_pause_drops_what_other_branches_kept() -> None:
    found = run("""
        w:
          tasks:
            a: {action: remote, on-success: [pause, fail]}
            b: {action: remote, on-success: b2}
            b2: {action: std.noop}
    """)
    found.finish("a")
    found.finish("b")
    found.resume()
    assert found.state == "ERROR"
    assert "b2" not in found.names


def test_a_join_behind_a_pause_still_gets_its_trigger() -> None:
    found = run("""
        w:
          tasks:
            a: {action: remote, on-success: [pause, j]}
            b: {action: remote, on-success: j}
            j: {join: all}
    """)
    found.finish("a")
    found.finish("b")
    found.resume()
    assert found.states == {"a": "SUCCESS", "b": "SUCCESS", "j": "SUCCESS"}
    assert found.state == "SUCCESS"


@pytest.mark.covers("dsl.cmd.reserved_names")
def test_a_task_named_like_a_command_is_meant_by_its_name() -> None:
    found = run("""
        w:
          output: {f: <% $.f %>, n: <% $.n %>}
          tasks:
            t1: {on-success: [fail, noop]}
            fail: {publish: {f: 1}}
            noop: {publish: {n: 2}}
    """)
    assert (found.state, found.output) == ("SUCCESS", {"f": 1, "n": 2})


def test_parameters_of_commands_are_evaluated_with_published_variables() -> None:
    found = run("""
        w:
          tasks:
            t1:
              publish: {n: 4}
              on-success: 'fail(msg="{{ _.n }} are too many")'
    """)
    assert found.info == "4 are too many"
