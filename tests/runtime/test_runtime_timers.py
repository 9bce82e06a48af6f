"""How long is waited between tries."""

from __future__ import annotations

import pytest

from maestrale.runtime.timers import growing_pause


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(0, 0.1), (1, 0.2), (5, 3.2), (6, 5.0), (1024, 5.0), (10**9, 5.0)]
)
def test_pauses_double_up_to_the_longest(attempts: int, seconds: float) -> None:
    """Also after any number of tries: what is refused for hours is still tried."""
    assert growing_pause(attempts, 0.1, 5.0) == pytest.approx(seconds)
