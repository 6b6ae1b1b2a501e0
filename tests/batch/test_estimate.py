"""What a batch will take is told beforehand, from the rows, the model's tokenizer and its prices."""

import asyncio
import io
import sys

import pytest
from tests.batch.running_twins import Echo, in_threads

import inferail as ir
from inferail.batch.progress import Progress
from inferail.telemetry.prices import Price, PriceTable

PRICES = PriceTable.bundled().override({"openai:gpt-5-mini": Price(input_per_million=1.0, output_per_million=10.0)})


def target(**options):
    return ir.Target("openai:gpt-5-mini", api_key="none", prices=PRICES, **options)


def test_estimate_counts_with_the_models_tokenizer_and_prices():
    from inferail.core import Tokenizer

    rows = [f"Classify this review, please: number {number}" for number in range(40)]
    tokenizer = Tokenizer.for_model("gpt-5-mini")
    asked = sum(tokenizer.count_messages([ir.user(row)], model="gpt-5-mini").tokens for row in rows)

    with ir.Client(target()) as client:
        estimate = client.batch(rows, sampling=ir.Sampling(max_tokens=5)).estimate()

    assert (estimate.rows, estimate.counted, estimate.broken) == (40, 40, 0)
    assert (estimate.usage.input_tokens, estimate.usage.output_tokens) == (asked, 200)
    assert estimate.cost_usd == pytest.approx((asked + 2000) / 1e6)
    assert estimate.usage.estimated
    assert client.records == []


def test_estimate_of_many_rows_counts_some_and_scales():
    with ir.Client(target()) as client:
        estimate = client.batch(["one two three"] * 1000).estimate(sample=10, output_tokens=100)

    assert (estimate.rows, estimate.counted) == (1000, 10)
    assert estimate.usage.output_tokens == 100_000


def test_estimate_counts_broken_rows_as_such(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('"a"\nnot JSON\n{"text": "b"}\n')

    with ir.Client(target()) as client:
        estimate = client.batch(path).estimate()

    assert (estimate.rows, estimate.broken) == (3, 2)


def test_estimate_without_a_known_price_has_none():
    with ir.Client(Echo()) as client:
        estimate = client.batch(["a"], system="Short.").estimate()

    assert estimate.cost_usd is None
    assert estimate.usage.input_tokens > 0


def test_estimate_takes_the_dearest_of_several_models():
    dear = PRICES.override({"openai:gpt-5": Price(input_per_million=100.0, output_per_million=1000.0)})
    model = ir.Fallback(target(), ir.Target("openai:gpt-5", api_key="none", prices=dear))

    async def work():
        async with ir.AsyncClient(model) as client:
            return await client.batch(["a"]).estimate(output_tokens=1)

    assert (asyncio.run(work()).cost_usd or 0.0) > 0.001


def test_estimate_needs_an_input_that_can_be_read_again():
    with ir.Client(Echo()) as client, pytest.raises(ir.ConfigError, match="once"):
        client.batch(iter(["a"])).estimate()


def test_estimate_is_followed_by_the_batch_itself():
    model = Echo()
    with ir.Client(model) as client:
        batch = client.batch(["a", "b"])
        assert batch.estimate().rows == 2
        batch.run()

    assert model.asked == ["a", "b"]


def test_bar_tells_what_is_done_and_what_it_cost(monkeypatch):
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)

    in_threads(Echo(fails=lambda text: ir.ServerError("down") if text == "b" else None), ["a", "b"], progress=True)

    assert "2/2" in written.getvalue()
    assert "1 failed, $0.0010" in written.getvalue()


def test_no_bar_where_standard_error_is_no_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())

    assert Progress.wanted(None, 5) is None


def test_estimate_counts_pictures_too():
    """No tokenizer does: they are counted flat, as everywhere."""
    picture = [ir.user("What is this?", ir.Image(url="https://example.com/a.png"))]

    with ir.Client(target()) as client:
        estimate = client.batch([picture]).estimate()

    assert estimate.usage.input_tokens > 1_000
