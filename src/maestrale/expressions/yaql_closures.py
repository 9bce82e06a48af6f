"""What compiled YAQL expressions are made of: closures, and the limits on their values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from yaql.language import utils

from maestrale.expressions.fallbacks import NotCompiled
from maestrale.expressions.guards import handle
from maestrale.expressions.meter import UNLIMITED
from maestrale.expressions.options import Options
from maestrale.expressions.views import CURRENT, LazyView, MapView, ScopeView, TupleView

Names = Mapping[str, Any]
"""The variables of an expression besides `$`, by name (`$x`)."""

Closure = Callable[[Names, Any], Any]
"""A compiled expression: from the variables and the value of `$` to the value."""

Operation = Callable[..., Any]
"""What an operator does with its operands' values."""

NUMBERS: Final = frozenset({int, float})
MAPS: Final = frozenset({MapView, ScopeView, LazyView, utils.FrozenDict, dict})
SIMPLE: Final = frozenset({str, int, float, bool, type(None)})
"""Kinds of values that have nothing in them."""

SEQUENCES: Final = frozenset({TupleView, tuple, list})

_BYTES_OF_AN_ITEM: Final = 256
"""More than any collection takes for an item, or a text for a character, without what it refers to."""


class Limits(msgspec.Struct, frozen=True):
    """What no value of a compiled expression exceeds; the official library counts beyond that."""

    items: int
    """Of a collection that is gone through, as `limit_iterators`: -1 is any number."""
    size: int
    """Items or characters of a value that certainly take less than `memory_quota` bytes."""
    bits: int
    """Of a whole number."""

    @staticmethod
    def of(options: Options) -> Limits | None:
        """The limits under these options; None if the quota is so small that every object matters."""
        quota, most = options.memory_quota, options.max_integer_bits
        size = quota // _BYTES_OF_AN_ITEM if quota > 0 else UNLIMITED
        bits = size if most < 0 else min(size, most)
        return Limits(options.limit_iterators, size, bits) if size >= _BYTES_OF_AN_ITEM else None


def measured(value: Any, size: int) -> Any:
    """The value, if it is certainly within the quota."""
    kind = type(value)
    if kind is str:
        if len(value) > _BYTES_OF_AN_ITEM:
            _count_large(value, size)
    elif kind in SEQUENCES:
        if len(value) > _BYTES_OF_AN_ITEM:
            _count_large(value, size)
        if kind is tuple:
            handle(value)
    return value


def _count_large(value: Any, size: int) -> None:
    if len(value) > size:
        raise NotCompiled("large value")
    CURRENT.get().meter().handle(len(value))


def constant(value: Any) -> Closure:
    """A literal or a bare word."""

    def evaluate(_names: Names, _dollar: Any) -> Any:
        return value

    return evaluate


def current_value(size: int) -> Closure:
    """`$` by itself."""

    def evaluate(_names: Names, dollar: Any) -> Any:
        return measured(dollar, size)

    return evaluate


def variable(name: str, size: int) -> Closure:
    """`$name`; null if there is none."""

    def evaluate(names: Names, _dollar: Any) -> Any:
        return measured(names.get(name), size)

    return evaluate


def context_variable(name: str, size: int) -> Closure:
    """A variable of the layers."""

    def evaluate(_names: Names, _dollar: Any) -> Any:
        return measured(CURRENT.get().variable(name), size)

    return evaluate
