"""Messages: what is written is read again, what is not JSON-RPC is refused, whatever the bytes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferail.errors import ConfigError, FormatError
from inferail.pipelines.mcp.wire import messages
from inferail.pipelines.mcp.wire.messages import MCPLimits, RpcError

LIMITS = MCPLimits()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
OBJECTS = st.dictionaries(st.text(), JSON, max_size=4)
NUMBERS = st.integers() | st.text()


def depth_of(value):
    """The slow twin of the bound: levels of objects and lists, the outermost one counted."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inside is None else 1 + max(map(depth_of, inside), default=0)


@given(NUMBERS, st.text(min_size=1), OBJECTS)
def test_message_is_read_as_it_was_written(number, method, params):
    for written, kind in (
        (messages.request(number, method, params), "request"),
        (messages.notification(method, params), "notification"),
        (messages.answer(number, params), "response"),
        (messages.failure(number, RpcError(-1, "why", params)), "response"),
    ):
        line = messages.encode(written)
        assert b"\n" not in line
        assert messages.decode(line, LIMITS, "who") == written
        assert messages.kind_of(written) == kind


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_a_message_or_a_format_error(data):
    try:
        message = messages.decode(data, LIMITS, "who")
    except FormatError:
        return
    assert message["jsonrpc"] == "2.0"
    assert messages.kind_of(message) in ("request", "notification", "response")


@given(OBJECTS, st.integers(1, 8))
def test_depth_is_what_a_recursion_would_find(params, most):
    line = messages.encode(messages.notification("m", params))
    deep = depth_of(json.loads(line)) > most

    if deep:
        with pytest.raises(FormatError, match="nested deeper"):
            messages.decode(line, MCPLimits(depth=most), "who")
    else:
        messages.decode(line, MCPLimits(depth=most), "who")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "7",
        '{"jsonrpc":"1.0","method":"m"}',
        '{"jsonrpc":"2.0"}',
        '{"jsonrpc":"2.0","id":1}',
        '{"jsonrpc":"2.0","id":1.5,"method":"m"}',
        '{"jsonrpc":"2.0","id":null,"method":"m"}',
        '{"jsonrpc":"2.0","id":true,"result":{}}',
        '{"jsonrpc":"2.0","result":{}}',
        '{"jsonrpc":"2.0","id":1,"result":7}',
        '{"jsonrpc":"2.0","id":1,"error":"no"}',
        '{"jsonrpc":"2.0","id":1,"error":{"code":"1"}}',
        '{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":7}}',
        '{"jsonrpc":"2.0","method":"m","params":[]}',
        '{"jsonrpc":"2.0","method":"m","params":{"a":NaN}}',
        '{"jsonrpc":"2.0","method":"m","params":{"a":Infinity}}',
        '[{"jsonrpc":"2.0","method":"m"}]',
    ],
)
def test_what_is_not_one_message_is_refused(text):
    with pytest.raises(FormatError):
        messages.decode(text, LIMITS, "who")


def test_large_message_is_refused_before_it_is_parsed():
    with pytest.raises(FormatError, match="more than 10 bytes"):
        messages.decode(b"x" * 11, MCPLimits(message_bytes=10), "who")


@pytest.mark.parametrize("value", [object(), float("nan"), {1, 2}])
def test_what_is_not_json_cannot_be_sent(value):
    with pytest.raises(ConfigError, match="JSON values only"):
        messages.encode(messages.notification("m", {"a": value}))


@pytest.mark.parametrize("value", [0, -1, 1.5, True, None])
def test_limits_are_whole_numbers(value):
    with pytest.raises(ConfigError, match="depth must be a whole number"):
        MCPLimits(depth=value)
