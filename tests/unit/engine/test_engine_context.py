"""Branch variables: layers, versions, and what wins where branches meet."""

from __future__ import annotations

from typing import Any

import pytest

from maestrale.engine.context import EMPTY, Context, leaf_paths, merge, merge_maps


def branch(*published: dict[str, Any]) -> Context:
    context = EMPTY
    for values in published:
        context = context.publish(values)
    return context


def test_a_context_is_a_map_of_what_was_published_last() -> None:
    context = branch({"a": 1, "b": 1}, {"b": 2}, {"c": None})
    assert dict(context) == context.flat() == {"a": 1, "b": 2, "c": None}
    assert len(context) == 3
    assert "c" in context
    assert "d" not in context
    assert context["c"] is None
    with pytest.raises(KeyError):
        context["d"]
    assert sorted(context) == ["a", "b", "c"]


def test_publishing_leaves_the_context_it_began_from_alone() -> None:
    first = branch({"a": 1})
    second = first.publish({"a": 2})
    assert (first.flat(), second.flat()) == ({"a": 1}, {"a": 2})
    assert first.publish(None) is first
    assert first.publish({}) is first


def test_versions_count_publications_of_every_leaf() -> None:
    context = branch({"m": {"a": 1, "b": {"c": 1}}}, {"m": {"a": 2}}, {"l": [1], "e": {}})
    assert context.flat_versions() == {"m.a": 2, "m.b.c": 1, "l": 1, "e": 1}
    assert context.version("m.a") == 2
    assert context.version("nothing") == 0
    assert context.flat()["m"] == {"a": 2}


def test_leaf_paths() -> None:
    assert list(leaf_paths({"a": {"b": 1, "c": {"d": []}}, "e": {}, "f": None})) == ["a.b", "a.c.d", "e", "f"]


def test_layers_stay_few_however_long_the_branch() -> None:
    context = EMPTY
    for number in range(1000):
        context = context.publish({f"v{number}": number})
    assert len(context._layers) <= 11
    assert len(context) == 1000
    assert (context["v0"], context["v999"]) == (0, 999)
    assert context.steps == 1000
    assert context.checkpoint().steps == 0
    assert context.checkpoint().flat() == context.flat()


def test_a_loop_that_changes_one_variable_keeps_one_layer() -> None:
    context = branch(*({"n": number} for number in range(100)))
    assert context.flat() == {"n": 99}
    assert context.version("n") == 100
    assert len(context._layers) == 1


def test_merging_nothing_or_the_same_costs_nothing() -> None:
    context = branch({"a": 1})
    assert merge([]) is EMPTY
    assert merge([context]) is context
    assert merge([context, context]) is context


def test_the_higher_version_wins_in_any_order() -> None:
    top = branch({"v": 0})
    changed, kept = top.publish({"v": 1}), top.publish({"other": 1})
    for contexts in ([changed, kept], [kept, changed]):
        assert merge(contexts).flat() == {"v": 1, "other": 1}
        assert merge(contexts).version("v") == 2


def test_of_equal_versions_the_later_wins() -> None:
    one, two = branch({"v": 1, "m": {"x": 1}}), branch({"v": 2, "m": {"x": 2}})
    assert merge([one, two]).flat() == {"v": 2, "m": {"x": 2}}
    assert merge([two, one]).flat() == {"v": 1, "m": {"x": 1}}


def test_maps_are_merged_deeply_and_leaf_by_leaf() -> None:
    top = branch({"m": {"a": 0, "b": 0}, "l": [0]})
    left = top.publish({"m": {"a": 1, "left": {"x": 1}}, "l": [1, 2]})
    right = top.publish({"m": {"b": 1, "left": {"y": 1}}})
    merged = merge([left, right]).flat()
    assert merged == {"m": {"a": 1, "b": 1, "left": {"x": 1, "y": 1}}, "l": [1, 2]}
    assert left.flat()["m"] == {"a": 1, "left": {"x": 1}}
    assert right.flat()["m"] == {"b": 1, "left": {"y": 1}}


def test_a_map_against_something_else_is_decided_by_version() -> None:
    one, two = branch({"v": {"x": 1}}), branch({"v": 0}, {"v": 5})
    assert merge([one, two]).flat() == {"v": 5}
    assert merge([two, one]).flat() == {"v": 5}


def test_a_merged_context_goes_on_counting() -> None:
    merged = merge([branch({"v": 1}, {"v": 2}), branch({"w": 1})])
    assert merged.publish({"v": 3}).version("v") == 3
    assert merged.steps == 3


def test_merge_maps_lays_the_right_over_the_left() -> None:
    left, right = {"a": {"x": 1, "y": 1}, "b": 1, "c": {"k": 1}}, {"a": {"y": 2}, "b": {"z": 1}, "c": 3}
    assert merge_maps(left, right) == {"a": {"x": 1, "y": 2}, "b": {"z": 1}, "c": 3}
    assert left == {"a": {"x": 1, "y": 1}, "b": 1, "c": {"k": 1}}
