"""How many starts a project may have, and when nobody is let in."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from maestrale.model.errors import TooManyRequests, Unavailable
from maestrale.services.admission import Admission


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def fill(admission: Admission, stack: ExitStack, project: str) -> int:
    """Start until there is no place left for the project; how many there were."""
    count = 0
    while True:
        try:
            stack.enter_context(admission.admitted(project))
        except TooManyRequests:
            return count
        count += 1


def test_there_is_always_a_place_for_another_project() -> None:
    """Each gets what is left, shared out: half, then a quarter (as the first keeps its half), and so on."""
    admission = Admission(80, 10.0, Clock())
    with ExitStack() as stack:
        assert [fill(admission, stack, project) for project in "abcd"] == [40, 20, 10, 5]
        with admission.admitted("e"):
            pass
        with pytest.raises(TooManyRequests):
            admission.check("a")
    assert fill(admission, ExitStack(), "a") == 40


def test_a_place_is_free_again_after_a_failure() -> None:
    admission = Admission(2, 10.0, Clock())
    for _ in range(3):
        with pytest.raises(KeyError), admission.admitted("a"):
            raise KeyError


def test_the_oldest_start_tells_how_slow_the_database_is() -> None:
    clock = Clock()
    admission = Admission(80, 10.0, clock)
    with admission.admitted("a"):
        clock.now += 4
        with ExitStack() as later:
            later.enter_context(admission.admitted("b"))
            clock.now += 6.5
            with pytest.raises(Unavailable) as refused:
                admission.check("c")
            assert refused.value.retry_after == 11
            clock.now += 1000
            with pytest.raises(Unavailable) as refused:
                admission.check("c")
            assert refused.value.retry_after == 30
    admission.check("c")


def test_the_next_oldest_counts_once_the_oldest_is_answered() -> None:
    clock = Clock()
    admission = Admission(80, 10.0, clock)
    with ExitStack() as younger:
        with admission.admitted("a"):
            clock.now += 8
            younger.enter_context(admission.admitted("b"))
            clock.now += 8
            with pytest.raises(Unavailable):
                admission.check("c")
        admission.check("c")
