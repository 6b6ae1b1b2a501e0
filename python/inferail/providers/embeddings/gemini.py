"""Gemini's `POST /models/{model}:batchEmbedContents`.

Source: the types of Google's official Python library, google-genai 3.6, and the API reference of `v1beta`. The API says
nothing about tokens, or says it in `usageMetadata`; where it does not, usage is estimated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from inferail.providers import reading
from inferail.providers.codec import Encoded
from inferail.providers.embeddings.vectors import vectors
from inferail.providers.native.gemini import GeminiCodec
from inferail.providers.writing import Notes, add_options, wire
from inferail.types.embedding import Embeddings
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from inferail.errors import ProviderError
    from inferail.providers.codec import Endpoint
    from inferail.providers.errors import ErrorTable
    from inferail.types.embedding import EmbeddingRequest

__all__ = ["GeminiEmbeddings"]

_TASKS = {"query": "RETRIEVAL_QUERY", "document": "RETRIEVAL_DOCUMENT"}


class GeminiEmbeddings:
    """Client side of `batchEmbedContents`; see `EmbeddingCodec`. Options are merged into each entry of `requests`."""

    provider: ClassVar[str] = "gemini"
    default_base_url: ClassVar[str] = GeminiCodec.default_base_url
    key_variables: ClassVar[tuple[str, ...]] = GeminiCodec.key_variables
    api_versions: ClassVar[tuple[str, ...]] = ()
    max_texts: ClassVar[int] = 100
    max_bytes: ClassVar[int] = 800_000
    errors: ClassVar[ErrorTable] = GeminiCodec.errors

    def encode(self, request: EmbeddingRequest, endpoint: Endpoint) -> Encoded:
        """The wire request.

        Raises:
            ConfigError: The request holds what cannot be sent.
        """
        notes = Notes(self.provider, endpoint.unsupported)
        model = endpoint.model if "/" in endpoint.model else f"models/{endpoint.model}"
        options: dict[str, Any] = {"model": model}
        if request.input_type is not None:
            options["taskType"] = _TASKS[request.input_type]
        if request.dimensions is not None:
            options["outputDimensionality"] = request.dimensions
        add_options(options, request, notes, merged="content", stream=False)
        body = {"requests": [{**options, "content": {"parts": [{"text": text}]}} for text in request.texts]}
        headers = {"x-goog-api-key": endpoint.api_key} if endpoint.api_key is not None else {}
        url = f"{endpoint.base_url}/{quote(model)}:batchEmbedContents"
        return Encoded(wire(url, endpoint, headers, body, stream=False), tuple(notes.warnings))

    def decode(self, request: EmbeddingRequest, headers: Mapping[str, str], body: bytes) -> Embeddings:
        """The vectors in the body of a 200.

        Raises:
            ProviderError: An error object, or not one vector of one size for each text (`ServerError`).
        """
        answer = self.errors.answer(headers, body, ("embeddings",))
        usage = reading.mapping(answer.get("usageMetadata"))
        return Embeddings(
            vectors(
                [reading.mapping(entry).get("values") for entry in reading.entries(answer["embeddings"])],
                len(request.texts),
                request.dimensions,
                lambda what: self.errors.malformed(headers, body, what),
            ),
            usage=Usage(input_tokens=reading.count(usage.get("promptTokenCount"))),
        )

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """The exception that an error answer stands for; never raises itself."""
        return self.errors.from_answer(status, headers, body)
