"""Compiled YAQL has the value, the type, the secrecy and the error of the official evaluator."""

from __future__ import annotations

from typing import Any

from expression_grammar import DATA, EXPRESSIONS, ONE_OF_EACH_RULE
from hypothesis import given, settings

from maestrale.expressions.surroundings import Scope
from maestrale.expressions.template import Template, compile_value
from maestrale.expressions.yaql_library import Expression, YaqlText
from maestrale.model.errors import EvaluationError
from maestrale.model.values import Secret

ENVIRONMENT = {"n": 2, "s": "north", "inner": {"a": [1, 2]}}


def official(text: str) -> Template:
    """The same template without its compiled closures."""
    template: Any = compile_value(text)
    whole = template._compiled
    parts = [part._replace(compiled=None) if isinstance(part, Expression) else part for part in whole._parts]
    return type(template)(template._language, YaqlText(whole._library, parts), template._options)  # type: ignore[no-any-return]


def outcome(template: Template, data: dict[str, Any]) -> tuple[str, Any]:
    """What comes out, in a form that tells 1 from true, and a secret from a plain value."""
    half = len(data) // 2
    layers = [dict(list(data.items())[:half]), dict(list(data.items())[half:]), {"__env": ENVIRONMENT}]
    try:
        return "value", exact(template.evaluate(Scope(layers)))
    except EvaluationError as error:
        return "error", error.message


def exact(value: Any) -> Any:
    if type(value) is Secret:
        return "Secret", exact(value.reveal())
    if type(value) is dict:
        return "dict", [(exact(key), exact(item)) for key, item in value.items()]
    if type(value) is list:
        return "list", [exact(item) for item in value]
    return type(value).__name__, repr(value)


def assert_equal(text: str, data: dict[str, Any]) -> None:
    untouched = repr(data)
    assert outcome(compile_value(text), data) == outcome(official(text), data), text
    assert repr(data) == untouched


@given(expressions=ONE_OF_EACH_RULE, data=DATA)
@settings(max_examples=60, deadline=None)
def test_every_construct_means_the_same(expressions: tuple[str, ...], data: dict[str, Any]) -> None:
    for expression in expressions:
        assert_equal(f"<% {expression} %>", data)


@given(expression=EXPRESSIONS, data=DATA)
@settings(max_examples=200, deadline=None)
def test_constructs_put_together_mean_the_same(expression: str, data: dict[str, Any]) -> None:
    assert_equal(f"<% {expression} %>", data)
    assert_equal(f"x <% {expression} %>", data)
