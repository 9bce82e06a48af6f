"""Every part of a YAQL expression has its place in the text, and a failure is placed at one of them."""

from __future__ import annotations

from typing import Any

from expression_grammar import DATA, EXPRESSIONS
from hypothesis import given, settings
from test_expressions_compiled import World
from yaql.language import expressions as tree
from yaql.language import utils

from maestrale.expressions import template
from maestrale.expressions.surroundings import Scope
from maestrale.expressions.yaql_places import traced, words
from maestrale.model.errors import EvaluationError

OPENING = {tree.IndexExpression: "[", tree.ListExpression: "[", tree.MapExpression: "{"}


def begins_right(text: str, node: Any) -> bool:
    """Whether the word of a part stands at its place."""
    found = text[node.offset :]
    kind = type(node).__mro__[1]
    if kind is tree.BinaryOperator and node.operator in (".", "?."):
        right = node.args[1]
        return found.startswith(str(right.value) if isinstance(right, tree.Constant) else f"{right.name}(")
    if kind in (tree.BinaryOperator, tree.UnaryOperator):
        return found.startswith(node.operator)
    if kind is tree.GetContextValue:
        return found.startswith(node.path.value)
    return found.startswith(OPENING.get(kind, f"{getattr(node, 'name', '')}("))


def check(text: str, node: Any) -> int:
    """How many parts have a place."""
    count = 0
    if isinstance(node, tree.Function):
        assert begins_right(text, node), (text, node.offset, str(node))
        count = 1
        below: tuple[Any, ...] = () if isinstance(node, tree.GetContextValue) else node.args
    elif isinstance(node, tree.MappingRuleExpression):
        below = (node.source, node.destination)
    else:
        below = (node.expr,) if isinstance(node, tree.Wrap) else ()
    return count + sum(check(text, part) for part in below if part is not utils.NO_VALUE)


@given(expression=EXPRESSIONS)
@settings(max_examples=200, deadline=None)
def test_every_part_has_its_place(expression: str) -> None:
    engine = template._languages.yaql._engine
    parsed = engine(expression).expression
    check(expression, traced(parsed, words(engine.lexer, expression)))


@given(expression=EXPRESSIONS, data=DATA)
@settings(max_examples=200, deadline=None)
def test_a_failure_has_a_place_within_the_expression(expression: str, data: dict[str, Any]) -> None:
    text = f"<% {expression} %>"
    try:
        template.compile_value(text).evaluate(Scope([data], World()))
    except EvaluationError as error:
        place = error.place
        assert place is None or place.expression == expression.strip()
        assert place is None or 1 <= (place.column or 0) <= len(expression)
