"""The bootstrap: what a mean of cases could have been with other cases of the same kind. For A against B, of the differences."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import sqrt
from statistics import NormalDist, fmean
from typing import TYPE_CHECKING, Final

from inferail.errors import ConfigError
from inferail.telemetry.report.statistics import student

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Interval", "bootstrap", "resampled_means", "resampled_means_slowly"]

# A multinomial draw over the distinct values does the work of all draws of a resample at once: with scores of 0 and 1 there are
# three distinct differences, and 10,000 resamples of 1,000 take 2 ms instead of 92 (benches/python/bench_evals.py). With more
# than one distinct value in ten, drawing the rows themselves is as fast.
_PER_DISTINCT: Final = 10
_AT_ONCE: Final = 2_000_000  # indices drawn at a time: 16 MB


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean, and the interval that it lies in.

    Attributes:
        mean: Of the values.
        low: Lower end.
        high: Upper end.
        p_value: Two-sided, that the true mean is 0: twice the smaller share of resamples on either side, at least 1 / resamples.
        confidence: How often an interval made like this holds the true mean.
        count: Values.
        resamples: How often they were drawn again.
        seed: Of the draws: the same seed gives the same interval.
    """

    mean: float
    low: float
    high: float
    p_value: float
    confidence: float
    count: int
    resamples: int
    seed: int


def bootstrap(values: Sequence[float], *, confidence: float = 0.95, resamples: int = 10_000, seed: int = 0) -> Interval:
    """The expanded percentile interval of a mean.

    The percentile interval of Efron (1979) is too narrow for few values; its percentiles are moved out as in Hesterberg, "What
    Teachers Should Know About the Bootstrap", 2014, arXiv:1411.5279, section 4.2: instead of α/2 it takes
    Φ(-√(n/(n-1)) · t(α/2, n-1)). Where all values are the same, resamples know nothing of the others that exist: then the
    ends are what a share of cases that was never seen in n draws can be, 1 - (α/2)^(1/n) (Clopper and Pearson, 1934), each
    of which could differ by 1.

    Args:
        values: One for each case (the mean over its trials: trials of one case are not independent).
        confidence: Between 0 and 1.
        resamples: How often.
        seed: Of numpy's PCG64.

    Raises:
        ConfigError: No values, or a number out of range.
    """
    check(values, confidence, resamples)
    count, mean = len(values), fmean(values)
    half = (1.0 - confidence) / 2
    if min(values) == max(values):
        unseen = 1.0 - half ** (1.0 / count)
        p_value = 1.0 if mean == 0.0 else max(2.0 * 0.5**count, 1.0 / resamples)
        return Interval(mean, mean - unseen, mean + unseen, min(1.0, p_value), confidence, count, resamples, seed)
    import numpy as np

    means = resampled_means(values, resamples, seed)
    outer = _outer_share(confidence, count)
    low, high = np.quantile(means, [outer, 1.0 - outer])
    beyond = min(int(np.count_nonzero(means <= 0.0)), int(np.count_nonzero(means >= 0.0)))
    p_value = min(1.0, max(2.0 * beyond, 1.0) / resamples)
    return Interval(mean, float(low), float(high), p_value, confidence, count, resamples, seed)


@cache
def _outer_share(confidence: float, count: int) -> float:
    """The share of the resamples that is left out at either end. Student's quantile takes 20 ms, ten times the draws."""
    return NormalDist().cdf(-sqrt(count / (count - 1)) * student(confidence, count - 1))


def resampled_means(values: Sequence[float], resamples: int, seed: int) -> NDArray[np.float64]:
    """The means of samples of the same size, drawn with replacement; float64 `[resamples]`."""
    import numpy as np

    given = np.asarray(values, np.float64)
    generator = np.random.default_rng(seed)
    distinct, counts = np.unique(given, return_counts=True)
    if len(distinct) * _PER_DISTINCT <= len(given):
        drawn = generator.multinomial(len(given), counts / len(given), size=resamples)
        few: NDArray[np.float64] = drawn @ distinct / len(given)
        return few
    means = np.empty(resamples, np.float64)
    step = max(1, _AT_ONCE // len(given))
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        picked = generator.integers(0, len(given), (rows, len(given)), dtype=np.uint32)
        means[start : start + rows] = given[picked].mean(axis=1)
    return means


def resampled_means_slowly(values: Sequence[float], resamples: int, seed: int) -> list[float]:
    """The same with Python's own generator, draw by draw: the slow twin that tests compare distributions with."""
    generator = random.Random(seed)  # noqa: S311 - statistics, no secret
    return [fmean(generator.choices(values, k=len(values))) for _ in range(resamples)]


def check(values: Sequence[float], confidence: float, resamples: int) -> None:
    """Raises ConfigError unless there are values, and the numbers make sense."""
    if not len(values):
        raise ConfigError("there is nothing to draw from: no case has a score")
    if not 0.0 < confidence < 1.0:
        raise ConfigError(f"confidence must be between 0 and 1, not {confidence!r}")
    if isinstance(resamples, bool) or not isinstance(resamples, int) or resamples < 100:
        raise ConfigError(f"resamples must be a number, 100 or more, not {resamples!r}")
