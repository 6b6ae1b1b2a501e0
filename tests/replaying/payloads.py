"""Payloads as they come out of a keeper, for tests of what is done with them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.telemetry.payloads.redactor import WordRedactor

from inferail.providers import codec
from inferail.providers.codec import Encoded, Endpoint
from inferail.providers.lookup import embedding_codec
from inferail.telemetry.payloads import FailedPayload, FailedPayloads, Unredacted
from inferail.telemetry.records import Record, host_of
from inferail.types.embedding import EmbeddingRequest
from inferail.types.request import Request

CHAT = (
    "anthropic",
    "bedrock",
    "cohere",
    "compatible",
    "deepseek",
    "gemini",
    "groq",
    "mistral",
    "ollama",
    "openai",
    "openai_responses",
    "openrouter",
    "qwen",
    "tgi",
    "vllm",
)
EMBEDDING = ("openai", "mistral", "openrouter", "qwen", "vllm", "compatible", "gemini", "cohere", "ollama")
KEY = "C4N4RY-key"


def kept(encoded: Encoded, provider: str, model: str = "m", *, redactor: Any = None, **options: Any) -> FailedPayload:
    """What a keeper has of a request that failed."""
    wire = encoded.ready()
    payloads = FailedPayloads(redactor=redactor or Unredacted(), **options)
    record = Record(
        started_at=datetime.now(UTC),
        provider=provider,
        model=model,
        host=host_of(wire.url),
        streamed=wire.stream,
        error="RateLimitError",
        status_code=429,
    )
    assert payloads.keep(record, wire), payloads.last_failure
    return payloads.get(record.id)


def asked(
    provider: str,
    request: Request | EmbeddingRequest,
    *,
    stream: bool = False,
    base_url: str | None = None,
    model: str = "m",
) -> Encoded:
    """The wire request of a provider, with a key, and without what it cannot take."""
    if isinstance(request, EmbeddingRequest):
        embedding = embedding_codec(provider)
        base = base_url or embedding.default_base_url or "http://127.0.0.1:8000/v1"
        return embedding.encode(request, Endpoint(model, base, KEY, unsupported="drop"))
    chat = codec(provider)
    key = "AKIDEXAMPLE:C4N4RY-secret:C4N4RY-token" if provider == "bedrock" else KEY
    base = base_url or chat.default_base_url or "http://127.0.0.1:8000/v1"
    return chat.encode(request, Endpoint(model, base, key, unsupported="drop"), stream=stream)


__all__ = ["CHAT", "EMBEDDING", "KEY", "WordRedactor", "asked", "kept"]
