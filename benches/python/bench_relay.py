"""The relay: what it costs per delta on top of a stream, and how soon a reader that leaves stops the provider.

`bench_relay_deltas` and `bench_relay_client` have 200 deltas, one per read of the provider, into an ASGI `send` that costs
nothing; `bench_stream_alone` reads the same stream without a relay. `bench_relay_disconnect` is over real sockets; its
milliseconds from the close of the reader's socket to the close of the provider's stream are in `extra_info`.
"""

from __future__ import annotations

import asyncio
import socket
import statistics
import threading
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest

import inferail as ir
from inferail.core import Delta
from inferail.server import running, sse_relay
from inferail.testing import ScriptedModel
from inferail.testing.streams import ScriptStream

PROMPT = "Explain in one sentence why a railway needs signals."
DELTAS = 200
FORMATS = ["deltas", "text", "openai", "anthropic"]
LISTS = [[Delta("text", text="signal ")] for _ in range(DELTAS)] + [[Delta("finish", reason="stop")]]


async def never() -> Any:
    """A reader that stays."""
    await asyncio.Event().wait()


async def discard(message: Any) -> None:
    """A socket that takes everything."""


def stream_of(lists: list[list[Delta]]) -> ScriptStream:
    async def say() -> AsyncIterator[list[Delta]]:
        for deltas in lists:
            yield deltas

    return ScriptStream(say(), provider="bench", model="bench")


@pytest.mark.parametrize("shape", FORMATS)
def bench_relay_deltas(benchmark, run, shape):
    benchmark.extra_info["deltas"] = DELTAS

    benchmark(lambda: run(sse_relay(stream_of(LISTS), format=shape)({"headers": []}, never, discard)))


def bench_stream_alone(benchmark, run):
    benchmark.extra_info["deltas"] = DELTAS

    async def read() -> None:
        async with stream_of(LISTS) as stream:
            async for _ in stream:
                pass
            await stream.final()

    benchmark(lambda: run(read()))


def bench_relay_client(benchmark, run, memory_client):
    client = memory_client(ir.AsyncClient, "openai")
    benchmark.extra_info["deltas"] = DELTAS

    benchmark(lambda: run(sse_relay(client.stream(PROMPT))({"headers": []}, never, discard)))


def bench_client_stream_alone(benchmark, run, memory_client):
    client = memory_client(ir.AsyncClient, "openai")
    benchmark.extra_info["deltas"] = DELTAS

    async def read() -> None:
        async with client.stream(PROMPT) as stream:
            async for _ in stream.batches():
                pass
            await stream.final()

    benchmark(lambda: run(read()))


class OneWord(ScriptedModel):
    """Says one word, then waits for ever; knows when its stream was left."""

    def __init__(self) -> None:
        super().__init__([])
        self.closed = threading.Event()
        self.closed_at = 0.0

    def stream(self, request):  # noqa: ARG002 - every Model is asked the same way
        return ScriptStream(self._say(), provider="bench", model="bench")

    async def _say(self) -> AsyncIterator[list[Delta]]:
        try:
            yield [Delta("text", text="word")]
            await asyncio.Event().wait()
        finally:
            self.closed_at = time.perf_counter()
            self.closed.set()


def bench_relay_disconnect(benchmark):
    model, latencies = OneWord(), list[float]()

    async def app(scope, receive, send) -> None:
        if scope["type"] == "http":
            await sse_relay(model.stream(ir.Request((ir.user(PROMPT),))))(scope, receive, send)

    with running(app) as base_url:
        parts = urlsplit(base_url)

        def leave() -> None:
            model.closed.clear()
            with socket.create_connection((parts.hostname, parts.port)) as reader:
                reader.sendall(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n")
                received = b""
                while b"word" not in received:
                    received += reader.recv(65536)
                left = time.perf_counter()
            assert model.closed.wait(10.0)
            latencies.append(model.closed_at - left)

        benchmark.pedantic(leave, rounds=50)

    benchmark.extra_info["disconnect_ms_median"] = statistics.median(latencies) * 1000
    benchmark.extra_info["disconnect_ms_worst"] = max(latencies) * 1000
    assert max(latencies) < 0.1
