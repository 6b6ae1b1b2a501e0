"""A kept wire request, back in our types. What format it has, its address says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from inferail.errors import ConfigError
from inferail.providers.facade import (
    ChatCompletionsFacade,
    CohereChatFacade,
    GenerateContentFacade,
    MessagesFacade,
    ResponsesFacade,
)
from inferail.replaying.formats.converse import read_converse
from inferail.replaying.formats.dialects import plainly_said
from inferail.replaying.formats.embedding import read_cohere, read_gemini, read_ollama_embed, read_openai
from inferail.replaying.formats.ollama import read_generate, read_ollama
from inferail.types.embedding import EmbeddingRequest

if TYPE_CHECKING:
    from inferail.providers.codec import Facade, Incoming
    from inferail.telemetry.payloads.payload import FailedPayload
    from inferail.types.request import Request

__all__ = ["Decoded", "decoded", "embeds"]

_LABEL: Final = "replay_of"
_FACADES: Final[tuple[tuple[str, Facade], ...]] = (
    ("/v1/messages", MessagesFacade()),
    ("/responses", ResponsesFacade()),
    ("/v2/chat", CohereChatFacade()),
    (":generateContent", GenerateContentFacade()),
    (":streamGenerateContent", GenerateContentFacade()),
)
_CHAT: Final = ChatCompletionsFacade()
_EMBEDDINGS: Final[Mapping[str, Callable[[bytes], tuple[str, EmbeddingRequest]]]] = {
    "/embeddings": read_openai,
    ":batchEmbedContents": read_gemini,
    "/v2/embed": read_cohere,
    "/api/embed": read_ollama_embed,
}


@dataclass(frozen=True, slots=True)
class Decoded:
    """What was asked.

    Attributes:
        model: The provider's name of the model.
        request: In our types, labelled `replay_of` with the payload's id.
        stream: Whether the answer was to be streamed.
    """

    model: str
    request: Request | EmbeddingRequest
    stream: bool


def embeds(payload: FailedPayload) -> bool:
    """Whether it asks for embeddings."""
    return urlsplit(payload.url).path.endswith(tuple(_EMBEDDINGS))


def decoded(payload: FailedPayload, body: bytes | None = None) -> Decoded:
    """The request of a payload.

    Args:
        payload: What was kept.
        body: Used instead of the payload's body, for example with restored values.

    Raises:
        ConfigError: It was not kept whole, or it is in no format that can be read back; the message says which field.
    """
    if payload.obstacle is not None:
        raise ConfigError(f"the failed payload cannot be replayed: {payload.obstacle}")
    body = payload.body if body is None else body
    provider, labels = payload.record.provider, {**payload.record.labels, _LABEL: payload.id}
    path = urlsplit(payload.url).path
    try:
        for ending, read in _EMBEDDINGS.items():
            if path.endswith(ending):
                model, embedding = read(body)
                options = _renamed(embedding.provider_options, provider)
                return Decoded(model, replace(embedding, provider_options=options, labels=labels), stream=False)
        incoming = _incoming(payload, path, body)
    except ConfigError as error:
        raise ConfigError(f"the failed payload cannot be read as a request of {provider}: {error.message}") from None
    request = replace(
        incoming.request, provider_options=_renamed(incoming.request.provider_options, provider), labels=labels
    )
    return Decoded(incoming.model, request, payload.stream)


def _incoming(payload: FailedPayload, path: str, body: bytes) -> Incoming:
    provider = payload.record.provider
    if path.endswith(("/converse", "/converse-stream")):
        return read_converse(payload.url, body)
    if path.endswith("/api/chat"):
        return read_ollama(body)
    if path.endswith(("/generate", "/generate_stream")):
        return read_generate(body, model=payload.record.model, stream=payload.stream)
    target = payload.url[payload.url.index(path) :] if path else payload.url
    for ending, facade in _FACADES:
        if path.endswith(ending):
            return facade.decode_request(target, payload.headers, body)
    return _CHAT.decode_request(target, payload.headers, plainly_said(provider, body))


def _renamed(options: Mapping[str, Mapping[str, Any]], provider: str) -> dict[str, Mapping[str, Any]]:
    """Options as those of the provider that was asked: a façade calls them by the format's inventor."""
    joined = {name: value for named in options.values() for name, value in named.items()}
    return {provider: joined} if joined else {}
