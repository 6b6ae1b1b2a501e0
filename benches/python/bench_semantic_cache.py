"""A semantic hit in memory without its embedding, among 10,000 entries, and what it is made of.

The embedding model gives a vector that is ready, so what is measured is ours: exact lookup, scope, index, vetoes, answer. The
texts change from call to call, as they do for a cache; their features are remembered after the first time
(`bench_features` is what that costs).
"""

from __future__ import annotations

import itertools
from collections.abc import Coroutine
from typing import Any

import numpy as np
import pytest

import inferail as ir
from inferail.cache.policy import Missed
from inferail.cache.veto.features import Features, features
from inferail.cache.veto.judge import GREY, first_reason
from inferail.types.embedding import EmbeddingRequest, Embeddings
from inferail.types.response import Response, text_message
from inferail.types.usage import Usage

DIMENSIONS, ENTRIES = 384, 10_000
SYSTEM = ir.system("You answer from the handbook.")
CACHED = "How do I reset the password of my account?"
ASKED = [f"Please tell me{' ' * blanks}how to reset my account's password" for blanks in range(1, 65)]


class Ready:
    """An EmbeddingModel whose vectors are made already: that of the cached text for everything that is asked."""

    name = "ready"

    def __init__(self) -> None:
        draws = np.random.default_rng(6).standard_normal((ENTRIES, DIMENSIONS)).astype(np.float32)
        # As of sentences: most of their length lies in few directions.
        draws *= (np.arange(1, DIMENSIONS + 1) ** -0.7).astype(np.float32)
        self.rows = draws / np.linalg.norm(draws, axis=1, keepdims=True)
        self.next = 0

    async def embed(self, request: EmbeddingRequest) -> Embeddings:  # noqa: ARG002 - every text has the same vector
        return Embeddings(self.rows[self.next : self.next + 1])


def finish(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine that never suspends gives."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits for an event loop")


@pytest.fixture(scope="module")
def filled() -> ir.SemanticCache:
    """A cache of 10,000 entries; the last one is near to everything that is asked."""
    embedder = Ready()
    cache = ir.SemanticCache(embedder, 0.9)
    answer = Response(text_message("Follow the link under the form. " * 10), "stop", Usage(40, 80, cost_usd=0.0001))
    for number in range(ENTRIES):
        embedder.next = number
        text = CACHED if number == ENTRIES - 1 else f"question {number}"
        request = ir.Request((SYSTEM, ir.user(text)))
        finish(cache.keep(request, "openai:gpt-5-mini", Missed(f"{number:064d}"), answer))
    return cache


def bench_semantic_hit_without_embedding(benchmark, filled):
    requests = itertools.cycle([ir.Request((SYSTEM, ir.user(text))) for text in ASKED])

    found = benchmark(lambda: finish(filled.find(next(requests), "openai:gpt-5-mini")))

    assert found.kind == "semantic"


def bench_features(benchmark):
    assert benchmark(lambda: Features(CACHED)).bag


def bench_vetoes(benchmark):
    cached, asked = features(CACHED), features(ASKED[0])

    assert benchmark(lambda: first_reason(cached, asked, GREY)) is None
