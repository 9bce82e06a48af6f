"""Joins and the routes to them: who cannot come any more, who may come again, rounds on cycles."""

from __future__ import annotations

from harness import Run, run

from maestrale.engine.events import ActionFinished


def events(found: Run, name: str) -> list[tuple[str | None, str]]:
    """What triggered a task: (task name, event)."""
    names = {task.id: task.name for task in found.tasks()}
    return [
        (names.get(trigger["task_id"] or ""), trigger["event"]) for trigger in found.task(name).triggered_by
    ]


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
    assert events(found, "meet") == [("gone", "not triggered")]


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


def test_what_a_failed_join_held_back_runs_before_it_gets_another_chance() -> None:
    found = run("""
        w:
          tasks:
            a: {action: remote, on-success: meet}
            b: {on-success: meet}
            meet: {join: all, action: remote, on-error: pause, on-complete: after}
            after: {action: std.noop}
    """)
    found.fail("a")
    assert (found.state, found.task("meet").state, found.tasks("after")) == ("PAUSED", "ERROR", [])
    found.skip("a")
    found.resume()
    assert found.task("meet").state == "RUNNING"
    assert len(found.tasks("after")) == 1
    found.finish("meet")
    assert len(found.tasks("after")) == 2
    assert found.state == "SUCCESS"


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


TWO_OF_THREE = """
    w:
      tasks:
        a: {action: remote, on-success: j, on-error: h}
        b: {action: remote, on-success: j, on-error: h}
        c: {action: remote, on-success: j, on-error: h}
        j: {join: 2, action: remote, on-error: h}
        h: {action: std.noop}
"""


def test_a_branch_that_runs_again_is_missing_no_more() -> None:
    found = run(TWO_OF_THREE)
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


def test_of_several_executions_of_one_branch_the_one_that_ended_last_counts() -> None:
    found = run("""
        w:
          tasks:
            s: {on-success: t}
            u: {action: remote, on-success: t}
            t: {action: remote, publish: {by: <% task().result %>}, on-success: j}
            x: {action: remote, on-success: j}
            j: {join: all}
    """)
    found.finish("u")
    first, second = found.tasks("t")
    actions = found.open_actions("t")
    found.send(ActionFinished(actions[1].id, "SUCCESS", "second"))
    found.send(ActionFinished(actions[0].id, "SUCCESS", "first"))
    assert first.finished_at == second.finished_at
    found.world.restart()
    found.finish("x")
    assert found.output == {"by": "second"}


def test_late_branches_of_the_same_instant_win_by_definition_order() -> None:
    for first, second in ("ab", "ba"):
        found = run("""
            w:
              tasks:
                a: {action: remote, publish: {by: a}, on-success: j}
                b: {action: remote, publish: {by: b}, on-success: j}
                j: {join: one, action: remote}
        """)
        found.finish(first)
        found.finish(second)
        found.finish("j")
        assert found.output == {"by": "b"}


TWICE = """
    w:
      output: {seen: <% $.got %>}
      tasks:
        a: {action: remote, publish: {seen: {a: 1}}, on-success: work}
        b: {action: remote, publish: {seen: {b: 1}}, on-success: work}
        other: {action: remote, on-success: meet}
        work: {action: remote, on-success: [{meet: <% task().result %>}]}
        meet: {join: all, publish: {got: <% $.seen %>}, on-error: noop}
"""
"""`work` has two executions, one by `a` and one by `b`."""


def test_every_execution_of_an_inbound_task_hands_its_variables_on_and_the_task_counts_once() -> None:
    found = run(TWICE)
    found.finish("a")
    found.finish("b")
    found.finish("work", True)
    found.finish("work", True)
    assert found.task("meet").state == "WAITING"
    found.finish("other")
    assert found.output == {"seen": {"a": 1, "b": 1}}
    assert events(found, "meet") == [
        ("other", "on-success"),
        ("work", "on-success"),
        ("work", "on-success"),
    ]


def test_a_later_execution_that_does_not_choose_the_join_takes_nothing_away() -> None:
    found = run(TWICE)
    found.finish("a")
    found.finish("b")
    found.finish("work", True)
    found.finish("work", False)
    found.finish("other")
    assert (found.task("meet").state, found.output) == ("SUCCESS", {"seen": {"a": 1}})


def test_a_join_does_not_fail_while_an_older_execution_of_an_inbound_task_runs() -> None:
    found = run(TWICE)
    found.finish("a")
    found.finish("b")
    found.finish("other")
    first, second = (action.id for action in found.open_actions("work"))
    found.send(ActionFinished(second, "SUCCESS", False))
    assert found.task("meet").state == "WAITING"
    found.send(ActionFinished(first, "SUCCESS", False))
    assert found.task("meet").state_info == "Failed by tasks: ['work']"


def test_a_join_does_not_fail_while_an_inbound_task_may_have_another_execution() -> None:
    found = run(TWICE)
    found.finish("other")
    found.finish("a")
    found.finish("work", False)
    assert found.task("meet").state == "WAITING"
    found.finish("b")
    found.finish("work", True)
    assert (found.task("meet").state, found.output) == ("SUCCESS", {"seen": {"b": 1}})


def test_a_join_that_has_run_leads_no_further_although_a_branch_of_it_is_late() -> None:
    found = run("""
        w:
          tasks:
            late: {action: remote, on-success: first}
            quick: {action: remote, on-success: first}
            first: {join: one, on-success: [{near: <% false %>}]}
            near: {on-success: meet}
            e: {on-success: meet}
            meet: {join: all, on-error: noop}
    """)
    found.finish("quick")
    assert found.task("meet").state_info == "Failed by tasks: ['near']"
    assert found.state == "RUNNING"


def test_a_join_hears_that_a_join_before_it_can_never_begin() -> None:
    found = run("""
        w:
          tasks:
            a: {action: remote, on-success: before}
            b: {action: remote, on-success: before}
            before: {join: all, on-success: meet}
            e: {on-success: meet}
            slow: {action: remote}
            meet: {join: all, on-error: noop}
    """)
    found.fail("a")
    assert found.task("meet").state == "WAITING"
    found.fail("b")
    assert found.task("meet").state_info == "Failed by tasks: ['before']"
    assert found.open_actions("slow")
