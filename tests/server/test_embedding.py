"""Embeddings over a real server: concurrency, keys, errors; asyncio, trio and threads."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
import pytest
import trio

import inferail as ir
from inferail.server import create_app, running
from inferail.testing import ScriptedModel, WordEmbedder
from inferail.types.embedding import EmbeddingRequest, Embeddings

TEXTS = [f"text number {number}" for number in range(23)]


class Gathering:
    """An EmbeddingModel that answers once as many requests are under way as were expected."""

    name = "gathering"

    def __init__(self, expected: int) -> None:
        self._expected = expected
        self._arrived: asyncio.Event | None = None
        self._words = WordEmbedder()
        self.waiting = 0

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        if self._arrived is None:
            self._arrived = asyncio.Event()
        self.waiting += 1
        if self.waiting >= self._expected:
            self._arrived.set()
        await asyncio.wait_for(self._arrived.wait(), 10)
        return await self._words.embed(request)


class Failing:
    """An EmbeddingModel with a fault of its own."""

    name = "failing"

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        raise ZeroDivisionError("canary")


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    from contextlib import ExitStack

    with ExitStack() as stack:

        def served(embedders: Any, **options: Any) -> str:
            app = create_app(ScriptedModel(["x"]), embedders=embedders, **options)
            return f"{stack.enter_context(running(app))}/v1"

        yield served


def expected(dimensions: int = 64) -> Any:
    with ir.Embedder(WordEmbedder(dimensions=dimensions)) as embedder:
        return embedder.embed(TEXTS).vectors


async def ask(base_url: str, transport: str) -> Embeddings:
    async with ir.AsyncEmbedder(
        "openai:words", base_url=base_url, transport=transport, batch_size=5, concurrency=3
    ) as embedder:
        return await embedder.embed(TEXTS)


@pytest.mark.parametrize(
    ("run", "transport"),
    [
        pytest.param(asyncio.run, "rust", id="asyncio-rust"),
        pytest.param(asyncio.run, "httpx", id="asyncio-httpx"),
        pytest.param(lambda work: trio.run(lambda: work), "rust", id="trio-rust"),
    ],
)
def test_async_embedder_keeps_the_order_of_requests_that_are_under_way_together(serve, run, transport):
    embeddings = run(ask(serve(Gathering(3)), transport))

    assert np.array_equal(embeddings.vectors, expected())
    assert len(embeddings.attempts) == 5


@pytest.mark.parametrize("transport", ["rust", "httpx"])
def test_embedder_keeps_the_order_of_requests_that_are_under_way_in_threads(serve, transport):
    threads = threading.active_count()

    with ir.Embedder(
        "openai:words", base_url=serve(Gathering(3)), transport=transport, batch_size=5, concurrency=3
    ) as embedder:
        embeddings = embedder.embed(TEXTS)

    assert np.array_equal(embeddings.vectors, expected())
    assert len(embedder.records) == 5
    assert threading.active_count() <= threads + 1  # the server's


@pytest.mark.parametrize("shape", ["openai", "mistral", "openrouter", "qwen", "vllm"])
def test_servers_of_the_openai_shape_are_asked_in_it(serve, shape):
    """Serves R194."""
    with ir.Embedder(f"{shape}:words", base_url=serve({"words": WordEmbedder()})) as embedder:
        assert np.array_equal(embedder.embed(TEXTS).vectors, expected())


def test_server_lists_embedders_and_finds_them_by_name(serve):
    base_url = serve({"words": WordEmbedder()})

    listed = httpx.get(f"{base_url}/models").json()
    with ir.Embedder("openai:other", base_url=base_url) as embedder, pytest.raises(ir.NotFoundError):
        embedder.embed("a")

    assert [entry["id"] for entry in listed["data"]] == ["scripted", "words"]
    assert httpx.get(f"{base_url}/models/words").json() == listed["data"][1]
    assert httpx.get(f"{base_url}/models/other").status_code == 404


def test_server_without_embedders_says_so(serve):
    with ir.Embedder("openai:words", base_url=serve({})) as embedder, pytest.raises(ir.NotFoundError):
        embedder.embed("a")


def test_server_asks_for_its_key(serve):
    base_url = serve(WordEmbedder(), api_key="right")

    wrong = ir.Embedder("openai:words", base_url=base_url, api_key="wrong")
    with wrong as embedder, pytest.raises(ir.AuthenticationError):
        embedder.embed("a")
    assert httpx.get(f"{base_url}/models/words").status_code == 401


def test_server_says_nothing_of_an_error_that_it_does_not_know(serve):
    answer = httpx.post(f"{serve(Failing())}/embeddings", json={"model": "m", "input": "a"})

    assert answer.status_code == 500
    assert "canary" not in answer.text
    assert answer.json()["error"]["message"]


def test_server_refuses_a_body_that_is_too_long(serve):
    base_url = serve(WordEmbedder(), max_body_bytes=100)

    assert httpx.post(f"{base_url}/embeddings", json={"model": "m", "input": "a" * 100}).status_code == 413
