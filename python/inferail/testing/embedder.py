"""An embedding model that needs no model: the hashed words of a text are its vector."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING

from inferail.types.embedding import Embeddings
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from inferail.types.embedding import EmbeddingRequest

__all__ = ["WordEmbedder"]

_WORD = re.compile(r"\w+")


class WordEmbedder:
    """An EmbeddingModel whose vectors are the same on every run and machine, and near for texts that share words.

    Each word adds or subtracts 1 in one dimension that its CRC-32 names; the vector is then scaled to length 1. A text
    without a word is counted as the word of itself.

    Attributes:
        requests: What it was asked, in order.
    """

    def __init__(self, name: str = "words", *, dimensions: int = 64) -> None:
        """Sets it up.

        Args:
            name: The model's name; also the provider in its answers.
            dimensions: How many numbers a vector has where the request asks for none.
        """
        self.requests: list[EmbeddingRequest] = []
        self._name = name
        self._dimensions = dimensions

    @property
    def name(self) -> str:
        """The name it was given."""
        return self._name

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        """One vector for each text."""
        import numpy as np

        self.requests.append(request)
        dimensions = request.dimensions or self._dimensions
        vectors = np.zeros((len(request.texts), dimensions), np.float32)
        tokens = 0
        for row, text in zip(vectors, request.texts, strict=True):
            words = _WORD.findall(text.lower()) or [text]
            tokens += len(words)
            for word in words:
                code = zlib.crc32(word.encode("utf-8", "surrogatepass"))
                row[(code >> 1) % dimensions] += 1.0 if code & 1 else -1.0
            if not row.any():  # words that cancel each other
                row[0] = 1.0
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return Embeddings(vectors, Usage(input_tokens=tokens), provider=self._name, model=self._name)
