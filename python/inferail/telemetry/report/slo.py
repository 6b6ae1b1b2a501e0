"""Objectives for what callers see, how much of the error budget is left, and how fast it burns."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from inferail.errors import ConfigError

if TYPE_CHECKING:
    from inferail.telemetry.report.columns import Columns, Mask

__all__ = ["SLO", "BurnRate", "SLOResult", "attainment"]

# Windows and factors of the multi-window alerts of Google's SRE workbook, chapter 5: seconds long, seconds short, factor.
_WINDOWS: Final = ((3600, 300, 14.4), (21_600, 1800, 6.0), (259_200, 21_600, 1.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class SLO:
    """A share of calls that is to be good: answered, and in time.

    Attributes:
        first_token: Seconds to the first token that a good call does not exceed; only streamed calls are looked at.
        total: Seconds to the end of the answer, of every call. Give one of the two, both, or none (answered is enough).
        objective: The share of good calls, below 1.
        task: Only calls of this task; None is all.

    Raises:
        ConfigError: A number is out of its range.
    """

    objective: float
    first_token: float | None = None
    total: float | None = None
    task: str | None = None

    def __post_init__(self) -> None:
        if not 0 < self.objective < 1:
            raise ConfigError("objective is a share between 0 and 1, for example 0.95")
        for name, bound in (("first_token", self.first_token), ("total", self.total)):
            if bound is not None and not (math.isfinite(bound) and bound > 0):
                raise ConfigError(f"{name} is a positive number of seconds")


@dataclass(frozen=True, slots=True)
class BurnRate:
    """How many times faster than allowed the error budget is used up in two windows, which both end now.

    Attributes:
        long_seconds: The long window.
        short_seconds: The short window: it stops the alert soon after the trouble has stopped.
        factor: From where on it is an alert.
        long_rate: Share of bad calls in the long window, as a multiple of `1 - objective`; None without calls.
        short_rate: The same in the short window.
        firing: Whether both reach the factor.
    """

    long_seconds: int
    short_seconds: int
    factor: float
    long_rate: float | None
    short_rate: float | None
    firing: bool


@dataclass(frozen=True, slots=True)
class SLOResult:
    """How well an objective was kept.

    Attributes:
        slo: The objective.
        good: Calls that were answered in time.
        bad: Calls that were not answered, or too late.
        not_measured: Calls that say nothing: cancelled by the caller, or without a first token where that is asked for.
        attained: `good / (good + bad)`; None without calls.
        met: Whether that reaches the objective.
        budget_left: Part of the error budget that is left, negative where it is overdrawn; None without calls.
        burn: For each pair of windows how fast it burns.
    """

    slo: SLO
    good: int
    bad: int
    not_measured: int
    attained: float | None
    met: bool | None
    budget_left: float | None
    burn: tuple[BurnRate, ...]


def attainment(columns: Columns, slo: SLO, now: float) -> SLOResult:
    """How well an objective was kept up to `now`, seconds since 1970.

    A call counts as its caller saw it: from its first attempt to the first token, or the end, of the answer that came first.
    """
    calls = columns.calls
    mine = columns.where(lambda kind: slo.task is None or kind[3] == slo.task)
    aside = columns.where(lambda kind: kind[4] in {"shadow", "classify"})
    present = calls.any(mine & ~aside)
    began = calls.smallest(np.where(aside, np.inf, columns.number("started_at")))
    good, measured = _answered_in_time(columns, slo, began)
    left = present & ~calls.any(columns.answered | columns.from_cache)
    gave_up = left & ~calls.any(columns.where(lambda kind: kind[5] not in {None, "CancelledError"}) & ~aside)
    unstreamed = np.zeros(len(calls), dtype=bool)
    if slo.first_token is not None:
        unstreamed = left & ~calls.any(columns.where(lambda kind: kind[9]) & ~aside)
    counted = present & (measured | left) & ~gave_up & ~unstreamed
    bad = counted & ~good
    num_good, num_bad = int(np.count_nonzero(counted & good)), int(np.count_nonzero(bad))
    attained = num_good / (num_good + num_bad) if num_good + num_bad else None
    allowed = 1 - slo.objective
    return SLOResult(
        slo,
        num_good,
        num_bad,
        int(np.count_nonzero(present & ~counted)),
        attained,
        None if attained is None else attained >= slo.objective,
        None if attained is None else 1 - (1 - attained) / allowed,
        tuple(_burn(began[counted], bad[counted], now, allowed=allowed, windows=window) for window in _WINDOWS),
    )


def _answered_in_time(
    columns: Columns, slo: SLO, began: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> tuple[Mask, Mask]:
    """Per call, whether its answer was in time, and whether it says when it came."""
    calls = columns.calls
    answers = columns.answered | columns.from_cache
    started = columns.number("started_at")
    good = calls.any(answers)
    measured = good.copy()
    for bound, name in ((slo.first_token, "first_token"), (slo.total, "total")):
        if bound is None:
            continue
        moment = np.where(answers, started + columns.number(name), np.nan)
        earliest = calls.smallest(np.where(np.isnan(moment), np.inf, moment))
        measured &= np.isfinite(earliest)
        # Moments since 1970 are doubles to a quarter of a microsecond: that much is no delay.
        good &= earliest <= began + (bound + 1e-6)
    return good, measured


def _burn(
    began: np.ndarray[tuple[int], np.dtype[np.float64]],
    bad: Mask,
    now: float,
    *,
    allowed: float,
    windows: tuple[int, int, float],
) -> BurnRate:
    long, short, factor = windows
    rates: list[float | None] = []
    for seconds in (long, short):
        inside = (began > now - seconds) & (began <= now)
        counted = int(np.count_nonzero(inside))
        rates.append(int(np.count_nonzero(bad & inside)) / counted / allowed if counted else None)
    firing = all(rate is not None and rate >= factor for rate in rates)
    return BurnRate(long, short, factor, rates[0], rates[1], firing)


def as_text(slo: SLO) -> Mapping[str, str]:
    """What an objective asks, in words."""
    bounds = [
        f"{name} {bound:g} s" for name, bound in (("first token", slo.first_token), ("total", slo.total)) if bound
    ]
    return {"calls": slo.task or "all", "bound": ", ".join(bounds) or "answered", "objective": f"{slo.objective:.4g}"}
