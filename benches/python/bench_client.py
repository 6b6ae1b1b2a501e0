"""Answers through the clients, over a transport that costs nothing: request, codec, records, response.

Coroutines are driven by hand (`finish`), because one turn of an event loop costs as much as half a call. A whole answer
has one body; `bench_client_stream_fixed` is a stream of one read with five events, so nearly all of it is what a stream
costs before and after its content. What each further list of deltas costs is in `bench_stream.py`: `event-per-read`
less the decoder and the transport alone.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import inferail as ir

PROMPT = "Explain in one sentence why a railway needs signals."


def finish(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine that never suspends gives."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits for an event loop")


def bench_client_complete(benchmark, memory_client, provider):
    client = memory_client(ir.AsyncClient, provider)

    response = benchmark(lambda: finish(client.complete(PROMPT)))

    assert response.finish_reason == "stop"
    finish(client.aclose())


def bench_sync_client_complete(benchmark, memory_client, provider):
    client = memory_client(ir.Client, provider)

    response = benchmark(lambda: client.complete(PROMPT))

    assert response.finish_reason == "stop"
    client.close()


def bench_client_complete_priced(benchmark, memory_client):
    client = memory_client(ir.Client, "openai", name="gpt-5-mini")

    response = benchmark(lambda: client.complete(PROMPT))

    assert response.usage.cost_usd
    client.close()


def bench_client_stream_fixed(benchmark, memory_client):
    client = memory_client(ir.AsyncClient, "openai-short", burst=True)

    async def read() -> int:
        async with client.stream(PROMPT) as stream:
            async for deltas in stream.batches():
                count = len(deltas)
        return count

    assert benchmark(lambda: finish(read())) > 1
    finish(client.aclose())


def bench_sync_client_stream_fixed(benchmark, memory_client):
    client = memory_client(ir.Client, "openai-short", burst=True)

    def read() -> int:
        with client.stream(PROMPT) as stream:
            return sum(map(len, stream.batches()))

    assert benchmark(read) > 1
    client.close()


def bench_client_explain(benchmark, memory_client):
    client = memory_client(ir.AsyncClient, "openai")

    shown = benchmark(lambda: client.explain(PROMPT))

    assert PROMPT in shown
    finish(client.aclose())


def bench_fallback_complete(benchmark, memory_client, memory_transport, run):
    first, second = (
        ir.Target(f"openai:{name}", api_key="x", transport=memory_transport("openai")) for name in ("first", "second")
    )
    client = memory_client(ir.AsyncClient, ir.Fallback(first, second))

    response = benchmark(lambda: finish(client.complete(PROMPT)))

    assert len(response.attempts) == 1
    run(client.aclose())
