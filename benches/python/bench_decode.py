"""The Rust parsers through Python, with what a caller reads of their objects; no client, no transport."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from inferail.core import NDJSONParser, SSEParser, StreamDecoder

WORDS = 200
NETWORK_READ = 1400

reads = pytest.mark.parametrize("read_bytes", [1, NETWORK_READ, 1 << 20, None], ids=["1", "1400", "whole", "event"])


def _pieces(events: Sequence[bytes], read_bytes: int | None) -> list[bytes]:
    """The body in reads of that size; one event per read for None."""
    if read_bytes is None:
        return list(events)
    whole = b"".join(events)
    return [whole[at : at + read_bytes] for at in range(0, len(whole), read_bytes)]


def _measures(benchmark: Any, pieces: Sequence[bytes], count: int) -> None:
    benchmark.extra_info["events"] = count
    benchmark.extra_info["bytes"] = sum(map(len, pieces))


@reads
def bench_sse_parser(benchmark, bodies, provider, read_bytes):
    events = bodies[provider].events
    pieces = _pieces(events, read_bytes)
    _measures(benchmark, pieces, len(events))

    def parse() -> int:
        count, feed = 0, SSEParser().feed
        for piece in pieces:
            for item in feed(piece):
                _event, _data = item.event, item.data
                count += 1
        return count

    assert benchmark(parse) == len(events)


@reads
def bench_stream_decoder(benchmark, bodies, *, provider, grammar, read_bytes):
    events = bodies[provider].events
    pieces = _pieces(events, read_bytes)
    _measures(benchmark, pieces, len(events))

    def decode() -> int:
        count, decoder = 0, StreamDecoder(grammar)
        feed = decoder.feed
        for piece in pieces:
            for delta in feed(piece):
                kind, _text = delta.kind, delta.text
                count += kind == "text"
        assert decoder.finish() is None
        return count

    assert benchmark(decode) == WORDS


@pytest.mark.parametrize("megabytes", [4, 8])
def bench_sse_parser_huge_event(benchmark, megabytes):
    pieces = _pieces([b"data: " + b"x" * (megabytes << 20) + b"\n\n"], NETWORK_READ)
    _measures(benchmark, pieces, 1)

    def parse() -> int:
        feed = SSEParser().feed
        return sum(len(item.data) for piece in pieces for item in feed(piece))

    assert benchmark(parse) == megabytes << 20


@pytest.mark.parametrize("read_bytes", [1, NETWORK_READ])
def bench_ndjson_parser(benchmark, read_bytes):
    line = b'{"model":"bench","created_at":"2026-11-21T12:00:00Z","message":{"content":" word"},"done":false}\n'
    pieces = _pieces([line] * WORDS, read_bytes)
    _measures(benchmark, pieces, WORDS)

    def parse() -> int:
        feed = NDJSONParser().feed
        return sum(len(feed(piece)) for piece in pieces)

    assert benchmark(parse) == WORDS
