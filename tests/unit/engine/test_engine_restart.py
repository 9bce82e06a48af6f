"""Restart: from which tasks, what is superseded, what is kept, what the execution then does."""

from __future__ import annotations

import pytest
from harness import Run, World, run

from maestrale.engine.events import RestartRequested
from maestrale.engine.restart import restart_plan
from maestrale.model.errors import InvalidState, NotFound


def chain() -> Run:
    found = run("""
        w:
          output: {n: <% $.n %>}
          tasks:
            t1: {action: remote, publish: {n: <% task().result %>}, on-success: t2}
            t2: {action: remote n=<% $.n %>, publish: {n: <% $.n + 1 %>}, on-success: t3}
            t3: {action: remote n=<% $.n %>, publish: {n: <% $.n + 1 %>}}
    """)
    finish(found, "t1", "t2", "t3", result=1)
    return found


def finish(found: Run, *names: str, result: object = None) -> None:
    for name in names:
        found.finish(name, result)


def plan(found: Run, name: str) -> list[tuple[str, str]]:
    decision = found.world.decision(found.id)
    planned = restart_plan(decision, found.tasks(name)[-1].id)
    return [(entry.task.name, entry.reason) for entry in planned]


def test_a_successful_execution_runs_again_from_a_task_in_the_middle() -> None:
    found = chain()
    first = {task.name: task.id for task in found.tasks()}
    found.world.advance(1)
    assert plan(found, "t2") == [("t2", "is restarted"), ("t3", "follows 't2'")]
    found.restart("t2")
    assert (found.state, found.output, found.workflow.finished_at) == ("RUNNING", None, None)
    assert found.states == {"t1": "SUCCESS", "t2": "RUNNING"}
    assert found.task("t2").id == first["t2"]
    assert found.task("t2").published is None
    finish(found, "t2", "t3")
    assert (found.state, found.output) == ("SUCCESS", {"n": 3})
    assert found.task("t3").id != first["t3"]
    assert [a.input for a in found.actions("t2")] == [{"n": 1}, {"n": 1}]
    assert [a.accepted for a in found.actions("t2")] == [False, True]
    found.world.check_replay_and_reload()


def test_superseded_rows_stay_as_history() -> None:
    found = chain()
    found.restart("t1")
    (old,) = found.superseded("t3")
    assert (old.state, old.live, old.published) == ("SUCCESS", False, {"n": 3})
    assert old.state_info == f"Superseded by a restart of task 't1' [task_ex_id={found.task('t1').id}]"
    assert [row.accepted for row in found.world.rows.values() if row.task_id == old.id] == [False]
    finish(found, "t1", "t2", "t3", result=5)
    assert found.output == {"n": 7}
    found.restart("t3")
    finish(found, "t3")
    assert found.output == {"n": 7}
    assert [len(found.superseded(name)) for name in ("t1", "t2", "t3")] == [0, 1, 1]


@pytest.mark.parametrize("event", ["running", "paused"])
def test_an_execution_that_goes_on_is_not_restarted(event: str) -> None:
    found = run("w: {tasks: {a: {action: std.noop, on-success: b}, b: {action: remote}}}")
    if event == "paused":
        found.pause()
    with pytest.raises(InvalidState, match=f"once its workflow execution.* has ended.* {event.upper()}"):
        found.restart("a")
    assert found.states == {"a": "SUCCESS", "b": "RUNNING"}


def test_a_task_that_is_not_there_is_refused() -> None:
    found = chain()
    with pytest.raises(NotFound):
        found.send(RestartRequested("nobody"))
    old = found.task("t3").id
    found.restart("t2")
    found.stop("CANCELLED")
    with pytest.raises(NotFound):
        found.send(RestartRequested(old))


def test_what_did_not_follow_is_kept_and_contexts_merge_as_before() -> None:
    found = run("""
        w:
          output: {a: <% $.a %>, b: <% $.b %>, sum: <% $.sum %>}
          tasks:
            a: {action: remote, publish: {a: <% task().result %>}, on-success: meet}
            b: {action: remote, publish: {b: <% task().result %>}, on-success: meet}
            meet: {join: all, publish: {sum: <% $.a + $.b %>}, on-success: last}
            last: {action: remote}
    """)
    found.finish("a", 1)
    found.finish("b", 2)
    found.finish("last")
    assert plan(found, "b") == [("b", "is restarted"), ("meet", "follows 'b'"), ("last", "follows 'meet'")]
    found.world.restart()
    found.restart("b")
    assert found.states == {"a": "SUCCESS", "b": "RUNNING", "meet": "WAITING"}
    found.world.check_replay_and_reload()
    found.finish("b", 20)
    found.finish("last")
    assert (found.state, found.output) == ("SUCCESS", {"a": 1, "b": 20, "sum": 21})
    assert len(found.actions("a")) == 1


def test_a_join_that_loses_a_branch_by_the_restart_fails_as_it_would_have() -> None:
    found = run("""
        w:
          tasks:
            a: {action: remote, on-success: meet}
            b: {action: remote, on-success: meet, on-error: other}
            meet: {join: all}
            other: {action: std.noop}
    """)
    finish(found, "a", "b")
    found.restart("b")
    found.fail("b")
    assert found.states == {"a": "SUCCESS", "b": "ERROR", "meet": "ERROR", "other": "SUCCESS"}
    assert found.state == "ERROR"
    assert found.task("meet").state_info == "Failed by tasks: ['b']"


def test_a_join_that_failed_for_lack_of_a_branch_waits_for_it_anew() -> None:
    found = run("""
        w:
          tasks:
            a: {action: remote, on-success: meet}
            b: {action: remote, on-success: c, on-error: other}
            c: {action: remote, on-success: meet}
            meet: {join: all, on-error: other}
            other: {action: std.noop}
    """)
    found.finish("a")
    found.fail("b")
    assert found.states["meet"] == "ERROR"
    found.restart("b")
    assert found.states == {"a": "SUCCESS", "b": "RUNNING", "meet": "WAITING"}
    finish(found, "b", "c")
    assert (found.state, found.states["meet"]) == ("SUCCESS", "SUCCESS")
    assert [task.state for task in found.superseded("meet")] == ["ERROR"]


def test_a_join_itself_is_restarted_with_the_branches_it_had() -> None:
    found = run("""
        w:
          output: {seen: <% $.seen %>}
          tasks:
            a: {action: remote, publish: {a: 1}, on-success: meet}
            b: {action: remote, publish: {b: 2}, on-success: meet}
            meet: {join: all, action: remote, publish: {seen: "<% [$.a, $.b] %>"}}
    """)
    finish(found, "a", "b", "meet")
    found.world.restart()
    found.restart("meet")
    assert [t["task_id"] for t in found.task("meet").triggered_by] == [
        found.task("a").id,
        found.task("b").id,
    ]
    found.world.check_replay_and_reload()
    finish(found, "meet")
    assert found.output == {"seen": [1, 2]}


def test_a_join_that_still_waited_is_started_with_what_has_come() -> None:
    found = run("""
        w:
          output: {a: <% $.a %>}
          tasks:
            a: {action: remote, publish: {a: 1}, on-success: meet}
            b: {action: remote, on-success: meet}
            meet: {join: all, action: remote}
    """)
    found.finish("a")
    found.stop("CANCELLED")
    found.restart("meet")
    assert found.states == {"a": "SUCCESS", "b": "RUNNING", "meet": "RUNNING"}
    found.world.check_replay_and_reload()
    finish(found, "meet", "b")
    assert (found.state, found.output) == ("SUCCESS", {"a": 1})


def test_globals_are_as_the_kept_tasks_published_them() -> None:
    found = run("""
        w:
          vars: {v: 0}
          tasks:
            a: {action: std.noop, on-success: {publish: {global: {v: 1, from_a: 1, m: {x: 1}}}, next: b}}
            b:
              action: remote seen=<% $.v %>
              on-success: {publish: {global: {v: 2, from_b: 2, m: {y: 2}}}, next: c}
            c: {action: std.noop, on-success: {publish: {global: {v: 3, from_c: 3}}}}
    """)
    found.finish("b")
    before = {"v": 3, "from_a": 1, "from_b": 2, "from_c": 3, "m": {"x": 1, "y": 2}}
    assert found.workflow.globals == before
    found.restart("b")
    assert found.workflow.globals == {"v": 1, "from_a": 1, "m": {"x": 1}}
    assert [a.input for a in found.actions("b")] == [{"seen": 1}, {"seen": 1}]
    found.finish("b")
    assert found.workflow.globals == before
    found.world.check_replay_and_reload()


def test_open_followers_are_cancelled() -> None:
    found = run("""
        w:
          tasks:
            a: {action: remote, on-success: [b, wait]}
            b: {action: remote, timeout: 100}
            wait: {wait-before: 5, action: std.noop}
    """)
    found.finish("a")
    found.stop("ERROR")
    (open_action,) = found.open_actions("b")
    found.restart("a")
    assert found.world.rows[open_action.id].state == "CANCELLED"
    assert open_action.id not in found.world.running
    assert [task.state for task in found.superseded("b")] == ["CANCELLED"]
    assert found.execution.timers == {}
    assert found.execution.open_tasks == 1
    found.world.check_replay_and_reload()


def test_a_task_that_is_still_open_begins_anew() -> None:
    found = run("w: {tasks: {a: {action: remote}}}")
    (old,) = found.open_actions("a")
    found.stop("ERROR", "enough")
    found.restart("a")
    assert found.world.rows[old.id].state == "CANCELLED"
    (new,) = found.open_actions("a")
    assert new.id != old.id
    found.finish("a")
    assert found.state == "SUCCESS"


def test_the_environment_is_merged_first() -> None:
    found = run("w: {tasks: {a: {action: remote x=<% env().x %>}}}", params={"env": {"x": 1, "y": 1}})
    found.finish("a")
    found.restart("a", {"x": 2})
    assert found.workflow.params["env"] == {"x": 2, "y": 1}
    assert [a.input for a in found.actions("a")] == [{"x": 1}, {"x": 2}]


def test_reverse_workflows_run_again_what_required_the_task() -> None:
    text = """
        w:
          type: reverse
          tasks:
            top: {action: remote, requires: [left, right]}
            left: {action: remote, requires: [base]}
            right: {action: remote}
            base: {action: remote}
    """
    found = run(text, params={"task_name": "top"})
    finish(found, "base", "right", "left", "top")
    found.restart("left")
    assert found.states == {"base": "SUCCESS", "right": "SUCCESS", "left": "RUNNING"}
    finish(found, "left", "top")
    assert found.state == "SUCCESS"
    assert [len(found.actions(name)) for name in ("base", "right", "left")] == [1, 1, 2]
    found.world.check_replay_and_reload()


def test_with_items_starts_all_items_again() -> None:
    found = run("w: {tasks: {a: {with-items: 'i in [1, 2]', action: remote i=<% $.i %>}}}")
    finish(found, "a", "a")
    found.restart("a")
    assert len(found.open_actions("a")) == 2
    finish(found, "a", "a", result="again")
    assert found.result("a") == ["again", "again"]


LOOP = """
    w:
      tasks:
        init: {publish: {n: 0}, on-success: [a, b]}
        a: {action: remote, on-success: meet}
        b: {action: remote, on-success: meet}
        meet:
          join: all
          publish: {n: <% $.n + 1 %>}
          on-success: [{a: <% $.n < 2 %>}, {b: <% $.n < 2 %>}]
"""


def loop() -> Run:
    found = World(LOOP).start()
    finish(found, "a", "b", "a", "b")
    assert (found.state, found.names) == ("SUCCESS", ["init", "a", "b", "meet", "a", "b"])
    return found


def test_a_loop_through_a_join_is_restarted_from_before_it() -> None:
    found = loop()
    first = found.tasks("a")[0]
    found.send(RestartRequested(first.id))
    assert found.names == ["init", "a", "b", "meet"]
    found.world.check_replay_and_reload()
    finish(found, "a", "a", "b")
    assert (found.state, found.output["n"]) == ("SUCCESS", 2)
    found.world.check_replay_and_reload()


def test_the_join_of_a_loop_is_restarted_in_its_last_turn() -> None:
    found = loop()
    found.restart("meet")
    assert (found.state, found.output["n"]) == ("SUCCESS", 2)
    assert found.names == ["init", "a", "b", "meet", "a", "b"]
    found.world.check_replay_and_reload()


def test_a_later_turn_of_a_loop_through_a_join_is_refused() -> None:
    found = loop()
    with pytest.raises(InvalidState, match=r"loop through the join 'meet'.*restart 'meet' itself"):
        found.restart("a")
    assert found.state == "SUCCESS"


def test_a_plain_loop_is_restarted_at_any_turn() -> None:
    found = run("""
        w:
          tasks:
            init: {publish: {n: 0}, on-success: a}
            a: {action: remote, publish: {n: <% $.n + 1 %>}, on-success: [{a: <% $.n < 3 %>}]}
    """)
    finish(found, "a", "a", "a")
    second = found.tasks("a")[1]
    found.send(RestartRequested(second.id))
    assert [task.state for task in found.tasks("a")] == ["SUCCESS", "RUNNING"]
    finish(found, "a", "a")
    assert (found.state, found.output["n"]) == ("SUCCESS", 3)


# -- trees

TREE = """
    top:
      output: {n: <% $.n %>}
      tasks:
        before: {action: remote}
        call: {workflow: middle, publish: {n: <% task().result.n %>}, on-success: after}
        after: {action: remote}
    middle:
      output: {n: <% $.n %>}
      tasks:
        x:
          with-items: i in [0, 1]
          workflow: leaf
          publish: {n: "<% task().result[1].n %>"}
          on-success: y
        y: {action: remote}
    leaf:
      output: {n: <% $.n %>}
      tasks:
        a: {action: remote, publish: {n: "<% task().result %>"}, on-success: b}
        b: {action: remote}
"""


def tree() -> tuple[Run, Run, Run]:
    top = World(TREE).start()
    middle = top.child("call")
    for leaf in middle.children("x"):
        leaf.finish("a", 1)
        leaf.finish("b")
    middle.finish("y")
    finish(top, "before", "after")
    assert (top.state, top.output) == ("SUCCESS", {"n": 1})
    return top, middle, middle.child("x")


def test_everything_above_runs_again_and_what_followed_there_is_superseded() -> None:
    top, middle, leaf = tree()
    leaf.restart("a")
    assert (top.state, middle.state, leaf.state) == ("RUNNING", "RUNNING", "RUNNING")
    assert top.states == {"before": "SUCCESS", "call": "RUNNING"}
    assert middle.states == {"x": "RUNNING"}
    assert [len(r.superseded(n)) for r, n in ((top, "after"), (middle, "y"), (leaf, "b"))] == [1, 1, 1]
    top.world.check_replay_and_reload()
    top.world.restart()
    leaf.finish("a", 7)
    leaf.finish("b")
    middle.finish("y")
    top.finish("after")
    assert (top.state, top.output) == ("SUCCESS", {"n": 7})
    assert [len(run_.actions("a")) for run_ in middle.children("x")] == [1, 2]
    top.world.check_replay_and_reload()


def test_executions_below_a_superseded_task_count_no_more() -> None:
    found = World("""
        w:
          tasks:
            a: {action: remote, on-success: [call, again]}
            call: {workflow: sub}
            again: {workflow: sub, on-complete: fail}
        sub:
          tasks: {s: {action: remote}}
    """).start()
    found.finish("a")
    done, running = found.child("again"), found.child("call")
    done.finish("s")
    assert (found.state, running.state) == ("ERROR", "RUNNING")
    found.restart("a")
    assert (running.state, done.state) == ("CANCELLED", "SUCCESS")
    assert not any(found.world.known[child.id].accepted for child in (done, running))
    assert found.state == "RUNNING"
    found.world.check_replay_and_reload()
    with pytest.raises(AssertionError):
        found.task("call")
    done.restart("s")  # nothing waits for it: it is told to stop
    assert (done.state, done.info) == ("CANCELLED", "Nothing waits for this execution any more.")


def test_restarting_the_task_that_called_starts_a_new_execution() -> None:
    top, middle, _ = tree()
    top.restart("call")
    assert len(top.children("call")) == 2
    assert top.child("call").id != middle.id
    assert top.world.known[middle.id].accepted is False


def test_a_parent_that_cannot_follow_stops_the_child() -> None:
    found = World("""
        w:
          tasks:
            init: {publish: {n: 0}, on-success: [a, b]}
            a: {workflow: sub, on-success: meet}
            b: {action: std.noop, on-success: meet}
            meet:
              join: all
              publish: {n: <% $.n + 1 %>}
              on-success: [{a: <% $.n < 2 %>}, {b: <% $.n < 2 %>}]
        sub:
          tasks: {s: {action: remote}}
    """).start()
    for _ in range(2):
        found.child("a").finish("s")
    assert found.state == "SUCCESS"
    child = found.child("a")
    child.restart("s")
    assert (found.state, child.state) == ("SUCCESS", "CANCELLED")
    assert "loop through the join 'meet'" in child.info


def test_a_parent_that_was_opened_and_paused_meanwhile_waits_paused() -> None:
    found = World("""
        w: {tasks: {a: {workflow: sub, on-success: b}, b: {action: remote}}}
        sub: {tasks: {s: {action: remote}}}
    """).start()
    child = found.child("a")
    child.finish("s")
    found.fail("b")
    found.world.auto = False
    child.restart("s")
    found.rerun("b")
    found.pause()
    found.world.auto = True
    found.world.settle()
    assert (found.state, child.state) == ("PAUSED", "RUNNING")
    assert found.states == {"a": "RUNNING"}
    found.world.check_replay_and_reload()
    child.finish("s")
    found.resume()
    found.finish("b")
    assert found.state == "SUCCESS"


def test_items_beside_a_cancelled_one_run_on_and_count_after_its_restart() -> None:
    found = World("""
        w: {tasks: {t: {with-items: "i in [0, 1, 2, 3]", workflow: "sub"}}}
        sub: {tasks: {s: {action: remote}}}
    """).start()
    failed, cancelled, before, after = found.children("t")
    failed.fail("s")
    cancelled.stop("CANCELLED")
    assert [run_.state for run_ in (found, failed, before)] == ["CANCELLED", "ERROR", "RUNNING"]
    before.finish("s")
    found.world.restart()
    cancelled.restart("s")
    assert (found.state, found.task("t").items_failed) == ("RUNNING", 1)
    found.world.restart()
    cancelled.finish("s")
    assert found.state == "RUNNING"
    after.finish("s")
    assert (found.state, found.task("t").items_done, found.task("t").items_failed) == ("ERROR", 4, 1)
    assert len(found.children("t")) == 4


def test_a_task_that_outlives_its_workflow_is_restarted_while_it_is_queued() -> None:
    world = World(
        """
        w:
          tasks:
            a: {action: std.noop, on-success: [items, succeed]}
            items: {with-items: "i in [1, 2, 3, 4]", action: remote}
        """,
        steps=2,
    )
    world.auto = False
    found = world.start()
    while found.state != "SUCCESS" or not found.actions("items"):
        world.step(*world.possible_steps()[0])
    task = found.task("items")
    assert list(found.execution.ready) == [task.id]
    begun = len(found.actions("items"))
    found.restart("items")
    assert list(found.execution.ready) == [task.id]
    world.auto = True
    world.settle()
    assert [action.state for action in found.actions("items")] == ["CANCELLED"] * begun + ["RUNNING"] * 4


def test_a_join_on_a_loop_keeps_what_followed_from_earlier_turns() -> None:
    found = World("""
        w:
          tasks:
            init: {publish: {n: 0}, on-success: [a, b]}
            a: {action: std.noop, on-success: meet}
            b: {action: std.noop, on-success: meet}
            meet:
              join: all
              publish: {n: <% $.n + 1 %>}
              on-success: [{a: <% $.n < 2 %>}, {b: <% $.n < 2 %>}, out]
            out: {action: remote n=<% $.n %>}
    """).start()
    found.finish("out")
    found.finish("out")
    first, _ = found.tasks("out")
    assert plan(found, "meet") == [("meet", "is restarted"), ("out", "follows 'meet'")]
    found.restart("meet")
    found.finish("out")
    assert found.state == "SUCCESS"
    assert found.tasks("out")[0].id == first.id
    assert [action.input for action in found.actions("out")] == [{"n": 1}, {"n": 2}]
    found.world.check_replay_and_reload()
