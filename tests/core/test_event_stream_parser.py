"""The AWS event stream through the Python classes."""

from __future__ import annotations

import struct
import time
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferail.core import EventStreamMessage, EventStreamParser
from inferail.errors import StreamError
from tests.core.event_streams import framed, header, message

PLAIN = message(b'{"a":1}', {":event-type": "messageStart", ":message-type": "event"})


def parse(*chunks: bytes) -> list[EventStreamMessage]:
    parser = EventStreamParser()
    return [found for chunk in chunks for found in parser.feed(chunk)]


def fields(messages: list[EventStreamMessage]) -> list[tuple[dict[str, object], bytes]]:
    return [(dict(found.headers), found.payload) for found in messages]


def test_parser_gives_headers_and_payload_of_a_message() -> None:
    """Serves R99."""
    (found,) = parse(PLAIN)

    assert found.headers == {":event-type": "messageStart", ":message-type": "event"}
    assert found.payload == b'{"a":1}'


def test_parser_reads_all_ten_types_of_header_values() -> None:
    written = b"".join(
        bytes([len(name)]) + name.encode() + value
        for name, value in {
            "true": b"\x00",
            "false": b"\x01",
            "byte": struct.pack(">Bb", 2, -128),
            "short": struct.pack(">Bh", 3, -300),
            "integer": struct.pack(">Bi", 4, -70_000),
            "long": struct.pack(">Bq", 5, -(2**40)),
            "bytes": b"\x06\x00\x02\x00\xff",
            "text": b"\x07\x00\x02" + "é".encode(),
            "time": struct.pack(">Bq", 8, 1_700_000_000_123),
            "uuid": b"\x09" + bytes(range(16)),
        }.items()
    )

    (found,) = parse(framed(written))

    assert found.headers == {
        "true": True,
        "false": False,
        "byte": -128,
        "short": -300,
        "integer": -70_000,
        "long": -(2**40),
        "bytes": b"\x00\xff",
        "text": "é",
        "time": 1_700_000_000_123,
        "uuid": UUID(bytes=bytes(range(16))),
    }
    assert found.headers["true"] is True
    assert found.headers["false"] is False


def test_parser_keeps_the_first_header_when_a_name_comes_twice() -> None:
    (found,) = parse(framed(header("a", 1) + header("a", 2)))

    assert found.headers == {"a": 1}


values = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.binary(max_size=5) | st.text(max_size=5) | st.uuids()
names = st.text(min_size=1, max_size=8)


@given(
    written=st.lists(st.tuples(st.dictionaries(names, values, max_size=4), st.binary(max_size=30)), max_size=4),
    cuts=st.lists(st.integers(0, 400)),
)
def test_parser_gives_the_messages_that_were_written_when_split_anywhere(
    written: list[tuple[dict[str, bool | int | bytes | str | UUID], bytes]], cuts: list[int]
) -> None:
    """Serves R99."""
    body = b"".join(message(payload, headers) for headers, payload in written)
    places = sorted(min(cut, len(body)) for cut in cuts)
    chunks = [body[start:end] for start, end in zip([0, *places], [*places, len(body)], strict=True)]

    assert fields(parse(*chunks)) == written


@pytest.mark.parametrize("at", range(len(PLAIN)))
def test_parser_finds_damage_of_any_byte(at: int) -> None:
    damaged = PLAIN[:at] + bytes([PLAIN[at] ^ 1]) + PLAIN[at + 1 :]
    parser = EventStreamParser()

    with pytest.raises(StreamError, match="checksum of a message") as caught:
        parser.feed(PLAIN + damaged)

    assert fields(caught.value.partial) == fields(parse(PLAIN))
    with pytest.raises(StreamError, match="checksum"):
        parser.feed(PLAIN)


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        pytest.param(message(b"x" * 11), "event is larger than 10 bytes", id="payload"),
        pytest.param(framed(b"x" * 131_073), "headers of a message are larger than 131072 bytes", id="headers"),
        pytest.param(framed(header("a", 1) + b"\x01b\x0a"), "malformed header at byte 11 of the headers", id="type"),
    ],
)
def test_parser_raises_stream_error_when_a_message_is_beyond_the_format(broken: bytes, sentence: str) -> None:
    with pytest.raises(StreamError, match=sentence):
        EventStreamParser(max_payload_bytes=10).feed(broken)


def test_parser_says_whether_the_stream_ends_within_a_message() -> None:
    """Serves R88."""
    parser = EventStreamParser()

    inside = [parser.feed(bytes([byte])) or parser.inside for byte in PLAIN]

    assert inside[:-1] == [True] * (len(PLAIN) - 1)
    assert not parser.inside


def test_parser_stays_linear_when_one_message_is_huge() -> None:
    body = message(b"x" * (4 << 20))
    started = time.perf_counter()

    (found,) = parse(*(body[at : at + 256] for at in range(0, len(body), 256)))

    assert len(found.payload) == 4 << 20
    assert time.perf_counter() - started < 5  # copying the rest at every read would take minutes


def test_message_repr_shows_no_content() -> None:
    (found,) = parse(message(b"secret", {"name": "secret"}))

    assert repr(found) == "<EventStreamMessage len(headers)=1, len(payload)=6>"


def test_message_headers_are_a_copy() -> None:
    (found,) = parse(PLAIN)

    found.headers.clear()

    assert found.headers
