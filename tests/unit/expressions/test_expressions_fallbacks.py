"""What is compiled, what falls back to the official library, and that nobody notices."""

from __future__ import annotations

import contextlib
import weakref
from collections import Counter
from typing import Any

import pytest
from expressions_world import Need, World, configured, failure_of, scope, value_of

from maestrale.expressions import template
from maestrale.expressions.fallbacks import Stage, fallback_counts
from maestrale.expressions.options import Options
from maestrale.expressions.surroundings import LazyMap
from maestrale.model.errors import EvaluationError
from maestrale.model.values import Secret, reveal


def fallbacks_of(
    expression: str, options: Options | None = None, **variables: Any
) -> dict[tuple[Stage, str], int]:
    """What is counted while a text is compiled anew and evaluated."""
    before = Counter(fallback_counts())
    with configured(options or Options()):
        value_of(expression, world=World(), **variables)
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
        ("null < 1", True),
        ("word * 2", "wordword"),
        ("{a => 1} + {b => 2}", {"a": 1, "b": 2}),
        ("word =~ 'w.*'", True),
        ("$.rows.where($.id > 1).select({id => $.id})", [{"id": 2}]),
        ("$.rows.join($.rows, $1.id < $2.id, [$1.id, $2.id])", [[1, 2]]),
        ("$.rows.select($.id).sum()", 3),
        ("range(1, stop => 3).toList()", [1, 2]),
        ("switch($.nine > 9 => big, true => small)", "small"),
        ("coalesce($.none, $.nine)", 9),
        ("let(x => $.nine, y => 1) -> $x + $y", 10),
        ("let(1, 2) -> $ + $2", 3),
        ("now() < datetime('2030-01-01')", True),
        ("now().year", 2027),
        ("random()", 0.5),
        ("uuid()", "11111111-2222-4333-8444-555555555555"),
        ("task(t1).result.ip", ["10.0.0.1"]),
        ("task(name => t1).state", "SUCCESS"),
        ("task()", None),
        ("env().region", "north"),
        ("execution().input", {"a": 1}),
        ("global(g)[1]", 2),
        ("json_parse('[1]')[0]", 1),
    ],
)
def test_these_are_evaluated_without_the_library(expression: str, value: Any) -> None:
    data: dict[str, Any] = {
        "a": {"b": [1, {"c": "x"}]},
        "nine": 9,
        "none": None,
        "rows": [{"id": 1}, {"id": 2}],
    }
    assert value_of(f"<% {expression} %>", world=World(), **data) == value
    assert fallbacks_of(f"<% {expression} %>", **data) == {}


@pytest.mark.parametrize(
    ("expression", "counted"),
    [
        ("def(twice, $ * 2) -> twice(1)", "#operator_->"),
        ("call(len, [[1]], {})", "call"),
        ("random() + 1", "random in an expression"),
        ("[uuid()]", "uuid in an expression"),
        ("false and nope(1)", "unknown function"),
        ("false and $.nope()", "unknown method"),
        ("false and (1).(2)", "#operator_."),
        ("false and range(x)", "range"),
    ],
)
def test_what_is_not_compiled_is_counted_once(expression: str, counted: str) -> None:
    before = Counter(fallback_counts())
    with configured(Options()):
        text = template.compile_value(f"<% {expression} %>")
        assert text.evaluate(scope(world=World())) == text.evaluate(scope(world=World()))
    assert dict(Counter(fallback_counts()) - before) == {("compile", counted): 1}


def test_large_values_are_the_library_s_to_measure() -> None:
    options = Options(memory_quota=100_000)
    large = "x" * 1000
    assert fallbacks_of("<% $.text %>", options, text=large) == {("run", "large value"): 1}
    assert fallbacks_of("<% $.list.len() %>", options, list=[1] * 1000) == {("run", "large value"): 1}
    assert fallbacks_of("<% $.text + y %>", options, text="x" * 390) == {("run", "large value"): 1}
    assert fallbacks_of("<% $.text %>", options, text="x" * 390) == {}


def test_drawn_numbers_are_drawn_once() -> None:
    class Dice(World):
        draws = 0

        def random(self) -> float:
            self.draws += 1
            return 0.5

    for expression in ("random()", "random(1, 6)", "random() + 1", "random() + 'a'", "[random()].nope()"):
        dice = Dice()
        with contextlib.suppress(EvaluationError):
            value_of(f"<% {expression} %>", world=dice)
        assert dice.draws == 1


def test_functions_of_the_installation_are_called_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(template, "_languages", template._languages)
    template.register_functions({"ring": lambda context: calls.append(context)})
    assert "'+'" in failure_of("<% ring() + 1 %>")
    assert len(calls) == 1


def test_options_that_change_the_meaning_of_operators_switch_compiling_off() -> None:
    for options in (Options(iterable_dicts=True), Options(allow_delegates=True), Options(memory_quota=2000)):
        before = fallback_counts().get(("compile", "another language"), 0)
        with configured(options):
            assert value_of("<% $.a %>", a=1) == 1
        assert fallback_counts()[("compile", "another language")] == before + 1


def test_functions_that_replace_the_library_s_switch_compiling_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template, "_languages", template._languages)
    template.register_functions({"str": lambda _context, value: f"<{value}>"})
    assert value_of("<% $.l.join('-') %>", l=[1, "a"]) == "<1>-<a>"


def test_a_call_keeps_no_value_of_an_evaluation() -> None:
    class Row(dict[str, Any]):
        """A map that can be seen to go."""

    row = Row(a=1)
    gone = weakref.ref(row)
    text = template.compile_value("<% $.row.get(a) + $.row.keys().len() + [$.row].select($.a).first() %>")
    assert text.evaluate(scope(row=row)) == 3
    del row
    assert gone() is None


def test_errors_are_the_library_s() -> None:
    assert "no variable 'nope'" in failure_of("<% $.nope %>", a=1)
    assert "operator '+' cannot take a number and a text" in failure_of("<% $.a + x %>", a=1)
    assert "the index is out of range" in failure_of("<% $.a[3] %>", a=[1])
    assert "the value before '.b' is a number, not a map" in failure_of("<% $.a.b %>", a=1)


def test_a_function_that_finds_nothing_ends_the_evaluation_not_the_iteration_around_it() -> None:
    assert "the collection is empty" in failure_of("<% $.l.select($.first()) %>", l=[[1], [], [2]])
    assert "the collection is empty" in failure_of("<% $.l.where($.last() > 0).len() %>", l=[[1], [], [2]])


def test_limits_hold() -> None:
    with configured(Options(limit_iterators=3)):
        assert value_of("<% $.l.id %>", l=[{"id": 1}] * 3) == [1, 1, 1]
        assert "Collection length exceeds 3" in failure_of("<% $.l.id %>", l=[{"id": 1}] * 4)
        assert "Collection length exceeds 3" in failure_of("<% 1 in $.l %>", l=[1] * 4)
    with configured(Options(memory_quota=100_000, max_integer_bits=-1)):
        assert value_of("<% $.t + a %>", t="x" * 50_000) == "x" * 50_000 + "a"
        assert "memory" in failure_of("<% $.t + $.t %>", t="x" * 60_000).lower()
        assert "memory" in failure_of("<% $.t %>", t="x" * 110_000).lower()
        assert "memory" in failure_of("<% generate(2, true, $ * $).last() %>").lower()
        assert "memory" in failure_of("<% pow(2, 1000000) %>").lower()
        assert "memory" in failure_of("<% [pow(2, 500000), pow(2, 500000)].len() %>").lower()
        assert "memory" in failure_of("<% 'xyz' * 40000 %>").lower()
        assert value_of("<% pow(2, 3000) * pow(2, 3000) %>") == 2**6000


def test_secrets_stay_secret_when_the_library_begins_again() -> None:
    large = "x" * 1000
    data: dict[str, Any] = {
        "text": large,
        "secret": Secret(large),
        "login": Secret({"name": large, "age": 1}),
        "list": [Secret({"name": large})],
    }
    for expression in ("$.secret", "$.login.name", "$.list.name", "str($.login.age) + $.text"):
        with configured(Options(memory_quota=100_000)):
            before = Counter(fallback_counts())
            result = value_of(f"<% {expression} %>", **data)
            assert type(result) is Secret
            assert large in reveal(result)
            assert dict(Counter(fallback_counts()) - before) == {("run", "large value"): 1}


def test_needs_of_layers_pass_through() -> None:
    def work_out() -> Any:
        raise Need("later")

    layers: dict[str, Any] = {"lazy": LazyMap({"now": 1, "later": None}, {"later": work_out})}
    assert value_of("<% $.lazy.now %>", **layers) == 1
    before = fallback_counts()
    for expression in (
        "$.lazy.later",
        "$.lazy.later + 1",
        "$.lazy",
        "$.lazy.values()",
        "[1].select($__env.later)",
        "task(elsewhere)",
        "[1, 2].where(task(elsewhere) = $)",
        "coalesce(task(elsewhere), 1)",
    ):
        with pytest.raises(Need, match=r"later|elsewhere"):
            value_of(f"<% {expression} %>", **layers, __env=layers["lazy"], world=World())
    assert fallback_counts() == before
