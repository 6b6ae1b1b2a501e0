"""Whole answers through the clients, over a transport that costs nothing: request, codec, records, response."""

from __future__ import annotations

import inferail as ir

PROMPT = "Explain in one sentence why a railway needs signals."


def bench_client_complete(benchmark, memory_client, run, provider):
    client = memory_client(ir.AsyncClient, provider)

    response = benchmark(lambda: run(client.complete(PROMPT)))

    assert response.finish_reason == "stop"
    run(client.aclose())


def bench_sync_client_complete(benchmark, memory_client, provider):
    client = memory_client(ir.Client, provider)

    response = benchmark(lambda: client.complete(PROMPT))

    assert response.finish_reason == "stop"
    client.close()


def bench_client_explain(benchmark, memory_client, run):
    client = memory_client(ir.AsyncClient, "openai")

    shown = benchmark(lambda: client.explain(PROMPT))

    assert PROMPT in shown
    run(client.aclose())


def bench_fallback_complete(benchmark, memory_client, memory_transport, run):
    first, second = (
        ir.Target(f"openai:{name}", api_key="x", transport=memory_transport("openai")) for name in ("first", "second")
    )
    client = memory_client(ir.AsyncClient, ir.Fallback(first, second))

    response = benchmark(lambda: run(client.complete(PROMPT)))

    assert len(response.attempts) == 1
    run(client.aclose())
