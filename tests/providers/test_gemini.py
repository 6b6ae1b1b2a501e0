"""Gemini's codec: what is sent, and what is read back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from inferail import errors
from inferail.core import Delta
from inferail.providers import codec
from inferail.providers.codec import Endpoint
from inferail.types.accumulate import Accumulator
from inferail.types.message import (
    Audio,
    File,
    Image,
    Message,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    assistant,
    system,
    tool_result,
    user,
)
from inferail.types.request import OutputSchema, Request, Sampling
from inferail.types.response import Response
from inferail.types.tools import Tool
from inferail.types.usage import Usage

GEMINI = codec("gemini")
BASE = "https://generativelanguage.googleapis.com/v1beta"
ENDPOINT = Endpoint("gemini-2.5-pro", BASE, "AIza-secret")
WEATHER = Tool("weather", "Weather of a city.", {"type": "object", "properties": {"city": {"type": "string"}}})
SCHEMA = {"type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"]}


def sent(request: Request, *, stream: bool = False) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(GEMINI.encode(request, ENDPOINT, stream=stream).wire.body)
    return body


def read(body: object) -> Response[Any]:
    return GEMINI.decode({"x-goog-request-id": "req_1"}, json.dumps(body).encode())


def generated(*parts: object, **candidate: Any) -> dict[str, Any]:
    head = {"content": {"role": "model", "parts": list(parts)}, "finishReason": "STOP", "index": 0}
    return {"candidates": [{**head, **candidate}], "modelVersion": "gemini-1", "responseId": "resp_1"}


def test_encode_sends_plain_prompt() -> None:
    encoded = GEMINI.encode(Request((user("Hello"),)), ENDPOINT, stream=False)

    assert encoded.wire.url == f"{BASE}/models/gemini-2.5-pro:generateContent"
    assert encoded.wire.headers["x-goog-api-key"] == "AIza-secret"
    assert json.loads(encoded.wire.body) == {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}


def test_encode_asks_for_a_stream_of_events() -> None:
    wire = GEMINI.encode(Request((user("Hi"),)), ENDPOINT, stream=True).wire

    assert wire.url == f"{BASE}/models/gemini-2.5-pro:streamGenerateContent?alt=sse"


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("models/gemini-2.5-pro", "models/gemini-2.5-pro"),
        ("tunedModels/mine", "tunedModels/mine"),
        ("odd name?key=1#x:y", "models/odd%20name%3Fkey%3D1%23x%3Ay"),
    ],
)
def test_encode_quotes_model_in_the_path(model: str, path: str) -> None:
    wire = GEMINI.encode(Request((user("Hi"),)), Endpoint(model, BASE), stream=False).wire

    assert wire.url == f"{BASE}/{path}:generateContent"
    assert "x-goog-api-key" not in wire.headers


def test_encode_puts_system_prompt_beside_the_contents() -> None:
    """Serves R8."""
    body = sent(Request((system("Be brief."), user("Hi"), assistant("Hello."), user("Who are you?"))))

    assert body["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
    assert body["contents"] == [
        {"role": "user", "parts": [{"text": "Hi"}]},
        {"role": "model", "parts": [{"text": "Hello."}]},
        {"role": "user", "parts": [{"text": "Who are you?"}]},
    ]


def test_encode_writes_tools_and_their_results() -> None:
    call = ToolCall("id-a", "weather", '{"city":"Bern"}', "sig")
    other = ToolCall("call_1", "clock", "")
    request = Request(
        (
            user("Weather and time?"),
            Message("assistant", (Text("Let me look.", "textsig"), call, other)),
            Message("tool", (ToolResult("id-a", "sunny"),)),
            tool_result("call_1", "broken", is_error=True),
        ),
        tools=(WEATHER, Tool("clock")),
        tool_choice="weather",
    )

    body = sent(request)

    assert body["contents"][1:] == [
        {
            "role": "model",
            "parts": [
                {"text": "Let me look.", "thoughtSignature": "textsig"},
                {
                    "functionCall": {"id": "id-a", "name": "weather", "args": {"city": "Bern"}},
                    "thoughtSignature": "sig",
                },
                {"functionCall": {"name": "clock", "args": {}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "id-a", "name": "weather", "response": {"output": "sunny"}}},
                {"functionResponse": {"name": "clock", "response": {"error": "broken"}}},
            ],
        },
    ]
    assert body["tools"] == [
        {
            "functionDeclarations": [
                {
                    "name": "weather",
                    "description": "Weather of a city.",
                    "parametersJsonSchema": dict(WEATHER.parameters),
                },
                {"name": "clock", "parametersJsonSchema": {"type": "object", "properties": {}}},
            ]
        }
    ]
    assert body["toolConfig"] == {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["weather"]}}


def test_encode_finds_name_of_the_latest_call_with_an_id() -> None:
    first, second = ToolCall("call_0", "weather"), ToolCall("call_0", "clock")
    turns = (
        user("Hi"),
        Message("assistant", (first,)),
        tool_result("call_0", "sunny"),
        Message("assistant", (second,)),
        tool_result("call_0", "noon"),
    )

    contents = sent(Request(turns))["contents"]

    assert contents[2]["parts"][0]["functionResponse"]["name"] == "weather"
    assert contents[4]["parts"][0]["functionResponse"]["name"] == "clock"


@pytest.mark.parametrize(("choice", "mode"), [("auto", "AUTO"), ("none", "NONE"), ("required", "ANY")])
def test_encode_writes_tool_choice(choice: str, mode: str) -> None:
    body = sent(Request((user("Hi"),), tools=(WEATHER,), tool_choice=choice))

    assert body["toolConfig"] == {"functionCallingConfig": {"mode": mode}}


def test_encode_writes_media_parts() -> None:
    parts = user(
        "Look:",
        Image(b"\x89PNG"),
        Image(url="https://example.com/cat.jpg", media_type="image/jpeg"),
        Image(url="data:image/webp;base64,AAAA"),
        Audio(b"RIFF"),
        File(b"%PDF", name="a.pdf"),
        File(file_id="files/abc"),
        File(file_id="gs://bucket/a.pdf"),
    )

    assert sent(Request((parts,)))["contents"][0]["parts"] == [
        {"text": "Look:"},
        {"inlineData": {"mimeType": "image/png", "data": "iVBORw=="}},
        {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://example.com/cat.jpg"}},
        {"inlineData": {"mimeType": "image/webp", "data": "AAAA"}},
        {"inlineData": {"mimeType": "audio/wav", "data": "UklGRg=="}},
        {"inlineData": {"mimeType": "application/pdf", "data": "JVBERg=="}},
        {"fileData": {"mimeType": "application/pdf", "fileUri": f"{BASE}/files/abc"}},
        {"fileData": {"mimeType": "application/pdf", "fileUri": "gs://bucket/a.pdf"}},
    ]


def test_encode_leaves_out_reasoning_and_sends_refusal_as_text() -> None:
    said = Message("assistant", (Reasoning("Hmm.", "sig"), Refusal("No."), Text("", "last")))

    assert sent(Request((user("Hi"), said, user("Why?"))))["contents"][1]["parts"] == [
        {"text": "No."},
        {"text": "", "thoughtSignature": "last"},
    ]


def test_encode_maps_sampling_and_schema() -> None:
    """Serves R5, R26."""
    sampling = Sampling(
        temperature=1.5,
        top_p=0.9,
        top_k=5,
        max_tokens=7,
        stop=("END",),
        seed=1,
        presence_penalty=0.1,
        frequency_penalty=-0.1,
    )

    body = sent(Request((user("Hi"),), sampling=sampling, output=OutputSchema(SCHEMA)))

    assert body["generationConfig"] == {
        "temperature": 1.5,
        "topP": 0.9,
        "topK": 5,
        "maxOutputTokens": 7,
        "stopSequences": ["END"],
        "seed": 1,
        "presencePenalty": 0.1,
        "frequencyPenalty": -0.1,
        "responseMimeType": "application/json",
        "responseJsonSchema": SCHEMA,
    }


@pytest.mark.parametrize(
    ("message", "words"),
    [
        pytest.param(user("Hi", Image(b"x", detail="high")), "detail", id="detail"),
        pytest.param(Message("system", (Text("a"), Image(b"x"))), "Image", id="system-image"),
    ],
)
def test_encode_refuses_what_it_cannot_send_or_drops_it_with_a_warning(message: Message, words: str) -> None:
    """Serves R26."""
    request = Request((message, user("Hi")))

    with pytest.raises(errors.ConfigError, match=words) as caught:
        GEMINI.encode(request, ENDPOINT, stream=False)
    encoded = GEMINI.encode(request, Endpoint("m", BASE, unsupported="drop"), stream=False)

    assert "gemini" in str(caught.value)
    assert [words in warning and "gemini" in warning for warning in encoded.warnings] == [True]


def test_encode_merges_provider_options_and_keeps_our_sampling() -> None:
    """Serves R20."""
    options = {
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
        "generationConfig": {"thinkingConfig": {"includeThoughts": True}, "temperature": 0.1},
    }
    sampling = Sampling(temperature=0.9, max_tokens=7)

    body = sent(Request((user("Hi"),), sampling=sampling, provider_options={"gemini": options}))

    assert body["safetySettings"] == options["safetySettings"]
    assert body["generationConfig"] == {
        "temperature": 0.1,
        "maxOutputTokens": 7,
        "thinkingConfig": {"includeThoughts": True},
    }


def test_decode_reads_every_kind_of_part_in_order() -> None:
    """Serves R22."""
    grounding = {"webSearchQueries": ["bern"]}
    answer = read(
        generated(
            {"text": "Hm", "thought": True},
            {"text": "m", "thought": True},
            {"text": "H"},
            {"text": "i"},
            {"thoughtSignature": "textsig"},
            {"functionCall": {"name": "weather", "args": {"city": "Bern"}}, "thoughtSignature": "sig"},
            {"functionCall": {"id": "given", "name": "clock"}},
            {"functionCall": {"name": "clock", "args": None}},
            {"executableCode": {"code": "1"}},
            groundingMetadata=grounding,
            citationMetadata={},
        )
    )

    assert answer.message.parts == (
        Reasoning("Hmm"),
        Text("Hi", "textsig"),
        ToolCall("call_0", "weather", '{"city":"Bern"}', "sig"),
        ToolCall("given", "clock", "{}"),
        ToolCall("call_1", "clock", "{}"),
    )
    assert [json.loads(item) for item in answer.citations] == [grounding]
    assert (answer.id, answer.model, answer.request_id) == ("resp_1", "gemini-1", "req_1")
    assert (answer.finish_reason, answer.raw_finish_reason) == ("tool_calls", "STOP")


def test_decode_reads_pictures() -> None:
    answer = read(generated({"text": "Here:"}, {"inlineData": {"mimeType": "image/png", "data": "iVBORw=="}}))

    assert answer.message.parts == (Text("Here:"), Image(b"\x89PNG"))


def test_made_up_call_ids_come_back_as_they_went() -> None:
    call = {"functionCall": {"name": "weather", "args": {"city": "Bern"}}, "thoughtSignature": "sig"}
    answer = read(generated(call))
    turns = (user("Hi"), answer.message, tool_result(answer.tool_calls[0], "sunny"))

    contents = sent(Request(turns))["contents"]

    assert contents[1]["parts"] == [call]
    assert contents[2]["parts"] == [{"functionResponse": {"name": "weather", "response": {"output": "sunny"}}}]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("BLOCKLIST", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("SPII", "content_filter"),
        ("LANGUAGE", "content_filter"),
        ("MODEL_ARMOR", "content_filter"),
        ("IMAGE_SAFETY", "content_filter"),
        ("CONTINUATION", "pause"),
        ("MALFORMED_FUNCTION_CALL", "error"),
        ("UNEXPECTED_TOOL_CALL", "error"),
        ("TOO_MANY_TOOL_CALLS", "error"),
        ("MISSING_THOUGHT_SIGNATURE", "error"),
        ("MALFORMED_RESPONSE", "error"),
        ("OTHER", "error"),
        ("A_NEW_WORD", "unknown"),
        (None, "unknown"),
    ],
)
def test_decode_normalises_finish_reason(raw: str | None, reason: str) -> None:
    answer = read(generated({"text": "Hi"}, finishReason=raw))

    assert (answer.finish_reason, answer.raw_finish_reason) == (reason, raw)


def test_decode_reads_blocked_prompt_as_filtered_answer() -> None:
    """Serves R81."""
    answer = read({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 4}})

    assert (answer.finish_reason, answer.raw_finish_reason, answer.text) == ("content_filter", "SAFETY", "")
    assert answer.usage.input_tokens == 4


def test_decode_reads_stopped_answer_as_filtered() -> None:
    """Serves R81."""
    body = {"candidates": [{"finishReason": "SAFETY", "safetyRatings": []}]}

    assert read(body).finish_reason == "content_filter"


def test_decode_normalises_usage() -> None:
    """Serves R96."""
    body = generated({"text": "Hi"})
    body["usageMetadata"] = {
        "promptTokenCount": 100,
        "toolUsePromptTokenCount": 10,
        "cachedContentTokenCount": 40,
        "candidatesTokenCount": 50,
        "thoughtsTokenCount": 30,
        "totalTokenCount": 190,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 97}, {"modality": "AUDIO", "tokenCount": 3}],
        "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 2}],
    }

    usage = read(body).usage

    assert usage == Usage(110, 80, 40, 0, 30, 3, 2)
    assert usage.total_tokens == 190


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"candidates": [{"finishReason": "STOP", "content": None}]}, id="content-null"),
        pytest.param({"candidates": [{"finishReason": "STOP", "content": {"parts": None}}]}, id="parts-null"),
        pytest.param({"candidates": [{"finishReason": "STOP", "content": {"parts": [None, 3, "x"]}}]}, id="odd-parts"),
        pytest.param(generated({"inlineData": {"mimeType": "image/png", "data": "%%"}}), id="bad-base64"),
        pytest.param(generated({"functionCall": None}), id="call-null"),
    ],
)
def test_decode_tolerates_body(body: dict[str, Any]) -> None:
    answer = read(body)

    assert (answer.text, answer.finish_reason) == ("", "stop")


def test_decode_agrees_with_the_stream_decoder() -> None:
    """Serves R7."""
    parts: list[dict[str, Any]] = [
        {"text": "Hmm", "thought": True},
        {"text": "H"},
        {"text": "i"},
        {"thoughtSignature": "textsig"},
        {"functionCall": {"name": "weather", "args": {"city": "Bern"}}, "thoughtSignature": "sig"},
        {"functionCall": {"id": "given", "name": "clock", "args": {}}},
        {"text": "Bye"},
    ]
    usage = {"promptTokenCount": 5, "candidatesTokenCount": 3, "thoughtsTokenCount": 2}
    chunks: list[dict[str, Any]] = [{"candidates": [{"content": {"parts": [part]}}]} for part in parts]
    chunks.append({"candidates": [{"finishReason": "STOP"}], "usageMetadata": usage})
    decoder, accumulator = GEMINI.stream_decoder(ENDPOINT), Accumulator()

    for chunk in chunks:
        accumulator.add(decoder.feed(b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\r\n\r\n"))

    answer = read({**generated(*parts), "usageMetadata": usage})
    assert decoder.finish() is None
    assert accumulator.message() == answer.message
    assert accumulator.finish_reason == answer.finish_reason
    assert accumulator.usage == answer.usage


ERRORS = [
    pytest.param(400, "INVALID_ARGUMENT", "bad", errors.InvalidRequestError, id="invalid"),
    pytest.param(
        400,
        "INVALID_ARGUMENT",
        "The input token count (9) exceeds the maximum number of tokens allowed (8).",
        errors.ContextLengthError,
        id="too-long",
    ),
    pytest.param(401, "UNAUTHENTICATED", "no", errors.AuthenticationError, id="key"),
    pytest.param(403, "PERMISSION_DENIED", "no", errors.PermissionDeniedError, id="permission"),
    pytest.param(404, "NOT_FOUND", "no model", errors.NotFoundError, id="not-found"),
    pytest.param(429, "RESOURCE_EXHAUSTED", "quota", errors.RateLimitError, id="rate"),
    pytest.param(500, "INTERNAL", "oops", errors.ServerError, id="internal"),
    pytest.param(503, "UNAVAILABLE", "overloaded", errors.OverloadedError, id="overloaded"),
    pytest.param(504, "DEADLINE_EXCEEDED", "late", errors.ServerError, id="timeout"),
]


@pytest.mark.parametrize("wrap", [lambda body: body, lambda body: [body]], ids=["object", "array-of-one"])
@pytest.mark.parametrize(("status", "name", "words", "kind"), ERRORS)
def test_decode_error_maps_error_body(
    status: int, name: str, words: str, kind: type[errors.ProviderError], wrap: Any
) -> None:
    """Serves R24."""
    body = wrap({"error": {"code": status, "message": words, "status": name}})

    error = GEMINI.decode_error(status, {}, json.dumps(body).encode())

    assert type(error) is kind
    assert (error.status_code, error.code, error.detail) == (status, name, words)


@pytest.mark.parametrize(("status", "name", "words", "kind"), ERRORS)
def test_decode_stream_error_maps_the_same_errors(
    status: int, name: str, words: str, kind: type[errors.ProviderError]
) -> None:
    """Serves R24."""
    error = GEMINI.decode_stream_error(Delta("error", name=name, text=words, status=status))

    assert type(error) is kind


def test_decode_error_knows_a_wrong_key_that_comes_as_bad_request() -> None:
    """Serves R24."""
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
    body = {"error": {"code": 400, "message": "m", "status": "INVALID_ARGUMENT", "details": [info]}}

    error = GEMINI.decode_error(400, {}, json.dumps(body).encode())

    assert type(error) is errors.AuthenticationError
    assert "GEMINI_API_KEY" in str(error)


def test_decode_error_reads_the_wait_out_of_the_body() -> None:
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37s"}
    body = {"error": {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED", "details": [{"x": 1}, info]}}

    error = GEMINI.decode_error(429, {}, json.dumps(body).encode())

    assert isinstance(error, errors.RateLimitError)
    assert error.retry_after == 37.0
