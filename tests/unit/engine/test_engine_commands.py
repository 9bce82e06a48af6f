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


def test_tasks_before_fail_are_created_and_those_after_it_are_not() -> None:
    found = run("""
        w:
          tasks:
            t1:
              on-success: [before, 'fail msg="now"', after]
              on-complete: [later]
            before: {action: std.noop}
            after: {action: std.noop}
            later: {action: std.noop}
    """)
    assert (found.state, found.info) == ("ERROR", "now")
    assert found.names == ["t1", "before"]


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
