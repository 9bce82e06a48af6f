"""Our views of the data mean to YAQL what the library's own full conversion means."""

from __future__ import annotations

import collections.abc  # noqa: F401 - yaql fails to import unless this was imported before it
import functools
import json
from typing import Any

import pytest
import yaql
from hypothesis import given, settings
from hypothesis import strategies as st
from yaql.language import exceptions

from maestrale.expressions.surroundings import Scope
from maestrale.expressions.template import compile_value
from maestrale.model.errors import EvaluationError

SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "b", "name"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abk"), inner, max_size=3),
    max_leaves=6,
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {"id": st.integers(0, 3), "zone": st.sampled_from("xy")}, optional={"tags": VALUES}
    ),
    max_size=4,
)
DATA = st.fixed_dictionaries(
    {
        "v": VALUES,
        "w": VALUES,
        "l": st.lists(VALUES, max_size=4),
        "m": st.lists(VALUES, max_size=4),
        "d": st.dictionaries(st.sampled_from("abk"), VALUES, max_size=3),
        "e": st.dictionaries(st.sampled_from("abk"), VALUES, max_size=3),
        "rows": ROWS,
    }
)

EXPRESSIONS = [
    "$",
    "$.v",
    "$.v.a",
    "$.v[0]",
    "$.v = $.w",
    "$.l = $.m",
    "$.d = $.e",
    "$.d != $.e",
    "$.l + $.m",
    "$.d + $.e",
    "($.l + $.m)[0]",
    "$.l * 2",
    "$.l.len()",
    "len($.d)",
    "$.l.distinct()",
    "$.l.toSet().len()",
    "set($.l).contains($.v)",
    "$.l.toSet().union($.m.toSet())",
    "$.v in $.l",
    "$.l.contains($.w)",
    "$.l.indexOf($.v)",
    "$.l.first(null)",
    "$.l.last()",
    "$.l[-1]",
    "$.l.reverse()",
    "$.l.skip(1).limit(2)",
    "$.l.flatten()",
    "$.l.zip($.m)",
    "$.l.enumerate(1)",
    "$.l.insert(0, $.v)",
    "$.l.replace(0, $.v)",
    "$.l.toList()",
    "list($.l, $.d)",
    "$.l.any()",
    "$.l.all()",
    "$.l.slice(2)",
    "$.l.splitAt(1)",
    "$.l.append($.d)",
    "$.l.groupBy($)",
    "$.l.where($ = $.v)",
    "$.l.where(isDict($)).select($.keys())",
    "$.l.where(isList($)).select($.len())",
    "$.l.select(isString($))",
    "$.l.toDict(str($))",
    "$.d.keys()",
    "$.d.keys().orderBy($)",
    "$.d.values()",
    "$.d.items()",
    "$.d.items().select($[0])",
    "$.d.get(a)",
    "$.d.get(a, $.v)",
    "$.d[b]",
    "$.d.set(c, $.v)",
    "$.d.set($.e)",
    "$.d.delete(a)",
    "$.d.containsKey(a)",
    "$.d.containsValue($.v)",
    "$.d.mergeWith($.e)",
    "$.d.a.b",
    "dict(x => $.v, y => $.d)",
    "dict($.d.items())",
    "{$.v => 1}",
    "[$.l, $.d]",
    "str($.v)",
    "str($.d)",
    "bool($.v)",
    "isDict($.v)",
    "isList($.v)",
    "isIterable($.v)",
    "coalesce($.v, $.w)",
    "$.rows.id",
    "$.rows.where($.zone = x).select($.id)",
    "$.rows.groupBy($.zone, $.id)",
    "$.rows.groupBy($.zone)",
    "$.rows.orderBy($.id).thenBy($.zone)",
    "$.rows.orderByDescending($.id)",
    "$.rows.distinct($.zone)",
    "$.rows.distinct()",
    "$.rows.toSet().len()",
    "$.rows.toDict($.id, $)",
    "$.rows.id.sum(0)",
    "$.rows.select($.get(tags))",
    "$.rows.selectMany($.get(tags, []))",
    "$.rows.select({id => $.id}).distinct()",
    "$.rows.join($.rows, $1.id = $2.id, [$1.zone, $2.zone])",
    "$.rows.aggregate($1 + $2.id, 0)",
    "let(x => $.d) -> $x.get(a)",
    "let($.rows) -> $.len()",
    "$.rows.takeWhile($.id > 0)",
    "$.rows.indexWhere($.id = 1)",
    "$.get(missing, $.l)",
    "$.missing",
    "$.containsKey(v)",
    "$.keys().len()",
    "$.len()",
]


@functools.cache
def official() -> tuple[Any, Any]:
    options = {"yaql.convertSetsToLists": True}
    return yaql.YaqlFactory().create(options), yaql.create_context()


@functools.cache
def parsed(expression: str) -> Any:
    return official()[0](expression)


def by_the_library(expression: str, data: Any) -> tuple[str, Any]:
    try:
        return "value", parsed(expression).evaluate(data, official()[1].create_child_context())
    except (exceptions.YaqlException, LookupError, TypeError, ValueError, AttributeError, StopIteration):
        return "error", None


def by_us(expression: str, layers: list[dict[str, Any]]) -> tuple[str, Any]:
    try:
        return "value", compile_value(f"<% {expression} %>").evaluate(Scope(layers))
    except EvaluationError:
        return "error", None


def text_keys(value: Any) -> Any:
    if isinstance(value, dict):
        names = {None: "null", True: "true", False: "false"}
        return {
            key
            if isinstance(key, str)
            else names[key]
            if key is None or isinstance(key, bool)
            else str(key): (text_keys(item))
            for key, item in value.items()
        }
    return [text_keys(item) for item in value] if isinstance(value, list) else value


def exact(value: Any) -> str:
    """Tells true from 1 and 1 from 1.0, but not the order of keys."""
    return json.dumps(value, sort_keys=True)


def in_some_order(value: Any) -> Any:
    return sorted(map(repr, value)) if isinstance(value, list) else value


@pytest.mark.parametrize("expression", EXPRESSIONS)
@given(data=DATA)
@settings(max_examples=8, deadline=None)
def test_views_mean_the_same_as_converted_data(expression: str, data: dict[str, Any]) -> None:
    untouched = repr(data)
    kind, expected = by_the_library(expression, data)
    layers = [{key: data[key] for key in "vwl"}, {key: data[key] for key in ("m", "d", "e", "rows")}]
    layers[1]["v"] = "hidden by the first layer"
    assert by_us(expression, layers)[0] == kind
    if kind == "value":
        result, wanted = by_us(expression, layers)[1], text_keys(expected)
        if "toSet().union" in expression:
            result, wanted = in_some_order(result), in_some_order(wanted)
        assert exact(result) == exact(wanted)
    assert repr(data) == untouched
