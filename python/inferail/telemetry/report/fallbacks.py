"""Whether fallbacks rescue calls, or only lead to models that fail at the same time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inferail.telemetry.report.statistics import wilson

if TYPE_CHECKING:
    from inferail.telemetry.report.columns import Columns

__all__ = ["FallbackPair", "fallbacks"]


@dataclass(frozen=True, slots=True)
class FallbackPair:
    """What became of calls that went from one model to another because the first had failed.

    Attributes:
        source: The model that failed, `provider:model`.
        target: The model that was asked next.
        tried: How many calls did that.
        rescued: How many of those the target answered.
        rescue_rate: `rescued / tried`.
        rescue_low: Lower end of its 95 % interval (Wilson).
        rescue_high: Upper end.
        failure_alone: How often the target fails in calls in which it is no fallback; None where that never happened.
        alone: In how many calls it was asked so.
        correlated: Whether it fails more often after the source than alone, with intervals (95 %, Wilson) that do not
            overlap: what breaks one then breaks the other. None where `failure_alone` is.
    """

    source: str
    target: str
    tried: int
    rescued: int
    rescue_rate: float
    rescue_low: float
    rescue_high: float
    failure_alone: float | None
    alone: int
    correlated: bool | None


def fallbacks(columns: Columns) -> tuple[FallbackPair, ...]:
    """One for each pair, most tried first.

    A call asks its models in the order of their first attempts. A pair are two that follow one another, where the first had
    no answer and an attempt at the second was made as a `fallback`.
    """
    models = columns.groups(("model",))
    calls = columns.calls
    # Only the records of calls with several are looked at one after the other, and that in columns too.
    rows = np.flatnonzero(columns.asked & ~columns.alone)
    rows = rows[np.lexsort((columns.number("attempt")[rows], columns.number("started_at")[rows], calls.of[rows]))]
    second = columns.where(lambda kind: kind[4] == "fallback")
    pairs = calls.of[rows] * len(models) + models.codes[rows]
    units, first, inverse = np.unique(pairs, return_index=True, return_inverse=True)
    answered = np.bincount(inverse, weights=columns.answered[rows], minlength=len(units)) > 0
    as_fallback = np.bincount(inverse, weights=second[rows], minlength=len(units)) > 0
    by_time = np.argsort(first)  # rows are by call and time, so their first places are too
    call, model = np.divmod(units[by_time], max(1, len(models)))
    answered, as_fallback = answered[by_time], as_fallback[by_time]
    follows = (call[1:] == call[:-1]) & ~answered[:-1] & as_fallback[1:]
    steps, places = np.unique(model[:-1][follows] * len(models) + model[1:][follows], return_inverse=True)
    tried = np.bincount(places, minlength=len(steps))
    rescued = np.bincount(places[answered[1:][follows]], minlength=len(steps))
    single = columns.asked & columns.alone & ~second
    alone = np.bincount(model[~as_fallback], minlength=len(models)) + np.array(models.count(single))
    alone_failed = np.bincount(model[~as_fallback & ~answered], minlength=len(models))
    alone_failed = alone_failed + np.array(models.count(single & ~columns.answered))
    found: list[FallbackPair] = []
    listed: list[int] = steps.tolist()
    for place, step in enumerate(listed):
        one, other = divmod(step, len(models))
        found.append(
            _pair(
                models.names[one][0] or "",
                models.names[other][0] or "",
                tried=int(tried[place]),
                rescued=int(rescued[place]),
                alone=int(alone[other]),
                alone_failed=int(alone_failed[other]),
            )
        )
    return tuple(sorted(found, key=lambda one: (-one.tried, one.source, one.target)))


def _pair(source: str, target: str, *, tried: int, rescued: int, alone: int, alone_failed: int) -> FallbackPair:
    low, high = wilson(rescued, tried)
    after_low, _ = wilson(tried - rescued, tried)
    _, alone_high = wilson(alone_failed, alone)
    return FallbackPair(
        source,
        target,
        tried,
        rescued,
        rescued / tried,
        low,
        high,
        alone_failed / alone if alone else None,
        alone,
        after_low > alone_high if alone else None,
    )
