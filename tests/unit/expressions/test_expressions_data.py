"""What layers may hold, and how their data behaves inside expressions."""

from __future__ import annotations

from collections import OrderedDict, UserDict
from collections.abc import Iterator, Mapping
from datetime import date
from enum import StrEnum
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import pytest
from expressions_world import Need, failure_of, value_of

from maestrale.expressions import template
from maestrale.expressions.surroundings import Scope
from maestrale.model.values import Secret


class Lineage(Mapping[str, Any]):
    """A layer that computes what it is asked for, and asks back for what it does not know."""

    def __init__(self) -> None:
        self.computed: list[str] = []

    def __getitem__(self, name: str) -> Any:
        self.computed.append(name)
        if name == "unknown_yet":
            raise Need(name)
        return {"name": name}

    def __contains__(self, name: object) -> bool:
        return name in ("a", "b", "unknown_yet")

    def __iter__(self) -> Iterator[str]:
        return iter(("a", "b"))

    def __len__(self) -> int:
        return 2


@pytest.mark.parametrize("text", ["<% $.a.name %>", "{{ _.a.name }}", "<% $.get(a).get(name) %>"])
def test_only_what_is_read_is_computed(text: str) -> None:
    layer = Lineage()
    assert template.evaluate(text, Scope([{"x": 1}, layer])) == "a"
    assert layer.computed == ["a"]


@pytest.mark.parametrize(
    "text",
    [
        "<% $.unknown_yet %>",
        "x {{ _.unknown_yet }}",
        "<% let(all => $) -> [1].groupBy($, $, [$[1], $all.unknown_yet]) %>",
    ],
)
def test_needs_of_layers_come_through_unchanged(text: str) -> None:
    with pytest.raises(Need, match="unknown_yet"):
        template.evaluate(text, Scope([Lineage()]))


@pytest.mark.parametrize(
    "stored",
    [
        {"k": [1, 2]},
        OrderedDict(k=[1, 2]),
        MappingProxyType({"k": (1, 2)}),
        UserDict(k=[1, 2]),
        {"k": type("Row", (list,), {})([1, 2])},
        {"k": type("Pair", (tuple,), {})([1, 2])},
    ],
)
def test_maps_and_lists_of_any_make_are_read(stored: Any) -> None:
    assert value_of("<% $.d.k.sum() %>", d=stored) == 3
    assert value_of("{{ _.d.k | sum }}", d=stored) == 3
    assert value_of("<% json_dump($.d) %>", d=stored) == '{\n    "k": [\n        1,\n        2\n    ]\n}'
    assert value_of("{{ _.d.k | list }}", d=stored) == [1, 2]


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("$.a = $.b", True),
        ("$.a != $.c", True),
        ("[$.a, $.b, $.c].distinct().len()", 2),
        ("[$.a].toSet().contains($.b)", True),
        ("$.a in [$.c, $.b]", True),
        ("{$.a => 1}.get($.b)", 1),
        ("$.a = {k => [1, {x => 2}]}", True),
        ("{k => [1, {x => 2}]} = $.a", True),
        ("$.a.k = [1, $.x]", True),
        ("[$.a, $.c].groupBy($, 1).len()", 2),
    ],
)
def test_maps_and_lists_are_compared_and_hashed_by_what_they_hold(expression: str, result: Any) -> None:
    a, b, c = {"k": [1, {"x": 2}]}, {"k": [1, {"x": 2}]}, {"k": [1, {"x": 3}]}
    assert value_of(f"<% {expression} %>", a=a, b=b, c=c, x={"x": 2}) == result


class Color(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("<% $.day %>", "2027-01-02"),
        ("{{ _.day }}", "2027-01-02"),
        ("{{ _.day.year }}", 2027),
        ("<% json_dump($.d) %>", '{\n    "day": "2027-01-02"\n}'),
        ("{{ _.d | tojson }}", '{"day": "2027-01-02"}'),
        ("<% $.color %>", "red"),
        ("x=<% $.color %> <% $.number %> <% [$.number] %>", "x=red 200 [200]"),
    ],
)
def test_values_that_json_does_not_know_leave_as_what_it_knows(text: str, result: Any) -> None:
    day = date(2027, 1, 2)
    found = value_of(text, day=day, d={"day": day}, color=Color.RED, number=HTTPStatus.OK)
    assert found == result
    assert type(found) is type(result)


def test_data_nested_beyond_all_measure_is_an_error() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    assert "nested too deeply" in failure_of("<% $.deep.len() %>", deep=deep)
    assert "nested too deeply" in failure_of("{{ _.deep | length }}", deep=deep)


def test_a_list_of_secrets_is_opened_as_a_whole() -> None:
    assert value_of("<% $.l.len() %>", l=[Secret(1), 2]) == Secret(2)
