"""Requests are checked when they are made, before any I/O."""

from typing import Any, cast

import pytest

import inferail as ir
from inferail.errors import ConfigError

CALL = ir.ToolCall("call_1", "weather", '{"city":"Oslo"}')
WEATHER = ir.Tool("weather", parameters={"type": "object", "properties": {"city": {"type": "string"}}})


@pytest.mark.parametrize(
    ("values", "named"),
    [
        pytest.param({"temperature": 2.1}, "temperature", id="temperature-too-high"),
        pytest.param({"temperature": -0.1}, "temperature", id="temperature-negative"),
        pytest.param({"temperature": float("nan")}, "temperature", id="temperature-nan"),
        pytest.param({"temperature": True}, "temperature", id="temperature-bool"),
        pytest.param({"top_p": 1.5}, "top_p", id="top-p"),
        pytest.param({"top_k": 0}, "top_k", id="top-k"),
        pytest.param({"max_tokens": 0}, "max_tokens", id="max-tokens-zero"),
        pytest.param({"max_tokens": 1.5}, "max_tokens", id="max-tokens-float"),
        pytest.param({"presence_penalty": 3}, "presence_penalty", id="presence"),
        pytest.param({"frequency_penalty": -3}, "frequency_penalty", id="frequency"),
        pytest.param({"stop": "END"}, "stop", id="stop-is-a-string"),
        pytest.param({"stop": ("",)}, "stop", id="stop-empty"),
        pytest.param({"stop": None}, "stop", id="stop-none"),
        pytest.param({"seed": "7"}, "seed", id="seed"),
    ],
)
def test_sampling_names_the_wrong_field_when_out_of_range(values, named):
    with pytest.raises(ConfigError, match=named):
        ir.Sampling(**values)


def test_sampling_over_keeps_defaults_where_nothing_is_chosen():
    merged = ir.Sampling(temperature=0.0).over(ir.Sampling(temperature=1.0, max_tokens=5, stop=("x",)))

    assert merged == ir.Sampling(temperature=0.0, max_tokens=5, stop=("x",))


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        pytest.param((), "empty", id="no-messages"),
        pytest.param((ir.system("Be brief."),), "only a system message", id="system-only"),
        pytest.param((ir.user(),), "message 0", id="message-without-parts"),
        pytest.param((ir.user("a"), ir.system("b")), "put it first", id="system-late"),
        pytest.param(
            (ir.user("a"), ir.tool_result("call_1", "5")), "no message before it called", id="result-without-call"
        ),
        pytest.param((ir.user("a"), ir.assistant(CALL)), "has no result", id="call-without-result"),
        pytest.param(
            (ir.user("a"), ir.assistant(CALL), ir.user("b")), "comes before the result", id="user-before-result"
        ),
        pytest.param((ir.user(CALL),), "must be 'assistant'", id="call-by-user"),
        pytest.param(
            (ir.user("a"), ir.assistant(CALL, CALL), ir.tool_result(CALL, "1")), "two tool calls", id="two-calls-one-id"
        ),
        pytest.param(("hello",), "Message objects", id="plain-strings"),
        pytest.param(
            (ir.user("a"), ir.assistant(CALL), ir.tool_result(CALL, "1"), ir.tool_result(CALL, "2")),
            "no message before it called",
            id="second-result",
        ),
    ],
)
def test_request_says_what_is_out_of_order_when_messages_are_wrong(messages, said):
    with pytest.raises(ConfigError, match=said):
        ir.Request(messages)


def test_request_accepts_a_tool_round_when_every_call_has_its_result():
    """Serves R27."""
    other = ir.ToolCall("call_2", "weather", "{}")
    turns = (
        ir.system("s"),
        ir.user("a"),
        ir.assistant(CALL, other),
        ir.tool_result(other, "2"),
        ir.tool_result(CALL, "1"),
    )

    request = ir.Request((*turns, ir.assistant("so"), ir.user("b")), tools=(WEATHER,), tool_choice="weather")

    assert request.system_text == "s"
    assert len(request.turns) == 6


@pytest.mark.parametrize("choice", ["required", "weather"])
def test_request_refuses_a_tool_choice_when_there_are_no_tools(choice):
    with pytest.raises(ConfigError, match="without tools"):
        ir.Request((ir.user("a"),), tool_choice=choice)


def test_request_names_the_choices_when_the_tool_is_unknown():
    with pytest.raises(ConfigError, match="weather"):
        ir.Request((ir.user("a"),), tools=(WEATHER,), tool_choice="time")


@pytest.mark.parametrize("name", ["auto", "", "has space", "x" * 65, "1st"])
def test_tool_refuses_a_name_when_providers_would(name):
    with pytest.raises(ConfigError, match="tool cannot be called"):
        ir.Tool(name)


def test_image_needs_exactly_one_source():
    with pytest.raises(ConfigError, match="exactly one source"):
        ir.Image()
    with pytest.raises(ConfigError, match="exactly one source"):
        ir.Image(data=b"x", url="https://example.org/x.png")


def test_message_shows_sealed_parts_to_nobody_but_their_provider():
    """Serves R20."""
    parts = (ir.Reasoning("hm", "seal"), ir.Text("a", "seal"), ir.ToolCall("1", "f", "{}", "seal"))
    message = ir.Message("assistant", parts, "gemini")

    assert message.parts_for("gemini") == parts
    assert message.parts_for("anthropic") == (ir.Text("a"), ir.ToolCall("1", "f", "{}"))
    assert ir.Message("assistant", parts).parts_for("anthropic") == parts


def test_repr_of_a_request_shows_no_content():
    """Serves R189."""
    request = ir.Request(
        (ir.system("CANARY-1"), ir.user("CANARY-2", ir.Image(data=b"CANARY-3"))), labels={"a": "CANARY-4"}
    )

    assert "CANARY" not in repr(request)
    assert "CANARY" not in repr(request.messages)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: ir.system(cast("Any", 5)), id="text"),
        pytest.param(lambda: ir.tool_result(CALL, cast("Any", {"degrees": 5})), id="tool-result"),
        pytest.param(lambda: ir.ToolCall("1", "f", cast("Any", {"city": "Oslo"})), id="arguments"),
    ],
)
def test_parts_refuse_what_is_not_text(make):
    with pytest.raises(ConfigError):
        make()
