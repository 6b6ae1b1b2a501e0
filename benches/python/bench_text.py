"""The sentence gate, a stream that is gated beside the same one that is not, and the decision of the classifier.

A round of `gate` is 300 deltas of a word each: while nothing may be shown, and once the gate is open. A round of `gated` is a
stream of 32 deltas that are held and 200 that are not, of a model that costs next to nothing.
"""

from __future__ import annotations

import asyncio

import pytest

import inferail as ir
from inferail.core import Delta, SentenceGate
from inferail.routing.classify import TaskClassifier
from inferail.routing.sentences import Gated
from inferail.testing import ScriptedModel
from inferail.types.request import Request

WORDS = [f"word{number} " for number in range(300)]
PROMPT = "Please read the report below and tell me which of the three options you would choose and why. "
DELTAS = [
    *(Delta("text", text=word) for word in WORDS[:30]),
    Delta("text", text="done. "),
    *(Delta("text", text="Then ") for _ in range(201)),
    Delta("finish", reason="stop", raw_reason="stop"),
]


@pytest.mark.parametrize("state", ["held", "open"])
def bench_text_gate(benchmark, state):
    def feed():
        gate = SentenceGate(max_chars=100_000)
        if state == "open":
            gate.finish()
        take = gate.feed
        for word in WORDS:
            take(word)

    benchmark.extra_info["events"] = len(WORDS)
    benchmark(feed)


@pytest.mark.parametrize("kind", ["plain", "gated"])
@pytest.mark.parametrize("client", ["sync", "async"])
def bench_text_gated_stream(benchmark, client, kind):
    script = ScriptedModel([DELTAS], cycles=True)
    model = script if kind == "plain" else Gated(script)

    def in_thread():
        script.requests.clear()
        with ir.Client(model) as one, one.stream("Hello") as stream:
            for _ in stream.batches():
                pass

    async def on_loop():
        script.requests.clear()
        async with ir.AsyncClient(model) as one, one.stream("Hello") as stream:
            async for _ in stream.batches():
                pass

    benchmark.extra_info["events"] = len(DELTAS)
    with asyncio.Runner() as runner:
        benchmark(in_thread if client == "sync" else lambda: runner.run(on_loop()))


@pytest.mark.parametrize("size", [40, 200, 1_000, 4_000, 100_000])
def bench_text_classify(benchmark, size):
    classifier = TaskClassifier()
    request = Request((ir.user((PROMPT * (size // len(PROMPT) + 1))[:size]),))

    benchmark(classifier.classify, request)
