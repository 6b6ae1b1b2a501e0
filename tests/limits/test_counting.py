"""What is reserved for a request: tokens, and what they may cost."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.limits.models import ask

import inferail as ir
from inferail.core import Tokenizer
from inferail.limits.counting import Estimator
from inferail.limits.limits import micros
from inferail.telemetry import Price, PriceTable, Tiered, cost_usd, estimate_usage
from inferail.testing import ScriptedModel
from inferail.types.usage import Usage


def estimator(model: Any, **options: Any) -> Estimator:
    return Estimator(model, **{"output_tokens": 64, "prices": None, "priced": False, **options})


def test_prompt_is_counted_by_the_tokenizer_of_the_model_where_it_ships_with_the_package():
    """Serves R149."""
    request = ask(50, 30)
    target = ir.Target("openai:gpt-4o", api_key="k")

    tokens, cost = estimator(target).of(request)

    exact = Tokenizer.for_model("gpt-4o").count_messages(request.messages, model="gpt-4o")
    assert (exact.estimate, tokens, cost) == (None, exact.tokens + 30, 0)


@given(st.lists(st.text(min_size=1), min_size=1, max_size=4))
def test_other_prompts_are_counted_as_the_ledger_estimates_them(texts):
    request = ir.Request(tuple(ir.user(text) for text in texts))

    assert estimator(ScriptedModel([])).of(request)[0] == estimate_usage(request, 0).input_tokens + 64


def test_pictures_and_tools_are_counted_too():
    picture = ir.Image(data=b"\x89PNG", media_type="image/png")
    tool = ir.Tool("find", "Finds things.", {"type": "object"})
    request = ir.Request((ir.Message("user", (ir.Text("What is it?"), picture)),), tools=(tool,))

    for model in (ir.Target("openai:gpt-4o", api_key="k"), ScriptedModel([])):
        assert estimator(model).of(request)[0] >= 1000 + 64


@pytest.mark.parametrize("name", ["openai:gpt-5-mini", "anthropic:claude-sonnet-4-5", "gemini:gemini-2.5-pro"])
def test_money_is_that_of_the_table_rounded_up(name):
    """Serves R149."""
    target = ir.Target(name, api_key="k")

    tokens, cost = estimator(target, priced=True).of(ask(5000, 700))

    prices = cost_usd(target.provider, target.model, Usage(tokens - 700, 700))
    assert prices is not None
    assert cost == micros(prices) > 0


def test_steps_of_a_price_and_a_price_of_the_request_are_paid():
    price = Price(Tiered(1.0, ((1000, 10.0),)), 2.0, per_request=0.5)
    prices = PriceTable.bundled().override({"scripted:scripted": price})

    tokens, cost = estimator(ScriptedModel([]), priced=True, prices=prices).of(ask(2000, 10))

    assert cost == micros(price.cost_usd(Usage(tokens - 10, 10)) or 0) > 500_000


def test_of_several_models_the_longest_count_and_the_dearest_price_are_reserved():
    models = [ir.Target(name, api_key="k") for name in ("openai:gpt-5-mini", "anthropic:claude-opus-4-1")]
    fallback = ir.Fallback(ir.Cached(models[0], ir.ExactCache()), models[1])

    both = estimator(fallback, priced=True)

    (tokens, cost), alone = both.of(ask()), [estimator(model, priced=True).of(ask()) for model in models]
    assert tokens == max(count for count, _ in alone)
    assert max(price for _, price in alone) <= cost <= 1.2 * max(price for _, price in alone)
    assert not both.is_one
    assert estimator(ir.Cached(models[0], ir.ExactCache())).is_one


@pytest.mark.parametrize(("usd", "expected"), [(0.07, 70_000), (1e-6, 1), (1.5e-6, 2), (0.0, 0), (0.29, 290_000)])
def test_dollars_are_millionths_rounded_up(usd, expected):
    assert micros(usd) == expected
