"""Models that rest after failures, waits for them, and who is asked next."""

import itertools
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.providers.bodies import TEXT, UNARY, error_body

import inferail as ir
from inferail.core import EndpointHealth, pick
from inferail.errors import DeadlineError
from inferail.routing.fallback import Fallback, provider_of
from inferail.routing.health import Health, Watched
from inferail.testing import ScriptedModel, ScriptedReply, ScriptedTransport, VirtualClock
from inferail.types.message import user
from inferail.types.request import Request

WHOLE = ScriptedReply([UNARY])
DOWN = ScriptedReply([error_body()], 503)
LIMITED = ScriptedReply([error_body()], 429, {"retry-after": "20"})


def targets(*names: str) -> list[ir.Target]:
    return [ir.Target(name, api_key="k", retries=0) for name in names]


def client(model: ir.Model, *replies: Any, **options: Any) -> tuple[ir.Client, ScriptedTransport]:
    transport = ScriptedTransport(replies, blocking=True)
    return ir.Client(model, transport=transport, **options), transport


def asked(transport: ScriptedTransport) -> list[str]:
    return ["mistral" if "mistral" in wire.url else "openai" for wire in transport.wires]


def test_a_model_that_keeps_failing_is_not_asked_until_it_has_rested():
    """Serves R48, R55."""
    model = Fallback(*targets("openai:a", "mistral:b"))
    calls, transport = client(model, *[DOWN, WHOLE] * 3, WHOLE, WHOLE, DOWN, WHOLE)

    for _ in range(4):
        calls.complete("Hello")
    assert asked(transport)[-1] == "mistral"
    assert asked(transport).count("openai") == 3  # the fourth call did not ask it

    transport.clock.advance(2.5)
    calls.complete("Hello")
    assert asked(transport)[-1] == "openai"  # it had rested, and is well again


def test_a_rate_limited_model_is_left_alone_for_as_long_as_it_asked():
    """Serves R48."""
    model = Fallback(*targets("openai:a", "mistral:b"))
    calls, transport = client(model, LIMITED, *[WHOLE] * 3)

    calls.complete("Hello")
    transport.clock.advance(19.0)
    calls.complete("Hello")
    transport.clock.advance(2.0)
    calls.complete("Hello")

    assert asked(transport) == ["openai", "mistral", "mistral", "openai"]


def test_a_call_waits_for_the_first_model_to_recover_where_all_rest():
    model = Fallback(*targets("openai:a", "mistral:b"))
    later = ScriptedReply([error_body()], 429, {"retry-after": "8"})
    calls, transport = client(model, LIMITED, later, WHOLE)
    with pytest.raises(ir.RouteError):
        calls.complete("Hello")

    response = calls.complete("Hello")

    assert asked(transport)[-1] == "mistral"
    assert transport.clock.now() == pytest.approx(8.0)
    assert response.text == TEXT


def test_a_call_does_not_wait_longer_than_its_deadline():
    model = Fallback(*targets("openai:a", "mistral:b"))
    calls, transport = client(model, LIMITED, LIMITED, timeout=5.0)
    with pytest.raises(ir.RouteError):
        calls.complete("Hello")
    with pytest.raises(ir.RouteError, match="rests after failures for another 20 s") as caught:
        calls.complete("Hello")

    assert len(transport.wires) == 2
    assert transport.clock.now() == 0.0
    assert caught.value.attempts == ()


def test_a_wait_for_a_model_can_be_cancelled():
    cancellation = ir.Cancellation()

    class Clock(VirtualClock):
        async def sleep(self, seconds: float) -> None:
            cancellation.cancel()
            cancellation.check()

    transport = ScriptedTransport([LIMITED, LIMITED], blocking=True, clock=Clock())
    calls = ir.Client(Fallback(*targets("openai:a", "mistral:b")), transport=transport)
    with pytest.raises(ir.RouteError):
        calls.complete("Hello")

    with ir.scope(cancellation=cancellation), pytest.raises(ir.CancelledError):
        calls.complete("Hello")


def test_a_refused_request_is_not_held_against_a_model():
    model = Fallback(*targets("openai:a", "mistral:b"))
    calls, transport = client(model, *[ScriptedReply([error_body()], 400), WHOLE] * 5, WHOLE)

    for _ in range(5):
        calls.complete("Hello")

    assert asked(transport) == ["openai", "mistral"] * 5


def test_a_refused_key_makes_a_model_rest_at_once():
    """Serves R40."""
    model = Fallback(*targets("openai:a", "mistral:b"))
    calls, transport = client(model, ScriptedReply([error_body()], 401), WHOLE, WHOLE)

    calls.complete("Hello")
    calls.complete("Hello")

    assert asked(transport) == ["openai", "mistral", "mistral"]


def test_a_model_that_became_slow_is_asked_after_the_others():
    """Serves R55."""
    model = Fallback(*targets("openai:a", "mistral:b"))
    quick, slow = ScriptedReply([UNARY], first_byte=0.2), ScriptedReply([UNARY], first_byte=2.0)
    calls, transport = client(model, *[quick] * 30, *[slow] * 3, *[quick] * 2, timeout=60.0)
    for _ in range(35):
        calls.complete("Hello")

    assert asked(transport)[:33] == ["openai"] * 33
    assert asked(transport)[33:] == ["mistral", "mistral"]


def test_a_larger_model_answers_late_and_the_smaller_is_marked_degraded():
    """Serves R70."""
    model = Fallback(*targets("openai:big", "openai:small"))
    calls, _ = client(model, ScriptedReply([(1e6, b"")]), WHOLE, timeout=10.0)

    response = calls.complete("Hello")

    assert response.degraded
    assert response.warnings[-1] == "degraded: openai:big missed its deadline, openai:small answered"
    assert response.attempts[-1].model == "small"


@given(
    providers=st.lists(st.sampled_from(["openai", "anthropic", "gemini", "mistral"]), min_size=2, max_size=6),
    statuses=st.lists(st.sampled_from([429, 500, 503]), min_size=6, max_size=6),
)
def test_after_a_failure_another_provider_is_asked_while_there_is_one(providers, statuses):
    """Serves R52."""
    models = targets(*[f"{name}:m{at}" for at, name in enumerate(providers)])
    calls, _ = client(Fallback(*models), *[ScriptedReply([error_body()], status) for status in statuses])

    with pytest.raises(ir.RouteError) as caught:
        calls.complete("Hello")

    order = [attempt.provider for attempt in caught.value.attempts]
    assert sorted(order) == sorted(providers)
    for number, (before, after) in enumerate(itertools.pairwise(order)):
        assert before != after or set(order[number + 1 :]) == {before}


def test_a_prompt_too_long_goes_to_the_next_of_the_same_provider():
    too_long = b'{"error": {"message": "too long", "code": "context_length_exceeded", "type": "invalid_request_error"}}'
    models = targets("openai:small", "openai:large", "mistral:b")
    calls, transport = client(Fallback(*models), ScriptedReply([too_long], 400), WHOLE)

    response = calls.complete("Hello")

    assert [attempt.model for attempt in response.attempts] == ["small", "large"]
    assert response.attempts[0].error == "ContextLengthError"
    assert asked(transport) == ["openai", "openai"]


def test_a_prompt_too_long_goes_to_no_model_that_is_known_to_be_no_larger():
    too_long = b'{"error": {"message": "too long", "code": "context_length_exceeded", "type": "invalid_request_error"}}'
    models = targets("openai:gpt-4o", "mistral:codestral-latest", "openai:gpt-4.1")  # 128,000, 128,000 and a million
    calls, _ = client(Fallback(*models), ScriptedReply([too_long], 400), WHOLE)

    response = calls.complete("Hello")

    assert [attempt.model for attempt in response.attempts] == ["gpt-4o", "gpt-4.1"]


def test_a_reason_that_was_not_asked_for_is_raised():
    calls, transport = client(Fallback(*targets("openai:a", "mistral:b"), on=("error",)), LIMITED)

    with pytest.raises(ir.RateLimitError) as caught:
        calls.complete("Hello")

    assert len(transport.wires) == 1
    assert len(caught.value.attempts) == 1


@pytest.mark.parametrize("streamed", [True, False])
def test_a_refusal_and_an_answer_that_will_not_do_move_on(streamed):
    refusing = ScriptedModel([ir.Response(ir.Message("assistant", (ir.Refusal("No."),)), "stop")] * 2, name="refusing")
    short = ScriptedModel(["Hm."] * 2, name="short")
    good = ScriptedModel(["A longer answer."] * 2, name="good")
    model = Fallback(refusing, short, good, on=("error", "refusal"), accept=lambda response: len(response.text) > 5)
    with ir.Client(model) as calls:
        if streamed:
            with calls.stream("Hello") as stream:
                assert "".join(stream.text()) == "A longer answer."
            response = stream.response
        else:
            response = calls.complete("Hello")

    assert response.text == "A longer answer."


def test_no_acceptable_answer_is_a_route_error_that_has_the_last_one():
    model = Fallback(ScriptedModel(["Hm."]), accept=lambda _: False)

    with ir.Client(model) as calls, pytest.raises(ir.RouteError) as caught:
        calls.complete("Hello")

    assert caught.value.partial.text == "Hm."


@pytest.mark.parametrize("options", [{"on": ("weather",)}, {"on": "error"}, {"on_break": "ignore"}])
def test_unknown_options_are_refused(options):
    with pytest.raises(ir.ConfigError):
        Fallback(ScriptedModel(["a"]), **options)


def test_health_is_shared_by_the_combiners_it_is_given_to():
    health = Health(failures=1)
    first, second = targets("openai:a", "mistral:b")
    calls, transport = client(Fallback(first, second, health=health), DOWN, *[WHOLE] * 2)
    calls.complete("Hello")
    other = ir.Client(Fallback(first, second, health=health), transport=transport)

    other.complete("Hello")

    assert asked(transport) == ["openai", "mistral", "mistral"]
    assert health.snapshot(0.0)["openai:a"]["state"] == "open"


def test_calls_in_flight_end_with_streams_whatever_becomes_of_them():
    health = Health()
    model = ScriptedModel(["one two three"] * 3, name="m")
    fallback = Fallback(model, health=health)
    with ir.Client(fallback) as calls:
        with calls.stream("Hello") as stream:
            next(stream.text())
            assert health.of(model).in_flight == 1
        with calls.stream("Hello") as stream:
            stream.final()
        calls.complete("Hello")

    assert health.of(model).in_flight == 0
    assert health.of(model).quantile(0.5, minimum=2) is not None


@pytest.mark.parametrize(
    "settings", [{"failures": 0}, {"cooldown": -1.0}, {"share": 2.0}, {"slow": 0.5}, {"half_life": float("nan")}]
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ir.ConfigError):
        Health(**settings)


def test_a_spike_is_routed_around_within_five_seconds():
    """Serves R55: ten requests a second over two endpoints, one of which becomes ten times slower."""
    draw = random.Random(7)
    endpoints = [EndpointHealth(), EndpointHealth()]
    running: list[tuple[float, float, int]] = []
    late: list[float] = []
    for tick in range(300):
        now = tick / 10
        for entry in [entry for entry in running if entry[0] <= now]:
            running.remove(entry)
            endpoints[entry[2]].succeeded(entry[0], total=entry[0] - entry[1])
        place = pick(endpoints, now, "peak_ewma", draw=draw.random())
        assert place is not None
        latency = 2.0 if place == 0 and now >= 10.0 else 0.2
        endpoints[place].started(now)
        running.append((now + latency, now, place))
        if latency > 1.0:
            late.append(now)

    assert late
    assert len([moment for moment in late if moment > 15.0]) <= 4  # once in a while it is asked how it is


@given(draw=st.floats(0.0, 1.0, exclude_max=True), strategy=st.sampled_from(["least_busy", "peak_ewma", "weighted"]))
def test_pick_leaves_alone_who_rests(draw, strategy):
    endpoints = [EndpointHealth(failures=1) for _ in range(3)]
    endpoints[0].started(0.0)
    endpoints[0].failed(0.0)

    assert pick(endpoints, 1.0, strategy, draw=draw) in (1, 2)
    endpoints[1].failed(1.0, kind="unusable")
    endpoints[2].failed(1.0, kind="rate_limit", retry_after=9.0)
    assert pick(endpoints, 1.5, strategy, draw=draw) is None
    assert pick(endpoints, 3.0, strategy, draw=draw) == 0


@pytest.mark.parametrize("arguments", [{"strategy": "luck"}, {"weights": [1.0]}, {"weights": [1.0, float("nan")]}])
def test_pick_refuses_what_it_does_not_know(arguments):
    with pytest.raises(ir.ConfigError):
        pick([EndpointHealth(), EndpointHealth()], 0.0, **arguments)


def test_the_provider_of_a_combination_is_its_own():
    assert provider_of(targets("openai:a")[0]) == "openai"
    assert provider_of(ScriptedModel(["a"], name="m")) == "m"


def test_call_that_began_with_no_time_left_says_nothing_about_its_endpoint():
    clock, health = VirtualClock(), Health(failures=1)
    model = ScriptedModel(["never asked"])

    Watched(health.of(model), clock, Request((user("hi"),))).failed(DeadlineError("no time was left", phase="total"))

    assert health.of(model).available(clock.now())

    watched = Watched(health.of(model), clock, Request((user("hi"),)))
    clock.advance(0.5)
    watched.failed(DeadlineError("late", phase="total"))

    assert not health.of(model).available(clock.now())
