"""What is compiled, what falls back to the official library, and that nobody notices."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from expressions_world import Need, World, configured, failure_of, scope, value_of

from maestrale.expressions import template
from maestrale.expressions.fallbacks import Stage, fallback_counts
from maestrale.expressions.options import Options
from maestrale.expressions.surroundings import LazyMap
from maestrale.model.values import Secret


def fallbacks_of(text: str, **variables: Any) -> dict[tuple[Stage, str], int]:
    """What is counted while a text is compiled anew and evaluated."""
    before = Counter(fallback_counts())
    with configured(Options()):
        value_of(text, **variables)
    return dict(Counter(fallback_counts()) - before)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1", 1),
        ("word", "word"),
        ("'a b'", "a b"),
        ("null", None),
        ("$.a", {"b": [1, {"c": "x"}]}),
        ("$.a.b", [1, {"c": "x"}]),
        ("$.a.b[1].c", "x"),
        ("$.a[b][-1]", {"c": "x"}),
        ("$.rows.id", [1, 2]),
        ("$.none?.a", None),
        ("$.nine + 1", 10),
        ("$.nine / 2", 4),
        ("$.nine / 2.0", 4.5),
        ("$.nine mod 4 - 2 * 3", -5),
        ("-$.nine", -9),
        ("'a' + b", "ab"),
        ("$.a.b + $.a.b", [1, {"c": "x"}, 1, {"c": "x"}]),
        ("$.nine > 3 and not ($.nine >= 10)", True),
        ("$.none or word", "word"),
        ("$.a = $.a", True),
        ("word != $.nine", True),
        ("1 in $.a.b", True),
        ("'or' in word", True),
        ("$.none = $unknown", True),
        ("$__env", None),
    ],
)
def test_these_are_evaluated_without_the_library(expression: str, value: Any) -> None:
    data: dict[str, Any] = {
        "a": {"b": [1, {"c": "x"}]},
        "nine": 9,
        "none": None,
        "rows": [{"id": 1}, {"id": 2}],
    }
    assert value_of(f"<% {expression} %>", **data) == value
    assert fallbacks_of(f"<% {expression} %>", **data) == {}


@pytest.mark.parametrize(
    ("expression", "counted"),
    [
        ("$.word * 2", ("run", "operator *")),
        ("$.set + $.list", ("run", "operator +")),
        ("true in $.set", ("run", "operator in")),
        ("$.list[true]", ("run", "index")),
        ("null < 1", ("run", "operator <")),
    ],
)
def test_unusual_values_are_left_to_the_library(expression: str, counted: tuple[str, str]) -> None:
    data: dict[str, Any] = {"word": "ab", "list": [1, 2], "set": frozenset({True})}
    assert fallbacks_of(f"<% {expression} %>", **data) == {counted: 1}


def test_an_expression_that_cannot_be_compiled_is_counted_once() -> None:
    before = Counter(fallback_counts())
    with configured(Options()):
        text = template.compile_value("<% let(a => 1) -> $a %>")
        assert [text.evaluate(scope()), text.evaluate(scope())] == [1, 1]
    assert list((Counter(fallback_counts()) - before).values()) == [1]


def test_options_that_change_the_meaning_of_operators_switch_compiling_off() -> None:
    for options in (Options(iterable_dicts=True), Options(allow_delegates=True), Options(memory_quota=2000)):
        before = fallback_counts().get(("compile", "options"), 0)
        with configured(options):
            assert value_of("<% $.a %>", a=1) == 1
        assert fallback_counts()[("compile", "options")] == before + 1


def test_errors_are_the_library_s() -> None:
    assert "no variable 'nope'" in failure_of("<% $.nope %>", a=1)
    assert "operator '+' cannot take values of these types" in failure_of("<% $.a + x %>", a=1)
    assert "the index is out of range" in failure_of("<% $.a[3] %>", a=[1])
    assert "the value before '.b' is not a map" in failure_of("<% $.a.b %>", a=1)


def test_limits_hold() -> None:
    with configured(Options(limit_iterators=3)):
        assert value_of("<% $.l.id %>", l=[{"id": 1}] * 3) == [1, 1, 1]
        assert "Collection length exceeds 3" in failure_of("<% $.l.id %>", l=[{"id": 1}] * 4)
        assert "Collection length exceeds 3" in failure_of("<% 1 in $.l %>", l=[1] * 4)
    with configured(Options(memory_quota=100_000)):
        assert value_of("<% $.t + a %>", t="x" * 50_000) == "x" * 50_000 + "a"
        assert "memory" in failure_of("<% $.t + $.t %>", t="x" * 60_000).lower()
        assert "memory" in failure_of("<% $.t %>", t="x" * 110_000).lower()


def test_secrets_stay_secret_when_the_library_begins_again() -> None:
    data: dict[str, Any] = {
        "login": Secret({"age": 1}),
        "list": [Secret({"age": 2})],
        "map": {"a": Secret(1)},
    }
    for expression in ("$.login.age < null", "$.list.age + []", "$.map.a > null", "$.login + $.login"):
        assert list(fallbacks_of(f"<% {expression} %>", **data).values()) == [1]
        assert type(value_of(f"<% {expression} %>", **data)) is Secret
    assert value_of("<% false and $.login %>", **data) is False
    assert value_of("<% $.map %>", **data) == {"a": Secret(1)}
    assert type(value_of("<% $.login.age %> and <% 1 < null %>", **data)) is Secret


def test_needs_of_layers_pass_through() -> None:
    def work_out() -> Any:
        raise Need("later")

    layers: dict[str, Any] = {"lazy": LazyMap({"now": 1, "later": None}, {"later": work_out})}
    assert value_of("<% $.lazy.now %>", **layers) == 1
    before = fallback_counts()
    for expression in ("$.lazy.later", "$.lazy.later + 1", "$.lazy"):
        with pytest.raises(Need, match="later"):
            value_of(f"<% {expression} %>", **layers, world=World())
    assert fallback_counts() == before
