"""`SSEParser` beyond the rules of the standard, which `test_sse_rules.py` has: fields, bounds, large events."""

from __future__ import annotations

import pytest

from inferail.core import BUILD_INFO, SSEEvent, SSEParser, __version__
from inferail.errors import StreamError


def parse(*chunks: bytes) -> list[SSEEvent]:
    parser = SSEParser()
    return [event for chunk in chunks for event in parser.feed(chunk)]


def fields(events: list[SSEEvent]) -> list[tuple[str, str, str, int | None]]:
    return [(event.event, event.data, event.id, event.retry) for event in events]


def test_parser_reports_type_id_and_retry_of_an_event() -> None:
    events = parse(b"event: delta\nid: 7\nretry: 3000\ndata: a\n\ndata: b\n\n")

    assert fields(events) == [("delta", "a", "7", 3000), ("message", "b", "7", None)]


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


def test_parser_gives_a_huge_event_whole_when_read_in_small_pieces() -> None:
    body = b"data: " + b"x" * (4 << 20) + b"\n\n"

    # Copying what is there at every read would take minutes.
    (event,) = parse(*(body[at : at + 256] for at in range(0, len(body), 256)))

    assert len(event.data) == 4 << 20


def test_event_repr_shows_no_data() -> None:
    assert repr(parse(b"data: secret\n\n")[0]) == '<SSEEvent event="message", len(data)=6>'


def test_build_info_says_how_the_extension_was_built() -> None:
    assert set(BUILD_INFO) == {"version", "profile", "target", "features"}
    assert BUILD_INFO["version"] == __version__
    assert BUILD_INFO["profile"] in {"debug", "release"}
