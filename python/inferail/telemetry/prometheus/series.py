"""What is counted of the attempts of one provider, model, path and task."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final

from inferail.telemetry.records import NOT_ASKED

if TYPE_CHECKING:
    from inferail.telemetry.records import Record
    from inferail.types.usage import Usage

__all__ = ["COSTS", "PARTS", "PER_TOKEN", "SECONDS", "Example", "Histogram", "Series"]

# 10 ms to 120 s, closest where answers usually take their time (1 to 10 s), and with the 200 ms that a reader notices.
SECONDS: Final = (
    0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0,
)  # fmt: skip
PER_TOKEN: Final = (0.001, 0.0025, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0)
COSTS: Final = (0.00001, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
PARTS: Final = ("cache_read", "cache_write", "reasoning", "input_audio", "output_audio")

Example = tuple[float, "Record"]  # a value, and the record it came from


class Histogram:
    """Counts between bounds, their sum, and of each bucket the newest record that fell into it."""

    __slots__ = ("bounds", "counts", "examples", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.examples: list[Example | None] = [None] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float, record: Record) -> None:
        """Counts one value."""
        place = bisect_left(self.bounds, value)
        self.counts[place] += 1
        self.examples[place] = (value, record)
        self.total += value

    def copy(self) -> Histogram:
        """The same, for reading while others count."""
        copied = Histogram(self.bounds)
        copied.counts, copied.examples, copied.total = self.counts[:], self.examples[:], self.total
        return copied


class Series:
    """Counters and histograms that share their labels. Its owner holds the lock."""

    __slots__ = (
        "cost",
        "durations",
        "errors",
        "estimated",
        "examples",
        "first_tokens",
        "hits",
        "input_tokens",
        "output_tokens",
        "parts",
        "per_token",
        "requests",
        "saved_tokens",
        "saved_usd",
        "unpriced",
        "waste",
    )

    def __init__(self) -> None:
        self.requests: dict[str, int] = {}
        self.errors: dict[str, int] = {}
        self.examples: dict[str, Example] = {}  # of errors, by class
        self.durations: dict[str, Histogram] = {"ok": Histogram(SECONDS)}
        self.first_tokens = Histogram(SECONDS)
        self.per_token = Histogram(PER_TOKEN)
        self.cost = Histogram(COSTS)
        self.waste: dict[str, float] = {}
        self.input_tokens = self.output_tokens = 0
        self.parts = [0] * len(PARTS)
        self.unpriced = self.estimated = 0
        self.hits: dict[str, int] = {}
        self.saved_usd, self.saved_tokens = 0.0, 0

    def add(self, record: Record) -> None:
        """Counts one record."""
        reason, error, usage, timing = record.reason, record.error, record.usage, record.timing
        if reason == "cache":
            self._hit(record)
            return
        requests = self.requests
        requests[reason] = requests.get(reason, 0) + 1
        if reason in NOT_ASKED:
            return
        total, cost = timing.total, usage.cost_usd
        if error is None:
            self.durations["ok"].observe(total, record)
        else:
            self._fail(error, cost, record)
        first, written = timing.first_token, usage.output_tokens
        if first is not None:
            self.first_tokens.observe(first, record)
            if written > 1:
                self.per_token.observe(max(0.0, total - first) / (written - 1), record)
        if cost is None:
            self.unpriced += 1
        elif cost > 0:
            self.cost.observe(cost, record)
        if usage.estimated:
            self.estimated += 1
        self.input_tokens += usage.input_tokens
        self.output_tokens += written
        if usage.cache_read_tokens or usage.cache_write_tokens or usage.reasoning_tokens or _audio(usage):
            self._part(record)

    def _part(self, record: Record) -> None:
        usage, parts = record.usage, self.parts
        parts[0] += usage.cache_read_tokens
        parts[1] += usage.cache_write_tokens
        parts[2] += usage.reasoning_tokens
        parts[3] += usage.input_audio_tokens
        parts[4] += usage.output_audio_tokens

    def _fail(self, error: str, cost: float | None, record: Record) -> None:
        self.errors[error] = self.errors.get(error, 0) + 1
        self.examples[error] = (1.0, record)
        outcome = "cancelled" if error == "CancelledError" else "error"
        histogram = self.durations.get(outcome)
        if histogram is None:
            histogram = self.durations[outcome] = Histogram(SECONDS)
        histogram.observe(record.timing.total, record)
        if cost:
            self.waste[outcome] = self.waste.get(outcome, 0.0) + cost

    def _hit(self, record: Record) -> None:
        kind = record.cache or "exact"
        self.hits[kind] = self.hits.get(kind, 0) + 1
        self.saved_usd += record.saved_usd or 0.0
        self.saved_tokens += record.saved_tokens

    def copy(self) -> Series:
        """The same, for reading while others count."""
        copied = Series()
        for name in ("requests", "errors", "examples", "waste", "hits"):
            setattr(copied, name, dict(getattr(self, name)))
        copied.durations = {outcome: histogram.copy() for outcome, histogram in self.durations.items()}
        for name in ("first_tokens", "per_token", "cost"):
            setattr(copied, name, getattr(self, name).copy())
        for name in ("input_tokens", "output_tokens", "unpriced", "estimated", "saved_usd", "saved_tokens"):
            setattr(copied, name, getattr(self, name))
        copied.parts = self.parts[:]
        return copied


def _audio(usage: Usage) -> int:
    return usage.input_audio_tokens or usage.output_audio_tokens
