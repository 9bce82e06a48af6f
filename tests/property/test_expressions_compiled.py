"""Compiled YAQL has the value, the type, the secrecy and the error of the official evaluator."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from expression_grammar import DATA, EXPRESSIONS, ONE_OF_EACH_RULE
from hypothesis import Phase, given, settings

from maestrale.expressions.surroundings import Scope
from maestrale.expressions.template import Template, compile_value
from maestrale.expressions.yaql_library import Expression, YaqlText
from maestrale.model.errors import EvaluationError
from maestrale.model.values import Secret

ENVIRONMENT = {"n": 2, "s": "north", "inner": {"a": [1, 2]}}


class World:
    """An execution with a task, for the service's functions."""

    tasks_by_name: ClassVar[dict[str, Any]] = {
        "one": {
            "name": "one",
            "state": "SUCCESS",
            "result": {"ip": ["10.0.0.1"], "key": Secret("k")},
            "published": {"a": Secret({"b": 1})},
        },
    }

    def task(self, name: str | None) -> dict[str, Any] | None:
        return self.tasks_by_name.get(name or "one")

    def tasks(self, *_: Any) -> list[dict[str, Any]]:
        return list(self.tasks_by_name.values())

    def execution(self) -> dict[str, Any]:
        return {"id": "e1", "name": "w", "root_execution_id": None, "input": {"a": Secret(1)}}

    def executions(self, *_: Any) -> list[dict[str, Any]]:
        return [self.execution()]

    def env(self) -> dict[str, Any]:
        return ENVIRONMENT

    def global_variable(self, name: str) -> Any:
        return {"a": [1, 2], "b": Secret("b")}.get(name)

    def uuid(self) -> str:
        return "11111111-2222-4333-8444-555555555555"

    def random(self) -> float:
        return 0.5

    def now(self) -> int:
        return 1_800_014_400_000_000


def official(text: str) -> Template:
    """The same template without its compiled closures."""
    template: Any = compile_value(text)
    whole = template._compiled
    parts = [part._replace(compiled=None) if isinstance(part, Expression) else part for part in whole._parts]
    return type(template)(text, template._language, YaqlText(whole._library, parts), template._options)  # type: ignore[no-any-return]


def outcome(template: Template, data: dict[str, Any]) -> tuple[str, Any]:
    """What comes out, in a form that tells 1 from true, and a secret from a plain value."""
    half = len(data) // 2
    layers = [dict(list(data.items())[:half]), dict(list(data.items())[half:]), {"__env": ENVIRONMENT}]
    try:
        return "value", exact(template.evaluate(Scope(layers, World())))
    except EvaluationError as error:
        return "error", re.sub("0x[0-9a-f]+", "0x", error.message)


def exact(value: Any) -> Any:
    if type(value) is Secret:
        return "Secret", exact(value.reveal())
    if type(value) is dict:
        return "dict", [(exact(key), exact(item)) for key, item in value.items()]
    if type(value) is list:
        return "list", [exact(item) for item in value]
    return type(value).__name__, re.sub(" at 0x[0-9a-f]+", " at 0x", repr(value))


def assert_equal(text: str, data: dict[str, Any]) -> None:
    untouched = repr(data)
    assert outcome(compile_value(text), data) == outcome(official(text), data), text
    assert repr(data) == untouched


@given(expressions=ONE_OF_EACH_RULE, data=DATA)
@settings(max_examples=15, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
def test_every_construct_means_the_same(expressions: tuple[str, ...], data: dict[str, Any]) -> None:
    # the failure names the one expression, so shrinking the others would only take minutes
    for expression in expressions:
        assert_equal(f"<% {expression} %>", data)


@given(expression=EXPRESSIONS, data=DATA)
@settings(max_examples=200, deadline=None)
def test_constructs_put_together_mean_the_same(expression: str, data: dict[str, Any]) -> None:
    assert_equal(f"<% {expression} %>", data)
    assert_equal(f"x <% {expression} %>", data)
