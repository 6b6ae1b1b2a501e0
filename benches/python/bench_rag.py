"""RAG from Python: cutting, the index of words, a corpus of 2,000 documents, the citations of an answer."""

from __future__ import annotations

import itertools
import random

import pytest

import inferail as ir
from inferail.core import BM25, Chunker, Tokenizer
from inferail.pipelines.rag import Document, Hit
from inferail.pipelines.rag.citations import checked
from inferail.testing import WordEmbedder

WORDS = [f"word{number}" for number in range(20_000)]
WEIGHTS = list(itertools.accumulate(1 / (number + 1) for number in range(len(WORDS))))


def texts(count: int, words: int) -> list[str]:
    """Texts whose words are as frequent as those of a language."""
    dice = random.Random(0)
    return [" ".join(dice.choices(WORDS, cum_weights=WEIGHTS, k=words)).capitalize() + "." for _ in range(count)]


@pytest.mark.parametrize("tokens", [False, True], ids=["characters", "tokens"])
def bench_chunker_512_kb(benchmark, tokens):
    text = "\n\n".join(" ".join(group) for group in zip(*[iter(texts(6_000, 12))] * 6, strict=False))[: 512 * 1024]
    chunker = Chunker(512, tokenizer=Tokenizer.named("cl100k_base")) if tokens else Chunker(2048)

    assert len(benchmark(chunker.chunks, text)) > 200


def bench_bm25_add_20k(benchmark):
    documents = texts(20_000, 60)

    def build():
        index = BM25()
        index.add(range(len(documents)), documents)
        return index

    assert len(benchmark.pedantic(build, rounds=3)) == 20_000


def bench_bm25_search_20k(benchmark):
    index = BM25()
    index.add(range(20_000), texts(20_000, 60))
    queries = itertools.cycle(texts(500, 4))

    assert benchmark(lambda: index.search(next(queries), 10))


@pytest.fixture(scope="module")
def corpus():
    made = ir.Corpus(ir.Embedder(WordEmbedder()))
    made.add([Document(text, id=str(number)) for number, text in enumerate(texts(2_000, 60))])
    return made


def bench_corpus_search_2k(benchmark, corpus):
    queries = itertools.cycle(texts(100, 5))

    assert benchmark(lambda: corpus.search(next(queries), 5))


def bench_corpus_add_unchanged_2k(benchmark, corpus):
    documents = [Document(text, id=str(number)) for number, text in enumerate(texts(2_000, 60))]

    assert benchmark.pedantic(corpus.add, (documents,), rounds=3).unchanged == 2_000


def bench_citations_of_an_answer(benchmark):
    """Ten citations with quotes over five sources."""
    sources = [Hit(text, str(number), "", 0, 0, len(text)) for number, text in enumerate(texts(5, 150))]
    answer = " ".join(
        f'A statement [{number % 5 + 1}: "{" ".join(sources[number % 5].text.split()[20:30])}"].'
        for number in range(10)
    )

    citations, problems = benchmark(checked, answer, sources)

    assert len(citations) == 10
    assert not problems
