"""YAQL expressions compiled once: the tree of the official parser as Python closures over our views.

A closure only handles what certainly has the result that the official evaluator would give. For anything
else it raises `NotCompiled`, or whatever error comes up, and the whole expression is evaluated officially:
evaluating has no effects, so nobody notices, and errors are always the library's own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from yaql.language import expressions as tree

from maestrale.expressions.fallbacks import NotCompiled
from maestrale.expressions.options import Options
from maestrale.expressions.views import CONTEXT_VARIABLES, CURRENT
from maestrale.expressions.yaql_operators import (
    BINARY,
    UNARY,
    Closure,
    Limits,
    Names,
    constant,
    current_value,
    index,
    measured,
    member_if_any,
    members,
    plus,
    within,
)


class Compiler:
    """Compiles the expressions of one library, under its options."""

    def __init__(self, options: Options) -> None:
        self._limits = Limits.of(options.limit_iterators, options.memory_quota)
        self._is_standard = not options.iterable_dicts and not options.allow_delegates

    def compile(self, parsed: Any) -> Closure:
        """The closure of a parsed expression; `NotCompiled` if it is left to the official library."""
        if self._limits is None or not self._is_standard:
            raise NotCompiled("options")
        try:
            return _Expression(self._limits).compile(parsed.expression)
        except RecursionError:
            raise NotCompiled("deep nesting") from None


class _Expression:
    """The compilation of one expression."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def compile(self, node: Any) -> Closure:
        compile_kind = _KINDS.get(type(node))
        if compile_kind is None:
            raise NotCompiled(type(node).__name__)
        return compile_kind(self, node)

    def _wrap(self, node: Any) -> Closure:
        return self.compile(node.expr)

    def _constant(self, node: Any) -> Closure:
        return constant(node.value)

    def _variable(self, node: Any) -> Closure:
        name = node.path.value
        if name in ("$", "$1"):
            return current_value(self._limits)
        if name[1:] in CONTEXT_VARIABLES:
            return _context_variable(name[1:], self._limits.size)
        return _variable(name, self._limits.size)

    def _binary(self, node: Any) -> Closure:
        left, right = node.args
        match node.operator:
            case ".":
                return self._member(left, right)
            case "?." if isinstance(right, tree.KeywordConstant):
                return member_if_any(self.compile(left), right.value, self._limits)
            case "+":
                return plus(self.compile(left), self.compile(right), self._limits)
            case "in":
                return within(self.compile(left), self.compile(right), self._limits)
            case symbol if symbol in BINARY:
                return BINARY[symbol](self.compile(left), self.compile(right))
        raise NotCompiled(f"operator {node.operator}")

    def _member(self, start: Any, name: Any) -> Closure:
        keys: list[str] = []
        node: Any = start
        if not isinstance(name, tree.KeywordConstant):
            raise NotCompiled(f"method {name.name}" if isinstance(name, tree.Function) else "operator .")
        keys.append(name.value)
        while _is_member(node):
            node, name = node.args
            keys.append(name.value)
        root = None if _is_dollar(node) else self.compile(node)
        return members(root, tuple(reversed(keys)), self._limits)

    def _unary(self, node: Any) -> Closure:
        (operand,) = node.args
        if node.operator not in UNARY:
            raise NotCompiled(f"unary operator {node.operator}")
        return UNARY[node.operator](self.compile(operand))

    def _index(self, node: Any) -> Closure:
        if len(node.args) != 2:
            raise NotCompiled("index with default")
        start, place = node.args
        return index(self.compile(start), self.compile(place), self._limits)

    def _function(self, node: Any) -> Closure:
        raise NotCompiled(f"function {node.name}")


_KINDS: Final[dict[type, Callable[[_Expression, Any], Closure]]] = {
    tree.Wrap: _Expression._wrap,
    tree.Constant: _Expression._constant,
    tree.KeywordConstant: _Expression._constant,
    tree.GetContextValue: _Expression._variable,
    tree.BinaryOperator: _Expression._binary,
    tree.UnaryOperator: _Expression._unary,
    tree.IndexExpression: _Expression._index,
    tree.Function: _Expression._function,
    tree.ListExpression: _Expression._function,
    tree.MapExpression: _Expression._function,
}


def _is_member(node: Any) -> bool:
    return (
        type(node) is tree.BinaryOperator
        and node.operator == "."
        and isinstance(node.args[1], tree.KeywordConstant)
    )


def _is_dollar(node: Any) -> bool:
    return type(node) is tree.GetContextValue and node.path.value in ("$", "$1")


def _context_variable(name: str, size: int) -> Closure:
    def evaluate(_names: Names, _dollar: Any) -> Any:
        return measured(CURRENT.get().variable(name), size)

    return evaluate


def _variable(name: str, size: int) -> Closure:
    def evaluate(names: Names, _dollar: Any) -> Any:
        return measured(names.get(name), size)

    return evaluate
