"""OpenAI's `POST /embeddings`, and the providers and servers that have the same.

Source: the types of OpenAI's official Python library, 3.57, and of Mistral's, 3.7. Vectors are asked for as base64, a third
of the bytes of JSON numbers; servers that do not know the parameter send numbers, and those are read as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from inferail.providers import reading
from inferail.providers.chat_completions.compatible import CompatibleCodec
from inferail.providers.chat_completions.mistral import MistralCodec
from inferail.providers.chat_completions.openai import OpenAICodec
from inferail.providers.chat_completions.openrouter import OpenRouterCodec
from inferail.providers.chat_completions.qwen import QwenCodec
from inferail.providers.chat_completions.vllm import VLLMCodec
from inferail.providers.codec import Encoded
from inferail.providers.embeddings.vectors import vectors
from inferail.providers.writing import Notes, add_options, wire
from inferail.types.embedding import Embeddings
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from inferail.errors import ProviderError
    from inferail.providers.codec import Endpoint
    from inferail.providers.errors import ErrorTable
    from inferail.types.embedding import EmbeddingRequest

__all__ = [
    "CompatibleEmbeddings",
    "MistralEmbeddings",
    "OpenAIEmbeddings",
    "OpenRouterEmbeddings",
    "QwenEmbeddings",
    "VLLMEmbeddings",
]


class OpenAIEmbeddings:
    """OpenAI itself, and with another `base_url` every server of the same shape; see `EmbeddingCodec`.

    OpenAI embeds queries and documents alike, so `input_type` has no place here.
    """

    provider: ClassVar[str] = "openai"
    default_base_url: ClassVar[str] = OpenAICodec.default_base_url
    key_variables: ClassVar[tuple[str, ...]] = OpenAICodec.key_variables
    api_versions: ClassVar[tuple[str, ...]] = ()
    max_texts: ClassVar[int] = 2048
    # A request may have 300,000 tokens; text of fewer than two bytes per token is no text that anybody writes.
    max_bytes: ClassVar[int] = 600_000
    dimensions_name: ClassVar[str] = "dimensions"
    errors: ClassVar[ErrorTable] = OpenAICodec.errors

    def encode(self, request: EmbeddingRequest, endpoint: Endpoint) -> Encoded:
        """The wire request.

        Raises:
            ConfigError: The request holds what cannot be sent.
        """
        notes = Notes(self.provider, endpoint.unsupported)
        body: dict[str, Any] = {"model": endpoint.model, "input": request.texts, "encoding_format": "base64"}
        if request.dimensions is not None:
            body[self.dimensions_name] = request.dimensions
        add_options(body, request, notes, merged="metadata", stream=False)
        headers = {"authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key is not None else {}
        return Encoded(
            wire(f"{endpoint.base_url}/embeddings", endpoint, headers, body, stream=False), tuple(notes.warnings)
        )

    def decode(self, request: EmbeddingRequest, headers: Mapping[str, str], body: bytes) -> Embeddings:
        """The vectors in the body of a 200, ordered by their `index`.

        Raises:
            ProviderError: An error object, or not one vector of one size for each text (`ServerError`).
        """
        answer = self.errors.answer(headers, body, ("data",))
        entries = [reading.mapping(entry) for entry in reading.entries(answer["data"])]
        numbers = [entry.get("index") for entry in entries]
        if any(number is not None for number in numbers):  # where it is left out the order speaks for itself
            if sorted(map(reading.count, numbers)) != list(range(len(entries))):
                raise self.errors.malformed(headers, body, "vectors that are not numbered from 0 on")
            entries.sort(key=lambda entry: reading.count(entry.get("index")))
        usage = reading.mapping(answer.get("usage"))
        return Embeddings(
            vectors(
                [entry.get("embedding") for entry in entries],
                len(request.texts),
                request.dimensions,
                lambda what: self.errors.malformed(headers, body, what),
            ),
            usage=Usage(input_tokens=reading.count(usage.get("prompt_tokens") or usage.get("total_tokens"))),
            model=reading.text(answer.get("model")),
        )

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """The exception that an error answer stands for; never raises itself."""
        return self.errors.from_answer(status, headers, body)


class MistralEmbeddings(OpenAIEmbeddings):
    """Mistral: another name for the dimensions, and far fewer tokens in a request."""

    provider: ClassVar[str] = "mistral"
    default_base_url: ClassVar[str] = MistralCodec.default_base_url
    key_variables: ClassVar[tuple[str, ...]] = MistralCodec.key_variables
    max_texts: ClassVar[int] = 512
    max_bytes: ClassVar[int] = 32_000
    dimensions_name: ClassVar[str] = "output_dimension"
    errors: ClassVar[ErrorTable] = MistralCodec.errors


class OpenRouterEmbeddings(OpenAIEmbeddings):
    """OpenRouter, which passes the request on to the provider of the model."""

    provider: ClassVar[str] = "openrouter"
    default_base_url: ClassVar[str] = OpenRouterCodec.default_base_url
    key_variables: ClassVar[tuple[str, ...]] = OpenRouterCodec.key_variables
    errors: ClassVar[ErrorTable] = OpenRouterCodec.errors


class QwenEmbeddings(OpenAIEmbeddings):
    """Qwen on DashScope, compatible mode: ten texts in a request."""

    provider: ClassVar[str] = "qwen"
    default_base_url: ClassVar[str] = QwenCodec.default_base_url
    key_variables: ClassVar[tuple[str, ...]] = QwenCodec.key_variables
    max_texts: ClassVar[int] = 10
    errors: ClassVar[ErrorTable] = QwenCodec.errors


class VLLMEmbeddings(OpenAIEmbeddings):
    """A vLLM server that was started with an embedding model."""

    provider: ClassVar[str] = "vllm"
    default_base_url: ClassVar[str] = VLLMCodec.default_base_url
    key_variables: ClassVar[tuple[str, ...]] = VLLMCodec.key_variables
    errors: ClassVar[ErrorTable] = VLLMCodec.errors


class CompatibleEmbeddings(OpenAIEmbeddings):
    """Any other server of the same shape, at the `base_url` that is given; how much it takes at once is not known."""

    provider: ClassVar[str] = "compatible"
    default_base_url: ClassVar[str] = CompatibleCodec.default_base_url
    key_variables: ClassVar[tuple[str, ...]] = CompatibleCodec.key_variables
    max_texts: ClassVar[int] = 32
    errors: ClassVar[ErrorTable] = CompatibleCodec.errors
