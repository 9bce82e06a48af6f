"""The two rules of the data flow that an operator may choose."""

from __future__ import annotations

import pytest
from harness import World

from maestrale.engine.decision import DataFlow

BRANCH = """
    w:
      input: [{m: {i: 1, x: from-input}}]
      vars: {m: {v: 1, x: from-vars}}
      output: {m: <% $.m %>, l: <% $.l %>}
      tasks:
        a:
          publish:
            m: {a: 1, x: from-a, deep: {p: 1}}
            l: [1]
            seen: <% $.m %>
          on-success: b
        b:
          publish: {m: {b: 1, deep: {q: 2}}, l: [2]}
"""


def test_a_published_map_replaces_the_one_that_was_there() -> None:
    found = World(BRANCH).start()
    assert found.published("a")["seen"] == {"v": 1, "x": "from-vars"}
    assert found.output == {"m": {"b": 1, "deep": {"q": 2}}, "l": [2]}


@pytest.mark.covers("eng.context.merge_strategy")
def test_maps_of_all_places_may_be_merged() -> None:
    world = World(BRANCH, data_flow=DataFlow(merges_maps=True))
    found = world.start()
    assert found.published("a")["seen"] == {"i": 1, "v": 1, "x": "from-vars"}
    assert found.inbound("b")["m"] == {"a": 1, "x": "from-a", "deep": {"p": 1}}
    assert found.output == {
        "m": {"i": 1, "v": 1, "a": 1, "b": 1, "x": "from-a", "deep": {"p": 1, "q": 2}},
        "l": [2],
    }
    world.check_replay_and_reload()


def test_an_item_is_never_merged_with_a_variable_of_its_name() -> None:
    text = """
        w:
          tasks:
            a: {publish: {i: {x: 1}}, on-success: t}
            t: {with-items: "i in <% [dict(y => 2)] %>", action: remote item=<% $.i %>}
    """
    found = World(text, data_flow=DataFlow(merges_maps=True)).start()
    assert found.actions("t")[0].input == {"item": {"y": 2}}


MEETING = """
    w:
      tasks:
        top: {publish: {v: old, m: {x: old}}, on-success: [changes, keeps]}
        changes: {action: remote, publish: {v: new, m: {x: new, y: 1}}, on-success: changed}
        changed: {action: std.noop, on-success: j}
        keeps: {action: remote, on-success: j}
        j: {join: all}
"""


@pytest.mark.parametrize("last", ["changes", "keeps"])
@pytest.mark.parametrize("versioning", [True, False])
def test_what_was_published_more_often_wins_where_branches_meet(last: str, versioning: bool) -> None:
    world = World(MEETING, data_flow=DataFlow(versioning=versioning))
    found = world.start()
    for name in ("changes", "keeps"):
        if name != last:
            found.finish(name)
    world.advance(1)
    found.finish(last)
    copy_wins = last == "keeps" and not versioning
    new, old = {"v": "new", "m": {"x": "new", "y": 1}}, {"v": "old", "m": {"x": "old", "y": 1}}
    assert found.inbound("j") == (old if copy_wins else new)
    assert found.output == found.inbound("j")
    world.check_replay_and_reload()


def test_without_versions_what_the_branches_published_themselves_beats_copies() -> None:
    text = """
        w:
          tasks:
            top: {publish: {v: old, m: {x: old}}, on-success: [one, two]}
            one: {publish: {v: new, m: {y: 1}}, on-success: j}
            two: {action: remote, on-success: j}
            j: {join: all}
    """
    found = World(text, data_flow=DataFlow(versioning=False)).start()
    found.finish("two")
    assert found.output == {"v": "new", "m": {"x": "old", "y": 1}}
