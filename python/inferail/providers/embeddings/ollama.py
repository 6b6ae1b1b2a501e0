"""Ollama's `POST /api/embed`.

Source: the types of Ollama's official Python library, 0.6. Texts longer than the model's context are cut by the server
unless `provider_options={"ollama": {"truncate": False}}` makes it an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from inferail.providers import reading
from inferail.providers.codec import Encoded
from inferail.providers.embeddings.vectors import vectors
from inferail.providers.native.ollama import OllamaCodec
from inferail.providers.writing import Notes, add_options, wire
from inferail.types.embedding import Embeddings
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from inferail.errors import ProviderError
    from inferail.providers.codec import Endpoint
    from inferail.providers.errors import ErrorTable
    from inferail.types.embedding import EmbeddingRequest

__all__ = ["OllamaEmbeddings"]


class OllamaEmbeddings:
    """Client side of `/api/embed`; see `EmbeddingCodec`."""

    provider: ClassVar[str] = "ollama"
    default_base_url: ClassVar[str] = OllamaCodec.default_base_url
    key_variables: ClassVar[tuple[str, ...]] = OllamaCodec.key_variables
    api_versions: ClassVar[tuple[str, ...]] = ()
    # Not a limit of Ollama, which works on one text at a time: it keeps an answer to a few megabytes.
    max_texts: ClassVar[int] = 256
    max_bytes: ClassVar[int] = 1_000_000
    errors: ClassVar[ErrorTable] = OllamaCodec.errors

    def encode(self, request: EmbeddingRequest, endpoint: Endpoint) -> Encoded:
        """The wire request.

        Raises:
            ConfigError: The request holds what cannot be sent.
        """
        notes = Notes(self.provider, endpoint.unsupported)
        body: dict[str, Any] = {"model": endpoint.model, "input": request.texts}
        if request.dimensions is not None:
            body["dimensions"] = request.dimensions
        add_options(body, request, notes, merged="options", stream=False)
        base_url = endpoint.base_url.removesuffix("/api")
        headers = {"authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key is not None else {}
        return Encoded(wire(f"{base_url}/api/embed", endpoint, headers, body, stream=False), tuple(notes.warnings))

    def decode(self, request: EmbeddingRequest, headers: Mapping[str, str], body: bytes) -> Embeddings:
        """The vectors in the body of a 200.

        Raises:
            ProviderError: An error object, or not one vector of one size for each text (`ServerError`).
        """
        answer = self.errors.answer(headers, body, ("embeddings",))
        return Embeddings(
            vectors(
                reading.entries(answer["embeddings"]),
                len(request.texts),
                request.dimensions,
                lambda what: self.errors.malformed(headers, body, what),
            ),
            usage=Usage(input_tokens=reading.count(answer.get("prompt_eval_count"))),
            model=reading.text(answer.get("model")),
        )

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """The exception that an error answer stands for; never raises itself."""
        return self.errors.from_answer(status, headers, body)
