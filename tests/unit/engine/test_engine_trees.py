"""Trees of executions: what travels up and down, and reruns below."""

from __future__ import annotations

import random

import pytest
from harness import Run, World, run
from tree_examples import PAIR, pair, tree

from maestrale.engine.events import EnvironmentUpdated
from maestrale.model.errors import Forbidden


def states_of(*runs: Run) -> list[str]:
    return [found.state for found in runs]


@pytest.mark.covers("eng.pause", "eng.resume")
def test_pause_and_resume_travel_down() -> None:
    found = tree()
    found[0].pause()
    assert states_of(*found) == ["PAUSED"] * 3
    assert found[0].task("a").state == found[1].task("b").state == "PAUSED"
    found[2].finish("c", 1)
    found[2].finish("d")
    assert states_of(*found) == ["PAUSED"] * 3
    found[0].resume()
    assert states_of(*found) == ["RUNNING", "SUCCESS", "SUCCESS"]
    found[0].finish("beside")
    assert found[0].state == "SUCCESS"


def test_pause_and_resume_travel_up() -> None:
    found = tree()
    found[2].pause()
    assert states_of(*found) == ["PAUSED"] * 3
    assert found[0].task("a").state == found[1].task("b").state == "PAUSED"
    assert found[0].task("a").cause == {"kind": "child-paused", "id": found[1].id}
    found[2].resume()
    assert states_of(*found) == ["RUNNING"] * 3
    assert found[0].task("a").state == found[1].task("b").state == "RUNNING"
    assert found[0].task("a").cause == {"kind": "sub-workflow", "id": found[1].id}


def test_pause_in_the_middle_travels_both_ways() -> None:
    found = tree()
    found[1].pause()
    assert states_of(*found) == ["PAUSED"] * 3
    found[1].resume()
    assert states_of(*found) == ["RUNNING"] * 3


def test_a_pause_below_pauses_siblings_too() -> None:
    found = run("""
        w:
          tasks:
            a: {workflow: sub}
            b: {workflow: sub}
        sub:
          tasks: {s: {action: remote}}
    """)
    a, b = found.child("a"), found.child("b")
    a.pause()
    assert states_of(found, a, b) == ["PAUSED"] * 3
    a.resume()
    assert states_of(found, a, b) == ["PAUSED", "RUNNING", "PAUSED"]
    b.resume()
    assert states_of(found, a, b) == ["RUNNING"] * 3


def test_the_pause_command_of_a_child_pauses_its_ancestors() -> None:
    found = run("""
        w:
          tasks:
            t: {workflow: sub}
        sub:
          tasks:
            s: {on-success: [pause, u]}
            u: {action: std.noop}
    """)
    child = found.child("t")
    assert (child.state, found.state, found.task("t").state) == ("PAUSED", "PAUSED", "PAUSED")
    found.resume()
    assert (child.state, found.state) == ("SUCCESS", "SUCCESS")


def test_the_pause_command_of_a_parent_pauses_its_children() -> None:
    found = run("""
        w:
          tasks:
            t: {workflow: sub}
            p: {action: remote, on-success: pause}
        sub:
          tasks: {s: {action: remote, on-success: u}, u: {action: std.noop}}
    """)
    child = found.child("t")
    found.finish("p")
    assert (found.state, child.state) == ("PAUSED", "PAUSED")
    child.finish("s")
    assert child.names == ["s"]
    found.resume()
    assert (found.state, child.state) == ("SUCCESS", "SUCCESS")


def test_pause_before_in_a_child_pauses_its_ancestors() -> None:
    found = tree(more="pause-before: true")
    assert states_of(*found) == ["PAUSED"] * 3
    assert found[2].task("c").state == "IDLE"
    found[0].resume()
    assert states_of(*found) == ["RUNNING"] * 3
    assert found[2].task("c").state == "RUNNING"


@pytest.mark.parametrize("seed", range(10))
def test_pauses_and_resumes_that_cross_each_other_come_to_rest(seed: int) -> None:
    found = tree()
    world, chance = found[0].world, random.Random(seed)
    world.auto = False
    for _ in range(6):
        each = chance.choice(found)
        each.pause() if each.state == "RUNNING" else each.resume()
        for _ in range(chance.randrange(3)):
            if steps := world.possible_steps():
                world.step(*chance.choice(steps))
    world.auto = True
    world.settle()
    for each in found:
        each.resume()
    assert states_of(*found) == ["RUNNING"] * 3
    assert found[0].task("a").state == found[1].task("b").state == "RUNNING"


@pytest.mark.covers("eng.cancel")
def test_cancel_travels_down_and_the_tasks_above_follow() -> None:
    found = tree()
    found[0].stop("CANCELLED", "enough")
    assert states_of(*found) == ["CANCELLED"] * 3
    assert [each.info for each in found] == ["enough"] * 3
    assert found[0].task("a").state == found[1].task("b").state == "CANCELLED"
    assert found[2].task("c").state == "RUNNING"


@pytest.mark.parametrize("state", ["SUCCESS", "ERROR"])
def test_other_ends_do_not_travel_down(state: str) -> None:
    found = tree()
    found[0].stop(state)
    assert states_of(*found) == [state, "RUNNING", "RUNNING"]
    found[2].finish("c", 5)
    found[2].finish("d")
    assert states_of(*found) == [state, "SUCCESS", "SUCCESS"]
    assert (found[0].task("a").state, found[0].result("a")) == ("SUCCESS", {"v": 5})


def test_a_child_that_starts_while_the_parent_is_told_to_pause_is_paused_too() -> None:
    world = World(PAIR.replace("MORE", "description: x"))
    world.auto = False
    found = world.start()
    child = found.child("t")
    assert child.execution.ready
    found.pause()
    world.settle()
    assert (found.state, child.state, child.task("s").state) == ("PAUSED", "PAUSED", "IDLE")
    found.resume()
    world.settle()
    assert child.task("s").state == "RUNNING"


# -- rerun below


@pytest.mark.covers("eng.rerun.nested")
def test_a_rerun_in_the_grandchild_opens_everything_above() -> None:
    found = tree()
    found[0].finish("beside")
    found[2].fail("c")
    found[2].finish("d")
    assert states_of(*found) == ["ERROR"] * 3
    found[2].rerun("c")
    assert states_of(*found) == ["RUNNING"] * 3
    assert found[0].task("a").state == found[1].task("b").state == "RUNNING"
    assert found[0].output is None
    found[2].finish("c", 9)
    assert states_of(*found) == ["SUCCESS"] * 3
    assert found[1].output == {"v": 9}
    assert len(found[1].children("b")) == 1


def test_a_skip_in_the_grandchild_opens_everything_above() -> None:
    found = tree()
    found[0].finish("beside")
    found[2].fail("c")
    found[2].finish("d")
    found[2].skip("c")
    assert states_of(*found) == ["SUCCESS"] * 3


def test_a_rerun_of_the_task_starts_a_new_sub_workflow() -> None:
    found = pair()
    found.child("t").fail("s")
    found.rerun("t")
    assert [child.state for child in found.children("t")] == ["ERROR", "RUNNING"]
    found.child("t").finish("s", 3)
    assert (found.state, found.output) == ("SUCCESS", {"r": {"v": 3}})


def test_a_rerun_in_an_abandoned_child_does_not_touch_the_parent() -> None:
    found = pair()
    old = found.child("t")
    old.fail("s")
    found.rerun("t")
    old.rerun("s")
    old.finish("s", "old")
    assert (old.state, found.state) == ("SUCCESS", "RUNNING")
    found.child("t").finish("s", "new")
    assert found.output == {"r": {"v": "new"}}


def test_a_rerun_below_a_parent_that_succeeded_does_not_touch_it() -> None:
    found = pair("on-error: after")
    child = found.child("t")
    child.fail("s")
    assert found.state == "SUCCESS"
    child.rerun("s")
    child.finish("s", 1)
    assert (child.state, found.state, found.task("t").state) == ("SUCCESS", "SUCCESS", "ERROR")


def test_a_rerun_of_one_item_below_is_counted_right() -> None:
    found = run("""
        w:
          output: {r: <% $.r %>}
          tasks:
            t:
              with-items: n in [0, 1]
              workflow: sub
              publish: {r: <% task().result.v %>}
        sub:
          output: {v: <% $.v %>}
          tasks: {s: {action: remote, publish: {v: <% task().result %>}}}
    """)
    first, second = found.children("t")
    first.fail("s")
    assert found.task("t").state == "RUNNING"
    first.rerun("s")
    assert (found.task("t").items_done, found.task("t").items_failed) == (0, 0)
    second.finish("s", 2)
    first.fail("s")
    assert found.state == "ERROR"
    first.rerun("s")
    assert (found.state, found.task("t").state) == ("RUNNING", "RUNNING")
    first.finish("s", 1)
    assert (found.state, found.output) == ("SUCCESS", {"r": [1, 2]})


def test_a_rerun_below_while_the_parent_waits_after_the_error() -> None:
    found = pair("wait-after: 5")
    child = found.child("t")
    child.fail("s")
    assert found.task("t").state == "DELAYED"
    child.rerun("s")
    assert found.task("t").state == "RUNNING"
    found.world.advance(5)
    assert len(found.children("t")) == 1
    child.finish("s", 4)
    found.world.advance(5)
    assert (found.state, found.output) == ("SUCCESS", {"r": {"v": 4}})


def test_a_rerun_below_repeats_what_the_parent_did_after_the_error() -> None:
    found = run("""
        w:
          tasks:
            t: {workflow: sub, on-error: h, on-success: after}
            h: {action: remote}
            after: {action: std.noop}
        sub:
          tasks: {s: {action: remote}}
    """)
    child = found.child("t")
    child.fail("s")
    assert found.states == {"t": "ERROR", "h": "RUNNING"}
    child.rerun("s")
    child.finish("s")
    assert found.states == {"t": "SUCCESS", "h": "RUNNING", "after": "SUCCESS"}
    found.finish("h")
    assert found.state == "SUCCESS"


def test_a_cancelled_tree_can_be_opened_by_a_rerun_below() -> None:
    found = tree()
    found[2].fail("c")
    found[0].stop("CANCELLED")
    assert states_of(*found) == ["CANCELLED"] * 3
    found[2].rerun("c")
    assert states_of(*found) == ["RUNNING"] * 3
    found[2].finish("c", 1)
    found[2].finish("d")
    found[0].finish("beside")
    assert states_of(*found) == ["SUCCESS"] * 3


def test_a_rerun_below_a_paused_parent_loses_nothing_of_what_the_parent_kept() -> None:
    found = run("""
        w:
          tasks:
            t: {workflow: sub, on-error: noop}
            p: {action: remote, on-success: [pause, after]}
            after: {action: std.noop}
        sub:
          tasks: {s: {action: remote}}
    """)
    child = found.child("t")
    child.fail("s")
    found.finish("p")
    assert (found.state, found.states) == ("PAUSED", {"t": "ERROR", "p": "SUCCESS"})
    child.rerun("s")
    found.resume()
    child.finish("s")
    assert (found.state, found.states) == ("SUCCESS", {"t": "SUCCESS", "p": "SUCCESS", "after": "SUCCESS"})


def test_an_environment_given_on_resume_reaches_all_children() -> None:
    top, middle, bottom = tree("action: remote e=<% env().get(late) %>", "retry: {count: 1, delay: 1}")
    top.pause()
    bottom.fail("c")
    top.resume({"late": 7})
    bottom.world.advance(1)
    assert bottom.actions("c")[-1].input == {"e": 7}
    assert top.workflow.params["env"] == middle.workflow.params["env"] == {"late": 7}


def test_an_environment_given_to_a_rerun_below_is_merged_for_the_whole_tree() -> None:
    found = run("""
        top:
          tasks:
            a: {workflow: middle, on-success: show}
            show: {action: std.echo output=<% env() %>}
        middle:
          tasks:
            b: {workflow: bottom, on-success: show}
            show: {action: std.echo output=<% env() %>}
        bottom:
          tasks: {c: {action: remote}}
    """)
    middle = found.child("a")
    bottom = middle.child("b")
    bottom.fail("c")
    assert found.state == "ERROR"
    bottom.rerun("c", environment={"fixed": 1})
    bottom.finish("c")
    assert found.state == "SUCCESS"
    assert found.result("show") == {"fixed": 1}
    assert middle.result("show") == {"fixed": 1}


FAMILY = """
    top:
      tasks:
        a: {workflow: middle}
        b: {workflow: middle}
        c: {workflow: bottom}
    middle:
      tasks: {x: {workflow: bottom}}
    bottom:
      tasks: {l: {action: remote e=<% env() %>, retry: {count: 9, delay: 0}}}
"""


@pytest.mark.parametrize("who", ["top", "a", "a.x", "c"])
def test_an_environment_given_on_resume_is_one_for_the_whole_tree(who: str) -> None:
    top = run(FAMILY)
    family = {"top": top, "a": top.child("a"), "b": top.child("b"), "c": top.child("c")}
    family |= {f"{name}.x": family[name].child("x") for name in ("a", "b")}
    top.pause()
    family[who].resume({"late": 1})
    for each in family.values():
        assert each.workflow.params["env"] == {"late": 1}
    top.resume()
    for name in ("a.x", "b.x", "c"):
        family[name].fail("l")
        assert family[name].actions("l")[-1].input == {"e": {"late": 1}}


def test_an_environment_given_to_a_rerun_reaches_what_failed_elsewhere() -> None:
    top = run(FAMILY.replace(", retry: {count: 9, delay: 0}", ""))
    one, other = top.child("a").child("x"), top.child("b").child("x")
    one.fail("l")
    other.fail("l")
    one.rerun("l", environment={"late": 1})
    other.rerun("l")
    assert other.actions("l")[-1].input == {"e": {"late": 1}}
    top.world.check_replay_and_reload()


def test_an_environment_is_not_changed_while_the_tree_runs_without_a_rerun() -> None:
    top = run(FAMILY)
    with pytest.raises(Forbidden, match="only permitted if it is in IDLE, PAUSED, or ERROR state"):
        top.child("a").send(EnvironmentUpdated({"late": 1}))
    assert top.workflow.params["env"] == {}
