"""Cohere's `POST /v2/embed`.

Source: the types of Cohere's official Python library, 7.3. Cohere embeds queries and documents differently and refuses a
request that does not say which, so here that is an error before anything is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from inferail.errors import ConfigError
from inferail.providers import reading
from inferail.providers.codec import Encoded
from inferail.providers.embeddings.vectors import vectors
from inferail.providers.native.cohere import CohereCodec
from inferail.providers.writing import Notes, add_options, wire
from inferail.types.embedding import Embeddings
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from inferail.errors import ProviderError
    from inferail.providers.codec import Endpoint
    from inferail.providers.errors import ErrorTable
    from inferail.types.embedding import EmbeddingRequest

__all__ = ["CohereEmbeddings"]

_TYPES = {"query": "search_query", "document": "search_document"}


class CohereEmbeddings:
    """Client side of `/v2/embed`; see `EmbeddingCodec`. Vectors are asked for as base64, and read as numbers too."""

    provider: ClassVar[str] = "cohere"
    default_base_url: ClassVar[str] = CohereCodec.default_base_url
    key_variables: ClassVar[tuple[str, ...]] = CohereCodec.key_variables
    api_versions: ClassVar[tuple[str, ...]] = ()
    max_texts: ClassVar[int] = 96
    max_bytes: ClassVar[int] = 1_000_000
    errors: ClassVar[ErrorTable] = CohereCodec.errors

    def encode(self, request: EmbeddingRequest, endpoint: Endpoint) -> Encoded:
        """The wire request.

        Raises:
            ConfigError: The request does not say what its texts are, or holds what cannot be sent.
        """
        notes = Notes(self.provider, endpoint.unsupported)
        body: dict[str, Any] = {"model": endpoint.model, "texts": request.texts, "embedding_types": ["base64"]}
        if request.input_type is not None:
            body["input_type"] = _TYPES[request.input_type]
        if request.dimensions is not None:
            body["output_dimension"] = request.dimensions
        add_options(body, request, notes, merged="inputs", stream=False)
        if "input_type" not in body:
            raise ConfigError(
                "cohere embeds queries and documents differently: pass input_type='query' or input_type='document'"
            )
        base_url = endpoint.base_url.removesuffix("/v2").removesuffix("/v1")
        headers = {"authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key is not None else {}
        return Encoded(wire(f"{base_url}/v2/embed", endpoint, headers, body, stream=False), tuple(notes.warnings))

    def decode(self, request: EmbeddingRequest, headers: Mapping[str, str], body: bytes) -> Embeddings:
        """The vectors in the body of a 200.

        Raises:
            ProviderError: An error object, or not one vector of one size for each text (`ServerError`).
        """
        answer = self.errors.answer(headers, body, ("embeddings",))
        forms = reading.mapping(answer["embeddings"])
        billed = reading.mapping(reading.mapping(answer.get("meta")).get("billed_units"))
        return Embeddings(
            vectors(
                reading.entries(forms.get("base64")) or reading.entries(forms.get("float")),
                len(request.texts),
                request.dimensions,
                lambda what: self.errors.malformed(headers, body, what),
            ),
            usage=Usage(input_tokens=reading.count(billed.get("input_tokens"))),
        )

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """The exception that an error answer stands for; never raises itself."""
        return self.errors.from_answer(status, headers, body)
