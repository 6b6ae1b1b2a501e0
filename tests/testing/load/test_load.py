"""The load generator, on a clock that jumps."""

from __future__ import annotations

import asyncio
import math
from itertools import islice

import pytest

from inferail.errors import ConfigError, ServerError
from inferail.testing import LoopClock, run_virtual
from inferail.testing.load.generator import Bounds, Sent, closed_loop, open_loop, starts
from inferail.testing.load.results import NOT_SENT, Run, Sample
from inferail.testing.load.search import highest_rate
from inferail.testing.load.target import check_host, is_loopback, may_cost
from inferail.types.scope import Budget
from inferail.types.usage import Usage


def stalling(clock, begins, ends, *, takes=0.01):
    """A server that stands still for a while; otherwise it takes as long as it takes."""

    async def send(number, content):
        now = clock.now()
        await clock.sleep(takes / 2 + (ends - now if begins <= now < ends else 0.0))
        content()
        await clock.sleep(takes / 2)
        return Sent(5, 0.001)

    return send


def queueing(clock, places, takes):
    """A server with so many places, where the others wait."""
    gate = asyncio.Semaphore(places)

    async def send(number, content):
        async with gate:
            await clock.sleep(takes)
        content()
        return Sent()

    return send


def test_stall_is_in_the_open_percentiles_and_hidden_in_the_naive_closed_ones():
    """Serves R176."""

    async def both():
        clock = LoopClock()
        send = stalling(clock, 10.0, 11.0)
        opened = await open_loop(send, 100.0, clock=clock, bounds=Bounds(20.0), pattern="uniform")
        clock_of_closed = LoopClock()
        began = clock_of_closed.now()
        send = stalling(clock_of_closed, began + 10.0, began + 11.0)
        closed = await closed_loop(send, 50.0, workers=1, clock=clock_of_closed, bounds=Bounds(20.0))
        return opened, closed

    opened, closed = run_virtual(both())

    # 100 of 2,000 requests came while it stood still, evenly: the 20 unluckiest of them waited more than 0.8 s.
    assert opened.quantile(0.99) == pytest.approx(0.81, abs=0.02)
    assert opened.quantile(1.0) == pytest.approx(1.01, abs=0.001)
    assert closed.quantile(0.99, naive=True) == pytest.approx(0.01)
    assert closed.quantile(0.99) > 0.75


def test_open_loop_measures_from_when_a_request_should_have_begun():
    async def late():
        clock = LoopClock()
        return await open_loop(stalling(clock, 0.0, 0.0), 10.0, clock=clock, bounds=Bounds(1.0), pattern="uniform")

    run = run_virtual(late())

    assert [sample.intended for sample in run.samples] == pytest.approx([number / 10 for number in range(11)])
    assert run.throughput == pytest.approx(11 / 1.01)
    assert run.cost_usd == pytest.approx(0.011)
    assert run.output_tokens_per_second == pytest.approx(55 / 1.01)
    assert run.quantile(0.95, "first-token") == pytest.approx(0.005)


def test_arrivals_are_uniform_or_independent():
    gaps = [
        after - before
        for before, after in zip(*(islice(starts(50.0, seed=1), n, 5_000 + n) for n in (0, 1)), strict=True)
    ]

    assert list(islice(starts(4.0, "uniform"), 4)) == [0.0, 0.25, 0.5, 0.75]
    mean = sum(gaps) / len(gaps)
    assert mean == pytest.approx(0.02, rel=0.05)
    assert math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) == pytest.approx(mean, rel=0.05)
    with pytest.raises(ConfigError, match="above 0"):
        next(starts(0.0))


def test_search_finds_the_rate_that_a_server_bears():
    """Serves R172."""

    async def search():
        clock = LoopClock()
        send = queueing(clock, 4, 0.1)  # 40 a second is all it can do
        return await highest_rate(
            lambda rate: open_loop(send, rate, clock=clock, bounds=Bounds(60.0), seed=3), 0.5, start=2.0
        )

    found = run_virtual(search())

    assert found.rate is not None
    assert 30 < found.rate < 40
    assert found.failed_at is not None
    assert found.failed_at - found.rate <= 0.1 * found.failed_at
    assert found.best is not None
    assert found.best.quantile(0.95) <= 0.5
    assert found.best.goodput(0.5) == pytest.approx(found.rate, rel=0.1)


def test_search_halves_where_the_first_rate_is_too_high():
    async def search(target):
        clock = LoopClock()
        send = queueing(clock, 1, 1.0)
        return await highest_rate(
            lambda rate: open_loop(send, rate, clock=clock, bounds=Bounds(100.0), pattern="uniform"), target, start=16.0
        )

    found = run_virtual(search(1.5))
    assert found.rate is not None
    assert 0.5 <= found.rate <= 1.05
    nothing = run_virtual(search(0.5))
    assert (nothing.rate, nothing.best) == (None, None)


def test_search_stops_at_its_ceiling_and_refuses_a_target_of_nothing():
    async def search(target):
        clock = LoopClock()
        measure = lambda rate: open_loop(stalling(clock, 0, 0), rate, clock=clock, bounds=Bounds(1.0))  # noqa: E731
        return await highest_rate(measure, target, start=5.0, ceiling=40.0)

    found = run_virtual(search(1.0))

    assert (found.rate, found.failed_at, len(found.runs)) == (40.0, None, 4)
    with pytest.raises(ConfigError, match="above 0"):
        run_virtual(search(0.0))


def test_failed_requests_count_as_infinitely_long():
    async def half():
        clock = LoopClock()

        async def send(number, content):
            await clock.sleep(0.1)
            if number % 10 == 0:
                raise ServerError("no", status_code=500)
            content()
            return Sent()

        return await open_loop(send, 10.0, clock=clock, bounds=Bounds(9.9), pattern="uniform")

    run = run_virtual(half())

    assert run.errors == {"ServerError": 10}
    assert run.quantile(0.9) == pytest.approx(0.1)
    assert run.quantile(0.95) == math.inf
    assert run.as_dict()["total"][-1] == [1.0, None]


@pytest.mark.parametrize(
    ("bounds", "requests", "stopped"),
    [
        pytest.param({"requests": 7}, 7, None, id="requests"),
        pytest.param({"budget": 0.0095}, 11, "the budget is spent", id="money"),
        pytest.param({}, 101, None, id="seconds"),
    ],
)
def test_run_ends_at_its_bounds(bounds, requests, stopped):
    async def bounded(loop):
        clock, budget = LoopClock(), None
        if "budget" in bounds:
            budget = Budget(usd=bounds["budget"])

        async def send(number, content):
            await clock.sleep(0.01)
            if budget is not None:
                budget.spend(Usage(cost_usd=0.001))
            return Sent(1, 0.001)

        limits = Bounds(10.0, bounds.get("requests"), budget=budget)
        if loop == "open":
            return await open_loop(send, 10.0, clock=clock, bounds=limits, pattern="uniform")
        return await closed_loop(send, 10.0, workers=1, clock=clock, bounds=limits)

    for loop in ("open", "closed"):
        run = run_virtual(bounded(loop))
        assert abs(len(run.samples) - requests) <= 1
        assert run.stopped == stopped


def test_requests_beyond_those_on_the_way_are_not_sent_and_counted():
    async def crowded():
        clock = LoopClock()
        limits = Bounds(1.0, in_flight=3, drain=10.0)
        return await open_loop(stalling(clock, 0.0, 5.0), 10.0, clock=clock, bounds=limits, pattern="uniform")

    run = run_virtual(crowded())

    assert run.errors == {NOT_SENT: 8}
    assert run.answered == 3


def test_answers_that_never_come_are_given_up_and_said():
    async def silent():
        clock = LoopClock()
        return await open_loop(
            stalling(clock, 0.5, 1e6), 10.0, clock=clock, bounds=Bounds(1.0, drain=5.0), pattern="uniform"
        )

    run = run_virtual(silent())

    assert run.answered == 5
    assert run.stopped == "6 requests were not over 5 s after the last one began"


@pytest.mark.parametrize("loop", ["open", "closed"])
def test_interrupted_run_gives_what_it_has(loop):
    async def interrupted():
        clock = LoopClock()
        send = stalling(clock, 0.0, 0.0)
        if loop == "open":
            running = open_loop(send, 10.0, clock=clock, bounds=Bounds(60.0), pattern="uniform")
        else:
            running = closed_loop(send, 10.0, workers=2, clock=clock, bounds=Bounds(60.0))
        task = asyncio.create_task(running)
        await clock.sleep(2.05)
        task.cancel()
        run = await task
        return run, asyncio.all_tasks() - {asyncio.current_task()}

    run, left = run_virtual(interrupted())

    assert (len(run.samples), run.stopped, left) == (21, "interrupted", set())


def test_given_up_requests_are_failures_of_the_run():
    """A request whose answer did not come while anybody waited for it is no reason to be content."""
    samples = (Sample(0.0, 0.0, 0.1, 0.05), Sample(1.0, 1.5, 2.0, None, "DeadlineError"))

    run = Run(samples, 1.0, 2.0)

    assert run.quantile(0.5, naive=True) == pytest.approx(0.1)
    assert run.quantile(1.0) == math.inf


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:8000/v1", True),
        ("http://[::1]:8000", True),
        ("http://localhost", True),
        ("http://127.9.9.9", True),
        ("https://api.openai.com/v1", False),
        ("http://192.168.1.4", False),
        ("http://127.0.0.1.example.com", False),
        ("http://localhost.example.com", False),
        ("http://[bad", False),
        ("", False),
    ],
)
def test_only_this_machine_is_loopback(url, here):
    assert is_loopback(url) is here


def test_other_machines_have_to_be_allowed_and_say_what_they_may_cost():
    from inferail.providers.target import Target

    target = Target("openai:gpt-4o", api_key="none")
    cost = may_cost(target, "word " * 800, 1_000, 2_000)

    with pytest.raises(
        ConfigError, match=r"api.openai.com is not this machine.*2,000 requests may cost up to \$\d+.*--allow-remote"
    ):
        check_host(target.endpoint.base_url, allow_remote=False, cost=cost)
    check_host(target.endpoint.base_url, allow_remote=True, cost=cost)
    check_host("http://localhost:1", allow_remote=False, cost=cost)
    assert "no known price" in may_cost(Target("openai:who", api_key="none"), "hi", 1, 1)
