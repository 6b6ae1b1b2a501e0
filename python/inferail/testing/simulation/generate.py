"""Traces that are made up: arrivals of a kind, and what calls of some tasks ask for."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from inferail.errors import ConfigError
from inferail.testing.simulation.calls import Arrival
from inferail.testing.simulation.distributions import Tailed
from inferail.testing.simulation.trace import Trace

__all__ = ["Arrivals", "Task", "Workload"]

_PROMPT: Final = Tailed(400.0, 0.8)
_ANSWER: Final = Tailed(120.0, 0.6)
Arrivals: TypeAlias = Literal["poisson", "bursty", "diurnal"]


@dataclass(frozen=True, slots=True)
class Task:
    """A kind of call.

    Attributes:
        share: Its part of the calls, against the shares of the others.
        input_tokens: Of its prompts.
        output_tokens: Of its answers.
        deadline: Seconds it has, or None.
        labels: Beside `task`.
    """

    share: float = 1.0
    input_tokens: Tailed = _PROMPT
    output_tokens: Tailed = _ANSWER
    deadline: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Workload:
    """What calls come, and when.

    Attributes:
        arrivals: `poisson` (independent of each other), `bursty` (quiet, and now and then a burst) or `diurnal` (a wave).
        rate: Calls a second, on average.
        calls: How many.
        tasks: By name, which is their label `task`.
        burst: A burst has so many times the rate of the quiet between two.
        burst_seconds: How long it lasts, on average; the quiet is three times as long.
        period: Seconds of a wave.
        swing: How far a wave goes up and down, as a share of the rate.
    """

    arrivals: Arrivals = "poisson"
    rate: float = 20.0
    calls: int = 4_000
    tasks: Mapping[str, Task] = field(default_factory=lambda: {"chat": Task()})
    burst: float = 6.0
    burst_seconds: float = 5.0
    period: float = 240.0
    swing: float = 0.8

    def __post_init__(self) -> None:
        for name in ("rate", "calls", "burst", "burst_seconds", "period"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise ConfigError(f"the {name} of a workload is a positive number, not {getattr(self, name)!r}")
        if not 0 <= self.swing <= 1:
            raise ConfigError(f"the swing of a workload is a share, 0 to 1, not {self.swing!r}")
        if not self.tasks or sum(task.share for task in self.tasks.values()) <= 0:
            raise ConfigError("a workload needs a task with a share above 0")

    def trace(self, seed: int) -> Trace:
        """The calls; the same for the same seed."""
        draw = random.Random(seed)  # noqa: S311 - a trace, not a secret
        names, tasks = [*self.tasks], [*self.tasks.values()]
        shares = [task.share for task in tasks]
        moments = {"poisson": self._poisson, "bursty": self._bursts, "diurnal": self._waves}[self.arrivals](draw)
        arrivals: list[Arrival] = []
        for _, at in zip(range(self.calls), moments, strict=False):
            number = draw.choices(range(len(tasks)), shares)[0]
            task = tasks[number]
            arrivals.append(
                Arrival(
                    at,
                    max(1, round(task.input_tokens.quantile(draw.random()))),
                    max(1, round(task.output_tokens.quantile(draw.random()))),
                    task.deadline,
                    {"task": names[number], **task.labels},
                )
            )
        start = arrivals[0].at
        moved = tuple(
            Arrival(each.at - start, each.input_tokens, each.output_tokens, each.deadline, each.labels)
            for each in arrivals
        )
        return Trace(moved, {}, source=f"{self.arrivals} arrivals, seed {seed}")

    def _poisson(self, draw: random.Random) -> Iterator[float]:
        at = 0.0
        while True:
            at += draw.expovariate(self.rate)
            yield at

    def _bursts(self, draw: random.Random) -> Iterator[float]:
        # A quarter of the time in bursts: quiet * 3/4 + burst * quiet * 1/4 is the rate.
        quiet = self.rate / (0.75 + 0.25 * self.burst)
        at, ends, bursting = 0.0, draw.expovariate(1.0 / (3 * self.burst_seconds)), False
        while True:
            gap = draw.expovariate(quiet * self.burst if bursting else quiet)
            if at + gap < ends:
                at += gap
                yield at
            else:  # the exponential has no memory: what is left of the gap is drawn anew at the other rate
                at, bursting = ends, not bursting
                ends = at + draw.expovariate(1.0 / (self.burst_seconds * (1 if bursting else 3)))

    def _waves(self, draw: random.Random) -> Iterator[float]:
        # Thinning: candidates at the highest rate, kept with the share that the rate of the moment is of it.
        at, highest = 0.0, self.rate * (1 + self.swing)
        while True:
            at += draw.expovariate(highest)
            rate = self.rate * (1 + self.swing * math.sin(2 * math.pi * at / self.period - math.pi / 2))
            if draw.random() * highest < rate:
                yield at
