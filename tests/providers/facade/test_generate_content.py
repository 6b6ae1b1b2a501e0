"""Gemini's format from the server's side."""

import json

import pytest

from inferail.core import Delta, StreamDecoder
from inferail.errors import ConfigError, OverloadedError, RateLimitError, ServerError
from inferail.providers.codec import Incoming
from inferail.providers.facade import GenerateContentFacade
from inferail.types.accumulate import Accumulator
from inferail.types.message import Audio, Image, Message, Reasoning, Text, ToolCall, user
from inferail.types.request import Request
from inferail.types.response import Response
from inferail.types.usage import Usage

FACADE = GenerateContentFacade()
UNARY = "/v1beta/models/m:generateContent"
INCOMING = Incoming("m", Request((user("Hello"),)), stream=True)


def decode(path: str = UNARY, **fields: object) -> Incoming:
    body = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}], **fields}
    return FACADE.decode_request(path, {}, json.dumps(body).encode())


def events(data: bytes) -> list[dict]:
    return [json.loads(event[6:]) for event in data.decode().split("\r\n\r\n") if event]


@pytest.mark.parametrize(
    ("path", "model", "stream"),
    [
        pytest.param(UNARY, "m", False, id="unary"),
        pytest.param("/v1beta/models/m:streamGenerateContent?alt=sse", "m", True, id="stream"),
        pytest.param("/v1/models/openai:gpt-5:generateContent", "openai:gpt-5", False, id="colon-in-name"),
    ],
)
def test_decode_reads_model_and_kind_from_the_path(path, model, stream):
    incoming = decode(path)

    assert (incoming.model, incoming.stream) == (model, stream)


@pytest.mark.parametrize("path", ["/v1beta/models/m:countTokens", "/v1beta/models/:generateContent", UNARY + "X"])
def test_decode_refuses_another_path(path):
    with pytest.raises(ConfigError, match="path"):
        decode(path)


def test_decode_refuses_a_stream_that_is_not_sse():
    with pytest.raises(ConfigError, match="alt=sse"):
        decode("/v1beta/models/m:streamGenerateContent")


def test_decode_reads_parts_calls_and_results():
    contents = [
        {"parts": [
            {"text": "See"},
            {"inlineData": {"mimeType": "image/png", "data": "AAEC"}},
            {"inline_data": {"mime_type": "audio/wav", "data": "AAEC"}},
        ]},
        {"role": "model", "parts": [
            {"text": "Hm.", "thought": True},
            {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "s"},
        ]},
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"output": "one"}}}]},
    ]  # fmt: skip

    request = decode(contents=contents, systemInstruction={"parts": [{"text": "Be brief."}]}).request

    assert request.system_text == "Be brief."
    assert request.messages[1].parts == (Text("See"), Image(data=b"\0\1\2"), Audio(b"\0\1\2", "audio/wav"))
    assert request.messages[2].parts == (Reasoning("Hm."), ToolCall("call_1", "f", '{"a": 1}', "s"))
    result = request.messages[3].tool_results[0]
    assert (result.call_id, result.content, result.name) == ("call_1", "one", "f")


def test_decode_reads_configuration_tools_and_schema():
    written = {"type": "OBJECT", "properties": {"a": {"type": "STRING", "nullable": True}}}

    request = decode(
        generationConfig={
            "temperature": 0.2,
            "topK": 40.0,
            "maxOutputTokens": 8,
            "stopSequences": ["END"],
            "responseMimeType": "application/json",
            "responseSchema": written,
            "thinkingConfig": {"thinkingBudget": 0},
        },
        tools=[{"functionDeclarations": [{"name": "f", "parameters": written}]}],
        toolConfig={"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
        safetySettings=[],
    ).request

    expected = {"type": "object", "properties": {"a": {"type": ["string", "null"]}}}
    assert (request.sampling.top_k, request.sampling.max_tokens, request.sampling.stop) == (40, 8, ("END",))
    assert request.output is not None
    assert request.output.schema == expected
    assert (request.tools[0].parameters, request.tool_choice) == (expected, "f")
    assert request.provider_options["gemini"]["generationConfig"] == {"thinkingConfig": {"thinkingBudget": 0}}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        pytest.param({"contents": None}, "contents", id="no-contents"),
        pytest.param({"contents": [{"parts": []}]}, r"contents\[0\]\.parts", id="no-parts"),
        pytest.param({"contents": [{"parts": [{}]}]}, r"contents\[0\]\.parts\[0\]", id="empty-part"),
        pytest.param({"generationConfig": {"topP": "x"}}, r"generationConfig\.topP", id="config"),
        pytest.param({"tools": [{"googleSearch": {}}]}, r"tools\[0\]\.googleSearch", id="server-tool"),
    ],
)
def test_decode_names_the_field_when_it_is_wrong(fields, named):
    with pytest.raises(ConfigError, match=named):
        decode(**fields)


def test_response_counts_thoughts_apart():
    response: Response = Response(
        Message("assistant", (Text("Hi.", "sig"), ToolCall("c", "f", '{"a":1}'))),
        "tool_calls",
        Usage(10, 5, reasoning_tokens=2),
        model="real",
        id="r1",
    )

    body = json.loads(FACADE.encode_response(response, INCOMING).body)

    candidate = body["candidates"][0]
    assert candidate["content"]["parts"] == [
        {"text": "Hi.", "thoughtSignature": "sig"},
        {"functionCall": {"id": "c", "name": "f", "args": {"a": 1}}},
    ]
    assert (candidate["finishReason"], body["responseId"], body["modelVersion"]) == ("STOP", "r1", "real")
    usage = body["usageMetadata"]
    assert (usage["candidatesTokenCount"], usage["thoughtsTokenCount"], usage["totalTokenCount"]) == (3, 2, 15)


def test_stream_sends_a_call_whole():
    encoder = FACADE.stream_encoder(INCOMING)
    first = encoder.feed([Delta("text", text="Hi"), Delta("tool_start", block=1, id="c", name="f")])
    nothing = encoder.feed([Delta("tool_args", block=1, text='{"a":'), Delta("tool_args", block=1, text="1}")])
    signed = encoder.feed([Delta("tool_end", block=1), Delta("reasoning_signature", block=1, text="s")])
    last = encoder.finish(Response(Message("assistant", ()), "tool_calls", Usage(1, 2)))

    assert (nothing, signed) == (b"", b"")
    assert first.endswith(b"\r\n\r\n")
    assert events(last)[0]["candidates"][0] == {
        "content": {
            "role": "model",
            "parts": [{"functionCall": {"id": "c", "name": "f", "args": {"a": 1}}, "thoughtSignature": "s"}],
        },
        "index": 0,
        "finishReason": "STOP",
    }


def test_stream_is_read_back_whole_by_our_own_decoder():
    encoder = FACADE.stream_encoder(INCOMING)
    deltas = [
        Delta("start", id="r", name="real"),
        Delta("reasoning", text="Hm."),
        Delta("text", block=1, text="Zoë"),
        Delta("tool_start", block=2, id="a", name="f"),
        Delta("tool_args", block=2, text='{"x":1}'),
        Delta("tool_end", block=2),
        Delta("tool_start", block=3, id="b", name="g"),
        Delta("tool_end", block=3),
    ]
    usage = Usage(10, 5, reasoning_tokens=1)
    data = encoder.feed(deltas) + encoder.finish(Response(Message("assistant", ()), "tool_calls", usage))
    decoder, collected = StreamDecoder("gemini"), Accumulator()

    collected.add(decoder.feed(data))

    assert decoder.finish() is None
    assert collected.message().parts == (
        Reasoning("Hm."),
        Text("Zoë"),
        ToolCall("a", "f", '{"x":1}'),
        ToolCall("b", "g", "{}"),
    )
    assert (collected.finish_reason, collected.usage) == ("tool_calls", usage)


def test_stream_fails_when_arguments_are_no_object():
    encoder = FACADE.stream_encoder(INCOMING)
    encoder.feed([Delta("tool_start", id="a", name="f"), Delta("tool_args", text="[")])

    with pytest.raises(ServerError, match="'f'"):
        encoder.finish(Response(Message("assistant", ()), "tool_calls"))


def test_error_says_in_its_body_how_long_to_wait():
    served = FACADE.encode_error(RateLimitError("slow", retry_after=37))

    error = json.loads(served.body)["error"]
    assert (served.status, error["code"], error["status"]) == (429, 429, "RESOURCE_EXHAUSTED")
    assert error["details"][0]["retryDelay"] == "37s"


def test_failure_in_the_stream_is_a_line_of_json_and_not_an_end():
    """Serves R88."""
    encoder = FACADE.stream_encoder(INCOMING)
    decoder = StreamDecoder("gemini")

    found = decoder.feed(encoder.feed([Delta("text", text="Hi")]) + encoder.fail(OverloadedError("busy")))

    assert (found[-1].kind, found[-1].name, found[-1].text) == ("error", "UNAVAILABLE", "busy")
    assert decoder.finish() is not None
