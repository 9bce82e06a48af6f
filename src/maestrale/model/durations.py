"""Lengths of time as people write them: "90 s", "30 days", "2w"."""

from __future__ import annotations

import re
from typing import Final

from maestrale.model.values import Microseconds

_SECOND: Final = 1_000_000
_UNITS: Final[dict[str, int]] = {
    "second": _SECOND,
    "minute": 60 * _SECOND,
    "hour": 3600 * _SECOND,
    "day": 86_400 * _SECOND,
    "week": 7 * 86_400 * _SECOND,
}
_SHORT: Final = {"s": "second", "min": "minute", "m": "minute", "h": "hour", "d": "day", "w": "week"}
_SHOWN: Final = ("day", "hour", "minute", "second")
_FORM: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([a-z]+)")

LONGEST: Final = 36_500 * _UNITS["day"]


def parse_duration(text: str) -> Microseconds:
    """A number with a unit, more than nothing and at most a hundred years. Raises `ValueError`."""
    found = _FORM.fullmatch(text.strip().lower())
    unit = None if found is None else _UNITS.get(_SHORT.get(found[2], found[2].removesuffix("s")))
    if found is None or unit is None:
        raise ValueError("write a number and its unit: 90 s, 15 min, 12 hours, 30 days, 2 weeks")
    length = round(float(found[1]) * unit)
    if not 0 < length <= LONGEST:
        raise ValueError("it must be more than nothing, and at most 36500 days")
    return length


def duration_text(length: Microseconds) -> str:
    """The same for people, in the largest unit that leaves no fraction."""
    unit = next((name for name in _SHOWN if length % _UNITS[name] == 0), "second")
    number = length / _UNITS[unit]
    return f"{number:g} {unit}{'' if number == 1 else 's'}"
