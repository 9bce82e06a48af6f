"""Limits in the functions of the official library, whichever way they are called.

The library bounds each collection and each value by itself. What it does not stop: work that multiplies,
numbers and texts that one call makes far larger than its arguments, and regular expressions.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from yaql.language import contexts, yaqltypes
from yaql.standard_library import regex as library_regex

from maestrale.expressions.guards import (
    allow_bits,
    allow_join,
    allow_power,
    allow_product,
    allow_replacement,
    count,
    count_items,
    handle,
    weigh,
)
from maestrale.expressions.regexes import allow_search, allow_substitution
from maestrale.expressions.views import CURRENT, Evaluation

CALL: Final = 200
"""Steps that a call by the library's evaluator costs: so much longer it takes than going to the next item."""

_TWO_ARGUMENTS: Final = 4
"""Steps for a call whose arguments are found by name, or whose value goes through a queue."""

LARGE: Final = 4096
"""Bytes from which a result counts as large."""

HASHED: Final = "key_selector"
"""The parameter for selectors by whose values something is kept."""

_PLAIN: Final = frozenset({str, int, float, bool, type(None)})
_REGEX_MODULE: Final = library_regex.__name__

Payload = Callable[..., Any]


class CountedIterable(yaqltypes.Iterable):  # type: ignore[misc]
    """A parameter for a collection whose items count as steps."""

    __slots__ = ()

    def convert(self, *args: Any, **kwargs: Any) -> Any:
        items = super().convert(*args, **kwargs)
        return None if items is None else count_items(items)


def install(context: Any) -> None:
    """Put the limits into the functions of a context of the standard library and those above it.

    Functions are shared by all contexts of a process, so they are replaced by copies.
    """
    while context is not None:
        for name, functions in context._functions.items():
            context._functions[name] = {_limited(function) for function in functions}
        context = context.parent


def _limited(function: Any) -> Any:
    copy = function.clone()
    for parameter in copy.parameters.values():
        if type(parameter.value_type) is yaqltypes.Iterable:
            parameter.value_type = _counting(parameter.value_type)
    module = function.payload.__module__.rpartition(".")[2]
    guard = _GUARDS.get(f"{module}.{function.payload.__name__}")
    if function.payload.__module__ == _REGEX_MODULE:
        copy.payload = _guarded_regex(function.payload)
    elif guard is not None:
        copy.payload = guard(function.payload)
    return copy


def _counting(kind: Any) -> CountedIterable:
    counting = CountedIterable(nullable=kind.nullable)
    counting.validators = kind.validators
    return counting


def _checked(check: Payload) -> Callable[[Payload], Payload]:
    """A guard that looks at the arguments before the call."""

    def guard(payload: Payload) -> Payload:
        @functools.wraps(payload)
        def call(*args: Any, **kwargs: Any) -> Any:
            check(*args, **kwargs)
            return payload(*args, **kwargs)

        return call

    return guard


def _length(payload: Payload) -> Payload:
    """`len()` of an iterator, which may have no end."""

    @functools.wraps(payload)
    def call(collection: Iterator[Any]) -> int:
        meter = CURRENT.get().meter()
        number = paid = 0
        for _ in collection:
            if number == paid:
                meter.spend(number + 1)
                paid += number + 1
            number += 1
        return number

    return call


def _generate_many(payload: Payload) -> Payload:
    """What the producer makes is taken in as a whole."""

    @functools.wraps(payload)
    def call(engine: Any, initial: Any, producer: Payload, *args: Any, **kwargs: Any) -> Any:
        def produce(item: Any) -> Any:
            count(_TWO_ARGUMENTS)
            return count_items(producer(item))

        return payload(engine, initial, produce, *args, **kwargs)

    return call


def _hashed_by(selector: Payload) -> Payload:
    """A selector whose values are hashed, which goes through all that is in them."""
    if getattr(selector, "is_hashed", False):
        return selector

    def select(item: Any) -> Any:
        value = selector(item)
        if type(value) not in _PLAIN:
            handle(value)
        return value

    return select


def _same(value: Any) -> Any:
    return value


_hashed: Final = _hashed_by(_same)


def _keyed(payload: Payload) -> Payload:
    """A function whose third argument says by what the items are kept."""

    @functools.wraps(payload)
    def call(one: Any, other: Any, selector: Payload, *more: Any) -> Any:
        return payload(one, other, _hashed_by(selector), *more)

    return call


def _distinct(payload: Payload) -> Payload:
    @functools.wraps(payload)
    def call(engine: Any, collection: Any, key_selector: Payload | None = None) -> Any:
        return payload(engine, collection, _hashed_by(key_selector or _same))

    return call


def _set(payload: Payload) -> Payload:
    @functools.wraps(payload)
    def call(collection: Any) -> Any:
        return payload(map(_hashed, collection))

    return call


def _dict(payload: Payload) -> Payload:
    @functools.wraps(payload)
    def call(items: Any, engine: Any) -> Any:
        return payload(map(_hashed, items), engine)

    return call


def _join_by(payload: Payload) -> Payload:
    """The library's join of two collections, which looks at every pair of items."""

    @functools.wraps(payload)
    def call(engine: Any, first: Any, second: Any, predicate: Payload, selector: Payload) -> Any:
        meter = CURRENT.get().meter()

        def counting(one: Any, other: Any) -> Any:
            meter.spend(_TWO_ARGUMENTS)
            return predicate(one, other)

        return payload(engine, first, second, counting, selector)

    return call


def _join(payload: Payload) -> Payload:
    @functools.wraps(payload)
    def call(sequence: Any, separator: str, str_delegate: Payload) -> str:
        return separator.join(allow_join(separator, _texts(sequence, str_delegate)))

    return call


def _str(payload: Payload) -> Payload:
    """The text of a value, all that is in it included."""

    @functools.wraps(payload)
    def call(value: Any) -> Any:
        if type(value) not in _PLAIN:
            handle(value)
        return payload(value)

    return call


def _texts(sequence: Any, to_text: Payload) -> Sequence[str]:
    keeps_texts = getattr(to_text, "keeps_texts", False) and isinstance(sequence, tuple)
    if keeps_texts and set(map(type, sequence)) == {str}:
        return sequence  # type: ignore[no-any-return]
    return list(map(to_text, sequence))


def _join_reversed(payload: Payload) -> Payload:
    join = _join(payload)

    @functools.wraps(payload)
    def call(separator: str, sequence: Any, str_delegate: Payload) -> Any:
        return join(sequence, separator, str_delegate)

    return call


def _two(one: Any, other: Any) -> None:
    """An operation on two values as a whole."""
    handle(one)
    handle(other)


def _shift(value: int, bits_number: int) -> None:
    allow_bits(abs(value).bit_length() + bits_number if value else 0)


def _product(left: Any, right: Any, *_: Any) -> None:
    allow_product(left, right)


def _power(a: Any, b: Any, c: Any = None) -> None:
    if c is None:
        allow_power(a, b)


def _replacement(string: str, old: str, new: str, count: int = -1) -> None:
    allow_replacement(string, old, new, count)


def _replacements(string: str, str_func: Payload, replacements: Any, count: int = -1) -> None:
    for key, value in replacements.items():
        allow_replacement(string, str_func(key), str_func(value), count)


_GUARDS: Final[dict[str, Callable[[Payload], Payload]]] = {
    "math.pow_": _checked(_power),
    "math.shift_bits_left": _checked(_shift),
    "math.multiplication": _checked(_product),
    "collections.list_by_int": _checked(_product),
    "collections.int_by_list": _checked(_product),
    "collections.dict__": _dict,
    "collections.to_dict": _keyed,
    "collections.to_set": _set,
    "strings.string_by_int": _checked(_product),
    "strings.int_by_string": _checked(_product),
    "strings.replace": _checked(_replacement),
    "strings.replace_with_dict": _checked(_replacements),
    "strings.join": _join,
    "strings.join_": _join_reversed,
    "strings.str_": _str,
    "queries.count_": _length,
    "queries.generate_many": _generate_many,
    "queries.join": _join_by,
    "queries.distinct": _distinct,
    "queries.group_by": _keyed,
    "common.eq": _checked(_two),
    "common.neq": _checked(_two),
}
"""By module and name of the library's Python function."""


def _guarded_regex(payload: Payload) -> Payload:
    names = list(inspect.signature(payload).parameters)
    if "string" not in names or len(names) < 2:
        return payload
    text = names.index("string")
    pattern = next(names.index(name) for name in ("regexp", "pattern") if name in names)
    replacement = names.index("repl") if "repl" in names else None

    @functools.wraps(payload)
    def call(*args: Any, **kwargs: Any) -> Any:
        allow_search(args[pattern], args[text])
        if replacement is not None and isinstance(args[replacement], str):
            allow_substitution(args[pattern], args[replacement], args[text])
        return payload(*args, **kwargs)

    return call


class Context(contexts.Context):  # type: ignore[misc]
    """Variables of an evaluation, in which every call of a function is counted and its result measured."""

    def __init__(self, parent: Any, evaluation: Evaluation) -> None:
        super().__init__(parent)
        self.evaluation = evaluation

    def create_child_context(self) -> Any:
        return Context(self, self.evaluation)

    def __call__(self, *args: Any, **kwargs: Any) -> Payload:
        call: Payload = super().__call__(*args, **kwargs)

        def limited(*given: Any, **named: Any) -> Any:
            self.evaluation.meter().spend(CALL)
            return measured_result(call(*given, **named))

        return limited


def measured_result(result: Any) -> Any:
    """The result of a call, if it is within the limits."""
    kind = type(result)
    if kind is int:
        if result.bit_length() > LARGE:
            allow_bits(result.bit_length())
    elif kind is str:
        if len(result) > LARGE:
            CURRENT.get().meter().handle(len(result))
    else:
        weigh(result)
    return result
