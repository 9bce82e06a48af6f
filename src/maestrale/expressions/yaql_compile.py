"""YAQL expressions compiled once: the tree of the official parser as Python closures over our views.

A closure only handles what certainly has the result that the official evaluator would give. For anything
else it raises `NotCompiled`, or whatever error comes up, and the whole expression is evaluated officially:
evaluating has no effects, so nobody notices, and errors are always the library's own.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection
from typing import Any, Final

from yaql.language import expressions as tree
from yaql.language import utils

from maestrale.expressions.fallbacks import NotCompiled
from maestrale.expressions.functions import OF_NOTHING, asked
from maestrale.expressions.options import Options
from maestrale.expressions.views import CONTEXT_VARIABLES
from maestrale.expressions.yaql_calls import Written, function_call, method_call, with_variables
from maestrale.expressions.yaql_closures import (
    Closure,
    Limits,
    Names,
    constant,
    context_variable,
    current_value,
    variable,
)
from maestrale.expressions.yaql_operators import (
    MOST_MEMBERS,
    SHORTCUTS,
    binary,
    both,
    either,
    list_literal,
    map_literal,
    member_if_any,
    members,
    unary,
)
from maestrale.expressions.yaql_overloads import Argument, Library

_DRAWING: Final = frozenset({"random", "uuid"})
"""Functions that give something else each time: an expression with one of them must not begin again."""

_BINDING: Final = frozenset({"let", "with"})
_DOLLAR: Final = frozenset({"$", "$1"})


class Compiler:
    """Compiles the expressions of one library, under its options."""

    def __init__(self, root: Any, engine: Any, options: Options, added: Collection[str]) -> None:
        """`added` are the functions of the installation: nobody knows whether they may be called twice.

        Nothing is compiled under options that change what operators mean, or with functions of the standard
        library replaced.
        """
        limits = Limits.of(options)
        is_standard = not (
            options.iterable_dicts
            or options.allow_delegates
            or any(root.parent.collect_functions(name) for name in added)
        )
        self._library = Library(root, engine, limits, SHORTCUTS) if limits and is_standard else None
        self._added = frozenset(added)

    def compile(self, parsed: Any) -> Closure:
        """The closure of a parsed expression; `NotCompiled` if it is left to the official library."""
        if self._library is None:
            raise NotCompiled("another language")
        try:
            return _Expression(self._library, self._added, parsed.expression).compile()
        except RecursionError:
            raise NotCompiled("deep nesting") from None


class _Expression:
    """The compilation of one expression."""

    def __init__(self, library: Library, added: frozenset[str], whole: Any) -> None:
        self._library = library
        self._added = added
        self._whole = whole

    def compile(self) -> Closure:
        return self._closure(self._whole)

    def _closure(self, node: Any) -> Closure:
        compile_kind = _KINDS.get(type(node))
        if compile_kind is None:
            raise NotCompiled(type(node).__name__)
        return compile_kind(self, node)

    def _wrap(self, node: Any) -> Closure:
        return self._closure(node.expr)

    def _constant(self, node: Any) -> Closure:
        return constant(node.value)

    def _variable(self, node: Any) -> Closure:
        name = node.path.value
        size = self._library.limits.size
        if name in _DOLLAR:
            return current_value(size)
        if name[1:] in CONTEXT_VARIABLES:
            return context_variable(name[1:], size)
        return variable(name, size)

    def _binary(self, node: Any) -> Closure:
        left, right = node.args
        match node.operator:
            case "." | "?." if isinstance(right, tree.KeywordConstant):
                return self._member(node)
            case "." | "?." if type(right) is tree.Function:
                written = self._arguments(right)
                self._allow(right, is_method=True)
                return method_call(
                    self._library, self._closure(left), right.name, written, node.operator == "?."
                )
            case "." | "?.":
                raise NotCompiled(node.name)
            case "->":
                return self._with_variables(left, right)
            case "and":
                return both(self._closure(left), self._closure(right))
            case "or":
                return either(self._closure(left), self._closure(right))
            case "=" | "!=" if isinstance(left, tree.Constant) or isinstance(right, tree.Constant):
                compare = operator.eq if node.operator == "=" else operator.ne
                return binary(compare, self._closure(left), self._closure(right))
        return binary(self._library.delegate(node.name), self._closure(left), self._closure(right))

    def _member(self, node: Any) -> Closure:
        start, name = node.args
        if node.operator == "?.":
            return member_if_any(self._closure(start), name.value, self._library)
        keys: list[str] = [name.value]
        while _is_member(start):
            start, name = start.args
            keys.append(name.value)
        root = None if _is_dollar(start) else self._closure(start)
        return members(root, tuple(reversed(keys)), self._library)

    def _unary(self, node: Any) -> Closure:
        return unary(self._library.delegate(node.name), self._closure(node.args[0]))

    def _index(self, node: Any) -> Closure:
        if len(node.args) != 2 or _is_rule(node.args[1]):
            return self._function(node)
        start, place = node.args
        return binary(self._library.delegate(node.name), self._closure(start), self._closure(place))

    def _list(self, node: Any) -> Closure:
        if any(_is_rule(item) for item in node.args):
            return self._function(node)
        return list_literal([self._closure(item) for item in node.args], self._library)

    def _map(self, node: Any) -> Closure:
        if len(node.args) > MOST_MEMBERS or not all(_is_rule(item) for item in node.args):
            return self._function(node)
        return map_literal(
            [(self._closure(item.source), self._closure(item.destination)) for item in node.args]
        )

    def _function(self, node: Any) -> Closure:
        if not node.args and node.name not in self._added and (ask := OF_NOTHING.get(node.name)):
            return lambda _names, _dollar: asked(node.name, ask)
        written = self._arguments(node)
        self._allow(node, is_method=False)
        return function_call(self._library, node.name, written)

    def _with_variables(self, left: Any, right: Any) -> Closure:
        """`let(a => 1) -> $a`."""
        if type(left) is not tree.Function or left.name not in _BINDING:
            raise NotCompiled("#operator_->")
        values: list[Closure] = []
        named: dict[str, Closure] = {}
        for node in left.args:
            if not _is_rule(node):
                values.append(self._closure(node))
            elif left.name == "let" and isinstance(node.source, tree.KeywordConstant):
                named[f"${node.source.value}"] = self._closure(node.destination)
            else:
                raise NotCompiled("#operator_->")
        return with_variables(values, named, self._closure(right))

    def _arguments(self, call: Any) -> Written:
        arguments: dict[int, Argument] = {}
        for node in call.args:
            if _is_rule(node):
                source, destination = self._closure(node.source), self._closure(node.destination)
                arguments[id(node)] = Argument(node, _rule(source, destination), source, destination)
                arguments[id(node.destination)] = Argument(node.destination, destination)
            else:
                arguments[id(node)] = Argument(node, self._closure(node))
        return Written(tuple(call.args), arguments)

    def _allow(self, call: Any, is_method: bool) -> None:
        name = call.name
        if name in self._added:
            raise NotCompiled("added function")
        if name in _DRAWING and call is not self._whole:
            raise NotCompiled(f"{name} in an expression")
        if reason := self._library.why_not(name, is_method):
            raise NotCompiled(reason)


_KINDS: Final[dict[type, Callable[[_Expression, Any], Closure]]] = {
    tree.Wrap: _Expression._wrap,
    tree.Constant: _Expression._constant,
    tree.KeywordConstant: _Expression._constant,
    tree.GetContextValue: _Expression._variable,
    tree.BinaryOperator: _Expression._binary,
    tree.UnaryOperator: _Expression._unary,
    tree.IndexExpression: _Expression._index,
    tree.Function: _Expression._function,
    tree.ListExpression: _Expression._list,
    tree.MapExpression: _Expression._map,
}


def path_of(node: Any) -> tuple[str, ...] | None:
    """The keys of an expression that is nothing but `$.a.b`."""
    keys: list[str] = []
    while _is_member(node):
        node, name = node.args
        keys.append(name.value)
    return tuple(reversed(keys)) if keys and _is_dollar(node) else None


def _is_rule(node: Any) -> bool:
    return type(node) is tree.MappingRuleExpression


def _is_member(node: Any) -> bool:
    return (
        type(node) is tree.BinaryOperator
        and node.operator == "."
        and isinstance(node.args[1], tree.KeywordConstant)
    )


def _is_dollar(node: Any) -> bool:
    return type(node) is tree.GetContextValue and node.path.value in _DOLLAR


def _rule(source: Closure, destination: Closure) -> Closure:
    def evaluate(names: Names, dollar: Any) -> Any:
        return utils.MappingRule(source(names, dollar), destination(names, dollar))

    return evaluate
