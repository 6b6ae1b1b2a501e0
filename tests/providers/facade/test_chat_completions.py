"""OpenAI's format from the server's side."""

import json

import pytest

from inferail.core import Delta, StreamDecoder
from inferail.errors import (
    AuthenticationError,
    BudgetError,
    CapacityError,
    ConfigError,
    ContextLengthError,
    DeadlineError,
    GuardrailError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    RateLimitError,
    RouteError,
    ServerError,
    StreamError,
)
from inferail.providers.codec import Incoming
from inferail.providers.facade import ChatCompletionsFacade
from inferail.types.message import File, Image, Message, Reasoning, Refusal, Text, ToolCall, assistant, system, user
from inferail.types.request import Request
from inferail.types.response import Response
from inferail.types.usage import Usage

FACADE = ChatCompletionsFacade()
HELLO = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}


def decode(**fields: object) -> Incoming:
    return FACADE.decode_request("/v1/chat/completions", {}, json.dumps({**HELLO, **fields}).encode())


def incoming(*, include_usage: bool = False) -> Incoming:
    return Incoming("m", Request((user("Hello"),)), stream=True, include_usage=include_usage)


def events(data: bytes) -> list[dict]:
    return [json.loads(line[6:]) for line in data.decode().splitlines() if line.startswith("data: {")]


def test_decode_reads_every_kind_of_message():
    call = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": '{"id": 1}'}}
    messages = [
        {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
        {"role": "user", "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAEC", "detail": "low"}},
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAEC", "filename": "a.pdf"}},
        ]},
        {"role": "assistant", "content": "", "tool_calls": [call], "reasoning_content": "Look."},
        {"role": "tool", "tool_call_id": "c1", "content": "one"},
        {"role": "user", "content": "And?"},
    ]  # fmt: skip

    request = decode(messages=messages).request

    assert request.messages[0] == system("Be brief.")
    assert request.messages[1].parts == (
        Text("What is this?"),
        Image(data=b"\0\1\2", media_type="image/png", detail="low"),
        Image(url="https://example.com/a.png"),
        File(data=b"\0\1\2", media_type="application/pdf", name="a.pdf"),
    )
    assert request.messages[2] == assistant(Reasoning("Look."), ToolCall("c1", "look_up", '{"id": 1}'))
    assert (request.messages[3].tool_results[0].content, request.messages[3].tool_results[0].name) == ("one", "look_up")


def test_decode_reads_sampling_tools_and_output():
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}, "strict": True}}
    schema = {"name": "ticket", "schema": {"type": "object"}, "strict": True}

    incoming = decode(
        temperature=0.5,
        max_completion_tokens=7,
        stop="END",
        seed=3,
        tools=[tool],
        tool_choice={"type": "function", "function": {"name": "f"}},
        response_format={"type": "json_schema", "json_schema": schema},
        stream=True,
        stream_options={"include_usage": True},
        reasoning_effort="low",
        user=None,
    )

    request = incoming.request
    assert (incoming.stream, incoming.include_usage, incoming.model) == (True, True, "m")
    assert (request.sampling.temperature, request.sampling.max_tokens) == (0.5, 7)
    assert (request.sampling.stop, request.sampling.seed) == (("END",), 3)
    assert (request.tools[0].name, request.tools[0].strict, request.tool_choice) == ("f", True, "f")
    assert request.output is not None
    assert (request.output.name, request.output.strict) == ("ticket", True)
    assert request.provider_options == {"openai": {"reasoning_effort": "low"}}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        pytest.param({"model": ""}, "model", id="no-model"),
        pytest.param({"messages": None}, "messages", id="no-messages"),
        pytest.param({"messages": [{"role": "robot"}]}, r"messages\[0\]\.role", id="role"),
        pytest.param({"messages": [{"role": "user", "content": 7}]}, r"messages\[0\]\.content", id="content"),
        pytest.param(
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            r"messages\[0\]\.content\[0\]\.image_url\.url",
            id="image-url",
        ),
        pytest.param({"temperature": "warm"}, "temperature", id="temperature"),
        pytest.param({"temperature": 9}, "temperature", id="temperature-range"),
        pytest.param({"max_tokens": 1.5}, "max_tokens", id="max-tokens"),
        pytest.param({"n": 2}, "n:", id="n"),
        pytest.param({"tools": [{"type": "custom"}]}, r"tools\[0\]\.type", id="tool-type"),
        pytest.param({"response_format": {"type": "yaml"}}, r"response_format\.type", id="response-format"),
        pytest.param({"stream": "yes"}, "stream", id="stream"),
    ],
)
def test_decode_names_the_field_when_it_is_wrong(fields, named):
    with pytest.raises(ConfigError, match=named):
        decode(**fields)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'"text"'])
def test_decode_refuses_what_is_no_json_object(body):
    with pytest.raises(ConfigError, match="the body"):
        FACADE.decode_request("/v1/chat/completions", {}, body)


def test_error_never_quotes_the_prompt_when_a_field_is_wrong():
    with pytest.raises(ConfigError) as caught:
        decode(messages=[{"role": "my secret prompt", "content": "x"}])

    assert "secret" not in str(caught.value)


def test_response_has_every_field_the_sdk_requires():
    usage = Usage(10, 5, cache_read_tokens=4, reasoning_tokens=2)
    parts = (Reasoning("Hm."), Text("Hi."), ToolCall("c1", "f", '{"a":1}'))
    response: Response = Response(Message("assistant", parts), "tool_calls", usage, model="real", id="chatcmpl-1")

    served = FACADE.encode_response(response, incoming())

    body = json.loads(served.body)
    assert (served.status, body["id"], body["object"], body["model"]) == (200, "chatcmpl-1", "chat.completion", "real")
    choice = body["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] == "Hi."
    assert choice["message"]["reasoning_content"] == "Hm."
    assert choice["message"]["tool_calls"] == [
        {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    ]
    assert body["usage"]["prompt_tokens_details"]["cached_tokens"] == 4
    assert (body["usage"]["total_tokens"], body["usage"]["completion_tokens_details"]["reasoning_tokens"]) == (15, 2)


def test_response_keeps_the_refusal_apart_from_the_content():
    response: Response = Response(Message("assistant", (Refusal("No."),)), "content_filter")

    message = json.loads(FACADE.encode_response(response, incoming()).body)["choices"][0]["message"]

    assert (message["content"], message["refusal"]) == (None, "No.")


def test_stream_has_the_providers_order_of_chunks():
    encoder = FACADE.stream_encoder(incoming(include_usage=True))
    response: Response = Response(Message("assistant", (Text("Hi there"),)), "stop", Usage(3, 2))

    first = encoder.feed([Delta("start", id="chatcmpl-9", name="real"), Delta("text", text="Hi ")])
    data = first + encoder.feed([Delta("text", text="there")]) + encoder.finish(response)

    chunks = events(data)
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert [chunk["choices"][0]["delta"].get("content") for chunk in chunks[1:3]] == ["Hi ", "there"]
    assert chunks[3]["choices"][0] == {"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}
    assert chunks[4]["choices"] == []
    assert chunks[4]["usage"]["total_tokens"] == 5
    assert {(chunk["id"], chunk["model"]) for chunk in chunks} == {("chatcmpl-9", "real")}
    assert data.endswith(b"data: [DONE]\n\n")


def test_stream_has_no_usage_chunk_unless_it_was_asked_for():
    encoder = FACADE.stream_encoder(incoming())

    data = encoder.finish(Response(Message("assistant", (Text("Hi"),)), "stop", Usage(3, 2)))

    assert b"usage" not in data


def test_stream_names_a_tool_call_in_its_first_fragment_only():
    encoder = FACADE.stream_encoder(incoming())

    data = encoder.feed(
        [
            Delta("tool_start", block=4, id="a", name="f"),
            Delta("tool_start", block=7, id="b", name="g"),
            Delta("tool_args", block=4, text='{"x":'),
            Delta("tool_args", block=7, text="{}"),
            Delta("tool_args", block=4, text="1}"),
            Delta("tool_end", block=4),
        ]
    )

    calls = [chunk["choices"][0]["delta"]["tool_calls"][0] for chunk in events(data)[1:]]
    assert calls[0] == {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}
    assert (calls[1]["index"], calls[1]["id"]) == (1, "b")
    assert calls[2:] == [
        {"index": 0, "function": {"arguments": '{"x":'}},
        {"index": 1, "function": {"arguments": "{}"}},
        {"index": 0, "function": {"arguments": "1}"}},
    ]


def test_stream_is_read_back_whole_by_our_own_decoder():
    encoder = FACADE.stream_encoder(incoming(include_usage=True))
    deltas = [
        Delta("start", id="x", name="real"),
        Delta("reasoning", text="Hm."),
        Delta("text", text="Zoë  "),
        Delta("refusal", text="no"),
    ]
    data = encoder.feed(deltas) + encoder.finish(Response(Message("assistant", (Text("Zoë"),)), "length", Usage(3, 2)))
    decoder = StreamDecoder("openai_chat")

    found = decoder.feed(data)

    assert decoder.finish() is None
    assert [(d.kind, d.text) for d in found if d.text] == [("reasoning", "Hm."), ("text", "Zoë  "), ("refusal", "no")]
    assert [d.reason for d in found if d.kind == "finish"] == ["length"]
    assert [d.usage for d in found if d.kind == "usage"] == [Usage(3, 2)]


def test_stream_without_its_end_is_incomplete():
    """Serves R88."""
    encoder = FACADE.stream_encoder(incoming())
    decoder = StreamDecoder("openai_chat")

    decoder.feed(encoder.feed([Delta("text", text="Hi")]))

    assert decoder.finish() is not None


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        pytest.param(ConfigError("x"), 400, None, id="config"),
        pytest.param(AuthenticationError("x"), 401, "invalid_api_key", id="key"),
        pytest.param(NotFoundError("x"), 404, "model_not_found", id="model"),
        pytest.param(ContextLengthError("x"), 400, "context_length_exceeded", id="context"),
        pytest.param(InvalidRequestError("x", status_code=413), 413, None, id="too-large"),
        pytest.param(RateLimitError("x"), 429, "rate_limit_exceeded", id="rate"),
        pytest.param(OverloadedError("x"), 503, None, id="overloaded"),
        pytest.param(CapacityError("x"), 503, None, id="queue"),
        pytest.param(DeadlineError("x", phase="total"), 504, None, id="deadline"),
        pytest.param(BudgetError("x", limit=1, spent=1), 402, None, id="budget"),
        pytest.param(GuardrailError("x", guard="g", stage="before"), 400, None, id="guard"),
        pytest.param(ServerError("x", code="busy"), 500, "busy", id="code-kept"),
        pytest.param(StreamError("x"), 502, None, id="stream"),
        pytest.param(RouteError("x"), 502, None, id="route"),
    ],
)
def test_error_has_the_providers_status_and_code(error, status, code):
    served = FACADE.encode_error(error)

    assert (served.status, json.loads(served.body)["error"]["code"]) == (status, code)


def test_error_says_our_sentence_and_never_the_detail():
    served = FACADE.encode_error(RateLimitError("slow down", detail="a prompt", retry_after=2.5))

    assert json.loads(served.body)["error"]["message"] == "slow down"
    assert b"prompt" not in served.body
    assert served.headers["retry-after"] == "2.5"
