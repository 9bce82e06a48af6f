"""No function of either language gives a secret away: what is not marked does not depend on it.

Every function, filter and test that takes data is tried with secrets of every kind in every place, and each
time with two different secrets. What comes out unmarked must be the same both times.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterator
from typing import Any, Final

import pytest
from yaql.language import specs, yaqltypes

from maestrale.expressions import template
from maestrale.expressions.options import Options
from maestrale.expressions.surroundings import Scope
from maestrale.expressions.template import compile_value
from maestrale.model.errors import EvaluationError
from maestrale.model.values import Secret, masked

WORDS: Final = ("s3cret-word", "0ther, key!")
NUMBERS: Final = (4242, 5151)


def data(turn: int) -> dict[str, Any]:
    """The same world with one secret or the other in it."""
    word, number = WORDS[turn], NUMBERS[turn]
    return {
        "word": Secret(word),
        "number": Secret(number),
        "json": Secret(f'["{word}"]'),
        "list": Secret([word, "b"]),
        "map": Secret({"a": word, word: 1}),
        "words": [Secret(word), "b"],
        "part": {"a": Secret(word), "b": 1},
        "rows": [{"a": Secret(word), "b": 2}, {"a": Secret("x"), "b": 1}],
    }


class World:
    """Secrets may come from elsewhere, too."""

    def __init__(self, turn: int) -> None:
        self._word = Secret(WORDS[turn])

    def task(self, _name: str | None) -> dict[str, Any]:
        return {"name": "t", "result": self._word, "published": {"a": self._word}}

    def tasks(self, *_: Any) -> list[dict[str, Any]]:
        return [{"name": "t", "published": {"a": self._word}}]

    def execution(self) -> dict[str, Any]:
        return {"id": "e", "input": {"a": self._word}}

    def executions(self, *_: Any) -> list[dict[str, Any]]:
        return [self.execution()]

    def env(self) -> dict[str, Any]:
        return {"a": self._word}

    def global_variable(self, _name: str) -> Any:
        return [self._word]

    def uuid(self) -> str:
        return "11111111-2222-4333-8444-555555555555"

    def random(self) -> float:
        return 0.25

    def now(self) -> int:
        return 1_800_014_400_000_000


PLAIN: Final = ("'a'", "[1, 2]")
VALUES: Final = ("$.word", "$.number", "$.list", "$.map", "$.words", "$.rows")
LAMBDAS: Final = ("$", "$.a", "$1 + $2")


@pytest.fixture(scope="module", autouse=True)
def _small_limits() -> Iterator[None]:
    before = template._languages
    template.configure(Options(limit_iterators=200, memory_quota=10_000_000))
    yield
    template._languages = before


def outcome(text: str, turn: int) -> tuple[str, Any]:
    try:
        value = compile_value(text).evaluate(Scope([data(turn)], World(turn)))
    except EvaluationError as error:
        return "error", error.message
    return "value", masked(value)


def check(text: str) -> bool:
    """Whether the expression has a value at all."""
    (kind, one), (other_kind, other) = outcome(text, 0), outcome(text, 1)
    if kind == other_kind:
        assert one == other, text
    for turn, shown in enumerate((one, other)):
        assert WORDS[turn] not in repr(shown), text
        assert str(NUMBERS[turn]) not in repr(shown), text
    return "value" in (kind, other_kind)


def kinds_of(parameter: Any) -> tuple[str, ...]:
    match parameter.value_type:
        case yaqltypes.LazyParameterType():
            return LAMBDAS
        case yaqltypes.String():
            return ("$.word", "$.json")
        case yaqltypes.Number() | yaqltypes.Integer():
            return ("$.number",)
        case yaqltypes.Iterable() | yaqltypes.Sequence():
            return ("$.list", "$.words", "$.rows")
    return VALUES


def plain_of(parameter: Any) -> str:
    match parameter.value_type:
        case yaqltypes.LazyParameterType():
            return "$"
        case yaqltypes.Number() | yaqltypes.Integer():
            return "2"
        case yaqltypes.Iterable() | yaqltypes.Sequence():
            return "[1, 2]"
    return "'a'"


def arguments(parameters: list[Any]) -> Iterator[tuple[str, ...]]:
    """Secrets in all places at once, then in one among plain values."""
    choices = [kinds_of(parameter) for parameter in parameters]
    yield from itertools.islice(itertools.product(*choices), 8)
    plain = tuple(map(plain_of, parameters))
    for place, kinds in enumerate(choices):
        for kind in kinds:
            yield (*plain[:place], kind, *plain[place + 1 :])


def calls(name: str) -> Iterator[str]:
    """Calls of all functions that a name has in YAQL."""
    root = template._languages.yaql._root
    for level in root.collect_functions(name):
        for function in level:
            shown = [
                parameter
                for key, parameter in function.parameters.items()
                if parameter.position is not None
                and key != "*"
                and not isinstance(parameter.value_type, yaqltypes.HiddenParameterType)
            ]
            shown.sort(key=lambda parameter: parameter.position)
            required = [each for each in shown if each.default is specs.NO_DEFAULT]
            if "*" in function.parameters:
                required = [*required, function.parameters["*"]]
            for parameters in {tuple(map(id, some)): some for some in (required, shown)}.values():
                for given in arguments(parameters):
                    if function.is_function:
                        yield f"{name}({', '.join(given)})"
                    if function.is_method and given:
                        yield f"({given[0]}).{name}({', '.join(given[1:])})"


def yaql_names() -> list[str]:
    return sorted(name for name in template._languages.yaql._function_names() if not name.startswith("_"))


@pytest.mark.parametrize("name", yaql_names())
def test_functions_of_yaql(name: str) -> None:
    for call in dict.fromkeys(calls(name)):
        check(f"<% {call} %>")


def test_the_calls_of_yaql_are_such_that_most_functions_have_values() -> None:
    names = yaql_names()
    alive = [
        name
        for name in names
        if any(outcome(f"<% {call} %>", 0)[0] == "value" for call in itertools.islice(calls(name), 40))
    ]
    assert len(alive) > 0.8 * len(names), sorted(set(names) - set(alive))


@pytest.mark.parametrize(
    "operator", ["+", "-", "*", "/", "mod", "<", ">", "=", "!=", "in", "and", "or", "=~", "!~"]
)
def test_operators_of_yaql(operator: str) -> None:
    for one, other in itertools.product((*VALUES, *PLAIN), repeat=2):
        check(f"<% {one} {operator} {other} %>")


@pytest.mark.parametrize(
    "expression",
    [
        "$.rows.select({0})",
        "[1, 2].where({0})",
        "[1, 2].orderBy({0})",
        "[1].select([$].select({0}))",
        "let(x => {0}) -> [$x]",
        "switch({0} => 1, true => 2)",
        "dict({0} => 1)",
        "{{{0} => 1}}",
        "{{a => {0}}}",
        "[{0}]",
        "$.rows[{0}]",
        "$.part.get({0})",
        "$.part[{0}]",
        "{0}.nope",
        "nope({0})",
        "{0}.assert(false, str({0}))",
        "json_dump([{0}])",
    ],
)
@pytest.mark.parametrize(
    "value", [*(f"$w.{name[2:]}" for name in VALUES), "task().result", "env().a", "global(g)"]
)
def test_secrets_inside_of_other_expressions(expression: str, value: str) -> None:
    text = expression.format(value)
    check(f"<% let(w => $) -> ({text}) %>")
    check(f"a <% let(w => $) -> ({text}) %> b")


def filters() -> list[str]:
    return sorted(template._languages.jinja._environment.filters)


JINJA_VALUES: Final = tuple(f"_.{value[2:]}" for value in VALUES)
JINJA_PLAIN: Final = ("'a'", "[1, 2]")


def jinja_arguments(function: Any) -> Iterator[str]:
    try:
        count = len(inspect.signature(function).parameters) - 1
    except ValueError:
        count = 1
    yield ""
    yield from (*JINJA_VALUES, *JINJA_PLAIN)[: None if count else 0]
    if count > 1:
        yield from ("_.word, _.number", "_.number, _.word", "'a', _.word", "_.word, 'a'", "2, _.word")


@pytest.mark.parametrize("name", filters())
def test_filters_of_jinja(name: str) -> None:
    function = template._languages.jinja._environment.filters[name]
    for given in jinja_arguments(function):
        for value in (*JINJA_VALUES, *(JINJA_PLAIN if "_." in given else ())):
            check(f"{{{{ {value} | {name}({given}) }}}}")


@pytest.mark.parametrize(
    "name", [n for n in sorted(template._languages.jinja._environment.tests) if n.isidentifier()]
)
def test_tests_of_jinja(name: str) -> None:
    for given in ("", *JINJA_VALUES, *JINJA_PLAIN):
        for value in (*JINJA_VALUES, *(JINJA_PLAIN if given else ())):
            check(f"{{{{ {value} is {name}({given}) }}}}")
            check(f"{{% if {value} is {name}({given}) %}}yes{{% endif %}}")


@pytest.mark.parametrize(
    "expression",
    [
        "{{{{ {0} ~ 'x' }}}}",
        "{{{{ {0} + {0} }}}}",
        "{{{{ {0}[0] }}}}",
        "{{{{ {0}.a }}}}",
        "{{{{ {0}.nope }}}}",
        "{{{{ _.part[{0}] }}}}",
        "{{{{ {{{0}: 1}} }}}}",
        "{{{{ 'a' if {0} == 's3cret-word' else 'b' }}}}",
        "{{{{ '%s' % {0} }}}}",
        "{{{{ '{{}}'.format({0}) }}}}",
        "{{{{ {0}.upper() }}}}",
        "{{{{ {0} is undefined }}}}",
        "{{% for x in {0} %}}{{{{ x }}}}{{% endfor %}}",
        "{{% for x in [1] %}}{{{{ {0}.nope }}}}{{% endfor %}}",
        "{{% set y = {0} %}}{{{{ y }}}}",
        "{{% set y = {0} %}}done",
        "{{{{ json_dump({0}) }}}}",
        "{{{{ json_parse({0}) }}}}",
        "{{{{ yaml_dump({0}) }}}}",
        "{{{{ yaml_parse({0}) }}}}",
        "{{{{ range({0}) }}}}",
        "{{{{ dict(a={0}) }}}}",
        "{{{{ [1, 2] | map('replace', 1, {0}) | list }}}}",
        "{{{{ _.rows | selectattr('a', 'eq', {0}) | list | length }}}}",
    ],
)
@pytest.mark.parametrize("value", [*JINJA_VALUES, "task('t').result", "env().a", "_.rows[0].a"])
def test_secrets_in_templates(expression: str, value: str) -> None:
    check(expression.format(value))
