"""When a cron trigger is due: patterns as Mistral reads them, and the moments that they stand for.

The grammar is that of croniter, which Mistral uses; the search for the next moment is left to cronsim, whose
patterns differ in details. All times are UTC.
"""

from __future__ import annotations

import datetime
import re
from functools import lru_cache
from typing import Final, NamedTuple

from cronsim import CronSim, CronSimError

from maestrale.model.errors import BadRequest
from maestrale.model.values import Microseconds

_SECOND: Final = 1_000_000
_EPOCH: Final = datetime.datetime(1970, 1, 1)

WORDS: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
NEVER: Final = "0 0 30 2 0"
"""What stands in the place of a pattern where there is none, so that clients always find one."""


class _Part(NamedTuple):
    """One field of a pattern: its name in messages, its least and greatest value, and words for values."""

    name: str
    least: int
    greatest: int
    words: dict[str, int]


def _words(text: str, first: int) -> dict[str, int]:
    return {word: number for number, word in enumerate(text.split(), first)}


_MINUTE: Final = _Part("minute", 0, 59, {})
_HOUR: Final = _Part("hour", 0, 23, {})
_DAY: Final = _Part("day of the month", 1, 31, {})
_MONTH: Final = _Part("month", 1, 12, _words("jan feb mar apr may jun jul aug sep oct nov dec", 1))
_WEEKDAY: Final = _Part("day of the week", 0, 6, _words("sun mon tue wed thu fri sat", 0))
_SECONDS: Final = _Part("second", 0, 59, {})
_PARTS: Final = (_MINUTE, _HOUR, _DAY, _MONTH, _WEEKDAY, _SECONDS)

_ITEM: Final = re.compile(r"(\*|\w+(?:-\w+)?)(?:/(\d+))?", re.ASCII)
_NTH: Final = re.compile(r"(\w+)#(\d+)", re.ASCII)
_LAST: Final = re.compile(r"l(\d)", re.ASCII)
_LAST_DAY: Final = "l"


class Schedule:
    """A pattern that was read; makes the moments for which it stands."""

    def __init__(self, pattern: str) -> None:
        """Raises `BadRequest` for a pattern that cannot be read, or that stands for no moment at all."""
        parts = WORDS.get(pattern.strip().lower(), pattern).lower().split()
        if len(parts) not in (5, 6):
            raise _invalid(pattern, f"it has {len(parts)} fields", "minute hour day month weekday [second]")
        written = [_read(pattern, part, text) for part, text in zip(_PARTS, parts, strict=False)]
        seconds = written[5] if len(written) == 6 else "0"
        self._pattern = pattern
        self._expression = " ".join([seconds, *written[:5]])
        self._either_day = not (
            _says_nothing(parts[2], written[2], parts[4]) or _says_nothing(parts[4], written[4], parts[2])
        )
        try:
            if self.after(0) is None:
                raise _invalid(pattern, "no day is like that")
        except CronSimError:
            raise _invalid(pattern, "no day is like that") from None

    def after(self, at: Microseconds) -> Microseconds | None:
        """The first moment later than `at`; None if there is none within fifty years."""
        search = CronSim(self._expression, _EPOCH + datetime.timedelta(microseconds=at))
        search.day_and = not self._either_day  # given both, one is enough, however they are written
        try:
            found = next(search)
        except (StopIteration, OverflowError):
            return None
        return (found - _EPOCH) // datetime.timedelta(microseconds=1)


@lru_cache(1000)
def schedule(pattern: str) -> Schedule:
    """The schedule of a pattern. Raises `BadRequest` as `Schedule` does."""
    return Schedule(pattern)


def next_due(pattern: str, planned: Microseconds, now: Microseconds) -> Microseconds | None:
    """When a trigger is due again that was so at `planned`; times that have passed meanwhile are left out.

    None if never.
    """
    return None if pattern == NEVER else schedule(pattern).after(max(planned, now))


def _read(pattern: str, part: _Part, text: str) -> str:
    """One field, written as values with commas between them, or `*` for all of them."""
    if text == "?" and part in (_DAY, _WEEKDAY):
        return "*"
    values: set[int] = set()
    special: list[str] = []
    for item in text.split(","):
        if part is _DAY and item == _LAST_DAY:
            special.append("L")
        elif part is _WEEKDAY and (last := _LAST.fullmatch(item)):
            special.append(f"{_value(pattern, part, last[1])}L")
        elif part is _WEEKDAY and (nth := _NTH.fullmatch(item)):
            if nth[2] not in "12345":
                raise _invalid(pattern, f"'{item}': a month has a weekday one to five times")
            special.append(f"{_value(pattern, part, nth[1])}#{nth[2]}")
        else:
            values.update(_expand(pattern, part, item))
    if len(values) == part.greatest - part.least + 1:
        return "*"
    return ",".join([*map(str, sorted(values)), *special])


def _says_nothing(text: str, written: str, other: str) -> bool:
    """Whether one of the two fields for days leaves the choice to the `other` one.

    A field that names every day one by one does so only beside a `*`; else one of the two is enough.
    """
    return bool({"*", "?"}.intersection(text.split(","))) or (written == "*" and "*" in other)


def _expand(pattern: str, part: _Part, item: str) -> list[int]:
    """The values of `5`, `1-5`, `fri-mon` (over the end), `*`, and each of them with a step."""
    found = _ITEM.fullmatch(item)
    if found is None:
        raise _invalid(pattern, f"'{item}' is no {part.name}")
    low, dash, high = found[1].partition("-")
    step = int(found[2] or 1)
    if not step:
        raise _invalid(pattern, f"'{item}' has no step")
    if low == "*":
        first, last = part.least, part.greatest
    else:
        first = _value(pattern, part, low)
        if dash:
            last = _value(pattern, part, high)
            if part is _WEEKDAY and high == "7" and low != "7":
                last = part.greatest + 1
        else:
            last = part.greatest if found[2] else first
    size = part.greatest - part.least + 1
    if last < first:
        last += size
    return [(value - part.least) % size + part.least for value in range(first, last + 1, step)]


def _value(pattern: str, part: _Part, text: str) -> int:
    if text in part.words:
        return part.words[text]
    number = int(text) if text.isdigit() else -1
    if part is _WEEKDAY and number == 7:
        return 0
    if not part.least <= number <= part.greatest:
        raise _invalid(pattern, f"'{text}' is no {part.name} ({part.least} to {part.greatest})")
    return number


def _invalid(pattern: str, why: str, hint: str = "") -> BadRequest:
    return BadRequest(f"The specified pattern is not valid: {pattern}: {why}", hint)
