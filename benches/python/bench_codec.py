"""Codecs: our request to one provider's bytes, and its whole answer back."""

from __future__ import annotations

import pytest

import inferail as ir
from inferail.providers import codec as load_codec
from inferail.providers.codec import Endpoint

ENDPOINT = Endpoint(model="bench", base_url="http://127.0.0.1:9/v1", api_key="x")
TURNS = [
    ir.user("When may a train enter the next block?") if turn % 2 == 0 else ir.assistant("When its signal is clear.")
    for turn in range(99)
]


@pytest.mark.parametrize("messages", [TURNS[:1], TURNS], ids=["one-message", "99-messages"])
@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
def bench_codec_encode(benchmark, provider, messages, stream):
    codec = load_codec(provider)
    request = ir.Request(messages=tuple(messages), sampling=ir.Sampling(max_tokens=300, stop=("END",)))

    encoded = benchmark(lambda: codec.encode(request, ENDPOINT, stream=stream))

    assert encoded.wire.stream is stream


def bench_codec_decode(benchmark, bodies, provider):
    codec = load_codec(provider)
    body = bodies[provider].unary
    benchmark.extra_info["bytes"] = len(body)

    response = benchmark(lambda: codec.decode({}, body))

    assert response.finish_reason == "stop"
