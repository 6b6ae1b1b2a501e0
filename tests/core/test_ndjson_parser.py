"""Newline-delimited JSON: one named case for every rule, and any stream against the slow twin."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferail.core import NDJSONParser
from inferail.errors import StreamError
from tests.core.reference_framing import split_ndjson

RULES: dict[str, tuple[bytes, list[bytes], bytes | None]] = {
    "line_feed_ends_a_line": (b"1\n2\n", [b"1", b"2"], None),
    "carriage_return_before_it_is_dropped": (b"1\r\n2\r\n", [b"1", b"2"], None),
    "only_one_carriage_return_is_dropped": (b"1\r\r\n", [b"1\r"], None),
    "carriage_return_alone_is_no_ending": (b"1\r2\n", [b"1\r2"], None),
    "blank_lines_say_nothing": (b"\n1\n\r\n \t\n\n2\n", [b"1", b"2"], None),
    "white_space_around_a_value_stays": (b" 1 \n", [b" 1 "], None),
    "separators_of_unicode_are_text": ('"\u2028\u2029\u0085"\n'.encode(), ['"\u2028\u2029\u0085"'.encode()], None),
    "bytes_that_are_no_text_stay": (b"\xff\xc3\0\n", [b"\xff\xc3\0"], None),
    "last_line_without_an_ending_is_left": (b"1\n2", [b"1"], b"2"),
    "white_space_at_the_end_is_nothing": (b"1\n \r", [b"1"], None),
    "no_bytes_are_no_lines": (b"", [], None),
}


def split(body: bytes, cuts: list[int]) -> tuple[list[bytes], bytes | None]:
    places = sorted(min(cut, len(body)) for cut in cuts)
    chunks = [body[start:end] for start, end in zip([0, *places], [*places, len(body)], strict=True)]
    parser = NDJSONParser()
    return [line for chunk in chunks for line in parser.feed(chunk)], parser.finish()


@pytest.mark.parametrize(("body", "lines", "rest"), RULES.values(), ids=RULES)
def test_ndjson_follows_the_rule_when_cut_anywhere(body: bytes, lines: list[bytes], rest: bytes | None) -> None:
    """Serves R99."""
    assert split_ndjson(body) == (lines, rest)
    assert split(body, list(range(len(body)))) == (lines, rest)
    for at in range(len(body) + 1):
        assert split(body, [at]) == (lines, rest)


@given(
    pieces=st.lists(st.sampled_from([b"\n", b"\r\n", b"\r", b" ", b"1", "\u2028".encode()]) | st.binary(max_size=3)),
    cuts=st.lists(st.integers(0, 100), max_size=20),
)
def test_ndjson_gives_what_the_reference_gives_when_split_anywhere(pieces: list[bytes], cuts: list[int]) -> None:
    """Serves R99."""
    body = b"".join(pieces)

    assert split(body, cuts) == split_ndjson(body)


def test_ndjson_raises_stream_error_when_a_line_is_too_large() -> None:
    parser = NDJSONParser(max_line_bytes=3)

    with pytest.raises(StreamError, match="larger than 3 bytes") as caught:
        parser.feed(b"123\n1234")

    assert caught.value.partial == [b"123"]
    with pytest.raises(StreamError):
        parser.feed(b"1\n")


def test_ndjson_finish_gives_the_rest_once() -> None:
    parser = NDJSONParser()

    parser.feed(b'{"a"')

    assert (parser.finish(), parser.finish()) == (b'{"a"', None)
