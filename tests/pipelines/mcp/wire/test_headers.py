"""Header values survive HTTP whatever is in them, and only properly marked arguments are repeated."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferail.pipelines.mcp.wire.headers import (
    decode_value,
    encode_value,
    mirrored,
    parameter_headers,
    routing_headers,
)


@given(st.text())
def test_value_is_read_as_it_was_written_and_is_plain_on_the_way(value):
    try:
        written = encode_value(value)
    except UnicodeEncodeError:
        return  # half a surrogate pair is no text
    assert written == written.strip()
    assert all(" " <= each <= "~" for each in written)
    assert decode_value(written) == value


@pytest.mark.parametrize("value", ["=?base64?!?=", "=?base64?YQ?=", "=?base64?/w==?=", "=?base64?YR==?="])
def test_broken_value_is_nobodys(value):
    assert decode_value(value) is None


def test_what_has_a_name_is_routed_by_it():
    assert routing_headers("tools/call", {"name": "add"}) == {"Mcp-Method": "tools/call", "Mcp-Name": "add"}
    assert routing_headers("resources/read", {"uri": "a:b"}) == {"Mcp-Method": "resources/read", "Mcp-Name": "a:b"}
    assert routing_headers("tools/list", {"name": "add"}) == {"Mcp-Method": "tools/list"}
    assert routing_headers("tools/call", {"name": 7}) == {"Mcp-Method": "tools/call"}


def schema(**properties):
    return {"type": "object", "properties": properties}


REGION = {"type": "string", "x-mcp-header": "Region"}


def test_marked_arguments_are_found_at_any_depth_of_objects():
    marked = mirrored(schema(region=REGION, where=schema(zone={"type": "integer", "x-mcp-header": "Zone"})))

    assert marked == {("region",): "Region", ("where", "zone"): "Zone"}
    assert parameter_headers(marked, {"region": "eu", "where": {"zone": 7}}) == {
        "Mcp-Param-Region": "eu",
        "Mcp-Param-Zone": "7",
    }
    assert parameter_headers(marked, {"region": None, "where": 7}) == {}
    assert parameter_headers({("on",): "On"}, {"on": True}) == {"Mcp-Param-On": "true"}
    assert parameter_headers({("name",): "Name"}, {"name": "Zoë"}) == {"Mcp-Param-Name": "=?base64?Wm/Dqw==?="}


@pytest.mark.parametrize(
    "wrong",
    [
        schema(a={"type": "string", "x-mcp-header": "No good"}),
        schema(a={"type": "string", "x-mcp-header": 7}),
        schema(a={"type": "number", "x-mcp-header": "A"}),
        schema(a={"x-mcp-header": "A"}),
        schema(a=REGION, b={"type": "string", "x-mcp-header": "region"}),
        schema(a={"type": "array", "items": REGION}),
        {"properties": 7},
        7,
    ],
)
def test_schema_that_marks_wrongly_marks_nothing(wrong):
    assert mirrored(wrong) == {}
