"""Requests for embeddings, backwards: the shapes of OpenAI, Gemini, Cohere and Ollama."""

from __future__ import annotations

from typing import Final

from inferail.providers.facade.embeddings import EmbeddingsFacade
from inferail.providers.facade.fields import Fields
from inferail.types.embedding import EmbeddingRequest, InputType

__all__ = ["read_cohere", "read_gemini", "read_ollama_embed", "read_openai"]

_TASKS: Final[dict[str, InputType]] = {
    "RETRIEVAL_QUERY": "query",
    "RETRIEVAL_DOCUMENT": "document",
    "search_query": "query",
    "search_document": "document",
}


def read_openai(body: bytes) -> tuple[str, EmbeddingRequest]:
    """Model and request from the body of `POST /embeddings`, in the words of OpenAI or of Mistral."""
    incoming = EmbeddingsFacade().decode_request(body)
    request = incoming.request
    extra = dict(request.provider_options.get("openai", {}))
    dimensions = extra.pop("output_dimension", None) or request.dimensions
    return incoming.model, EmbeddingRequest(
        request.texts, request.input_type, dimensions, {"openai": extra} if extra else {}
    )


def read_gemini(body: bytes) -> tuple[str, EmbeddingRequest]:
    """Model and request from the body of `batchEmbedContents`; its entries differ in their text only."""
    entries = Fields.parse(body).objects("requests")
    texts = tuple(
        "".join(part.text("text") or "" for part in entry.required_object("content").objects("parts"))
        for entry in entries
    )
    if not entries:
        raise Fields.parse(body).wrong("requests", "is required, a list of objects")
    first = entries[0]
    extra = first.others(("model", "content", "taskType", "outputDimensionality"))
    task = first.text("taskType")
    if task is not None and task not in _TASKS:
        extra["taskType"] = task
    return first.required_text("model").removeprefix("models/"), EmbeddingRequest(
        texts, _TASKS.get(task or ""), first.integer("outputDimensionality"), {"gemini": extra} if extra else {}
    )


def read_cohere(body: bytes) -> tuple[str, EmbeddingRequest]:
    """Model and request from the body of `POST /v2/embed`."""
    fields = Fields.parse(body)
    extra = fields.others(("model", "texts", "embedding_types", "input_type", "output_dimension"))
    kind = fields.text("input_type")
    if kind is not None and kind not in _TASKS:
        extra["input_type"] = kind
    return fields.required_text("model"), EmbeddingRequest(
        fields.strings("texts"),
        _TASKS.get(kind or ""),
        fields.integer("output_dimension"),
        {"cohere": extra} if extra else {},
    )


def read_ollama_embed(body: bytes) -> tuple[str, EmbeddingRequest]:
    """Model and request from the body of `POST /api/embed`."""
    fields = Fields.parse(body)
    extra = fields.others(("model", "input", "dimensions"))
    return fields.required_text("model"), EmbeddingRequest(
        fields.strings("input"), None, fields.integer("dimensions"), {"ollama": extra} if extra else {}
    )
