"""Typed answers: which types there are, and what is read out of an answer's text."""

import json
import sys
import traceback
from typing import Annotated, Any, Literal, TypedDict, cast

import pytest
from pydantic import BaseModel, Field, RootModel
from tests.structured.shapes import City, Colour, Line, Node, Order, Pet, Point, Refund, Ticket, YesNo

import inferail as ir
from inferail.structured import Matching, Output, OutputType
from inferail.testing import ScriptedModel


def answer(
    text: str, finish_reason: Literal["stop", "length", "content_filter"] = "stop", **more: Any
) -> ir.Response[Any]:
    return ir.Response(ir.assistant(text), finish_reason, **more)


class Tags(RootModel[list[str]]):
    pass


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        pytest.param(
            Ticket, '{"category":"outage","urgent":true}', Ticket(category="outage", urgent=True), id="pydantic"
        ),
        pytest.param(City, '{"name":"Oslo","people":7}', {"name": "Oslo", "people": 7}, id="typed-dict"),
        pytest.param(Point, '{"x":1,"y":2}', Point(1.0, 2.0), id="dataclass"),
        pytest.param(Point, '{"x":1}', Point(1.0), id="default"),
        pytest.param(Colour, '{"answer":"red"}', Colour.RED, id="enum"),
        pytest.param(YesNo, '{"answer":"yes"}', "yes", id="literal"),
        pytest.param(bool, '{"answer":true}', True, id="bool"),
        pytest.param(int | None, '{"answer":null}', None, id="optional"),
        pytest.param(list[Point], '{"answer":[{"x":1,"y":2}]}', [Point(1.0, 2.0)], id="list"),
        pytest.param(tuple[int, str], '{"answer":[1,"a"]}', (1, "a"), id="tuple"),
        pytest.param(dict[str, int], '{"a":1}', {"a": 1}, id="map"),
        pytest.param(
            Ticket | Refund, '{"answer":{"order":7,"reason":"late"}}', Refund(order=7, reason="late"), id="union"
        ),
        pytest.param(Annotated[int, Field(ge=3)], '{"answer":3}', 3, id="annotated"),
        pytest.param(Tags, '{"answer":["a"]}', Tags(["a"]), id="root-model"),
        pytest.param(
            Node, '{"name":"a","children":[{"name":"b"}]}', Node(name="a", children=[Node(name="b")]), id="recursive"
        ),
        pytest.param({"type": "object", "title": "city"}, '{"name":"Oslo"}', {"name": "Oslo"}, id="json-schema"),
        pytest.param({"type": "array", "items": {"type": "integer"}}, '{"answer":[1]}', [1], id="schema-of-a-list"),
        pytest.param(ir.OutputSchema({"enum": ["a", "b"]}), '{"answer":"b"}', "b", id="output-schema"),
        pytest.param(
            Output[Ticket | Refund](), '{"answer":{"order":7,"reason":"x"}}', Refund(order=7, reason="x"), id="Output[]"
        ),
        pytest.param(
            Output(City, name="town"), '{"name":"Oslo","people":7}', {"name": "Oslo", "people": 7}, id="Output()"
        ),
        pytest.param(Matching(r"\d{4}"), " 2026\n", "2026", id="matching"),
    ],
)
def test_output_is_a_value_of_the_type_when_the_answer_matches(kind, text, expected):
    """Serves R123, R144, R147."""
    output = OutputType.of(kind).parsed(answer(text)).output

    assert output == expected
    assert type(output) is type(expected)


@pytest.mark.parametrize("kind", [Ticket, YesNo, list[Line], Ticket | Refund, Pet, int, Node])
def test_every_schema_is_of_an_object(kind):
    schema = OutputType.of(kind).schema

    assert schema
    assert schema.schema.get("type", "object") == "object"
    assert "anyOf" not in schema.schema


def test_fields_are_not_named_twice():
    schema = OutputType.of(Order).schema

    assert schema
    assert "title" not in schema.schema["properties"]["lines"]


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        pytest.param(list[int], "[1, 2]", [1, 2], id="bare-list"),
        pytest.param(list[int], "```json\n[1, 2]\n```", [1, 2], id="bare-list-in-a-fence"),
        pytest.param(YesNo, '"yes"', "yes", id="bare-word-in-quotes"),
        pytest.param(YesNo, "yes\n", "yes", id="bare-word"),
        pytest.param(Colour, "red", Colour.RED, id="bare-word-of-an-enum"),
        pytest.param(Ticket | Refund, '{"order": 1, "reason": "x"}', Refund(order=1, reason="x"), id="bare-union"),
        pytest.param(Point, json.dumps('{"x": 1}'), Point(1.0), id="json-in-a-string"),
        pytest.param(Point, '{"x": 1, "y": null}', Point(1.0), id="null-for-left-out"),
        pytest.param(list[Point], '{"answer": [{"x": 1, "y": null}]}', [Point(1.0)], id="null-inside"),
        pytest.param(
            {
                "type": "object",
                "properties": {"a": {"type": "string"}, "b": {"anyOf": [{"type": "string"}, {"type": "null"}]}},
            },
            '{"a": null, "b": null}',
            {"b": None},
            id="null-in-plain-data",
        ),
    ],
)
def test_answer_of_another_shape_is_read_when_it_means_the_same(kind, text, expected):
    """Serves R146."""
    assert OutputType.of(kind).parsed(answer(text)).output == expected


def test_required_null_is_not_left_out():
    with pytest.raises(ir.OutputValidationError) as caught:
        OutputType.of(Point).parsed(answer('{"x": null}'))

    assert caught.value.errors == (("x", "float_type"),)


@pytest.mark.parametrize("text", ['{"category":"CANARY"}', "CANARY", '{"category":"CANARY","urgent":', '{"CANARY": 1}'])
def test_output_error_names_the_problem_and_hides_the_answer_when_it_does_not_match(text):
    """Serves R189."""
    with pytest.raises(ir.OutputValidationError) as caught:
        OutputType.of(Ticket).parsed(answer(text, "length"))

    printed = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(caught.value.errors)
    assert "CANARY" not in printed
    assert "length" in str(caught.value)
    assert caught.value.text == text
    assert caught.value.errors


@pytest.mark.parametrize("kind", [dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}])
def test_error_paths_hide_names_that_the_answer_made_up(kind):
    """Serves R189."""
    with pytest.raises(ir.OutputValidationError) as caught:
        OutputType.of(kind).parsed(answer('{"CANARY": "x"}'))

    assert [path for path, _ in caught.value.errors] == ["*"]


def test_plain_data_is_checked_against_its_schema():
    """Serves R147."""
    schema = {"type": "object", "properties": {"age": {"type": "integer", "minimum": 0}}, "required": ["age"]}

    with pytest.raises(ir.OutputValidationError) as caught:
        OutputType.of(schema).parsed(answer('{"age": -1}'))

    assert caught.value.errors == (("age", "minimum"),)


@pytest.mark.parametrize("text", ["yes", "2026-13", "in 2026-11 it was", ""])
def test_matching_refuses_text_that_the_pattern_does_not_match_whole(text):
    """Serves R147."""
    with pytest.raises(ir.OutputValidationError) as caught:
        OutputType.of(Matching(r"\d{4}-(0[1-9]|1[0-2])")).parsed(answer(text))

    assert caught.value.errors == (("", "pattern"),)


def test_repair_is_told_in_the_warnings():
    """Serves R146."""
    response = OutputType.of(Point).parsed(answer("```json\n{x: 1,}\n```", warnings=("old",)))

    assert response.output == Point(1.0)
    assert response.warnings[0] == "old"
    assert "a trailing comma" in response.warnings[1]


def test_valid_answer_has_no_warning():
    assert OutputType.of(Point).parsed(answer('{"x": 1}')).warnings == ()


@pytest.mark.parametrize("text", ['{"x": 1, "y": 2', '{"x": 1', '{"x": 1.5, "y":'])
def test_cut_off_answer_is_never_passed_off_as_whole(text):
    """Serves R93, R146."""
    with pytest.raises(ir.OutputValidationError, match="cut off") as caught:
        OutputType.of(Point).parsed(answer(text, "length"))

    assert caught.value.errors == (("", "truncated"),)
    assert caught.value.partial["x"] in (1, 1.5)


def test_cut_off_answer_is_taken_and_told_when_that_was_asked_for():
    """Serves R146."""
    response = OutputType.of(Output(Point, truncated="accept")).parsed(answer('{"x": 1, "y": 2', "length"))

    assert response.output == Point(1.0, 2.0)
    assert response.truncated
    assert "brackets missing at the end" in response.warnings[0]


def test_answer_that_hit_the_limit_with_its_last_bracket_is_whole():
    assert OutputType.of(Point).parsed(answer('{"x": 1}', "length")).output == Point(1.0)


def test_forgotten_bracket_is_added_when_the_model_says_it_is_done():
    response = OutputType.of(list[Point]).parsed(answer('{"answer": [{"x": 1}'))

    assert response.output == [Point(1.0)]
    assert response.warnings


def test_answer_that_stops_inside_a_word_is_not_completed():
    with pytest.raises(ir.OutputValidationError) as caught:
        OutputType.of(Ticket).parsed(answer('{"urgent": true, "category": "outa'))

    assert caught.value.errors == (("", "truncated"),)


def test_refusal_is_named():
    response: ir.Response[Any] = ir.Response(ir.Message("assistant", (ir.Refusal("CANARY"),)), "content_filter")

    with pytest.raises(ir.OutputValidationError, match="refused") as caught:
        OutputType.of(Ticket).parsed(response)

    assert caught.value.errors == (("", "refused"),)


def test_output_leaves_a_tool_call_alone():
    response: ir.Response[Any] = ir.Response(ir.assistant(ir.ToolCall("1", "f")), "tool_calls")

    assert OutputType.of(Ticket).parsed(response) is response


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(lambda: OutputType.of(print), "pydantic model class, another type", id="function"),
        pytest.param(lambda: OutputType.of(object()), "pydantic model class, another type", id="object"),
        pytest.param(lambda: OutputType.of({"$ref": "#/$defs/no", "$defs": {}}), "#/\\$defs/no", id="reference"),
        pytest.param(lambda: OutputType.of({"$ref": "https://x/y"}), "inside it", id="remote"),
        pytest.param(
            lambda: OutputType.of({"type": "object", "properties": {"a": {"pattern": "("}}}), "pattern", id="pattern"
        ),
        pytest.param(
            lambda: OutputType.of({"type": "object", "unevaluatedProperties": False}), "unevaluated", id="keyword"
        ),
        pytest.param(Output, "needs a type", id="no-type"),
        pytest.param(lambda: Output(Ticket, corrections=-1), "corrections", id="corrections"),
        pytest.param(lambda: Output(Ticket, truncated=cast("Any", "no")), "truncated", id="truncated"),
        pytest.param(lambda: Output(Ticket, mode=cast("Any", "magic")), "mode", id="mode"),
        pytest.param(lambda: Output(Ticket, **cast("Any", {"retries": 2})), "'retries'", id="unknown"),
        pytest.param(lambda: Matching("("), "regular expression", id="matching"),
        pytest.param(lambda: ir.OutputSchema({}, mode=cast("Any", "magic")), "mode", id="schema-mode"),
    ],
)
def test_wrong_output_is_a_config_error_before_anything_is_asked(make, words):
    with pytest.raises(ir.ConfigError, match=words):
        make()


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="pydantic takes it from Python 3.12 on")
def test_typing_typed_dict_is_refused_with_the_way_out():
    class Plain(TypedDict):
        a: int

    with pytest.raises(ir.ConfigError, match="typing_extensions"):
        OutputType.of(Plain)


@pytest.mark.parametrize(
    ("title", "name"),
    [("Ticket", "Ticket"), ("My answer!", "My_answer"), ("Box[int]", "Box_int"), ("x" * 80, "x" * 64), ("…", "output")],
)
def test_schema_is_named_as_providers_take_it(title, name):
    named, typed = (
        OutputType.of({"type": "object", "title": title}).schema,
        OutputType.of(type(title, (Ticket,), {})).schema,
    )

    assert named
    assert typed
    assert named.name == typed.name == name


def test_output_is_refused_when_the_answer_is_nested_too_deeply():
    for kind in ({"type": "array"}, list[Any], Node):
        with pytest.raises(ir.OutputValidationError) as caught:
            OutputType.of(kind).parsed(answer("[" * 200_000))

        assert caught.value.errors[0][1] in ("too_deep", "not_json")


def test_type_is_compiled_once():
    class Mine(BaseModel):
        a: int

    assert OutputType.of(Mine) is OutputType.of(Mine)
    assert OutputType.of(list[Mine]) is OutputType.of(list[Mine])


def test_schema_is_prepared_once_whatever_becomes_of_the_callers_copy():
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    first = OutputType.of(schema)

    assert OutputType.of(dict(schema)) is first
    schema["required"] = []
    assert OutputType.of(schema) is not first
    assert OutputType.of({**schema, "required": ["a"]}) is first
    assert first.schema
    assert first.schema.schema["required"] == ["a"]


def test_unions_of_another_order_are_other_outputs():
    first, second = OutputType.of(int | str).schema, OutputType.of(str | int).schema

    assert first
    assert second
    assert first.schema != second.schema


def test_parametrised_output_may_stand_in_annotations_and_bases():
    class Mine(Output[Ticket]):
        pass

    assert Output[Ticket] | None == Output | None
    assert None | Output[Ticket] == None | Output
    assert Mine(Ticket).type.name == "Ticket"
    assert isinstance(Output[Ticket | Refund](), Output)


def test_client_types_every_kind_of_output():
    """Serves R144."""
    client = ir.Client(ScriptedModel(['{"answer": "yes"}', '{"answer": [{"x": 1}]}', "2026"]))

    word: Literal["yes", "no"] | None = client.complete("?", output=Output[Literal["yes", "no"]]()).output
    points: list[Point] | None = client.complete("?", output=list[Point]).output
    year: str | None = client.complete("?", output=Matching(r"\d{4}")).output

    assert (word, points, year) == ("yes", [Point(1.0)], "2026")
