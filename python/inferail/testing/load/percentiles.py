"""Percentiles of measured times, exact: a run that a person waits for has few enough of them to keep."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

__all__ = ["SPECTRUM", "quantile", "spectrum"]

# The rows of an HDR histogram's printed spectrum: half of what is left, again and again.
SPECTRUM: Final = (0.0, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9999, 1.0)


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest of the sorted values that at least that share of them do not exceed (nearest rank); NaN without any.

    No value is made up between two others: a percentile is a time that somebody has waited.
    """
    if not ordered:
        return math.nan
    # Less a trifle: 0.95 * 100 is 95.00000000000001 in floating point where it should be 95.
    rank = math.ceil(share * len(ordered) - 1e-9)
    return ordered[min(len(ordered), max(1, rank)) - 1]


def spectrum(values: Sequence[float]) -> list[tuple[float, float]]:
    """`(share, value)` along the distribution, up to the largest; shares that so few values cannot tell are left out."""
    ordered = sorted(values)
    told = [share for share in SPECTRUM if share in (0.0, 0.5, 1.0) or (1.0 - share) * len(ordered) >= 1.0]
    return [(share, quantile(ordered, share)) for share in told] if ordered else []
