"""Texts to vectors of length 1, through whatever embedder there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inferail.errors import CancelledError, ConfigError, RequestError
from inferail.types.embedding import EmbeddingModel, EmbeddingRequest
from inferail.types.registry import resolve_embedder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]

__all__ = ["Embedding"]


class Embedding:
    """An embedder as the cache uses it. It runs in the Scope of the call: its transport, deadline and budget.

    Attributes:
        name: Whose vectors these are.
    """

    def __init__(self, embedder: Any) -> None:
        """Takes an EmbeddingModel, an `Embedder` around one, or its name.

        Raises:
            ConfigError: Something else.
        """
        if isinstance(embedder, str):
            embedder = resolve_embedder(embedder)
        model = embedder if isinstance(embedder, EmbeddingModel) else getattr(embedder, "model", None)
        if not isinstance(model, EmbeddingModel):
            raise ConfigError(
                "embedder must be an Embedder, its name, or an EmbeddingModel, for example ir.Embedder('local:all-minilm-l6-v2')"
            )
        self._model: EmbeddingModel = model
        self.name = model.name

    async def rows(self, texts: list[str]) -> Vector:
        """One vector of length 1 for each text.

        Raises:
            RequestError: The embedder cannot be reached.
            ConfigError: It gave a vector without a direction.
        """
        import numpy as np

        vectors = await self._vectors(texts)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not np.isfinite(lengths).all() or not lengths.all():
            raise ConfigError(f"{self.name} gave a vector without a direction")
        rows: Vector = vectors / lengths
        return rows

    async def row(self, text: str) -> Vector | None:
        """The vector of one text, of any length: the index compares directions. None where the embedder fails: then there is only the exact cache.

        Raises:
            CancelledError: The call was cancelled.
        """
        try:
            vectors = await self._vectors([text])
        except CancelledError:
            raise
        except RequestError:
            return None
        row: Vector = vectors[0]
        return row

    async def _vectors(self, texts: list[str]) -> Vector:
        # Both sides of the comparison are what somebody asks.
        embeddings = await self._model.embed(EmbeddingRequest(tuple(texts), input_type="query"))
        return embeddings.vectors
