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


def test_all_fails_as_soon_as_one_branch_does_not_trigger_it() -> None:
    found = three("all")
    found.finish("b")
    found.fail("c")
    assert found.states == {"a": "RUNNING", "b": "SUCCESS", "c": "ERROR", "j": "ERROR", "h": "SUCCESS"}
    assert found.task("j").state_info == "Failed by tasks: ['c']"
    assert found.names.count("h") == 2
    found.finish("a")
    assert found.state == "SUCCESS"


def test_a_failed_join_says_who_failed_it() -> None:
    found = three("all")
    found.finish("a")
    found.finish("b")
    found.fail("c")
    assert events(found, "j") == [(None, "not triggered")]


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
    for count, others in ((1, ""), (2, "c: {publish: {c: 3}, on-success: meet}")):
        found = run(f"""
            w:
              tasks:
                a: {{publish: {{a: 1}}, on-success: meet}}
                b: {{action: std.fail, on-error: noop, on-success: meet}}
                {others}
                meet: {{join: all, on-error: h}}
                h: {{action: std.noop}}
        """)
        assert found.state == "SUCCESS"
        assert found.inbound("h") == ({"a": 1} if count == 1 else {"a": 1, "c": 3})
        assert found.output == found.inbound("h")


@pytest.mark.parametrize(("join", "needed"), [("one", 1), ("1", 1), ("2", 2), ("3", 3), ("all", 3)])
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


# -- routes


def test_a_route_that_becomes_impossible_far_upstream_fails_the_join() -> None:
    found = run("""
        w:
          tasks:
            quick: {on-success: meet}
            far: {action: remote, on-success: mid, on-error: noop}
            mid: {on-success: near}
            near: {on-success: meet}
            meet: {join: all, on-error: noop}
            other: {action: remote}
    """)
    assert found.task("meet").state == "WAITING"
    found.fail("far")
    assert found.task("meet").state == "ERROR"
    assert found.task("meet").state_info == "Failed by tasks: ['near']"
    assert events(found, "meet") == [(None, "impossible route")]
    found.finish("other")
    assert found.state == "SUCCESS"


def test_a_route_is_possible_while_anything_upstream_still_runs() -> None:
    found = run("""
        w:
          tasks:
            s: {action: remote, on-success: a}
            c: {on-success: meet}
            a: {on-success: [b, meet]}
            b: {on-success: meet}
            meet: {join: all}
    """)
    assert found.task("meet").state == "WAITING"
    found.finish("s")
    assert found.state == "SUCCESS"
    assert events(found, "meet") == [("c", "on-success"), ("a", "on-success"), ("b", "on-success")]


def test_two_routes_keep_an_inbound_task_possible_until_both_are_gone() -> None:
    found = run("""
        w:
          tasks:
            p: {action: remote, on-success: near, on-error: noop}
            q: {action: remote, on-success: near, on-error: noop}
            quick: {on-success: meet}
            near: {on-success: meet}
            meet: {join: all, on-error: noop}
            other: {action: remote}
    """)
    found.fail("p")
    assert found.task("meet").state == "WAITING"
    found.fail("q")
    assert found.task("meet").state == "ERROR"


def test_an_impossible_route_is_known_when_the_join_begins_to_wait() -> None:
    found = run("""
        w:
          tasks:
            gone: {action: std.fail, on-success: near, on-error: noop}
            late: {action: remote, on-success: meet}
            near: {on-success: meet}
            meet: {join: all, on-error: noop}
            other: {action: remote}
    """)
    found.finish("late")
    assert found.task("meet").state == "ERROR"
    assert events(found, "meet") == [(None, "impossible route")]


def test_a_branch_that_has_ended_elsewhere_is_known_when_the_join_begins_to_wait() -> None:
    found = run("""
        w:
          tasks:
            gone: {action: std.fail, on-success: meet, on-error: noop}
            late: {action: remote, on-success: meet}
            meet: {join: all, on-error: noop}
            other: {action: remote}
    """)
    found.finish("late")
    assert found.task("meet").state == "ERROR"
    assert events(found, "meet") == [(None, "not triggered")]


def test_nested_joins_fail_one_after_the_other() -> None:
    found = run("""
        w:
          tasks:
            a: {action: remote, on-success: inner}
            b: {action: remote, on-success: inner, on-error: noop}
            c: {on-success: outer}
            inner: {join: all, on-success: outer}
            outer: {join: all, on-error: h}
            h: {action: std.noop}
            other: {action: remote}
    """)
    found.finish("a")
    found.fail("b")
    assert found.states["inner"] == found.states["outer"] == "ERROR"
    assert found.task("outer").state_info == "Failed by tasks: ['inner']"
    assert found.names.count("h") == 1
    found.finish("other")
    assert found.info.startswith("Failure caused by error in tasks: inner\n")


def test_a_join_behind_a_join_that_nobody_triggers_becomes_impossible() -> None:
    found = run("""
        w:
          tasks:
            a: {action: remote, on-success: inner, on-error: noop}
            b: {action: remote, on-success: inner, on-error: noop}
            c: {on-success: outer}
            inner: {join: all, on-success: between}
            between: {on-success: outer}
            outer: {join: all, on-error: noop}
            other: {action: remote}
    """)
    found.fail("a")
    assert found.task("outer").state == "WAITING"
    found.fail("b")
    assert found.task("outer").state == "ERROR"
    assert found.task("outer").state_info == "Failed by tasks: ['between']"


def test_impossibility_passes_through_a_task_with_join_zero() -> None:
    found = run("""
        w:
          tasks:
            far: {action: remote, on-success: mid, on-error: noop}
            mid: {on-success: near}
            near: {join: 0, on-success: meet}
            quick: {on-success: meet}
            meet: {join: all, on-error: noop}
            other: {action: remote}
    """)
    found.fail("far")
    assert found.task("meet").state == "ERROR"


def test_nested_joins_succeed_together() -> None:
    found = run("""
        w:
          tasks:
            a: {publish: {a: 1}, on-success: [inner, outer]}
            b: {publish: {b: 1}, on-success: inner}
            inner: {join: all, publish: {i: 1}, on-success: outer}
            outer: {join: all, publish: {o: 1}}
    """)
    assert found.state == "SUCCESS"
    assert found.output == {"a": 1, "b": 1, "i": 1, "o": 1}


def test_joins_that_wait_for_each_other_fail_when_nothing_else_runs() -> None:
    found = run("""
        w:
          tasks:
            a: {on-success: j1}
            b: {on-success: j2}
            j1: {join: all, on-success: j2}
            j2: {join: all, on-success: j1}
    """)
    assert found.state == "ERROR"
    assert found.states == {"a": "SUCCESS", "b": "SUCCESS", "j1": "ERROR", "j2": "ERROR"}
    assert found.task("j1").state_info == "Failed by tasks: ['j2']"


def test_a_join_waiting_for_its_own_cycle_fails_when_nothing_else_runs() -> None:
    found = run("""
        w:
          tasks:
            a: {on-success: j}
            j: {join: all, on-success: back}
            back: {on-success: j}
    """)
    assert found.state == "ERROR"
    assert found.task("j").state == "ERROR"


# -- reruns and skips above a join


def test_a_failed_join_gets_another_chance_when_the_branch_is_rerun() -> None:
    found = run("""
        w:
          output: {a: <% $.a %>, b: <% $.b %>}
          tasks:
            a: {publish: {a: 1}, on-success: j}
            b: {action: remote, publish: {b: 2}, on-success: j}
            j: {join: all}
    """)
    found.fail("b")
    assert (found.state, found.states["j"]) == ("ERROR", "ERROR")
    found.rerun("b")
    assert (found.state, found.states["j"]) == ("RUNNING", "ERROR")
    found.finish("b")
    assert (found.state, found.output) == ("SUCCESS", {"a": 1, "b": 2})
    assert found.names.count("j") == 1


def test_a_skipped_branch_triggers_the_join_with_its_variables() -> None:
    found = run("""
        w:
          output: {a: <% $.a %>, b: <% $.b %>}
          tasks:
            a: {publish: {a: 1}, on-success: j}
            b: {action: std.fail, publish-on-skip: {b: skipped}, on-success: j}
            j: {join: all}
    """)
    found.skip("b")
    assert (found.state, found.output) == ("SUCCESS", {"a": 1, "b": "skipped"})
    assert events(found, "j") == [("a", "on-success"), ("b", "on-success")]


def test_a_rerun_of_the_failed_join_itself_starts_it_with_the_branches_that_came() -> None:
    found = run("""
        w:
          output: {sum: <% $.sum %>}
          tasks:
            a: {publish: {a: 1}, on-success: j}
            b: {action: std.fail, on-error: noop, on-success: j}
            j: {join: all, action: std.echo output=<% $.a %>, publish: {sum: <% task().result %>}}
    """)
    assert (found.state, found.states["j"]) == ("ERROR", "ERROR")
    found.rerun("j")
    assert (found.state, found.output) == ("SUCCESS", {"sum": 1})


def test_a_branch_that_runs_again_is_missing_no_more() -> None:
    found = three("2")
    found.finish("a")
    found.fail("b")
    assert found.task("j").state == "WAITING"
    found.rerun("b")
    found.fail("c")
    assert found.task("j").state == "WAITING"
    found.finish("b")
    assert found.task("j").state == "RUNNING"
    assert events(found, "j") == [("a", "on-success"), ("b", "on-success")]


def test_a_route_that_runs_again_is_possible_again() -> None:
    found = run("""
        w:
          tasks:
            a: {on-success: j}
            far: {action: remote, on-success: b, on-error: noop}
            b: {on-success: j}
            c: {action: remote, on-success: j, on-error: noop}
            d: {action: remote}
            j: {join: 2, on-error: noop}
    """)
    found.fail("far")
    assert found.task("j").state == "WAITING"
    found.rerun("far")
    found.fail("c")
    assert found.task("j").state == "WAITING"
    found.finish("far")
    assert found.task("j").state == "SUCCESS"


def test_a_branch_that_runs_again_has_not_come_yet() -> None:
    found = run("""
        w:
          tasks:
            a: {action: remote, on-error: j, on-success: noop}
            b: {action: remote, on-success: j}
            j: {join: all, on-error: noop}
    """)
    found.fail("a")
    assert found.task("j").state == "WAITING"
    found.rerun("a")
    found.finish("a")
    found.finish("b")
    assert found.task("j").state == "ERROR"
    assert found.task("j").state_info == "Failed by tasks: ['a']"


# -- cycles

CYCLE = """
    w:
      output: {n: <% $.n %>}
      tasks:
        init: {publish: {n: 0}, on-success: [a, b]}
        a: {action: ACTION, on-success: meet}
        b: {action: ACTION, on-success: meet}
        meet:
          join: all
          publish: {n: <% $.n + 1 %>}
          on-success: [{a: <% $.n < 3 %>}, {b: <% $.n < 3 %>}]
"""


def test_a_join_on_a_cycle_runs_again_in_every_round() -> None:
    found = run(CYCLE.replace("ACTION", "std.noop"))
    assert (found.state, found.output) == ("SUCCESS", {"n": 3})
    assert sorted(found.names) == ["a"] * 3 + ["b"] * 3 + ["init", "meet"]
    assert len(found.actions("meet")) == 3
    assert found.result("meet") is None


def test_each_round_waits_for_its_own_branches() -> None:
    found = run(CYCLE.replace("ACTION", "remote"))
    for passes in range(3):
        found.finish("b")
        assert found.task("meet").state == "WAITING"
        assert found.published("meet") == ({} if passes == 0 else {"n": passes})
        found.finish("a")
        assert found.published("meet") == {"n": passes + 1}
    assert found.state == "SUCCESS"


def test_a_round_whose_branch_fails_fails_the_join_on_the_cycle() -> None:
    found = run(CYCLE.replace("ACTION", "remote"))
    found.finish("a")
    found.finish("b")
    found.finish("a")
    found.fail("b")
    assert found.task("meet").state == "ERROR"
    assert found.task("meet").state_info == "Failed by tasks: ['b']"
    assert found.state == "ERROR"


def test_a_late_branch_of_an_earlier_round_does_not_count_for_the_next() -> None:
    found = run("""
        w:
          tasks:
            init: {publish: {n: 0}, on-success: [a, b]}
            a: {action: remote, on-success: meet}
            b: {action: remote, on-success: meet}
            meet:
              join: one
              action: remote
              publish: {n: <% $.n + 1 %>}
              on-success: [{a: <% $.n < 2 %>}]
    """)
    found.finish("a")
    found.finish("meet")
    assert found.names == ["init", "a", "b", "meet", "a"]
    found.finish("b")
    assert found.task("meet").state == "SUCCESS"
    found.finish("a")
    assert found.task("meet").state == "RUNNING"
    found.finish("meet")
    assert found.state == "SUCCESS"
    assert len(found.actions("meet")) == 2


def test_a_join_with_an_inbound_task_on_its_own_loop_waits_for_the_loop() -> None:
    found = run("""
        w:
          tasks:
            quick: {on-success: meet}
            init: {publish: {n: 0}, on-success: again}
            again:
              action: remote
              publish: {n: <% $.n + 1 %>}
              on-success: [{again: <% $.n < 3 %>}, {meet: <% $.n >= 3 %>}]
            meet: {join: all, publish: {met: <% $.n %>}}
    """)
    for _ in range(3):
        assert found.task("meet").state == "WAITING"
        found.finish("again")
    assert (found.state, found.output) == ("SUCCESS", {"n": 3, "met": 3})


def test_nested_cycles_of_joins_run_all_their_rounds() -> None:
    found = run("""
        w:
          output: {i: <% $.i %>, o: <% $.o %>}
          tasks:
            init: {publish: {i: 0, o: 0}, on-success: [x, y]}
            x: {on-success: inner}
            y: {on-success: inner}
            inner:
              join: all
              publish: {i: <% $.i + 1 %>}
              on-success:
                next:
                  - x: <% $.i mod 2 = 1 %>
                  - y: <% $.i mod 2 = 1 %>
                  - p: <% $.i mod 2 = 0 %>
                  - q: <% $.i mod 2 = 0 %>
            p: {on-success: outer}
            q: {on-success: outer}
            outer:
              join: all
              publish: {o: <% $.o + 1 %>}
              on-success: [{x: <% $.o < 3 %>}, {y: <% $.o < 3 %>}]
    """)
    assert (found.state, found.output) == ("SUCCESS", {"i": 6, "o": 3})
    assert len(found.actions("inner")) == 6
    assert len(found.actions("outer")) == 3


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
