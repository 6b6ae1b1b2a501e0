"""The rules of the WHATWG event-stream format, one named case each; `rust/sse/tests/standard.rs` is the same table."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferail.core import SSEEvent, SSEParser
from tests.core.reference_framing import ReferenceEvent, parse_event_stream

if TYPE_CHECKING:
    from collections.abc import Iterable

STANDARD = Path(__file__).parents[2] / "rust" / "sse" / "tests" / "standard.rs"
SEPARATORS = "a\u2028b\u2029c\u0085d\x0b\x0c\0\x1ee"
RETRIES = "retry: 007\ndata\n\nretry: -5\ndata\n\nretry: 1_0\ndata\n\nretry:  5\ndata\n\nretry: ٣\ndata\n\n"

# Name: bytes, field, that field of every event.
RULES: dict[str, tuple[bytes, str, list[str | int | None]]] = {
    "one_data_line_is_one_event": (b"data: a\n\ndata: b\n\n", "data", ["a", "b"]),
    "data_lines_are_joined_with_line_feeds": (b"data: a\ndata: b\ndata\n\n", "data", ["a\nb\n"]),
    "carriage_return_ends_a_line": (b"data: a\rdata: b\r\rdata: c\r\r", "data", ["a\nb", "c"]),
    "carriage_return_and_line_feed_are_one_ending": (
        b"data: a\r\ndata: b\r\n\r\ndata: c\r\r\ndata: d\n\r\n",
        "data",
        ["a\nb", "c", "d"],
    ),
    "line_feed_and_carriage_return_are_two_endings": (b"data: a\n\rdata: b\n\r", "data", ["a", "b"]),
    "leading_byte_order_mark_is_dropped": (b"\xef\xbb\xbfdata: a\n\n", "data", ["a"]),
    "later_byte_order_mark_is_text": (
        b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: \xef\xbb\xbfb\n\n",
        "data",
        ["\ufeffb"],
    ),
    "part_of_a_byte_order_mark_is_text": (b"\xef\xbbdata: a\n\ndata: b\n\n", "data", ["b"]),
    "one_space_after_the_colon_is_dropped": (b"data:a\n\ndata:  b\n\ndata:\tc\n\n", "data", ["a", " b", "\tc"]),
    "first_colon_ends_the_name": (b"data: a: b:c\n\n", "data", ["a: b:c"]),
    "line_without_a_colon_is_a_name": (b"data\ndata\n\n", "data", ["\n"]),
    "empty_data_is_an_event": (b"data:\n\ndata\n\n", "data", ["", ""]),
    "comment_says_nothing": (b": hello\ndata: a\n:\n\n: bye\n\n", "data", ["a"]),
    "unknown_field_says_nothing": (b"foo: b\nDATA: c\n data: d\ndata : e\ndata: a\n\n", "data", ["a"]),
    "event_type_lasts_for_one_event": (
        b"event: a\nevent: b\ndata: 1\n\ndata: 2\n\nevent: c\n\ndata: 3\n\n",
        "event",
        ["b", "message", "message"],
    ),
    "event_without_data_is_dropped": (b"event: ping\n\nid: 1\n\nretry: 1\n\n\n\ndata: a\n\n", "data", ["a"]),
    "id_stays_until_it_is_replaced": (
        b"id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\nid: 2\n\ndata: d\n\n",
        "id",
        ["1", "1", "", "2"],
    ),
    "id_with_nul_is_dropped": (b"id: 1\ndata: a\n\nid: x\0y\ndata: b\n\n", "id", ["1", "1"]),
    "blank_lines_after_an_id_are_no_events": (b"id: 1\ndata: a\n\n\n\n\n", "data", ["a"]),
    "retry_takes_only_ascii_digits": (RETRIES.encode(), "retry", [7, None, None, None, None]),
    "unterminated_event_is_dropped": (b"data: a\n\ndata: b\n", "data", ["a"]),
    "other_separators_are_text": (f"data: {SEPARATORS}\n\n".encode(), "data", [SEPARATORS]),
    "invalid_utf_8_is_replaced": (
        b"data: a\xff\xc3b\n\ndata: \xe2\x82\ndata: \xac\n\ndata: \xf0\x9f\x98\x80\n\n",
        "data",
        ["a\ufffd\ufffdb", "\ufffd\n\ufffd", "😀"],
    ),
}
every_rule = pytest.mark.parametrize(("body", "field", "expected"), RULES.values(), ids=RULES)


def parse(chunks: Iterable[bytes]) -> list[SSEEvent]:
    parser = SSEParser()
    return [event for chunk in chunks for event in parser.feed(chunk)]


def fields(event: SSEEvent | ReferenceEvent) -> tuple[str, str, str, int | None]:
    return event.event, event.data, event.id, event.retry


@every_rule
def test_parser_follows_the_rule_when_fed_whole(body: bytes, field: str, expected: list[str | int | None]) -> None:
    """Serves R99."""
    assert [getattr(event, field) for event in parse([body])] == expected


@every_rule
def test_parser_follows_the_rule_when_cut_anywhere(body: bytes, field: str, expected: list[str | int | None]) -> None:
    """Serves R99."""
    single = [body[at : at + 1] for at in range(len(body))]
    halves = [[body[:at], body[at:]] for at in range(len(body))]

    for chunks in [single, *halves]:
        assert [getattr(event, field) for event in parse(chunks)] == expected


@every_rule
def test_reference_follows_the_rule(body: bytes, field: str, expected: list[str | int | None]) -> None:
    assert [getattr(event, field) for event in parse_event_stream(body)] == expected


def test_rules_are_those_of_the_rust_table() -> None:
    names = re.findall(r"^    (\w+):$", STANDARD.read_text(encoding="utf-8"), re.MULTILINE)

    assert names == list(RULES)


PIECES = [
    "data",
    "data:",
    "data: ",
    "event: e",
    "id: ",
    "retry: ",
    ":",
    "\n",
    "\n",
    "\r",
    "\r\n",
    "\n\n",
    "12",
    " ",
    "x",
    "é",
    "😀",
    "\0",
    "\ufeff",
    "\u2028",
]


@given(
    pieces=st.lists(st.sampled_from(PIECES).map(str.encode) | st.binary(max_size=2), max_size=60),
    cuts=st.lists(st.integers(0, 300), max_size=20),
)
def test_parser_gives_what_the_reference_gives_when_split_anywhere(pieces: list[bytes], cuts: list[int]) -> None:
    """Serves R99."""
    body = b"".join(pieces)
    places = sorted(min(cut, len(body)) for cut in cuts)
    chunks = [body[start:end] for start, end in zip([0, *places], [*places, len(body)], strict=True)]

    expected = [fields(event) for event in parse_event_stream(body)]

    assert [fields(event) for event in parse(chunks)] == expected
    assert [fields(event) for event in parse([body])] == expected
