"""Which requests are calls of a model."""

from __future__ import annotations

import json

import pytest

from inferail.errors import ProviderError
from inferail.wrapping.calls import Call

BASE = "https://api.example.com/v1"
CHAT = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}


def call(path: str, body: object, method: str = "POST") -> Call | None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Call.of(method, BASE + path, {"content-type": "application/json"}, data)


@pytest.mark.parametrize(
    ("path", "body", "codec", "provider"),
    [
        pytest.param("/chat/completions", CHAT, "openai", "openai", id="chat"),
        pytest.param("/chat/completions?api-version=1", CHAT, "openai", "openai", id="with-a-query"),
        pytest.param("/responses", {"model": "m", "input": "Hello"}, "openai_responses", "openai", id="responses"),
        pytest.param("/messages", {**CHAT, "max_tokens": 9}, "anthropic", "anthropic", id="messages"),
        pytest.param("/embeddings", {"model": "m", "input": "Hello"}, "openai", "openai", id="embeddings"),
    ],
)
def test_request_is_a_call_of_its_model(path, body, codec, provider):
    found = call(path, body)

    assert found is not None
    assert (found.codec, found.provider, found.model, found.base_url) == (codec, provider, "m", BASE)
    assert not found.streamed
    assert "Hello" in found.request.messages[0].text


@pytest.mark.parametrize(
    ("base_url", "provider"),
    [
        ("https://openrouter.ai/api/v1", "openrouter"),
        ("https://api.deepseek.com", "deepseek"),
        ("https://api.groq.com/openai/v1", "groq"),
        ("http://127.0.0.1:8000/v1", "openai"),
        ("https://openrouter.ai.example.com/v1", "openai"),
    ],
)
def test_provider_is_known_by_its_host(base_url, provider):
    """Serves R45."""
    found = Call.of("POST", f"{base_url}/chat/completions", {}, json.dumps(CHAT).encode())

    assert found is not None
    assert (found.codec, found.provider) == (provider, provider)


@pytest.mark.parametrize(
    ("path", "body", "method"),
    [
        pytest.param("/models", b"", "GET", id="models"),
        pytest.param("/chat/completions", b"", "GET", id="stored-completions"),
        pytest.param("/messages/count_tokens", CHAT, "POST", id="count-tokens"),
        pytest.param("/messages/batches", {"requests": []}, "POST", id="batches"),
        pytest.param("/chat/completions", b"not json", "POST", id="not-json"),
        pytest.param("/chat/completions", [1], "POST", id="no-object"),
        pytest.param("/chat/completions", {"messages": []}, "POST", id="no-model"),
        pytest.param("/chat/completions", {"model": 7}, "POST", id="model-is-no-text"),
    ],
)
def test_request_is_no_call(path, body, method):
    assert call(path, body, method) is None


def test_request_that_we_have_no_words_for_is_estimated_by_its_text():
    """Serves R98."""
    found = call("/chat/completions", {**CHAT, "n": 3, "stream": True})

    assert found is not None
    assert found.streamed
    assert "Hello" in found.request.messages[0].text


def test_embeddings_are_read_for_their_tokens():
    found = call("/embeddings", {"model": "m", "input": "Hello"})
    assert found is not None

    read = found.read({}, b'{"data": [], "usage": {"prompt_tokens": 7, "total_tokens": 7}}')

    assert read.usage is not None
    assert (read.usage.input_tokens, read.usage.output_tokens) == (7, 0)


def test_prompt_is_not_in_a_repr():
    assert "Hello" not in repr(call("/chat/completions", CHAT))


def test_error_in_the_guise_of_an_answer_is_an_error():
    found = call("/chat/completions", CHAT)
    assert found is not None

    with pytest.raises(ProviderError):
        found.read({}, b'{"error": {"message": "no"}}')
