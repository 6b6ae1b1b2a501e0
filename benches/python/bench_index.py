"""The exact index from Python: the nearest of 1,000 to 100,000, ten of 10,000, one more, one less."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from inferail.core import VectorIndex

DIM = 384
SHARED = 60


def vectors(count: int, seed: int) -> np.ndarray:
    """Groups that share a low-dimensional part, as embeddings of sentences do; float32 `[count, DIM]`."""
    random = np.random.default_rng(seed)
    made = 0.4 * random.standard_normal((count, DIM), dtype=np.float32)
    centres = np.random.default_rng(1).standard_normal((12_500, SHARED), dtype=np.float32)
    made[:, :SHARED] += centres[random.integers(0, len(centres), count)]
    return made


@pytest.fixture(scope="module", params=[1_000, 10_000, 100_000])
def index(request):
    made = VectorIndex(DIM)
    made.add(np.arange(request.param), vectors(request.param, 2))
    return made


@pytest.mark.parametrize("threshold", [0.8, 0.9, 0.95])
def bench_index_nearest(benchmark, index, threshold):
    queries = itertools.cycle(vectors(64, 3))

    benchmark(lambda: index.nearest(next(queries), threshold))


def bench_index_search_10(benchmark):
    made = VectorIndex(DIM)
    made.add(np.arange(10_000), vectors(10_000, 2))
    queries = itertools.cycle(vectors(64, 3))

    assert len(benchmark(lambda: made.search(next(queries), 10))[0]) == 10


def bench_index_replaces_the_oldest(benchmark, index):
    rows, key = itertools.cycle(vectors(64, 4)), itertools.count(len(index))
    count = len(index)

    def replace():
        new = next(key)
        index.delete(new - count)
        index.add(new, next(rows))

    benchmark(replace)
    assert len(index) == count
