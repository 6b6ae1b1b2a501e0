"""Streams: our whole layer over a transport that costs nothing.

The `client` benchmarks read an in-memory transport, one event per read (`burst`: all of them in one; `long`: ten times as
many). `bench_transport_memory` reads it with nothing on top: the difference is what inferail adds to any transport.
"""

from __future__ import annotations

from typing import Any

import pytest

import inferail as ir
from inferail.transport.protocol import Wire

PROMPT = "Explain in one sentence why a railway needs signals."
WORDS = 200


def _measures(benchmark: Any, events: tuple[bytes, ...]) -> None:
    benchmark.extra_info["events"] = len(events)
    benchmark.extra_info["bytes"] = sum(map(len, events))


def bench_transport_memory(benchmark, bodies, memory_transport, run):
    events = bodies["openai"].events
    transport = memory_transport("openai")
    _measures(benchmark, events)

    async def read() -> int:
        reply = await transport.open(Wire("POST", "http://memory/", {}, b"", stream=True), connect_timeout=1.0, by=None)
        length = 0
        while piece := await reply.read(None):
            length += len(piece)
        return length

    assert benchmark(lambda: run(read())) == sum(map(len, events))


async def _text_of(stream: Any) -> int:
    length = 0
    async with stream:
        async for piece in stream.text():
            length += len(piece)
    return length


async def _lists_of(stream: Any) -> int:
    length = 0
    async with stream:
        async for deltas in stream.batches():
            for delta in deltas:
                if delta.kind == "text":
                    length += len(delta.text)
    return length


@pytest.mark.parametrize("read", [_text_of, _lists_of], ids=["text", "lists"])
def bench_client_stream_event_per_read(benchmark, bodies, memory_client, run, *, provider, read):
    client = memory_client(ir.AsyncClient, provider)
    _measures(benchmark, bodies[provider].events)

    assert benchmark(lambda: run(read(client.stream(PROMPT)))) > WORDS

    run(client.aclose())


@pytest.mark.parametrize("read", [_text_of, _lists_of], ids=["text", "lists"])
def bench_client_stream_burst(benchmark, bodies, memory_client, run, *, provider, read):
    client = memory_client(ir.AsyncClient, provider, burst=True)
    _measures(benchmark, bodies[provider].events)

    assert benchmark(lambda: run(read(client.stream(PROMPT)))) > WORDS

    run(client.aclose())


@pytest.mark.parametrize("read", [_text_of, _lists_of], ids=["text", "lists"])
def bench_client_stream_long(benchmark, bodies, memory_client, run, *, read):
    client = memory_client(ir.AsyncClient, "openai-long")
    _measures(benchmark, bodies["openai-long"].events)

    assert benchmark(lambda: run(read(client.stream(PROMPT)))) > WORDS

    run(client.aclose())


def bench_sync_client_stream(benchmark, bodies, memory_client, provider):
    client = memory_client(ir.Client, provider)
    _measures(benchmark, bodies[provider].events)

    def read() -> int:
        with client.stream(PROMPT) as stream:
            return sum(map(len, stream.text()))

    assert benchmark(read) > WORDS

    client.close()
