"""Two ways to make load. In the open one requests begin by the clock, whatever the server does; that is what users do.

In the closed one each worker waits for its answer before it sends again: while the server stands still, nothing is sent, and the
requests that should have been are missing from the percentiles ("coordinated omission"). Measured from when each request should
have been sent they are there again; a closed run has both numbers.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Literal, TypeAlias

from inferail.errors import BudgetError, ConfigError, InferailError
from inferail.testing.load.results import NOT_SENT, Run, Sample

if TYPE_CHECKING:
    from inferail.types.clock import Clock
    from inferail.types.scope import Budget

__all__ = ["Bounds", "Pattern", "Send", "Sent", "closed_loop", "open_loop", "starts"]

Pattern: TypeAlias = Literal["poisson", "uniform"]


@dataclass(frozen=True, slots=True)
class Sent:
    """What one request brought: tokens of its answer and what it cost, None where no price is known."""

    output_tokens: int = 0
    cost_usd: float | None = None


# Sends request number n, calls the second argument when there is content, and gives back once the answer is whole.
Send: TypeAlias = Callable[[int, Callable[[], None]], Awaitable[Sent]]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where a run ends, whichever comes first.

    Attributes:
        seconds: No request should begin later than that; those on the way are waited for.
        requests: No more than these, or None.
        in_flight: No more at a time; a request that finds so many on the way is not sent and counts as failed.
        budget: Money and tokens, or None. Requests on the way can exceed it by what they cost.
        drain: Seconds to wait for the last answers.
    """

    seconds: float
    requests: int | None = None
    in_flight: int = 2_000
    budget: Budget | None = None
    drain: float = 60.0

    def __post_init__(self) -> None:
        if not self.seconds > 0 or (self.requests is not None and self.requests < 1) or self.in_flight < 1:
            raise ConfigError("a run needs a duration above 0, and room for a request")

    @property
    def spent(self) -> bool:
        """Whether the money or the tokens are used up."""
        if self.budget is None:
            return False
        try:
            self.budget.check()
        except BudgetError:
            return True
        return False


def starts(rate: float, pattern: Pattern = "poisson", *, seed: int = 0) -> Iterator[float]:
    """Seconds at which requests should begin, without end.

    Args:
        rate: Of them a second.
        pattern: `poisson`, as independent users come, or `uniform`, one every `1 / rate` seconds.
        seed: For `poisson`.

    Raises:
        ConfigError: The rate is not above 0.
    """
    if not rate > 0:
        raise ConfigError(f"the rate is a number of requests a second above 0, not {rate!r}")
    if pattern == "uniform":
        yield from (number / rate for number in count())
    draw = random.Random(seed)  # noqa: S311 - arrivals, not a secret
    at = 0.0
    while True:
        yield at
        at += draw.expovariate(rate)


async def open_loop(
    send: Send, rate: float, *, clock: Clock, bounds: Bounds, pattern: Pattern = "poisson", seed: int = 0
) -> Run:
    """Requests that begin by the clock. Cancelled, it gives back what it has: the requests on the way are given up."""
    meter = _Meter(send, clock)
    tasks: set[asyncio.Task[None]] = set()
    stopped: str | None = None
    try:
        for number, at in enumerate(starts(rate, pattern, seed=seed)):
            if at > bounds.seconds or (bounds.requests is not None and number >= bounds.requests):
                break
            if (wait := at - meter.now()) > 0:
                await clock.sleep(wait)
            if bounds.spent:
                stopped = "the budget is spent"
                break
            if len(tasks) >= bounds.in_flight:
                meter.samples.append(Sample(at, at, at, error=NOT_SENT))
                continue
            task = asyncio.create_task(meter.measure(number, at))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        if tasks:
            await asyncio.wait(tasks, timeout=bounds.drain)
    except asyncio.CancelledError:
        stopped = "interrupted"
    if tasks:
        stopped = stopped or f"{len(tasks)} requests were not over {bounds.drain:g} s after the last one began"
        await _given_up(tasks)
    return meter.run(rate, "open", stopped)


async def closed_loop(send: Send, rate: float, *, workers: int, clock: Clock, bounds: Bounds) -> Run:
    """Workers that wait for their answer before they send again, at `rate` requests a second together if they can.

    Each request has the moment at which it should have begun, as in the open loop: what a worker is late by is in
    `Sample.seconds`, and hidden in `naive` ones.
    """
    if workers < 1:
        raise ConfigError(f"a closed loop needs a worker, not {workers!r}")
    meter = _Meter(send, clock)
    numbers = count()
    stopped: str | None = None

    async def work(worker: int) -> None:
        for step in count():
            at = (worker + step * workers) / rate
            if at > bounds.seconds or meter.now() > bounds.seconds + bounds.drain or bounds.spent:
                return
            if bounds.requests is not None and len(meter.samples) >= bounds.requests:
                return
            if (wait := at - meter.now()) > 0:
                await clock.sleep(wait)
            await meter.measure(next(numbers), at)

    tasks = {asyncio.create_task(work(worker)) for worker in range(workers)}
    try:
        await asyncio.gather(*tasks)
    except asyncio.CancelledError:
        stopped = "interrupted"
        await _given_up(tasks)
    if stopped is None and bounds.spent:
        stopped = "the budget is spent"
    return meter.run(rate, "closed", stopped)


class _Meter:
    """The samples of a run, and its clock."""

    def __init__(self, send: Send, clock: Clock) -> None:
        self.samples: list[Sample] = []
        self._send = send
        self._clock = clock
        self._began = clock.now()

    def now(self) -> float:
        """Seconds since the run began."""
        return self._clock.now() - self._began

    async def measure(self, number: int, intended: float) -> None:
        """Sends one request."""
        sent = self.now()
        first: float | None = None

        def content() -> None:
            nonlocal first
            first = self.now() if first is None else first

        error: str | None = None
        brought = Sent()
        try:
            brought = await self._send(number, content)
        except InferailError as failure:
            error = type(failure).__name__
        except asyncio.CancelledError:
            # Given up with the whole run: it is in no percentile, as nobody knows how long it would have taken.
            return
        sample = Sample(intended, sent, self.now(), first, error, brought.output_tokens, brought.cost_usd)
        self.samples.append(sample)

    def run(self, rate: float, loop: Literal["open", "closed"], stopped: str | None) -> Run:
        """What was measured."""
        self.samples.sort(key=lambda sample: sample.intended)
        ended = max((sample.ended for sample in self.samples), default=0.0)
        return Run(tuple(self.samples), rate, ended, loop, stopped)


async def _given_up(tasks: set[asyncio.Task[None]]) -> None:
    waiting = list(tasks)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
