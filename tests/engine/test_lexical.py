"""LexicalEmbedder through Embedder and AsyncEmbedder."""

from __future__ import annotations

import asyncio

import pytest
import trio

import inferail as ir
from inferail.core import LexicalEncoder
from inferail.engine import LexicalEmbedder
from inferail.errors import CancelledError, ConfigError
from inferail.types.embedding import EmbeddingModel

TEXTS = ["How do I reset my password?", "reset password", "eleven green bottles"]


def test_embedder_embeds_lexically_without_anything_installed():
    with ir.Embedder("lexical:hashing-512") as embedder:
        embeddings = embedder.embed(TEXTS)

    assert isinstance(embedder.model, EmbeddingModel)
    assert (embeddings.vectors == LexicalEncoder(512).encode(TEXTS)).all()
    assert (embeddings.provider, embeddings.model, embeddings.usage.cost_usd) == ("lexical", "hashing-512", 0.0)


def test_lexical_embedder_says_in_every_answer_that_it_is_lexical():
    with ir.Embedder("lexical:hashing") as embedder:
        embeddings = embedder.embed("a")

    assert embeddings.warnings == ("lexical vectors: near are texts of the same words, not of the same meaning",)
    assert embedder.model.name == "lexical:hashing-512"


@pytest.mark.parametrize("count", [3, 5000])
def test_lexical_embedder_works_beside_an_event_loop(count):
    texts = [f"word{at} of {at % 7}" for at in range(count)]

    async def embed():
        async with ir.AsyncEmbedder("lexical:hashing-64") as embedder:
            return (await embedder.embed(texts)).vectors

    expected = LexicalEncoder(64).encode(texts)
    assert (asyncio.run(embed()) == expected).all()
    assert (trio.run(embed) == expected).all()


@pytest.mark.parametrize("model", ["lexical:words", "lexical:hashing-", "lexical:hashing-x", "lexical:hashing-512-2"])
def test_embedder_refuses_lexical_models_it_does_not_know(model):
    with pytest.raises(ConfigError, match="write lexical:hashing-512"):
        ir.Embedder(model)


def test_embedder_refuses_options_that_a_lexical_model_has_not():
    with pytest.raises(ConfigError, match="no option 'dtype'"):
        ir.Embedder("lexical:hashing-512", dtype="int8")
    with pytest.raises(ConfigError, match="from 8 to 65536"):
        LexicalEmbedder("lexical:hashing-4")
    with ir.Embedder("lexical:hashing-512") as embedder:
        with pytest.raises(ConfigError, match="name it lexical:hashing-64"):
            embedder.embed("a", dimensions=64)
        with pytest.raises(ConfigError, match="provider_options"):
            embedder.embed("a", provider_options={"lexical": {"x": 1}})


def test_lexical_embedder_keeps_to_a_cancellation():
    cancellation = ir.Cancellation()
    cancellation.cancel()

    embedder = ir.Embedder("lexical:hashing-64")
    with embedder, ir.scope(cancellation=cancellation), pytest.raises(CancelledError):
        embedder.embed("a")
