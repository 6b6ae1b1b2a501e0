"""A stream that breaks anywhere is in the books exactly once, with tokens that are near what they were."""

import json
import re
from pathlib import Path

import pytest
from tests.providers.bodies import STREAM_HEADERS, event

import inferail as ir
from inferail.core import Tokenizer
from inferail.testing import ScriptedReply, ScriptedTransport

# The bound that docs/cost.md states for English text.
FACTOR, SURE_FROM = 1.5, 40
WORDS = re.findall(r"\S+\s*", (Path(__file__).parents[2] / "docs" / "cost.md").read_text(encoding="utf-8"))[:220]


def openai(words):
    yield from (event({"id": "c", "choices": [{"index": 0, "delta": {"content": word}}]}) for word in words)
    yield event({"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    yield event({"id": "c", "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 300}})
    yield event("[DONE]")


def anthropic(words):
    usage = {"input_tokens": 9, "output_tokens": 1}
    yield event({"type": "message_start", "message": {"id": "m", "usage": usage}}, "message_start")
    start = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    yield event(start, "content_block_start")
    for word in words:
        piece = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}
        yield event(piece, "content_block_delta")
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 300}}
    yield event(end, "message_delta")
    yield event({"type": "message_stop"}, "message_stop")


@pytest.mark.slow
@pytest.mark.parametrize("stream", [openai, anthropic], ids=["openai", "anthropic"])
def test_stream_that_breaks_at_any_byte_leaves_one_record_with_its_tokens(stream):
    """Serves R98, R97."""
    body, tokenizer, whole = b"".join(stream(WORDS)), Tokenizer.named("o200k_base"), "".join(WORDS)
    compared = 0
    for cut in [*range(0, len(body), 7), len(body)]:
        transport = ScriptedTransport(
            [ScriptedReply([body[:cut]] if cut else [], headers=STREAM_HEADERS)], blocking=True
        )
        with ir.Client(f"{stream.__name__}:m", transport=transport, api_key="k", retries=0) as client:
            shown, broke = "", None
            try:
                with client.stream("Hello") as reading:
                    for piece in reading.text():
                        shown += piece
            except ir.StreamError as error:
                broke = error
            (record,) = client.records

        assert whole.startswith(shown)
        assert broke is None or broke.partial is None or broke.partial.text == shown
        assert record.call_id
        if record.succeeded:
            assert (record.usage.input_tokens, record.usage.output_tokens, record.estimated) == (9, 300, False)
            continue
        assert record.estimated
        assert record.usage.input_tokens > 0
        written = tokenizer.count(shown)
        if written >= SURE_FROM and record.usage.output_tokens < 300:
            assert written / FACTOR <= record.usage.output_tokens <= written * FACTOR
            compared += 1
    assert compared > 500


def test_running_cost_never_falls_while_a_stream_goes_on():
    """Serves R97."""
    prices = ir.PriceTable.bundled().override({"openai:m": ir.Price(1.0, 10.0)})
    transport = ScriptedTransport([ScriptedReply(list(openai(WORDS)), headers=STREAM_HEADERS)], blocking=True)
    with ir.Client("openai:m", transport=transport, api_key="k", prices=prices) as client:
        with client.stream("Hello") as stream:
            running = [stream.partial.usage.cost_usd for _ in stream.batches()]
        (record,) = client.records

    known = [cost for cost in running if cost is not None]
    assert len(known) == len(running)
    assert known[:-1] == sorted(known[:-1])
    assert json.loads(json.dumps(record.as_dict()))["cost_usd"] == pytest.approx((9 * 1.0 + 300 * 10.0) / 1e6)
