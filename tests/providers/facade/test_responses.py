"""OpenAI's Responses from the server's side."""

import json
from typing import Any

import pytest

from inferail.core import Delta, StreamDecoder
from inferail.errors import ConfigError, OverloadedError, RateLimitError
from inferail.providers.codec import Incoming
from inferail.providers.facade import ResponsesFacade
from inferail.types.accumulate import Accumulator
from inferail.types.message import (
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
    user,
)
from inferail.types.request import OutputSchema, Request, Sampling
from inferail.types.response import Response
from inferail.types.tools import Tool
from inferail.types.usage import Usage

FACADE = ResponsesFacade()
SCHEMA = {"type": "object", "properties": {}}


def decode(**fields: object) -> Incoming:
    return FACADE.decode_request("/v1/responses", {}, json.dumps({"model": "m", "input": "Hello", **fields}).encode())


def incoming(**fields: Any) -> Incoming:
    return Incoming("m", Request((user("Hello"),), **fields), stream=True)


def events(data: bytes) -> list[dict]:
    return [json.loads(line[6:]) for line in data.decode().splitlines() if line.startswith("data: ")]


def answered(*deltas: Delta, finish_reason: Any = "stop", **fields: Any) -> list[dict]:
    """The events of a stream of those deltas."""
    encoder = FACADE.stream_encoder(incoming(**fields))
    data = encoder.feed([Delta("start", id="resp_9", name="real"), *deltas])
    return events(data + encoder.finish(Response(assistant("-"), finish_reason, Usage(3, 2))))


def test_decode_reads_a_plain_prompt():
    incoming = decode(instructions="Be brief.", stream=True)

    assert incoming.request.messages == (system("Be brief."), user("Hello"))
    assert (incoming.model, incoming.stream) == ("m", True)


def test_decode_reads_every_kind_of_item():
    items = [
        {"role": "developer", "content": "Be brief."},
        {"type": "message", "role": "user", "content": [
            {"type": "input_text", "text": "What is this?"},
            {"type": "input_image", "image_url": "data:image/png;base64,AAEC", "detail": "low"},
            {"type": "input_image", "image_url": "https://example.com/a.png"},
            {"type": "input_file", "file_data": "data:application/pdf;base64,AAEC", "filename": "a.pdf"},
            {"type": "input_file", "file_url": "https://example.com/a.pdf"},
            {"type": "input_file", "file_id": "file-1"},
        ]},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Look."}],
         "encrypted_content": "gAAA"},
        {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
         "content": [{"type": "output_text", "text": "Wait.", "annotations": []}]},
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "look_up", "arguments": '{"id": 1}'},
        {"type": "function_call", "call_id": "c2", "name": "clock", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "one"},
        {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "noon"}]},
        {"role": "user", "content": "And?"},
        {"role": "user", "content": "Well?"},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
    ]  # fmt: skip

    request = decode(input=items).request

    assert request.messages == (
        system("Be brief."),
        user(
            "What is this?",
            Image(data=b"\0\1\2", media_type="image/png", detail="low"),
            Image(url="https://example.com/a.png"),
            File(data=b"\0\1\2", media_type="application/pdf", name="a.pdf"),
            File(url="https://example.com/a.pdf"),
            File(file_id="file-1"),
        ),
        assistant(
            Reasoning("Look.", '{"id":"rs_1","encrypted_content":"gAAA"}'),
            "Wait.",
            ToolCall("c1", "look_up", '{"id": 1}'),
            ToolCall("c2", "clock", "{}"),
        ),
        Message("tool", (ToolResult("c1", "one", "look_up"), ToolResult("c2", "noon", "clock"))),
        user("And?"),
        user("Well?"),
        assistant(Refusal("No.")),
    )


def test_decode_reads_sampling_tools_output_and_the_rest():
    tool = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}
    form = {"type": "json_schema", "name": "ticket", "schema": {"type": "object"}, "strict": True}

    incoming = decode(
        temperature=0.5,
        top_p=0.9,
        max_output_tokens=7,
        tools=[tool],
        tool_choice={"type": "function", "name": "f"},
        text={"format": form, "verbosity": "low"},
        reasoning={"effort": "low"},
        previous_response_id=None,
        background=False,
        user=None,
    )

    request = incoming.request
    assert request.sampling == Sampling(temperature=0.5, top_p=0.9, max_tokens=7)
    assert (request.tools, request.tool_choice) == ((Tool("f", "", {"type": "object"}, True),), "f")
    assert request.output == OutputSchema({"type": "object"}, "ticket", strict=True)
    assert request.provider_options == {
        "openai_responses": {"reasoning": {"effort": "low"}, "text": {"verbosity": "low"}}
    }


@pytest.mark.parametrize(
    ("form", "output"),
    [({"type": "text"}, None), ({"type": "json_object"}, OutputSchema({"type": "object"}, strict=False))],
)
def test_decode_reads_other_formats_of_text(form, output):
    assert decode(text={"format": form}).request.output == output


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        pytest.param({"model": ""}, "model", id="no-model"),
        pytest.param({"input": None}, "input", id="no-input"),
        pytest.param({"input": ""}, "input", id="empty-input"),
        pytest.param({"input": 7}, "input", id="input"),
        pytest.param({"input": [{"role": "robot"}]}, r"input\[0\]\.role", id="role"),
        pytest.param({"input": [{"type": "item_reference"}]}, r"input\[0\]\.type", id="item"),
        pytest.param({"input": [{"role": "user", "content": 7}]}, r"input\[0\]\.content", id="content"),
        pytest.param(
            {"input": [{"role": "user", "content": [{"type": "input_image"}]}]},
            r"input\[0\]\.content\[0\]\.image_url",
            id="image-url",
        ),
        pytest.param({"temperature": "warm"}, "temperature", id="temperature"),
        pytest.param({"max_output_tokens": 1.5}, "max_output_tokens", id="max-tokens"),
        pytest.param({"tools": [{"type": "web_search"}]}, r"tools\[0\]\.type", id="tool-type"),
        pytest.param({"tool_choice": {"type": "mcp"}}, r"tool_choice\.type", id="tool-choice"),
        pytest.param({"text": {"format": {"type": "yaml"}}}, r"text\.format\.type", id="text-format"),
        pytest.param({"stream": "yes"}, "stream", id="stream"),
        pytest.param({"previous_response_id": "resp_1"}, "previous_response_id: nothing is stored", id="previous"),
        pytest.param({"conversation": "conv_1"}, "conversation: nothing is stored", id="conversation"),
        pytest.param({"background": True}, "background: nothing is stored", id="background"),
    ],
)
def test_decode_names_the_field_when_it_is_wrong(fields, named):
    with pytest.raises(ConfigError, match=named):
        decode(**fields)


def test_response_has_every_field_the_sdk_requires():
    usage = Usage(10, 5, cache_read_tokens=4, cache_write_tokens=1, reasoning_tokens=2)
    parts = (Reasoning("Hm.", "sealed"), Text("Hi."), Refusal("No."), ToolCall("c1", "f", '{"a":1}'))
    response: Response = Response(
        Message("assistant", parts), "tool_calls", usage, model="real", id="resp_1", citations=('{"url":"u"}',)
    )

    served = FACADE.encode_response(
        response,
        incoming(tools=(Tool("f"),), tool_choice="f", output=OutputSchema(SCHEMA), sampling=Sampling(top_p=0.5)),
    )

    body = json.loads(served.body)
    assert (served.status, body["id"], body["object"], body["model"]) == (200, "resp_1", "response", "real")
    assert (body["status"], body["error"], body["incomplete_details"], body["top_p"]) == ("completed", None, None, 0.5)
    assert body["tools"][0] == {
        "type": "function", "name": "f", "description": None, "parameters": SCHEMA, "strict": None,
    }  # fmt: skip
    assert body["tool_choice"] == {"type": "function", "name": "f"}
    assert body["text"]["format"]["schema"] == SCHEMA
    thought, said, refused, call = body["output"]
    assert (thought["summary"][0]["text"], thought["encrypted_content"]) == ("Hm.", "sealed")
    assert said["content"][0] == {
        "type": "output_text", "text": "Hi.", "annotations": [{"url": "u"}], "logprobs": [],
    }  # fmt: skip
    assert refused["content"] == [{"type": "refusal", "refusal": "No."}]
    assert (call["call_id"], call["name"], call["arguments"]) == ("c1", "f", '{"a":1}')
    assert body["usage"] == {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 15,
    }


@pytest.mark.parametrize(
    ("reason", "status", "details"),
    [
        ("length", "incomplete", {"reason": "max_output_tokens"}),
        ("content_filter", "incomplete", {"reason": "content_filter"}),
        ("pause", "incomplete", {"reason": "max_messages"}),
        ("unknown", "completed", None),
        ("error", "failed", None),
    ],
)
def test_response_says_how_it_ended(reason, status, details):
    body = json.loads(FACADE.encode_response(Response(assistant("Hi"), reason), incoming()).body)
    last = answered(Delta("text", text="Hi"), finish_reason=reason)[-1]

    assert (body["status"], body["incomplete_details"]) == (status, details)
    assert (body["error"] is not None) is (reason == "error")
    assert (last["type"], last["response"]["incomplete_details"]) == (f"response.{status}", details)


@pytest.mark.parametrize(
    "part",
    [
        Reasoning("Hm.", "sealed"),
        Reasoning("Hm."),
        Reasoning("", '{"id":"rs_1","encrypted_content":"gAAA"}'),
        Reasoning(redacted="opaque"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_reasoning_comes_back_as_it_went_out(part, streamed):
    """Serves R27."""
    if streamed:
        given = (
            ("reasoning", part.text),
            ("reasoning_signature", part.signature),
            ("reasoning_redacted", part.redacted),
        )
        output = answered(*(Delta(kind, text=text) for kind, text in given if text))[-1]["response"]["output"]
    else:
        response: Response = Response(Message("assistant", (part,)), "stop")
        output = json.loads(FACADE.encode_response(response, incoming()).body)["output"]

    request = decode(input=[{"role": "user", "content": "Hi"}, *output, {"role": "user", "content": "And?"}]).request

    assert request.messages[1].parts == (part,)


def test_stream_has_the_providers_order_of_events():
    """Serves R42."""
    told = answered(
        Delta("reasoning", text="Hm."),
        Delta("text", block=1, text="Hi "),
        Delta("text", block=1, text="there"),
        Delta("citation", block=1, text='{"type":"url_citation"}'),
        Delta("tool_start", block=2, id="a", name="f"),
        Delta("tool_args", block=2, text="{}"),
        Delta("tool_end", block=2),
    )

    assert [event["type"].removeprefix("response.") for event in told] == [
        "created", "in_progress",
        "output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta",
        "reasoning_summary_text.done", "reasoning_summary_part.done", "output_item.done",
        "output_item.added", "content_part.added", "output_text.delta", "output_text.delta",
        "output_text.annotation.added", "output_text.done", "content_part.done", "output_item.done",
        "output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done",
        "completed",
    ]  # fmt: skip
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    assert (told[0]["response"]["id"], told[0]["response"]["model"]) == ("resp_9", "real")
    assert (told[0]["response"]["status"], told[0]["response"]["output"]) == ("in_progress", [])
    assert told[2]["item"]["summary"] == told[8]["item"]["content"] == []
    final = told[-1]["response"]
    assert [event["item"] for event in told if event["type"].endswith("item.done")] == final["output"]
    assert [item["type"] for item in final["output"]] == ["reasoning", "message", "function_call"]
    assert final["output"][1]["content"][0]["annotations"] == [{"type": "url_citation"}]
    assert final["usage"]["total_tokens"] == 5


def test_stream_names_its_events_as_their_data_does():
    encoder = FACADE.stream_encoder(incoming())

    data = encoder.feed([Delta("text", text="Hi")]) + encoder.finish(Response(assistant("Hi"), "stop"))

    names = [line[7:] for line in data.decode().splitlines() if line.startswith("event: ")]
    assert names == [event["type"] for event in events(data)]


def test_stream_keeps_interleaved_calls_apart():
    told = answered(
        Delta("tool_start", block=4, id="a", name="f"),
        Delta("tool_start", block=7, id="b", name="g"),
        Delta("tool_args", block=4, text='{"x":'),
        Delta("tool_args", block=7, text="{}"),
        Delta("tool_args", block=4, text="1}"),
        Delta("tool_end", block=7),
        Delta("text", block=9, text="So."),
        finish_reason="tool_calls",
    )

    output = told[-1]["response"]["output"]
    assert [(item.get("call_id"), item.get("arguments")) for item in output] == [
        ("a", '{"x":1}'),
        ("b", "{}"),
        (None, None),
    ]
    pieces = [(event["output_index"], event["delta"]) for event in told if event["type"].endswith("arguments.delta")]
    assert pieces == [(0, '{"x":'), (1, "{}"), (0, "1}")]
    assert {item["status"] for item in output} == {"completed"}


def test_stream_is_read_back_whole_by_our_own_decoder():
    """Serves R42, R85."""
    encoder = FACADE.stream_encoder(incoming())
    deltas = [
        Delta("start", id="x", name="real"),
        Delta("reasoning", text="Hm."),
        Delta("reasoning_signature", text="sealed"),
        Delta("text", block=1, text="Zoë  "),
        Delta("refusal", block=1, text="no"),
        Delta("tool_start", block=2, id="a", name="f"),
        Delta("tool_end", block=2),
    ]
    answer: Response = Response(assistant("Zoë"), "tool_calls", Usage(3, 2, 1, 1, 1))
    data = encoder.feed(deltas) + encoder.finish(answer)
    decoder, collected = StreamDecoder("openai_responses"), Accumulator()

    collected.add(decoder.feed(data))

    assert decoder.finish() is None
    assert collected.message().parts[1:] == (Text("Zoë  "), Refusal("no"), ToolCall("a", "f", "{}"))
    assert (collected.id, collected.model, collected.finish_reason) == ("x", "real", "tool_calls")
    assert collected.usage == Usage(3, 2, 1, 1, 1)


def test_stream_without_its_end_is_incomplete():
    """Serves R88."""
    encoder = FACADE.stream_encoder(incoming())
    decoder = StreamDecoder("openai_responses")

    decoder.feed(encoder.feed([Delta("text", text="Hi")]))

    assert decoder.finish() is not None


def test_error_has_the_shape_of_each_way_to_say_it():
    """Serves R24."""
    served = FACADE.encode_error(RateLimitError("slow down", detail="a prompt", retry_after=2.5))
    encoder = FACADE.stream_encoder(incoming())
    failed = events(encoder.fail(OverloadedError("no more", detail="a prompt")))

    assert served.status == 429
    assert json.loads(served.body) == {
        "error": {"message": "slow down", "type": "rate_limit_error", "param": None, "code": "rate_limit_exceeded"}
    }
    assert served.headers["retry-after"] == "2.5"
    assert failed == [
        {"type": "error", "sequence_number": 0, "code": "server_error", "message": "no more", "param": None}
    ]
