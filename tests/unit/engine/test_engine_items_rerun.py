"""with-items once more: rerun and skip of a task, and of one of its sub-workflows."""

from __future__ import annotations

import pytest
from harness import Run, World, run
from item_examples import REMOTE, given, open_items


def failed(order: str, policy: str = "description: x") -> Run:
    """Items end as the letters say: s(uccess) or e(rror); nothing handles the error."""
    found = run(REMOTE.replace("POLICY", policy).replace("on-error: noop", ""))
    for item, letter in enumerate(order):
        found.finish("t", f"{letter}{item}", "SUCCESS" if letter == "s" else "ERROR", item=item)
    assert found.state == "ERROR"
    return found


@pytest.mark.parametrize("order", ["sses", "esss", "seee", "eses"])
@pytest.mark.covers("dsl.with_items.index_in_rerun", "eng.rerun.with_items")
def test_rerun_without_reset_repeats_only_the_failed_items(order: str) -> None:
    found = failed(order)
    again = [item for item, letter in enumerate(order) if letter == "e"]
    found.rerun("t", reset=False)
    assert open_items(found) == again
    assert (found.state, found.task("t").state) == ("RUNNING", "RUNNING")
    for item in again:
        found.finish("t", f"again{item}", item=item)
    expected = [f"again{item}" if item in again else f"s{item}" for item in range(4)]
    assert (found.state, found.output) == ("SUCCESS", {"r": expected})
    assert given(found)[4:] == ["abcd"[item] for item in again]


def test_a_second_rerun_repeats_what_failed_again() -> None:
    found = failed("eess")
    found.rerun("t", reset=False)
    found.finish("t", "ok", item=0)
    found.fail("t", "no", item=1)
    assert (found.state, found.task("t").state) == ("ERROR", "ERROR")
    assert found.result("t") == ["ok", "no", "s2", "s3"]
    found.rerun("t", reset=False)
    assert open_items(found) == [1]
    found.finish("t", "yes")
    assert found.output == {"r": ["ok", "yes", "s2", "s3"]}


def test_rerun_keeps_to_the_window() -> None:
    found = failed("eees", "concurrency: 2")
    found.rerun("t", reset=False)
    assert open_items(found) == [0, 1]
    found.finish("t", 1, item=1)
    assert open_items(found) == [0, 2]
    found.finish("t", 0, item=0)
    found.finish("t", 2, item=2)
    assert found.output == {"r": [0, 1, 2, "s3"]}


def test_rerun_with_reset_repeats_all_items() -> None:
    found = failed("sses")
    found.rerun("t")
    assert open_items(found) == [0, 1, 2, 3]
    for item in range(4):
        found.finish("t", item, item=item)
    assert found.output == {"r": [0, 1, 2, 3]}


def test_rerun_after_a_timeout_repeats_what_had_not_ended() -> None:
    found = run(REMOTE.replace("POLICY", "timeout: 5").replace("on-error: noop", ""))
    found.finish("t", "kept", item=1)
    found.world.advance(5)
    assert found.state == "ERROR"
    found.rerun("t", reset=False)
    assert open_items(found) == [0, 2, 3]
    for item in (3, 2, 0):
        found.finish("t", item, item=item)
    assert (found.state, found.output) == ("SUCCESS", {"r": [0, "kept", 2, 3]})


def test_rerun_goes_on_behind_an_item_that_could_not_be_started() -> None:
    found = run("""
        w:
          output: {r: <% $.r %>}
          tasks:
            t:
              with-items: i in [1, 2, 0, 3]
              action: remote n=<% 6 / ($.i + env().get(more, 0)) %>
              publish: {r: <% task().result %>}
    """)
    assert found.state == "ERROR"
    found.finish("t", "first", item=0)
    found.rerun("t", reset=False, environment={"more": 1})
    assert open_items(found) == [1, 2, 3]
    for item in (1, 2, 3):
        found.finish("t", item, item=item)
    assert (found.state, found.output) == ("SUCCESS", {"r": ["first", 1, 2, 3]})


@pytest.mark.parametrize("child", ["workflow: inner", "action: remote"])
@pytest.mark.parametrize("reset", [False, True])
def test_items_that_run_beside_one_that_could_not_be_started(child: str, reset: bool) -> None:
    found = run(f"""
        w:
          tasks:
            t:
              with-items: i in [0, 1, 2]
              {child}
              input: {{x: "<% switch($.i = 2 and not env().get(ok, false) => $.nope, true => $.i) %>"}}
        inner:
          input: [x]
          tasks: {{a: {{action: remote}}}}
    """)
    world = found.world
    assert (found.state, found.states) == ("ERROR", {"t": "ERROR"})
    world.restart()
    found.rerun("t", reset=reset, environment={"ok": True})
    world.restart()
    again = {0, 1, 2} if reset else {2}
    if child == "action: remote":
        runs = [(a.item_index, a.attempt, a.state) for a in found.actions("t")]
        while found.open_actions("t"):
            found.finish("t")
            world.restart()
    else:
        sub_workflows = found.children("t")
        runs = [(c.workflow.item_index, c.workflow.attempt, c.state) for c in sub_workflows]
        for sub_workflow in sub_workflows:
            if sub_workflow.state == "RUNNING":
                sub_workflow.finish("a")
                world.restart()
    first = "CANCELLED" if reset else "RUNNING"
    expected = [(0, 0, first), (1, 0, first), *((index, 1, "RUNNING") for index in sorted(again))]
    assert runs == expected
    assert (found.state, found.states) == ("SUCCESS", {"t": "SUCCESS"})


ONE_ITEM_CANNOT_START = """
    w:
      tasks:
        t:
          with-items: i in [0, 1, 2]
          workflow: inner
          input: {x: "<% switch($.i = 2 and not env().get(ok, false) => $.nope, true => $.i) %>"}
    inner:
      input: [x]
      tasks: {a: {action: remote}}
"""


def test_sub_workflows_beside_a_skipped_item_run_on_unobserved() -> None:
    found = run(ONE_ITEM_CANNOT_START)
    found.skip("t")
    assert (found.state, found.states) == ("SUCCESS", {"t": "SKIPPED"})
    found.world.check_replay_and_reload()
    found.world.restart()
    for sub_workflow in found.children("t"):
        sub_workflow.finish("a")
    found.world.check_replay_and_reload()
    assert found.states == {"t": "SKIPPED"}


def test_a_rerun_in_one_sub_workflow_goes_on_with_the_items_that_are_left() -> None:
    found = run(ONE_ITEM_CANNOT_START)
    first, _ = found.children("t")
    first.fail("a")
    found.world.restart()
    first.rerun("a", environment={"ok": True})
    assert (found.state, found.states) == ("RUNNING", {"t": "RUNNING"})
    found.world.restart()
    assert len(found.children("t")) == 3
    found.pause()
    for sub_workflow in found.children("t"):
        sub_workflow.finish("a")
    found.resume()
    assert (found.state, found.states) == ("SUCCESS", {"t": "SUCCESS"})
    found.world.check_replay_and_reload()


def test_rerun_after_a_broken_publish_only_publishes_again() -> None:
    found = run("""
        w:
          tasks:
            t:
              with-items: i in [1, 2]
              action: std.echo output=<% $.i %>
              publish: {r: <% env().missing %>}
    """)
    assert found.state == "ERROR"
    found.rerun("t", reset=False, environment={"missing": "there"})
    assert (found.state, found.output) == ("SUCCESS", {"r": "there"})
    assert len(found.actions("t")) == 2


def test_more_failed_items_than_one_decision_starts() -> None:
    world = World(REMOTE.replace("POLICY", "description: x").replace("on-error: noop", ""), steps=5)
    found = world.start(input={"list": list(range(20))})
    for item in range(20):
        found.finish("t", item, "ERROR" if item % 2 else "SUCCESS", item=item)
    found.rerun("t", reset=False)
    assert open_items(found) == list(range(1, 20, 2))
    for item in range(1, 20, 2):
        found.finish("t", item, item=item)
    assert found.output == {"r": list(range(20))}


def test_rerun_without_reset_starts_new_sub_workflows_for_failed_items() -> None:
    found = run("""
        w:
          output: {r: <% $.r %>}
          tasks:
            t:
              with-items: n in [0, 1, 2]
              workflow: sub n=<% $.n %>
              publish: {r: <% task().result.v %>}
        sub:
          input: [n]
          output: {v: <% $.v %>}
          tasks: {s: {action: remote, publish: {v: <% task().result %>}}}
    """)
    children = found.children("t")
    for number, child in enumerate(children):
        child.finish("s", number, "ERROR" if number == 1 else "SUCCESS")
    assert found.state == "ERROR"
    assert found.task("t").state_info == "One or more actions had failed."
    assert f"[wf_ex_id={children[1].id}, idx=1]" in found.info
    found.rerun("t", reset=False)
    assert len(found.children("t")) == 4
    found.child("t").finish("s", 5)
    assert (found.state, found.output) == ("SUCCESS", {"r": [0, 5, 2]})
