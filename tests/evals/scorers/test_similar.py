"""The scorer of meaning."""

from __future__ import annotations

import asyncio

import pytest

import inferail as ir
from inferail.errors import ConfigError
from inferail.evals import Case, Similar, arun_eval, run_eval
from inferail.testing import WordEmbedder

CASES = [Case("q", "the refund takes five days"), Case("r", "the refund takes five days")]
ANSWERS = {"q": "The refund takes five days", "r": "completely different words here"}


def test_similar_is_the_cosine_and_passes_from_the_threshold():
    result = run_eval(CASES, ANSWERS.__getitem__, Similar(ir.Embedder(WordEmbedder()), 0.9))

    near, far = result.cases
    assert near.value == pytest.approx(1.0)
    assert (near.passed, far.passed) == (True, False)
    assert far.value is not None
    assert far.value < 0.9


def test_similar_runs_asynchronously():
    async def main():
        async with ir.AsyncEmbedder(WordEmbedder()) as embedder:
            return await arun_eval(CASES, ANSWERS.__getitem__, Similar(embedder))

    assert asyncio.run(main()).cases[0].value == pytest.approx(1.0)


def test_empty_answer_is_compared_without_asking():
    embedder = WordEmbedder()

    score = asyncio.run(Similar(ir.AsyncEmbedder(embedder)).score(CASES[0], ""))

    assert score.value == 0.0
    assert not embedder.requests


def test_similar_needs_an_embedder_of_the_right_kind():
    with pytest.raises(ConfigError, match="Embedder"):
        Similar("openai:text-embedding-3-small")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="similar"):
        run_eval(CASES, ANSWERS.__getitem__, Similar(ir.AsyncEmbedder(WordEmbedder())))
