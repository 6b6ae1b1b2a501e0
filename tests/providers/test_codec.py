"""Properties of every codec: whatever the request, whatever the body, nothing but the promised exceptions."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferail.core import Delta
from inferail.errors import ConfigError, InferailError, ProviderError
from inferail.providers import codec
from inferail.providers.codec import Endpoint
from inferail.types.message import (
    Audio,
    File,
    Image,
    Message,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from inferail.types.request import OutputSchema, Request, Sampling
from inferail.types.tools import Tool
from tests.providers.bodies import CHAT_COMPLETIONS, SCHEMES

# The properties take their time: of those who share a codec, the plainest and the oddest.
SHAPES = ("openai", "mistral", "anthropic", "gemini", "ollama", "openai_responses", "tgi", "bedrock", "cohere")

anything = st.text(max_size=12)  # with lone surrogates
words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: name not in ("auto", "none", "required")
)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)
samplings = st.builds(
    Sampling,
    temperature=st.none() | st.floats(0, 2),
    top_p=st.none() | st.floats(0, 1),
    top_k=st.none() | st.integers(1, 100),
    max_tokens=st.none() | st.integers(1, 100),
    stop=st.lists(words, max_size=5).map(tuple),
    seed=st.none() | st.integers(0, 2**31 - 1),
    presence_penalty=st.none() | st.floats(-2, 2),
    frequency_penalty=st.none() | st.floats(-2, 2),
)

odd_parts: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, anything, st.none() | anything),
    st.builds(Image, st.binary(max_size=4), media_type=anything, detail=st.none() | anything),
    st.builds(Image, url=anything.map("https://{}".format)),
    st.builds(Audio, st.binary(max_size=4), anything),
    st.builds(File, st.binary(max_size=4), media_type=anything, name=st.none() | anything),
    st.builds(File, url=anything),
    st.builds(File, file_id=anything),
    st.builds(Reasoning, anything, st.none() | anything, st.none() | anything),
    st.builds(Refusal, anything),
)


@st.composite
def odd_requests(draw: st.DrawFn) -> Request:
    messages = [
        Message("system", tuple(draw(st.lists(odd_parts, min_size=1, max_size=2))))
        for _ in range(draw(st.integers(0, 2)))
    ]
    messages.append(Message("user", tuple(draw(st.lists(odd_parts, min_size=1, max_size=3)))))
    if draw(st.booleans()):
        identity, name = draw(anything), draw(anything)
        arguments = draw(anything | json_values.map(json.dumps))
        said = (*draw(st.lists(odd_parts, max_size=2)), ToolCall(identity, name, arguments, draw(st.none() | anything)))
        messages.append(Message("assistant", said))
        result = ToolResult(identity, draw(anything), draw(st.none() | anything), draw(st.booleans()))
        messages.append(Message("tool", (result,)))
    if draw(st.booleans()):
        messages.append(Message("assistant", tuple(draw(st.lists(odd_parts, min_size=1, max_size=2)))))
    tools = tuple(Tool(name, draw(anything)) for name in draw(st.lists(names, max_size=2, unique=True)))
    choices = ["auto", "none", *(["required", tools[0].name] if tools else [])]
    return Request(
        tuple(messages),
        tools,
        draw(st.none() | st.sampled_from(choices)),
        draw(st.none() | st.builds(OutputSchema, st.dictionaries(anything, json_values, max_size=2), anything)),
        draw(samplings),
        draw(
            st.dictionaries(st.sampled_from([*SCHEMES, "nobody"]), st.dictionaries(anything, json_values, max_size=2))
        ),
    )


@pytest.mark.parametrize("scheme", SHAPES)
@settings(max_examples=60)
@given(request_=odd_requests(), drops=st.booleans(), stream=st.booleans(), official=st.booleans())
def test_encode_gives_json_or_config_error(
    scheme: str, request_: Request, drops: bool, stream: bool, official: bool
) -> None:
    subject = codec(scheme)
    base_url = (subject.default_base_url if official else "") or "http://127.0.0.1:8000/v1"
    endpoint = Endpoint("m", base_url, "key", unsupported="drop" if drops else "error")

    try:
        encoded = subject.encode(request_, endpoint, stream=stream)
    except ConfigError:
        return

    assert isinstance(json.loads(encoded.wire.body), dict)
    assert encoded.wire.stream is stream
    assert subject.encode(request_, endpoint, stream=stream) == encoded


ENDPOINTS = {
    **{scheme: Endpoint("m", codec(scheme).default_base_url or "http://127.0.0.1:8000/v1") for scheme in SCHEMES},
    "openai-elsewhere": Endpoint("m", "http://127.0.0.1:8000/v1"),
    "anthropic-2023": Endpoint("m", "https://api.anthropic.com", api_version="2023-06-01"),
}
CHAT_NAMES = {
    "temperature": "temperature",
    "top_p": "top_p",
    "max_tokens": "max_tokens",
    "stop": "stop",
    "seed": "seed",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
}
# What each of them calls a parameter; what is not here does not exist there, and it has to say so.
MATRIX: dict[str, dict[str, str]] = {
    "openai": {**CHAT_NAMES, "max_tokens": "max_completion_tokens"},
    "openai-elsewhere": CHAT_NAMES,
    "mistral": {**CHAT_NAMES, "top_k": "top_k", "seed": "random_seed"},
    "deepseek": {name: name for name in CHAT_NAMES if name != "seed"},
    "qwen": {**CHAT_NAMES, "top_k": "top_k"},
    "groq": {**CHAT_NAMES, "max_tokens": "max_completion_tokens"},
    "openrouter": {**CHAT_NAMES, "top_k": "top_k"},
    "vllm": {**CHAT_NAMES, "top_k": "top_k"},
    "compatible": {**CHAT_NAMES, "top_k": "top_k"},
    "anthropic": {"max_tokens": "max_tokens", "stop": "stop_sequences"},
    "anthropic-2023": {
        "temperature": "temperature",
        "top_p": "top_p",
        "top_k": "top_k",
        "max_tokens": "max_tokens",
        "stop": "stop_sequences",
    },
    "gemini": {
        "temperature": "temperature",
        "top_p": "topP",
        "top_k": "topK",
        "max_tokens": "maxOutputTokens",
        "stop": "stopSequences",
        "seed": "seed",
        "presence_penalty": "presencePenalty",
        "frequency_penalty": "frequencyPenalty",
    },
    "tgi": CHAT_NAMES,
    "ollama": {**CHAT_NAMES, "top_k": "top_k", "max_tokens": "num_predict"},
    "openai_responses": {"temperature": "temperature", "top_p": "top_p", "max_tokens": "max_output_tokens"},
    "bedrock": {"temperature": "temperature", "top_p": "topP", "max_tokens": "maxTokens", "stop": "stopSequences"},
    "cohere": {**CHAT_NAMES, "top_p": "p", "top_k": "k", "stop": "stop_sequences"},
}
VALUES: dict[str, Any] = {
    "temperature": 0.0,
    "top_p": 0.5,
    "top_k": 3,
    "max_tokens": 7,
    "stop": ("END",),
    "seed": 0,
    "presence_penalty": 0.0,
    "frequency_penalty": 1.0,
}


@pytest.mark.parametrize("parameter", [field.name for field in fields(Sampling)])
@pytest.mark.parametrize("provider", ENDPOINTS)
def test_parameter_is_sent_refused_or_dropped_with_a_warning(provider: str, parameter: str) -> None:
    """Serves R5, R26."""
    subject, endpoint = codec(provider.partition("-")[0]), ENDPOINTS[provider]
    request = Request((Message("user", (Text("Hi"),)),), sampling=Sampling(**{parameter: VALUES[parameter]}))
    name = MATRIX[provider].get(parameter)

    dropped = subject.encode(request, replace(endpoint, unsupported="drop"), stream=False)

    body = json.loads(dropped.wire.body)
    nested = ("generationConfig", "options", "inferenceConfig")
    sent = next((body[key] for key in nested if key in body), body)
    if name is None:
        assert parameter not in sent
        assert [parameter in warning for warning in dropped.warnings] == [True]
        with pytest.raises(ConfigError, match=parameter):
            subject.encode(request, endpoint, stream=False)
    else:
        value = VALUES[parameter]
        assert sent[name] == (list(value) if isinstance(value, tuple) else value)
        assert subject.encode(request, endpoint, stream=False) == dropped
        assert dropped.warnings == ()


KEYS = {
    "openai": "choices message content tool_calls function arguments refusal usage error text reasoning index id type "
    "reasoning_details annotations prompt_tokens prompt_tokens_details finish_reason name",
    "anthropic": "content type text tool_use input thinking signature citations stop_reason stop_details explanation "
    "usage input_tokens output_tokens_details error details data id name redacted_thinking",
    "gemini": "candidates content parts text thought thoughtSignature functionCall args error inlineData mimeType data "
    "usageMetadata promptTokensDetails promptFeedback blockReason index id name image/png AUDIO modality",
    "tgi": "generated_text details finish_reason generated_tokens choices message content tool_calls error error_type",
    "ollama": "message content thinking tool_calls function name arguments id done_reason error eval_count model",
    "openai_responses": "output type message reasoning function_call content text refusal summary id call_id name "
    "arguments encrypted_content annotations status incomplete_details reason error usage input_tokens",
    "bedrock": "output message content text toolUse toolUseId name input reasoningContent reasoningText signature "
    "redactedContent citationsContent citations stopReason usage inputTokens error",
    "cohere": "message content type text thinking tool_calls function arguments id name tool_plan citations usage tokens "
    "input_tokens finish_reason error",
}
SHELLS: dict[str, Callable[[Any], Any]] = {
    "openai": lambda inner: {"choices": [{"message": inner, "finish_reason": "stop"}], "usage": inner},
    "anthropic": lambda inner: {"content": [inner], "usage": inner, "stop_details": inner},
    "gemini": lambda inner: {"candidates": [{"content": {"parts": [inner]}}], "usageMetadata": inner},
    "tgi": lambda inner: {"generated_text": "a", "details": inner},
    "ollama": lambda inner: {"message": inner, "done": True},
    "openai_responses": lambda inner: {"output": [inner], "usage": inner, "status": "completed"},
    "bedrock": lambda inner: {"output": {"message": {"content": [inner]}}, "usage": inner},
    "cohere": lambda inner: {"message": inner, "finish_reason": "COMPLETE", "usage": inner},
}


def near_bodies(scheme: str) -> st.SearchStrategy[Any]:
    """JSON whose keys and words are the provider's, in any wrong place."""
    scheme = "openai" if scheme in CHAT_COMPLETIONS else scheme
    known = st.sampled_from(KEYS[scheme].split())
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | known
    bodies = st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(known, inner, max_size=4),
        max_leaves=25,
    )
    return bodies | bodies.map(SHELLS[scheme])


@pytest.mark.parametrize("scheme", SHAPES)
@settings(max_examples=100)
@given(data=st.data())
def test_decode_gives_response_or_provider_error(scheme: str, data: st.DataObject) -> None:
    body = data.draw(st.binary(max_size=40) | near_bodies(scheme).map(lambda value: json.dumps(value).encode()))

    try:
        answer = codec(scheme).decode({}, body)
    except ProviderError:
        return

    assert answer.raw == body
    assert answer.text.encode() is not None
    assert answer.usage.total_tokens >= 0


@pytest.mark.parametrize("scheme", SHAPES)
@settings(max_examples=60)
@given(data=st.data(), status=st.integers(100, 999))
def test_decode_error_never_raises(scheme: str, data: st.DataObject, status: int) -> None:
    body = data.draw(
        st.binary(max_size=40) | near_bodies(scheme).map(lambda value: json.dumps({"error": value}).encode())
    )
    headers = data.draw(st.dictionaries(st.sampled_from(["retry-after", "x-request-id"]), anything))

    assert isinstance(codec(scheme).decode_error(status, headers, body), InferailError)


@given(
    scheme=st.sampled_from(SCHEMES),
    name=st.none() | words,
    text=st.none() | words,
    status=st.none() | st.integers(400, 599),
)
def test_decode_stream_error_never_raises(scheme: str, name: str | None, text: str | None, status: int | None) -> None:
    error = codec(scheme).decode_stream_error(Delta("error", name=name, text=text, status=status))

    assert isinstance(error, ProviderError)
