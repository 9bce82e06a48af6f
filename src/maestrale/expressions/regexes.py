"""How long a search by a regular expression may take at worst, judged by its parts before it runs.

The bound is a product: from how many places of the text a search may begin, and in how many ways each
repetition may match there. A repetition that can only end where something else begins (`[a-z]+-`) matches in
one way. The bound is often far too high, and never too low by more than a small factor; what it does not
allow is run where it can be ended.
"""

from __future__ import annotations

import functools
import re
from typing import Any, Final

from maestrale.expressions.guards import allow_size
from maestrale.expressions.regex_parts import ALL, PARSER, first_of, is_apart
from maestrale.expressions.views import CURRENT

_ENDLESS: Final = 10**18
"""Steps of a search of which nobody will see the end."""

_MOST_TURNS: Final = 64
"""After so many turns of a repetition that can match in two ways each, the end is not seen."""

_REPEATS: Final = frozenset({PARSER.MAX_REPEAT, PARSER.MIN_REPEAT, PARSER.POSSESSIVE_REPEAT})
_ONE_CHARACTER: Final = frozenset({PARSER.LITERAL, PARSER.NOT_LITERAL, PARSER.ANY, PARSER.IN, PARSER.AT})
_FLAGS: Final = re.IGNORECASE | re.MULTILINE | re.DOTALL
_GROUP: Final = re.compile(r"\\(?:g<|\d)")

Cost = tuple[int, int]
"""In how many ways something may match at one place, and the steps that one way takes."""


def allow_search(pattern: str | re.Pattern[str], text: str) -> None:
    """Count a search in a text. What is wrong with a pattern is said by whoever compiles it."""
    source, flags = (pattern, 0) if isinstance(pattern, str) else (pattern.pattern, pattern.flags & _FLAGS)
    try:
        steps = worst_steps(source, flags, len(text))
    except (re.error, RecursionError, OverflowError):
        return
    CURRENT.get().meter().search(steps)


def allow_substitution(pattern: str | re.Pattern[str], replacement: str, text: str) -> None:
    """Refuse a substitution that makes too long a text. The search itself must be allowed already."""
    copies = 1 + len(_GROUP.findall(replacement))
    places = len(text) + 1
    if places * len(replacement) > len(text):
        places = sum(1 for _ in re.finditer(pattern, text))
    allow_size(copies * len(text) + places * len(replacement))


def worst_steps(pattern: str, flags: int, length: int) -> int:
    """A bound on the steps of a search in a text of so many characters."""
    parsed, is_anchored = _parsed(pattern, flags)
    starts = 1 if is_anchored else length + 1
    ways, steps = _Judge(length, parsed.state.flags).sequence(parsed, ALL, is_last=True)
    return min(_ENDLESS, starts * ways * max(steps, 1) + length)


@functools.lru_cache(1000)
def _parsed(pattern: str, flags: int) -> tuple[Any, bool]:
    parsed = PARSER.parse(pattern, flags)
    first = parsed.data[0] if parsed.data else None
    at_start = {PARSER.AT_BEGINNING_STRING}
    if not parsed.state.flags & re.MULTILINE:
        at_start.add(PARSER.AT_BEGINNING)
    return parsed, first is not None and first[0] is PARSER.AT and first[1] in at_start


class _Judge:
    """Judges the parts of a pattern for texts of one length."""

    def __init__(self, length: int, flags: int) -> None:
        self._length = length
        self._flags = flags

    def sequence(self, items: Any, after: int, *, is_last: bool = False) -> Cost:
        """Of items one after the other, with what may come `after` them.

        What the last item of all has matched is never given back, so it is tried in one way only.
        """
        ways, steps = 1, 0
        items = list(items)
        for place, (kind, argument) in enumerate(items):
            rest = first_of(items[place + 1 :], after, self._flags)
            more, cost = self._item(kind, argument, rest, is_last=is_last and place == len(items) - 1)
            ways = min(_ENDLESS, ways * more)
            steps = min(_ENDLESS, steps + cost)
        return ways, steps

    def _item(self, kind: Any, argument: Any, after: int, *, is_last: bool) -> Cost:
        if kind in _ONE_CHARACTER:
            return 1, 1
        if kind in _REPEATS:
            return self._repeat(argument, after, is_last=is_last)
        if kind is PARSER.SUBPATTERN:
            return self.sequence(argument[-1], after, is_last=is_last)
        if kind is PARSER.BRANCH:
            return self._branches(argument[1], after, is_last=is_last)
        if kind is PARSER.ASSERT or kind is PARSER.ASSERT_NOT:
            ways, steps = self.sequence(argument[1], ALL)
            return 1, min(_ENDLESS, ways * steps)
        if kind is PARSER.ATOMIC_GROUP:
            ways, steps = self.sequence(argument, ALL)
            return 1, min(_ENDLESS, ways * steps)
        if kind is PARSER.GROUPREF_EXISTS:
            found = [branch for branch in argument[1:] if branch is not None]
            ways, steps = self._branches(found, after, is_last=is_last)
            return ways + 1, steps + 1
        return 1, self._length + 1  # a reference to a group

    def _branches(self, branches: Any, after: int, *, is_last: bool) -> Cost:
        costs = [self.sequence(branch, after, is_last=is_last) for branch in branches]
        firsts = [first_of(list(branch), after, self._flags) for branch in branches]
        count = max if is_apart(firsts) else sum
        return count(ways for ways, _ in costs), sum(steps for _, steps in costs)

    def _repeat(self, argument: Any, after: int, *, is_last: bool) -> Cost:
        least, most, items = argument
        least, most = min(int(least), self._length + 1), min(int(most), self._length + 1)
        items = list(items)
        first, is_empty = first_of(items, 0, self._flags), first_of(items, ALL, self._flags) == ALL
        ways, steps = self.sequence(items, first | after)
        turns = max(1, least if is_last and ways == 1 else most)
        cost = min(_ENDLESS, turns * max(1, steps))
        if ways == 1:
            is_clear = is_last or (not is_empty and not first & after)
            return (1 if is_clear else max(1, most - least + 1)), cost
        total = 1
        for _ in range(min(most, _MOST_TURNS)):
            total = min(_ENDLESS, total * ways)
        return total, cost
