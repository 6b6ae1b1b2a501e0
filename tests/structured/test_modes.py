"""The four ways to ask for JSON, on the wire and back."""

from __future__ import annotations

import json

import pytest
from tests.providers.bodies import OPENAI, SCHEMES, STREAM_HEADERS, chunk, event
from tests.structured.shapes import Ticket, YesNo

import inferail as ir
from inferail.structured import INSTRUCTION, TOOL_DESCRIPTION, Output
from inferail.structured.subsets import modes_of
from inferail.testing import ScriptedReply, ScriptedTransport

GOOD = '{"category":"outage","urgent":true}'
TICKET = Ticket(category="outage", urgent=True)
HALVES = (GOOD[:15], GOOD[15:])


def answer(message, reason="stop"):
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
    return ScriptedReply([json.dumps({"id": "c1", "model": "m-1", "choices": [choice], "usage": usage}).encode()])


def called(arguments, name="Ticket", **more):
    call = {"id": "x", "type": "function", "function": {"name": name, "arguments": arguments}}
    return answer({"content": None, "tool_calls": [call], **more}, "tool_calls")


def client(*replies, model="openai:gpt-5"):
    transport = ScriptedTransport(replies, blocking=True)
    return ir.Client(ir.Target(model, api_key="k"), transport=transport), transport


def body(transport, number=0):
    return json.loads(transport.wires[number].body)


def explained_body(text):
    return json.loads(text[text.index("\n{") :])


@pytest.mark.parametrize(
    ("mode", "reply"),
    [("native", answer({"content": GOOD})), ("tool", called(GOOD)), ("json", answer({"content": GOOD})),
     ("prompt", answer({"content": f"```json\n{GOOD}\n```"}))],
)  # fmt: skip
def test_every_mode_gives_the_same_typed_answer_and_explain_shows_it(mode, reply):
    """Serves R144."""
    asking, transport = client(reply)

    text = asking.explain("Down!", output=Output(Ticket, mode=mode))
    response = asking.complete("Down!", output=Output(Ticket, mode=mode))

    assert response.output == TICKET
    assert response.finish_reason == "stop"
    assert explained_body(text) == body(transport)
    assert {"native": "native schema", "tool": "tool mode", "json": "JSON mode", "prompt": "prompt mode"}[mode] in text


def test_native_mode_sends_the_schema_that_the_provider_enforces():
    asking, transport = client(answer({"content": GOOD}))

    asking.complete("Down!", output=Ticket)

    form = body(transport)["response_format"]["json_schema"]
    assert form["strict"] is True
    assert form["name"] == "Ticket"
    assert form["schema"]["additionalProperties"] is False


def test_tool_mode_forces_a_call_whose_arguments_are_the_answer():
    """Serves R144."""
    asking, transport = client(called(GOOD))

    response = asking.complete("Down!", output=Output(Ticket, mode="tool"))

    sent = body(transport)
    assert sent["tool_choice"] == "required"
    assert [tool["function"]["name"] for tool in sent["tools"]] == ["Ticket"]
    assert sent["tools"][0]["function"]["description"].startswith(TOOL_DESCRIPTION)
    assert "response_format" not in sent
    assert response.text == GOOD
    assert response.tool_calls == ()


@pytest.mark.parametrize("mode", ["json", "prompt"])
def test_instruction_is_the_documented_constant(mode):
    """Serves R144."""
    asking, transport = client(answer({"content": GOOD}))

    asking.complete("Down!", output=Output(Ticket, mode=mode), system="Be brief.")

    sent = body(transport)
    before, schema = INSTRUCTION.split("{schema}")[0], sent["messages"][1]["content"]
    assert sent["messages"][0]["content"] == "Be brief."
    assert schema.startswith(before)
    assert json.loads(schema[len(before) :])["title"] == "Ticket"
    assert sent.get("response_format") == ({"type": "json_object"} if mode == "json" else None)


@pytest.mark.parametrize(
    ("model", "path", "expected"),
    [
        ("openai_responses:gpt-5", ("text", "format"), {"type": "json_object"}),
        ("gemini:gemini-2.5-pro", ("generationConfig",), {"responseMimeType": "application/json"}),
        ("cohere:command-a", ("response_format",), {"type": "json_object"}),
        ("ollama:llama", ("format",), "json"),
        ("deepseek:deepseek-chat", ("response_format",), {"type": "json_object"}),
        ("mistral:mistral-small", ("response_format",), {"type": "json_object"}),
    ],
)
def test_json_mode_of_each_provider(model, path, expected):
    asking, _ = client(model=model)

    found = explained_body(asking.explain("?", output=Output(Ticket, mode="json")))
    for name in path:
        found = found[name]

    assert found == expected


@pytest.mark.parametrize("mode", ["native", "tool", "json", "prompt"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_provider_is_asked_in_every_mode_it_has(scheme, mode):
    """Serves R144."""
    base_url = "http://127.0.0.1:1/v1" if scheme in ("vllm", "tgi", "compatible") else None
    asking = ir.Client(ir.Target(f"{scheme}:a-model", api_key="k", base_url=base_url))
    known, _ = modes_of(scheme, "a-model", with_tools=False)

    if mode not in known.modes:
        with pytest.raises(ir.ConfigError, match=f"{scheme} has no {mode} mode"):
            asking.explain("?", output=Output(Ticket, mode=mode))
        return
    sent = json.dumps(explained_body(asking.explain("?", output=Output(Ticket, mode=mode))))

    assert "category" in sent
    assert (TOOL_DESCRIPTION in sent) == (mode == "tool")
    assert (INSTRUCTION[:30] in sent) == (mode in ("json", "prompt"))


def test_words_beside_the_call_are_left_out_and_told():
    asking, _ = client(called(GOOD, content="Let me see."))

    response = asking.complete("Down!", output=Output(Ticket, mode="tool"))

    assert response.text == GOOD
    assert any("beside" in warning for warning in response.warnings)


def test_model_that_answers_in_words_in_tool_mode_is_read_all_the_same():
    asking, _ = client(answer({"content": GOOD}))

    assert asking.complete("Down!", output=Output(Ticket, mode="tool")).output == TICKET


def test_call_of_another_tool_in_tool_mode_is_a_call():
    asking, _ = client(called("{}", "look_up"))

    response = asking.complete("Down!", output=Output(Ticket, mode="tool"), tools=[ir.Tool("look_up")])

    assert response.finish_reason == "tool_calls"
    assert response.tool_calls[0].name == "look_up"


def test_wrong_arguments_are_corrected_like_any_other_answer():
    """Serves R145."""
    asking, transport = client(called('{"category":"x"}'), called(GOOD))

    response = asking.complete("Down!", output=Output(Ticket, mode="tool"))

    assert response.output == TICKET
    assert len(transport.wires) == len(response.attempts) == len(asking.records) == 2
    assert [record.reason for record in asking.records] == ["first", "correction"]
    assert len({record.call_id for record in asking.records}) == 1


def tool_stream(*before):
    start = {
        "tool_calls": [{"index": 0, "id": "x", "type": "function", "function": {"name": "Ticket", "arguments": ""}}]
    }
    pieces = [{"tool_calls": [{"index": 0, "function": {"arguments": half}}]} for half in HALVES]
    said = [{"content": text} for text in before]
    events = [*(chunk(delta) for delta in (*said, start, *pieces)), chunk({}, "tool_calls")]
    return ScriptedReply([*events, event("[DONE]")], headers=STREAM_HEADERS)


def test_stream_in_tool_mode_is_a_stream_of_text():
    """Serves R144."""
    asking, _ = client(tool_stream())

    with asking.stream("Down!", output=Output(Ticket, mode="tool")) as stream:
        kinds = [(delta.kind, delta.text or delta.reason) for delta in stream.deltas()]
        response = stream.response

    assert [entry for entry in kinds if entry[0] not in ("start", "usage")] == [
        ("text", HALVES[0]),
        ("text", HALVES[1]),
        ("finish", "stop"),
    ]
    assert response.output == TICKET
    assert response.text == GOOD


def test_objects_grow_in_tool_mode():
    asking, _ = client(tool_stream())

    with asking.stream("Down!", output=Output(Ticket, mode="tool")) as stream:
        seen = [dict(value) for value in stream.objects()]

    assert seen[0] == {"category": "o"[: len(seen[0].get("category", ""))]} or seen[0]["category"]
    assert seen[-1] == {"category": "outage", "urgent": True}


def test_words_before_the_call_are_void_in_a_stream():
    asking, _ = client(tool_stream("Let me see."))

    with asking.stream("Down!", output=Output(Ticket, mode="tool")) as stream:
        kinds = [delta.kind for delta in stream.deltas()]
        response = stream.response

    assert kinds.index("text") < kinds.index("restart")
    assert response.output == TICKET


def test_partial_of_a_stream_in_tool_mode_is_text():
    asking, _ = client(tool_stream())

    with asking.stream("Down!", output=Output(Ticket, mode="tool")) as stream:
        for delta in stream.deltas():
            if delta.kind == "text":
                break
        assert stream.partial.text == HALVES[0]


def test_model_that_streams_words_in_tool_mode_is_read_all_the_same():
    pieces = [chunk({"content": half}) for half in HALVES]
    asking, _ = client(ScriptedReply([*pieces, chunk({}, "stop"), event("[DONE]")], headers=STREAM_HEADERS))

    with asking.stream("Down!", output=Output(Ticket, mode="tool")) as stream:
        assert stream.final().output == TICKET


def test_server_that_asks_a_model_gets_text_in_tool_mode():
    """The rest of the house never sees the tool."""
    import asyncio

    target = ir.Target("openai:gpt-3.5-turbo", api_key="k", transport=ScriptedTransport([called(GOOD)]))
    schema = {"type": "object", "properties": {"category": {"type": "string"}}}

    response = asyncio.run(target.generate(ir.Request((ir.user("?"),), output=ir.OutputSchema(schema, "Ticket"))))

    assert response.text == GOOD
    assert response.finish_reason == "stop"


def test_stream_whose_mode_is_not_there_fails_when_it_is_entered():
    asking, _ = client(model="anthropic:claude-sonnet-4-5")
    stream = asking.stream("?", output=Output(Ticket, mode="json"))

    with pytest.raises(ir.ConfigError, match="no json mode"), stream:
        pass


def test_fallback_asks_each_provider_in_its_own_way():
    """Serves R144."""
    down = ScriptedReply([b"{}"], status=500)
    transport = ScriptedTransport([down, answer({"content": '{"answer":"yes"}'})], blocking=True)
    model = ir.Fallback(
        ir.Target("anthropic:claude-3-haiku", api_key="k", retries=0), ir.Target("openai:gpt-5", api_key="k")
    )

    response = ir.Client(model, transport=transport).complete("?", output=Output[YesNo]())

    assert response.output == "yes"
    assert body(transport)["tool_choice"]["type"] == "any"
    assert body(transport, 1)["response_format"]["type"] == "json_schema"


def test_plain_stream_is_untouched():
    asking, _ = client(ScriptedReply(OPENAI, headers=STREAM_HEADERS))

    with asking.stream("?") as stream:
        assert "".join(stream.text())
