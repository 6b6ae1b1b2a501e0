"""Typed answers."""

import traceback
from typing import Any, Literal

import pytest
from pydantic import BaseModel

import inferail as ir
from inferail.types.output import OutputType


class Ticket(BaseModel):
    category: str
    urgent: bool


def answer(text: str, finish_reason: Literal["stop", "length"] = "stop") -> ir.Response[Any]:
    return ir.Response(ir.assistant(text), finish_reason)


def test_output_is_an_instance_when_the_answer_matches():
    """Serves R123."""
    ticket = OutputType.of(Ticket).parsed(answer('{"category":"outage","urgent":true}')).output

    assert ticket == Ticket(category="outage", urgent=True)


def test_output_is_plain_data_when_a_json_schema_was_given():
    kind = OutputType.of({"title": "city", "type": "object"})

    assert kind.schema.name == "city"
    assert kind.parsed(answer('{"name": "Oslo"}')).output == {"name": "Oslo"}


@pytest.mark.parametrize("text", ['{"category":"CANARY"}', "CANARY", '{"category":"CANARY","urgent":'])
def test_output_error_names_the_problem_and_hides_the_answer_when_it_does_not_match(text):
    """Serves R189."""
    with pytest.raises(ir.OutputValidationError) as caught:
        OutputType.of(Ticket).parsed(answer(text, "length"))

    printed = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert "CANARY" not in printed
    assert "length" in str(caught.value)
    assert caught.value.text == text
    assert caught.value.errors


def test_output_leaves_a_tool_call_alone():
    response: ir.Response[Any] = ir.Response(ir.assistant(ir.ToolCall("1", "f")), "tool_calls")

    assert OutputType.of(Ticket).parsed(response) is response


def test_output_refuses_what_has_no_schema():
    with pytest.raises(ir.ConfigError, match="pydantic model class or a JSON Schema"):
        OutputType.of(int)


@pytest.mark.parametrize(
    ("title", "name"),
    [("Ticket", "Ticket"), ("My answer!", "My_answer"), ("Box[int]", "Box_int"), ("x" * 80, "x" * 64), ("…", "output")],
)
def test_schema_is_named_as_providers_take_it(title, name):
    assert OutputType.of({"type": "object", "title": title}).schema.name == name
    assert OutputType.of(type(title, (Ticket,), {})).schema.name == name


def test_output_is_refused_when_the_answer_is_nested_too_deeply():
    with pytest.raises(ir.OutputValidationError) as caught:
        OutputType.of({"type": "array"}).parsed(answer("[" * 200_000))

    assert caught.value.errors == (("", "nested too deeply"),)
