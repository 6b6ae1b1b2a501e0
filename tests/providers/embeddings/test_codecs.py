"""Embedding endpoints: our request to one provider's bytes, and its answer back."""

import base64
import json
import struct
from typing import Any

import pytest

import inferail as ir
from inferail.providers import embedding_codec
from inferail.providers.codec import Endpoint
from inferail.types.embedding import EmbeddingRequest
from inferail.types.registry import embedder_schemes

# The others have no endpoint.
PROVIDERS = [scheme for scheme in embedder_schemes() if scheme not in {"lexical", "local"}]
TEXTS = ("a rail", "ein Gleis")
ROWS = [[0.5, -1.0, 2.0], [0.25, 0.0, -8.0]]
OPENAI_SHAPED = ("openai", "mistral", "openrouter", "qwen", "vllm")


def endpoint(key: str | None = "k") -> Endpoint:
    return Endpoint(model="embed-1", base_url="http://127.0.0.1:9/base", api_key=key)


def packed(row: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(row)}f", *row)).decode()


def sent(provider: str, **options: Any) -> tuple[str, dict[str, Any], dict[str, str]]:
    encoded = embedding_codec(provider).encode(EmbeddingRequest(TEXTS, **options), endpoint())
    return encoded.wire.url, json.loads(encoded.wire.body), dict(encoded.wire.headers)


def answer(provider: str, rows: list[Any]) -> dict[str, Any]:
    if provider == "gemini":
        return {"embeddings": [{"values": row} for row in rows]}
    if provider == "cohere":
        form = "base64" if isinstance(rows[0], str) else "float"
        return {"id": "1", "embeddings": {form: rows}, "meta": {"billed_units": {"input_tokens": 7.0}}}
    if provider == "ollama":
        return {"model": "embed-1", "embeddings": rows, "prompt_eval_count": 7}
    data = [{"object": "embedding", "index": at, "embedding": row} for at, row in enumerate(rows)]
    return {"object": "list", "data": data, "model": "embed-1", "usage": {"prompt_tokens": 7, "total_tokens": 7}}


def decoded(provider: str, body: object, **options: Any):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return embedding_codec(provider).decode(EmbeddingRequest(TEXTS, **options), {}, raw)


@pytest.mark.parametrize("provider", OPENAI_SHAPED)
def test_encode_writes_the_openai_shape(provider):
    """Serves R28."""
    url, body, headers = sent(provider)

    assert url == "http://127.0.0.1:9/base/embeddings"
    assert body == {"model": "embed-1", "input": list(TEXTS), "encoding_format": "base64"}
    assert headers["authorization"] == "Bearer k"


@pytest.mark.parametrize(
    ("provider", "name"),
    [
        ("openai", "dimensions"),
        ("mistral", "output_dimension"),
        ("cohere", "output_dimension"),
        ("ollama", "dimensions"),
    ],
)
def test_encode_names_the_dimensions_as_the_provider_does(provider, name):
    _, body, _ = sent(provider, dimensions=3, input_type="query")

    assert body[name] == 3


@pytest.mark.parametrize(("input_type", "word"), [("query", "RETRIEVAL_QUERY"), ("document", "RETRIEVAL_DOCUMENT")])
def test_encode_writes_one_entry_for_each_text_of_gemini(input_type, word):
    """Serves R28."""
    url, body, headers = sent("gemini", input_type=input_type, dimensions=3)

    assert url == "http://127.0.0.1:9/base/models/embed-1:batchEmbedContents"
    assert [entry["content"] for entry in body["requests"]] == [{"parts": [{"text": text}]} for text in TEXTS]
    assert {(entry["model"], entry["taskType"], entry["outputDimensionality"]) for entry in body["requests"]} == {
        ("models/embed-1", word, 3)
    }
    assert headers["x-goog-api-key"] == "k"


@pytest.mark.parametrize(("input_type", "word"), [("query", "search_query"), ("document", "search_document")])
def test_encode_tells_cohere_what_the_texts_are(input_type, word):
    """Serves R28."""
    url, body, _ = sent("cohere", input_type=input_type)

    assert url == "http://127.0.0.1:9/base/v2/embed"
    assert body == {
        "model": "embed-1",
        "texts": list(TEXTS),
        "embedding_types": ["base64"],
        "input_type": word,
    }


def test_encode_refuses_a_request_for_cohere_that_does_not_say_what_the_texts_are():
    with pytest.raises(ir.ConfigError, match="input_type"):
        sent("cohere")


def test_encode_takes_a_word_of_cohere_that_we_do_not_have():
    _, body, _ = sent("cohere", provider_options={"cohere": {"input_type": "clustering"}})

    assert body["input_type"] == "clustering"


def test_encode_asks_ollama_without_a_key():
    """Serves R28."""
    encoded = embedding_codec("ollama").encode(EmbeddingRequest(TEXTS), endpoint(key=None))

    assert encoded.wire.url == "http://127.0.0.1:9/base/api/embed"
    assert json.loads(encoded.wire.body) == {"model": "embed-1", "input": list(TEXTS)}
    assert "authorization" not in encoded.wire.headers


@pytest.mark.parametrize("provider", PROVIDERS)
def test_encode_merges_the_options_of_the_provider_only(provider):
    options = {provider: {"user": "7"}, "anthropic": {"user": "8"}}

    encoded = embedding_codec(provider).encode(
        EmbeddingRequest(TEXTS, input_type="query", provider_options=options), endpoint()
    )
    body = json.loads(encoded.wire.body)

    entries = body["requests"] if provider == "gemini" else [body]
    assert [entry["user"] for entry in entries] == ["7"] * len(entries)
    assert encoded.warnings == ()


@pytest.mark.parametrize("form", ["numbers", "base64"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_decode_reads_the_vectors(provider, form):
    """Serves R28, R30."""
    rows = [packed(row) for row in ROWS] if form == "base64" else ROWS

    read = decoded(provider, answer(provider, rows))

    assert read.vectors.tolist() == ROWS
    assert (len(read), read.dimensions) == (2, 3)
    assert read.usage.input_tokens == (0 if provider == "gemini" else 7)


def test_decode_reads_the_usage_of_gemini_where_it_says_it():
    read = decoded("gemini", {**answer("gemini", ROWS), "usageMetadata": {"promptTokenCount": 7}})

    assert read.usage.input_tokens == 7


def test_decode_orders_the_vectors_by_their_number():
    body = answer("openai", ROWS)
    body["data"].reverse()

    assert decoded("openai", body).vectors.tolist() == ROWS


def test_decode_takes_the_order_as_it_is_where_nothing_is_numbered():
    body = answer("openai", ROWS)
    for entry in body["data"]:
        del entry["index"]

    assert decoded("openai", body).vectors.tolist() == ROWS


@pytest.mark.parametrize("numbers", [[0, 0], [1, 2], [0, None], ["0", "1"]])
def test_decode_refuses_vectors_that_are_numbered_otherwise(numbers):
    body = answer("openai", ROWS)
    for entry, number in zip(body["data"], numbers, strict=True):
        entry["index"] = number

    with pytest.raises(ir.ServerError, match="not numbered"):
        decoded("openai", body)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_decode_refuses_another_number_of_vectors_than_of_texts(provider):
    with pytest.raises(ir.ServerError, match="1 vectors for 2 texts") as caught:
        decoded(provider, answer(provider, ROWS[:1]))

    assert caught.value.provider == provider


@pytest.mark.parametrize("provider", PROVIDERS)
def test_decode_refuses_other_dimensions_than_were_asked_for(provider):
    with pytest.raises(ir.ServerError, match="3 numbers where 2 were asked for"):
        decoded(provider, answer(provider, ROWS), dimensions=2, input_type="query")


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>no</html>", id="html"),
        pytest.param(b"[1, 2]", id="list"),
        pytest.param(b'{"data": 1, "embeddings": 1}', id="numbers-for-lists"),
        pytest.param(b'{"data": [1, null], "embeddings": [1, null]}', id="numbers-for-vectors"),
        pytest.param(b'{"choices": []}', id="another-format"),
    ],
)
def test_decode_raises_a_typed_error_when_a_200_is_no_embedding(provider, body):
    with pytest.raises(ir.ServerError):
        decoded(provider, body)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_decode_error_gives_the_class_of_the_status(provider):
    error = embedding_codec(provider).decode_error(401, {}, b'{"message": "bad key sk-canary"}')

    assert isinstance(error, ir.AuthenticationError)
    assert "canary" not in str(error)
