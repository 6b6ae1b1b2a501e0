"""Embedder and AsyncEmbedder: attempts, batches, records, deadlines."""

import asyncio
import json
from typing import Any

import pytest
import trio

import inferail as ir
from inferail.testing import ScriptedReply, ScriptedTransport
from inferail.transport.protocol import Wire
from inferail.types.embedding import EmbeddingModel, Embeddings
from inferail.types.registry import register_embedder, resolve_embedder


def reply(*rows: list[float], tokens: int = 5, **options: Any) -> ScriptedReply:
    data = [{"index": at, "embedding": row} for at, row in enumerate(rows)]
    body = {"data": data, "model": "m-1", "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}
    return ScriptedReply([json.dumps(body).encode()], **options)


def failing(status: int, **headers: str) -> ScriptedReply:
    return ScriptedReply([b'{"error": {"message": "no"}}'], status, headers)


def embedder(*replies: ScriptedReply | BaseException, **options: Any) -> tuple[ir.Embedder, ScriptedTransport]:
    transport = ScriptedTransport(replies, blocking=True)
    given = {"api_key": "k", "concurrency": 1, **options}
    return ir.Embedder("openai:text-embedding-3-small", transport=transport, **given), transport


def texts_of(wire: Wire) -> list[str]:
    texts: list[str] = json.loads(wire.body)["input"]
    return texts


def test_embedder_gives_vectors_usage_and_one_record():
    """Serves R31."""
    asked, transport = embedder(reply([1.0, 2.0], [3.0, 4.0]), labels={"task": "t"})

    embeddings = asked.embed(["a", "b"], labels={"turn": "1"})

    assert embeddings.vectors.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert (embeddings.provider, embeddings.model) == ("openai", "m-1")
    assert embeddings.usage.cost_usd == pytest.approx(5 * 0.02 / 1e6)
    (record,) = asked.records
    assert (record.error, record.usage.input_tokens, record.cost_usd) == (None, 5, embeddings.usage.cost_usd)
    assert dict(record.labels) == {"task": "t", "turn": "1"}
    assert transport.open_replies == 0


def test_embedder_takes_a_single_text_as_a_list_of_one():
    asked, transport = embedder(reply([1.0]))

    assert asked.embed("a rail").vectors.shape == (1, 1)
    assert texts_of(transport.wires[0]) == ["a rail"]


def test_embedder_divides_texts_and_keeps_their_order():
    asked, transport = embedder(reply([1.0], [2.0]), reply([3.0], [4.0]), reply([5.0]), batch_size=2)

    embeddings = asked.embed(text for text in "abcde")

    assert [texts_of(wire) for wire in transport.wires] == [["a", "b"], ["c", "d"], ["e"]]
    assert embeddings.vectors.tolist() == [[1.0], [2.0], [3.0], [4.0], [5.0]]
    assert embeddings.usage.input_tokens == 15
    assert len(embeddings.attempts) == len(asked.records) == 3


def test_embedder_divides_texts_by_their_bytes_as_well():
    long = "Ä" * 200_000  # 400,000 bytes
    asked, transport = embedder(reply([1.0], [2.0]), reply([3.0]), reply([4.0]))

    asked.embed([long, "b", long, "c" * 700_000])

    assert [len(texts_of(wire)) for wire in transport.wires] == [2, 1, 1]


def test_embedder_retries_one_batch_without_asking_for_the_others_again():
    asked, transport = embedder(reply([1.0]), failing(503), reply([2.0]), batch_size=1)

    embeddings = asked.embed(["a", "b"])

    assert [texts_of(wire) for wire in transport.wires] == [["a"], ["b"], ["b"]]
    assert embeddings.vectors.tolist() == [[1.0], [2.0]]
    assert [(record.reason, record.error) for record in asked.records] == [
        ("first", None),
        ("first", "OverloadedError"),
        ("retry", None),
    ]


def test_embedder_raises_the_error_of_a_batch_that_fails_for_good():
    asked, transport = embedder(failing(401), reply([2.0]), batch_size=1)

    with pytest.raises(ir.AuthenticationError) as caught:
        asked.embed(["a", "b"])

    assert (caught.value.provider, caught.value.model) == ("openai", "text-embedding-3-small")
    assert len(caught.value.attempts) == 1
    assert len(transport.wires) == 1  # nothing is begun after a failure
    assert transport.open_replies == 0


def test_embedder_refuses_batches_whose_vectors_are_of_several_lengths():
    asked, _ = embedder(reply([1.0]), reply([1.0, 2.0]), batch_size=1)

    with pytest.raises(ir.ServerError, match="several lengths"):
        asked.embed(["a", "b"])


def test_embedder_estimates_usage_that_the_provider_does_not_report():
    """Serves R98."""
    asked, _ = embedder(reply([1.0], tokens=0))

    usage = asked.embed("a" * 400).usage

    assert (usage.input_tokens, usage.output_tokens, usage.estimated) == (100, 0, True)


def test_embedder_gives_up_at_the_deadline_of_the_call():
    asked, transport = embedder(*(reply([1.0], first_byte=4.0) for _ in range(5)), batch_size=1)

    with pytest.raises(ir.DeadlineError) as caught:
        asked.embed(list("abcde"), timeout=10.0)

    assert caught.value.phase == "total"
    assert transport.clock.now() == pytest.approx(10.0)
    assert len(transport.wires) == 3


def test_embedder_bounds_each_request_where_no_deadline_is_given():
    asked, transport = embedder(*(reply([1.0], first_byte=20.0) for _ in range(3)), batch_size=1)

    asked.embed(["a", "b", "c"])

    assert transport.clock.now() == pytest.approx(60.0)


def test_embedder_counts_against_the_budget_of_the_scope():
    asked, transport = embedder(reply([1.0], tokens=50), reply([1.0]), batch_size=1)

    with ir.scope(budget=ir.Budget(tokens=40)), pytest.raises(ir.BudgetError):
        asked.embed(["a", "b"])

    assert len(transport.wires) == 1


def test_embedder_ends_when_its_scope_is_cancelled():
    cancellation = ir.Cancellation()
    cancellation.cancel()
    asked, transport = embedder(reply([1.0]))

    with ir.scope(cancellation=cancellation), pytest.raises(ir.CancelledError):
        asked.embed("a")

    assert not transport.wires


@pytest.mark.parametrize(
    ("texts", "options", "what"),
    [
        pytest.param([], {}, "nothing to embed", id="no-text"),
        pytest.param([""], {}, "is empty", id="empty-text"),
        pytest.param(7, {}, "a list of texts", id="number"),
        pytest.param(["a"], {"dimension": 3}, "no option 'dimension'", id="unknown-option"),
        pytest.param(["a"], {"labels": {"a": 1}}, "labels are strings", id="labels"),
        pytest.param(["a"], {"timeout": -1}, "timeout must be", id="timeout"),
        pytest.param(["\ud800"], {}, "lone surrogate", id="surrogate"),
    ],
)
def test_embedder_sends_nothing_when_the_call_is_wrong(texts: Any, options: Any, what):
    asked, transport = embedder()

    with pytest.raises(ir.ConfigError, match=what):
        asked.embed(texts, **options)

    assert not transport.wires


@pytest.mark.parametrize(
    ("model", "options", "what"),
    [
        pytest.param("openai:m", {}, "no key for openai", id="no-key"),
        pytest.param("anthropic:m", {}, "unknown provider 'anthropic': known: cohere, compatible", id="cannot-embed"),
        pytest.param("openai:m", {"api_key": "k", "batch_size": 0}, "batch_size", id="batch-size"),
        pytest.param("openai:m", {"api_key": "k", "concurrency": True}, "concurrency", id="concurrency"),
        pytest.param("openai:m", {"api_key": "k", "max_tokens": 3}, "no option 'max_tokens'", id="unknown-option"),
        pytest.param("openai:m", {"api_key": "k", "recorder": 3}, "record", id="recorder"),
        pytest.param(7, {}, "EmbeddingModel", id="no-model"),
    ],
)
def test_embedder_says_what_is_wrong_with_its_arguments(model: Any, options: Any, what):
    with pytest.raises(ir.ConfigError, match=what):
        ir.Embedder(model, **options)


def test_embedder_needs_no_key_for_a_server_of_its_own():
    assert isinstance(ir.Embedder("ollama:nomic-embed-text").model, EmbeddingModel)
    assert repr(ir.Embedder("vllm:bge")) == "Embedder('vllm:bge')"


class Constant:
    """An EmbeddingModel that a user wrote."""

    name = "constant"

    async def embed(self, request) -> Embeddings:
        import numpy as np

        return Embeddings(np.ones((len(request.texts), 2), np.float32))


def test_embedder_takes_any_embedding_model():
    model = Constant()

    with ir.Embedder(model) as asked:
        assert asked.embed(["a", "b"]).vectors.tolist() == [[1.0, 1.0], [1.0, 1.0]]
    with pytest.raises(ir.ConfigError, match="only be given"):
        resolve_embedder(model, api_key="k")


def test_embedder_finds_a_model_that_was_registered(monkeypatch):
    monkeypatch.setattr("inferail.types.registry._EMBEDDERS", {})

    register_embedder("mine", f"{__name__}:made")

    assert ir.Embedder("mine:x").model.name == "constant"


def made(model: str) -> Constant:
    return Constant()


def test_explain_shows_each_request_with_its_key_blanked():
    asked, transport = embedder(batch_size=1)

    explained = asked.explain(["a", "b"])

    assert explained.count("POST https://api.openai.com/v1/embeddings") == 2
    assert "authorization: ***" in explained
    assert not transport.wires


def test_async_embedder_gives_what_the_embedder_gives():
    replies = [reply([1.0, 2.0]), reply([3.0, 4.0])]

    async def ask() -> Embeddings:
        options: dict[str, Any] = {"api_key": "k", "batch_size": 1, "concurrency": 1}
        async with ir.AsyncEmbedder("openai:m", transport=ScriptedTransport(replies), **options) as asked:
            return await asked.embed(["a", "b"])

    assert asyncio.run(ask()).vectors.tolist() == trio.run(ask).vectors.tolist() == [[1.0, 2.0], [3.0, 4.0]]
