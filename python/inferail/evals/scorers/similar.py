"""A scorer for meaning: how near the answer is to the expected one, by an embedding model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inferail._sync import Embedder
from inferail.embedding import AsyncEmbedder
from inferail.errors import ConfigError
from inferail.evals.case import Score, check_passing
from inferail.evals.scorers.answers import text_of

if TYPE_CHECKING:
    from inferail.evals.case import Case

__all__ = ["Similar"]


class Similar:
    """The cosine of the answer and the expected text, 0 where it is negative; passes from `threshold` on.

    What a cosine means depends on the model: look at some pairs that people judged before choosing the threshold.
    """

    def __init__(self, embedder: Embedder | AsyncEmbedder, threshold: float = 0.8, *, name: str = "similar") -> None:
        """Takes what embeds.

        Args:
            embedder: `ir.Embedder` for `run_eval`, `ir.AsyncEmbedder` for `arun_eval`.
            threshold: From which on an answer passes, 0 to 1.
            name: For reports.

        Raises:
            ConfigError: No embedder, or a threshold out of range.
        """
        if not isinstance(embedder, Embedder | AsyncEmbedder):
            raise ConfigError(f"embedder must be an ir.Embedder or an ir.AsyncEmbedder, not {type(embedder).__name__}")
        check_passing(threshold)
        self.name = name
        self.blocking = not isinstance(embedder, AsyncEmbedder)
        self._embedder, self._threshold = embedder, threshold

    async def score(self, case: Case, output: Any) -> Score:
        """From 0 to 1."""
        if case.expected is None:
            raise ConfigError(f"{self.name} compares with what is expected, and the case has no expected")
        expected, answer = text_of(case.expected), text_of(output)
        if not answer or not expected:
            return Score(float(answer == expected), answer == expected)
        import numpy as np

        embedder, pair = self._embedder, [expected, answer]
        embedded = await embedder.embed(pair) if isinstance(embedder, AsyncEmbedder) else embedder.embed(pair)
        vectors = embedded.vectors.astype(np.float64)
        lengths = np.linalg.norm(vectors, axis=1)
        cosine = float(vectors[0] @ vectors[1] / (lengths[0] * lengths[1])) if lengths.all() else 0.0
        value = min(1.0, max(0.0, cosine))
        return Score(value, value >= self._threshold)
