"""Simulated endpoints, one by one."""

from __future__ import annotations

import asyncio

import pytest

from inferail.errors import ConfigError
from inferail.routing.fallback import Fallback
from inferail.routing.hedged import Hedged
from inferail.telemetry.prices import Price
from inferail.telemetry.sinks import MemorySink
from inferail.testing import run_virtual
from inferail.testing.simulation import Arrival, Endpoint, Outage, SimulatedModel, Summary, Tailed, run
from inferail.types.message import user
from inferail.types.request import Request

STEADY = Endpoint("openai:steady", Tailed(0.5), Tailed(0.01), Price(1.0, 10.0))
CALLS = [Arrival(float(number), 1_000, 101) for number in range(20)]


def alone(models):
    (model,) = models.values()
    return model


def summary(endpoint, arrivals=CALLS, build=alone, **options):
    return Summary.of("it", run(arrivals, [endpoint], build, **options))


def changed(**fields):
    return Endpoint(**{name: getattr(STEADY, name) for name in Endpoint.__dataclass_fields__} | fields)


def test_answer_takes_the_time_and_the_money_that_the_endpoint_says():
    row = summary(STEADY)

    assert row.first_token == pytest.approx((0.5, 0.5, 0.5))
    assert row.total == pytest.approx((1.5, 1.5, 1.5))
    assert row.cost_usd == pytest.approx(20 * (1_000 * 1.0 + 101 * 10.0) / 1e6)
    assert (row.in_time, row.extra, row.failed) == (1.0, 0.0, 0)


def test_answer_that_is_not_streamed_has_no_first_token():
    row = summary(STEADY, [Arrival(0.0, 10, 101, streamed=False)])

    assert row.total[0] == pytest.approx(1.5)
    assert row.as_dict()["first_token"]["p50"] is None


def test_deadline_ends_a_call_and_what_was_written_is_billed():
    (outcome,) = run([Arrival(0.0, 1_000, 101, deadline=1.0)], [STEADY], alone)
    (attempt,) = outcome.call.attempts

    assert (outcome.error, outcome.total, outcome.in_time) == ("DeadlineError", 1.0, False)
    assert attempt.usage.input_tokens == 1_000
    assert 45 <= attempt.usage.output_tokens <= 52
    assert attempt.usage.estimated


def test_errors_come_with_their_share_and_are_retried_where_nobody_else_is_left():
    arrivals = [Arrival(float(number), 10, 10) for number in range(500)]

    row = summary(changed(errors={"ServerError": 0.2}), arrivals)

    assert row.reasons["retry"] / row.attempts == pytest.approx(0.2, abs=0.04)
    assert row.failed <= 5


def test_stream_that_breaks_off_is_a_failure_with_what_had_come():
    (outcome,) = run(CALLS[:1], [changed(errors={"StreamError": 1.0})], alone)

    assert outcome.error == "StreamError"
    assert outcome.first_token == pytest.approx(0.5)
    assert 1 <= outcome.call.attempts[0].usage.output_tokens <= 101


def test_outages_are_felt_while_they_last():
    down = changed(outages=(Outage(5.0, 8.0),))
    slow = changed(outages=(Outage(5.0, 8.0, "slow", 4.0),))
    silent = changed(outages=(Outage(5.0, 8.0, "silent"),))
    hurried = [Arrival(each.at, 10, 10, deadline=0.75) for each in CALLS]

    assert summary(down, hurried).failures == {"OverloadedError": 3}
    assert summary(slow).first_token[2] == pytest.approx(2.0)
    assert summary(silent, hurried).failures == {"DeadlineError": 3}


def test_load_beyond_the_capacity_slows_everything_down():
    at_once = [Arrival(0.0, 10, 2) for _ in range(40)]

    assert summary(changed(capacity=10), at_once).first_token[2] == pytest.approx(0.5 * 4)
    assert summary(changed(capacity=10, slowdown=0.5), at_once).first_token[2] == pytest.approx(0.5 * 2)


def test_limit_of_requests_refuses_what_goes_beyond_it():
    fast = [Arrival(number * 0.05, 10, 2, deadline=0.6) for number in range(400)]

    row = summary(changed(requests_per_minute=300), fast)

    assert row.in_time * 400 == pytest.approx(20 * 300 / 60, rel=0.1)
    assert row.failures["RateLimitError"] > 200


def test_unknown_price_is_flagged_and_never_zero():
    row = summary(Endpoint("openai:nobody-knows-this", Tailed(0.1)))

    assert row.unpriced == 20
    assert row.cost_per_call is None
    assert row.as_dict()["cost_per_call"] is None


def test_price_is_the_tables_where_none_is_stated():
    assert Endpoint("openai:gpt-4o", Tailed(0.1)).priced() is not None


def test_lost_hedge_is_cancelled_and_billed():
    """Serves R167."""
    slow, quick = changed(name="openai:slow", first_token=Tailed(5.0)), changed(name="openai:quick")
    outcomes = run(CALLS[:1], [slow, quick], lambda models: Hedged(*models.values(), after=0.2, max_extra=1.0))
    (outcome,) = outcomes
    attempts = {attempt.model: attempt for attempt in outcome.call.attempts}

    assert outcome.first_token == pytest.approx(0.7)
    assert attempts["slow"].error == "CancelledError"
    assert attempts["slow"].usage.cost_usd == pytest.approx(1_000 / 1e6)
    assert attempts["quick"].reason == "hedge"
    assert Summary.of("it", outcomes).extra == 1.0


def test_deadline_is_shared_out_as_targets_share_it():
    dead = changed(name="openai:dead", errors={"DeadlineError": 1.0})
    (outcome,) = run([Arrival(0.0, 10, 11, deadline=4.0)], [dead, STEADY], lambda models: Fallback(*models.values()))

    assert outcome.error is None
    assert outcome.first_token == pytest.approx(2.0 + 0.5)


def test_same_call_has_the_same_luck_whatever_else_is_asked():
    wide = Endpoint("openai:wide", Tailed(0.5, 0.8), Tailed(0.01, 0.5), Price(1.0, 1.0))

    every = run(CALLS, [wide], alone, seed=3)
    some = run(CALLS[:10], [wide], lambda models: Hedged(alone(models), alone(models), after=60.0), seed=3)
    other = run(CALLS, [wide], alone, seed=4)

    assert [each.first_token for each in every[:10]] == pytest.approx([each.first_token for each in some])
    assert [each.first_token for each in every] != [each.first_token for each in other]


def test_simulation_leaves_records_as_calls_do():
    sink = MemorySink()
    outcomes = run(CALLS[:3], [changed(errors={"ServerError": 0.5})], alone, seed=2, recorder=sink)

    assert len(sink.records) == sum(len(outcome.call.attempts) for outcome in outcomes)
    assert len({record.id for record in sink.records}) == len(sink.records)
    assert len({record.call_id for record in sink.records}) == 3


def test_simulated_model_is_a_model_outside_a_simulation_too():
    async def ask():
        model = SimulatedModel(STEADY)
        response = await model.generate(Request((user("How are you?"),)))
        return response, asyncio.get_running_loop().time()

    response, took = run_virtual(ask())

    assert response.text == "Answer 1 begins here. It ends here."
    assert response.usage.output_tokens == 128
    assert took == pytest.approx(0.5 + 127 * 0.01)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param({"name": "gpt"}, "provider:model", id="no-provider"),
        pytest.param({"errors": {"ServerError": 1.5}}, "shares", id="share-above-1"),
        pytest.param({"errors": {"OopsError": 0.1}}, "cannot fail with 'OopsError'", id="unknown-error"),
    ],
)
def test_endpoint_refuses_what_no_endpoint_is(fields, message):
    with pytest.raises(ConfigError, match=message):
        changed(**fields)
