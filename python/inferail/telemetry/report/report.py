"""What the ledger knows: every figure is counted from Records, and from nothing else."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, TypeAlias

import numpy as np

from inferail.errors import ConfigError
from inferail.telemetry.facts import KIND
from inferail.telemetry.prices import PriceTable
from inferail.telemetry.records import Record
from inferail.telemetry.report import forecast as spending
from inferail.telemetry.report import money, traffic
from inferail.telemetry.report.columns import Columns, Mask, Tally, describe
from inferail.telemetry.report.fallbacks import FallbackPair, fallbacks
from inferail.telemetry.report.reading import read
from inferail.telemetry.report.slo import SLO, SLOResult, attainment

__all__ = ["Report"]

Moment: TypeAlias = datetime | timedelta | None
Where: TypeAlias = Mapping[str, str | Collection[str | None] | None]
_DAYS_AHEAD: Final = 30


class Report:
    """Figures over some Records. Immutable; each method gives small frozen objects, in an order that does not change.

    Records whose price is not known are never counted as free: each figure in dollars says how many there are (`unpriced`),
    and is a lower bound with them. A call is all records with one `call_id`; a record without one is a call of its own.
    """

    def __init__(self, columns: Columns, *, now: datetime, since: datetime | None = None) -> None:
        """Over columns; use `Report.of`."""
        self._columns = columns
        self._now = now
        self._since = since
        self._days: tuple[spending.DailySpend, ...] | None = None

    @classmethod
    def of(
        cls,
        source: str | os.PathLike[str] | Iterable[Record],
        *,
        since: Moment = None,
        until: Moment = None,
        where: Where | None = None,
        labels: Sequence[str] = (),
        now: datetime | None = None,
    ) -> Report:
        """The report over a SQLite ledger, a file of JSON lines, or Records.

        Args:
            source: The path, or the Records.
            since: Only records that began then or later: a moment, or how long ago.
            until: Only records that began before then: a moment, or how long ago.
            where: Only records of which this holds, by `provider`, `model` (`openai:gpt-5`), `path`, `task`, `error`,
                `reason`, … or a label: a value, or several of which one has to be.
            labels: Labels to group by or to judge quality with, besides `task`.
            now: The moment of the report; None is the clock.

        Raises:
            ConfigError: There is no such file, it cannot be read, or an argument is wrong.
            FormatError: The file is no ledger, or damaged.
            CapacityError: The file is locked.

        A million records of a SQLite ledger take a second. They are held in memory, 104 bytes each.
        """
        moment = _utc(now, "now") if now is not None else datetime.now(UTC)
        begin, end = _moment(since, moment, "since"), _moment(until, moment, "until")
        wanted = dict.fromkeys((*labels, *(name for name in where or {} if name not in KIND)))
        columns = read(
            source,
            [name for name in wanted if name not in KIND],
            None if begin is None else begin.timestamp(),
            None if end is None else end.timestamp(),
        )
        for name, value in (where or {}).items():
            columns = columns.only(_matching(columns, name, value))
        return cls(columns, now=min(moment, end) if end is not None else moment, since=begin)

    def __len__(self) -> int:
        """How many records there are."""
        return len(self._columns)

    @property
    def num_calls(self) -> int:
        """How many calls the records belong to."""
        return len(self._columns.calls)

    @property
    def spend_usd(self) -> float:
        """All that was spent, where prices are known."""
        return float(self._columns.spend.sum())

    @property
    def unpriced(self) -> int:
        """Attempts whose cost is not known."""
        return int(np.count_nonzero(self._columns.unpriced))

    @property
    def unpriced_tokens(self) -> int:
        """Their tokens."""
        tokens = self._columns.number("input_tokens") + self._columns.number("output_tokens")
        return int(tokens[self._columns.unpriced].sum())

    @property
    def span(self) -> tuple[datetime, datetime] | None:
        """When the first and the last record began."""
        started = self._columns.number("started_at")
        if not len(started):
            return None
        first, last = float(started.min()), float(started.max())
        return datetime.fromtimestamp(first, UTC), datetime.fromtimestamp(last, UTC)

    @property
    def tally(self) -> Tally:
        """What was odd about the records: broken lines, clocks that were wrong."""
        return self._columns.tally(self._now.timestamp())

    def cost_per_success(self, by: Sequence[str] = ("model", "task")) -> tuple[money.CostPerSuccess, ...]:
        """All that was spent, also on what failed, by the calls that were answered; for each group.

        Args:
            by: Words of a record (`model`, `task`, `provider`, `path`, …) or labels that were read; empty is all as one.

        Raises:
            ConfigError: A label was not read.
        """
        return money.cost_per_success(self._columns, by)

    def most_efficient(
        self,
        *,
        quality: str | Mapping[Any, float] | None = None,
        at_least: float | None = None,
        minimum: int = 20,
    ) -> tuple[money.Efficiency, ...]:
        """For each task its models, the winner first: the cheapest per success of those that are good enough.

        Args:
            quality: Name of a label with a number (its mean over the answers counts), or a mapping by model or by
                `(task, model)`; None is no quality, and then none may be asked for.
            at_least: The quality that a winner needs.
            minimum: How many successes a winner needs.

        Raises:
            ConfigError: `at_least` without `quality`, or a quality that is no number.
        """
        if at_least is not None and quality is None:
            raise ConfigError("at_least is a bar for a quality: give quality= as well, a label or a mapping by model")
        return money.efficiency(self._columns, quality, at_least, minimum)

    def waste(self) -> money.Waste:
        """What was spent on attempts that did not answer."""
        return money.waste(self._columns)

    def savings(self, baseline: str, prices: PriceTable | None = None) -> money.Savings:
        """What was saved against asking one model for everything; `priced` is False where its price is not known.

        Args:
            baseline: `provider:model`.
            prices: Its price; None is the bundled table.

        Raises:
            ConfigError: The baseline is not `provider:model`.
        """
        return money.savings(self._columns, baseline, prices or PriceTable.bundled())

    def fallbacks(self) -> tuple[FallbackPair, ...]:
        """Rescue rate of each pair of models, and whether they fail together."""
        return fallbacks(self._columns)

    def audit(self) -> tuple[traffic.TaskShare, ...]:
        """The share of calls, money and time of each task."""
        return traffic.audit(self._columns)

    def latency(self, by: Sequence[str] = ("provider", "model", "path")) -> tuple[traffic.Latency, ...]:
        """p50, p95, p99 and tail ratio of each group, exact."""
        return traffic.latency(self._columns, by)

    def caching(self, interactive: Collection[str] | None = None, minimum: int = 20) -> tuple[traffic.CacheUse, ...]:
        """What caches spared each task, and the interactive tasks that none helps.

        Args:
            interactive: Tasks somebody waits for; None takes those for it that are streamed more often than not.
            minimum: How many calls a task has before it is said that it needs a cache.
        """
        return traffic.cache_use(self._columns, interactive, minimum)

    def headroom(
        self, windows: Mapping[str, int] | None = None, *, warn: float = 0.8, act: float = 0.95
    ) -> tuple[traffic.Headroom, ...]:
        """How near each model came to its context window.

        Args:
            windows: Tokens by `provider:model` or by model; None is nothing known. `inferail.list_models` tells them.
            warn: Share of the window from which on it is `warn`.
            act: From which on it is `act`: compact or shorten prompts.

        Raises:
            ConfigError: A window or a share is not positive.
        """
        for name, window in (windows or {}).items():
            if window <= 0:
                raise ConfigError(f"the context window of {name} is a positive number of tokens")
        if not 0 < warn <= act:
            raise ConfigError("warn and act are shares of the window, warn the smaller one")
        return traffic.headroom(self._columns, windows or {}, warn, act)

    def reconciliation(self) -> traffic.Reconciliation:
        """How much is estimated, and how far off estimates of running streams were."""
        return traffic.reconciliation(self._columns)

    def daily_spend(self) -> tuple[spending.DailySpend, ...]:
        """What each day cost (UTC), from the first one with a record to today."""
        if self._days is None:
            since = None if self._since is None else self._since.timestamp()
            self._days = spending.daily_spend(self._columns, self._now.timestamp(), since)
        return self._days

    def forecast(self, until: date | None = None) -> spending.Forecast:
        """What is still to come, until a day or for 30 days; see `Forecast` for the method."""
        today = self._now.date()
        return spending.forecast(self.daily_spend(), today, until or today + timedelta(days=_DAYS_AHEAD - 1))

    def budget_alerts(
        self, limit_usd: float, period: str = "month", thresholds: Sequence[float] = (0.5, 0.8, 1.0)
    ) -> tuple[spending.BudgetAlert, ...]:
        """Whether the spend of this day, week or month has reached the thresholds of a budget, or is expected to.

        Raises:
            ConfigError: The limit, the period or a threshold is none.
        """
        return spending.alerts(self.daily_spend(), self._now.date(), limit_usd, period, thresholds)

    def slo(self, slo: SLO) -> SLOResult:
        """How well an objective was kept, up to the moment of the report."""
        return attainment(self._columns, slo, self._now.timestamp())


def _utc(moment: datetime, name: str) -> datetime:
    if moment.tzinfo is None:
        raise ConfigError(f"{name} needs a time zone: use datetime.now(UTC)")
    return moment.astimezone(UTC)


def _moment(value: Moment, now: datetime, name: str) -> datetime | None:
    if value is None:
        return None
    if isinstance(value, datetime):
        return _utc(value, name)
    if isinstance(value, timedelta) and math.isfinite(value.total_seconds()):
        try:
            return now - value
        except OverflowError:
            raise ConfigError(f"{name} is too long ago") from None
    raise ConfigError(f"{name} is a datetime, or a timedelta for how long ago, not {type(value).__name__}")


def _matching(columns: Columns, name: str, value: str | Collection[str | None] | None) -> Mask:
    wanted: set[str | None] = {value} if value is None or isinstance(value, str) else set(value)
    if name in KIND:
        right: Callable[[Any], bool] = lambda kind: describe(kind, name) in wanted  # noqa: E731
        if name == "model":
            right = lambda kind: kind[1] in wanted or describe(kind, name) in wanted  # noqa: E731
        return columns.where(right)
    groups = columns.groups((name,))
    matching = np.array([names[0] in wanted for names in groups.names], dtype=bool)
    return matching[groups.codes] if len(matching) else np.zeros(0, dtype=bool)
