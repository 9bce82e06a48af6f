"""What people ask of a running execution: pause, resume, stop, a new environment, a description."""

from __future__ import annotations

import pytest
from harness import START, Run, run

from maestrale.engine.effects import CancelAction
from maestrale.engine.events import DecisionFailed, Described, EnvironmentUpdated
from maestrale.model.errors import BadRequest, Forbidden, InvalidState

TWO_STEPS = """
    w:
      output: {a: <% $.get(a) %>, b: <% $.get(b) %>}
      tasks:
        t1: {action: remote, publish: {a: <% task().result %>}, on-success: t2, on-error: t3}
        t2: {action: remote, publish: {b: <% task().result %>}}
        t3: {action: std.noop}
"""


def two_steps() -> Run:
    return run(TWO_STEPS)


def ended(state: str) -> Run:
    """An execution that has ended in a state by itself."""
    found = run("""
        w:
          tasks:
            t: {action: remote}
    """)
    found.finish("t", 1, state)
    assert found.state == state
    return found


# -- pause and resume


def test_a_paused_workflow_finishes_what_runs_and_starts_nothing() -> None:
    found = two_steps()
    found.pause()
    assert (found.state, found.info) == ("PAUSED", "")
    assert found.workflow.cause == {"kind": "pause", "by": "request"}
    found.finish("t1", 1)
    assert found.states == {"t1": "SUCCESS"}
    assert found.published("t1") == {"a": 1}
    assert not found.task("t1").processed
    found.resume()
    assert (found.state, found.states) == ("RUNNING", {"t1": "SUCCESS", "t2": "RUNNING"})
    found.finish("t2", 2)
    assert (found.state, found.output) == ("SUCCESS", {"a": 1, "b": 2})


def test_pausing_twice_is_no_error_and_changes_nothing() -> None:
    found = two_steps()
    found.pause()
    updated = found.workflow.updated_at
    found.world.advance(5)
    found.pause()
    assert found.workflow.updated_at == updated


@pytest.mark.parametrize("state", ["SUCCESS", "ERROR", "CANCELLED"])
def test_an_ended_workflow_cannot_be_paused(state: str) -> None:
    found = ended(state)
    with pytest.raises(InvalidState) as refusal:
        found.pause()
    assert str(refusal.value) == (
        f"Can't change workflow execution state from {state} to PAUSED. [workflow=w, execution_id={found.id}]"
    )


@pytest.mark.parametrize("state", ["SUCCESS", "ERROR", "CANCELLED"])
def test_resuming_what_has_ended_changes_nothing(state: str) -> None:
    found = ended(state)
    found.resume({"a": 1})
    assert found.state == state
    assert found.workflow.params["env"] == {}


def test_resuming_what_runs_changes_nothing() -> None:
    found = two_steps()
    found.resume({"a": 1})
    assert (found.state, found.workflow.params["env"]) == ("RUNNING", {})
    assert found.states == {"t1": "RUNNING"}


def test_a_workflow_whose_tasks_have_all_ended_ends_on_resume() -> None:
    found = run("""
        w:
          tasks:
            a: {action: remote}
            b: {action: remote}
    """)
    found.pause()
    found.finish("a")
    found.fail("b")
    assert found.state == "PAUSED"
    found.resume()
    assert found.state == "ERROR"
    assert found.info.startswith("Failure caused by error in tasks: b")


def test_errors_are_handled_after_a_pause() -> None:
    found = two_steps()
    found.pause()
    found.fail("t1")
    found.resume()
    assert (found.state, found.states) == ("SUCCESS", {"t1": "ERROR", "t3": "SUCCESS"})


def test_a_pause_command_that_comes_up_while_paused_is_ignored_on_resume() -> None:
    found = run("""
        w:
          tasks:
            t1: {action: remote, on-success: [pause, t2]}
            t2: {action: std.noop}
    """)
    found.pause()
    found.finish("t1")
    found.resume()
    assert (found.state, found.names) == ("SUCCESS", ["t1", "t2"])


def test_a_fail_command_that_comes_up_while_paused_acts_on_resume() -> None:
    found = run("""
        w:
          tasks:
            t1: {action: remote, on-success: 'fail msg="late"'}
            t2: {action: remote, on-success: t3}
            t3: {action: std.noop}
    """)
    found.pause()
    found.finish("t2")
    found.finish("t1")
    assert found.state == "PAUSED"
    found.resume()
    assert (found.state, found.info) == ("ERROR", "late")


def test_a_broken_guard_fails_the_workflow_even_while_it_is_paused() -> None:
    found = run("""
        w:
          tasks:
            t1: {action: remote, on-success: [{t2: <% $.nope %>}]}
            t2: {action: std.noop}
    """)
    found.pause()
    found.finish("t1")
    assert (found.state, found.task("t1").state) == ("ERROR", "ERROR")
    assert "$.nope" in found.info


def test_a_join_meets_across_a_pause() -> None:
    found = run("""
        w:
          tasks:
            a: {action: remote, publish: {a: 1}, on-success: j}
            b: {action: remote, publish: {b: 2}, on-success: j}
            c: {action: remote, on-success: j, on-error: noop}
            j: {join: 2, on-error: noop}
    """)
    found.finish("a")
    found.pause()
    found.finish("b")
    found.fail("c")
    assert found.task("j").state == "WAITING"
    found.resume()
    assert (found.state, found.task("j").state) == ("SUCCESS", "SUCCESS")
    assert found.output == {"a": 1, "b": 2}


# -- stop


@pytest.mark.covers("eng.stop.success")
def test_success_on_demand_sees_what_has_ended() -> None:
    found = run("""
        w:
          output: {v: <% $.v %>}
          tasks:
            done: {publish: {v: 1}}
            open: {action: remote}
    """)
    found.stop("SUCCESS", "enough")
    assert (found.state, found.info, found.output) == ("SUCCESS", "enough", {"v": 1})
    assert found.states == {"done": "SUCCESS", "open": "RUNNING"}
    assert found.workflow.finished_at == START


def test_success_on_demand_is_refused_if_the_output_is_not_there_yet() -> None:
    found = run("""
        w:
          output: {v: <% $.v %>}
          tasks:
            first: {publish: {v: 1}, on-success: second}
            second: {action: remote}
    """)
    with pytest.raises(BadRequest, match="no variable 'v'"):
        found.stop("SUCCESS")
    assert found.state == "RUNNING"
    found.finish("second")
    assert found.output == {"v": 1}


def test_error_on_demand_evaluates_output_on_error() -> None:
    found = run("""
        w:
          output-on-error: {v: <% $.v %>}
          tasks:
            done: {publish: {v: 1}}
            open: {action: remote}
    """)
    found.stop("ERROR", "no more")
    assert (found.state, found.output) == ("ERROR", {"result": "no more", "v": 1})


@pytest.mark.parametrize("message", ["changed my mind", None])
def test_cancel(message: str | None) -> None:
    found = two_steps()
    found.stop("CANCELLED", message)
    assert (found.state, found.workflow.state_info) == ("CANCELLED", message)
    assert found.output == {"result": message}


@pytest.mark.parametrize("state", ["SUCCESS", "ERROR", "CANCELLED"])
def test_a_stopped_workflow_records_late_results_and_starts_nothing(state: str) -> None:
    found = two_steps()
    found.stop(state)
    output = found.output
    found.finish("t1", 5)
    assert found.states == {"t1": "SUCCESS"}
    assert found.published("t1") == {"a": 5}
    assert (found.state, found.output) == (state, output)


@pytest.mark.parametrize(("state", "are_stopped"), [("SUCCESS", 0), ("ERROR", 0), ("CANCELLED", 3)])
def test_a_cancelled_workflow_stops_what_executors_run(state: str, are_stopped: int) -> None:
    found = run("""
        w:
          tasks:
            t: {with-items: "i in [1, 2]", action: remote}
            outside: {action: remote.outside}
            below: {workflow: child}
        child:
          tasks:
            u: {action: remote}
    """)
    below = found.child("below")
    running = [*found.actions("t"), *below.actions("u")]
    found.stop(state)
    stopped = {effect for _, effect in found.world.effects if isinstance(effect, CancelAction)}
    assert stopped == {CancelAction(action.id, reports=True) for action in running[:are_stopped]}


def test_an_action_that_was_stopped_ends_its_task() -> None:
    found = two_steps()
    found.stop("CANCELLED")
    output = found.output
    found.finish("t1", None, "CANCELLED")
    assert found.states == {"t1": "CANCELLED"}
    assert (found.state, found.output) == ("CANCELLED", output)


@pytest.mark.parametrize("state", ["SUCCESS", "ERROR", "CANCELLED"])
def test_a_paused_workflow_can_be_stopped(state: str) -> None:
    found = two_steps()
    found.pause()
    found.stop(state)
    assert found.state == state


@pytest.mark.parametrize("wanted", ["SUCCESS", "ERROR", "CANCELLED"])
@pytest.mark.parametrize("state", ["SUCCESS", "ERROR", "CANCELLED"])
def test_what_has_ended_stays_as_it_is(state: str, wanted: str) -> None:
    found = ended(state)
    before = found.workflow
    if wanted == "SUCCESS" and state != "SUCCESS":
        with pytest.raises(InvalidState, match=f"from {state} to SUCCESS"):
            found.stop("SUCCESS")
    else:
        found.stop(wanted, "again")
    assert found.workflow is before


def test_a_retry_that_is_due_after_the_end_starts_nothing() -> None:
    found = run("""
        w:
          tasks:
            t: {action: remote, retry: {count: 3, delay: 0}}
    """)
    found.stop("ERROR")
    found.fail("t")
    assert len(found.actions("t")) == 1
    assert not found.execution.ready


def test_items_that_are_left_after_the_end_do_not_start() -> None:
    found = run("""
        w:
          tasks:
            t: {with-items: "i in [1, 2, 3]", concurrency: 1, action: remote}
    """)
    found.stop("CANCELLED")
    found.finish("t")
    assert len(found.actions("t")) == 1
    assert not found.execution.ready


# -- environment, description, faults of ours


@pytest.mark.covers("eng.resume")
def test_an_environment_given_on_resume_is_merged_recursively() -> None:
    found = run(
        """
        w:
          output: {env: <% env() %>}
          tasks:
            t1: {on-success: [pause, t2]}
            t2: {action: std.noop}
        """,
        params={"env": {"old": 1, "both": "before", "m": {"a": 1}}},
    )
    found.resume({"new": 2, "both": "after", "m": {"b": 2}})
    assert found.output == {"env": {"old": 1, "both": "after", "new": 2, "m": {"a": 1, "b": 2}}}


@pytest.mark.parametrize("state", ["RUNNING", "SUCCESS", "CANCELLED"])
@pytest.mark.covers("eng.env.update_rules")
def test_the_environment_cannot_be_changed_now(state: str) -> None:
    found = two_steps() if state == "RUNNING" else ended(state)
    with pytest.raises(Forbidden, match="only permitted if it is in IDLE, PAUSED, or ERROR state"):
        found.send(EnvironmentUpdated({"a": 1}))
    assert found.workflow.params["env"] == {}


@pytest.mark.covers("eng.env.update_rules")
def test_the_environment_can_be_changed_while_paused_or_after_an_error() -> None:
    paused, failed = two_steps(), ended("ERROR")
    paused.pause()
    for found in (paused, failed):
        found.send(EnvironmentUpdated({"a": 1}))
        assert found.workflow.params["env"] == {"a": 1}


def test_the_description_can_be_changed_at_any_time() -> None:
    for found in (two_steps(), ended("SUCCESS")):
        state = found.state
        found.send(Described("what it is for"))
        assert (found.workflow.description, found.state) == ("what it is for", state)


def test_a_fault_of_ours_ends_the_execution_visibly() -> None:
    found = two_steps()
    found.send(DecisionFailed("Internal error while deciding"))
    assert (found.state, found.info) == ("ERROR", "Internal error while deciding")
    found.send(DecisionFailed("another one"))
    assert found.info == "Internal error while deciding"


def test_a_fault_of_ours_ends_a_paused_execution_too() -> None:
    found = two_steps()
    found.pause()
    found.send(DecisionFailed("why"))
    assert (found.state, found.info) == ("ERROR", "why")


def test_a_join_that_backlog_and_a_task_that_ended_meanwhile_trigger_together_starts_once() -> None:
    found = run("""
        w:
          tasks:
            a: {action: remote, on-success: [pause, j]}
            b: {action: remote, on-success: j}
            j: {join: all, action: remote}
    """)
    found.finish("a")
    found.finish("b")
    assert found.state == "PAUSED"
    found.resume()
    assert len(found.open_actions("j")) == 1
    found.finish("j")
    assert found.state == "SUCCESS"
