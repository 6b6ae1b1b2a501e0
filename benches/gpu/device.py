"""The checked-in kernels on a CUDA device with nothing but numpy and the driver: no Rust, no toolkit, no torch.

The driver is called through ctypes; parameters of kernels are those of rust/cuda/kernels/params.h.
"""

from __future__ import annotations

import ctypes as c
import math
from pathlib import Path

import numpy as np

BUILT = Path(__file__).parents[2] / "rust" / "cuda" / "kernels" / "built"
SIZES = {"f32": 4, "bf16": 2, "f16": 2, "int8": 1, "fp8": 1}
POINTER, INT, LONG, FLOAT = c.c_uint64, c.c_int32, c.c_int64, c.c_float


class Write(c.Structure):
    _fields_ = [
        *((name, POINTER) for name in ("keys", "values", "slots", "pages")),
        *((name, LONG) for name in ("page_bytes", "token_stride", "slots_total")),
        *((name, INT) for name in ("tokens", "kv_heads", "head_dim", "block_size", "number", "reserved")),
    ]


class Swap(c.Structure):
    _fields_ = [
        *((name, POINTER) for name in ("pages", "staging", "blocks")),
        *((name, LONG) for name in ("page_bytes", "layer_bytes")),
        *((name, INT) for name in ("count", "layers")),
    ]


class Attend(c.Structure):
    _fields_ = [
        *((name, POINTER) for name in ("query", "out", "partial", "partial_lse", "pages", "block_table", "lengths")),
        *((name, POINTER) for name in ("starts", "query_start")),
        ("page_bytes", LONG),
        *((name, INT) for name in ("kv_heads", "group", "block_size", "table_stride", "blocks", "chunk", "splits")),
        *((name, INT) for name in ("states", "first_state", "window", "causal", "number")),
        *((name, FLOAT) for name in ("scale", "soft_cap", "soft_rate")),
        ("queries", INT),
    ]


class Merge(c.Structure):
    _fields_ = [
        *((name, POINTER) for name in ("partial", "partial_lse", "out", "logarithms")),
        *((name, INT) for name in ("rows", "states", "head_dim", "number")),
    ]


class Device:
    """The first device's primary context, and memory that is freed with it."""

    def __init__(self):
        self.cuda = c.CDLL("libcuda.so.1")
        self("cuInit", 0)
        device, context, count = c.c_int(), c.c_void_p(), c.c_int()
        self("cuDeviceGet", c.byref(device), 0)
        self("cuDevicePrimaryCtxRetain", c.byref(context), device)
        self("cuCtxSetCurrent", context)
        name = c.create_string_buffer(256)
        self("cuDeviceGetName", name, 256, device)
        self.name = name.value.decode()
        attribute = {}
        for what, number in {"multiprocessors": 16, "major": 75, "minor": 76}.items():
            self("cuDeviceGetAttribute", c.byref(count), number, device)
            attribute[what] = count.value
        self.multiprocessors = attribute["multiprocessors"]
        self.capability = (attribute["major"], attribute["minor"])
        self.modules: dict[str, c.c_void_p] = {}
        self.held: list[int] = []

    def __call__(self, function, *arguments):
        code = getattr(self.cuda, function)(*arguments)
        if code:
            raise RuntimeError(f"{function}: error {code}")

    def allocate(self, size):
        address = c.c_uint64()
        self("cuMemAlloc_v2", c.byref(address), c.c_size_t(max(size, 1)))
        self.held.append(address.value)
        return address.value

    def free(self):
        for address in self.held:
            self("cuMemFree_v2", c.c_uint64(address))
        self.held.clear()

    def upload(self, array):
        array = np.ascontiguousarray(array)
        address = self.allocate(array.nbytes)
        self("cuMemcpyHtoDAsync_v2", c.c_uint64(address), c.c_void_p(array.ctypes.data), c.c_size_t(array.nbytes), None)
        self.synchronize()
        return address

    def download(self, address, shape, dtype):
        array = np.empty(shape, dtype)
        self("cuMemcpyDtoHAsync_v2", c.c_void_p(array.ctypes.data), c.c_uint64(address), c.c_size_t(array.nbytes), None)
        self.synchronize()
        return array

    def fill(self, address, byte, size):
        self("cuMemsetD8Async", c.c_uint64(address), c.c_ubyte(byte), c.c_size_t(size), None)

    def synchronize(self):
        self("cuStreamSynchronize", None)

    def function(self, module, name):
        if module not in self.modules:
            suffix = {8: "sm_80.cubin", 9: "sm_90.cubin"}.get(self.capability[0], "ptx")
            loaded = c.c_void_p()
            image = (BUILT / f"{module}.{suffix}").read_bytes() + b"\0"
            self("cuModuleLoadData", c.byref(loaded), image)
            self.modules[module] = loaded
        function = c.c_void_p()
        self("cuModuleGetFunction", c.byref(function), self.modules[module], name.encode())
        return function

    def launch(self, module, name, grid, threads, parameters):
        arguments = (c.c_void_p * 1)(c.cast(c.byref(parameters), c.c_void_p))
        self("cuLaunchKernel", self.function(module, name), *grid, threads, 1, 1, 0, None, arguments, None)


class Store:
    """One layer of pages on a device, `tokens` slots in blocks of 16."""

    def __init__(self, device, kind, dim, kv_heads, blocks, *, block_size=16):
        self.device, self.kind, self.dim, self.kv_heads, self.blocks = device, kind, dim, kv_heads, blocks
        self.block_size = block_size
        rows = 2 * kv_heads * block_size
        size = rows * (dim * SIZES[kind] + (4 if SIZES[kind] == 1 else 0))
        self.page_bytes = (size + 63) // 64 * 64
        self.pages = device.allocate(blocks * self.page_bytes)

    def write(self, slots, keys, values):
        """Keys and values float32 `[tokens][kv_heads][dim]`."""
        device, tokens = self.device, len(slots)
        parameters = Write(
            device.upload(keys), device.upload(values), device.upload(slots.astype(np.int64)), self.pages,
            self.page_bytes, self.kv_heads * self.dim, self.blocks * self.block_size,
            tokens, self.kv_heads, self.dim, self.block_size, 0, 0,
        )  # fmt: skip
        grid = (-(-tokens * self.kv_heads * 2 // 4), 1, 1)
        device.launch("pages", f"write_{self.kind}", grid, 128, parameters)
        device.synchronize()

    def decode(self, query, table, lengths, out, scale):
        """A closure that launches one decode step of all sequences: attention and, where it is split, the merge.

        `query`, `table`, `lengths` and `out` are on the device; query float32 `[sequences][heads][dim]`. The split is
        that of rust/cuda/src/geometry.rs.
        """
        sequences, stride, heads, longest, tokens = table[1], table[2], query[1], lengths[1], lengths[2]
        even = -(-tokens * self.kv_heads // (self.device.multiprocessors * 6))
        chunk = -(-max(even, -(-longest // 64), 256) // 64) * 64
        splits = max(1, -(-longest // chunk))
        states = splits if splits > 1 else 0
        rows = sequences * heads
        lse = self.device.allocate(rows * states * 4)
        partial = self.device.allocate(rows * states * self.dim * 4)
        attend = Attend(
            query[0], out, partial, lse, self.pages, table[0], lengths[0], 0, 0, self.page_bytes,
            self.kv_heads, heads // self.kv_heads, self.block_size, stride, self.blocks, chunk, splits,
            states, 0, 0, 0, 0, scale, 0.0, 0.0, sequences,
        )  # fmt: skip
        merge = Merge(partial, lse, out, 0, rows, states, self.dim, 0)
        tiles = -(-heads // self.kv_heads // 8)
        grid = (splits, self.kv_heads * tiles, sequences)

        def step():
            self.device.launch(f"attend_{self.kind}", f"attend_{self.kind}_{self.dim}", grid, 128, attend)
            if states:
                self.device.launch("pages", "merge_states", (-(-rows // 4), 1, 1), 128, merge)

        return step


def check(device, kind, dim, *, lengths=(37, 1, 300, 64), kv_heads=2, group=4):
    """The largest error of a decode step, relative to the largest value, against float64 on unquantised numbers."""
    random = np.random.default_rng(dim)
    blocks_of = [-(-length // 16) for length in lengths]
    blocks = sum(blocks_of)
    store = Store(device, kind, dim, kv_heads, blocks)
    order = random.permutation(blocks).astype(np.int32)
    table = np.full((len(lengths), max(blocks_of)), -1, np.int32)
    for row, count, end in zip(table, blocks_of, np.cumsum(blocks_of), strict=True):
        row[:count] = order[end - count : end]
    query = random.standard_normal((len(lengths), kv_heads * group, dim), np.float32)
    scale = 1 / math.sqrt(dim)
    wanted = np.zeros(query.shape)
    largest = 0.0
    for i, length in enumerate(lengths):
        keys, values = (random.standard_normal((length, kv_heads, dim), np.float32) for _ in range(2))
        at = np.arange(length)
        store.write(table[i, at // 16].astype(np.int64) * 16 + at % 16, keys, values)
        for head in range(kv_heads * group):
            scores = keys[:, head // group].astype(float) @ query[i, head] * scale
            weights = np.exp(scores - scores.max())
            wanted[i, head] = weights / weights.sum() @ values[:, head // group]
        largest = max(largest, float(np.abs(values).max()))
    out = device.upload(np.full(query.shape, np.nan, np.float32))
    step = store.decode(
        (device.upload(query), kv_heads * group),
        (device.upload(table), len(lengths), table.shape[1]),
        (device.upload(np.array(lengths, np.int32)), max(lengths), sum(lengths)),
        out,
        scale,
    )
    step()
    found = device.download(out, query.shape, np.float32)
    return float(np.abs(found - wanted).max() / largest)


# What rounding keys and values to a format may do to the above, with room.
BOUNDS = {"f32": 1e-5, "bf16": 2e-2, "f16": 2e-3, "int8": 3e-2, "fp8": 8e-2}
