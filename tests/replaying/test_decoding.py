"""A kept request, read back: what was asked is asked again, of whatever provider."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.providers.test_round_trip import ENDPOINTS, SCHEMES, comparable, requests
from tests.replaying.payloads import CHAT, EMBEDDING, asked, kept
from tests.telemetry.payloads.redactor import as_json

from inferail.errors import ConfigError
from inferail.providers import codec
from inferail.replaying import decoded, plan
from inferail.telemetry.payloads import FailedPayload
from inferail.testing import ScriptedModel
from inferail.types.embedding import EmbeddingRequest
from inferail.types.message import Audio, File, Image, Message, Reasoning, Text, ToolCall, ToolResult, system, user
from inferail.types.request import OutputSchema, Request, Sampling
from inferail.types.tools import Tool

PICTURE = b"\x89PNG\r\n\x1a\n"
SCHEMA = {"type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"]}
WEATHER = Tool("weather", "Weather of a city.", {"type": "object", "properties": {"city": {"type": "string"}}})
CLOCK = Tool("clock", "", {"type": "object", "properties": {}})
CONVERSATION = Request(
    (
        system("Be brief."),
        user("Weather in Bern?"),
        Message("assistant", (Text("Let me look."), ToolCall("call_0", "weather", '{"city":"Bern"}'))),
        Message("tool", (ToolResult("call_0", "sunny", "weather"),)),
        user("And in Rome?"),
    ),
    tools=(WEATHER, CLOCK),
    sampling=Sampling(max_tokens=7),
)


def read(provider: str, request: Request, *, stream: bool = False) -> Request:
    found = decoded(kept(asked(provider, request, stream=stream), provider))
    assert isinstance(found.request, Request)
    assert found.stream is stream
    return found.request


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("provider", CHAT)
def test_conversation_is_read_back_from_every_format(provider: str, stream: bool) -> None:
    """Serves R164."""
    again = read(provider, CONVERSATION, stream=stream)

    made = again.messages[2].tool_calls[0].id  # of a format without ids
    expected = comparable(CONVERSATION, "gemini")
    assert json.loads(json.dumps(comparable(again, "gemini"), default=repr).replace(made, "call_0")) == json.loads(
        json.dumps(expected, default=repr)
    )


@pytest.mark.parametrize("provider", [name for name in CHAT if name != "deepseek"])
def test_schema_is_read_back_from_every_format_that_has_one(provider: str) -> None:
    again = read(provider, Request((user("6 x 7?"),), output=OutputSchema(SCHEMA)))

    assert again.output is not None
    assert {**again.output.schema, "additionalProperties": 0} == {**SCHEMA, "additionalProperties": 0}


@pytest.mark.parametrize("choice", ["auto", "required", "weather"])
@pytest.mark.parametrize("provider", [name for name in CHAT if name not in ("ollama", "cohere")])
def test_tool_choice_is_read_back(provider: str, choice: str) -> None:
    again = read(provider, Request((user("Hi"),), tools=(WEATHER,), tool_choice=choice))

    assert again.tool_choice == choice


@pytest.mark.parametrize("provider", SCHEMES)
@settings(max_examples=12)
@given(data=st.data(), stream=st.booleans())
def test_any_request_is_read_back(provider: str, data: st.DataObject, stream: bool) -> None:
    """Serves R164."""
    request = data.draw(requests(provider))

    found = decoded(kept(codec(provider).encode(request, ENDPOINTS[provider], stream=stream), provider))

    assert isinstance(found.request, Request)
    assert comparable(found.request, provider) == comparable(request, provider)


MEDIA: dict[str, tuple[Any, ...]] = {
    "bedrock": (
        Image(PICTURE),
        Image(url="s3://bucket/cat.png"),
        Audio(b"RIFF", "audio/wav"),
        File(b"%PDF", media_type="application/pdf", name="a"),
    ),
    "ollama": (
        Image(PICTURE),
        Image(b"\xff\xd8\xff", media_type="image/jpeg"),
        Image(b"GIF89a", media_type="image/gif"),
    ),
    "mistral": (Image(PICTURE), File(b"%PDF", media_type="application/pdf", name="a.pdf"), File(file_id="file-1")),
}


@pytest.mark.parametrize("provider", MEDIA)
def test_pictures_and_documents_are_read_back(provider: str) -> None:
    request = Request((Message("user", (Text("What is it?"), *MEDIA[provider])),))

    assert read(provider, request).messages == request.messages


def test_reasoning_is_read_back_where_a_format_keeps_it() -> None:
    thought = Message("assistant", (Reasoning("Hm.", "signed"), Text("Yes.")), "bedrock")
    hidden = Message("assistant", (Reasoning(redacted="c2VjcmV0"), Text("No.")), "bedrock")
    plain = Message("assistant", (Reasoning("Hm."), Text("Yes.")))

    for provider, turn in (("bedrock", thought), ("bedrock", hidden), ("mistral", plain), ("ollama", plain)):
        request = Request((user("Sure?"), turn, user("Really?")))
        assert read(provider, request).messages[1].parts == turn.parts


def test_results_of_tools_without_ids_follow_the_order_of_the_calls() -> None:
    """Ollama's format names tools only, and two calls of one tool are told apart by their order."""
    calls = (
        ToolCall("call_0", "clock"),
        ToolCall("call_1", "weather", '{"city": "Bern"}'),
        ToolCall("call_2", "clock"),
    )
    results = (ToolResult("call_1", "sunny"), ToolResult("call_0", "noon"), ToolResult("call_2", "midnight"))
    turns = (user("When and what?"), Message("assistant", calls), Message("tool", results))

    again = read("ollama", Request(turns, tools=(WEATHER, CLOCK)))

    given_back = [result for message in again.messages for result in message.tool_results]
    assert [(result.call_id, result.content) for result in given_back] == [
        ("call_1", "sunny"),
        ("call_0", "noon"),
        ("call_2", "midnight"),
    ]


def test_failed_result_of_a_tool_is_read_back_from_converse() -> None:
    turns = (
        user("Hi"),
        Message("assistant", (ToolCall("id-1", "clock", "{}"),)),
        Message("tool", (ToolResult("id-1", "broken", "clock", is_error=True),)),
    )

    assert read("bedrock", Request(turns, tools=(CLOCK,))).messages[2].tool_results[0].is_error


@pytest.mark.parametrize(
    ("provider", "sampling"),
    [
        ("mistral", Sampling(seed=7, top_k=3, max_tokens=9)),
        ("groq", Sampling(max_tokens=9, stop=("END",))),
        ("ollama", Sampling(0.0, 0.5, 3, 9, ("END",), 7, 0.5, -0.5)),
        ("bedrock", Sampling(0.0, 0.5, max_tokens=9, stop=("END",))),
        ("vllm", Sampling(top_k=3)),
    ],
)
def test_sampling_is_read_back_from_the_words_of_each_provider(provider: str, sampling: Sampling) -> None:
    assert read(provider, Request((user("Hi"),), sampling=sampling)).sampling == sampling


def test_raw_prompt_of_tgi_is_read_back() -> None:
    from inferail.providers.target import Target

    target = Target("tgi:m", api_version="generate", unsupported="drop")
    sampling = Sampling(temperature=0.0, max_tokens=7, stop=("END",), seed=3)
    request = Request((user("Once"),), sampling=sampling, output=OutputSchema(SCHEMA))

    for stream in (False, True):
        found = decoded(kept(target.codec.encode(request, target.endpoint, stream=stream), "tgi"))
        assert isinstance(found.request, Request)
        assert (found.request.messages, found.request.sampling) == (request.messages, sampling)
        assert found.request.output is not None
        assert found.request.output.schema == SCHEMA
        assert (found.model, found.stream) == ("m", stream)


@pytest.mark.parametrize("provider", CHAT)
def test_options_of_a_provider_are_read_back_as_its_own(provider: str) -> None:
    """They reach the same provider again, and are named as dropped for another one."""
    options = {provider: {"x_option": {"deep": [1, 2]}}}
    payload = kept(asked(provider, Request((user("Hi"),), provider_options=options)), provider)
    other = "anthropic" if provider != "anthropic" else "openai"

    found = decoded(payload).request
    assert found.provider_options == options
    assert plan(payload, f"{other}:m", options={"api_key": "k"}).steps[0].changes == (
        f"x_option was dropped: an option of {provider}",
    )
    assert plan(payload, ScriptedModel(["x"])).steps[0].request.provider_options == options


def test_request_is_labelled_with_what_it_replays() -> None:
    payload = kept(asked("openai", CONVERSATION), "openai")

    assert decoded(payload).request.labels == {"replay_of": payload.id}


@pytest.mark.parametrize("provider", EMBEDDING)
@pytest.mark.parametrize("kind", [None, "query", "document"])
def test_texts_are_read_back_from_every_format(provider: str, kind: Any) -> None:
    """Serves R164."""
    if provider == "cohere" and kind is None:
        kind = "query"
    request = EmbeddingRequest(("one", "zwei"), kind, 64, {provider: {"x_option": 1}})

    found = decoded(kept(asked(provider, request), provider))

    assert isinstance(found.request, EmbeddingRequest)
    assert (found.model, found.request.texts, found.request.dimensions) == ("m", ("one", "zwei"), 64)
    assert found.request.provider_options == {provider: {"x_option": 1}}
    assert found.request.input_type == (kind if provider in ("gemini", "cohere") else None)


def changed(payload: FailedPayload, **members: Any) -> FailedPayload:
    return replace(payload, body=as_json({**json.loads(payload.body), **members}))


@pytest.mark.parametrize(
    ("provider", "members", "message"),
    [
        ("openai", {"messages": 7}, "messages: must be a list"),
        ("anthropic", {"max_tokens": "many"}, "max_tokens: must be a number"),
        (
            "ollama",
            {"messages": [{"role": "tool", "content": "x"}]},
            "result of a tool that no message before it called",
        ),
        ("ollama", {"messages": [{"role": "user", "images": ["?"]}]}, "images: is not base64"),
        (
            "bedrock",
            {"messages": [{"role": "user", "content": [{"video": {}}]}]},
            "blocks of this kind cannot be read back",
        ),
        ("gemini", {"contents": 3}, "contents: must be a list"),
    ],
)
def test_request_that_is_none_says_which_field(provider: str, members: dict[str, Any], message: str) -> None:
    payload = changed(kept(asked(provider, CONVERSATION), provider), **members)

    with pytest.raises(ConfigError, match=f"cannot be read as a request of {provider}: .*{message}"):
        decoded(payload)


@settings(max_examples=30)
@given(
    body=st.binary(max_size=30) | st.recursive(st.none() | st.text(max_size=3), st.lists).map(as_json),
    number=st.integers(0),
)
def test_any_body_is_read_or_refused(body: bytes, number: int) -> None:
    provider = CHAT[number % len(CHAT)]
    payload = replace(kept(asked(provider, Request((user("Hi"),))), provider), body=body)

    with pytest.raises(ConfigError, match=f"cannot be read as a request of {provider}"):
        decoded(payload)


def test_body_that_cannot_be_read_is_still_sent_to_the_same_provider() -> None:
    payload = changed(kept(asked("openai", CONVERSATION), "openai"), messages=7)

    (step,) = plan(payload, options={"api_key": "k"}).steps

    assert step.written is not None
    assert step.written.wire.body == payload.body
    with pytest.raises(ConfigError, match="messages: must be a list"):
        plan(payload, "anthropic:claude-sonnet-4-5", options={"api_key": "k"})
