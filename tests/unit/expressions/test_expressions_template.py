from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from expressions_world import World, configured, failure_of, scope, value_of

from maestrale.expressions import template
from maestrale.expressions.options import Options
from maestrale.expressions.surroundings import Scope
from maestrale.expressions.template import (
    SyntaxProblem,
    check_syntax,
    compile_value,
    contains_expression,
    warm_up,
)

D = {"a": "A", "b": 2, "l": [1, "two"], "n": 5}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("<% $.d.b %>", 2),
        ("<%$.d.b%>", 2),
        ("<%     $.d.a     %>", "A"),
        ("<% 1\n+ 2 %>", 3),
        ("<% [1, 2, 3].where(\n$ > 1\n).sum() %>", 5),
        ("<% null %>", None),
        ("<% 1.50 %>", 1.5),
        ("<% $.d.l %>", [1, "two"]),
        (" <% $.d.b %>", " 2"),
        ("<% $.d.b %>\n", "2\n"),
        ("<% $.d.a %> and <% $.d.b %>", "A and 2"),
        ("<% $.d.a %><% $.d.a %>", "AA"),
        ("flag=<% true %>", "flag=True"),
        ("value=<% null %>", "value=None"),
        ("list=<% [1, 'x'] %>", "list=[1, 'x']"),
        ("dict=<% {k => 1} %>", "dict={'k': 1}"),
        ("f=<% 1.50 %>", "f=1.5"),
        ("stored=<% $.d.l %>", "stored=[1, 'two']"),
        ("100% <sure>", "100% <sure>"),
        ('<% "it\'s" %>', "it's"),
        ("<% '%>' %>", "%>"),
        ("line one <% $.d.a %>\nline two <% $.d.b %>\n", "line one A\nline two 2\n"),
        ("{{ _.d.n + 1 }}", 6),
        ("n={{ _.d.n }}", "n=5"),
        ("{{ _.d.l }}", [1, "two"]),
        ("l={{ _.d.l }}", "l=[1, 'two']"),
        ("d={{ {'a': _.d.l} }}", "d={'a': [1, 'two']}"),
        ("{{ none }}", None),
        ("{{ none }}!", "None!"),
        ("is {{ true }}", "is True"),
        ("{{ _.d.n > 3 }}", True),
        ("{{ {'a': [1]} }}", {"a": [1]}),
        ('{{ {"a": {"b": 1}} }}', {"a": {"b": 1}}),
        ('{{ {"a": 1}}}', {"a": 1}),
        ("{{- _.d.n -}}", 5),
        ("{{ _.d.n }}{{ _.d.n }}", "55"),
        (" {{ _.d.n }}", " 5"),
        ("{{ 1 }}\n", "1"),
        ("{{ '}}' }}", "}}"),
        ("{{ 1\n+ 2 }}", 3),
        ("{{ 'one\ntwo' }}", "{{ 'one\ntwo' }}"),
        ("{{ 'x' ~ 1 ~ none }}", "x1None"),
        ("{% if _.d.n == 5 %}yes{% else %}no{% endif %}", "yes"),
        ("{% for x in _.d.l %}\n{{ x }}\n{% endfor %}", "1\ntwo\n"),
        ("{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
        ("{# nothing #}", "{# nothing #}"),
        ("{# gone #}{{ 1 }}", "1"),
        ("<% $.d.a %> {{ _.d.a }}", "<% $.d.a %> A"),
    ],
)
def test_result_rules(text: str, result: Any) -> None:
    found = value_of(text, d=D)
    assert found == result
    assert type(found) is type(result)


@pytest.mark.parametrize("text", ["<% range(3) %>", "{{ range(3) }}", "{{ [0, 1, 2] | map('int') }}"])
def test_iterators_become_lists(text: str) -> None:
    assert value_of(text) == [0, 1, 2]


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("<% $.d.keys() %>", ["b", "a"]),
        ("<% $.d.values() %>", [2, [1]]),
        ("<% $.d.items() %>", [["b", 2], ["a", [1]]]),
        ("<% set(c, a, b) %>", ["a", "b", "c"]),
        ("<% set(1, x, null) %>", [None, 1, "x"]),
        ("<% {2 => a, true => b, null => c, 1.5 => d} %>", {"2": "a", "true": "b", "null": "c", "1.5": "d"}),
        ("<% datetime(2027, 1, 2, 3, 4, 5) %>", "2027-01-02T03:04:05.000000"),
        ("<% datetime(2027, 1, 2, offset => timespan(hours => 2)) %>", "2027-01-02T00:00:00.000000+02:00"),
        ("<% timespan(hours => 1) %>", "1:00:00"),
        ("<% {datetime(2027, 1, 2) => 1} %>", {"2027-01-02T00:00:00.000000": 1}),
        ("{{ _.d.items() }}", [["b", 2], ["a", [1]]]),
        ("{{ _.d.keys() }}", ["b", "a"]),
        ("{{ (1, 2) }}", [1, 2]),
        ("{{ 'x' | escape }}", "x"),
        ("{{ 'x'.encode() }}", "x"),
    ],
)
def test_results_are_json(text: str, result: Any) -> None:
    found = value_of(text, d={"b": 2, "a": [1]})
    assert found == result
    assert type(found) is type(result)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("x=<% $.d.keys() %>", "x={'b', 'a'}"),
        ("x=<% set(c, a) %>", "x={'a', 'c'}"),
        ("x=<% set() %>", "x=set()"),
        ("x=<% datetime(2027, 1, 2) %>", "x=2027-01-02 00:00:00+00:00"),
        ("x=<% {1 => 2, x => 3, null => 4} %>", "x={1: 2, 'x': 3, None: 4}"),
        ("x=<% range(2) %>", "x=[0, 1]"),
        ("x={{ [1] | map('string') }}", "x=['1']"),
    ],
)
def test_what_is_no_json_shows_in_texts_as_python_writes_it(text: str, result: str) -> None:
    assert value_of(text, d={"b": 2, "a": [1]}) == result


def test_each_distinct_expression_of_a_text_is_evaluated_once() -> None:
    class Counting(World):
        def uuid(self) -> str:
            self.asked.append(("uuid",))
            return str(len(self.asked))

    world = Counting()
    assert value_of("<% uuid() %>-<% uuid() %>-<% uuid() + a %>", world=world) == "1-1-2a"


@pytest.mark.covers("expr.recursive")
def test_values_are_evaluated_at_any_depth_and_keys_never() -> None:
    value = {"<% $.x %>": [{"deep": ["<% $.x %>", 7]}, None], "same": {"k": "v"}}
    assert value_of(value, x=1) == {"<% $.x %>": [{"deep": [1, 7]}, None], "same": {"k": "v"}}


def test_results_are_not_evaluated_again() -> None:
    assert value_of({"a": "<% $.x %>", "b": "{{ _.x }}!"}, x="<% 1 + 1 %>") == {
        "a": "<% 1 + 1 %>",
        "b": "<% 1 + 1 %>!",
    }


@pytest.mark.parametrize("value", ["text", 5, None, {"a": [1, {"b": "c"}]}, [], {}, ("x",), "{{ open"])
def test_constant_values_are_returned_themselves(value: Any) -> None:
    compiled = compile_value(value)
    assert compiled.is_constant
    assert compiled.evaluate(scope()) is value


def test_constant_parts_are_shared_and_the_rest_is_new() -> None:
    value = {"constant": {"a": [1]}, "list": ["<% 1 %>"]}
    compiled = compile_value(value)
    result = compiled.evaluate(scope())
    assert not compiled.is_constant
    assert result == {"constant": {"a": [1]}, "list": [1]}
    assert result["constant"] is value["constant"]
    assert value["list"] == ["<% 1 %>"]


@pytest.mark.parametrize(
    "text", ["<% $.d %>", "{{ _.d }}", "<% $.d.l %>", "{{ _.d.l }}", "<% [$.d.l].first() %>"]
)
def test_data_that_comes_out_unchanged_is_not_copied(text: str) -> None:
    data = {"l": [{"x": [1]}]}
    assert value_of(text, d=data) is (data if text.endswith((".d %>", ".d }}")) else data["l"])


@pytest.mark.parametrize("root", ["$", "_"])
def test_the_first_layer_that_has_a_name_wins(root: str) -> None:
    texts = [
        f"<% {root}.{name} %>" if root == "$" else f"{{{{ {root}.{name} }}}}" for name in ("a", "b", "c")
    ]
    layers = ({"a": 1, "b": 2}, {"a": 3, "b": None, "c": 4})
    assert template.evaluate(texts, Scope(layers)) == [1, 2, 4]
    assert template.evaluate("<% $ %>" if root == "$" else "{{ _ }}", Scope(layers)) == {
        "a": 1,
        "b": 2,
        "c": 4,
    }


@pytest.mark.parametrize(
    ("text", "root", "result"),
    [
        ("<% $ * 2 %>", 21, 42),
        ("{{ _ * 2 }}", 21, 42),
        ("<% $.first() %>", [1], 1),
        ("{{ _[0] }}", [1], 1),
        ("<% $ %>", None, None),
        ("<% $.a + $__env.b %>", {"a": 1}, 3),
    ],
)
def test_a_root_of_its_own_stands_for_the_variables(text: str, root: Any, result: Any) -> None:
    assert template.evaluate(text, Scope([{"__env": {"b": 2}}], root=root)) == result


@pytest.mark.parametrize(
    ("text", "found"),
    [("plain", False), ("<% 1 %>", True), ("a {{ 1 }}", True), ("{% if a %}", True), ("<% {{ ", False)],
)
def test_contains_expression(text: str, found: bool) -> None:
    assert contains_expression(text) is found


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "<% $.a %>",
        "a <% unknown_function() %>",
        "{{ _.x | no_such_filter }}",
        "{% if a %}b{% endif %}",
    ],
)
def test_right_syntax_has_no_problem(text: str) -> None:
    assert check_syntax(text) is None


@pytest.mark.parametrize(
    ("text", "offset", "words"),
    [
        ("<% 1 + %>", 6, ["YAQL", "expression=1 +", "unexpected end"]),
        ("ab <%  $.x y %>", 11, ["YAQL", "expression=$.x y", "unexpected 'y'"]),
        ("<% 1 %> <% # %>", 11, ["YAQL", "expression=#", "illegal character '#'"]),
        ("<% it's %>", 5, ["YAQL", "expression=it's"]),
        ("<% %>", 2, ["YAQL", "unexpected end"]),
        ("<% " + "9" * 5000 + " %>", 0, ["YAQL", "..."]),
        ("{{ 1 + }}", 7, ["Jinja", "1 +", "end of print statement"]),
        ("a\nb {{ x y }}\n", 9, ["Jinja", "got 'y'", "line 2"]),
        ("a {% if %}", 8, ["Jinja", "Expected an expression"]),
        ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", 0, ["Jinja", "nested too deeply"]),
        ("<% $.a %> and {{ _.b }}", 0, ["Mixing expression types", "<% $.a %> and {{ _.b }}"]),
    ],
)
def test_wrong_syntax_is_said_in_words(text: str, offset: int, words: list[str]) -> None:
    problem = check_syntax(text)
    assert problem is not None
    assert problem.offset == offset
    assert [word for word in words if word not in problem.message] == []


@pytest.mark.parametrize("text", ["<% 1 + %>", "a {{ 1 + }}", "{{ 1 | no_such_filter }}", "{{ " + "(" * 5000])
def test_wrong_syntax_that_nobody_checked_fails_when_it_is_evaluated(text: str) -> None:
    if text.endswith("("):
        text += "1" + ")" * 5000 + " }}"
    compiled = compile_value({"deep": [text]})
    assert not compiled.is_constant
    assert "Can not evaluate" in failure_of({"deep": [text]})


def test_a_language_can_be_switched_off() -> None:
    with configured(Options(allowed_languages=("yaql",))):
        assert check_syntax("<% 1 %>") is None
        assert value_of("<% 1 %>") == 1
        assert contains_expression("{{ 1 }}")
        problem = check_syntax("{{ 1 }}")
        assert isinstance(problem, SyntaxProblem)
        assert "Jinja expressions are switched off here; allowed: YAQL" in problem.message
        assert "Jinja expressions are switched off" in failure_of("{{ 1 }}")
    with configured(Options(allowed_languages=())):
        assert "allowed: none" in failure_of("<% 1 %>")


def test_unknown_languages_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown language 'lua'"):
        Options(allowed_languages=("lua",))


def test_compiled_texts_are_remembered() -> None:
    assert compile_value("<% $.remembered %>") is compile_value("<% $.remembered %>")
    assert template._languages.compile_text.cache_info().maxsize is not None


def test_many_threads_may_compile_and_evaluate_at_once() -> None:
    warm_up()
    barrier = threading.Barrier(6)

    def work(number: int) -> list[Any]:
        barrier.wait()
        results = []
        for turn in range(15):
            texts = [f"<% $.n + {turn} + {number} * 0 %>", f"{{{{ _.n + {turn} + {number} * 0 }}}}"]
            results.append(template.evaluate(texts, scope(n=number)))
        return results

    with ThreadPoolExecutor(6) as pool:
        for number, results in enumerate(pool.map(work, range(6))):
            assert results == [[number + turn, number + turn] for turn in range(15)]
