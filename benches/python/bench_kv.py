"""The KV cache from Python: requests of 1,536 tokens, 1,024 of them one of 64 shared prompts, in a full pool of 100,000
blocks; a decoding step of 256 sequences; two threads; making a cache."""

from __future__ import annotations

import itertools
import threading

import numpy as np
import pytest

from inferail.core import KVCache

BLOCKS, SHARED, NEW = 100_000, 1_024, 512


def requests(count: int, seed: int = 1) -> list[np.ndarray]:
    """int32 `[SHARED + NEW]` each."""
    random = np.random.default_rng(seed)
    prompts = [random.integers(0, 128_000, SHARED, np.int32) for _ in range(64)]
    new = random.integers(0, 128_000, (count, NEW), np.int32)
    return [np.concatenate([prompts[at % 64], row]) for at, row in enumerate(new)]


def serve(cache: KVCache, ids: np.ndarray | list[int]) -> None:
    """A request from its beginning to its end, without the model."""
    with cache.open(ids) as sequence:
        assert len(sequence.block_table) == 96
        sequence.commit(SHARED + NEW)


@pytest.fixture(scope="module")
def full() -> KVCache:
    cache = KVCache(blocks=BLOCKS)
    for ids in requests(BLOCKS // 32 + 64):
        serve(cache, ids)
    return cache


@pytest.mark.parametrize("kind", ["numpy", "list"])
def bench_kv_request(benchmark, full, kind):
    # The prompts that are shared come first out of the dice; what follows them is used once until it is evicted.
    made = requests(8_000)[BLOCKS // 32 + 64 :]
    turn = itertools.cycle(made if kind == "numpy" else [ids.tolist() for ids in made])

    benchmark(lambda: serve(full, next(turn)))


def bench_kv_decoding_step_256(benchmark, full):
    plan = full.plan(open=requests(256, seed=3))
    running = plan.opened
    step = [(sequence, 7) for sequence in running]

    def decode():
        plan = full.plan(commit=running, append=step)
        assert plan.block_tables.shape[0] == 256

    benchmark.pedantic(decode, rounds=200)
    full.plan(release=running)


def bench_kv_two_threads(benchmark, full):
    made = requests(256, seed=4)

    def both():
        threads = [threading.Thread(target=lambda: [serve(full, ids) for ids in made]) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    benchmark(both)


def bench_kv_create(benchmark):
    benchmark(lambda: KVCache(blocks=BLOCKS))
