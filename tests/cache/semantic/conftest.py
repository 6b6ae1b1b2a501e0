"""Texts at chosen angles, a clock that is set, and caches made of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from inferail.cache.semantic import SemanticCache
from inferail.errors import ServerError
from inferail.types.embedding import EmbeddingRequest, Embeddings


class Angles:
    """An EmbeddingModel of texts whose similarity is chosen: each has an angle, in degrees; two are as near as its cosine."""

    def __init__(self, angles: Mapping[str, float], name: str = "angles") -> None:
        self.angles = dict(angles)
        self.asked: list[str] = []
        self.broken = False
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        if self.broken:
            raise ServerError("the embedder is down", status_code=503)
        self.asked += request.texts
        turned = [math.radians(self.angles[text]) for text in request.texts]
        return Embeddings(np.array([[math.cos(angle), math.sin(angle)] for angle in turned], np.float32))


class Clock:
    """Seconds since 1970, as they are set."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make(clock) -> Callable[..., SemanticCache]:
    """`make({"text": degrees, …}, threshold, **options)` is a cache over texts at these angles."""

    def made(angles: Mapping[str, float] | Angles, threshold: float = 0.9, **options: Any) -> SemanticCache:
        embedder = angles if isinstance(angles, Angles) else Angles(angles)
        return SemanticCache(embedder, threshold, now=clock, **options)

    return made


def degrees(similarity: float) -> float:
    """The angle between two texts of this similarity."""
    return math.degrees(math.acos(similarity))
