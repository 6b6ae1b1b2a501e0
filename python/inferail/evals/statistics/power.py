"""How large a drop a comparison can see: power, detectable effect, number of cases. By the normal approximation.

A drop is reported when the mean of the paired differences is below what is tolerated *and* its two-sided interval lies below
0. With standard error s = σ/√n both hold when the mean is below -max(tolerated, z·s), so for a true drop δ

    power = Φ((δ - max(tolerated, z·s)) / s),    z = Φ⁻¹(1 - α/2)

and, solved for n where nothing is tolerated, n = ((z + Φ⁻¹(power)) · σ / δ)², the textbook formula (Cohen, "Statistical Power
Analysis for the Behavioral Sciences", 1988, chapter 2, for paired samples).
"""

from __future__ import annotations

from math import ceil, inf, isfinite, sqrt
from statistics import NormalDist
from typing import Final

from inferail.errors import ConfigError

__all__ = ["cases_needed", "detectable_drop", "power_to_see", "spread_of_shares"]

_NORMAL: Final = NormalDist()
_MOST_CASES: Final = 10**9


def power_to_see(drop: float, cases: int, spread: float, *, tolerated: float = 0.0, confidence: float = 0.95) -> float:
    """The chance that a true drop is reported, 0 to 1.

    Args:
        drop: How much worse it really is: 0.04 is 4 points of a score from 0 to 1.
        cases: How many cases both were run on.
        spread: Standard deviation of the differences between the two, case by case.
        tolerated: The drop that is accepted.
        confidence: Of the interval.

    Raises:
        ConfigError: A number is out of range.
    """
    _check(drop=drop, spread=spread, tolerated=tolerated, confidence=confidence)
    if cases < 1:
        raise ConfigError(f"cases must be 1 or more, not {cases}")
    if spread == 0.0:
        return 1.0 if drop > tolerated else 0.0
    error = spread / sqrt(cases)
    bound = max(tolerated, _two_sided(confidence) * error)
    return _NORMAL.cdf((drop - bound) / error)


def detectable_drop(
    cases: int, spread: float, *, power: float = 0.8, tolerated: float = 0.0, confidence: float = 0.95
) -> float:
    """The smallest true drop that is reported with this power.

    Raises:
        ConfigError: A number is out of range.
    """
    _check(spread=spread, tolerated=tolerated, confidence=confidence, power=power)
    if cases < 1:
        raise ConfigError(f"cases must be 1 or more, not {cases}")
    error = spread / sqrt(cases)
    return max(tolerated, _two_sided(confidence) * error) + _NORMAL.inv_cdf(power) * error


def cases_needed(
    drop: float, spread: float, *, power: float = 0.8, tolerated: float = 0.0, confidence: float = 0.95
) -> int | None:
    """How many cases it takes to report a true drop with this power; None where no number does.

    No number does where the drop is not larger than what is tolerated.

    Raises:
        ConfigError: A number is out of range.
    """
    _check(drop=drop, spread=spread, tolerated=tolerated, confidence=confidence, power=power)
    quantile = _NORMAL.inv_cdf(power)
    if drop <= tolerated:
        return None
    seen = (_two_sided(confidence) + quantile) * spread / drop
    beyond = quantile * spread / (drop - tolerated) if quantile > 0 else 0.0
    needed = max(seen, beyond) ** 2
    return None if not isfinite(needed) or needed > _MOST_CASES else max(1, ceil(needed - 1e-9))


def spread_of_shares(before: float, after: float, correlation: float = 0.5) -> float:
    """The standard deviation of the differences of two columns of 0 and 1, from their shares and their correlation.

    For planning, before anything was run: √(p(1-p) + q(1-q) - 2ρ√(p(1-p)q(1-q))).

    Args:
        before: Share of ones in the first.
        after: Share of ones in the second.
        correlation: Between the two over the cases; the same model asked twice has a high one.

    Raises:
        ConfigError: A number is out of range.
    """
    if not (0.0 <= before <= 1.0 and 0.0 <= after <= 1.0 and -1.0 <= correlation <= 1.0):
        raise ConfigError("shares are from 0 to 1, and a correlation from -1 to 1")
    first, second = before * (1 - before), after * (1 - after)
    return sqrt(max(0.0, first + second - 2 * correlation * sqrt(first * second)))


def _two_sided(confidence: float) -> float:
    return _NORMAL.inv_cdf(0.5 + confidence / 2)


def _check(**given: float) -> None:
    for name, value in given.items():
        low, high = (0.0, 1.0) if name in ("confidence", "power") else (0.0, inf)
        inside = low < value < high if high == 1.0 else low <= value < high
        if not inside or (name == "drop" and value == 0.0):
            raise ConfigError(f"{name} must be a positive number{' below 1' if high == 1.0 else ''}, not {value!r}")
