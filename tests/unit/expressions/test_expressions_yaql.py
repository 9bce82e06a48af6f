from __future__ import annotations

from typing import Any

import pytest
from expressions_world import World, configured, failure_of, value_of

from maestrale.expressions.options import Options

VMS = [
    {"name": "x", "ram": 2, "zone": "a"},
    {"name": "y", "ram": 8, "zone": "b"},
    {"name": "z", "ram": 4, "zone": "a"},
]


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("$.vms.select($.name)", ["x", "y", "z"]),
        ("$.vms.name", ["x", "y", "z"]),
        ("$.vms.where($.ram >= 4).select($.name)", ["y", "z"]),
        ("$.vms.orderByDescending($.ram).select($.ram)", [8, 4, 2]),
        ("$.vms.first().name", "x"),
        ("$.vms.where($.ram > 100).first(null)", None),
        ("$.vms.ram.sum()", 14),
        ("$.vms.any($.ram = 2)", True),
        ("$.vms.zone.distinct()", ["a", "b"]),
        ("$.vms.groupBy($.zone, $.name).orderBy($[0])", [["a", ["x", "z"]], ["b", ["y"]]]),
        ("$.vms.toDict($.name, $.ram)", {"x": 2, "y": 8, "z": 4}),
        ("$.vms[2].name", "z"),
        ("a in $.vms.zone", True),
        ("$.vms.name.enumerate(1)", [[1, "x"], [2, "y"], [3, "z"]]),
        ("$.vms.distinct($.zone).len()", 2),
        ("let(a => 2, b => 3) -> $a * $b", 6),
        ("switch($.n < 5 => low, $.n < 10 => mid, true => high)", "mid"),
        ("selectCase($.n > 10, $.n > 5).switchCase(a, b, c)", "b"),
        ("coalesce(null, null, 3)", 3),
        ("7 / 2", 3),
        ("-7 mod 3", 2),
        ("null?.x", None),
        ("abc", "abc"),
        ("'{0}'.replace('{0}', a)", "a"),
        ("regex('(b+)').search('abbc')", "bb"),
        ("def(twice, $ * 2) -> twice($.n)", 14),
        ("$.get(missing)", None),
        ("$.vms[0].get(missing, default)", "default"),
        ("$.dates", "2027-01-02"),
        ("$unknown_context_variable", None),
    ],
)
def test_expressions(expression: str, result: Any) -> None:
    assert value_of(f"<% {expression} %>", vms=VMS, n=7, dates="2027-01-02") == result


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("$__env.region", "north"),
        ("$__execution.id", "e"),
        ("$__task_execution.name", "t"),
        ("$.vms.select($__env.region)", ["north", "north", "north"]),
        ("$.get('__env').region", "north"),
    ],
)
def test_context_variables(expression: str, result: Any) -> None:
    layers = ({"__env": {"region": "north"}}, {"__execution": {"id": "e"}, "__task_execution": {"name": "t"}})
    assert value_of(f"<% {expression} %>", *layers, vms=VMS) == result


def test_context_variables_are_null_where_there_are_none() -> None:
    assert value_of("<% $__env %>") is None


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("now()", "2027-01-15T12:00:00.000000"),
        ("now(timespan(hours => 2))", "2027-01-15T14:00:00.000000+02:00"),
        ("now().year", 2027),
        ("now() - datetime(2027, 1, 15) = timespan(hours => 12)", True),
        ("now(localtz()) = now(utctz())", True),
        ("random()", 0.5),
        ("random(1, 6)", 4),
        ("random(from => 3, to => 3)", 3),
        ("datetime('10:30')", "2027-01-15T10:30:00.000000"),
        ("datetime('2026-02-03 04:05')", "2026-02-03T04:05:00.000000"),
        ("datetime('03/02/26', '%d/%m/%y')", "2026-02-03T00:00:00.000000"),
        ("datetime('2026-02-03T04:05:06+03:00')", "2026-02-03T04:05:06.000000+03:00"),
        ("uuid()", "11111111-2222-4333-8444-555555555555"),
    ],
)
def test_clock_and_dice_come_from_the_surroundings(expression: str, result: Any) -> None:
    assert value_of(f"<% {expression} %>", world=World()) == result


def test_a_complete_date_needs_no_clock() -> None:
    assert value_of("<% datetime('2026-02-03') %>") == "2026-02-03T00:00:00.000000"
    assert "datetime() is not available here" in failure_of("<% datetime('10:30') %>")


@pytest.mark.parametrize(
    ("expression", "cause"),
    [
        ("$.vm_idd", "no variable 'vm_idd'; did you mean 'vm_id'?; available: n, vm_id, vms"),
        ("$.vms[0].nam", "no key 'nam'; did you mean 'name'?; available: name, ram, zone"),
        ("{a => 1}.b", "no key 'b'"),
        ("$.n.x", """Unknown function "#property#x": the value before '.x' is a number, not a map"""),
        ("$.vms[9]", "the index is out of range"),
        ("[].first()", "the collection is empty"),
        ("[[]].select($.first())", "the collection is empty"),
        ("$.vms.single()", "Collection contains more than one item"),
        ("'a' + 1", "operator '+' cannot take a text and a number; str(value) makes a text of a number"),
        ("-a", "operator '-' cannot take a text; a bare word is a text: write $.a for the variable"),
        ("$.n[0]", "a number has no elements to read with [ ]"),
        ("jsn_parse(1)", "unknown function 'jsn_parse'; did you mean 'json_parse'?"),
        ("$.n.selectt($)", "unknown method 'selectt'; did you mean 'select'?"),
        ("$.n.toUpper()", "a number has no method 'toUpper'"),
        ("range(a)", "function 'range' cannot take a text; write range(stop) or range(start, stop, [step])"),
        ("int(abc)", "int(): the text is no whole number"),
        ("1 / 0", "integer division or modulo by zero"),
        ("assert(1, $ > 1)", "'assert' exists, but not as a function: write value.assert()"),
        ("1.range()", "'range' exists, but not as a method: write range()"),
        ("1.assert($ > 1, 'too small')", "too small"),
        ("random(2, 1)", "random(): there is no number from 2 to 1"),
        ("$.vms.select($.nam)", "no key 'nam'; did you mean 'name'?; available: name, ram, zone"),
        ("let(a => 1)", "the result holds an object of type 'Context', which is no data"),
        ("{[1] => 2}", "a key of a map must be text, not tuple"),
        ("'x'.format(1)", "a text has no method 'format'"),
    ],
)
def test_causes_are_told_in_words(expression: str, cause: str) -> None:
    message = failure_of(f"some text <% {expression} %>", vms=VMS, n=7, vm_id="secret-free", __internal=1)
    assert message.startswith(f"Can not evaluate YAQL expression [expression={expression}, error={cause}]")


def test_messages_show_names_but_no_values() -> None:
    data = {"token": "do-not-show", "list": ["do-not-show"]}
    for expression in (
        "$.tokn",
        "$.nope()",
        "$.list.nope()",
        "$.list + 1",
        "$.list.token",
        "$.list[0].x",
        "$.x.y",
    ):
        assert "do-not-show" not in failure_of(f"<% {expression} %>", data)


def test_long_lists_of_names_are_cut() -> None:
    message = failure_of("<% $.nothing_alike %>", {f"v{number:02}": 1 for number in range(30)})
    assert "v19, ... (30 in all)" in message
    assert "v20" not in message


def test_an_empty_scope_says_so() -> None:
    assert "no variable 'x'; there are none" in failure_of("<% $.x %>")


def test_long_causes_and_expressions_are_cut() -> None:
    message = failure_of(f"<% int('{'x' * 5000}') %>")
    assert len(message) < 2000


@pytest.mark.covers("expr.yaql.options")
def test_iterators_are_limited() -> None:
    with configured(Options(limit_iterators=3)):
        assert value_of("<% range(3) %>") == [0, 1, 2]
        assert "more than 3 items" in failure_of("<% range(4) %>")
        assert "exceeds 3 elements" in failure_of("<% $.l.where(true).len() %>", l=[1, 2, 3, 4])
    assert "more than 100000 items" in failure_of("<% sequence() %>")
    with configured(Options(limit_iterators=-1)):
        assert len(value_of("<% range(100002) %>")) == 100_002


def test_memory_is_limited() -> None:
    with configured(Options(memory_quota=1000)):
        assert "too much memory" in failure_of("<% a * 10000 %>")


def test_options_of_the_language() -> None:
    with configured(Options(convert_tuples_to_lists=False, convert_sets_to_lists=True)):
        assert value_of("<% [1] %> <% set(b, a) %>") == "(1,) ['a', 'b']"
        assert value_of("<% [1] %>") == [1]
    with configured(Options(iterable_dicts=True)):
        assert value_of("<% $.d.select($ + '!') %>", d={"a": 1}) == ["a!"]
    with configured(Options(keyword_operator=":")):
        assert value_of("<% {a: 1} %>") == {"a": 1}
    with configured(Options(allow_delegates=True)):
        assert value_of("<% let(f => lambda($ * 2)) -> $f(4) %>") == 8
    assert "unknown function 'lambda'" in failure_of("<% lambda($) %>")
