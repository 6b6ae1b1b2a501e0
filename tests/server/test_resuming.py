"""A stream that breaks behind the server and goes on: its reader sees one answer, in every format."""

from typing import Any, Literal

import httpx
import pytest
from tests.routing.test_broken_streams import ANSWER, Continuing

import inferail as ir
from inferail.core import StreamDecoder
from inferail.server import create_app, running
from inferail.testing import FaultyModel, Truncates
from inferail.types.accumulate import Accumulator

ASKED = [{"role": "user", "content": "Tell me."}]


def models(_name: str) -> ir.Model:
    return ir.Fallback(FaultyModel(Continuing("first"), [Truncates(7)]), Continuing("second"))


@pytest.mark.parametrize(
    ("grammar", "path", "body"),
    [
        ("openai_chat", "/v1/chat/completions", {"messages": ASKED}),
        ("openai_responses", "/v1/responses", {"input": "Tell me."}),
        ("anthropic", "/v1/messages", {"messages": ASKED, "max_tokens": 99}),
    ],
)
def test_a_resumed_stream_is_one_answer_in_every_format(
    grammar: Literal["openai_chat", "openai_responses", "anthropic"], path: str, body: dict[str, Any]
):
    """Serves R92."""
    with running(create_app(models)) as base_url:
        answer = httpx.post(base_url + path, json={"model": "m", "stream": True, **body}, trust_env=False)

    decoder, collected = StreamDecoder(grammar), Accumulator()
    collected.add(decoder.feed(answer.content))
    assert decoder.finish() is None
    assert collected.message().text == ANSWER
    assert len(collected.parts) == 1
