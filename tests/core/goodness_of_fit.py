"""Whether draws follow a law: chi-square, Kolmogorov-Smirnov and independence of pairs. Every function gives a p-value.

A p-value is the chance of a deviation at least as great if the law holds. Tests fix their seeds, so one that passes goes on
passing; the bound to hold it against is a level divided by the number of tests.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

LEAST_EXPECTED = 5.0


def chi_square_survival(statistic: float, freedom: int) -> float:
    """P(chi² ≥ statistic): the regularised upper incomplete gamma function Q(freedom / 2, statistic / 2)."""
    a, x = freedom / 2, statistic / 2
    if x <= 0:
        return 1.0
    scale = math.exp(a * math.log(x) - x - math.lgamma(a))
    if x < a + 1:
        return 1.0 - scale * _lower_series(a, x)
    return scale * _upper_fraction(a, x)


def _lower_series(a: float, x: float) -> float:
    """Σ xⁿ / (a (a+1) … (a+n))."""
    term = total = 1 / a
    n = 0
    while term > total * 1e-17:
        n += 1
        term *= x / (a + n)
        total += term
    return total


def _upper_fraction(a: float, x: float) -> float:
    """1 / (x+1−a − 1·(1−a) / (x+3−a − 2·(2−a) / …)), by Lentz's method."""
    b = x + 1 - a
    c, d = math.inf, 1 / b
    value, n, change = d, 0, 2.0
    while abs(change - 1) > 1e-15:
        n += 1
        b += 2
        step = -n * (n - a)
        d = 1 / (b + step * d)
        c = b + step / c
        change = c * d
        value *= change
    return value


def pooled(observed: NDArray[np.floating], expected: NDArray[np.floating]) -> tuple[NDArray, NDArray]:
    """Both, with cells put together, the rarest first, until each is expected at least five times."""
    order = np.argsort(expected, kind="stable")
    sums = np.cumsum(expected[order])
    cells: list[int] = []
    begun = 0.0
    for at, total in enumerate(sums):
        if total - begun >= LEAST_EXPECTED:
            cells.append(at + 1)
            begun = float(total)
    edges = [0, *(cells[:-1] or [])]  # what is left over goes to the last cell
    return np.add.reduceat(observed[order], edges), np.add.reduceat(expected[order], edges)


def chi_square(observed: NDArray[np.integer], probabilities: NDArray[np.floating]) -> float:
    """Of counts `[cells]` under a law `[cells]`; 0 if something impossible was seen."""
    if observed[probabilities == 0].any():
        return 0.0
    possible = probabilities > 0
    seen = observed[possible].astype(np.float64)
    found, expected = pooled(seen, probabilities[possible] / probabilities.sum() * seen.sum())
    if len(found) < 2:
        return 1.0
    return chi_square_survival(float(((found - expected) ** 2 / expected).sum()), len(found) - 1)


def pairs_are_independent(
    first: NDArray[np.integer], second: NDArray[np.integer], probabilities: NDArray[np.floating]
) -> float:
    """Of cells (first[i], second[i]) under the product of the law `[cells]` with itself."""
    cells = len(probabilities)
    counts = np.bincount(first.astype(np.int64) * cells + second, minlength=cells * cells)
    return chi_square(counts, np.outer(probabilities, probabilities).ravel())


def kolmogorov_survival(value: float) -> float:
    """P(K ≥ value) of Kolmogorov's distribution."""
    if value <= 0:
        return 1.0
    if value < 1.18:
        # The other series of the same function: it converges where the alternating one does not.
        terms = sum(math.exp(-(((2 * k - 1) * math.pi / value) ** 2) / 8) for k in range(1, 20))
        return 1.0 - math.sqrt(2 * math.pi) / value * terms
    return 2 * sum((-1) ** (k - 1) * math.exp(-2 * (k * value) ** 2) for k in range(1, 20))


def kolmogorov_smirnov(sample: NDArray[np.floating]) -> float:
    """Of numbers that should be uniform in [0, 1), with Stephens' correction for their count."""
    n = len(sample)
    at = np.sort(sample)
    steps = np.arange(n + 1) / n
    distance = float(max((steps[1:] - at).max(), (at - steps[:-1]).max()))
    return kolmogorov_survival((math.sqrt(n) + 0.12 + 0.11 / math.sqrt(n)) * distance)


def spread_uniformly(
    tokens: NDArray[np.integer],
    ids: NDArray[np.integer],
    probabilities: NDArray[np.floating],
    random: np.random.Generator,
) -> NDArray[np.float64]:
    """F(x−) + u·p for every token: uniform in [0, 1) if the tokens follow the law."""
    at = np.searchsorted(ids, tokens)
    running = np.cumsum(probabilities)
    return (running[at] - probabilities[at] * (1 - random.random(len(tokens)))) / running[-1]


def total_variation(observed: NDArray[np.integer], probabilities: NDArray[np.floating]) -> float:
    """Half the sum of the absolute differences between what was seen, as shares, and the law."""
    return float(np.abs(observed / observed.sum() - probabilities).sum() / 2)
