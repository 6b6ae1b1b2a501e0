"""The few formulas that the figures are made with, each stated with its source."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["QUANTILES", "quantiles", "student", "wilson"]

QUANTILES: Final = (0.5, 0.95, 0.99)


def quantiles(values: NDArray[np.float64], shares: Sequence[float] = QUANTILES) -> list[float | None]:
    """The smallest value that at least the share of the values does not exceed (nearest rank): exact, and always one of them.

    Returns:
        One for each share, None where there are no values.
    """
    if not len(values):
        return [None] * len(shares)
    places = [max(0, math.ceil(share * len(values)) - 1) for share in shares]
    chosen = np.partition(values, sorted(set(places)))
    return [float(chosen[place]) for place in places]


def wilson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a share (1927): holds for few trials and near 0 and 1. (0, 1) without trials."""
    if not trials:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = successes / trials
    scale = 1 + z * z / trials
    middle = (share + z * z / (2 * trials)) / scale
    half = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials)) / scale
    return max(0.0, middle - half), min(1.0, middle + half)


def student(confidence: float, freedom: int) -> float:
    """The two-sided quantile of Student's t, by bisection of its distribution function (Simpson's rule on the density)."""
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(freedom * math.pi)

    def density(x: float) -> float:
        return scale * math.exp(-(freedom + 1) / 2 * math.log1p(x * x / freedom))

    def inside(bound: float) -> float:
        width = bound / 400
        inner = sum((4 if step % 2 else 2) * density(step * width) for step in range(1, 400))
        return 2 * width / 3 * (density(0.0) + inner + density(bound))

    low, high = 0.0, 1.0
    while inside(high) < confidence and high < 1e4:
        low, high = high, high * 2
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if inside(middle) < confidence else (low, middle)
    return (low + high) / 2
