"""How a time grows with a size: the exponent e of seconds = constant * n ** e."""

from __future__ import annotations

import math
from itertools import pairwise

SHORTEST = 0.020
"""Seconds; in less than that, what every request costs hides what grows."""

Point = tuple[int, float]
"""A size and the seconds that it took."""


def telling(points: list[Point]) -> list[Point]:
    """The points that say something about growth, by size."""
    return sorted((n, seconds) for n, seconds in points if seconds > SHORTEST)


def exponent(points: list[Point]) -> float | None:
    """The slope of log seconds over log n by least squares, None of fewer than two sizes."""
    if len({n for n, _ in points}) < 2:
        return None
    xs = [math.log(n) for n, _ in points]
    ys = [math.log(seconds) for _, seconds in points]
    x_mean, y_mean = sum(xs) / len(xs), sum(ys) / len(ys)
    covariance = sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True))
    return covariance / sum((x - x_mean) ** 2 for x in xs)


def steps(points: list[Point]) -> dict[int, float | None]:
    """The exponent from each size to the next one, by the larger size."""
    return {later[0]: exponent([earlier, later]) for earlier, later in pairwise(points)}
