"""The schema that a model sees, compared with schemas written by hand, and the check of what it sends."""

import copy
import enum
import json
import pickle
import sys
import typing
from collections.abc import AsyncIterator, Callable
from datetime import date
from typing import Annotated, Any, Literal, Optional

import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

import inferail as ir
from inferail.pipelines.tools.function import FunctionTool
from inferail.pipelines.tools.protocol import RunnableTool


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


class Address(BaseModel):
    """Where something goes."""

    street: str
    postcode: str | None = None


class Node(BaseModel):
    name: str
    children: list["Node"] = []


class Span(TypedDict):
    first: int
    last: int


def plain(order_id: str, lines: list[int], urgent: bool = False, weight: float = 1.5) -> str:
    """Status of one order.

    Args:
        order_id: As printed.
    """
    return ""


def annotated(
    city: Annotated[str, Field(description="A town.", min_length=2)],
    days: Annotated[int, Field(ge=1), "How many."] = 3,
    unit: Literal["c", "f"] = "c",
) -> str:
    """Args:
    city: Not this one.
    """
    return ""


def nested(address: Address, also: Optional[Address] = None, span: Span | None = None) -> str:  # noqa: UP045
    return ""


def recursive(tree: Node) -> str:
    return ""


def choices(size: Size, when: date, data: dict[str, int], either: int | str) -> str:
    return ""


def nothing() -> str:
    return ""


GOLDEN: dict[Any, dict[str, Any]] = {
    plain: {
        "properties": {
            "order_id": {"type": "string", "description": "As printed."},
            "lines": {"type": "array", "items": {"type": "integer"}},
            "urgent": {"type": "boolean", "default": False},
            "weight": {"type": "number", "default": 1.5},
        },
        "required": ["order_id", "lines"],
    },
    annotated: {
        "properties": {
            "city": {"type": "string", "description": "A town.", "minLength": 2},
            "days": {"type": "integer", "description": "How many.", "minimum": 1, "default": 3},
            "unit": {"type": "string", "enum": ["c", "f"], "default": "c"},
        },
        "required": ["city"],
    },
    nested: {
        "$defs": {
            "Address": {
                "description": "Where something goes.",
                "properties": {
                    "street": {"type": "string"},
                    "postcode": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
                },
                "required": ["street"],
                "type": "object",
            },
            "Span": {
                "additionalProperties": False,
                "properties": {"first": {"type": "integer"}, "last": {"type": "integer"}},
                "required": ["first", "last"],
                "type": "object",
            },
        },
        "properties": {
            "address": {"$ref": "#/$defs/Address"},
            "also": {"anyOf": [{"$ref": "#/$defs/Address"}, {"type": "null"}], "default": None},
            "span": {"anyOf": [{"$ref": "#/$defs/Span"}, {"type": "null"}], "default": None},
        },
        "required": ["address"],
    },
    recursive: {
        "$defs": {
            "Node": {
                "properties": {
                    "name": {"type": "string"},
                    "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}, "default": []},
                },
                "required": ["name"],
                "type": "object",
            }
        },
        "properties": {"tree": {"$ref": "#/$defs/Node"}},
        "required": ["tree"],
    },
    choices: {
        "$defs": {"Size": {"enum": ["s", "l"], "type": "string"}},
        "properties": {
            "size": {"$ref": "#/$defs/Size"},
            "when": {"type": "string", "format": "date"},
            "data": {"type": "object", "additionalProperties": {"type": "integer"}},
            "either": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
        },
        "required": ["size", "when", "data", "either"],
    },
    nothing: {"properties": {}},
}


@pytest.mark.parametrize("function", GOLDEN, ids=lambda function: function.__name__)
def test_tool_schema_is_the_golden_one(function):
    """Serves R131."""
    tool = ir.tool(function)

    assert tool.parameters == {"type": "object", "additionalProperties": False, **GOLDEN[function]}
    jsonschema.Draft202012Validator.check_schema(tool.parameters)


def test_tool_takes_name_and_description_from_the_function():
    tool = ir.tool(plain)

    assert (tool.name, tool.description, tool.strict) == ("plain", "Status of one order.", None)
    assert (tool.__name__, tool.__doc__, tool.__wrapped__) == ("plain", plain.__doc__, plain)


def test_tool_is_told_otherwise_with_arguments():
    @ir.tool(name="order", description="Looks.", permission="read", timeout=2, strict=True)
    def function(order_id: str) -> str:
        """Not this."""
        return order_id

    assert (function.name, function.description, function.permission) == ("order", "Looks.", "read")
    assert (function.timeout, function.strict, function.side_effects) == (2.0, True, False)
    assert function("7") == "7"


def test_tool_is_a_tool_and_can_be_run():
    tool = ir.tool(plain)

    assert isinstance(tool, ir.Tool)
    assert isinstance(tool, RunnableTool)
    assert tool.definition is tool
    assert copy.deepcopy(tool) is tool
    assert pickle.loads(pickle.dumps(tool)) == ir.Tool("plain", "Status of one order.", tool.parameters)


def test_tool_of_a_bound_method_leaves_self_out():
    class Service:
        def __init__(self):
            self.orders = {"7": "sent"}

        def status(self, order_id: str) -> str:
            return self.orders[order_id]

    tool = ir.tool(Service().status, permission="read")

    assert list(tool.parameters["properties"]) == ["order_id"]
    assert tool(order_id="7") == "sent"


def test_tool_knows_types_that_stand_beside_it():
    class Local(BaseModel):
        number: int

    def function(local: "Local") -> str:
        return str(local.number)

    assert ir.tool(function).parameters["required"] == ["local"]


def test_tool_parameters_may_be_called_like_methods_of_a_model():
    def function(schema: str, copy: int, model_config: bool, _private: str = "p") -> str:
        return ""

    assert list(ir.tool(function).parameters["properties"]) == ["schema", "copy", "model_config", "_private"]


def test_tool_leaves_out_a_default_that_is_no_json():
    nobody: Any = object()

    def function(key: str = nobody) -> str:
        return "" if key is nobody else key

    tool = ir.tool(function)

    assert tool.parameters["properties"] == {"key": {"type": "string"}}
    assert tool.prepared({}) == {"key": nobody}


def _star(*args: str) -> str:
    return ""


def _keywords(**options: str) -> str:
    return ""


def _bare(order_id) -> str:
    return ""


def _unknown(order: "Missing") -> str:  # type: ignore[name-defined]  # noqa: F821
    return ""


def _callable(callback: Callable[[int], int]) -> str:
    return ""


async def _pieces(count: int) -> AsyncIterator[int]:
    yield count


class _Old(typing.TypedDict):
    a: int


def _old(a: _Old) -> str:
    return ""


class _Method:
    def method(self, a: int) -> str:
        return ""


@pytest.mark.parametrize(
    ("function", "message"),
    [
        pytest.param(_star, "a name and a type", id="star"),
        pytest.param(_keywords, "a name and a type", id="keywords"),
        pytest.param(_bare, "'order_id' has no annotation", id="bare"),
        pytest.param(_unknown, "'Missing' is not known", id="unknown"),
        pytest.param(_callable, "'callback' has a type", id="no-schema"),
        pytest.param(
            _old,
            "typing_extensions",
            id="old",
            marks=pytest.mark.skipif(sys.version_info >= (3, 12), reason="is known"),
        ),
        pytest.param(_Method.method, "the bound one", id="method"),
        pytest.param(_pieces, "return a list", id="pieces"),
        pytest.param(_Method, "not from a type", id="class"),
        pytest.param("text", "not from a str", id="text"),
        pytest.param(lambda: "", "cannot be called", id="lambda"),
    ],
)
def test_tool_refuses_a_function_that_a_model_cannot_call(function, message):
    with pytest.raises(ir.ConfigError, match=message):
        ir.tool(function)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"permision": "read"}, "no option 'permision'", id="unknown"),
        pytest.param({"permission": "all"}, "a permission is one of", id="permission"),
        pytest.param({"timeout": 0}, "timeout must be", id="timeout"),
        pytest.param({"max_calls": -1}, "max_calls must be", id="calls"),
        pytest.param({"cost_usd": float("nan")}, "cost_usd must be", id="cost"),
        pytest.param({"allow": {"nope": ".*"}}, "no argument 'nope'", id="allow-unknown"),
        pytest.param({"allow": {"order_id": "("}}, "no regular expression", id="allow-broken"),
        pytest.param({"allow": {"order_id": 3}}, "or a predicate", id="allow-number"),
        pytest.param({"allow": "order_id"}, "names arguments", id="allow-text"),
        pytest.param({"approve": True}, "approve must be", id="approve"),
        pytest.param({"errors": ("KeyError",)}, "exception classes", id="errors"),
        pytest.param({"name": "two words"}, "cannot be called", id="name"),
    ],
)
def test_tool_refuses_a_wrong_option(options, message):
    with pytest.raises(ir.ConfigError, match=message):
        ir.tool(plain, **options)


def checked(function, arguments):
    return FunctionTool(function, {})._parameters.validated(arguments)


def test_arguments_become_what_the_function_wants():
    made = checked(choices, {"size": "s", "when": "2026-01-02", "data": {"a": 1}, "either": "x"})

    assert made == {"size": Size.SMALL, "when": date(2026, 1, 2), "data": {"a": 1}, "either": "x"}


def test_arguments_get_their_defaults():
    assert checked(plain, '{"order_id": "7", "lines": []}') == {
        "order_id": "7",
        "lines": [],
        "urgent": False,
        "weight": 1.5,
    }


@given(
    st.fixed_dictionaries(
        {"order_id": st.text(), "lines": st.lists(st.integers(-(2**40), 2**40))},
        optional={"urgent": st.booleans(), "weight": st.floats(allow_nan=False, allow_infinity=False)},
    )
)
def test_arguments_that_fit_the_schema_arrive_unchanged(arguments):
    text = json.dumps(arguments)

    assert checked(plain, text) == {"urgent": False, "weight": 1.5, **json.loads(text)}
    assert checked(plain, arguments) == checked(plain, text)


@given(
    st.dictionaries(st.sampled_from(["order_id", "lines", "urgent", "x"]), st.none() | st.text() | st.lists(st.none()))
)
def test_arguments_that_do_not_fit_the_schema_are_refused(arguments):
    tool = ir.tool(plain)
    fits = jsonschema.Draft202012Validator(tool.parameters).is_valid(arguments)

    outcome = tool.prepared(arguments)

    # A text may stand for a number or a truth value, which pydantic reads: then it fits though the schema says no.
    if fits:
        assert not isinstance(outcome, ir.ToolOutcome)
    elif not isinstance(outcome, ir.ToolOutcome):
        assert isinstance(arguments.get("urgent"), str)
