"""Operators of compiled YAQL expressions, for the kinds of values that nearly all expressions have.

Whatever else comes along raises `NotCompiled`: the official library knows what it means.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec
from yaql.language import utils

from maestrale.expressions.fallbacks import NotCompiled
from maestrale.expressions.views import LazyView, MapView, ScopeView, TupleView

Names = Mapping[str, Any]
"""The variables of an expression besides `$`, by name."""

Closure = Callable[[Names, Any], Any]
"""A compiled expression: from the variables and the value of `$` to the value."""

NUMBERS: Final = frozenset({int, float})
MAPS: Final = frozenset({MapView, ScopeView, LazyView, utils.FrozenDict, dict})
SEQUENCES: Final = frozenset({TupleView, tuple, list})

_BYTES_OF_AN_ITEM: Final = 256
"""More than any collection takes for an item, or a text for a character, without what it refers to."""


class Limits(msgspec.Struct, frozen=True):
    """What no value of a compiled expression exceeds; the official library counts beyond that."""

    items: int
    """Of a collection that is gone through, as `limit_iterators`: -1 is any number."""
    size: int
    """Items or characters of a value that certainly take less than `memory_quota` bytes."""

    @staticmethod
    def of(limit_iterators: int, memory_quota: int) -> Limits | None:
        """The limits under these options; None if the quota is so small that every object matters."""
        size = memory_quota // _BYTES_OF_AN_ITEM if memory_quota > 0 else 2**63
        return Limits(limit_iterators, size) if size >= _BYTES_OF_AN_ITEM else None


def constant(value: Any) -> Closure:
    """A literal or a bare word."""

    def evaluate(_names: Names, _dollar: Any) -> Any:
        return value

    return evaluate


def current_value(limits: Limits) -> Closure:
    """`$` by itself."""

    def evaluate(_names: Names, dollar: Any) -> Any:
        return measured(dollar, limits.size)

    return evaluate


def measured(value: Any, size: int) -> Any:
    """The value, if it is certainly within the quota."""
    kind = type(value)
    if (kind is str or kind in SEQUENCES) and len(value) > size:
        raise NotCompiled("large value")
    return value


def members(start: Closure | None, keys: tuple[str, ...], limits: Limits) -> Closure:
    """`start.a.b.c`; `start` None is `$`."""
    size = limits.size

    def evaluate(names: Names, dollar: Any) -> Any:
        value = dollar if start is None else start(names, dollar)
        for key in keys:
            value = value[key] if type(value) in MAPS else _member_of_each(value, key, limits)
        kind = type(value)
        if (kind is str or kind in SEQUENCES) and len(value) > size:
            raise NotCompiled("large value")
        return value

    return evaluate


def member(value: Any, key: str, limits: Limits) -> Any:
    """`value.key` of a map, or of each item of a collection."""
    return value[key] if type(value) in MAPS else _member_of_each(value, key, limits)


def _member_of_each(value: Any, key: str, limits: Limits) -> Any:
    if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
        raise NotCompiled(f"member of {type(value).__name__}")
    items = utils.limit_iterable(measured(value, limits.size), limits.items)
    return map(lambda item: measured(member(item, key, limits), limits.size), items)  # noqa: C417 - lazy


def member_if_any(start: Closure, key: str, limits: Limits) -> Closure:
    """`start?.key`: null if `start` is null."""

    def evaluate(names: Names, dollar: Any) -> Any:
        value = start(names, dollar)
        return None if value is None else measured(member(value, key, limits), limits.size)

    return evaluate


def index(start: Closure, place: Closure, limits: Limits) -> Closure:
    """`start[place]`."""

    def evaluate(names: Names, dollar: Any) -> Any:
        value = start(names, dollar)
        key = place(names, dollar)
        kind = type(value)
        if kind in MAPS or (kind in SEQUENCES and type(key) is int):
            return measured(value[key], limits.size)
        raise NotCompiled("index")

    return evaluate


def plus(left: Closure, right: Closure, limits: Limits) -> Closure:
    """`left + right` of two numbers, texts or lists."""

    def evaluate(names: Names, dollar: Any) -> Any:
        one, other = left(names, dollar), right(names, dollar)
        kind, other_kind = type(one), type(other)
        if kind in NUMBERS and other_kind in NUMBERS:
            return one + other
        if kind is str and other_kind is str:
            return measured(one + other, limits.size)
        if isinstance(one, tuple) and isinstance(other, tuple):
            utils.limit_iterable(one, limits.items)
            utils.limit_iterable(other, limits.items)
            return measured(one + other, limits.size)
        raise NotCompiled("operator +")

    return evaluate


def arithmetic(symbol: str, calculate: Callable[[Any, Any], Any]) -> Callable[[Closure, Closure], Closure]:
    """An operator of two numbers."""

    def compiled(left: Closure, right: Closure) -> Closure:
        def evaluate(names: Names, dollar: Any) -> Any:
            one, other = left(names, dollar), right(names, dollar)
            if type(one) in NUMBERS and type(other) in NUMBERS:
                return calculate(one, other)
            raise NotCompiled(f"operator {symbol}")

        return evaluate

    return compiled


def comparison(symbol: str, compare: Callable[[Any, Any], Any]) -> Callable[[Closure, Closure], Closure]:
    """An operator of two numbers or two texts."""

    def compiled(left: Closure, right: Closure) -> Closure:
        def evaluate(names: Names, dollar: Any) -> Any:
            one, other = left(names, dollar), right(names, dollar)
            kind, other_kind = type(one), type(other)
            if (kind in NUMBERS and other_kind in NUMBERS) or (kind is str and other_kind is str):
                return compare(one, other)
            raise NotCompiled(f"operator {symbol}")

        return evaluate

    return compiled


def _quotient(one: float, other: float) -> float:
    return one // other if type(one) is int and type(other) is int else one / other


def equal(left: Closure, right: Closure) -> Closure:
    """`left = right`, of any values."""

    def evaluate(names: Names, dollar: Any) -> Any:
        return left(names, dollar) == right(names, dollar)

    return evaluate


def unequal(left: Closure, right: Closure) -> Closure:
    """`left != right`, of any values."""

    def evaluate(names: Names, dollar: Any) -> Any:
        return left(names, dollar) != right(names, dollar)

    return evaluate


def both(left: Closure, right: Closure) -> Closure:
    """`left and right`: the operand that decides."""

    def evaluate(names: Names, dollar: Any) -> Any:
        return left(names, dollar) and right(names, dollar)

    return evaluate


def either(left: Closure, right: Closure) -> Closure:
    """`left or right`: the operand that decides."""

    def evaluate(names: Names, dollar: Any) -> Any:
        return left(names, dollar) or right(names, dollar)

    return evaluate


def within(item: Closure, collection: Closure, limits: Limits) -> Closure:
    """`item in collection`: a list, or a text in a text."""

    def evaluate(names: Names, dollar: Any) -> Any:
        wanted, place = item(names, dollar), collection(names, dollar)
        kind = type(place)
        if kind in SEQUENCES:
            return wanted in utils.limit_iterable(place, limits.items)
        if kind is str and type(wanted) is str:
            return wanted in place
        raise NotCompiled("operator in")

    return evaluate


def opposite(operand: Closure) -> Closure:
    """`not operand`, of any value."""

    def evaluate(names: Names, dollar: Any) -> Any:
        return not operand(names, dollar)

    return evaluate


def signed(symbol: str, calculate: Callable[[Any], Any]) -> Callable[[Closure], Closure]:
    """`-operand` or `+operand` of a number."""

    def compiled(operand: Closure) -> Closure:
        def evaluate(names: Names, dollar: Any) -> Any:
            value = operand(names, dollar)
            if type(value) in NUMBERS:
                return calculate(value)
            raise NotCompiled(f"unary operator {symbol}")

        return evaluate

    return compiled


BINARY: Final[Mapping[str, Callable[[Closure, Closure], Closure]]] = {
    "-": arithmetic("-", operator.sub),
    "*": arithmetic("*", operator.mul),
    "/": arithmetic("/", _quotient),
    "mod": arithmetic("mod", operator.mod),
    "<": comparison("<", operator.lt),
    "<=": comparison("<=", operator.le),
    ">": comparison(">", operator.gt),
    ">=": comparison(">=", operator.ge),
    "=": equal,
    "!=": unequal,
    "and": both,
    "or": either,
}

UNARY: Final[Mapping[str, Callable[[Closure], Closure]]] = {
    "not": opposite,
    "-": signed("-", operator.neg),
    "+": signed("+", operator.pos),
}
