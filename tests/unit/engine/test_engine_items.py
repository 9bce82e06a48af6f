"""with-items: which items run, when, in which window, and what becomes of their results."""

from __future__ import annotations

from typing import Any

import pytest
from harness import Run, World, run

from maestrale.engine.effects import CancelAction

REMOTE = """
    w:
      input: [{list: [a, b, c, d]}]
      output: {r: <% $.get(r) %>}
      tasks:
        t:
          with-items: i in <% $.list %>
          action: remote item=<% $.i %>
          publish: {r: <% task().result %>}
          publish-on-error: {r: <% task().result %>}
          POLICY
          on-error: noop
"""


def remote(policy: str = "description: x", **start: Any) -> Run:
    return run(REMOTE.replace("POLICY", policy), **start)


def given(found: Run) -> list[object]:
    """The items of all actions ever made, in order."""
    return [action.input["item"] for action in found.actions("t")]


def open_items(found: Run) -> list[int | None]:
    return [action.item_index for action in found.open_actions("t")]


def test_results_keep_the_order_of_the_items() -> None:
    found = remote()
    for item in (2, 0, 3, 1):
        assert found.state == "RUNNING"
        found.finish("t", item * 10, item=item)
    assert (found.state, found.output) == ("SUCCESS", {"r": [0, 10, 20, 30]})
    assert found.result("t") == [0, 10, 20, 30]
    assert found.task("t").runtime["with_items"] == {"count": 4, "capacity": None}


def test_several_lists_advance_together() -> None:
    found = run(
        """
        w:
          input: [names, ages]
          output: {r: <% $.r %>}
          tasks:
            t1:
              with-items: ["n in <% $.names %>", "a in {{ _.ages }}", "k in [1, 2]"]
              action: std.echo output="<% $.n %>:<% $.a %>:<% $.k %>"
              publish: {r: <% task().result %>}
        """,
        input={"names": ["ann", "bob"], "ages": [30, 40]},
    )
    assert found.output == {"r": ["ann:30:1", "bob:40:2"]}


@pytest.mark.parametrize(
    ("values", "items"),
    [
        ('[1, "two", {"k": 3}]', [1, "two", {"k": 3}]),
        ('<% "abc" %>', ["a", "b", "c"]),
        ("<% {x => 1, y => 2} %>", ["x", "y"]),
        ("<% range(0, 3) %>", [0, 1, 2]),
        ("{{ range(3) }}", [0, 1, 2]),
        ("<% [5] %>", [5]),
    ],
)
def test_everything_iterable_is_taken(values: str, items: list[object]) -> None:
    found = run(f"""
        w:
          tasks:
            t1:
              with-items: 'i in {values}'
              action: std.echo output=<% $.i %>
    """)
    assert found.state == "SUCCESS"
    assert found.result("t1") == items


def test_one_item_gives_a_list_still() -> None:
    found = remote(input={"list": ["only"]})
    found.finish("t", 1)
    assert found.output == {"r": [1]}


@pytest.mark.parametrize("values", ["[]", "''", "{}"])
def test_nothing_to_iterate_succeeds_at_once(values: str) -> None:
    found = run(f"""
        w:
          input: [{{list: {values}}}]
          output: {{r: <% $.r %>}}
          tasks:
            t1:
              with-items: i in <% $.list %>
              action: std.fail
              publish: {{r: <% task().result %>}}
              on-success: t2
            t2: {{action: std.noop}}
    """)
    assert (found.state, found.output) == ("SUCCESS", {"r": []})
    assert found.actions("t1") == []
    assert found.names == ["t1", "t2"]


def test_the_item_hides_input_and_published_variables_of_its_name() -> None:
    found = run("""
        w:
          input: [{i: from-input}]
          output: {r: <% $.r %>, i: <% $.i %>}
          tasks:
            t0: {publish: {j: {published: 1}}, on-success: t1}
            t1:
              with-items: ["i in [1, 2]", 'j in ["x", "y"]']
              action: std.echo output="<% $.i %>-<% $.j %>"
              publish: {r: <% task().result %>}
    """)
    assert found.output == {"r": ["1-x", "2-y"], "i": "from-input"}


def test_one_failing_item_does_not_stop_the_others() -> None:
    found = remote()
    found.fail("t", "bad", item=1)
    assert (found.state, open_items(found)) == ("RUNNING", [0, 2, 3])
    for item in (0, 2, 3):
        found.finish("t", item, item=item)
    assert found.task("t").state == "ERROR"
    assert found.task("t").state_info == "One or more actions had failed."
    assert found.output == {"r": [0, "bad", 2, 3]}


def test_the_workflow_says_which_items_failed() -> None:
    found = run("""
        w:
          tasks:
            t:
              with-items: i in [0, 1, 2]
              action: remote
    """)
    found.fail("t", "x", item=2)
    found.finish("t", item=0)
    found.fail("t", "y", item=1)
    ids = [action.id for action in found.actions("t")]
    assert f"    [action_ex_id={ids[1]}, idx=1]: y\n    [action_ex_id={ids[2]}, idx=2]: x\n" in found.info
    assert ids[0] not in found.info


def test_one_cancelled_item_cancels_task_and_workflow_at_once() -> None:
    found = remote("concurrency: 3")
    found.finish("t", 1, item=0)
    found.finish("t", state="CANCELLED", item=2)
    assert (found.state, found.info) == ("CANCELLED", "Cancelled tasks: t")
    assert found.task("t").state_info == "One or more actions was cancelled."
    assert open_items(found) == []
    cancelled = [e.action_id for _, e in found.world.effects if isinstance(e, CancelAction)]
    assert cancelled == [action.id for action in found.actions("t") if action.item_index in (1, 3)]
    assert {action.state for action in found.actions("t")} == {"SUCCESS", "CANCELLED"}


def test_a_cancelled_item_cancels_although_the_task_waits_after() -> None:
    found = remote("wait-after: 3")
    found.finish("t", state="CANCELLED", item=2)
    assert (found.state, found.task("t").state, open_items(found)) == ("RUNNING", "DELAYED", [])
    found.world.advance(3)
    assert (found.state, found.info) == ("CANCELLED", "Cancelled tasks: t")


# -- concurrency


def test_the_window_is_never_exceeded_and_refilled_in_order() -> None:
    found = remote("concurrency: 2")
    assert open_items(found) == [0, 1]
    found.finish("t", "b", item=1)
    assert open_items(found) == [0, 2]
    found.fail("t", "c", item=2)
    assert open_items(found) == [0, 3]
    found.finish("t", "a", item=0)
    found.finish("t", "d", item=3)
    assert found.output == {"r": ["a", "b", "c", "d"]}
    assert found.task("t").runtime["with_items"]["capacity"] == 2
    assert given(found) == ["a", "b", "c", "d"]


def test_zero_concurrency_is_no_limit() -> None:
    assert open_items(remote("concurrency: <% 0 %>")) == [0, 1, 2, 3]


def test_the_lists_are_evaluated_once() -> None:
    found = run("""
        w:
          vars: {list: [1, 2]}
          tasks:
            t: {with-items: i in <% global(list) %>, concurrency: 1, action: remote}
            g: {action: remote, on-success: {publish: {global: {list: [7, 8, 9]}}}}
    """)
    found.finish("g")
    found.finish("t")
    found.finish("t")
    assert found.state == "SUCCESS"
    assert len(found.actions("t")) == 2


def test_more_items_than_one_decision_starts_take_several() -> None:
    world = World(REMOTE.replace("POLICY", "description: x"), steps=10)
    found = world.start(input={"list": list(range(57))})
    assert len(found.open_actions("t")) == 57
    assert max(len(group) for group in actions_per_decision(found)) <= 10
    for number in reversed(range(57)):
        found.finish("t", number, item=number)
    assert found.output == {"r": list(range(57))}
    assert given(found) == list(range(57))


def actions_per_decision(found: Run) -> list[list[str]]:
    """The ids of the actions made in each decision: ids of one decision share their last part."""
    groups: dict[str, list[str]] = {}
    for action in found.actions("t"):
        groups.setdefault(action.id[-12:], []).append(action.id)
    return list(groups.values())


def test_the_smallest_bound_of_a_decision_still_starts_items() -> None:
    found = World(REMOTE.replace("POLICY", "description: x"), steps=1).start()
    assert open_items(found) == [0, 1, 2, 3]
    assert max(len(group) for group in actions_per_decision(found)) == 1


def test_many_quick_items_take_several_decisions_too() -> None:
    world = World(
        """
        w:
          tasks:
            t: {with-items: "i in <% range(100) %>", action: std.echo output=<% $.i %>, concurrency: 3}
        """,
        steps=8,
    )
    found = world.start()
    assert found.state == "SUCCESS"
    assert found.result("t") == list(range(100))
    assert max(len(group) for group in actions_per_decision(found)) <= 8


# -- pause, policies


def test_no_item_starts_while_paused() -> None:
    found = remote("concurrency: 1")
    found.pause()
    found.finish("t", 1)
    assert (found.state, found.task("t").state, open_items(found)) == ("PAUSED", "RUNNING", [])
    found.resume()
    assert open_items(found) == [1]


def test_the_rest_of_the_items_starts_after_a_pause_in_the_middle_of_starting() -> None:
    world = World(REMOTE.replace("POLICY", "description: x"), steps=3)
    world.auto = False
    found = world.start()
    found.pause()
    world.settle()
    begun = len(found.open_actions("t"))
    assert begun < 4
    found.resume()
    world.settle()
    assert open_items(found) == [0, 1, 2, 3]


def test_retry_repeats_all_items() -> None:
    found = remote("retry: {count: 2, delay: 3}")
    for item in range(4):
        found.finish("t", item, "ERROR" if item == 2 else "SUCCESS", item=item)
    assert found.task("t").state == "DELAYED"
    found.world.advance(3)
    assert open_items(found) == [0, 1, 2, 3]
    for item in range(4):
        found.finish("t", item + 10, item=item)
    assert found.output == {"r": [10, 11, 12, 13]}
    assert len(found.actions("t")) == 8
    assert [action.accepted for action in found.actions("t")] == [False] * 4 + [True] * 4


def test_a_timeout_ends_all_items() -> None:
    found = remote("timeout: 5")
    found.finish("t", 1, item=0)
    found.world.advance(5)
    assert found.task("t").state == "ERROR"
    assert found.output == {"r": [1]}
    assert open_items(found) == []
    assert [action.state for action in found.actions("t")] == ["SUCCESS"] + ["CANCELLED"] * 3
    assert found.state == "SUCCESS"


# -- rerun


def failed(order: str, policy: str = "description: x") -> Run:
    """Items end as the letters say: s(uccess) or e(rror); nothing handles the error."""
    found = run(REMOTE.replace("POLICY", policy).replace("on-error: noop", ""))
    for item, letter in enumerate(order):
        found.finish("t", f"{letter}{item}", "SUCCESS" if letter == "s" else "ERROR", item=item)
    assert found.state == "ERROR"
    return found


@pytest.mark.parametrize("order", ["sses", "esss", "seee", "eses"])
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


# -- sub-workflows


def test_items_of_a_sub_workflow() -> None:
    found = run("""
        w:
          output: {r: <% $.r %>}
          tasks:
            t1:
              with-items: n in <% range(1, 4) %>
              workflow: sq n=<% $.n %>
              publish: {r: <% task().result.sq %>}
        sq:
          input: [n]
          output: {sq: <% $.n * $.n %>}
          tasks: {t: {action: std.noop}}
    """)
    assert found.output == {"r": [1, 4, 9]}
    assert [child.workflow.item_index for child in found.children("t1")] == [0, 1, 2]
    assert [child.workflow.params["index"] for child in found.children("t1")] == [0, 1, 2]


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


def test_a_paused_item_keeps_the_task_paused_while_another_one_ends() -> None:
    found = run("""
        w:
          tasks:
            t: {with-items: "i in [0, 1]", action: std.async_noop}
    """)
    found.update("t", "PAUSED", item=0)
    assert (found.state, found.task("t").state) == ("PAUSED", "PAUSED")
    found.finish("t", item=1, by_user=True)
    assert (found.state, found.task("t").state) == ("PAUSED", "PAUSED")
    found.update("t", "RUNNING", item=0)
    assert (found.state, found.task("t").state) == ("RUNNING", "RUNNING")
    found.finish("t", item=0, by_user=True)
    assert found.state == "SUCCESS"


def test_a_paused_task_says_truly_which_item_holds_it() -> None:
    found = run("""
        w:
          tasks:
            t: {with-items: "i in [0, 1, 2]", action: std.async_noop}
    """)
    ids = [action.id for action in found.open_actions("t")]
    for item in (0, 1):
        found.update("t", "PAUSED", item=item)
    assert found.task("t").cause == {"kind": "child-paused", "id": ids[0]}
    found.update("t", "RUNNING", item=0)
    assert found.task("t").cause == {"kind": "child-paused", "id": ids[1]}
    found.finish("t", item=1, by_user=True)
    assert (found.state, found.task("t").state) == ("PAUSED", "RUNNING")
    found.resume()
    for item in (0, 2):
        found.finish("t", item=item, by_user=True)
    assert found.state == "SUCCESS"
