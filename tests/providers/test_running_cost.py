"""What a stream costs while it runs: an estimate that grows, then what the provider says."""

import pytest

import inferail as ir
from inferail.testing import ScriptedReply, ScriptedTransport
from tests.providers.bodies import ANTHROPIC, GEMINI, OPENAI, STREAM_HEADERS

MODELS = {"openai": "gpt-5-mini", "anthropic": "claude-sonnet-4-5", "gemini": "gemini-2.5-flash"}
STREAMS = {"openai": OPENAI, "anthropic": ANTHROPIC, "gemini": GEMINI}
QUESTION = "When may a train enter the next block? " * 4


def streaming(provider: str, pieces: list[bytes]) -> ir.Client:
    transport = ScriptedTransport([ScriptedReply(pieces, headers=STREAM_HEADERS)], blocking=True)
    return ir.Client(f"{provider}:{MODELS[provider]}", transport=transport, api_key="k")


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
def test_stream_shows_its_running_cost_and_ends_with_the_real_one(provider):
    """Serves R96, R97."""
    client = streaming(provider, STREAMS[provider])

    with client.stream(QUESTION) as stream:
        running = [stream.partial.usage for _ in stream.batches()]
        final = stream.final().usage

    costs = [usage.cost_usd for usage in running]
    assert None not in costs
    assert all(usage.estimated for usage in running[:-1])
    # Each estimate counts what has arrived: more text never makes it cheaper while the prompt's count stands.
    assert [usage.output_tokens for usage in running] == sorted(usage.output_tokens for usage in running)
    assert running[0].cost_usd
    assert (final.input_tokens, final.output_tokens, final.estimated) == (9, 3, False)
    assert stream.partial.usage == final == client.records[0].usage


def test_running_cost_counts_the_prompt_until_the_provider_does():
    """Serves R97."""
    with streaming("openai", OPENAI).stream(QUESTION) as stream:
        next(iter(stream.batches()))
        early = stream.partial.usage

    assert early.estimated
    assert early.input_tokens == len(QUESTION) // 4 + 4  # four bytes a token, and four for the message
    assert early.cost_usd == pytest.approx((early.input_tokens * 0.25 + early.output_tokens * 2.0) / 1e6)


def test_running_cost_of_a_broken_stream_is_the_one_it_is_billed_at():
    """Serves R97, R98."""
    client = streaming("openai", OPENAI[:3])

    with pytest.raises(ir.StreamError) as caught, client.stream(QUESTION) as stream:
        for _ in stream.batches():
            pass

    assert caught.value.partial.usage == stream.partial.usage == client.records[0].usage
    assert client.records[0].usage.estimated


def test_running_cost_is_nothing_before_anything_has_arrived():
    stream = streaming("openai", OPENAI).stream(QUESTION)

    assert stream.partial.usage == ir.Usage()
