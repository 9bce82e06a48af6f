"""The growth exponents that `bench/scaling.py` shows."""

from __future__ import annotations

import pytest
from bench import growth


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 1.5, 2.0])
def test_exponent_is_that_of_the_power(power: float) -> None:
    points = [(n, 0.003 * n**power) for n in (10, 70, 1_000)]
    assert growth.exponent(points) == pytest.approx(power)


def test_exponent_is_fitted_through_all_points() -> None:
    points = [(1, 1.0), (10, 10.0), (100, 1_000.0)]
    assert growth.exponent(points) == pytest.approx(1.5)
    assert growth.steps(points) == {10: pytest.approx(1.0), 100: pytest.approx(2.0)}


def test_one_size_says_nothing() -> None:
    assert growth.exponent([(10, 1.0)]) is None
    assert growth.exponent([]) is None


def test_what_is_too_quick_does_not_count() -> None:
    assert growth.telling([(1_000, 0.5), (1, 0.019), (10, 0.021)]) == [(10, 0.021), (1_000, 0.5)]
