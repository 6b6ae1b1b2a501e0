"""Far more is asked than can be done: what is done stays as much, and what waits stays bounded. In virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.limits.models import ask, asynchronous

from inferail.errors import CapacityError, DeadlineError, InferailError, RateLimitError
from inferail.limits import Limited, Limits
from inferail.testing import run_virtual
from inferail.types.response import Response, text_message
from inferail.types.usage import Usage

SERVICE = 0.5
PLACES = 40
PATIENCE = 3.0
QUEUE = 100


class Provider:
    """Does `PLACES` calls at a time in half a second each, and refuses more with a 429 after a tenth of that.

    Attributes:
        answered: When each answer was given.
        refused: How often it was asked for too much.
        most: The most calls that were in it.
    """

    name = "provider"

    def __init__(self) -> None:
        self.answered: list[float] = []
        self.refused = self.inside = self.most = 0

    async def generate(self, request: Any) -> Response[Any]:
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            if self.inside > PLACES:
                await asyncio.sleep(SERVICE / 10)
                self.refused += 1
                raise RateLimitError("busy", status_code=429)
            await asyncio.sleep(SERVICE)
        finally:
            self.inside -= 1
        self.answered.append(asyncio.get_running_loop().time())
        return Response(text_message("done"), "stop", Usage(1, 1), "provider", "provider")

    def stream(self, request: Any) -> Any:
        raise NotImplementedError


async def offered(limited: Limited, per_second: float, seconds: float) -> int:
    """Calls that come evenly, each with its deadline; the longest that the queue was."""
    loop, tasks, longest = asyncio.get_running_loop(), set(), 0

    async def call(number: int) -> None:
        scope = asynchronous(deadline=loop.time() + PATIENCE)
        with scope.enter():
            try:
                await limited.generate(ask(priority=str(number % 3)))
            except (CapacityError, DeadlineError, RateLimitError):
                return

    for number in range(int(per_second * seconds)):
        task = asyncio.create_task(call(number))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        await asyncio.sleep(1 / per_second)
        longest = max(longest, limited.waiting)
    await asyncio.gather(*tasks)
    return longest


@pytest.mark.slow
@pytest.mark.parametrize("concurrent", [PLACES, "adaptive"])
def test_at_five_times_the_capacity_goodput_stays_and_the_queue_is_bounded(concurrent):
    """Serves R72."""
    capacity, seconds = PLACES / SERVICE, 60.0
    provider = Provider()
    limited = Limited(provider, Limits(concurrent=concurrent), queue=QUEUE)

    longest = run_virtual(offered(limited, 5 * capacity, seconds))

    steady = [moment for moment in provider.answered if 10.0 < moment <= seconds]
    assert len(steady) >= 0.9 * capacity * (seconds - 10.0)
    assert 0 < longest <= QUEUE
    assert provider.most <= (PLACES if concurrent == PLACES else 2 * PLACES)
    assert limited.waiting == 0


@pytest.mark.slow
def test_without_a_limit_the_same_load_is_mostly_refused():
    """What the test above is about: nearly every call of the surplus reaches the provider and is refused there."""
    provider = Provider()

    class Unlimited(Limited):
        async def generate(self, request: Any) -> Any:
            return await self.model.generate(request)

    run_virtual(offered(Unlimited(provider, Limits(concurrent=1)), 5 * PLACES / SERVICE, 20.0))

    assert provider.refused > 3 * len(provider.answered)


def test_what_is_refused_is_the_least_important():
    """Serves R72, R115."""
    provider = Provider()
    limited = Limited(provider, Limits(concurrent=1), queue=4)
    outcome: dict[str, list[str]] = {"high": [], "low": []}

    async def call(priority: str) -> None:
        with asynchronous(deadline=60.0).enter():
            try:
                await limited.generate(ask(priority=priority))
                outcome[priority].append("done")
            except InferailError as error:
                outcome[priority].append(type(error).__name__)

    async def main() -> None:
        await asyncio.gather(call("high"), *[call("low") for _ in range(4)], *[call("high") for _ in range(4)])

    run_virtual(main())

    assert outcome["high"] == ["done"] * 5
    assert outcome["low"] == ["CapacityError"] * 4
