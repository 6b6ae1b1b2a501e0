"""Spend per day, where it leads, and alerts on budgets."""

from __future__ import annotations

import calendar
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

from inferail.errors import ConfigError
from inferail.telemetry.report.statistics import student

if TYPE_CHECKING:
    from inferail.telemetry.report.columns import Columns

__all__ = ["BudgetAlert", "DailySpend", "Forecast", "alerts", "daily_spend", "forecast"]

DAY: Final = 86_400
FEWEST_DAYS: Final = 7
FEWEST_DAYS_FOR_WEEKDAYS: Final = 21
_METHODS: Final = ("", "linear trend", "linear trend with weekdays")


@dataclass(frozen=True, slots=True)
class DailySpend:
    """What one day cost (UTC).

    Attributes:
        day: The day.
        usd: What was spent, where prices are known.
        unpriced: Attempts whose cost is not known.
        complete: Whether the day is over, and the records reach back to its beginning.
    """

    day: date
    usd: float
    unpriced: int
    complete: bool


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the next days will cost if the past goes on.

    The method is ordinary least squares over the complete days: a line (`linear trend`, from 7 days on), with an effect for
    each day of the week from 21 days on. The interval is that of a prediction with Student's t: it knows the scatter of the
    days and the uncertainty of the line, and not that anything may change. Below 7 days nothing is said.

    Attributes:
        until: The last day that is forecast.
        days: How many days it is about, today's rest included.
        usd: What they will cost together; None with too little data.
        low: Lower end of the 90 % interval.
        high: Upper end.
        per_day_change: What a day costs more than the day before, by the line.
        method: How it was made, or empty with too little data.
        based_on: Complete days it is made from.
        reason: Why there is none, or empty.
    """

    until: date
    days: int
    usd: float | None
    low: float | None
    high: float | None
    per_day_change: float | None
    method: str
    based_on: int
    reason: str


@dataclass(frozen=True, slots=True)
class BudgetAlert:
    """Whether a threshold of a budget was reached.

    Attributes:
        period: `day`, `week` (from Monday) or `month`, by UTC.
        limit_usd: The budget of a period.
        threshold: The share of it that is watched.
        spent_usd: Spent in this period so far.
        expected_usd: That and the forecast for the rest of the period; None without a forecast.
        fired: Whether what was spent has reached the threshold.
        expected: Whether only the forecast reaches it.
        unpriced: Attempts of the period whose cost is not known: more may have been spent.
    """

    period: str
    limit_usd: float
    threshold: float
    spent_usd: float
    expected_usd: float | None
    fired: bool
    expected: bool
    unpriced: int


def daily_spend(columns: Columns, now: float, since: float | None) -> tuple[DailySpend, ...]:
    """Every day from the first record to the last or today, those without a record included.

    Records in the future (a clock was wrong) are left out: they would stretch the time axis.
    """
    started = columns.number("started_at")
    mask = started <= now + 60
    if not bool(mask.any()):
        return ()
    days = columns.day[mask]
    first, today = int(days.min()), int(now // DAY)
    places = np.minimum(days, max(today, first)) - first
    length = max(today - first + 1, 1)
    spend = np.bincount(places, weights=columns.spend[mask], minlength=length)
    unpriced = np.bincount(places, weights=columns.unpriced[mask], minlength=length)
    whole_first = since is not None and since <= first * DAY
    return tuple(
        DailySpend(
            _date(first + place),
            float(spend[place]),
            int(unpriced[place]),
            # Of the first day the records may begin in the middle.
            complete=first + place < today and (place > 0 or whole_first),
        )
        for place in range(length)
    )


def forecast(days: Sequence[DailySpend], today: date, until: date) -> Forecast:
    """What is to come from today's rest to the end of `until`; see `Forecast`."""
    complete = [day for day in days if day.complete]
    ahead = max(0, (until - today).days + 1)
    if len(complete) < FEWEST_DAYS:
        reason = f"{len(complete)} complete days are too few for a forecast: it needs {FEWEST_DAYS}"
        return Forecast(until, ahead, None, None, None, None, "", len(complete), reason)
    weekdays = len(complete) >= FEWEST_DAYS_FOR_WEEKDAYS
    origin = complete[0].day
    past = np.array([_row(day.day, origin, weekdays=weekdays) for day in complete])
    spent = np.array([day.usd for day in complete])
    solution, *_ = np.linalg.lstsq(past, spent, rcond=None)
    freedom = len(complete) - past.shape[1]
    scatter = float(np.sum((spent - past @ solution) ** 2)) / freedom
    already = sum(day.usd for day in days if day.day == today)
    coming = [_row(today + timedelta(days=step), origin, weekdays=weekdays) for step in range(ahead)]
    if not coming:
        return Forecast(until, 0, 0.0, 0.0, 0.0, float(solution[1]), _METHODS[1 + weekdays], len(complete), "")
    total = np.sum(coming, axis=0)
    leverage = float(total @ np.linalg.pinv(past.T @ past) @ total)
    half = student(0.9, freedom) * math.sqrt(scatter * (ahead + leverage))
    whole = float(total @ solution)
    # What today has cost already is no longer to come.
    usd, low, high = (max(0.0, value - already) for value in (whole, whole - half, whole + half))
    return Forecast(until, ahead, usd, low, high, float(solution[1]), _METHODS[1 + weekdays], len(complete), "")


def _row(day: date, origin: date, *, weekdays: bool) -> list[float]:
    """Constant, days since the first one, and with weekdays six more: Monday is what the constant says."""
    row = [1.0, float((day - origin).days)]
    return row + [float(day.weekday() == number) for number in range(1, 7)] if weekdays else row


def alerts(
    days: Sequence[DailySpend], today: date, limit_usd: float, period: str, thresholds: Sequence[float]
) -> tuple[BudgetAlert, ...]:
    """One for each threshold.

    Raises:
        ConfigError: The limit, the period or a threshold is none.
    """
    if not (math.isfinite(limit_usd) and limit_usd > 0):
        raise ConfigError("a budget is a positive number of dollars")
    if not thresholds or not all(math.isfinite(share) and share > 0 for share in thresholds):
        raise ConfigError("thresholds are positive shares of the budget, for example (0.5, 0.8, 1.0)")
    begin, end = _period(today, period)
    inside = [day for day in days if begin <= day.day <= today]
    spent = sum(day.usd for day in inside)
    coming = forecast(days, today, end).usd
    expected = None if coming is None else spent + coming
    return tuple(
        BudgetAlert(
            period,
            limit_usd,
            share,
            spent,
            expected,
            fired=spent >= share * limit_usd,
            expected=spent < share * limit_usd and expected is not None and expected >= share * limit_usd,
            unpriced=sum(day.unpriced for day in inside),
        )
        for share in thresholds
    )


def _period(today: date, period: str) -> tuple[date, date]:
    if period == "day":
        return today, today
    if period == "week":
        begin = today - timedelta(days=today.weekday())
        return begin, begin + timedelta(days=6)
    if period == "month":
        return today.replace(day=1), end_of_month(today)
    raise ConfigError(f"a budget is for a day, a week or a month, not {period!r}")


def end_of_month(day: date) -> date:
    """The last day of its month."""
    return day.replace(day=calendar.monthrange(day.year, day.month)[1])


def _date(day: int) -> date:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)).date()
