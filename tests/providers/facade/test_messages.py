"""Anthropic's format from the server's side."""

import json

import pytest

from inferail.core import Delta, StreamDecoder
from inferail.errors import ConfigError, OverloadedError, RateLimitError, ServerError
from inferail.providers.codec import Incoming
from inferail.providers.facade import MessagesFacade
from inferail.types.accumulate import Accumulator
from inferail.types.message import File, Image, Message, Reasoning, Text, ToolCall, user
from inferail.types.request import Request
from inferail.types.response import Response
from inferail.types.usage import Usage

FACADE = MessagesFacade()
HELLO = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]}
INCOMING = Incoming("m", Request((user("Hello"),)), stream=True)
USAGE = Usage(10, 5, cache_read_tokens=4, cache_write_tokens=1)


def decode(**fields: object) -> Incoming:
    return FACADE.decode_request("/v1/messages", {}, json.dumps({**HELLO, **fields}).encode())


def events(data: bytes) -> list[tuple[str, dict]]:
    lines = data.decode().splitlines()
    return [(lines[at][7:], json.loads(lines[at + 1][6:])) for at in range(0, len(lines), 3)]


def test_decode_puts_tool_results_before_the_words_of_the_same_turn():
    messages = [
        {"role": "user", "content": "Go."},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": "s"},
            {"type": "redacted_thinking", "data": "r"},
            {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": "ü"}},
        ]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "no"}], "is_error": True},
            {"type": "text", "text": "And now?"},
        ]},
    ]  # fmt: skip

    request = decode(system="Be brief.", messages=messages).request

    assert [message.role for message in request.messages] == ["system", "user", "assistant", "tool", "user"]
    assert request.messages[2].parts == (
        Reasoning("Hm.", "s"),
        Reasoning(redacted="r"),
        ToolCall("t1", "f", '{"a": "ü"}'),
    )
    result = request.messages[3].tool_results[0]
    assert (result.content, result.name, result.is_error) == ("no", "f", True)


def test_decode_reads_pictures_and_documents():
    source = {"type": "base64", "media_type": "image/jpeg", "data": "AAEC"}
    content = [
        {"type": "image", "source": source},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
        {"type": "document", "title": "a", "source": {**source, "media_type": "application/pdf"}},
    ]

    parts = decode(messages=[{"role": "user", "content": content}]).request.messages[0].parts

    assert parts == (
        Image(data=b"\0\1\2", media_type="image/jpeg"),
        Image(url="https://example.com/a.png"),
        File(data=b"\0\1\2", media_type="application/pdf", name="a"),
    )


def test_decode_reads_tools_output_and_other_fields():
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}

    request = decode(
        tools=[{"name": "f", "input_schema": schema}],
        tool_choice={"type": "any"},
        stop_sequences=["END"],
        output_config={"effort": "low", "format": {"type": "json_schema", "schema": schema}},
        metadata={"user_id": "u"},
    ).request

    assert (request.tools[0].parameters, request.tool_choice) == (schema, "required")
    assert (request.sampling.max_tokens, request.sampling.stop) == (9, ("END",))
    assert request.output is not None
    assert request.output.schema == schema
    assert request.provider_options == {"anthropic": {"metadata": {"user_id": "u"}, "output_config": {"effort": "low"}}}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        pytest.param({"max_tokens": None}, "max_tokens", id="max-tokens"),
        pytest.param({"messages": [{"role": "user", "content": []}]}, r"messages\[0\]\.content", id="empty"),
        pytest.param(
            {"messages": [{"role": "user", "content": [{"type": "video"}]}]},
            r"messages\[0\]\.content\[0\]\.type",
            id="block",
        ),
        pytest.param({"tools": [{"type": "web_search_20260318"}]}, r"tools\[0\]\.type", id="server-tool"),
        pytest.param({"tools": [{"name": "f"}]}, r"tools\[0\]\.input_schema", id="tool-schema"),
        pytest.param({"system": 7}, "system", id="system"),
    ],
)
def test_decode_names_the_field_when_it_is_wrong(fields, named):
    with pytest.raises(ConfigError, match=named):
        decode(**fields)


def test_response_has_every_field_the_sdk_requires():
    parts = (Reasoning("Hm.", "sig"), Text("Hi."), ToolCall("t1", "f", '{"a":1}'))
    response: Response = Response(Message("assistant", parts), "tool_calls", USAGE, model="real", id="msg_1")

    body = json.loads(FACADE.encode_response(response, INCOMING).body)

    assert (body["id"], body["type"], body["role"], body["model"]) == ("msg_1", "message", "assistant", "real")
    assert [block["type"] for block in body["content"]] == ["thinking", "text", "tool_use"]
    assert body["content"][2]["input"] == {"a": 1}
    assert (body["stop_reason"], body["stop_sequence"]) == ("tool_use", None)
    assert (body["usage"]["input_tokens"], body["usage"]["cache_read_input_tokens"]) == (5, 4)


def test_response_fails_when_arguments_are_no_object():
    response: Response = Response(Message("assistant", (ToolCall("t1", "f", "[1"),)), "tool_calls")

    with pytest.raises(ServerError, match="'f'"):
        FACADE.encode_response(response, INCOMING)


def test_stream_has_the_providers_order_of_events():
    encoder = FACADE.stream_encoder(INCOMING)
    deltas = [
        Delta("start", id="msg_1", name="real"),
        Delta("usage", usage=Usage(10)),
        Delta("reasoning", text="Hm."),
        Delta("reasoning_signature", text="sig"),
        Delta("text", block=1, text="Hi"),
        Delta("tool_start", block=2, id="t1", name="f"),
        Delta("tool_args", block=2, text='{"a":1}'),
        Delta("tool_end", block=2),
    ]

    data = encoder.feed(deltas) + encoder.finish(Response(Message("assistant", ()), "tool_calls", Usage(10, 5)))

    found = events(data)
    assert [name for name, _ in found] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert all(name == body["type"] for name, body in found)
    assert found[0][1]["message"]["usage"]["input_tokens"] == 10
    assert [body["index"] for _, body in found[1:11]] == [0, 0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert found[8][1]["content_block"] == {"type": "tool_use", "id": "t1", "name": "f", "input": {}}
    assert found[11][1]["delta"]["stop_reason"] == "tool_use"


def test_stream_is_read_back_whole_by_our_own_decoder():
    encoder = FACADE.stream_encoder(INCOMING)
    deltas = [
        Delta("reasoning", text="Hm."),
        Delta("reasoning_signature", text="sig"),
        Delta("reasoning_redacted", block=1, text="secret"),
        Delta("text", block=2, text="Zoë"),
        Delta("tool_start", block=3, id="a", name="f"),
        Delta("tool_start", block=4, id="b", name="g"),
        Delta("tool_args", block=3, text='{"x":1}'),
        Delta("tool_args", block=4, text='{"y":2}'),
    ]
    data = encoder.feed(deltas) + encoder.finish(Response(Message("assistant", ()), "tool_calls", USAGE))
    decoder, collected = StreamDecoder("anthropic"), Accumulator()

    collected.add(decoder.feed(data))

    assert decoder.finish() is None
    assert collected.message().parts == (
        Reasoning("Hm.", "sig"),
        Reasoning(redacted="secret"),
        Text("Zoë"),
        ToolCall("a", "f", '{"x":1}'),
        ToolCall("b", "g", '{"y":2}'),
    )
    assert collected.usage == USAGE


def test_stop_sequence_keeps_its_own_word():
    response: Response = Response(Message("assistant", (Text("Hi"),)), "stop", raw_finish_reason="stop_sequence")

    assert json.loads(FACADE.encode_response(response, INCOMING).body)["stop_reason"] == "stop_sequence"


def test_error_has_the_providers_shape():
    overloaded = FACADE.encode_error(OverloadedError("busy"))
    limited = FACADE.encode_error(RateLimitError("slow", retry_after=3))

    assert (overloaded.status, json.loads(overloaded.body)["error"]["type"]) == (529, "overloaded_error")
    assert (limited.status, limited.headers["retry-after"]) == (429, "3")
    assert json.loads(limited.body)["type"] == "error"


def test_failure_in_the_stream_is_an_error_event_and_not_an_end():
    """Serves R88."""
    encoder = FACADE.stream_encoder(INCOMING)
    decoder = StreamDecoder("anthropic")

    found = decoder.feed(encoder.feed([Delta("text", text="Hi")]) + encoder.fail(OverloadedError("busy")))

    assert (found[-1].kind, found[-1].name, found[-1].text) == ("error", "overloaded_error", "busy")
    assert decoder.finish() is not None
