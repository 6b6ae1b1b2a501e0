"""`KVCache` with pages: what was written is read and attended to, in whatever way its blocks have come about."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from inferail import core, errors
from inferail.core import Sequence

# Wrong arguments are part of what is tested.
KVCache: Any = core.KVCache

LAYERS, HEADS, DIM = 2, 2, 16


def make(**options: Any) -> Any:
    given = {"blocks": 16, "block_size": 4, "layers": LAYERS, "kv_heads": HEADS, "head_dim": DIM, "format": "f32"}
    return KVCache(**(given | options))


def rows(ids: list[int], layer: int) -> tuple[np.ndarray, np.ndarray]:
    """Keys and values that depend on every token before: float32 `[tokens, HEADS, DIM]` each."""
    made, state = [], 0
    for token in ids:
        state = (state * 31 + token + 7919 * layer) % 1_000_003
        made.append(np.random.default_rng(state).standard_normal((2, HEADS, DIM), np.float32))
    both = np.array(made, np.float32).reshape(-1, 2, HEADS, DIM)
    return np.ascontiguousarray(both[:, 0]), np.ascontiguousarray(both[:, 1])


def compute(cache: Any, sequence: Sequence, ids: list[int]) -> None:
    """The model: K and V of what is not there yet."""
    start = sequence.committed_tokens
    for layer in range(LAYERS):
        keys, values = rows(ids, layer)
        cache.write(layer, sequence.slots(), keys[start:], values[start:])
    sequence.commit(len(ids))


def check(cache: Any, sequence: Sequence, ids: list[int]) -> None:
    for layer in range(LAYERS):
        for read, expected in zip(cache.read(layer, sequence), rows(ids, layer), strict=True):
            np.testing.assert_array_equal(read, expected)
    cache.check_integrity()


def test_pages_are_the_same_with_and_without_a_prefix():
    cache = make()
    first, second = list(range(10)), [0, 1, 2, 3, 4, 5, 90, 91, 92]
    with cache.open(first) as sequence:
        compute(cache, sequence, first)

    with cache.open(second) as sequence:
        assert sequence.cached_tokens == 6
        compute(cache, sequence, second)

        check(cache, sequence, second)
    assert cache.stats()["copied_tokens"] == 2


def test_pages_are_the_same_after_a_fork():
    cache = make()
    ids = list(range(6))
    sequence = cache.open(ids)
    compute(cache, sequence, ids)
    (fork,) = sequence.fork()

    sequence.append([50])
    fork.append([60, 61, 62])
    compute(cache, sequence, [*ids, 50])
    compute(cache, fork, [*ids, 60, 61, 62])

    check(cache, sequence, [*ids, 50])
    check(cache, fork, [*ids, 60, 61, 62])


@pytest.mark.parametrize("number", ["f32", "bf16", "int8"])
def test_pages_come_back_from_the_tier_below(number):
    cache = make(blocks=4, host_bytes=1 << 20, format=number)
    ids, reads = list(range(13)), []
    for prompt in (ids, list(range(100, 113)), ids):
        with cache.open(prompt) as sequence:
            compute(cache, sequence, prompt)
            if prompt is ids:
                reads.append(cache.read(1, sequence))

    np.testing.assert_array_equal(reads[0], reads[1])
    assert cache.stats()["loaded_tokens"] == 12
    assert cache.tier_stats()["host"]["blocks"] >= 3
    cache.check_integrity()


def test_pages_come_back_from_disk_in_another_process_and_damage_is_a_miss(tmp_path):
    ids = list(range(13))
    options = {"disk": tmp_path / "kv", "disk_bytes": 1 << 22}
    with make(**options) as cache, cache.open(ids) as sequence:
        compute(cache, sequence, ids)
        cache.save()

    again = make(**options)
    with again.open(ids) as sequence:
        assert sequence.cached_tokens == 12
        compute(again, sequence, ids)
        check(again, sequence, ids)
    again.close()
    (file,) = [path for path in (tmp_path / "kv").iterdir() if path.suffix == ".irkv"]
    data = bytearray(file.read_bytes())
    keys = rows(ids, 0)[0][4].tobytes()
    at = data.find(keys[:16])
    data[at] ^= 1
    file.write_bytes(data)

    damaged = make(**options)
    with damaged.open(ids) as sequence:
        assert at > 0
        assert sequence.cached_tokens == 4
        compute(damaged, sequence, ids)
        check(damaged, sequence, ids)
    assert damaged.stats()["cached_tokens"] == 4
    assert damaged.tier_stats()["disk"]["corrupt"] == 1


def test_attention_is_that_of_numpy():
    cache = make()
    prompts = [list(range(9)), [0, 1, 2, 3, 4, 70]]
    sequences = []
    for ids in prompts:
        sequence = cache.open(ids)
        compute(cache, sequence, ids)
        sequences.append(sequence)
    queries = np.random.default_rng(1).standard_normal((2, 4, DIM), np.float32)

    found = cache.attend(1, queries, sequences)

    for row, ids in enumerate(prompts):
        keys, values = (np.repeat(numbers.astype(np.float64), 2, axis=1) for numbers in rows(ids, 1))
        scores = np.einsum("hd,thd->ht", queries[row], keys) / np.sqrt(DIM)
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        expected = np.einsum("ht,thd->hd", weights / weights.sum(axis=1, keepdims=True), values)
        np.testing.assert_allclose(found[row], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"layers": None}, id="half-a-geometry"),
        pytest.param({"layers": 0}, id="no-layers"),
        pytest.param({"head_dim": 12}, id="head-dim"),
        pytest.param({"format": "f64"}, id="format"),
        pytest.param({"device": "tpu"}, id="device"),
        pytest.param({"blocks": None, "groups": [(8, None), (8, 4)]}, id="groups"),
        pytest.param({"blocks": 2**30, "head_dim": 128}, id="larger-than-memory"),
        pytest.param({"layers": None, "kv_heads": None, "head_dim": None, "host_bytes": 1000}, id="tier-without-pages"),
    ],
)
def test_geometry_that_means_nothing_is_refused(options):
    with pytest.raises(errors.ConfigError):
        make(**options)


def test_shapes_that_do_not_fit_are_refused():
    cache, other = make(), make()
    sequence = cache.open([1, 2, 3])
    keys, values = rows([1, 2, 3], 0)
    slots = sequence.slots()

    wrong = [
        lambda: cache.write(LAYERS, slots, keys, values),
        lambda: cache.write(0, slots[:2], keys, values),
        lambda: cache.write(0, slots + 1000, keys, values),
        lambda: cache.write(0, slots.astype(np.int32), keys, values),
        lambda: cache.write(0, slots, keys[:, :1], values),
        lambda: cache.write(0, slots, keys.astype(np.float64), values),
        lambda: cache.read(LAYERS, sequence),
        lambda: cache.read(0, sequence, 9),
        lambda: other.read(0, sequence),
        lambda: cache.attend(0, keys[0], [sequence]),
        lambda: cache.attend(0, keys, [sequence]),
        lambda: cache.attend(0, keys, [sequence], num_queries=[3, 1]),
        lambda: cache.attend(0, keys, [sequence], num_queries=[3], threads=0),
        lambda: KVCache(blocks=8).write(0, slots, keys, values),
        cache.save,
    ]
    for call in wrong:
        with pytest.raises(errors.ConfigError):
            call()
    sequence.release()
    with pytest.raises(errors.ConfigError):
        cache.read(0, sequence)
