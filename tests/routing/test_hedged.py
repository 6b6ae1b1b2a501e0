"""The next model is asked too when the first is late, and whoever answers first wins. All on virtual time."""

import asyncio
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.providers.bodies import OPENAI, STREAM_HEADERS, TEXT, UNARY
from tests.routing.scripts import END, about, call, model, said, virtual_scope

import inferail as ir
from inferail.core import RetryBudget
from inferail.routing.health import Health
from inferail.routing.hedged import ExtraLoad, Hedged, HedgeStatistics
from inferail.testing import LoopClock, ScriptedModel, ScriptedReply, ScriptedTransport, run_virtual
from inferail.types.model import DeltaStream


async def asked(hedged: Any, *, stream: bool, **options: Any) -> tuple[Any, float, float]:
    """The answer, the moment of its first content, and the moment of its end."""
    seen = await call(hedged, stream=stream, **options)
    if seen.error is not None:
        raise seen.error
    return seen.response, seen.first, seen.ended


def attempts(response: Any) -> list[tuple[str, str | None, str]]:
    return [(attempt.provider, attempt.error, attempt.reason) for attempt in response.attempts]


@pytest.mark.parametrize("stream", [True, False])
def test_hedged_asks_nobody_else_when_the_first_is_in_time(stream):
    second = model("b", "Never asked.")
    hedged = Hedged(model("a", said("One two", 0.5, 0.2)), second, after=0.8)

    response, _, ended = run_virtual(asked(hedged, stream=stream))

    assert (response.text, ended) == ("One two ", about(0.7))
    assert attempts(response) == [("a", None, "first")]
    assert second.requests == []
    assert hedged.statistics == HedgeStatistics(requests=1)


def test_hedged_stream_is_won_by_first_content_and_the_loser_is_billed():
    """Serves R55."""
    hedged = Hedged(model("a", said("Slow.", 9.0)), model("b", said("Quick answer", 0.3, 2.0)), after=0.8)

    response, first, ended = run_virtual(asked(hedged, stream=True))

    assert response.text == "Quick answer "
    assert (first, ended) == (about(1.1), about(3.1))
    assert attempts(response) == [("a", "CancelledError", "first"), ("b", None, "hedge")]
    assert hedged.statistics == HedgeStatistics(requests=1, hedged=1, won=1)


def test_hedged_answer_is_won_by_the_first_whole_one():
    """Serves R55."""
    hedged = Hedged(model("a", said("Words come early", 0.1, 9.0)), model("b", said("Whole.", 2.0)), after=0.8)

    response, _, ended = run_virtual(asked(hedged, stream=False))

    assert (response.text, ended) == ("Whole. ", about(2.8))
    assert attempts(response) == [("a", "CancelledError", "first"), ("b", None, "hedge")]


def test_hedged_stays_with_the_first_when_it_wins_after_all():
    hedged = Hedged(model("a", said("First.", 1.0)), model("b", said("Second.", 5.0)), after=0.8)

    response, first, _ = run_virtual(asked(hedged, stream=True))

    assert (response.text, first) == ("First. ", about(1.0))
    assert attempts(response) == [("a", None, "first"), ("b", "CancelledError", "hedge")]
    assert hedged.statistics == HedgeStatistics(requests=1, hedged=1, won=0)


@pytest.mark.parametrize("stream", [True, False])
def test_hedged_asks_the_next_at_once_when_the_first_fails(stream):
    """Serves R48."""
    hedged = Hedged(model("a", [0.1, ir.ServerError("down")]), model("b", said("Fine.", 0.2)), after=0.8, max_extra=0.0)

    response, _, ended = run_virtual(asked(hedged, stream=stream))

    assert (response.text, ended) == ("Fine. ", about(0.3))
    assert attempts(response) == [("a", "ServerError", "first"), ("b", None, "fallback")]


@pytest.mark.parametrize("loser", ["a", "b"])
def test_hedged_lets_one_answer_when_the_other_fails(loser):
    scripts = {name: said("Fine.", 3.0) for name in "ab"} | {loser: [1.0, ir.ServerError("down")]}
    hedged = Hedged(model("a", scripts["a"]), model("b", scripts["b"]), after=0.5)

    response, first, _ = run_virtual(asked(hedged, stream=True))

    assert (response.text, first) == ("Fine. ", about(3.0 if loser == "b" else 3.5))
    assert sorted(error or "" for _, error, _ in attempts(response)) == ["", "ServerError"]


@pytest.mark.parametrize("stream", [True, False])
def test_hedged_lists_every_attempt_when_all_fail(stream):
    """Serves R53."""
    hedged = Hedged(model("a", [1.0, ir.ServerError("down")]), model("b", [2.0, ir.RateLimitError("busy")]), after=0.5)

    with pytest.raises(ir.RouteError) as caught:
        run_virtual(asked(hedged, stream=stream))

    assert attempts(caught.value) == [("a", "ServerError", "first"), ("b", "RateLimitError", "hedge")]
    assert str(caught.value) == "every model failed: a:a ServerError, b:b RateLimitError"


def test_hedged_asks_one_more_after_each_delay():
    third = model("c", said("Third.", 0.1))
    hedged = Hedged(
        model("a", said("A.", 9.0)), model("b", said("B.", 9.0)), third, after=1.0, budget=RetryBudget(burst=9.0)
    )

    response, first, _ = run_virtual(asked(hedged, stream=True))

    assert (response.text, first) == ("Third. ", about(2.1))
    assert [reason for _, _, reason in attempts(response)] == ["first", "hedge", "hedge"]


def test_hedged_streams_break_with_the_attempts_of_all():
    """Serves R93."""
    hedged = Hedged(model("a", said("A.", 9.0)), model("b", [0.1, "Half ", 1.0, ir.ServerError("down")]), after=0.5)

    with pytest.raises(ir.ServerError) as caught:
        run_virtual(asked(hedged, stream=True))

    assert caught.value.partial.text == "Half "
    assert attempts(caught.value) == [("a", "CancelledError", "first"), ("b", "ServerError", "hedge")]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("error", [ir.ConfigError("wrong"), RuntimeError("a bug")])
def test_hedged_raises_what_is_the_callers_mistake_at_once(error, stream):
    hedged = Hedged(model("a", said("Late.", 9.0)), model("b", error), after=0.5)

    with pytest.raises(type(error)):
        run_virtual(asked(hedged, stream=stream))


def test_hedged_goes_on_when_the_budget_refuses_the_second():
    refusal = ir.BudgetError("spent", limit=1.0, spent=1.0)
    hedged = Hedged(model("a", said("Fine.", 2.0)), model("b", refusal), after=0.5)

    response, first, _ = run_virtual(asked(hedged, stream=True))

    assert (response.text, first) == ("Fine. ", about(2.0))
    assert "BudgetError" in response.warnings[0]


def test_hedged_never_hedges_a_tool_with_side_effects():
    pay, look = ir.Tool("pay"), ir.Tool("look", side_effects=False)

    def pair() -> Hedged:
        return Hedged(model("a", said("First.", 3.0)), model("b", said("Second.", 0.1)), after=0.5)

    for stream in (True, False):
        for tools, text in (([pay], "First. "), ([look, pay], "First. "), ([look], "Second. ")):
            response, _, _ = run_virtual(asked(pair(), stream=stream, tools=tools))
            assert response.text == text


def test_hedged_falls_back_one_by_one_where_it_may_not_hedge():
    for stream in (True, False):
        hedged = Hedged(model("a", ir.ServerError("down")), model("b", said("Second.")), after=0.5)
        response, _, _ = run_virtual(asked(hedged, stream=stream, tools=[ir.Tool("pay")]))
        assert attempts(response) == [("a", "ServerError", "first"), ("b", None, "fallback")]


def test_hedged_asks_extra_for_no_more_requests_than_allowed():
    """Serves R55."""
    late = ScriptedModel([said("Late.", 1.0)], "a", cycles=True)
    soon = ScriptedModel([said("Soon.", 0.1)], "b", cycles=True)
    hedged = Hedged(late, soon, after=0.5, max_extra=0.1)

    async def main() -> None:
        for _ in range(200):
            await hedged.generate(ir.Request((ir.user("Hello"),)))

    run_virtual(main())

    assert hedged.statistics == HedgeStatistics(requests=200, hedged=21, won=21)
    assert len(soon.requests) == 21


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(("max_extra", "extra"), [(1.0, 40), (0.1, 1 + 4), (0.0, 1)])
def test_hedged_requests_at_once_have_the_share_of_all_of_them(stream, max_extra, extra):
    """All have paid in before the first of them is late.

    Serves R55.
    """
    late = ScriptedModel([said("Late.", 1.0)], "a", cycles=True)
    soon = ScriptedModel([said("Soon.", 0.1)], "b", cycles=True)
    hedged = Hedged(late, soon, after=0.5, max_extra=max_extra)

    run_virtual(_at_once(hedged, 40, stream=stream))

    assert hedged.statistics == HedgeStatistics(requests=40, hedged=extra, won=extra)
    assert len(soon.requests) == extra


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("end", ["answered", "failed", "cancelled", "never-hedged"])
def test_hedged_saves_one_extra_request_up_of_those_that_ended(end, stream):
    """However they end: 40 that were not late, then 10 late ones at once."""
    script = {"failed": [0.1, ir.ConfigError("wrong")], "cancelled": said("Never.", 9.0)}.get(end, said("Fine.", 0.1))
    first = ScriptedModel([*[script] * 40, *[said("Late.", 1.0)] * 10], "a")
    hedged = Hedged(first, ScriptedModel([said("Soon.", 0.1)], "b", cycles=True), after=0.5, max_extra=0.1)

    async def main() -> None:
        tools = (ir.Tool("pay"),) if end == "never-hedged" else ()
        before = asyncio.create_task(_at_once(hedged, 40, stream=stream, tools=tools))
        await asyncio.sleep(0.3)
        assert before.cancel() is (end == "cancelled")
        await asyncio.wait([before])
        assert hedged.statistics.hedged == 0
        await _at_once(hedged, 10, stream=stream)

    run_virtual(main())

    assert hedged.statistics.hedged == 1 + 1


async def _at_once(hedged: Hedged, requests: int, *, stream: bool, tools: tuple[ir.Tool, ...] = ()) -> None:
    request = ir.Request((ir.user("Hello"),), tools=tools)

    async def one() -> None:
        if not stream:
            await hedged.generate(request)
            return
        async with hedged.stream(request) as reading:
            await reading.final()

    await asyncio.gather(*(one() for _ in range(requests)), return_exceptions=True)


@given(
    share=st.integers(0, 20),
    events=st.lists(st.sampled_from(["begin", "begin", "ask", "ask", "settle"]), max_size=60),
)
def test_extra_load_grants_all_that_its_bound_allows_and_no_more(share, events):
    """A twin looks at every stretch of time that ends now: 1 + share of what ran in it, with one more granted."""
    extra, exact = ExtraLoad(share / 20), Fraction(share, 20)
    running = begun = granted = 0
    moments = [(running, begun, granted)]
    for event in events:
        if event == "begin":
            extra.deposit()
            running, begun = running + 1, begun + 1
        elif running and event == "settle":
            extra.settle()
            running -= 1
        elif running:
            allowed = all(
                granted + 1 - granted_then <= 1 + exact * (running_then + begun - begun_then)
                for running_then, begun_then, granted_then in moments
            )
            assert extra.withdraw() is allowed
            granted += allowed
        moments.append((running, begun, granted))


def test_hedged_asks_the_budget_that_it_shares():
    class Shared:
        deposits = withdrawals = 0

        def deposit(self) -> None:
            self.deposits += 1

        def withdraw(self) -> bool:
            self.withdrawals += 1
            return False

    shared = Shared()
    hedged = Hedged(model("a", said("First.", 3.0)), model("b", said("Never.", 0.1)), after=0.5, budget=shared)

    response, _, _ = run_virtual(asked(hedged, stream=False))

    assert (response.text, shared.deposits, shared.withdrawals) == ("First. ", 1, 1)


@pytest.mark.parametrize("stream", [True, False])
def test_hedged_tells_a_budget_of_money_what_the_extra_request_cost(stream):
    """Serves R83."""
    body, headers = (b"".join(OPENAI), STREAM_HEADERS) if stream else (UNARY, {})
    replies = [ScriptedReply([(seconds, body)], headers=headers) for seconds in (30.0, 0.2)]
    transport = ScriptedTransport(replies, clock=LoopClock())
    budget = RetryBudget(1.0, burst=10.0, usd_per_day=1e-9)
    models = [ir.Target(f"openai:{name}", api_key="k") for name in ("gpt-5-nano", "gpt-5")]

    response, _, _ = run_virtual(asked(Hedged(*models, after=0.5, budget=budget), stream=stream, transport=transport))

    assert [attempt.reason for attempt in response.attempts] == ["first", "hedge"]
    assert response.usage.cost_usd
    assert not budget.withdraw()  # of ten that it could pay for by number


def test_hedged_learns_its_delay_from_what_the_first_took():
    """Serves R55."""
    health = Health()
    first = ScriptedModel([*[said("Usual.", 0.2)] * 20, *[said("Spike.", 30.0)] * 2], "a")
    hedged = Hedged(first, model("b", said("Second.", 0.1)), after="p95", default=5.0, health=health)

    async def main() -> list[tuple[float, str]]:
        seen: list[tuple[float, str]] = []
        for _ in range(21):
            response, first_content, _ = await asked(hedged, stream=True)
            seen.append((first_content, response.text))
        return seen

    seen = run_virtual(main())

    assert seen[:20] == [(about(0.2), "Usual. ")] * 20
    assert seen[20] == (about(0.2 + 0.1, abs=0.006), "Second. ")


class Endpoint:
    """A model whose every answer takes as long as `seconds` says at its beginning."""

    def __init__(self, name: str, seconds: Callable[[float], float]) -> None:
        self.name = name
        self.asked = 0
        self._seconds = seconds

    async def generate(self, request: ir.Request) -> ir.Response:
        async with self.stream(request) as stream:
            return await stream.final()

    def stream(self, request: ir.Request) -> DeltaStream:
        self.asked += 1
        return model(self.name, said("Fine.", self._seconds(LoopClock().now()))).stream(request)


def test_hedged_routes_around_a_latency_spike_within_five_seconds_and_bounds_the_extra_load():
    """Ten requests a second; after ten seconds one endpoint is ten times slower.

    Serves R55.
    """
    spiking = Endpoint("a", lambda now: 0.2 if now < 10.0 else 2.0)
    steady = Endpoint("b", lambda _: 0.25)
    hedged = Hedged(spiking, steady, after="p95", default=1.0)
    seen: list[tuple[float, float]] = []

    async def request() -> None:
        began = LoopClock().now()
        async with hedged.stream(ir.Request((ir.user("Hello"),))) as stream:
            await stream.final()
        seen.append((began, LoopClock().now() - began))

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(300):
                group.create_task(request())
                await asyncio.sleep(0.1)

    with virtual_scope():
        run_virtual(main())

    assert max(took for began, took in seen if began < 10.0) == about(0.2)
    assert max(took for began, took in seen if 10.0 <= began < 15.0) == about(2.0)
    assert max(took for began, took in seen if began >= 15.0) == about(0.25)
    assert hedged.statistics.hedged <= 1 + 0.05 * 300
    assert spiking.asked + steady.asked == 300 + hedged.statistics.hedged


def test_hedged_waits_its_default_until_it_knows_better():
    hedged = Hedged(model("a", said("Slow.", 90.0)), model("b", said("Quick.", 0.5)), after="p95", default=2.0)
    whole = Hedged(model("a", said("Slow.", 90.0)), model("b", said("Quick.", 0.5)), after="p95", default=2.0)

    assert run_virtual(asked(hedged, stream=True))[1] == about(2.5)
    assert run_virtual(asked(whole, stream=False))[2] == about(20.5)


def test_hedged_asks_a_model_that_rests_last_and_for_no_hedge():
    health = Health()
    resting, well = model("a", said("Never.", 0.1)), ScriptedModel([said("Well.", 2.0)], "b")
    for _ in range(3):
        health.of(resting).started(0.0)
        health.of(resting).failed(0.0)

    response, first, _ = run_virtual(asked(Hedged(resting, well, after=0.5, health=health), stream=True))

    assert (response.text, first) == ("Well. ", about(2.0))
    assert resting.requests == []


@pytest.mark.parametrize("stream", [True, False])
def test_hedged_waits_for_the_first_to_recover_when_all_rest(stream):
    health = Health(cooldown=2.0)
    models = model("a", said("Never.", 0.1)), model("b", said("Back.", 0.5))
    for number, resting in enumerate(models):
        for _ in range(3):
            health.of(resting).started(0.0)
            health.of(resting).failed(-number)

    response, _, ended = run_virtual(asked(Hedged(*models, after=0.2, health=health), stream=stream))

    assert (response.text, ended) == ("Back. ", about(1.5))


def test_hedged_lets_go_of_both_when_its_reader_leaves_early():
    transport = ScriptedTransport(
        [
            ScriptedReply([(9.0, b"".join(OPENAI))], headers=STREAM_HEADERS),
            ScriptedReply([OPENAI[0], OPENAI[1], (9.0, OPENAI[2])], headers=STREAM_HEADERS),
        ],
        clock=LoopClock(),
    )

    async def main() -> tuple[Any, list[Any]]:
        async with ir.AsyncClient(targets(after=0.5), transport=transport) as client:
            async with client.stream("Hello") as reading:
                async for _ in reading.text():
                    break
            return reading.attempts, client.records

    made, records = run_virtual(main())

    assert [(attempt.model, attempt.error, attempt.reason) for attempt in made] == [
        ("one", "CancelledError", "first"),
        ("two", "CancelledError", "hedge"),
    ]
    assert sorted((record.model, record.error) for record in records) == [
        ("one", "CancelledError"),
        ("two", "CancelledError"),
    ]
    assert transport.open_replies == 0


def targets(**options: Any) -> Hedged:
    return Hedged(*(ir.Target(f"openai:{name}", api_key="k") for name in ("one", "two")), **options)


@pytest.mark.parametrize("stream", [True, False])
def test_hedged_targets_leave_one_record_each_and_an_estimate_for_the_loser(stream):
    """Serves R55."""
    body, headers = (b"".join(OPENAI), STREAM_HEADERS) if stream else (UNARY, {})
    transport = ScriptedTransport(
        [ScriptedReply([(30.0, body)], headers=headers), ScriptedReply([(0.2, body)], headers=headers)],
        clock=LoopClock(),
    )

    async def main() -> tuple[ir.Response, list[Any], float]:
        async with ir.AsyncClient(targets(after=0.5), transport=transport) as client:
            if stream:
                async with client.stream("Hello there, how are you today?") as reading:
                    response = await reading.final()
            else:
                response = await client.complete("Hello there, how are you today?")
            return response, client.records, LoopClock().now()

    response, records, now = run_virtual(main())
    by_model = {record.model: record for record in records}

    assert (response.text, now) == (TEXT, about(0.7))
    assert [(a.model, a.error, a.reason) for a in response.attempts] == [
        ("one", "CancelledError", "first"),
        ("two", None, "hedge"),
    ]
    assert len(records) == 2
    assert by_model["one"].usage.estimated
    assert by_model["one"].usage.input_tokens > 0
    assert by_model["one"].usage == response.attempts[0].usage
    assert by_model["two"].usage == response.usage
    assert transport.open_replies == 0


def test_hedged_targets_do_not_wait_to_retry_while_another_is_left_but_the_last_does():
    busy = ScriptedReply([b"{}"], 503)
    transport = ScriptedTransport([busy, busy, ScriptedReply([UNARY])], clock=LoopClock())

    async def main() -> ir.Response:
        async with ir.AsyncClient(targets(after=5.0), transport=transport) as client:
            return await client.complete("Hello")

    response = run_virtual(main())

    assert [(a.model, a.reason) for a in response.attempts] == [("one", "first"), ("two", "fallback"), ("two", "retry")]


def test_hedged_target_has_all_of_the_time_there_is():
    """The first is not cut at half of the deadline because a second one stands by."""
    transport = ScriptedTransport([ScriptedReply([(8.0, UNARY)]), ScriptedReply([(30.0, UNARY)])], clock=LoopClock())

    async def main() -> str:
        async with ir.AsyncClient(targets(after=5.0), transport=transport, timeout=10.0) as client:
            return (await client.complete("Hello")).attempts[0].model

    assert run_virtual(main()) == "one"


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("how", ["scope", "task"])
def test_hedged_ends_with_both_when_its_call_is_cancelled(stream, how):
    cancellation = ir.Cancellation()
    replies = [ScriptedReply([(30.0, b"")], headers=STREAM_HEADERS) for _ in range(2)]
    transport = ScriptedTransport(replies, clock=LoopClock())

    async def main() -> tuple[BaseException, list[str | None]]:
        async with ir.AsyncClient(targets(after=0.5), transport=transport) as client:

            async def call() -> None:
                if stream:
                    async with client.stream("Hello") as reading:
                        await reading.final()
                else:
                    await client.complete("Hello")

            with ir.scope(cancellation=cancellation):
                task = asyncio.create_task(call())
            await asyncio.sleep(1.0)
            if how == "scope":
                cancellation.cancel()
            else:
                task.cancel()
            with pytest.raises((ir.CancelledError, asyncio.CancelledError)) as caught:
                await task
            assert len(asyncio.all_tasks()) == 1
            return caught.value, [record.error for record in client.records]

    error, records = run_virtual(main())

    assert isinstance(error, ir.CancelledError if how == "scope" else asyncio.CancelledError)
    assert records == ["CancelledError", "CancelledError"]
    assert transport.open_replies == 0
    if isinstance(error, ir.CancelledError):
        assert [attempt.error for attempt in error.attempts] == ["CancelledError", "CancelledError"]


def test_hedged_nests_in_a_fallback_and_in_itself():
    """Serves R34."""
    inner = Hedged(model("a", said("A.", 9.0)), model("b", [0.1, ir.ServerError("down")]), after=0.5)
    outer = Hedged(inner, model("c", said("C.", 0.3)), after=0.7)

    response, first, _ = run_virtual(asked(ir.Fallback(model("x", ir.ServerError("down")), outer), stream=True))

    assert (response.text, first) == ("C. ", about(1.0))
    assert attempts(response) == [
        ("x", "ServerError", "first"),
        ("a", "CancelledError", "fallback"),
        ("b", "ServerError", "hedge"),
        ("c", None, "hedge"),
    ]


@pytest.mark.parametrize(
    ("models", "options", "match"),
    [
        (["openai:a"], {}, "at least two"),
        (["openai:a", "openai:a"], {"after": "p100"}, "p95"),
        (["openai:a", "openai:a"], {"after": "95"}, "p95"),
        (["openai:a", "openai:a"], {"after": -1.0}, "after"),
        (["openai:a", "openai:a"], {"after": True}, "after"),
        (["openai:a", "openai:a"], {"default": float("nan")}, "default"),
        (["openai:a", "openai:a"], {"max_extra": 5}, "max_extra"),
        (["openai:a", "openai:a"], {"budget": 3}, "deposit"),
    ],
)
def test_hedged_refuses_what_makes_no_sense(models, options, match, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "k")

    with pytest.raises(ir.ConfigError, match=match):
        Hedged(*models, **options)


def test_hedged_takes_the_same_model_twice_and_explains_both(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    hedged = Hedged("openai:a", "openai:a", after="p50")

    text = hedged.explain(ir.Request((ir.user("Hello"),)))

    assert hedged.models[0] is not hedged.models[1]
    assert text.count("api.openai.com") == 2
    assert "50% quantile" in text
    assert "Bearer k" not in text


def test_hedged_stream_says_so_when_it_was_not_entered_or_entered_twice():
    async def main() -> None:
        stream = Hedged(model("a", "One."), model("b", "Two."), after=0.5).stream(ir.Request((ir.user("Hello"),)))
        with pytest.raises(ir.ConfigError, match="not been entered"):
            await stream.final()
        async with stream:
            with pytest.raises(ir.ConfigError, match="entered once"):
                await stream.__aenter__()

    run_virtual(main())


_WORDS = st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=4)


@given(plans=st.lists(_WORDS, min_size=2, max_size=4), after=st.integers(0, 20), stream=st.booleans())
def test_hedged_gives_one_whole_answer_whatever_the_order_of_events(plans, after, stream):
    """Each plan is words with their gaps in 0.1 s; a False breaks the script there. A twin computes who wins, and when.

    Serves R55.
    """
    models = [ScriptedModel([_script(f"m{number}", plan)], f"m{number}") for number, plan in enumerate(plans)]
    delay = after / 10 + 0.0137  # no moment of a plan falls on that of a hedge

    seen = run_virtual(call(Hedged(*models, after=delay, budget=RetryBudget(burst=9.0)), stream=stream))

    begun = [len(model.requests) for model in models]
    assert begun == sorted(begun, reverse=True)
    assert max(begun) == 1
    assert len(seen.attempts) == sum(begun)
    assert sum(error is None for _, error, _ in seen.attempts) <= 1 or not stream
    if (expected := _winner(plans, delay, stream=stream)) is None:
        return
    winner, moment, asked_by_then = expected
    assert sum(begun) == asked_by_then
    assert (seen.first if stream and winner is not None else seen.ended) == about(moment)
    if winner is None:
        assert isinstance(seen.error, ir.RouteError)
    elif all(fine for _, fine in plans[winner]):
        assert seen.response.provider == f"m{winner}"
        assert seen.response.text == "".join(f"m{winner}-{at} " for at in range(len(plans[winner])))
    else:
        assert isinstance(seen.error, ir.ServerError)
        assert f"m{winner}" in {name for name, _, _ in seen.attempts}


def _winner(plans: list[list[tuple[int, bool]]], delay: float, *, stream: bool) -> tuple[int | None, float, int] | None:
    """The winner, its moment and how many were asked until then, event by event; None where two things happen at once."""
    now, asked, timer = 0.0, 1, delay
    ends = {0: _outcome(plans[0], stream=stream)}
    while ends:
        happening = sorted((moment, number, fine) for number, (moment, fine) in ends.items())
        if len({round(moment, 6) for moment, _, _ in happening}) < len(happening):
            return None
        now, number, fine = happening[0]
        if asked < len(plans) and timer < now:
            now = timer
        elif fine:
            return number, now, asked
        else:
            del ends[number]
        if asked < len(plans):
            moment, fine = _outcome(plans[asked], stream=stream)
            ends[asked] = (now + moment, fine)
            asked, timer = asked + 1, now + delay
    return None, now, asked


def _outcome(plan: list[tuple[int, bool]], *, stream: bool) -> tuple[float, bool]:
    """After how long a model alone brings its first content or whole answer, or fails before that."""
    needed = plan[:1] if stream else plan
    broken = next((at for at, (_, fine) in enumerate(needed) if not fine), None)
    until = needed if broken is None else needed[: broken + 1]
    return sum(gap for gap, _ in until) / 10, broken is None


def _script(name: str, plan: list[tuple[int, bool]]) -> list[Any]:
    steps: list[Any] = []
    for at, (gap, fine) in enumerate(plan):
        steps += [gap / 10, f"{name}-{at} " if fine else ir.ServerError("down")]
    return [*steps, END]
