"""A call is let in when there is room, and what it consumed is booked, however it ended."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.limits.models import PRICES, OneAtATime, ask, blocking, finish, scripted, trio_run
from tests.providers.bodies import OPENAI, STREAM_HEADERS, TEXT, UNARY, error_body

import inferail as ir
from inferail.concurrency import all_of
from inferail.errors import BudgetError, CapacityError, ConfigError, RateLimitError, ServerError, StreamError
from inferail.limits import Limited, Limits
from inferail.testing import Breaks, FaultyModel, ScriptedModel, ScriptedReply, ScriptedTransport, VirtualClock

WHOLE = ScriptedReply([UNARY])
RATE_LIMITED = ScriptedReply([error_body()], 429, {"retry-after": "20"})


def used(limited: Limited, name: str, **labels: str) -> tuple[float, float]:
    found = finish(limited.usage(ask(1, 10, **labels)))[name]
    return found.used, found.reserved


def client_of(limited: Limited, *replies: ScriptedReply | BaseException, **options: Any) -> ir.Client:
    return ir.Client(limited, transport=ScriptedTransport(replies, blocking=True), **options)


def test_call_waits_on_the_clock_of_its_transport_until_a_request_has_left_the_window():
    """Serves R72."""
    clock = VirtualClock(100.0)
    limited = Limited(scripted(), Limits(requests_per_minute=2))
    with blocking(clock).enter():
        for _ in range(5):
            finish(limited.generate(ask()))

    assert len(limited.model.requests) == 5  # type: ignore[attr-defined]
    assert clock.now() == pytest.approx(100 + 2 * 61, abs=0.01)
    assert limited.waiting == 0


def test_call_that_cannot_be_let_in_before_its_deadline_is_refused_at_once():
    """Serves R72."""
    clock = VirtualClock(100.0)
    limited = Limited(scripted(), Limits(tokens_per_minute=40))
    with blocking(clock, deadline=110.0).enter():
        finish(limited.generate(ask(5, 10)))
        with blocking(clock, deadline=130.0).enter(), pytest.raises(CapacityError) as caught:
            finish(limited.generate(ask(20, 10)))

    assert caught.value.retry_after == pytest.approx(61, abs=0.01)
    assert clock.slept == []
    assert len(limited.model.requests) == 1  # type: ignore[attr-defined]


def test_what_a_call_did_not_consume_is_there_for_the_next():
    """Serves R149."""
    limited = Limited(scripted(3), Limits(tokens_per_minute=120))
    with blocking().enter():
        for _ in range(4):  # each reserves 105 of 120 and consumes 4
            finish(limited.generate(ask(1, 100)))

        assert used(limited, "tokens_per_minute") == (16, 0)


def test_a_request_larger_than_the_limit_says_that_it_can_never_be_made():
    limited = Limited(scripted(), Limits(tokens_per_minute=100))

    with blocking().enter(), pytest.raises(BudgetError, match="lower its max_tokens") as caught:
        finish(limited.generate(ask(1, 100)))

    assert (caught.value.limit, caught.value.spent) == (100, 0)


def test_request_without_max_tokens_reserves_what_the_option_says():
    limited = Limited(scripted(), Limits(tokens_per_minute=100), output_tokens=96)

    with blocking().enter(), pytest.raises(BudgetError):
        finish(limited.generate(ask(1, None)))


def test_money_of_one_request_is_bounded_before_it_is_sent():
    """Serves R149."""
    limited = Limited(scripted(), Limits(usd_per_request=0.0001), prices=PRICES)
    with blocking().enter():
        finish(limited.generate(ask(1, 95)))
        with pytest.raises(BudgetError) as caught:
            finish(limited.generate(ask(1, 96)))

    assert caught.value.limit == 0.0001
    assert len(limited.model.requests) == 1  # type: ignore[attr-defined]


def test_money_of_a_day_is_refused_at_once_when_it_is_spent():
    """Serves R149."""
    clock = VirtualClock(100.0)
    limited = Limited(scripted(9), Limits(usd_per_day=0.0001, per="tenant"), prices=PRICES)
    with blocking(clock).enter():
        for _ in range(8):  # each may cost 24 millionths and costs 10
            finish(limited.generate(ask(1, 19, tenant="a")))
        with pytest.raises(BudgetError) as caught:
            finish(limited.generate(ask(1, 19, tenant="a")))
        finish(limited.generate(ask(1, 19, tenant="b")))

        assert used(limited, "usd_per_day per tenant", tenant="a") == pytest.approx((8e-5, 0))

    error = caught.value
    assert (error.limit, error.spent, error.reserved) == pytest.approx((1e-4, 8e-5, 0))
    assert clock.slept == []


def test_money_without_a_known_price_is_refused():
    limited = Limited(scripted(), Limits(usd_per_day=1.0))

    with blocking().enter(), pytest.raises(ConfigError, match="price"):
        finish(limited.generate(ask()))


def test_retries_count_as_requests_and_what_failed_is_booked():
    """Serves R149."""
    limited = Limited(
        ir.Target("openai:gpt-5-mini", api_key="k"), Limits(requests_per_minute=9, tokens_per_minute=9999)
    )
    with client_of(limited, ScriptedReply([error_body()], 500), WHOLE) as client:
        response = client.complete("Hello", sampling=ir.Sampling(max_tokens=50))

        with blocking(client._transport.clock).enter():
            assert used(limited, "requests_per_minute") == (2, 0)
            assert used(limited, "tokens_per_minute") == (response.usage.total_tokens, 0)


def test_failed_call_returns_its_tokens_and_keeps_its_request():
    limited = Limited(
        FaultyModel(scripted(), [ServerError("down")]), Limits(requests_per_minute=9, tokens_per_minute=99)
    )
    with blocking().enter():
        with pytest.raises(ServerError):
            finish(limited.generate(ask()))

        assert used(limited, "requests_per_minute") == (1, 0)
        assert used(limited, "tokens_per_minute") == (0, 0)


def test_call_that_was_never_sent_returns_everything():
    limited = Limited(FaultyModel(scripted(), [ConfigError("wrong")]), Limits(requests_per_minute=9, concurrent=1))
    with blocking().enter():
        with pytest.raises(ConfigError):
            finish(limited.generate(ask()))

        assert used(limited, "requests_per_minute") == used(limited, "concurrent") == (0, 0)


def test_stream_holds_its_place_until_its_end_and_books_what_it_consumed():
    limited = Limited(ir.Target("openai:gpt-5-mini", api_key="k"), Limits(concurrent=1, tokens_per_minute=9999))
    with client_of(limited, ScriptedReply(OPENAI, headers=STREAM_HEADERS)) as client:
        with client.stream("Hello") as stream, blocking(client._transport.clock).enter():
            assert used(limited, "concurrent") == (1, 1)
            assert "".join(stream.text()) == TEXT
            assert used(limited, "concurrent") == (0, 0)
            assert used(limited, "tokens_per_minute") == (12, 0)

        assert stream.response.usage.total_tokens == 12


def test_stream_that_breaks_books_what_had_arrived():
    """Serves R149."""
    limited = Limited(ir.Target("openai:gpt-5-mini", api_key="k"), Limits(concurrent=1, tokens_per_minute=9999))
    with client_of(limited, ScriptedReply(OPENAI[:3], headers=STREAM_HEADERS)) as client:
        with client.stream("Hello") as stream, pytest.raises(StreamError) as caught:
            list(stream.text())
        with blocking(client._transport.clock).enter():
            tokens, held = used(limited, "tokens_per_minute")

    assert caught.value.partial.usage.total_tokens == tokens > 0
    assert held == 0


def test_stream_that_is_left_books_what_had_arrived():
    limited = Limited(ir.Target("openai:gpt-5-mini", api_key="k"), Limits(concurrent=1, tokens_per_minute=9999))
    with client_of(limited, ScriptedReply(OPENAI, headers=STREAM_HEADERS)) as client:
        with client.stream("Hello") as stream:
            next(iter(stream.text()))
        with blocking(client._transport.clock).enter():
            assert used(limited, "concurrent") == (0, 0)
            assert 0 < used(limited, "tokens_per_minute")[0] < 20


def test_stream_of_a_model_without_attempts_books_its_partial_answer():
    model = FaultyModel(scripted(9), [Breaks(3, ServerError("down"))])
    limited = Limited(model, Limits(requests_per_minute=5, concurrent=1))

    async def read() -> None:
        async with limited.stream(ask()) as stream:
            async for _ in stream:
                pass

    with blocking().enter():
        with pytest.raises(ServerError):
            finish(read())

        assert used(limited, "requests_per_minute") == (1, 0)
        assert used(limited, "concurrent") == (0, 0)


def test_stream_is_entered_once_and_before_it_is_read():
    limited = Limited(scripted(), Limits(concurrent=1))

    async def twice() -> None:
        async with limited.stream(ask()) as stream, stream:
            pass

    with blocking().enter():
        with pytest.raises(ConfigError, match="once"):
            finish(twice())
        with pytest.raises(ConfigError, match="with"):
            finish(limited.stream(ask()).final())
        assert used(limited, "concurrent") == (0, 0)


def test_answers_from_a_cache_inside_consume_nothing():
    limited = Limited(ir.Cached(scripted(), ir.ExactCache()), Limits(requests_per_minute=1, tokens_per_minute=999))
    with blocking(deadline=101.0).enter():
        first = finish(limited.generate(ask()))
        with pytest.raises(CapacityError):
            finish(limited.generate(ask(7)))

        assert first.cache is None
        assert used(limited, "requests_per_minute") == (1, 0)

    fresh = Limited(limited.model, Limits(requests_per_minute=1))
    with blocking().enter():
        for _ in range(5):
            assert finish(fresh.generate(ask())).cache is not None
        assert used(fresh, "requests_per_minute") == (0, 0)


def test_fallback_does_not_wait_for_a_limit_while_another_model_is_left():
    """Serves R72."""
    clock = VirtualClock(100.0)
    fallback = ir.Fallback(Limited(scripted(1), Limits(requests_per_minute=1)), ScriptedModel(["other"], cycles=True))
    with blocking(clock).enter():
        texts = [finish(fallback.generate(ask())).text.strip() for _ in range(3)]

    assert texts == ["word", "other", "other"]
    assert clock.slept == []


def test_the_budget_of_the_scope_still_counts():
    budget = ir.Budget(tokens=30)
    limited = Limited(ir.Target("openai:gpt-5-mini", api_key="k"), Limits(concurrent=1))
    client = client_of(limited, WHOLE, WHOLE, WHOLE, WHOLE)
    with client, ir.scope(budget=budget), pytest.raises(BudgetError):
        for _ in range(4):
            client.complete("Hello")

    assert budget.spent.total_tokens >= 30


def test_what_the_provider_says_is_left_is_obeyed():
    """Serves R155."""
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "30s"}
    limited = Limited(ir.Target("openai:gpt-5-mini", api_key="k"), Limits(requests_per_minute=500))
    with client_of(limited, ScriptedReply([UNARY], headers=headers), WHOLE, timeout=60) as client:
        client.complete("Hello")
        client.complete("Hello")

        assert client._transport.clock.slept == [pytest.approx(30, abs=0.01)]  # type: ignore[attr-defined]


def test_a_429_stops_the_others_for_as_long_as_the_provider_asks():
    """Serves R155."""
    target = ir.Target("openai:gpt-5-mini", api_key="k", retries=0)
    limited = Limited(target, Limits(requests_per_minute=500))
    with client_of(limited, RATE_LIMITED, WHOLE, timeout=60) as client:
        with pytest.raises(RateLimitError):
            client.complete("Hello")
        client.complete("Hello")

        assert client._transport.clock.slept == [pytest.approx(20, abs=0.01)]  # type: ignore[attr-defined]


def test_adaptive_concurrency_shrinks_with_a_429_and_grows_without():
    """Serves R72."""
    target = ir.Target("openai:gpt-5-mini", api_key="k", retries=0)
    limited = Limited(target, Limits(concurrent="adaptive"))
    begun = limited.concurrency
    with client_of(limited, ScriptedReply([error_body()], 429), ScriptedReply([error_body()], 500)) as client:
        with pytest.raises(RateLimitError):
            client.complete("Hello")
        shrunk = limited.concurrency
        with pytest.raises(ServerError):
            client.complete("Hello")

    assert begun == 8
    assert shrunk == limited.concurrency == 6
    assert Limited(target, Limits(concurrent=4)).concurrency is None


def test_limited_is_a_model_like_any_other():
    target = ir.Target("openai:gpt-5-mini", api_key="k")
    limited = Limited(target, [Limits(concurrent=4), Limits(usd_per_day=5.0, per="tenant")])

    assert limited.name == "limited(openai:gpt-5-mini)"
    assert repr(limited) == "Limited('openai:gpt-5-mini', concurrent 4, usd_per_day 5 per tenant)"
    told = limited.explain(ask(1, 90))
    assert told.startswith("# limited(openai:gpt-5-mini): sent once ")
    assert "concurrent 4, usd_per_day 5 per tenant" in told
    assert "POST" in told
    with pytest.raises(ConfigError):
        finish(Limited(scripted(), Limits(concurrent=4)).list_models())
    finish(Limited(scripted(), Limits(concurrent=4)).warm())
    finish(limited.aclose())


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda: Limited(scripted(), []), id="none"),
        pytest.param(lambda: Limited(scripted(), 60), id="a-number"),  # type: ignore[arg-type]
        pytest.param(lambda: Limited(scripted(), Limits(usd=1.0), queue=-1), id="queue"),
        pytest.param(lambda: Limited(scripted(), Limits(usd=1.0), output_tokens=0), id="output-tokens"),
        pytest.param(lambda: Limited(scripted(), Limits(usd=1.0), ageing=-1.0), id="ageing"),
        pytest.param(lambda: Limited(scripted(), Limits(usd=1.0), store=object()), id="store"),  # type: ignore[arg-type]
        pytest.param(lambda: Limited(scripted(), [Limits(usd=1.0, per=f"{n}") for n in range(5)]), id="five-sets"),
        pytest.param(Limits, id="no-limit"),
        pytest.param(lambda: Limits(requests_per_minute=0), id="zero"),
        pytest.param(lambda: Limits(tokens_per_minute=1.5), id="half-a-token"),  # type: ignore[arg-type]
        pytest.param(lambda: Limits(concurrent=True), id="bool"),
        pytest.param(lambda: Limits(usd_per_day=float("nan")), id="nan"),
        pytest.param(lambda: Limits(concurrent="adaptive", per="tenant"), id="adaptive-per-tenant"),
        pytest.param(lambda: Limits(usd=1.0, per=""), id="no-label"),
    ],
)
def test_what_means_nothing_is_refused(wrong):
    with pytest.raises(ConfigError):
        wrong()


def test_unknown_priority_is_refused():
    limited = Limited(scripted(), Limits(requests_per_minute=1))
    with blocking().enter():
        finish(limited.generate(ask()))
        with pytest.raises(ConfigError, match="priority"):
            finish(limited.generate(ask(priority="urgent")))


@pytest.mark.parametrize("runner", [asyncio.run, trio_run], ids=["asyncio", "trio"])
def test_calls_on_a_real_loop_wake_each_other(runner):
    limited = Limited(OneAtATime(), Limits(concurrent=1))

    async def main() -> None:
        await all_of([lambda: limited.generate(ask())] * 20, at_once=20, blocking=False)

    runner(main())

    assert limited.model.served == 20  # type: ignore[attr-defined]
    assert limited.waiting == 0


def test_threads_of_a_synchronous_client_wake_each_other():
    limited = Limited(OneAtATime(), Limits(concurrent=1))

    with ir.Client(limited) as client, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: client.complete("Hello"), range(40)))

    assert limited.model.served == 40  # type: ignore[attr-defined]
    assert limited.waiting == 0
