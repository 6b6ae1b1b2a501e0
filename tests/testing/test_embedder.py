"""The embedding model of tests."""

import numpy as np

import inferail as ir
from inferail.testing import WordEmbedder


def test_word_embedder_gives_near_vectors_for_texts_that_share_words():
    with ir.Embedder(WordEmbedder(dimensions=256)) as embedder:
        vectors = embedder.embed(["the rail is clear", "The rail is blocked", "eleven green bottles"]).vectors

    likeness = vectors @ vectors.T
    assert likeness[0, 1] > 0.7
    assert likeness[0, 2] < 0.3
    assert np.allclose(np.diag(likeness), 1.0)


def test_word_embedder_gives_the_same_on_every_run():
    with ir.Embedder(WordEmbedder()) as embedder:
        vectors = embedder.embed(["rail", "…"], dimensions=4).vectors

    assert vectors.tolist() == [[1.0, 0.0, 0.0, 0.0], [0.0, -1.0, 0.0, 0.0]]


def test_word_embedder_keeps_what_it_was_asked():
    model = WordEmbedder()

    with ir.Embedder(model) as embedder:
        embeddings = embedder.embed("a rail", input_type="query")

    assert [request.input_type for request in model.requests] == ["query"]
    assert (embeddings.usage.input_tokens, embeddings.model, model.name) == (2, "words", "words")
