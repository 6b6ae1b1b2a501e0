"""What a policy came to, over all calls: cost, percentiles, deadlines, extra calls, failures."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from inferail.testing.load.percentiles import quantile

if TYPE_CHECKING:
    from inferail.testing.simulation.calls import Outcome

__all__ = ["SHARES", "Summary"]

SHARES: Final = (0.5, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Summary:
    """A row of the table.

    Times are over all calls: one that was never answered counts as infinitely long, so that a policy does not look fast by
    failing.

    Attributes:
        name: Of the policy.
        calls: How many there were.
        in_time: The share that was answered within its deadline.
        first_token: Seconds to the first content of streams, at p50, p95 and p99.
        total: Seconds to the end, at the same.
        attempts: Made for all calls together.
        reasons: How many of them were made for which reason.
        failures: Calls that were not answered, by class of error.
        cost_usd: Of all attempts with a known price.
        unpriced: Attempts without one.
        first_tokens: Every time to the first content, in ascending order, for curves.
    """

    name: str
    calls: int
    in_time: float
    first_token: tuple[float, float, float]
    total: tuple[float, float, float]
    attempts: int
    reasons: Mapping[str, int]
    failures: Mapping[str, int]
    cost_usd: float
    unpriced: int
    first_tokens: Sequence[float] = field(repr=False, default=())

    @property
    def extra(self) -> float:
        """Attempts beyond one for each call, as a share of the calls."""
        return self.attempts / self.calls - 1.0 if self.calls else 0.0

    @property
    def failed(self) -> int:
        """Calls that were not answered."""
        return sum(self.failures.values())

    @property
    def cost_per_call(self) -> float | None:
        """US dollars; None where the price of an attempt is not known."""
        return None if self.unpriced or not self.calls else self.cost_usd / self.calls

    @property
    def cost_per_hit(self) -> float | None:
        """US dollars for each call that was answered in time: what is late has been paid for all the same."""
        hits = self.in_time * self.calls
        return None if self.unpriced or not hits else self.cost_usd / hits

    @classmethod
    def of(cls, name: str, outcomes: Sequence[Outcome]) -> Summary:
        """The row of some calls."""
        attempts = [attempt for outcome in outcomes for attempt in outcome.call.attempts]
        costs = [attempt.usage.cost_usd for attempt in attempts]
        answered = [outcome.total if outcome.error is None else math.inf for outcome in outcomes]
        streamed = [
            math.inf if outcome.first_token is None else outcome.first_token
            for outcome in outcomes
            if outcome.call.arrival.streamed
        ]
        first_tokens, totals = sorted(streamed), sorted(answered)
        first, last = ([quantile(values, share) for share in SHARES] for values in (first_tokens, totals))
        return cls(
            name,
            len(outcomes),
            sum(outcome.in_time for outcome in outcomes) / len(outcomes) if outcomes else math.nan,
            (first[0], first[1], first[2]),
            (last[0], last[1], last[2]),
            len(attempts),
            dict(Counter(attempt.reason for attempt in attempts)),
            dict(Counter(outcome.error for outcome in outcomes if outcome.error is not None)),
            sum(cost for cost in costs if cost is not None),
            sum(cost is None for cost in costs),
            first_tokens,
        )

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON values; a time that some calls never reached is null."""
        names = ("p50", "p95", "p99")
        return {
            "name": self.name,
            "calls": self.calls,
            "in_time": self.in_time,
            "first_token": dict(zip(names, map(_finite, self.first_token), strict=True)),
            "total": dict(zip(names, map(_finite, self.total), strict=True)),
            "attempts": self.attempts,
            "extra": self.extra,
            "reasons": dict(self.reasons),
            "failed": self.failed,
            "failures": dict(self.failures),
            "cost_usd": self.cost_usd,
            "cost_per_call": self.cost_per_call,
            "cost_per_hit": self.cost_per_hit,
            "unpriced": self.unpriced,
        }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
