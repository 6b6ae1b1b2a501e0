"""The event-stream rules of the WHATWG standard through the Python classes, and NDJSON."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferail.core import BUILD_INFO, NDJSONParser, SSEEvent, SSEParser, __version__
from inferail.errors import StreamError

RULES = [
    pytest.param(b"data: a\n\n", ["a"], id="one-line"),
    pytest.param(b"data: a\ndata: b\ndata\n\n", ["a\nb\n"], id="several-lines"),
    pytest.param(b"data: a\rdata: b\r\rdata: c\r\r", ["a\nb", "c"], id="carriage-returns"),
    pytest.param(b"data: a\r\n\r\ndata: b\r\n\r\n", ["a", "b"], id="both"),
    pytest.param(b"data: a\n\rdata: b\n\r", ["a", "b"], id="line-feed-then-carriage-return"),
    pytest.param(b"\xef\xbb\xbfdata: a\n\n", ["a"], id="byte-order-mark"),
    pytest.param(b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: b\n\n", ["b"], id="only-the-first-mark"),
    pytest.param(b"data: a\n\n\xef\xbb\xbfdata: b\n\n", ["a"], id="no-mark-later"),
    pytest.param(b"data:a\n\ndata:  b\n\n", ["a", " b"], id="one-space-stripped"),
    pytest.param(b"data\n\ndata:\n\n", ["", ""], id="empty-data"),
    pytest.param(b": hello\ndata: a\n:\n\n", ["a"], id="comments"),
    pytest.param(b"foo: 1\ndata: a\nDATA: b\n data: c\n\n", ["a"], id="unknown-fields"),
    pytest.param(b"event: ping\n\nid: 1\n\nretry: 1\n\n\n", [], id="no-data-no-event"),
    pytest.param(b"id: 1\ndata: a\n\n\n\n\n", ["a"], id="blank-lines-after-an-id"),
    pytest.param(b"data: a\n\ndata: b\n", ["a"], id="unterminated-at-the-end"),
    pytest.param(
        "data: a\u2028b\u2029c\u0085d\x0b\x0ce\n\n".encode(), ["a\u2028b\u2029c\u0085d\x0b\x0ce"], id="unicode"
    ),
    pytest.param(b"data: a\x00b\n\n", ["a\x00b"], id="nul"),
    pytest.param(b"data: a\xffb\xc3\n\n", ["a\ufffdb\ufffd"], id="invalid-utf-8"),
    pytest.param("data: 😀é\n\n".encode(), ["😀é"], id="multi-byte"),
]


def parse(*chunks: bytes) -> list[SSEEvent]:
    parser = SSEParser()
    return [event for chunk in chunks for event in parser.feed(chunk)]


def fields(events: list[SSEEvent]) -> list[tuple[str, str, str, int | None]]:
    return [(event.event, event.data, event.id, event.retry) for event in events]


@pytest.mark.parametrize(("body", "expected"), RULES)
def test_parser_follows_the_standard_when_fed_whole(body: bytes, expected: list[str]) -> None:
    assert [event.data for event in parse(body)] == expected


@pytest.mark.parametrize(("body", "expected"), RULES)
def test_parser_follows_the_standard_when_fed_byte_by_byte(body: bytes, expected: list[str]) -> None:
    assert [event.data for event in parse(*(body[at : at + 1] for at in range(len(body))))] == expected


@given(
    pieces=st.lists(
        st.sampled_from([b"data: ", b"event:", b"id: 1", b"retry: 5", b"\r", b"\n", b"\n\n", b"x", b"\xf0\x9f"])
    ),
    cuts=st.lists(st.integers(0, 200)),
)
def test_parser_gives_the_same_events_when_split_anywhere(pieces: list[bytes], cuts: list[int]) -> None:
    body = b"".join(pieces) + "😀\n\n".encode()
    places = sorted(min(cut, len(body)) for cut in cuts)
    chunks = [body[start:end] for start, end in zip([0, *places], [*places, len(body)], strict=True)]

    assert fields(parse(*chunks)) == fields(parse(body))


def test_parser_reports_type_id_and_retry_of_an_event() -> None:
    events = parse(b"event: delta\nid: 7\nretry: 3000\ndata: a\n\ndata: b\n\n")

    assert fields(events) == [("delta", "a", "7", 3000), ("message", "b", "7", None)]


@pytest.mark.parametrize("value", ["-5", "+5", " 5", "1_0", "5 ", "1.5", "٣", ""])
def test_parser_ignores_retry_when_not_only_ascii_digits(value: str) -> None:
    parser = SSEParser()

    parser.feed(f"retry: {value}\n\n".encode())

    assert parser.reconnection_time is None


def test_parser_keeps_what_a_reconnection_needs_when_no_event_was_dispatched() -> None:
    parser = SSEParser()

    parser.feed(b"id: 9\nretry: 250\n\nid: bad\x00\n\n")

    assert (parser.last_event_id, parser.reconnection_time) == ("9", 250)


def test_parser_raises_stream_error_with_earlier_events_when_one_is_too_large() -> None:
    parser = SSEParser(max_event_bytes=20)

    with pytest.raises(StreamError, match="larger than 20 bytes") as caught:
        parser.feed(b"data: kept\n\ndata: " + b"secret" * 10)

    assert [event.data for event in caught.value.partial] == ["kept"]
    assert "secret" not in str(caught.value)
    with pytest.raises(StreamError):
        parser.feed(b"data: a\n\n")


def test_parser_stays_linear_when_one_event_is_huge() -> None:
    body = b"data: " + b"x" * (4 << 20) + b"\n\n"
    started = time.perf_counter()

    (event,) = parse(*(body[at : at + 256] for at in range(0, len(body), 256)))

    assert len(event.data) == 4 << 20
    assert time.perf_counter() - started < 5  # copying the rest at every read would take minutes


def test_event_repr_shows_no_data() -> None:
    assert repr(parse(b"data: secret\n\n")[0]) == '<SSEEvent event="message", len(data)=6>'


def test_ndjson_splits_at_line_feeds_only() -> None:
    parser = NDJSONParser()
    body = '{"a":"\u2028\u0085"}\r\n\n \n{"b":1}\n{"c"'.encode()

    lines = [line for at in range(len(body)) for line in parser.feed(body[at : at + 1])]

    assert lines == ['{"a":"\u2028\u0085"}'.encode(), b'{"b":1}']
    assert (parser.finish(), parser.finish()) == (b'{"c"', None)


def test_ndjson_raises_stream_error_when_a_line_is_too_large() -> None:
    parser = NDJSONParser(max_line_bytes=3)

    with pytest.raises(StreamError) as caught:
        parser.feed(b"123\n1234")

    assert caught.value.partial == [b"123"]


def test_build_info_says_how_the_extension_was_built() -> None:
    assert set(BUILD_INFO) == {"version", "profile", "target", "features"}
    assert BUILD_INFO["version"] == __version__
    assert BUILD_INFO["profile"] in {"debug", "release"}
