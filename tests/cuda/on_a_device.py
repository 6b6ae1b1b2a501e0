"""Run by test_kv_device.py in a process of its own, which loads the driver's library that it is given: `python on_a_device.py`."""

from __future__ import annotations

import sys
import tempfile

import numpy as np

from inferail.core import KVCache
from inferail.errors import ConfigError, DeviceError

LAYERS, HEADS, DIM, BLOCK = 2, 2, 64, 16
GEOMETRY = {"layers": LAYERS, "kv_heads": HEADS, "head_dim": DIM, "block_size": BLOCK}


def numbers(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def filled(device: str, storage: str, **options: object) -> tuple[KVCache, list]:
    """A cache with two sequences, of which one continues the other's blocks, written in every layer."""
    cache = KVCache(blocks=32, format=storage, device=device, **GEOMETRY, **options)  # type: ignore[arg-type]
    prompt = list(range(48))
    first = cache.open(prompt)
    for layer in range(LAYERS):
        cache.write(layer, first.slots(), numbers(layer, 48, HEADS, DIM), numbers(10 + layer, 48, HEADS, DIM))
    first.commit(48)
    second = cache.open([*prompt[:37], 900, 901])  # shares two blocks, and copies the slots of a third
    assert second.cached_tokens == 37, second.cached_tokens
    for layer in range(LAYERS):
        cache.write(layer, second.slots(37), numbers(20 + layer, 2, HEADS, DIM), numbers(30 + layer, 2, HEADS, DIM))
    return cache, [first, second]


def same_as_in_memory() -> None:
    for storage in ("f32", "bf16", "f16", "int8", "fp8"):
        (there, on_device), (here, in_memory) = filled("cuda", storage), filled("cpu", storage)
        queries = numbers(5, 2, 4 * HEADS, DIM)
        for layer in range(LAYERS):
            for left, right in zip(on_device, in_memory, strict=True):
                for mine, other in zip(there.read(layer, left), here.read(layer, right), strict=True):
                    np.testing.assert_array_equal(mine, other)
            found = there.attend(layer, queries, on_device)
            expected = here.attend(layer, queries, in_memory)
            np.testing.assert_allclose(found, expected, rtol=2e-2, atol=2e-2, err_msg=storage)
        there.check_integrity()


def views() -> None:
    cache, _ = filled("cuda:0", "bf16")
    view = cache.pages(1)
    assert view.__dlpack_device__() == (2, 0)
    assert '"dltensor"' in repr(view.__dlpack__(stream=1))
    told = view.__cuda_array_interface__
    assert (told["version"], told["typestr"], told["stream"]) == (3, "<u2", None)
    assert told["shape"] == (32, 2, HEADS, BLOCK, DIM)
    assert told["strides"][-1] == 2
    assert told["data"][0] == cache.pages(0).__cuda_array_interface__["data"][0] + 32 * 2 * HEADS * BLOCK * DIM * 2
    for refused in (view.numpy, lambda: view.__dlpack__(dl_device=(1, 0)), lambda: view.__dlpack__(copy=True)):
        try:
            refused()
        except BufferError:
            continue
        raise AssertionError
    assert cache.scales(0) is None
    quantised = filled("cuda", "int8")[0].scales(0)
    assert quantised is not None
    assert quantised.__cuda_array_interface__["typestr"] == "<f4"
    in_memory = filled("cpu", "bf16")[0].pages(0)
    assert not hasattr(in_memory, "__cuda_array_interface__")


def tiers() -> None:
    """Blocks leave a device that is too small for memory and disk, and come back byte for byte."""
    with tempfile.TemporaryDirectory() as folder:
        cache = KVCache(blocks=4, format="bf16", device="cuda", host_bytes=1 << 20, disk=folder, **GEOMETRY)  # type: ignore[arg-type]
        keys, values = numbers(1, 48, HEADS, DIM), numbers(2, 48, HEADS, DIM)
        with cache.open(range(48)) as sequence:
            for layer in range(LAYERS):
                cache.write(layer, sequence.slots(), keys, values)
            sequence.commit(48)
            before = cache.read(0, sequence)
        with cache.open(range(1000, 1064)) as other:  # takes every block
            assert other.cached_tokens == 0
        with cache.open([*range(48), 7]) as again:
            assert again.cached_tokens == 48, again.cached_tokens
            for mine, other_one in zip(cache.read(0, again, 48), before, strict=True):
                np.testing.assert_array_equal(mine, other_one)


def errors() -> None:
    for options, kind in (({"device": "cuda:9"}, DeviceError), ({"device": "cuda:x"}, ConfigError)):
        try:
            KVCache(blocks=8, **GEOMETRY, **options)  # type: ignore[arg-type]
        except kind:
            continue
        raise AssertionError(options)
    cache, sequences = filled("cuda", "f32")
    cache.close()
    try:
        cache.read(0, sequences[0])
    except ConfigError:
        return
    raise AssertionError


if __name__ == "__main__":
    for name in sys.argv[1:]:
        globals()[name]()
        print("ran", name)
