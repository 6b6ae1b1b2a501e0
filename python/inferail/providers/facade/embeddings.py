"""OpenAI's embeddings from the server's side: `POST /v1/embeddings`.

Format: the OpenAI API reference, chapter Embeddings, as the official Python SDK types it. The SDK asks for base64 where its
user asks for nothing, so both forms are served. Fields we have no noun for travel as `provider_options["openai"]`; so does
`input_type`, an extension of several servers of this shape, in the words that are ours (`query`, `document`).
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from inferail.providers import reading
from inferail.providers.facade.answers import served
from inferail.providers.facade.fields import Fields
from inferail.types.embedding import EmbeddingRequest, InputType

if TYPE_CHECKING:
    from typing import Any

    import numpy as np
    from numpy.typing import NDArray

    from inferail.providers.codec import Served
    from inferail.types.embedding import Embeddings

__all__ = ["EmbeddingsFacade", "IncomingEmbedding"]

_READ = ("model", "input", "encoding_format", "dimensions", "input_type")
_FORMATS = ("float", "base64")


@dataclass(frozen=True, slots=True)
class IncomingEmbedding:
    """A request for embeddings that a server received.

    Attributes:
        model: The model name the caller asked for.
        request: The same request in our types.
        form: How the caller wants the numbers.
    """

    model: str
    request: EmbeddingRequest
    form: Literal["float", "base64"] = "float"


class EmbeddingsFacade:
    """Reads requests and writes answers; errors are those of Chat Completions."""

    def decode_request(self, body: bytes) -> IncomingEmbedding:
        """Our request from the provider-shaped one.

        Raises:
            ConfigError: The body is not such a request; the message says which field.
        """
        fields = Fields.parse(body)
        given = fields.raw("input")
        if _holds_numbers(given):
            raise fields.wrong("input", "token ids cannot be embedded here: send the text")
        texts = fields.strings("input")
        if not texts:
            raise fields.wrong("input", "is required: a text, or a list of texts that are not empty")
        input_type = fields.one_of("input_type", ("query", "document")) if "input_type" in fields else None
        dimensions = fields.integer("dimensions")
        if dimensions is not None and dimensions < 1:
            raise fields.wrong("dimensions", "must be 1 or more")
        options = fields.others(_READ)
        request = EmbeddingRequest(
            texts,
            cast("InputType | None", input_type),
            dimensions,
            {"openai": options} if options else {},
        )
        form = fields.one_of("encoding_format", _FORMATS, "float")
        return IncomingEmbedding(fields.required_text("model"), request, "base64" if form == "base64" else "float")

    def encode_response(self, embeddings: Embeddings, incoming: IncomingEmbedding) -> Served:
        """The provider-shaped whole answer."""
        rows: list[Any] = (
            [_base64_of(row) for row in embeddings.vectors]
            if incoming.form == "base64"
            else embeddings.vectors.tolist()
        )
        tokens = embeddings.usage.input_tokens
        return served(
            {
                "object": "list",
                "data": [{"object": "embedding", "index": index, "embedding": row} for index, row in enumerate(rows)],
                "model": embeddings.model or incoming.model,
                "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
            }
        )


def _holds_numbers(given: object) -> bool:
    """Whether `input` is a list of token ids, or of lists of them."""
    first = next(iter(reading.entries(given)), None)
    return isinstance(first, int | list)


def _base64_of(row: NDArray[np.float32]) -> str:
    return base64.b64encode(row.astype("<f4").tobytes()).decode("ascii")
