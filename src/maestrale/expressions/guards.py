"""Limits on the values that expressions make; called where one operation could make something huge."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from typing import Any, Final

from maestrale.expressions.views import CURRENT, is_view_kind

_PLAIN: Final = frozenset({str, int, float, bool, type(None)})
_COLLECTIONS: Final = (tuple, list, Mapping, Set)
_WEIGHT_PER_STEP: Final = 4
_ALLOWED_AT_ONCE: Final = 4096


def count(steps: int) -> None:
    """Count steps of the evaluation under way."""
    CURRENT.get().meter().spend(steps)


def counted(items: Iterable[Any], most: int = -1) -> Iterator[Any]:
    """The items, each of them a step; `OverflowError` if they are more than `most` (-1: any number).

    Steps are counted in advance, each time for as many items as there were so far.
    """
    meter = CURRENT.get().meter()
    paid = 0
    for number, item in enumerate(items):
        if number == paid:
            if number == most:
                raise OverflowError(f"the collection has more than {most} items")
            steps = number + 1 if most < 0 else min(number + 1, most - number)
            meter.spend(steps)
            paid += steps
        yield item


def count_items(items: Any) -> Any:
    """The items, each of them a step; counted all at once where their number is known."""
    if not hasattr(items, "__len__"):
        return counted(items)
    CURRENT.get().meter().spend(len(items))
    return items


def allow_size(size: int) -> None:
    """Refuse a value of more than so many characters or members than the quota has bytes."""
    evaluation = CURRENT.get()
    quota = evaluation.options.memory_quota
    if 0 < quota < size:
        raise evaluation.meter().refuse(
            f"it takes too much memory: more than {quota} bytes for a value", "memory_quota"
        )
    evaluation.meter().handle(size)


def allow_bits(bits: float) -> None:
    """Refuse a whole number of so many bits."""
    evaluation = CURRENT.get()
    most = evaluation.options.max_integer_bits
    if 0 <= most < bits:
        raise evaluation.meter().refuse(
            f"a whole number would have more than {most} bits", "max_integer_bits"
        )


def allow_power(base: Any, exponent: Any) -> None:
    """Refuse a power that is too large a whole number."""
    if isinstance(base, int) and isinstance(exponent, int) and exponent > 0 and abs(base) > 1:
        allow_bits((abs(base).bit_length() - 1) * exponent)


def allow_product(one: Any, other: Any) -> None:
    """Refuse a product that is too large a number, or too long a text or list."""
    if isinstance(one, int) and isinstance(other, int):
        allow_bits(one.bit_length() + other.bit_length() - 2)
    elif isinstance(one, int) and hasattr(other, "__len__"):
        allow_size(max(one, 0) * len(other))
    elif isinstance(other, int) and hasattr(one, "__len__"):
        allow_size(max(other, 0) * len(one))


def allow_replacement(text: str, old: str, new: str, number: int = -1) -> None:
    """Refuse a replacement that makes too long a text."""
    places = len(text) // len(old) if old else len(text) + 1
    if number >= 0:
        places = min(places, number)
    if places * len(new) > len(text):
        places = min(places, text.count(old))
    allow_size(len(text) + places * len(new))


def allow_join(separator: str, parts: Sequence[str]) -> Sequence[str]:
    """The texts that are to be joined, if together they are not too long."""
    size = sum(map(len, parts)) + len(separator) * len(parts)
    if size > _ALLOWED_AT_ONCE:
        allow_size(size)
    return parts


def _made(kind: type) -> bool:
    """Whether values of a kind are collections that expressions make, unlike our views of stored data."""
    return issubclass(kind, _COLLECTIONS) and not is_view_kind(kind)


_is_made: Final[Callable[[type], bool]] = functools.cache(_made)


def weigh(value: Any) -> Any:
    """The value, if what the expression has nested in it is not too much.

    A list that holds the same list many times takes little memory but very long to compare or to print.
    """
    if not value or not _is_made(type(value)):
        return value
    members = value.values() if isinstance(value, Mapping) else value
    nested = [member for member in members if type(member) not in _PLAIN and _is_made(type(member))]
    if nested:
        meter = CURRENT.get().meter()
        weights = meter.weights
        if weights is None:
            weights = meter.weights = {}
        weight = len(value)
        for member in nested:
            known = weights.get(id(member))
            weight += known[1] if known is not None else len(member)
        weights[id(value)] = value, weight
        meter.spend(weight // _WEIGHT_PER_STEP)
    return value


def handle(value: Any) -> None:
    """Count what using a large or nested value as a whole costs."""
    meter = CURRENT.get().meter()
    known = meter.weights.get(id(value)) if meter.weights else None
    if known is not None:
        meter.spend(known[1] // _WEIGHT_PER_STEP)
    elif hasattr(value, "__len__"):
        meter.handle(len(value))
