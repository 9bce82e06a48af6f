"""with-items: which items run, when, in which window, and what becomes of their results."""

from __future__ import annotations

import pytest
from harness import Run, World, run
from item_examples import REMOTE, given, open_items, remote

from maestrale.engine import items
from maestrale.engine.effects import CancelAction


@pytest.mark.covers("dsl.with_items.single")
def test_results_keep_the_order_of_the_items() -> None:
    found = remote()
    for item in (2, 0, 3, 1):
        assert found.state == "RUNNING"
        found.finish("t", item * 10, item=item)
    assert (found.state, found.output) == ("SUCCESS", {"r": [0, 10, 20, 30]})
    assert found.result("t") == [0, 10, 20, 30]
    assert found.task("t").runtime["with_items"] == {"count": 4, "capacity": None}


@pytest.mark.covers("dsl.with_items.multi")
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
@pytest.mark.covers("dsl.with_items.empty")
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


@pytest.mark.covers("dsl.with_items.partial_error")
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
    assert open_items(found) == [1, 3]
    assert not [e for _, e in found.world.effects if isinstance(e, CancelAction)]


def test_items_beside_a_cancelled_one_run_on_and_their_results_are_kept() -> None:
    found = remote("concurrency: 2")
    found.finish("t", state="CANCELLED", item=0)
    found.world.check_replay_and_reload()
    found.world.restart()
    found.finish("t", "late", item=1)
    assert found.states == {"t": "CANCELLED"}
    assert [(a.item_index, a.state, a.output) for a in found.actions("t")] == [
        (0, "CANCELLED", None),
        (1, "SUCCESS", "late"),
    ]
    assert not found.execution.children


def test_sub_workflows_beside_a_cancelled_one_run_on_unobserved() -> None:
    found = run("""
        w:
          tasks:
            t: {with-items: "i in [0, 1]", workflow: inner}
        inner:
          tasks: {a: {action: remote}}
    """)
    first, second = found.children("t")
    first.stop("CANCELLED")
    assert (found.states, found.state) == ({"t": "CANCELLED"}, "CANCELLED")
    assert second.state == "RUNNING"
    found.world.check_replay_and_reload()
    second.finish("a")
    assert second.state == "SUCCESS"
    found.world.check_replay_and_reload()


def test_a_cancelled_item_cancels_although_the_task_waits_after() -> None:
    found = remote("wait-after: 3")
    found.finish("t", state="CANCELLED", item=2)
    assert (found.state, found.task("t").state, open_items(found)) == ("RUNNING", "DELAYED", [0, 1, 3])
    found.world.advance(3)
    assert (found.state, found.info) == ("CANCELLED", "Cancelled tasks: t")


# -- concurrency


@pytest.mark.covers("dsl.with_items.concurrency", "dsl.policy.concurrency")
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


def test_an_executor_gets_a_bounded_number_of_items_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(items, "LOCAL_ITEMS", 10)
    found = run("w: {tasks: {t: {with-items: i in <% range(15).toList() %>, action: remote}}}")
    assert open_items(found) == list(range(10))
    found.finish("t", item=3)
    assert open_items(found) == [0, 1, 2, *range(4, 11)]
    found.world.restart()
    for _ in range(5):
        found.finish("t")
    assert open_items(found) == list(range(6, 15))
    while found.open_actions("t"):
        found.finish("t")
    assert found.state == "SUCCESS"


@pytest.mark.parametrize("kind", ["action: remote.outside", "workflow: inner"])
def test_items_that_wait_elsewhere_are_not_bounded(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(items, "LOCAL_ITEMS", 10)
    found = run(f"""
        w: {{tasks: {{t: {{with-items: i in <% range(15).toList() %>, {kind}}}}}}}
        inner: {{tasks: {{a: {{action: remote.outside}}}}}}
    """)
    assert len(found.execution.children) == 15


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


@pytest.mark.covers("dsl.with_items.retry")
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


def test_items_that_were_still_to_start_when_a_sub_workflow_was_paused_start_after_the_resume() -> None:
    world = World(
        """
        w: {tasks: {t: {with-items: "i in [0, 1, 2]", workflow: inner}}}
        inner: {tasks: {a: {action: remote}}}
        """,
        steps=2,
    )
    world.auto = False
    found = world.start()
    assert len(found.children("t")) == 1
    world.auto = True
    found.pause()
    assert found.states == {"t": "PAUSED"}
    found.resume()
    assert len(found.children("t")) == 3
    assert found.task("t").cause == {"kind": "items"}


# -- sub-workflows


@pytest.mark.covers("dsl.with_items.subworkflow")
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
