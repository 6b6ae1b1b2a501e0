"""Bandwidth of paged decode on this machine's GPU, beside what copying reaches and torch's attention.

    python benches/gpu/paged_decode.py          # into benches/gpu/RESULTS.md
    python benches/gpu/paged_decode.py --small  # one launch of each kernel, for compute-sanitizer

Bytes are the keys and values that a step reads; the ceiling is a copy of 4 GiB on the device, reading and writing
counted. Times are medians of launches that are waited for one by one in groups, over layers in turn so that no layer is
in the second cache when it comes again.
"""

from __future__ import annotations

import ctypes as c
import math
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from device import BOUNDS, SIZES, Device, Store, Swap, check

RESULTS = Path(__file__).parent / "RESULTS.md"
# Of each: sequences, tokens of each, key/value heads, query heads, head dimension. All have 64k tokens or more but the first.
SHAPES = [
    (1, 8_192, 8, 32, 128),
    (16, 4_096, 8, 32, 128),
    (64, 4_096, 8, 64, 128),
    (8, 16_384, 8, 32, 64),
    (64, 2_048, 4, 28, 128),
]
LAYERS = 4
REPEATS = 20


def timed(device, steps):
    """Seconds of one step: the median over groups that go through all `steps`."""
    for step in steps:
        step()
    device.synchronize()
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        for _ in range(4):
            for step in steps:
                step()
        device.synchronize()
        seconds.append((time.perf_counter() - started) / 4 / len(steps))
    return statistics.median(seconds)


def ceiling(device):
    """Bytes a second of copying on the device: by the driver, and by our own kernel that gathers blocks."""
    size, page = 4 << 30, 1 << 18
    at, to = device.allocate(size), device.allocate(size)
    ids = device.upload(np.random.default_rng(0).permutation(size // page).astype(np.int32))
    swap = Swap(at, to, ids, page, 0, size // page, 1)
    ours = timed(device, [lambda: device.launch("pages", "gather_blocks", (size // page, 1, 1), 256, swap)])
    copy = lambda: device("cuMemcpyDtoDAsync_v2", c.c_uint64(to), c.c_uint64(at), c.c_size_t(size), None)  # noqa: E731
    driver = timed(device, [copy])
    device.free()
    return 2 * size / driver, 2 * size / ours


def decode(device, kind, shape):
    """Seconds and bytes of one decode step of one layer."""
    sequences, length, kv_heads, heads, dim = shape
    blocks = sequences * length // 16
    random = np.random.default_rng(0)
    table = random.permutation(blocks).astype(np.int32).reshape(sequences, -1)
    at = device.upload(table), sequences, table.shape[1]
    lengths = device.upload(np.full(sequences, length, np.int32)), length, sequences * length
    query = device.upload(random.standard_normal((sequences, heads, dim), np.float32)), heads
    out = device.allocate(sequences * heads * dim * 4)
    steps = []
    for _ in range(LAYERS):
        store = Store(device, kind, dim, kv_heads, blocks)
        # Zeros cost as much to read as anything.
        device.fill(store.pages, 0, blocks * store.page_bytes)
        steps.append(store.decode(query, at, lengths, out, 1 / math.sqrt(dim)))
    seconds = timed(device, steps)
    device.free()
    return seconds, blocks * store.page_bytes


def torch_seconds(shape):
    """The same step by torch's scaled_dot_product_attention on contiguous bf16, or None without torch."""
    try:
        import torch
    except ModuleNotFoundError:
        return None
    sequences, length, kv_heads, heads, dim = shape
    make = lambda *size: torch.randn(*size, device="cuda", dtype=torch.bfloat16)  # noqa: E731
    query = make(sequences, heads, 1, dim)
    layers = [(make(sequences, kv_heads, length, dim), make(sequences, kv_heads, length, dim)) for _ in range(LAYERS)]
    attend = torch.nn.functional.scaled_dot_product_attention

    class Torch:
        synchronize = staticmethod(torch.cuda.synchronize)

    return timed(Torch, [lambda k=k, v=v: attend(query, k, v, enable_gqa=True) for k, v in layers])


def small():
    """Every kernel that decodes or writes, once, on short sequences."""
    device = Device()
    errors = {(kind, dim): check(device, kind, dim) for kind in SIZES for dim in (64, 96, 128, 256)}
    device.free()
    wrong = {of: error for of, error in errors.items() if not error < BOUNDS[of[0]]}
    print(wrong or "all kernels within their bounds")
    return 1 if wrong else 0


def sanitized():
    """What compute-sanitizer says of the small run, or why it says nothing."""
    command = ["compute-sanitizer", "--tool", "memcheck", "--error-exitcode", "9", sys.executable, __file__, "--small"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    except FileNotFoundError:
        return "skipped: compute-sanitizer is not installed"
    except subprocess.TimeoutExpired:
        return "skipped: not done in 240 s"
    last = (done.stdout + done.stderr).strip().splitlines()[-1:]
    return f"exit {done.returncode}: {' '.join(last)}"


def main():
    if "--small" in sys.argv:
        return small()
    device = Device()
    copied, gathered = ceiling(device)
    lines = [
        "# Paged decode on a GPU",
        "",
        f"{device.name}, {device.multiprocessors} multiprocessors. `make gpu-test` writes this file.",
        "",
        f"Copy on the device: {copied / 1e12:.2f} TB/s by the driver, {gathered / 1e12:.2f} TB/s by `gather_blocks`.",
        f"compute-sanitizer: {sanitized()}.",
        "",
        "| sequences × tokens | heads | dim | pages | µs | TB/s | of the copy | torch SDPA bf16, µs |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for shape in SHAPES:
        peer = torch_seconds(shape)
        for kind in ("bf16", "int8", "fp8"):
            seconds, size = decode(device, kind, shape)
            sequences, length, kv_heads, heads, dim = shape
            row = [
                f"{sequences} × {length}", f"{heads}/{kv_heads}", dim, kind, f"{seconds * 1e6:.0f}",
                f"{size / seconds / 1e12:.2f}", f"{size / seconds / copied:.0%}",
                f"{peer * 1e6:.0f}" if peer and kind == "bf16" else "",
            ]  # fmt: skip
            lines.append("| " + " | ".join(map(str, row)) + " |")
    RESULTS.write_text("\n".join(lines) + "\n")
    print(*lines, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
