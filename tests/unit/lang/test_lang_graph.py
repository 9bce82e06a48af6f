"""The graph of a workflow."""

from __future__ import annotations

import time

from lang_texts import workflow

from maestrale.lang.graph import build_graph
from maestrale.lang.spec import ClauseSpec, TaskSpec, TransitionSpec, WorkflowSpec


def direct(edges: dict[str, list[str]], joins: str = "") -> WorkflowSpec:
    return WorkflowSpec(
        "w",
        tasks={
            name: TaskSpec(
                name,
                join="all" if name in joins.split() else None,
                clauses={"on-success": ClauseSpec(tuple(TransitionSpec(target) for target in targets))},
            )
            for name, targets in edges.items()
        },
    )


def test_neighbours_over_all_clauses_in_the_order_of_the_definition() -> None:
    graph = build_graph(
        workflow("""
task-defaults: {on-error: handler}
tasks:
  a: {on-success: [c, b, noop], on-complete: {c: <% 1 %>}, on-skip: d}
  b: {on-error: [fail]}
  c: {on-success: c}
  d: {on-success: {publish: {branch: {x: 1}}, next: [b]}}
  handler: {action: x}
""")
    )
    assert graph.start_tasks == ("a",)
    assert graph.outbound == {
        "a": ("b", "c", "d", "handler"),
        "b": (),
        "c": ("c", "handler"),
        "d": ("b", "handler"),
        "handler": (),
    }
    assert graph.inbound == {
        "a": (),
        "b": ("a", "d"),
        "c": ("a", "c"),
        "d": ("a",),
        "handler": ("a", "c", "d"),
    }
    assert graph.order == {"a": 0, "b": 1, "c": 2, "d": 3, "handler": 4}


def test_unknown_targets_are_left_out() -> None:
    assert build_graph(direct({"a": ["ghost"]})).outbound == {"a": ()}


def test_joins_downstream_stop_at_the_first_join() -> None:
    graph = build_graph(
        direct(
            {
                "s": ["a", "b"],
                "a": ["j1"],
                "b": ["c", "j2"],
                "c": ["b"],
                "j1": ["d"],
                "d": ["j2"],
                "j2": ["j1"],
            },
            joins="j1 j2",
        )
    )
    assert {name: graph.joins_downstream(name) for name in graph.order} == {
        "s": ("j1", "j2"),
        "a": ("j1",),
        "b": ("j2",),
        "c": ("j2",),
        "j1": ("j2",),
        "d": ("j2",),
        "j2": ("j1",),
    }


def test_without_joins_there_are_none_downstream() -> None:
    assert build_graph(direct({"a": ["b"], "b": []})).joins_downstream("a") == ()


def test_requirements_of_a_reverse_workflow() -> None:
    graph = build_graph(
        workflow("""
type: reverse
tasks:
  d: {requires: [c]}
  a: {action: x}
  b: {requires: [a]}
  c: {requires: [b, a]}
  other: {requires: [a]}
""")
    )
    assert graph.start_tasks == ()
    assert graph.requires["c"] == ("a", "b")
    assert graph.required_by["a"] == ("b", "c", "other")
    assert graph.requirements("c") == ("a", "b", "c")
    assert graph.requirements("d") == ("d", "a", "b", "c")
    assert graph.requirements("a") == ("a",)


def test_ten_thousand_tasks_take_well_under_a_second() -> None:
    count = 10_000
    chain = {f"t{i}": [f"t{i + 1}", "j"] for i in range(count - 1)}
    chain[f"t{count - 1}"] = ["j"]
    chain["j"] = ["k"]
    chain["k"] = []
    spec = direct(chain, joins="j")
    started = time.process_time()
    graph = build_graph(spec)
    assert graph.start_tasks == ("t0",)
    assert all(graph.joins_downstream(name) == ("j",) for name in list(chain)[:count])
    assert time.process_time() - started < 0.8, "measured 0.1 s on a quiet machine"
    assert graph.joins_downstream("t0") is graph.joins_downstream("t9")
