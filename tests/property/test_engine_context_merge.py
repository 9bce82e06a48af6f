"""Contexts against the plain definition: copies of whole maps, and a counter for every leaf."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from maestrale.engine.context import EMPTY, Context, merge
from maestrale.engine.overlay import Overlay

KEYS = st.sampled_from("abc")
VALUES = st.recursive(
    st.integers(0, 3) | st.none(),
    lambda inner: st.dictionaries(KEYS, inner, max_size=3) | st.lists(inner, max_size=2),
    max_leaves=5,
)
PUBLISHED = st.dictionaries(KEYS, VALUES, max_size=3)
BRANCHES = st.lists(st.lists(PUBLISHED, max_size=4), min_size=1, max_size=4)


class Plain(NamedTuple):
    """The definition: a map of variables, and how often each leaf path was published."""

    values: dict[str, Any]
    versions: dict[str, int]

    def publish(self, published: dict[str, Any]) -> Plain:
        versions = dict(self.versions)
        for path in _paths(published):
            versions[path] = versions.get(path, 0) + 1
        return Plain({**self.values, **copy.deepcopy(published)}, versions)

    def merge(self, other: Plain) -> Plain:
        paths = {*self.versions, *other.versions}
        versions = {path: max(self.versions.get(path, 0), other.versions.get(path, 0)) for path in paths}
        return Plain(_merged(self, other, self.values, other.values, ""), versions)


def _paths(values: dict[str, Any], prefix: str = "") -> list[str]:
    found = []
    for key, value in values.items():
        nested = isinstance(value, dict) and value
        found += _paths(value, f"{prefix}{key}.") if nested else [f"{prefix}{key}"]
    return found


def _merged(
    one: Plain, two: Plain, left: dict[str, Any], right: dict[str, Any], prefix: str
) -> dict[str, Any]:
    merged = {}
    for key in {**left, **right}:
        path = f"{prefix}{key}"
        if key not in right or key not in left:
            merged[key] = left.get(key, right.get(key))
        elif isinstance(left[key], dict) and isinstance(right[key], dict):
            merged[key] = _merged(one, two, left[key], right[key], f"{path}.")
        else:
            later = two.versions.get(path, 0) >= one.versions.get(path, 0)
            merged[key] = right[key] if later else left[key]
    return merged


def _branch(top: list[dict[str, Any]], own: list[dict[str, Any]]) -> tuple[Context, Plain]:
    context, plain = EMPTY, Plain({}, {})
    for published in [*top, *own]:
        context, plain = context.publish(published), plain.publish(published)
    return context, plain


@given(top=st.lists(PUBLISHED, max_size=4), branches=BRANCHES, after=st.lists(PUBLISHED, max_size=3))
@settings(max_examples=80, deadline=None)
def test_layers_mean_what_copies_mean(
    top: list[dict[str, Any]], branches: list[list[dict[str, Any]]], after: list[dict[str, Any]]
) -> None:
    pairs = [_branch(top, own) for own in branches]
    before = [copy.deepcopy(context.flat()) for context, _ in pairs]
    merged = merge([context for context, _ in pairs])
    plain = pairs[0][1]
    for _, other in pairs[1:]:
        plain = plain.merge(other)
    for published in after:
        merged, plain = merged.publish(published), plain.publish(published)
    assert merged.flat() == dict(merged) == plain.values
    assert merged.flat_versions() == plain.versions
    assert [context.flat() for context, _ in pairs] == before


CHANGES = st.lists(
    st.tuples(st.sampled_from(["set", "remove", "clear", "apply"]), st.integers(0, 4), st.integers(0, 2)),
    max_size=20,
)


@given(base=st.dictionaries(st.integers(0, 4), st.integers(0, 2), max_size=5), changes=CHANGES)
@settings(max_examples=60, deadline=None)
def test_an_overlay_means_what_a_copy_means(
    base: dict[int, int], changes: list[tuple[str, int, int]]
) -> None:
    committed, wanted = dict(base), dict(base)
    overlay = Overlay(base)
    for kind, key, value in changes:
        if kind == "set":
            overlay[key] = wanted[key] = value
        elif kind == "remove":
            overlay.remove(key)
            wanted.pop(key, None)
        elif kind == "clear":
            overlay.clear()
            wanted.clear()
        else:
            overlay.apply()
            committed = dict(wanted)
        assert base == committed
        assert dict(overlay.items()) == wanted
        assert sorted(overlay) == sorted(wanted)
        assert len(overlay) == len(wanted)
        assert all((key in overlay, overlay.get(key)) == (key in wanted, wanted.get(key)) for key in range(5))
