"""Rerun and skip: which tasks, what is repeated, what is opened again."""

from __future__ import annotations

import pytest
from harness import START, Run, run

from maestrale.engine.events import RerunRequested, SkipRequested
from maestrale.model.errors import BadRequest, InvalidState, NotFound


def flaky(handler: str = "") -> Run:
    found = run(f"""
        w:
          output: {{n: <% $.get(n) %>}}
          tasks:
            t1: {{publish: {{before: 1}}, on-success: t2}}
            t2:
              action: remote n=<% $.before %>
              publish: {{n: <% task().result %>}}
              publish-on-error: {{lost: 1}}
              on-success: t3
              {handler}
            t3: {{action: std.noop}}
    """)
    found.world.advance(1)
    found.fail("t2", "broken")
    return found


@pytest.mark.covers("eng.rerun.task")
def test_a_failed_task_runs_again_and_the_workflow_goes_on() -> None:
    found = flaky()
    assert (found.state, found.output) == ("ERROR", {"result": found.info, "before": 1, "lost": 1})
    found.world.advance(1)
    found.rerun("t2")
    task = found.task("t2")
    assert (found.state, found.info, found.output) == ("RUNNING", "", None)
    assert (task.state, task.state_info, task.finished_at) == ("RUNNING", None, None)
    assert task.started_at == START + 2_000_000
    assert task.published == {"lost": 1}
    found.finish("t2", 2)
    assert (found.state, found.output) == ("SUCCESS", {"n": 2})
    assert found.names == ["t1", "t2", "t3"]
    assert [action.accepted for action in found.actions("t2")] == [False, True]
    assert [action.input for action in found.actions("t2")] == [{"n": 1}, {"n": 1}]


def test_a_task_may_fail_again_and_again() -> None:
    found = flaky()
    for count in (2, 3):
        found.rerun("t2")
        found.fail("t2", count)
        assert found.state == "ERROR"
        assert len(found.actions("t2")) == count
    assert found.result("t2") == 3


def test_rerun_empties_the_retry_counter() -> None:
    found = flaky("retry: {count: 1, delay: 0}")
    found.fail("t2")
    assert found.state == "ERROR"
    found.rerun("t2")
    found.fail("t2")
    assert found.state == "RUNNING"
    found.fail("t2")
    assert found.state == "ERROR"
    assert len(found.actions("t2")) == 4


def test_a_handled_error_can_be_rerun_while_the_workflow_runs() -> None:
    found = run("""
        w:
          tasks:
            t: {action: remote, on-error: h, on-success: s}
            h: {action: remote}
            s: {action: std.noop}
    """)
    found.fail("t")
    found.rerun("t")
    found.finish("t")
    assert found.states == {"t": "SUCCESS", "h": "RUNNING", "s": "SUCCESS"}
    found.finish("h")
    assert found.state == "SUCCESS"


def test_followers_that_have_started_are_started_again() -> None:
    found = run("""
        w:
          tasks:
            t: {action: remote, on-complete: c}
            c: {action: std.noop}
    """)
    found.fail("t")
    assert found.state == "ERROR"
    found.rerun("t")
    found.finish("t")
    assert found.state == "SUCCESS"
    assert found.names == ["t", "c", "c"]


def test_other_failed_tasks_stay_failed() -> None:
    found = run("""
        w:
          tasks:
            a: {action: remote}
            b: {action: remote}
    """)
    found.fail("a")
    found.fail("b")
    found.rerun("a")
    found.finish("a")
    assert (found.state, found.states) == ("ERROR", {"a": "SUCCESS", "b": "ERROR"})
    assert found.info.startswith("Failure caused by error in tasks: b\n")


def test_a_cancelled_workflow_is_opened_by_rerun() -> None:
    found = run("""
        w:
          tasks:
            bad: {action: remote}
            other: {action: remote, on-success: after}
            after: {action: std.noop}
    """)
    found.fail("bad")
    found.stop("CANCELLED")
    found.finish("other")
    found.rerun("bad")
    assert found.state == "RUNNING"
    assert found.states == {"bad": "RUNNING", "other": "SUCCESS", "after": "SUCCESS"}
    found.finish("bad")
    assert found.state == "SUCCESS"


def test_what_had_not_begun_yet_begins_once_the_workflow_is_open_again() -> None:
    found = run("""
        w:
          tasks:
            bad: {action: std.echo output=<% env().ok %>}
            other: {action: remote, on-success: after}
            after: {action: remote}
    """)
    assert found.state == "ERROR"
    assert found.states == {"bad": "ERROR", "other": "IDLE"}
    found.rerun("bad", environment={"ok": 1})
    found.finish("other")
    found.finish("after")
    assert found.state == "SUCCESS"


@pytest.mark.covers("eng.rerun.env")
def test_rerun_merges_the_environment() -> None:
    found = run(
        """
        w:
          output: {e: <% env() %>}
          tasks: {t: {action: remote}}
        """,
        params={"env": {"a": 1, "m": {"x": 1}}},
    )
    found.fail("t")
    found.rerun("t", environment={"b": 2, "m": {"y": 2}})
    found.finish("t")
    assert found.output == {"e": {"a": 1, "b": 2, "m": {"x": 1, "y": 2}}}


def test_a_paused_workflow_ignores_a_rerun() -> None:
    found = run("""
        w:
          tasks:
            bad: {action: remote}
            other: {action: remote}
    """)
    found.fail("bad")
    found.pause()
    found.rerun("bad", environment={"a": 1})
    assert (found.state, found.task("bad").state) == ("PAUSED", "ERROR")
    assert found.workflow.params["env"] == {}


@pytest.mark.parametrize("kind", ["rerun", "skip"])
def test_a_task_that_did_not_fail_is_refused(kind: str) -> None:
    found = flaky()
    with pytest.raises(InvalidState, match="The current task execution must be in ERROR"):
        getattr(found, kind)("t1")
    assert found.state == "ERROR"


@pytest.mark.parametrize("kind", ["rerun", "skip"])
def test_a_workflow_that_succeeded_is_not_opened(kind: str) -> None:
    found = flaky("on-error: noop")
    assert found.state == "SUCCESS"
    with pytest.raises(InvalidState, match="from SUCCESS to RUNNING"):
        getattr(found, kind)("t2")
    assert found.state == "SUCCESS"


@pytest.mark.parametrize("event", [RerunRequested("nobody"), SkipRequested("nobody")])
def test_an_unknown_task_is_not_found(event: RerunRequested | SkipRequested) -> None:
    with pytest.raises(NotFound, match="nobody"):
        flaky().send(event)


def test_only_a_task_with_items_can_be_repeated_without_reset() -> None:
    found = flaky()
    with pytest.raises(BadRequest, match="Only with-items task has the option to not reset"):
        found.rerun("t2", reset=False)


def test_a_follower_keeps_what_it_inherited_from_the_first_run() -> None:
    found = run("""
        w:
          tasks:
            t: {action: remote, publish: {v: new}, publish-on-error: {v: old}, on-complete: c}
            c: {action: remote, publish: {seen: <% $.v %>}}
    """)
    found.fail("t")
    first = found.task("c").id
    found.rerun("t")
    found.finish("t")
    found.world.check_replay_and_reload()
    found.finish("c")
    found.finish("c")
    assert [task.published for task in found.tasks("c")] == [{"seen": "old"}, {"seen": "new"}]
    assert found.tasks("c")[0].id == first


# -- skip


@pytest.mark.covers("eng.skip", "dsl.task.on_skip", "dsl.task.publish_on_skip")
def test_a_skipped_task_publishes_and_goes_on_by_on_skip() -> None:
    found = run("""
        w:
          output: {s: <% $.s %>, by: <% $.by %>}
          tasks:
            t1:
              action: std.fail
              publish: {never: 1}
              publish-on-skip: {s: skipped}
              on-success: normal
              on-complete: complete
              on-skip: detour
            normal: {publish: {by: normal}}
            detour: {publish: {by: detour}}
            complete: {action: std.noop}
    """)
    assert (found.state, found.names) == ("ERROR", ["t1", "complete"])
    failed = found.result("t1")
    found.skip("t1")
    assert (found.state, found.output) == ("SUCCESS", {"s": "skipped", "by": "detour"})
    assert found.states == {"t1": "SKIPPED", "complete": "SUCCESS", "detour": "SUCCESS"}
    assert found.task("t1").state_info == "Task was skipped."
    assert found.published("t1") == {"s": "skipped"}
    assert found.result("t1") == failed


@pytest.mark.parametrize("on_skip", ["", "on-skip: [{other: <% false %>}]"])
def test_without_an_on_skip_that_fires_a_skipped_task_goes_on_by_on_success(on_skip: str) -> None:
    found = run(f"""
        w:
          tasks:
            t1:
              action: std.fail
              on-success: normal
              {on_skip}
            normal: {{action: std.noop}}
            other: {{action: remote, on-success: other2}}
            other2: {{action: std.noop}}
    """)
    if found.state == "RUNNING":
        found.finish("other")
    found.skip("t1")
    assert found.state == "SUCCESS"
    assert found.states["normal"] == "SUCCESS"


def test_publishing_of_clauses_when_skipped() -> None:
    found = run("""
        w:
          tasks:
            t:
              action: std.fail
              publish-on-skip: {x: own}
              on-skip: {publish: {branch: {x: clause, y: clause}, global: {g: 1}}}
              on-complete: {publish: {branch: {y: complete, z: complete}}}
    """)
    found.skip("t")
    assert found.published("t") == {"x": "own", "y": "clause", "z": "complete"}
    assert found.workflow.globals == {"g": 1}


def test_policies_do_not_apply_to_a_skipped_task() -> None:
    found = run("""
        w:
          tasks:
            t: {action: std.fail, wait-after: 2, retry: {count: 1, delay: 0}, fail-on: <% true %>}
    """)
    found.world.advance(2)
    assert found.state == "ERROR"
    found.skip("t")
    assert (found.state, found.task("t").state) == ("SUCCESS", "SKIPPED")


def test_a_skipped_task_counts_as_no_error() -> None:
    found = run("""
        w:
          tasks:
            a: {action: std.fail}
            b: {action: std.fail}
    """)
    found.skip("a")
    assert found.state == "ERROR"
    assert found.info.startswith("Failure caused by error in tasks: b\n")
    found.skip("b")
    assert found.state == "SUCCESS"


def test_a_forced_failure_can_be_skipped() -> None:
    found = run("""
        w:
          tasks:
            t: {action: std.echo output=<% $.nope %>, on-skip: after}
            after: {action: std.noop}
    """)
    found.skip("t")
    assert (found.state, found.states) == ("SUCCESS", {"t": "SKIPPED", "after": "SUCCESS"})


def test_a_task_that_is_skipped_while_paused_goes_on_after_resume() -> None:
    found = run("""
        w:
          tasks:
            t: {action: remote, on-skip: after}
            other: {action: remote}
            after: {action: std.noop}
    """)
    found.fail("t")
    found.pause()
    found.skip("t")
    found.resume()
    assert found.states == {"t": "SKIPPED", "other": "RUNNING", "after": "SUCCESS"}
    found.finish("other")
    assert found.state == "SUCCESS"


def test_a_broken_publish_on_skip_fails_visibly() -> None:
    found = run("""
        w:
          tasks:
            t: {action: std.fail, publish-on-skip: {x: <% $.nope %>}}
    """)
    found.skip("t")
    assert (found.state, found.task("t").state) == ("ERROR", "ERROR")
    assert "at 'publish-on-skip.x' of task 't'" in found.info


def test_nothing_is_queued_for_a_task_that_is_skipped() -> None:
    found = run("""
        w:
          tasks:
            t: {action: std.fail, on-skip: [pause, after]}
            after: {action: std.noop}
    """)
    found.skip("t")
    assert (found.state, found.task("t").state) == ("PAUSED", "SKIPPED")
    assert not found.execution.ready
    found.resume()
    assert (found.state, found.names) == ("SUCCESS", ["t", "after"])


def test_a_join_that_is_rerun_sees_a_branch_that_came_after_it_had_failed() -> None:
    found = run("""
        w:
          tasks:
            a: {publish: {a: 1}, on-success: j}
            b: {action: std.fail, on-success: j, on-error: noop}
            c: {action: remote, publish: {c: 3}, on-success: j}
            j: {join: all, action: remote seen=<% $.get(c) %>}
    """)
    assert found.states["j"] == "ERROR"
    found.finish("c")
    found.rerun("j")
    assert found.actions("j")[0].input == {"seen": 3}
    found.finish("j")
    assert (found.state, found.output) == ("SUCCESS", {"a": 1, "c": 3})


def test_a_join_that_is_skipped_hands_on_a_branch_that_came_after_it_had_failed() -> None:
    found = run("""
        w:
          tasks:
            a: {publish: {a: 1}, on-success: j}
            b: {action: std.fail, on-success: j, on-error: noop}
            c: {action: remote, publish: {c: 3}, on-success: j}
            j: {join: all, action: remote, on-skip: after}
            after: {action: remote seen=<% $.get(c) %>}
    """)
    found.finish("c")
    found.skip("j")
    assert found.actions("after")[0].input == {"seen": 3}
    assert not found.actions("j")


def test_a_join_that_has_failed_and_waits_hands_on_a_branch_that_came_meanwhile() -> None:
    found = run("""
        w:
          tasks:
            a: {publish: {a: 1}, on-success: j}
            b: {action: std.fail, on-success: j, on-error: noop}
            c: {action: remote, publish: {c: 3}, on-success: j}
            j: {join: all, action: remote, wait-after: 5, on-error: after}
            after: {action: remote seen=<% $.get(c) %>}
    """)
    found.finish("c")
    found.world.advance(5)
    assert found.actions("after")[0].input == {"seen": 3}


def test_what_a_pause_held_back_runs_when_a_stopped_execution_runs_again() -> None:
    found = run("""
        w:
          tasks:
            a: {action: remote, on-success: [pause, after, meet]}
            b: {action: remote, on-success: meet}
            after: {action: remote}
            meet: {join: all, action: remote}
    """)
    found.finish("a")
    found.fail("b")
    found.stop("ERROR")
    assert "after" not in found.names
    found.rerun("b")
    assert len(found.open_actions("after")) == 1
    found.finish("b")
    assert len(found.open_actions("meet")) == 1


def test_what_a_task_chose_before_it_runs_again_is_not_held_back_any_more() -> None:
    found = run("""
        w:
          tasks:
            a: {action: remote, on-complete: [pause, after]}
            after: {action: remote}
    """)
    found.fail("a")
    found.stop("ERROR")
    found.rerun("a")
    assert (found.names, found.state) == (["a"], "RUNNING")
    found.finish("a")
    found.resume()
    assert found.names == ["a", "after"]
