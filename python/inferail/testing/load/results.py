"""What a load test measured: each request from the moment at which it should have begun."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from inferail.testing.load.percentiles import quantile, spectrum

__all__ = ["NOT_SENT", "Of", "Run", "Sample"]

Of: TypeAlias = Literal["total", "first-token"]
NOT_SENT: Final = "NotSent"  # what stands for an error where too many requests were on the way already


@dataclass(frozen=True, slots=True)
class Sample:
    """One request. Moments are seconds since the run began.

    Attributes:
        intended: When it should have begun, by the schedule.
        sent: When it did.
        ended: When it was over.
        first_token: When it had content, or None.
        error: Class name of the error, or None if it was answered.
        output_tokens: Of the answer.
        cost_usd: What it cost, or None where no price is known.
    """

    intended: float
    sent: float
    ended: float
    first_token: float | None = None
    error: str | None = None
    output_tokens: int = 0
    cost_usd: float | None = None

    def seconds(self, of: Of, *, naive: bool = False) -> float:
        """How long it took from when it should have begun (from when it was sent, if `naive`); infinite where it failed."""
        ended = self.ended if of == "total" else self.first_token
        if self.error is not None or ended is None:
            return math.inf
        return ended - (self.sent if naive else self.intended)


@dataclass(frozen=True, slots=True)
class Run:
    """All requests of one rate.

    Attributes:
        samples: The requests, in the order in which they should have begun.
        rate: Requests a second that were intended.
        seconds: From the beginning until the last request was over.
        loop: `open` or `closed`.
        stopped: Why it ended before its time, in words, or None.
    """

    samples: Sequence[Sample]
    rate: float
    seconds: float
    loop: Literal["open", "closed"] = "open"
    stopped: str | None = None

    @property
    def answered(self) -> int:
        """Requests that were answered."""
        return sum(sample.error is None for sample in self.samples)

    @property
    def errors(self) -> Mapping[str, int]:
        """Requests that were not, by class of error."""
        return dict(Counter(sample.error for sample in self.samples if sample.error is not None))

    @property
    def throughput(self) -> float:
        """Answers a second."""
        return self.answered / self.seconds if self.seconds else 0.0

    @property
    def output_tokens_per_second(self) -> float:
        """Tokens of answers a second."""
        return sum(sample.output_tokens for sample in self.samples) / self.seconds if self.seconds else 0.0

    @property
    def cost_usd(self) -> float | None:
        """Of all requests; None where a price is not known."""
        costs = [sample.cost_usd for sample in self.samples if sample.error is None]
        known = [cost for cost in costs if cost is not None]
        return sum(known) if len(known) == len(costs) else None

    def goodput(self, target: float, of: Of = "total") -> float:
        """Answers a second that took no longer than `target`."""
        good = sum(sample.seconds(of) <= target for sample in self.samples)
        return good / self.seconds if self.seconds else 0.0

    def quantile(self, share: float, of: Of = "total", *, naive: bool = False) -> float:
        """Seconds that this share of all requests did not exceed; one that failed counts as infinitely long.

        Args:
            share: 0 to 1.
            of: Of whole answers, or of first content.
            naive: From when the request was sent, which hides that it should have been sent earlier.
        """
        return quantile(sorted(sample.seconds(of, naive=naive) for sample in self.samples), share)

    def spectrum(self, of: Of = "total", *, naive: bool = False) -> list[tuple[float, float]]:
        """`(share, seconds)` along the distribution."""
        return spectrum([sample.seconds(of, naive=naive) for sample in self.samples])

    def as_dict(self, target: float | None = None, of: Of = "total") -> dict[str, Any]:
        """As plain JSON values; a time that is infinite is null."""
        kinds: tuple[Of, ...] = ("total", "first-token")
        return {
            "loop": self.loop,
            "rate": self.rate,
            "seconds": self.seconds,
            "requests": len(self.samples),
            "answered": self.answered,
            "errors": dict(self.errors),
            "throughput": self.throughput,
            "goodput": None if target is None else self.goodput(target, of),
            "output_tokens_per_second": self.output_tokens_per_second,
            "cost_usd": self.cost_usd,
            "stopped": self.stopped,
            **{kind.replace("-", "_"): _told(self.spectrum(kind)) for kind in kinds},
            "naive_total": _told(self.spectrum("total", naive=True)),
        }


def _told(rows: Sequence[tuple[float, float]]) -> list[list[float | None]]:
    return [[share, value if math.isfinite(value) else None] for share, value in rows]
