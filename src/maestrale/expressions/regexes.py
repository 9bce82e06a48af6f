"""How long a search by a regular expression may take at worst, judged by its parts before it runs.

The bound is a product: from how many places of the text a search may begin, and in how many ways each
repetition may match there. It is often far too high, and never too low by more than a small factor; what it
does not allow is run where it can be ended.
"""

from __future__ import annotations

import functools
import re
from re import _parser  # type: ignore[attr-defined] # the one place where the parts of a pattern are known
from typing import Any, Final

from maestrale.expressions.guards import allow_size
from maestrale.expressions.views import CURRENT

_ENDLESS: Final = 10**18
"""Steps of a search of which nobody will see the end."""

_REPEATS: Final = frozenset({_parser.MAX_REPEAT, _parser.MIN_REPEAT, _parser.POSSESSIVE_REPEAT})
_ONE_CHARACTER: Final = frozenset(
    {_parser.LITERAL, _parser.NOT_LITERAL, _parser.ANY, _parser.IN, _parser.CATEGORY, _parser.AT}
)
_FLAGS: Final = re.IGNORECASE | re.MULTILINE | re.DOTALL
_FREE: Final = 64
_GROUP: Final = re.compile(r"\\(?:g<|\d)")


def allow_search(pattern: str | re.Pattern[str], text: str) -> None:
    """Count a search in a text. What is wrong with a pattern is said by whoever compiles it."""
    source, flags = (pattern, 0) if isinstance(pattern, str) else (pattern.pattern, pattern.flags & _FLAGS)
    try:
        steps = worst_steps(source, flags, len(text))
    except (re.error, RecursionError, OverflowError):
        return
    CURRENT.get().meter().search(steps)


def allow_substitution(replacement: str, text: str) -> None:
    """Refuse a substitution that may make too long a text."""
    groups = len(_GROUP.findall(replacement))
    allow_size(len(text) + (len(text) + 1) * (len(replacement) + groups * _FREE))


def worst_steps(pattern: str, flags: int, length: int) -> int:
    """A bound on the steps of a search in a text of so many characters."""
    parsed, is_anchored = _parsed(pattern, flags)
    starts = 1 if is_anchored else length + 1
    ways, steps = _sequence(parsed, length, is_last=True)
    return min(_ENDLESS, starts * max(ways, 1) * max(steps, 1))


@functools.lru_cache(1000)
def _parsed(pattern: str, flags: int) -> tuple[Any, bool]:
    parsed = _parser.parse(pattern, flags)
    first = parsed.data[0] if parsed.data else None
    at_start = {_parser.AT_BEGINNING_STRING}
    if not parsed.state.flags & re.MULTILINE:
        at_start.add(_parser.AT_BEGINNING)
    return parsed, first is not None and first[0] is _parser.AT and first[1] in at_start


def _sequence(items: Any, length: int, *, is_last: bool = False) -> tuple[int, int]:
    """In how many ways a sequence may match at one place, and the steps that one way takes.

    What the last item of all matches is never given back, so it is tried in one way only.
    """
    ways, steps = 1, 0
    final = len(items) - 1
    for place, (kind, argument) in enumerate(items):
        more, cost = _item(kind, argument, length, is_last=is_last and place == final)
        ways = min(_ENDLESS, ways * more)
        steps = min(_ENDLESS, steps + cost)
    return ways, steps


def _item(kind: Any, argument: Any, length: int, *, is_last: bool) -> tuple[int, int]:
    if kind in _ONE_CHARACTER:
        return 1, 1
    if kind in _REPEATS:
        return _repeat(argument, length, is_last=is_last)
    if kind is _parser.SUBPATTERN:
        return _sequence(argument[-1], length, is_last=is_last)
    if kind is _parser.BRANCH:
        found = [_sequence(branch, length, is_last=is_last) for branch in argument[1]]
        return sum(ways for ways, _ in found), sum(steps for _, steps in found)
    if kind in (_parser.ASSERT, _parser.ASSERT_NOT):
        ways, steps = _sequence(argument[1], length)
        return 1, min(_ENDLESS, ways * steps)
    if kind is _parser.ATOMIC_GROUP:
        ways, steps = _sequence(argument, length)
        return 1, min(_ENDLESS, ways * steps)
    if kind is _parser.GROUPREF_EXISTS:
        found = [_sequence(branch, length, is_last=is_last) for branch in argument[1:] if branch is not None]
        return sum(ways for ways, _ in found) + 1, sum(steps for _, steps in found) + 1
    return 1, length + 1  # a reference to a group


def _repeat(argument: Any, length: int, *, is_last: bool) -> tuple[int, int]:
    least, most, items = argument
    most = min(int(most), length + 1)
    ways, steps = _sequence(items, length)
    if ways == 1:
        return (1 if is_last else max(1, most - int(least) + 1)), max(1, most) * max(1, steps)
    total = 1
    for _ in range(min(most, 64)):
        total *= ways
        if total >= _ENDLESS:
            break
    return min(_ENDLESS, total), max(1, most) * max(1, steps)
