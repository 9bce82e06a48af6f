"""Patterns of cron triggers: what they stand for, and which are refused.

The expected moments of `AS_CRONITER` are what croniter 7.0 gives, by which Mistral goes.
"""

from __future__ import annotations

import calendar
import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maestrale.model.errors import BadRequest
from maestrale.model.schedules import NEVER, WORDS, Schedule, next_due, schedule
from maestrale.model.values import Microseconds

EPOCH = datetime.datetime(1970, 1, 1)
MICROSECOND = datetime.timedelta(microseconds=1)
SECOND = 1_000_000
START = datetime.datetime(2024, 2, 27, 22, 58, 31)

AS_CRONITER = {
    "* * * * *": ["02-27 22:59:00", "02-27 23:00:00", "02-27 23:01:00"],
    "*/20 * * * *": ["02-27 23:00:00", "02-27 23:20:00", "02-27 23:40:00"],
    "5/15 * * * *": ["02-27 23:05:00", "02-27 23:20:00", "02-27 23:35:00"],
    "59/15 * * * *": ["02-27 22:59:00", "02-27 23:59:00", "02-28 00:59:00"],
    "0 22-1 * * *": ["02-27 23:00:00", "02-28 00:00:00", "02-28 01:00:00"],
    "* * * * * 5": ["02-27 22:59:05", "02-27 23:00:05", "02-27 23:01:05"],
    "* * * * * */30": ["02-27 22:59:00", "02-27 22:59:30", "02-27 23:00:00"],
    "0 0 L * *": ["02-29 00:00:00", "03-31 00:00:00", "04-30 00:00:00"],
    "0 0 29 2 *": ["02-29 00:00:00", "2028-02-29 00:00:00", "2032-02-29 00:00:00"],
    "0 0 * * L5": ["03-29 00:00:00", "04-26 00:00:00", "05-31 00:00:00"],
    "0 0 * * fri#2": ["03-08 00:00:00", "04-12 00:00:00", "05-10 00:00:00"],
    "0 0 * * FRI-MON": ["03-01 00:00:00", "03-02 00:00:00", "03-03 00:00:00"],
    "0 0 * * 6-7": ["03-02 00:00:00", "03-03 00:00:00", "03-09 00:00:00"],
    "0 0 * * 1/2": ["02-28 00:00:00", "03-01 00:00:00", "03-04 00:00:00"],
    "0 0 * nov-feb *": ["02-28 00:00:00", "02-29 00:00:00", "11-01 00:00:00"],
    # A day of the month and one of the week: one of them is enough, unless one is left open.
    "0 0 10 * 1": ["03-04 00:00:00", "03-10 00:00:00", "03-11 00:00:00"],
    "0 0 */2 * 1": ["02-29 00:00:00", "03-01 00:00:00", "03-03 00:00:00"],
    "0 0 ? * 1": ["03-04 00:00:00", "03-11 00:00:00", "03-18 00:00:00"],
    "0 0 10 * ?": ["03-10 00:00:00", "04-10 00:00:00", "05-10 00:00:00"],
    "0 0 10 * 0-6": ["02-28 00:00:00", "02-29 00:00:00", "03-01 00:00:00"],
    "0 0 */10 * 0-6": ["03-01 00:00:00", "03-11 00:00:00", "03-21 00:00:00"],
    "@hourly": ["02-27 23:00:00", "02-28 00:00:00", "02-28 01:00:00"],
    "@Daily": ["02-28 00:00:00", "02-29 00:00:00", "03-01 00:00:00"],
    "@weekly": ["03-03 00:00:00", "03-10 00:00:00", "03-17 00:00:00"],
    "@monthly": ["03-01 00:00:00", "04-01 00:00:00", "05-01 00:00:00"],
    "@yearly": ["2025-01-01 00:00:00", "2026-01-01 00:00:00", "2027-01-01 00:00:00"],
}


def at(moment: datetime.datetime) -> Microseconds:
    return (moment - EPOCH) // MICROSECOND


def moment_of(microseconds: Microseconds) -> datetime.datetime:
    return EPOCH + microseconds * MICROSECOND


@pytest.mark.parametrize("pattern", AS_CRONITER)
def test_what_patterns_stand_for(pattern: str) -> None:
    wanted = AS_CRONITER[pattern]
    found, now = [], at(START)
    for _ in wanted:
        following = schedule(pattern).after(now)
        assert following is not None
        found.append(str(moment_of(following)))
        now = following
    assert found == [text if text.startswith("20") else f"2024-{text}" for text in wanted]


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("", "0 fields"),
        ("5 *", "2 fields"),
        ("* * * * * * *", "7 fields"),
        ("@reboot", "1 fields"),
        ("88 * * * *", "'88' is no minute (0 to 59)"),
        ("* 24 * * *", "'24' is no hour"),
        ("* * 0 * *", "'0' is no day of the month"),
        ("* * * 13 *", "'13' is no month"),
        ("* * * * 8", "'8' is no day of the week"),
        ("* * * * * 60", "'60' is no second"),
        ("mon * * * *", "'mon' is no minute"),
        ("*/0 * * * *", "'*/0' has no step"),
        ("1,,2 * * * *", "'' is no minute"),
        ("-5 * * * *", "'-5' is no minute"),
        ("1-2-3 * * * *", "'1-2-3' is no minute"),
        ("٣ * * * *", "'٣' is no minute"),
        ("² * * * *", "'²' is no minute"),
        ("R * * * *", "'r' is no minute"),
        ("H H * * *", "'h' is no minute"),
        ("? * * * *", "'?' is no minute"),
        ("* * LW * *", "'lw' is no day of the month"),
        ("* * * * 1#6", "'1#6'"),
        ("* * * * 1#0", "'1#0'"),
        ("* * * * l9", "'9' is no day of the week"),
        ("0 0 30 2 *", "no day is like that"),
        ("0 0 31 4,6 *", "no day is like that"),
    ],
)
def test_what_is_no_pattern(pattern: str, words: str) -> None:
    with pytest.raises(BadRequest) as refused:
        Schedule(pattern)
    assert str(refused.value).startswith(f"The specified pattern is not valid: {pattern}: ")
    assert words in str(refused.value)


def test_missed_times_are_left_out() -> None:
    """What was due long ago is due once, and then at the next time to come."""
    planned, now = at(START), at(START + datetime.timedelta(days=3, seconds=1))
    assert next_due("* * * * *", planned, now) == at(datetime.datetime(2024, 3, 1, 22, 59))
    assert next_due("* * * * *", now, planned) == at(datetime.datetime(2024, 3, 1, 22, 59))


def test_what_has_no_pattern_is_never_due_again() -> None:
    assert next_due(NEVER, at(START), at(START)) is None


def test_the_end_of_time() -> None:
    assert schedule("* * * * *").after(at(datetime.datetime(9999, 12, 31, 23, 59, 30))) is None


PARTS = st.tuples(
    *(
        st.one_of(st.none(), st.lists(st.integers(least, most), min_size=1, max_size=3))
        for least, most in ((0, 59), (0, 23), (1, 28), (1, 12), (0, 6), (0, 59))
    )
)
MOMENTS = st.datetimes(datetime.datetime(1970, 1, 1), datetime.datetime(2100, 1, 1))


def fits(parts: tuple[list[int] | None, ...], moment: datetime.datetime) -> bool:
    """Whether a moment is one of the pattern with these values (None: all)."""
    minutes, hours, days, months, weekdays, seconds = parts
    by_day = days is not None and moment.day in days
    by_weekday = weekdays is not None and calendar.weekday(*moment.timetuple()[:3]) in [
        (day - 1) % 7 for day in weekdays
    ]
    if days is None or weekdays is None:
        fits_day = (days is None or by_day) and (weekdays is None or by_weekday)
    else:
        fits_day = by_day or by_weekday
    others = ((minutes, moment.minute), (hours, moment.hour), (months, moment.month))
    return (
        fits_day
        and moment.second in (seconds if seconds is not None else range(60))
        and moment.microsecond == 0
        and all(values is None or value in values for values, value in others)
    )


@given(PARTS, MOMENTS)
def test_the_next_moment_fits_and_none_before_it_does(
    parts: tuple[list[int] | None, ...], moment: datetime.datetime
) -> None:
    pattern = " ".join("*" if part is None else ",".join(map(str, part)) for part in parts)
    found = Schedule(pattern).after(at(moment))
    assert found is not None
    following = moment_of(found)
    assert following > moment
    assert fits(parts, following)
    for steps in range(1, 200):
        earlier = following - datetime.timedelta(seconds=steps)
        if earlier <= moment:
            break
        assert not fits(parts, earlier)


@given(st.sampled_from([*WORDS, *AS_CRONITER]), MOMENTS, st.integers(-(10**13), 10**13))
def test_times_of_a_trigger_only_grow(pattern: str, planned: datetime.datetime, late: int) -> None:
    now = at(planned) + late
    following = next_due(pattern, at(planned), now)
    assert following is not None
    assert following > max(at(planned), now)
