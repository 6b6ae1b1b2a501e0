"""Pages of a `KVCache` as arrays of others, and attention over them against float64."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferail import errors
from inferail.core import KVCache
from tests.core.reference_attention import attend

FORMATS = ["f32", "bf16", "f16", "int8", "fp8"]


def make(**options: Any) -> KVCache:
    given: dict[str, Any] = {"blocks": 8, "block_size": 4, "layers": 2, "kv_heads": 2, "head_dim": 16, "format": "f32"}
    return KVCache(**(given | options))


def filled(cache: KVCache, tokens: int, dim: int = 16) -> tuple[np.ndarray, np.ndarray]:
    keys, values = np.random.default_rng(tokens).standard_normal((2, tokens, 2, dim), np.float32)
    for layer in range(2):
        cache.write(layer, np.arange(tokens), keys, values)
    return keys, values


def test_a_view_shows_what_was_written_without_a_copy():
    cache = make()
    view = cache.pages(1).numpy()
    assert view.shape == (8, 2, 2, 4, 16)
    assert view.dtype == np.float32
    assert not view.any()

    keys, values = filled(cache, 8)

    np.testing.assert_array_equal(view[1, 0], keys[4:].transpose(1, 0, 2))
    np.testing.assert_array_equal(view[0, 1], values[:4].transpose(1, 0, 2))


def test_what_is_written_through_a_view_is_read_by_the_cache():
    cache = make()
    with cache.open(list(range(5))) as sequence:
        view = np.from_dlpack(cache.pages(0))

        view[sequence.block_table[1], 0, 1, 0] = np.arange(16)

        keys, _ = cache.read(0, sequence)
        np.testing.assert_array_equal(keys[4, 1], np.arange(16))


@pytest.mark.parametrize("close", [True, False])
def test_a_view_keeps_its_memory_when_the_cache_is_gone(close):
    cache = make()
    keys, _ = filled(cache, 8)
    exported, view = cache.pages(0), cache.pages(0).numpy()

    if close:
        cache.close()
    del cache
    gc.collect()

    np.testing.assert_array_equal(view[0, 0], keys[:4].transpose(1, 0, 2))
    np.testing.assert_array_equal(np.from_dlpack(exported), view)


def test_a_closed_cache_gives_no_views():
    cache = make()
    cache.close()

    with pytest.raises(errors.ConfigError, match="closed"):
        cache.pages(0)


def test_a_cache_without_pages_gives_no_views():
    with pytest.raises(errors.ConfigError, match="no pages"):
        KVCache(blocks=8).pages(0)


def test_a_layer_that_is_none_gives_no_view():
    with pytest.raises(errors.ConfigError, match="layer"):
        make().pages(2)


@pytest.mark.parametrize(
    ("version", "name"), [(None, "dltensor"), ((0, 8), "dltensor"), ((1, 0), "dltensor_versioned")]
)
def test_a_capsule_has_the_version_that_was_asked_for(version, name):
    capsule = make().pages(0).__dlpack__(max_version=version)

    assert f'"{name}"' in repr(capsule)


def test_capsules_that_nobody_takes_are_freed():
    cache = make(blocks=4096, head_dim=128)
    view = cache.pages(0)
    for _ in range(1000):
        view.__dlpack__()
        view.__dlpack__(max_version=(1, 0))
        np.from_dlpack(view)

    assert view.__dlpack_device__() == (1, 0)


@pytest.mark.parametrize(
    "options",
    [{"stream": 1}, {"dl_device": (2, 0)}, {"copy": True}],
    ids=["stream", "device", "copy"],
)
def test_what_a_view_cannot_do_is_a_buffer_error(options):
    with pytest.raises(BufferError):
        make().pages(0).__dlpack__(**options)


def test_bits_of_bfloat16_are_those_of_numpy():
    cache = make(format="bf16")
    keys, _ = filled(cache, 4)

    view = cache.pages(0).numpy()

    assert view.dtype == np.uint16
    widened = (view[0, 0].astype(np.uint32) << 16).view(np.float32)
    np.testing.assert_allclose(widened, keys.transpose(1, 0, 2), rtol=1 / 256)


@pytest.mark.parametrize("kind", FORMATS)
def test_half_numbers_are_written_as_the_numbers_they_are(kind):
    narrow, wide = make(format=kind), make(format=kind)
    halves = np.random.default_rng(3).standard_normal((4, 2, 16)).astype(np.float16)
    singles = np.random.default_rng(4).standard_normal((4, 2, 16)).astype(np.float32)
    bits = (singles.view(np.uint32) >> 16).astype(np.uint16)

    narrow.write(0, np.arange(4), halves, bits)
    wide.write(0, np.arange(4), halves.astype(np.float32), (bits.astype(np.uint32) << 16).view(np.float32))

    np.testing.assert_array_equal(narrow.pages(0).numpy(), wide.pages(0).numpy())


def test_numbers_of_another_type_are_refused():
    rows: Any = np.zeros((4, 2, 16), np.float64)

    with pytest.raises(errors.ConfigError, match="float16 or the bits of bfloat16"):
        make().write(0, np.arange(4), rows, rows)


def test_codes_times_scales_are_the_numbers():
    cache = make(format="int8")
    keys, values = filled(cache, 32)

    codes, view = cache.pages(0).numpy(), cache.scales(0)
    assert view is not None
    scales = view.numpy()

    assert codes.dtype == np.int8
    assert scales.shape == (8, 2, 2, 4)
    numbers = codes * scales[..., None]
    expected = np.stack([keys, values]).reshape(2, 8, 4, 2, 16).transpose(1, 0, 3, 2, 4)
    bound = np.abs(expected).max(-1, keepdims=True) / 253
    assert (np.abs(numbers - expected) <= bound).all()


def test_only_quantised_pages_have_scales():
    assert make().scales(0) is None
    scales = make(format="fp8").scales(0)
    assert scales is not None
    assert scales.strides[-1] == 4


@given(
    kind=st.sampled_from(FORMATS),
    dim=st.sampled_from([64, 96, 128, 256]),
    tokens=st.integers(1, 70),
    rows=st.integers(1, 5),
    group=st.integers(1, 5),
    soft_cap=st.none() | st.floats(1, 50),
    window=st.none() | st.integers(1, 40),
)
def test_attention_is_that_of_float64(*, kind, dim, tokens, rows, group, soft_cap, window):
    cache = make(format=kind, head_dim=dim, blocks=18, layers=1)
    rows = min(rows, tokens)
    with cache.open(list(range(tokens))) as sequence:
        given_rows = np.random.default_rng(dim + tokens).standard_normal((2, tokens, 2, dim), np.float32)
        cache.write(0, sequence.slots(), given_rows[0], given_rows[1])
        sequence.commit(tokens)
        queries = np.random.default_rng(7).standard_normal((rows, 2 * group, dim), np.float32)

        out = cache.attend(0, queries, [sequence], num_queries=[rows], soft_cap=soft_cap, window=window)

        keys, values = cache.read(0, sequence)
    expected = attend(queries, keys, values, soft_cap=soft_cap, window=window)
    np.testing.assert_allclose(out, expected, atol=2e-5)
