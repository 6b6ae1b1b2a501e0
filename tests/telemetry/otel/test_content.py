"""What was said stays out of spans, unless it is asked for; then it has the conventions' shape and is redacted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.telemetry.otel.collecting import Collected
from tests.telemetry.prometheus.samples import record

import inferail as ir
from inferail.errors import ConfigError
from inferail.telemetry.otel.content import input_messages, output_messages
from inferail.testing import Sandbox
from inferail.types.embedding import EmbeddingRequest
from inferail.types.message import Audio, File, Image, Reasoning, Refusal, Text, ToolCall, assistant, tool_result

SECRET = "canary-7391"
CALL = ToolCall("call_1", "order_status", '{"order": "canary-7391"}')
REQUEST = ir.Request(
    (
        ir.system(f"Be {SECRET}."),
        ir.user(f"I am {SECRET}.", Image(url="https://example.test/a.png"), Image(data=b"\x89PNG"), File(file_id="f1")),
        assistant(Reasoning(f"{SECRET}?"), CALL),
        tool_result(CALL, f"{SECRET}!"),
        ir.user("And now?", Audio(b"RIFF")),
    ),
    tools=(ir.Tool("order_status", "Status of an order."),),
)


class Stars:
    """Replaces the secret."""

    def redact(self, text: str) -> str:
        return text.replace(SECRET, "<X>")


class Verbatim:
    """Changes nothing."""

    def redact(self, text: str) -> str:
        return text


def said(collected: Collected, request: Any, *parts: Any, finish_reason: str | None = "stop") -> dict[str, Any]:
    opened = collected.spans.begin(provider="openai", model="m", request=request)
    assert opened is not None
    opened.answered(lambda: assistant(*parts), finish_reason)
    opened.end(record())
    assert collected.spans.failed == 0
    return collected.attributes


def test_content_stays_out_unless_it_is_asked_for():
    collected = Collected()
    with Sandbox() as sandbox:
        model = ir.Target("openai:docs", base_url=sandbox.base_url("openai"))
        with ir.Client(model, recorder=collected.spans) as client:
            client.complete(REQUEST.messages, tools=REQUEST.tools)
            client.complete([ir.user(SECRET)])
        model = ir.Target("openai:docs@400", base_url=sandbox.base_url("openai"))
        with ir.Client(model, recorder=collected.spans) as client, pytest.raises(ir.RequestError):
            client.complete([ir.user(SECRET)])

    assert len(collected.finished) == 3
    assert SECRET not in "".join(span.to_json() for span in collected.finished)


def test_content_has_the_shape_of_the_conventions_and_is_redacted():
    found = said(
        Collected(content=True, redactor=Stars()), REQUEST, Text(f"It is {SECRET}."), CALL, finish_reason="tool_calls"
    )

    assert SECRET not in str(found)
    assert json.loads(found["gen_ai.system_instructions"]) == [{"type": "text", "content": "Be <X>."}]
    call = {"type": "tool_call", "id": "call_1", "name": "order_status", "arguments": {"order": "<X>"}}
    assert json.loads(found["gen_ai.input.messages"]) == [
        {
            "role": "user",
            "parts": [
                {"type": "text", "content": "I am <X>."},
                {"type": "uri", "modality": "image", "mime_type": "image/png", "uri": "https://example.test/a.png"},
                {"type": "blob", "modality": "image", "mime_type": "image/png", "content": ""},
                {"type": "file", "modality": "document", "mime_type": "application/pdf", "file_id": "f1"},
            ],
        },
        {"role": "assistant", "parts": [{"type": "reasoning", "content": "<X>?"}, call]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "call_1", "response": "<X>!"}]},
        {
            "role": "user",
            "parts": [
                {"type": "text", "content": "And now?"},
                {"type": "blob", "modality": "audio", "mime_type": "audio/wav", "content": ""},
            ],
        },
    ]
    assert json.loads(found["gen_ai.output.messages"]) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "It is <X>."}, call], "finish_reason": "tool_call"}
    ]
    assert json.loads(found["gen_ai.tool.definitions"]) == [
        {
            "type": "function",
            "name": "order_status",
            "description": "Status of an order.",
            "parameters": {"type": "object", "properties": {}},
        }
    ]


@pytest.mark.parametrize("streamed", [False, True])
def test_answer_of_a_real_call_is_in_its_span_when_content_is_asked_for(streamed):
    collected = Collected(content=True, redactor=Stars())
    with Sandbox() as sandbox:
        model = ir.Target("openai:docs", base_url=sandbox.base_url("openai"))
        with ir.Client(model, recorder=collected.spans) as client:
            if streamed:
                with client.stream("What is a Target?") as stream:
                    reply = stream.final()
            else:
                reply = client.complete("What is a Target?")

    found = collected.attributes
    assert collected.spans.failed == 0
    assert json.loads(found["gen_ai.output.messages"]) == [
        {"role": "assistant", "parts": [{"type": "text", "content": reply.text}], "finish_reason": "stop"}
    ]
    assert "What is a Target?" in found["gen_ai.input.messages"]


def test_texts_to_embed_are_what_a_user_said():
    found = said(Collected(content=True, redactor=Stars()), EmbeddingRequest((SECRET, "b")))

    assert json.loads(found["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": text}]} for text in ("<X>", "b")
    ]
    assert "gen_ai.system_instructions" not in found


def test_arguments_that_are_no_json_are_shown_as_they_came():
    (message,) = json.loads(output_messages([ToolCall("1", "f", '{"a": ')], None, Verbatim()))

    assert message["parts"][0]["arguments"] == '{"a": '
    assert message["finish_reason"] == "error"


def test_refusal_is_said_as_one():
    (message,) = json.loads(output_messages([Refusal("No.")], "content_filter", Verbatim()))

    assert message["parts"] == [{"type": "refusal", "content": "No."}]
    assert message["finish_reason"] == "content_filter"


@given(st.text(min_size=1))
def test_any_text_comes_back_from_the_json(text):
    (message,) = json.loads(input_messages(ir.Request((ir.user(text),)), Verbatim()))

    assert message["parts"][0]["content"] == text


def test_redactor_that_fails_costs_the_content_and_not_the_call(caplog):
    class Broken:
        def redact(self, text: str) -> str:
            raise ValueError(text)

    collected = Collected(content=True, redactor=Broken())
    with Sandbox() as sandbox:
        model = ir.Target("openai:docs", base_url=sandbox.base_url("openai"))
        with ir.Client(model, recorder=collected.spans) as client:
            assert client.complete([ir.user(SECRET)]).text

    assert collected.spans.failed == 2  # what was asked, and what was answered
    assert collected.attributes["gen_ai.usage.output_tokens"] > 0
    assert SECRET not in caplog.text
    assert SECRET not in "".join(span.to_json() for span in collected.finished)


@pytest.mark.parametrize("names", ["1.26", "1.36"])
def test_names_without_content_refuse_it(names):
    with pytest.raises(ConfigError, match="names='latest'"):
        Collected(names, content=True, redactor=Stars())
