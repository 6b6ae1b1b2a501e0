"""Cohere's format from the server's side."""

from __future__ import annotations

import json
from typing import Any

import pytest

from inferail.core import Delta, StreamDecoder
from inferail.errors import ConfigError, RateLimitError
from inferail.providers.codec import Incoming
from inferail.providers.facade import CohereChatFacade
from inferail.types.accumulate import Accumulator
from inferail.types.message import Image, Message, Reasoning, Refusal, Text, ToolCall, user
from inferail.types.request import Request
from inferail.types.response import Response
from inferail.types.usage import Usage

FACADE = CohereChatFacade()
HELLO = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
INCOMING = Incoming("m", Request((user("Hello"),)), stream=True)
CITATION = {"start": 0, "end": 2, "text": "Hi"}


def decode(**fields: object) -> Incoming:
    return FACADE.decode_request("/v2/chat", {}, json.dumps({**HELLO, **fields}).encode())


def test_decode_reads_plan_calls_and_results() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    messages = [
        {"role": "user", "content": [
            {"type": "text", "text": "Go."},
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
        ]},
        {"role": "assistant", "tool_plan": "I will.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": [
            {"type": "text", "text": "yes"}, {"type": "document", "document": {"data": {"b": 2}}},
        ]},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Done."}]},
        {"role": "user", "content": "Why?"},
    ]  # fmt: skip

    request = decode(messages=messages).request

    assert request.messages[0].parts == (Text("Go."), Image(url="https://example.com/a.png", detail="low"))
    assert request.messages[1].parts == (Reasoning("I will."), ToolCall("c1", "f", '{"a":1}'))
    assert (request.messages[2].tool_results[0].content, request.messages[2].tool_results[0].name) == (
        'yes{"b": 2}',
        "f",
    )
    assert request.messages[3].parts == (Reasoning("Hm."), Text("Done."))


def test_decode_passes_on_what_it_has_no_noun_for() -> None:
    fields = {"documents": ["a"], "citation_options": {"mode": "FAST"}, "response_format": {"type": "json_object"}}

    request = decode(**fields, k=0, stream=True).request

    assert request.provider_options == {"cohere": fields}
    assert (request.output, request.sampling.top_k) == (None, None)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"model": ""}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, r"messages\[0\].role"),
        ({"messages": [{"role": "user", "content": []}]}, r"messages\[0\].content"),
        ({"messages": [{"role": "user", "content": [{"type": "audio"}]}]}, r"messages\[0\].content\[0\].type"),
        ({"tool_choice": "f"}, "tool_choice"),
        ({"temperature": "hot"}, "temperature"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
    ],
)
def test_decode_names_the_wrong_field(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        decode(**fields)


def test_encode_response_writes_every_part() -> None:
    parts = (Reasoning("Hm."), Text("Hi"), Refusal("No."), ToolCall("c1", "f", '{"a":1}'))
    response: Response[Any] = Response(
        Message("assistant", parts), "tool_calls", Usage(9, 3, cache_read_tokens=4), id="r1",
        citations=(json.dumps(CITATION),),
    )  # fmt: skip

    answer = json.loads(FACADE.encode_response(response, INCOMING).body)

    assert answer["message"] == {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "Hm."},
            {"type": "text", "text": "Hi"},
            {"type": "text", "text": "No."},
        ],
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}],
        "citations": [CITATION],
    }
    tokens = {"input_tokens": 9, "output_tokens": 3}
    assert answer["usage"] == {"billed_units": tokens, "tokens": tokens, "cached_tokens": 4}
    assert (answer["id"], answer["finish_reason"]) == ("r1", "TOOL_CALL")


def test_encode_error_has_message_and_wait() -> None:
    served = FACADE.encode_error(RateLimitError("slow down", retry_after=2.0))

    assert (served.status, served.headers["retry-after"]) == (429, "2")
    assert json.loads(served.body)["message"] == "slow down"


def test_stream_is_read_back_as_it_was() -> None:
    """Serves R27."""
    deltas = [
        Delta("start", id="r1", name="m"),
        Delta("reasoning", text="Hm"),
        Delta("reasoning", text="."),
        Delta("text", block=1, text="Hi"),
        Delta("citation", block=1, text=json.dumps(CITATION, separators=(",", ":"))),
        Delta("tool_start", block=2, id="c1", name="f"),
        Delta("tool_start", block=3, id="c2", name="g"),
        Delta("tool_args", block=2, text='{"a":'),
        Delta("tool_args", block=3, text="{}"),
        Delta("tool_args", block=2, text="1}"),
        Delta("tool_end", block=2),
        Delta("tool_end", block=3),
    ]
    parts = (Reasoning("Hm."), Text("Hi"), ToolCall("c1", "f", '{"a":1}'), ToolCall("c2", "g", "{}"))
    response: Response[Any] = Response(Message("assistant", parts), "tool_calls", Usage(9, 3))
    encoder, decoder, read = FACADE.stream_encoder(INCOMING), StreamDecoder("cohere"), Accumulator()

    body = b"".join([*(encoder.feed([delta]) for delta in deltas), encoder.finish(response)])
    read.add(decoder.feed(body))

    assert decoder.finish() is None
    assert read.message().parts == parts
    assert (read.id, read.finish_reason) == ("r1", "tool_calls")
    assert read.usage is not None
    assert (read.usage.input_tokens, read.usage.output_tokens) == (9, 3)
    assert [json.loads(text) for text in read.citations] == [CITATION]


def test_stream_that_fails_is_read_back_as_an_error() -> None:
    """Serves R24."""
    encoder, decoder = FACADE.stream_encoder(INCOMING), StreamDecoder("cohere")

    deltas = decoder.feed(encoder.feed([Delta("text", text="Hi")]) + encoder.fail(RateLimitError("slow down")))

    assert [delta.kind for delta in deltas] == ["start", "text", "error"]
    assert deltas[-1].text == "slow down"
