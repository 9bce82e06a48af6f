"""Due times: the earliest and the due ones, as a look at all of them would find them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from maestrale.engine.timers import Timers, TimersDraft

TIMES = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 9))
CHANGES = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.none() | st.integers(0, 9)))


def committed(times: dict[str, int]) -> Timers:
    timers = Timers()
    for name, at in times.items():
        timers[name] = at
    return timers


@given(TIMES, st.lists(CHANGES, max_size=4), st.integers(0, 9))
def test_it_finds_what_a_look_at_all_of_them_finds(
    times: dict[str, int], rounds: list[list[tuple[str, int | None]]], now: int
) -> None:
    timers = committed(times)
    known = dict(times)
    for changes in rounds:
        draft = TimersDraft(timers)
        before = dict(timers)
        for name, at in changes:
            if at is None:
                draft.remove(name)
                known.pop(name, None)
            else:
                draft[name] = at
                known[name] = at
        assert draft.earliest() == min(known.values(), default=None)
        assert draft.due(now) == sorted((at, name) for name, at in known.items() if at <= now)
        assert dict(timers) == before
        draft.apply()
        assert dict(timers) == known


def test_finding_the_earliest_does_not_look_at_the_rest() -> None:
    timers = committed({str(number): number for number in range(1000)})
    taken = [entry for entry, _ in zip(timers.in_order(), range(3), strict=False)]
    assert taken == [(0, "0"), (1, "1"), (2, "2")]
    assert TimersDraft(timers).earliest() == 0
    assert TimersDraft(timers).due(1) == [(0, "0"), (1, "1")]


def test_stale_entries_are_dropped_when_they_come_up() -> None:
    timers = committed({"a": 1, "b": 2, "c": 3})
    del timers["a"]
    timers["b"] = 5
    assert TimersDraft(timers).earliest() == 3
    assert len(timers.heap) == 2
