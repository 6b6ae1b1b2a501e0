"""There and back: a request, and an answer, through the codec of a provider and the server side of the same format."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferail.providers import codec
from inferail.providers.codec import Endpoint, Facade, Incoming
from inferail.providers.facade.chat_completions import ChatCompletionsFacade
from inferail.providers.facade.cohere_chat import CohereChatFacade
from inferail.providers.facade.generate_content import GenerateContentFacade
from inferail.providers.facade.messages import MessagesFacade
from inferail.providers.facade.responses import ResponsesFacade
from inferail.types.message import Audio, File, Image, Message, Part, Reasoning, Text, ToolCall, ToolResult
from inferail.types.request import OutputSchema, Request, Sampling
from inferail.types.response import FinishReason, Response
from inferail.types.tools import Tool
from inferail.types.usage import Usage

SCHEMES = ("openai", "anthropic", "gemini", "openai_responses", "cohere")
FACADES: dict[str, Facade] = {
    "openai": ChatCompletionsFacade(),
    "anthropic": MessagesFacade(),
    "gemini": GenerateContentFacade(),
    "openai_responses": ResponsesFacade(),
    "cohere": CohereChatFacade(),
}
# The version that takes the most, and a server that continues an assistant message.
ENDPOINTS = {
    "openai": Endpoint("m", "http://127.0.0.1:8000/v1", "key"),
    "anthropic": Endpoint("m", "http://127.0.0.1:8000", "key", api_version="2023-06-01"),
    "gemini": Endpoint("m", "http://127.0.0.1:8000/v1beta", "key"),
    "openai_responses": Endpoint("m", "http://127.0.0.1:8000/v1", "key"),
    "cohere": Endpoint("m", "http://127.0.0.1:8000", "key"),
}

words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: name not in ("auto", "none", "required")
)
scalars = st.none() | st.booleans() | st.integers(-9, 9) | words
plain = st.recursive(scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2))
objects = st.dictionaries(words, plain, max_size=3)
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

MEDIA: dict[str, st.SearchStrategy[Part]] = {
    "openai": st.one_of(
        st.builds(
            Image,
            st.binary(min_size=1, max_size=4),
            media_type=st.just("image/png"),
            detail=st.sampled_from([None, "low"]),
        ),
        st.builds(Image, url=st.just("https://example.com/cat")),
        st.builds(Audio, st.binary(min_size=1, max_size=4), st.just("audio/wav")),
        st.builds(File, st.binary(min_size=1, max_size=4), name=st.just("a.pdf")),
        st.builds(File, file_id=st.just("file-1")),
    ),
    "anthropic": st.one_of(
        st.builds(Image, st.binary(min_size=1, max_size=4), media_type=st.sampled_from(["image/png", "image/webp"])),
        st.builds(Image, url=st.just("https://example.com/cat")),
        st.builds(File, st.binary(min_size=1, max_size=4), name=st.sampled_from([None, "a.pdf"])),
        st.builds(File, url=st.just("https://example.com/a.pdf")),
        st.builds(File, file_id=st.just("file_1")),
    ),
    "gemini": st.one_of(
        st.builds(Image, st.binary(min_size=1, max_size=4), media_type=st.sampled_from(["image/png", "image/webp"])),
        st.builds(Image, url=st.just("https://example.com/cat"), media_type=st.just("image/jpeg")),
        st.builds(Audio, st.binary(min_size=1, max_size=4), st.just("audio/wav")),
        st.builds(File, st.binary(min_size=1, max_size=4)),
        st.builds(File, url=st.just("https://example.com/a.pdf")),
    ),
    "openai_responses": st.one_of(
        st.builds(
            Image,
            st.binary(min_size=1, max_size=4),
            media_type=st.just("image/png"),
            detail=st.sampled_from([None, "low"]),
        ),
        st.builds(Image, url=st.just("https://example.com/cat")),
        st.builds(File, st.binary(min_size=1, max_size=4), name=st.just("a.pdf")),
        st.builds(File, url=st.just("https://example.com/a.pdf")),
        st.builds(File, file_id=st.just("file-1")),
    ),
    "cohere": st.one_of(
        st.builds(
            Image,
            st.binary(min_size=1, max_size=4),
            media_type=st.just("image/webp"),
            detail=st.sampled_from([None, "low"]),
        ),
        st.builds(Image, url=st.just("https://example.com/cat")),
    ),
}
SAMPLED = {
    "openai": ("temperature", "top_p", "max_tokens", "stop", "seed", "presence_penalty", "frequency_penalty"),
    "anthropic": ("top_p", "top_k", "max_tokens", "stop"),
    "gemini": ("temperature", "top_p", "top_k", "max_tokens", "stop", "seed", "presence_penalty", "frequency_penalty"),
    "openai_responses": ("temperature", "top_p", "max_tokens"),
    "cohere": ("temperature", "top_k", "max_tokens", "stop", "seed"),
}
# How the codec of OpenAI's Responses keeps what it needs to send a reasoning item back.
SEALS = st.tuples(names, st.none() | words).map(
    lambda pair: json.dumps(
        {"id": f"rs_{pair[0]}", **({"encrypted_content": pair[1]} if pair[1] else {})},
        separators=(",", ":"),
        ensure_ascii=False,
    )
)


def said_before(scheme: str) -> st.SearchStrategy[list[Part]]:
    """The parts of an assistant turn, in the order in which every format keeps them."""
    text = st.builds(Text, words, st.none() | words) if scheme == "gemini" else st.builds(Text, words)
    thoughts: st.SearchStrategy[list[Part]] = st.just([])
    if scheme == "anthropic":
        thoughts = st.lists(st.builds(Reasoning, words, words) | st.builds(Reasoning, redacted=words), max_size=2)
    if scheme == "openai_responses":
        thoughts = st.lists(st.builds(Reasoning, words, SEALS), max_size=2)
    if scheme == "cohere":
        thoughts = st.lists(st.builds(Reasoning, words), max_size=1)
    return st.tuples(thoughts, text).map(lambda pair: [*pair[0], pair[1]])


@st.composite
def requests(draw: st.DrawFn, scheme: str) -> Request:
    tools = tuple(
        Tool(name, draw(st.just("") | words), {"type": "object", "properties": draw(objects)}, strict)
        for name in draw(st.lists(names, max_size=2, unique=True))
        for strict in [None if scheme in ("gemini", "cohere") else draw(st.sampled_from([None, True]))]
    )
    messages = [Message("system", (Text(text),)) for text in draw(st.lists(words, max_size=1))]
    for number in range(draw(st.integers(0, 2))):
        asked: list[Part] = [Text(draw(words)), *draw(st.lists(MEDIA[scheme], max_size=2))]
        messages.append(Message("user", tuple(asked)))
        said = draw(said_before(scheme))
        signature = draw(st.none() | words) if scheme == "gemini" else None
        calls = [
            ToolCall(f"id-{number}-{index}", tool.name, json.dumps(draw(objects)), signature)
            for index, tool in enumerate(tools)
        ]
        messages.append(Message("assistant", (*said, *calls)))
        if calls:
            errors = st.just(False) if scheme.startswith(("openai", "cohere")) else st.booleans()
            results = tuple(ToolResult(call.id, draw(words), call.name, draw(errors)) for call in calls)
            messages.append(Message("tool", results))
    messages.append(Message("user", (Text(draw(words)),)))
    sampling = draw(samplings)
    kept = {name: getattr(sampling, name) for name in SAMPLED[scheme]}
    named = [] if scheme == "cohere" else ["auto", *(tool.name for tool in tools)]
    choices = st.sampled_from(["none", "required", *named])
    return Request(
        tuple(messages),
        tools,
        draw(st.none() | choices) if tools else None,
        draw(st.none() | st.builds(OutputSchema, objects, names)),
        Sampling(**{**kept, "max_tokens": kept["max_tokens"] or 7}),
    )


def comparable(request: Request, scheme: str) -> tuple[object, ...]:
    """What of a request every trip must keep. Lost by design: see the docstrings of the codecs.

    Names of results (found again through their calls), how results are grouped into messages, labels, and, where a format
    has no name for a schema, its name. Arguments of calls are compared as values: formats with objects rewrite the text.
    """
    turns: list[tuple[str, list[object]]] = []
    for message in request.messages:
        parts: list[object] = []
        for part in message.parts:
            if isinstance(part, ToolCall):
                parts.append((part.id, part.name, json.loads(part.arguments), part.signature))
            else:
                parts.append(replace(part, name=None) if isinstance(part, ToolResult) else part)
        if message.role == "tool" and turns and turns[-1][0] == "tool":
            turns[-1][1].extend(parts)
        else:
            turns.append((message.role, parts))
    tools = [(tool.name, tool.description, dict(tool.parameters), tool.strict) for tool in request.tools]
    output = request.output and (
        dict(request.output.schema),
        request.output.name if scheme.startswith("openai") else "",
    )
    return turns, tools, request.tool_choice, output, request.sampling


@pytest.mark.parametrize("scheme", SCHEMES)
@settings(max_examples=60)
@given(data=st.data(), stream=st.booleans())
def test_request_is_the_same_after_encode_and_decode(scheme: str, data: st.DataObject, stream: bool) -> None:
    """Serves R27."""
    request = data.draw(requests(scheme))

    wire = codec(scheme).encode(request, ENDPOINTS[scheme], stream=stream).wire
    path = wire.url.removeprefix("http://127.0.0.1:8000")
    incoming = FACADES[scheme].decode_request(path, wire.headers, wire.body)

    assert comparable(incoming.request, scheme) == comparable(request, scheme)
    assert (incoming.model, incoming.stream) == ("m", stream)


@pytest.mark.parametrize("scheme", SCHEMES)
@settings(max_examples=40)
@given(data=st.data())
def test_wire_request_is_the_same_after_decode_and_encode(scheme: str, data: st.DataObject) -> None:
    """Serves R27."""
    first = codec(scheme).encode(data.draw(requests(scheme)), ENDPOINTS[scheme], stream=False).wire

    incoming = FACADES[scheme].decode_request(
        first.url.removeprefix("http://127.0.0.1:8000"), first.headers, first.body
    )
    second = codec(scheme).encode(incoming.request, ENDPOINTS[scheme], stream=False).wire

    assert json.loads(second.body) == json.loads(first.body)


def test_made_up_call_ids_find_their_results_after_encode_and_decode() -> None:
    """Serves R27."""
    calls = (ToolCall("call_0", "weather"), ToolCall("call_1", "clock"))
    results = (ToolResult("call_0", "sunny", "weather"), ToolResult("call_1", "noon", "clock"))
    turns = (Message("user", (Text("Hi"),)), Message("assistant", calls), Message("tool", results))

    wire = codec("gemini").encode(Request(turns), ENDPOINTS["gemini"], stream=False).wire
    request = FACADES["gemini"].decode_request("/v1beta/models/m:generateContent", wire.headers, wire.body).request

    assert b"call_" not in wire.body
    made, given_back = request.messages[1].tool_calls, request.messages[2].tool_results
    assert [call.name for call in made] == ["weather", "clock"]
    assert [(result.call_id, result.content) for result in given_back] == [(made[0].id, "sunny"), (made[1].id, "noon")]


USAGE: dict[str, st.SearchStrategy[Usage]] = {
    "openai": st.builds(Usage, *[st.integers(100, 200)] * 2, *[st.integers(0, 50)] * 5),
    "anthropic": st.builds(Usage, *[st.integers(100, 200)] * 2, *[st.integers(0, 50)] * 3),
    "openai_responses": st.builds(Usage, *[st.integers(100, 200)] * 2, *[st.integers(0, 50)] * 3),
    "cohere": st.builds(Usage, *[st.integers(100, 200)] * 2, cache_read_tokens=st.integers(0, 50)),
    # The server side writes no audio counts, and there is no field for cache writes.
    "gemini": st.builds(
        Usage, *[st.integers(100, 200)] * 2, cache_read_tokens=st.integers(0, 50), reasoning_tokens=st.integers(0, 50)
    ),
}


@st.composite
def responses(draw: st.DrawFn, scheme: str) -> Response[Any]:
    parts: list[Part] = []
    if scheme == "anthropic":
        parts += draw(st.lists(st.builds(Reasoning, words, words) | st.builds(Reasoning, redacted=words), max_size=1))
    elif draw(st.booleans()):
        parts.append(Reasoning(draw(words)))
    if draw(st.booleans()):
        parts.append(Text(draw(words), draw(st.none() | words) if scheme == "gemini" else None))
    calls = [
        ToolCall(f"id-{index}", name, json.dumps(draw(objects), separators=(",", ":"), ensure_ascii=False))
        for index, name in enumerate(draw(st.lists(names, max_size=2)))
    ]
    reasons: list[FinishReason] = ["tool_calls"] if calls else ["stop", "length", "content_filter"]
    return Response(
        Message("assistant", (*parts, *calls)),
        draw(st.sampled_from(reasons)),
        draw(USAGE[scheme]),
        model="m-1",
        id="id-1",
    )


def unsealed(answer: Response[Any], scheme: str) -> Message:
    """The message, without the id that Responses gives even to reasoning that has no signature."""
    if scheme != "openai_responses":
        return answer.message
    parts = (replace(part, signature=None) if isinstance(part, Reasoning) else part for part in answer.message.parts)
    return Message("assistant", tuple(parts))


@pytest.mark.parametrize("scheme", SCHEMES)
@settings(max_examples=60)
@given(data=st.data())
def test_response_is_the_same_after_encode_and_decode(scheme: str, data: st.DataObject) -> None:
    """Serves R27."""
    response = data.draw(responses(scheme))
    incoming = Incoming("m", Request((Message("user", (Text("Hi"),)),)))

    served = FACADES[scheme].encode_response(response, incoming)
    answer = codec(scheme).decode(served.headers, served.body)

    assert served.status == 200
    assert unsealed(answer, scheme) == response.message
    assert answer.finish_reason == response.finish_reason
    assert answer.usage == response.usage
    assert answer.id is not None


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
def test_error_is_of_the_same_kind_after_encode_and_decode(scheme: str, status: int) -> None:
    """Serves R24, R27."""
    error = codec(scheme).decode_error(status, {}, b"{}")

    served = FACADES[scheme].encode_error(error)
    again = codec(scheme).decode_error(served.status, served.headers, served.body)

    assert type(again) is type(error)
