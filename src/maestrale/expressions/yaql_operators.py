"""Operators of compiled YAQL expressions: shortcuts for the values that nearly all expressions have.

Other values go to the library's functions for the operator.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from yaql.language import utils

from maestrale.expressions.guards import count_items, counted, weigh
from maestrale.expressions.yaql_closures import (
    MAPS,
    NUMBERS,
    SEQUENCES,
    SIMPLE,
    Closure,
    Limits,
    Names,
    Operation,
    measured,
)
from maestrale.expressions.yaql_overloads import SMALL, Library

_SHORT: Final = 32
"""So many items of the allowed size are certainly within the quota together."""

MOST_MEMBERS: Final = 256
"""So many members of a map are certainly within the quota together."""


class Member:
    """`.key`: of a map, or of each item of a collection, or a property (of a time)."""

    __slots__ = ("_key", "_library", "_limits", "_property")

    def __init__(self, library: Library, key: str) -> None:
        self._key = key
        self._library = library
        self._limits = library.limits
        self._property: Operation | None = None

    def of(self, value: Any) -> Any:
        """The member of a value."""
        found = value[self._key] if type(value) in MAPS else self.of_other(value)
        return measured(found, self._limits.size)

    def of_other(self, value: Any) -> Any:
        """The member of what is none of the usual maps."""
        if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
            if self._property is None:
                self._property = self._library.property(self._key)
            return self._property(value)
        if not hasattr(value, "__len__"):
            return map(self.of, counted(value, self._limits.items))
        items = utils.limit_iterable(measured(value, self._limits.size), self._limits.items)
        return map(self.of, count_items(items))


def members(start: Closure | None, keys: tuple[str, ...], library: Library) -> Closure:
    """`start.a.b.c`; `start` None is `$`."""
    size = library.limits.size
    path = [(key, Member(library, key).of_other) for key in keys]
    if start is None and len(path) == 1:
        return _member_of_dollar(*path[0], size)

    def evaluate(names: Names, dollar: Any) -> Any:
        value = dollar if start is None else start(names, dollar)
        for key, of_other in path:
            value = value[key] if type(value) in MAPS else of_other(value)
        kind = type(value)
        return measured(value, size) if kind is str or kind in SEQUENCES else value

    return evaluate


def _member_of_dollar(key: str, of_other: Callable[[Any], Any], size: int) -> Closure:
    def evaluate(_names: Names, dollar: Any) -> Any:
        value = dollar[key] if type(dollar) in MAPS else of_other(dollar)
        kind = type(value)
        return measured(value, size) if kind is str or kind in SEQUENCES else value

    return evaluate


def member_if_any(start: Closure, key: str, library: Library) -> Closure:
    """`start?.key`: null if `start` is null."""
    member = Member(library, key)

    def evaluate(names: Names, dollar: Any) -> Any:
        value = start(names, dollar)
        return None if value is None else member.of(value)

    return evaluate


def binary(operation: Operation, left: Closure, right: Closure) -> Closure:
    """`left operation right`."""

    def evaluate(names: Names, dollar: Any) -> Any:
        return operation(left(names, dollar), right(names, dollar))

    return evaluate


def unary(operation: Operation, operand: Closure) -> Closure:
    """`operation operand`."""

    def evaluate(names: Names, dollar: Any) -> Any:
        return operation(operand(names, dollar))

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


def list_literal(items: Sequence[Closure], library: Library) -> Closure:
    """`[a, b]`."""
    size = library.limits.size
    otherwise = library.delegate("#list")
    is_short = len(items) <= _SHORT

    def evaluate(names: Names, dollar: Any) -> Any:
        values = [item(names, dollar) for item in items]
        if is_short and all(_is_small(value, size) for value in values):
            return weigh(tuple(values))
        return otherwise(*values)

    return evaluate


def map_literal(members: Sequence[tuple[Closure, Closure]]) -> Closure:
    """`{a => b}`."""

    def evaluate(names: Names, dollar: Any) -> Any:
        pairs = {key(names, dollar): value(names, dollar) for key, value in members}
        made = utils.FrozenDict(pairs)
        return made if SIMPLE.issuperset(map(type, pairs.values())) else weigh(made)

    return evaluate


def _is_small(value: Any, size: int) -> bool:
    kind = type(value)
    if kind is int:
        return bool(value.bit_length() <= size)
    return kind in SMALL or ((kind is str or kind in SEQUENCES) and len(value) <= size)


def _index(otherwise: Operation, limits: Limits) -> Operation:
    size = limits.size

    def operate(value: Any, key: Any, *default: Any) -> Any:
        kind = type(value)
        if not default and (kind in MAPS or (kind in SEQUENCES and type(key) is int)):
            return measured(value[key], size)
        return otherwise(value, key, *default)

    return operate


def _plus(otherwise: Operation, limits: Limits) -> Operation:
    size = limits.size

    def operate(one: Any, other: Any) -> Any:
        kind, other_kind = type(one), type(other)
        if kind in NUMBERS and other_kind in NUMBERS:
            return one + other
        if kind is str and other_kind is str:
            return measured(one + other, size)
        return otherwise(one, other)

    return operate


def _times(otherwise: Operation, limits: Limits) -> Operation:
    bits = limits.bits

    def operate(one: Any, other: Any) -> Any:
        if type(one) in NUMBERS and type(other) in NUMBERS:
            product = one * other
            if type(product) is float or product.bit_length() <= bits:
                return product
        return otherwise(one, other)

    return operate


def _within(otherwise: Operation, limits: Limits) -> Operation:
    most = limits.size if limits.items < 0 else min(limits.size, limits.items)

    def operate(wanted: Any, place: Any) -> Any:
        if type(place) in SEQUENCES and len(place) <= most:
            return wanted in place
        return otherwise(wanted, place)

    return operate


def _for_two_numbers(calculate: Operation) -> Callable[[Operation, Limits], Operation]:
    def shortcut(otherwise: Operation, _limits: Limits) -> Operation:
        def operate(one: Any, other: Any) -> Any:
            if type(one) in NUMBERS and type(other) in NUMBERS:
                return calculate(one, other)
            return otherwise(one, other)

        return operate

    return shortcut


def _for_two_numbers_or_texts(compare: Operation) -> Callable[[Operation, Limits], Operation]:
    def shortcut(otherwise: Operation, _limits: Limits) -> Operation:
        def operate(one: Any, other: Any) -> Any:
            kind, other_kind = type(one), type(other)
            if (kind in NUMBERS and other_kind in NUMBERS) or (kind is str and other_kind is str):
                return compare(one, other)
            return otherwise(one, other)

        return operate

    return shortcut


def _for_a_number(calculate: Operation) -> Callable[[Operation, Limits], Operation]:
    def shortcut(otherwise: Operation, _limits: Limits) -> Operation:
        def operate(value: Any) -> Any:
            return calculate(value) if type(value) in NUMBERS else otherwise(value)

        return operate

    return shortcut


def _for_simple(compare: Operation) -> Callable[[Operation, Limits], Operation]:
    """Comparing takes long only where two collections that the expression has made may be deeply nested."""

    def shortcut(otherwise: Operation, _limits: Limits) -> Operation:
        def operate(one: Any, other: Any) -> Any:
            if type(one) in SIMPLE or type(other) in SIMPLE:
                return compare(one, other)
            return otherwise(one, other)

        return operate

    return shortcut


def _for_all(calculate: Operation) -> Callable[[Operation, Limits], Operation]:
    return lambda _otherwise, _limits: calculate


def _str(otherwise: Operation, _limits: Limits) -> Operation:
    def operate(value: Any) -> Any:
        return value if type(value) is str else str(value) if type(value) in NUMBERS else otherwise(value)

    operate.keeps_texts = True  # type: ignore[attr-defined]
    return operate


def _greater(one: Any, other: Any) -> Any:
    return other if other > one else one


def _less(one: Any, other: Any) -> Any:
    return one if other > one else other


def _quotient(one: Any, other: Any) -> Any:
    return one // other if type(one) is int and type(other) is int else one / other


SHORTCUTS: Final[Mapping[str, Callable[[Operation, Limits], Operation]]] = {
    "#operator_+": _plus,
    "#operator_-": _for_two_numbers(operator.sub),
    "#operator_*": _times,
    "#operator_/": _for_two_numbers(_quotient),
    "#operator_mod": _for_two_numbers(operator.mod),
    "#operator_<": _for_two_numbers_or_texts(operator.lt),
    "#operator_<=": _for_two_numbers_or_texts(operator.le),
    "#operator_>": _for_two_numbers_or_texts(operator.gt),
    "#operator_>=": _for_two_numbers_or_texts(operator.ge),
    "*equal": _for_simple(operator.eq),
    "*not_equal": _for_simple(operator.ne),
    "#operator_in": _within,
    "#unary_operator_not": _for_all(operator.not_),
    "#unary_operator_-": _for_a_number(operator.neg),
    "#unary_operator_+": _for_a_number(operator.pos),
    "#indexer": _index,
    "str": _str,
    "max": _for_two_numbers(_greater),
    "min": _for_two_numbers(_less),
}
"""From what the library would do with any values, and the limits, to what does it faster for some."""
