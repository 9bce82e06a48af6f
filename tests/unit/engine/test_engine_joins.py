"""Joins: who has to come, who cannot come any more, what a join inherits, rounds of joins on cycles."""

from __future__ import annotations

import itertools

import pytest
from harness import Run, World, run

WAITS = "Task is waiting."


def events(found: Run, name: str) -> list[tuple[str | None, str]]:
    """What triggered a task: (task name, event)."""
    names = {task.id: task.name for task in found.tasks()}
    return [
        (names.get(trigger["task_id"] or ""), trigger["event"]) for trigger in found.task(name).triggered_by
    ]


THREE = """
    w:
      tasks:
        a: {action: remote, on-success: j, on-error: h}
        b: {action: remote, on-success: j, on-error: h}
        c: {action: remote, on-success: j, on-error: h}
        j: {join: JOIN, action: remote, on-error: h}
        h: {action: std.noop}
"""


def three(join: str) -> Run:
    return run(THREE.replace("JOIN", join))


@pytest.mark.covers("dsl.join.all", "dsl.join.context")
def test_all_waits_for_every_branch_and_sees_all_their_variables() -> None:
    found = run("""
        w:
          output: {sum: <% $.sum %>}
          tasks:
            a: {action: remote, publish: {a: 1}, on-success: meet}
            b: {action: remote, publish: {b: 2}, on-success: meet}
            c: {action: remote, publish-on-error: {c: 3}, on-error: meet}
            meet:
              join: all
              action: std.echo output=<% $.a + $.b + $.c %>
              publish: {sum: <% task().result %>}
    """)
    assert "meet" not in found.names
    found.finish("a")
    assert (found.task("meet").state, found.task("meet").state_info) == ("WAITING", WAITS)
    assert found.task("meet").cause == {"kind": "join"}
    found.fail("c")
    assert found.task("meet").state == "WAITING"
    found.finish("b")
    assert found.output == {"sum": 6}
    assert events(found, "meet") == [("a", "on-success"), ("b", "on-success"), ("c", "on-error")]


@pytest.mark.covers("dsl.join.unreachable")
def test_all_fails_as_soon_as_one_branch_does_not_trigger_it() -> None:
    found = three("all")
    found.finish("b")
    found.fail("c")
    assert found.states == {"a": "RUNNING", "b": "SUCCESS", "c": "ERROR", "j": "ERROR", "h": "SUCCESS"}
    assert found.task("j").state_info == "Failed by tasks: ['c']"
    found.finish("a")
    assert found.state == "SUCCESS"


def test_a_late_branch_does_not_let_a_hopeless_join_fail_again() -> None:
    found = three("all")
    found.finish("b")
    found.fail("c")
    assert found.names.count("h") == 2
    found.finish("a")
    assert found.names.count("h") == 2
    assert (found.state, found.task("j").state) == ("SUCCESS", "ERROR")


def test_a_late_branch_does_not_run_a_join_again_that_ran_and_failed() -> None:
    found = three("one")
    found.finish("a")
    found.fail("j")
    assert found.names.count("h") == 1
    found.finish("b")
    found.finish("c")
    assert len(found.actions("j")) == 1
    assert found.names.count("h") == 1
    assert found.state == "SUCCESS"


def test_a_failed_join_says_who_failed_it() -> None:
    found = three("all")
    found.finish("a")
    found.finish("b")
    found.fail("c")
    assert events(found, "j") == [("c", "not triggered")]


def test_a_failed_join_is_an_unhandled_error_like_any_other() -> None:
    found = run("""
        w:
          tasks:
            a: {on-success: meet}
            b: {on-success: [{meet: <% false %>}]}
            meet: {join: all}
    """)
    assert found.state == "ERROR"
    assert found.info.startswith("Failure caused by error in tasks: meet\n")
    assert "Failed by tasks: ['b']" in found.info
    assert found.actions("meet") == []
    assert found.result("meet") == []


def test_a_join_that_nobody_triggers_does_not_exist_and_does_not_matter() -> None:
    found = three("all")
    for name in "abc":
        found.fail(name)
    assert found.state == "SUCCESS"
    assert "j" not in found.names


def test_the_error_handler_of_a_failed_join_sees_the_branches_that_came() -> None:
    for count, others in ((1, "c: {on-success: noop}"), (2, "c: {publish: {c: 3}, on-success: meet}")):
        found = run(f"""
            w:
              tasks:
                a: {{publish: {{a: 1}}, on-success: meet}}
                {others}
                b: {{action: std.fail, on-error: noop, on-success: meet}}
                meet: {{join: all, on-error: h}}
                h: {{action: std.noop}}
        """)
        assert found.state == "SUCCESS"
        assert found.inbound("h") == ({"a": 1} if count == 1 else {"a": 1, "c": 3})
        assert found.output == found.inbound("h")


@pytest.mark.parametrize(("join", "needed"), [("one", 1), ("1", 1), ("2", 2), ("3", 3), ("all", 3)])
@pytest.mark.covers("dsl.join.number", "dsl.join.one")
def test_it_starts_when_enough_branches_have_come_whatever_their_order(join: str, needed: int) -> None:
    for order in itertools.permutations("abc"):
        found = three(join)
        for count, name in enumerate(order, start=1):
            found.finish(name)
            assert found.states["j"] == ("RUNNING" if count >= needed else "WAITING")
        found.finish("j")
        assert found.state == "SUCCESS"
        assert len(found.actions("j")) == 1


@pytest.mark.parametrize(("join", "tolerated"), [("2", 1), ("3", 0), ("all", 0)])
def test_it_fails_when_too_few_branches_can_still_come(join: str, tolerated: int) -> None:
    for first, *others in itertools.permutations("abc"):
        found = three(join)
        found.finish(first)
        for count, name in enumerate(others, start=1):
            assert found.states["j"] == ("WAITING" if count <= tolerated + 1 else "ERROR")
            found.fail(name)
        assert found.states["j"] == "ERROR"
        assert found.state == "SUCCESS"


def test_a_number_starts_although_one_branch_fails() -> None:
    found = three("2")
    found.fail("b")
    found.finish("a")
    assert found.task("j").state == "WAITING"
    found.finish("c")
    found.finish("j", "quorum")
    assert found.state == "SUCCESS"
    assert events(found, "j") == [("a", "on-success"), ("c", "on-success")]


def test_a_partial_join_fires_once_and_ignores_late_branches() -> None:
    found = three("one")
    found.finish("a")
    found.finish("j", 1)
    found.finish("b")
    found.finish("c")
    assert found.state == "SUCCESS"
    assert (found.names.count("j"), found.result("j")) == (1, 1)
    assert len(found.actions("j")) == 1


def test_a_join_that_has_run_takes_no_note_of_further_executions_of_a_branch() -> None:
    found = run("""
        w:
          tasks:
            slow: {action: remote, publish: {seen: 1}, on-success: twice}
            quick: {action: remote, on-success: [twice, meet]}
            twice: {publish: {came: 1}, on-success: meet}
            meet: {join: all}
    """)
    found.finish("quick")
    assert found.task("meet").state == "SUCCESS"
    found.finish("slow")
    assert len(found.tasks("twice")) == 2
    assert (found.state, found.output) == ("SUCCESS", {"came": 1})


def test_a_partial_join_hands_on_what_late_branches_brought_while_it_ran() -> None:
    found = run("""
        w:
          output: {seen: <% $.get(b) %>}
          tasks:
            a: {publish: {a: 1}, on-success: j}
            b: {action: remote, publish: {b: 2}, on-success: j}
            j: {join: one, action: remote, publish: {at_publish: <% $.get(b) %>}, on-success: k}
            k: {action: std.noop}
    """)
    assert found.inbound("j") == {"a": 1}
    found.finish("b")
    found.finish("j")
    assert found.inbound("k") == {"a": 1, "b": 2, "at_publish": 2}
    assert found.output == {"seen": 2}


COMES_AGAIN = """
    w:
      output: {x: <% $.x %>, s: <% $.get(s) %>, seen: <% $.seen %>}
      tasks:
        a:
          action: remote
          publish: {x: done}
          publish-on-error: {x: failed}
          publish-on-skip: {x: skipped, s: 1}
          on-error: j
          on-success: j
        j: {join: all, action: remote, publish: {seen: <% $.x %>}}
"""


def test_a_join_hands_on_what_a_branch_published_that_was_skipped_while_the_join_ran() -> None:
    found = run(COMES_AGAIN)
    found.fail("a")
    found.skip("a")
    assert found.inbound("j") == {"x": "failed"}
    found.finish("j")
    assert events(found, "j") == [("a", "on-success")]
    assert found.output == {"x": "skipped", "s": 1, "seen": "skipped"}


@pytest.mark.parametrize("restarted", [False, True])
def test_a_join_hands_on_what_a_branch_published_that_ran_again_while_the_join_ran(restarted: bool) -> None:
    found = run(COMES_AGAIN)
    found.fail("a")
    found.rerun("a")
    if restarted:
        found.world.restart()
    found.finish("a")
    found.finish("j")
    assert found.output == {"x": "done", "s": None, "seen": "done"}


@pytest.mark.parametrize("held", ["itself", "by another task"])
def test_a_join_that_a_pause_holds_back_sees_what_its_branches_published_meanwhile(held: str) -> None:
    if held == "itself":
        text = COMES_AGAIN.replace("join: all", "join: all, pause-before: true")
    else:
        text = COMES_AGAIN.replace("on-error: j", "on-error: [p, j]")
        text = text.replace("        a:", "        p: {pause-before: true}\n        a:")
    found = run(text)
    found.fail("a")
    assert (found.state, found.task("j").state) == ("PAUSED", "IDLE")
    found.skip("a")
    found.resume()
    assert found.inbound("j") == {"x": "skipped", "s": 1}
    found.finish("j")
    assert found.output == {"x": "skipped", "s": 1, "seen": "skipped"}


def test_a_branch_that_was_skipped_and_leads_elsewhere_takes_nothing_from_a_join_that_runs() -> None:
    found = run("""
        w:
          output: {b: <% $.get(b) %>}
          tasks:
            a: {publish: {a: 1}, on-success: j}
            b: {action: remote, publish-on-error: {b: failed}, publish-on-skip: {b: skipped}, on-error: j}
            j: {join: all, action: remote, on-success: k}
            k: {action: remote}
    """)
    found.fail("b")
    found.skip("b")
    found.finish("j")
    assert found.inbound("k") == {"a": 1, "b": "failed"}
    found.finish("k")
    assert found.state == "SUCCESS"


def test_a_task_counts_once_though_it_names_the_join_in_two_clauses() -> None:
    found = run("""
        w:
          tasks:
            a: {on-success: j, on-complete: j}
            b: {action: remote, on-success: j, on-error: noop}
            j: {join: 2}
    """)
    assert found.task("j").state == "WAITING"
    found.finish("b")
    assert found.states == {"a": "SUCCESS", "b": "SUCCESS", "j": "SUCCESS"}


def test_zero_is_no_join() -> None:
    found = run("""
        w:
          tasks:
            a: {on-success: j}
            b: {on-success: j}
            j: {join: 0}
    """)
    assert found.names.count("j") == 2


def test_a_failed_branch_that_comes_by_on_complete_counts() -> None:
    found = run("""
        w:
          tasks:
            a: {on-complete: meet}
            b: {action: std.fail, on-complete: meet}
            meet: {join: all, action: std.echo output="met"}
    """)
    assert found.state == "ERROR"
    assert found.info.startswith("Failure caused by error in tasks: b\n")
    assert found.result("meet") == "met"


def test_a_cancelled_branch_fails_the_join() -> None:
    found = three("all")
    found.finish("a")
    found.finish("b", state="CANCELLED")
    assert found.states["j"] == "ERROR"
    found.finish("c")
    assert (found.state, found.info) == ("CANCELLED", "Cancelled tasks: b")


# -- policies of joins


def test_a_join_with_a_delay_still_inherits_its_branches() -> None:
    found = run("""
        w:
          tasks:
            a: {publish: {a: 1}, on-success: j}
            b: {publish: {b: 2}, on-success: j}
            j:
              join: all
              wait-before: 3
              action: std.echo output=<% $.a + $.b %>
              publish: {sum: <% task().result %>}
    """)
    assert found.task("j").state == "DELAYED"
    found.world.advance(3)
    assert (found.state, found.output) == ("SUCCESS", {"a": 1, "b": 2, "sum": 3})


def test_policies_of_a_join_see_the_variables_of_its_branches() -> None:
    found = run("""
        w:
          tasks:
            a: {publish: {seconds: 4}, on-success: j}
            b: {on-success: j}
            j: {join: all, timeout: <% $.seconds %>, action: remote}
    """)
    assert found.state == "RUNNING"
    found.world.advance(4)
    assert found.task("j").state_info == "Task timed out [timeout(s)=4]."


def test_a_join_is_retried_with_the_variables_of_its_branches() -> None:
    found = run("""
        w:
          tasks:
            a: {publish: {a: 1}, on-success: j}
            b: {on-success: j}
            j: {join: all, retry: {count: 2, delay: 1}, action: remote n=<% $.a %>}
    """)
    found.fail("j")
    assert found.task("j").state == "DELAYED"
    found.world.advance(1)
    assert [action.input for action in found.actions("j")] == [{"n": 1}, {"n": 1}]
    found.finish("j")
    assert found.state == "SUCCESS"


@pytest.mark.parametrize("wait", ["", "wait-after: 2, "])
def test_retry_does_not_run_a_join_that_too_few_tasks_triggered(wait: str) -> None:
    found = run(f"""
        w:
          tasks:
            a: {{on-success: j}}
            b: {{action: std.fail, on-success: j, on-error: noop}}
            j: {{join: all, {wait}retry: {{count: 2, delay: 1}}, action: remote, on-error: h}}
            h: {{action: std.noop}}
    """)
    found.world.advance(2 if wait else 0)
    assert found.state == "SUCCESS"
    assert found.task("j").state_info == "Failed by tasks: ['b']"
    assert found.actions("j") == []


def test_a_join_that_fails_as_soon_as_it_is_triggered_still_waits_after() -> None:
    found = run("""
        w:
          tasks:
            a: {on-success: j, on-error: b}
            b: {on-success: j}
            j: {join: all, wait-after: 2, on-error: noop}
    """)
    assert found.task("j").state == "DELAYED"
    found.world.advance(2)
    assert (found.state, found.task("j").state) == ("SUCCESS", "ERROR")


def test_a_join_does_not_fail_after_its_workflow_has_ended() -> None:
    found = run("""
        w:
          tasks:
            a: {on-success: [j, fail], on-error: b}
            b: {on-success: j}
            j: {join: all, on-error: {publish: {global: {late: 1}}}}
    """)
    assert found.state == "ERROR"
    assert (found.task("j").state, found.workflow.globals) == ("WAITING", {})


def test_a_join_that_pauses_before_inherits_its_branches() -> None:
    found = run("""
        w:
          tasks:
            a: {publish: {a: 1}, on-success: j}
            b: {on-success: j}
            j: {join: all, pause-before: true, action: remote n=<% $.a %>}
    """)
    assert (found.state, found.task("j").state) == ("PAUSED", "IDLE")
    found.resume()
    assert found.actions("j")[0].input == {"n": 1}


def test_a_wide_fork_meets() -> None:
    branches = [f"b{number}" for number in range(60)]
    lines = "\n".join(f"    {name}: {{publish: {{{name}: 1}}, on-success: end}}" for name in branches)
    text = f"""\
w:
  output:
    n: <% $.keys().where($ =~ 'b[0-9]+').len() %>
  tasks:
    root: {{on-success: [{", ".join(branches)}]}}
{lines}
    end: {{join: all, publish: {{done: true}}}}
"""
    world = World(text, steps=7)
    found = world.start()
    assert (found.state, found.output) == ("SUCCESS", {"n": 60})
    assert len(found.task("end").triggered_by) == 60


LOOP_BEFORE_A_JOIN = """
    w:
      tasks:
        s: {on-success: [a, k]}
        a: {action: remote, on-success: b}
        b:
          action: remote
          publish: {x: <% task().result %>}
          on-success:
            - a: <% $.x = again %>
            - TARGET: <% $.x = done %>
        EXIT
        k: {on-success: z}
        z: {join: all, on-error: too_early}
        too_early: {action: std.noop}
"""


@pytest.mark.parametrize("exit_task", ["", "e: {on-success: z}"])
@pytest.mark.parametrize("end", ["done", "neither", "a fails"])
def test_a_join_behind_a_loop_waits_for_the_loop_to_end(exit_task: str, end: str) -> None:
    target = "e" if exit_task else "z"
    found = run(LOOP_BEFORE_A_JOIN.replace("EXIT", exit_task).replace("TARGET", target))
    for _ in range(3):
        assert found.states["z"] == "WAITING"
        found.world.restart()
        found.finish("a")
        assert found.states["z"] == "WAITING"
        found.finish("b", "again")
    if end == "a fails":
        found.fail("a")
    else:
        found.finish("a")
        found.finish("b", end)
    found.world.check_replay_and_reload()
    if end == "done":
        assert (found.state, found.states["z"]) == ("SUCCESS", "SUCCESS")
        assert "too_early" not in found.names
    else:
        assert found.states["z"] == "ERROR"
        missing = target if exit_task else "b"
        assert found.task("z").state_info == f"Failed by tasks: ['{missing}']"
        assert found.states["too_early"] == "SUCCESS"


@pytest.mark.parametrize(
    "more", ["retry: {count: 2, delay: 1}", "wait-after: 1, retry: {count: 2, delay: 0}"]
)
def test_a_join_whose_branches_did_not_come_is_not_retried(more: str) -> None:
    found = run(f"""
        w:
          tasks:
            a: {{action: std.noop}}
            b: {{action: std.fail, on-success: j, on-error: noop}}
            c: {{on-success: j}}
            j: {{join: all, action: remote, {more}}}
    """)
    found.world.advance(10)
    assert (found.state, found.states["j"]) == ("ERROR", "ERROR")
    assert found.task("j").state_info == "Failed by tasks: ['b']"
    assert found.actions("j") == []


def test_a_join_that_ran_and_failed_is_retried() -> None:
    found = run(
        "w: {tasks: {a: {on-success: j}, j: {join: all, action: remote, retry: {count: 1, delay: 3}}}}"
    )
    found.fail("j")
    assert found.task("j").state == "DELAYED"
    found.world.advance(3)
    found.finish("j")
    assert found.state == "SUCCESS"
