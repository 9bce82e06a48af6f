"""With which characters a part of a regular expression may begin, as a set of bits.

Bits 0 to 255 stand for the first characters of Unicode, bit 256 for all others. The sets are never too small.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

_KNOWN: Final = 256
_OTHERS: Final = 1 << _KNOWN
ALL: Final = (1 << (_KNOWN + 1)) - 1
"""Every character."""

PARSER: Final[Any] = importlib.import_module("re._parser")
"""The one place where the parts of a pattern are known; types know nothing of it."""

_REPEATS: Final = frozenset({PARSER.MAX_REPEAT, PARSER.MIN_REPEAT, PARSER.POSSESSIVE_REPEAT})
_ENDS: Final = frozenset({PARSER.AT_END, PARSER.AT_END_STRING})


def first_of(items: Sequence[Any], after: int, flags: int) -> int:
    """With what a sequence may begin; where it may be empty, that includes what comes `after` it."""
    found = 0
    for kind, argument in items:
        first, is_empty = _first(kind, argument, flags)
        found |= first
        if not is_empty:
            return found
    return found | after


def is_apart(sets: Sequence[int]) -> bool:
    """Whether no character is in two of the sets."""
    seen = 0
    for each in sets:
        if seen & each:
            return False
        seen |= each
    return True


def _first(kind: Any, argument: Any, flags: int) -> tuple[int, bool]:
    """With what one item may begin, and whether it may match nothing."""
    if kind is PARSER.AT:
        return (_bit(ord("\n")), False) if argument in _ENDS else (0, True)
    if kind in _REPEATS:
        least, _, items = argument
        first, is_empty = _of_group(items, flags)
        return first, is_empty or int(least) == 0
    if kind is PARSER.SUBPATTERN:
        return _of_group(argument[-1], flags | argument[1])
    if kind is PARSER.ATOMIC_GROUP:
        return _of_group(argument, flags)
    if kind is PARSER.BRANCH:
        found = [_of_group(branch, flags) for branch in argument[1]]
        return _united([first for first, _ in found]), any(is_empty for _, is_empty in found)
    if kind is PARSER.ASSERT or kind is PARSER.ASSERT_NOT:
        return 0, True
    return _characters(kind, argument, flags), kind in (PARSER.GROUPREF, PARSER.GROUPREF_EXISTS)


def _of_group(items: Any, flags: int) -> tuple[int, bool]:
    items = list(items)
    return first_of(items, 0, flags), all(_first(kind, argument, flags)[1] for kind, argument in items)


def _characters(kind: Any, argument: Any, flags: int) -> int:
    """The characters that an item of one character may be; all where that is not known."""
    if kind is PARSER.LITERAL:
        return _folded(_bit(argument), flags)
    if kind is PARSER.NOT_LITERAL:
        return ALL & ~_bit(argument) | _OTHERS
    if kind is not PARSER.IN:
        return ALL
    members = list(argument)
    is_negated = bool(members) and members[0][0] is PARSER.NEGATE
    found = _folded(_united([_member(*member) for member in members[is_negated:]]), flags)
    return ALL & ~found | _OTHERS if is_negated else found


def _member(kind: Any, argument: Any) -> int:
    if kind is PARSER.LITERAL:
        return _bit(argument)
    if kind is PARSER.RANGE:
        low, high = argument
        return _united([_bit(number) for number in range(low, min(high, _KNOWN) + 1)] or [_OTHERS])
    return _CATEGORIES.get(argument, ALL) if kind is PARSER.CATEGORY else ALL


def _bit(number: int) -> int:
    return 1 << number if number < _KNOWN else _OTHERS


def _folded(found: int, flags: int) -> int:
    """The same without regard to case, if that is so wanted."""
    if not flags & re.IGNORECASE:
        return found
    both = [chr(number).swapcase() for number in range(_KNOWN) if found >> number & 1]
    return found | _OTHERS | _united([_bit(ord(letter)) for letter in both if len(letter) == 1])


def _united(sets: Sequence[int]) -> int:
    found = 0
    for each in sets:
        found |= each
    return found


def _where(test: Callable[[str], object]) -> int:
    return _united([1 << number for number in range(_KNOWN) if test(chr(number))]) | _OTHERS


_CATEGORIES: Final[dict[Any, int]] = {
    PARSER.CATEGORY_DIGIT: _where(str.isdigit),
    PARSER.CATEGORY_NOT_DIGIT: _where(lambda letter: not letter.isdecimal()),
    PARSER.CATEGORY_SPACE: _where(str.isspace),
    PARSER.CATEGORY_NOT_SPACE: _where(lambda letter: not letter.isspace()),
    PARSER.CATEGORY_WORD: _where(lambda letter: letter.isalnum() or letter == "_"),
    PARSER.CATEGORY_NOT_WORD: _where(lambda letter: not letter.isalnum() and letter != "_"),
}
