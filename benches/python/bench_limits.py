"""What limits cost a call: reserve and settle alone, and a `Limited` around a model that answers at once.

Coroutines are driven by hand, as in `bench_client.py`. The row `bare` is the model without limits: what is more than that is
the price of the limits. The row of Redis is what this process does; waiting for the server is no CPU time.
"""

from __future__ import annotations

import sys
from collections.abc import Coroutine, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

import inferail as ir
from inferail.core import AdaptiveConcurrency, Limiter, Reservation, RetryBudget, WaitQueue
from inferail.limits import Limited, Limits
from inferail.limits.books import Ask, SharedBook, Spent
from inferail.limits.limits import Rule
from inferail.testing import ScriptedModel

sys.path.insert(0, str(Path(__file__).parents[2]))

REQUEST = ir.Request(
    (ir.system("You answer from the handbook."), ir.user("How many days of leave do I have in the first year?")),
    sampling=ir.Sampling(temperature=0.0, max_tokens=300),
    labels={"tenant": "acme"},
)
RATES = Limits(requests_per_minute=10**9, tokens_per_minute=10**11, concurrent=64)
NO_LIMITS = [("requests", 10**12, 60.0, 0), ("tokens", 10**12, 60.0, 0), ("calls", 64, 60.0, 0)]
MONEY = ("micros", 10**12, 86_400.0, 1)


def finish(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine that never suspends gives."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits for an event loop")


def bench_limits_reserve_settle(benchmark):
    limiter: Any = Limiter([*NO_LIMITS, MONEY])  # type: ignore[list-item]
    moments = count(1000)

    def call() -> bool:
        now = next(moments) * 0.001
        held = limiter.reserve(now, tokens=1200, micros=300, keys=("", "acme"))
        return bool(limiter.settle(held, now, tokens=700, micros=200))

    assert benchmark(call)


def bench_limits_refuse(benchmark):
    limiter: Any = Limiter([("tokens", 1000, 60.0, 0)])
    limiter.reserve(0.0, tokens=900)

    assert not isinstance(benchmark(lambda: limiter.reserve(1.0, tokens=900)), Reservation)


def bench_limits_adaptive_concurrency(benchmark):
    limit = AdaptiveConcurrency()

    def call() -> None:
        limit.acquire()
        limit.release("succeeded", 0.0, 1.0)

    benchmark(call)


def bench_limits_retry_budget(benchmark):
    budget = RetryBudget()

    def call() -> bool:
        budget.deposit()
        return budget.withdraw()

    benchmark(call)


def bench_limits_wait_queue(benchmark):
    queue = WaitQueue(1000)
    for number in range(500):
        queue.push(float(number), priority=number % 3)
    moments = count(1000)

    def call() -> bool:
        entered = queue.push(float(next(moments)), priority=1)
        first = queue.first()
        return entered is not None and first is not None and queue.remove(first)

    assert benchmark(call)


@pytest.mark.parametrize(
    "limits", [None, RATES, [RATES, Limits(usd_per_day=1e6, per="tenant")]], ids=["bare", "rates", "money"]
)
def bench_limits_call(benchmark, limits):
    from inferail.telemetry import Price, PriceTable

    prices = PriceTable.bundled().override({"scripted:scripted": Price(1.0, 2.0)})
    model: Any = ScriptedModel(["Twenty five days."], cycles=True)
    if limits is not None:
        model = Limited(model, limits, prices=prices)

    assert benchmark(lambda: finish(model.generate(REQUEST))).text


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory) -> Iterator[str]:
    """A real server."""
    from tests.store.servers import redis_server

    pytest.importorskip("redis")
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


def bench_limits_reserve_on_redis(benchmark, redis_url):
    from inferail.store import RedisStore

    rules = [Rule("", unit, most, seconds, group, None) for unit, most, seconds, group in [*NO_LIMITS, MONEY]]  # type: ignore[arg-type]
    book = SharedBook(RedisStore(redis_url), "bench", rules)
    ask = Ask(("", "=acme"), 1200, 300, 600.0)

    def call() -> object:
        held = finish(book.reserve(ask, 0.0))
        book.settle(held, Spent(1, 700, 200), 0.0, lambda: None)
        finish(book.aclose())
        return held

    assert len(benchmark(call)) == 3
