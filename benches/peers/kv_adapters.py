"""Managers of paged caches behind one small interface. Each is imported only by whoever measures it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["PEERS", "Listed", "Manager"]

BLOCK_SIZE = 16


class Manager(Protocol):
    """A cache manager in one process."""

    def prepare(self, ids: NDArray[np.int32]) -> Any:
        """The ids as the peer's users have them."""

    def request(self, ids: Any) -> tuple[int, int]:
        """From the prompt to the end of the request: how many tokens were cached, how many blocks it had."""


class Inferail:
    """`open`, the block table, `commit` and `release`."""

    def __init__(self, blocks: int) -> None:
        from inferail.core import KVCache

        self.cache = KVCache(blocks=blocks, block_size=BLOCK_SIZE)

    def prepare(self, ids: NDArray[np.int32]) -> Any:
        return ids

    def request(self, ids: Any) -> tuple[int, int]:
        sequence = self.cache.open(ids)
        cached = sequence.cached_tokens
        table = sequence.block_table
        sequence.commit(len(ids))
        sequence.release()
        return cached, len(table)


class InferailList(Inferail):
    """The same with the ids in a list, as vLLM has them."""

    def prepare(self, ids: NDArray[np.int32]) -> Any:
        return ids.tolist()


class InferailNamed(Inferail):
    """The same with BLAKE3 names, as with tiers."""

    def __init__(self, blocks: int) -> None:
        from inferail.core import KVCache

        self.cache = KVCache(blocks=blocks, block_size=BLOCK_SIZE, secret=b"0123456789abcdef")


class InferailPlan(Inferail):
    """One `plan` a request, which also ends the one before."""

    def __init__(self, blocks: int) -> None:
        super().__init__(blocks)
        self.before: list[Any] = []

    def request(self, ids: Any) -> tuple[int, int]:
        plan = self.cache.plan(commit=self.before, release=self.before, open=[ids])
        self.before = plan.opened
        return int(plan.num_committed[0]), plan.block_tables.shape[1]


class VLLM:
    """`Request` with its hashes, `get_computed_blocks`, `allocate_slots`, the block ids, `free`."""

    hash_name = "sha256"

    def __init__(self, blocks: int) -> None:
        import kv_absent

        kv_absent.install()
        import torch
        from vllm.utils import hashing
        from vllm.v1.core.kv_cache_manager import KVCacheManager
        from vllm.v1.core.kv_cache_utils import get_request_block_hasher, init_none_hash
        from vllm.v1.kv_cache_interface import FullAttentionSpec, KVCacheConfig, KVCacheGroupSpec
        from vllm.v1.request import Request

        function = getattr(hashing, self.hash_name)
        init_none_hash(function)
        spec = FullAttentionSpec(block_size=BLOCK_SIZE, num_kv_heads=8, head_size=128, dtype=torch.float16)
        groups = [KVCacheGroupSpec(["layer"], spec)]
        # One of its blocks is a placeholder.
        config = KVCacheConfig(num_blocks=blocks + 1, kv_cache_tensors=[], kv_cache_groups=groups)
        self.manager = KVCacheManager(
            config, max_model_len=8192, scheduler_block_size=BLOCK_SIZE, hash_block_size=BLOCK_SIZE
        )
        self.hasher = get_request_block_hasher(BLOCK_SIZE, function)
        self.made, self.count = Request, 0

    def prepare(self, ids: NDArray[np.int32]) -> Any:
        return ids.tolist()

    def request(self, ids: Any) -> tuple[int, int]:
        self.count += 1
        request = self.made(str(self.count), ids, _Sampling(), None, block_hasher=self.hasher)
        blocks, cached = self.manager.get_computed_blocks(request)[:2]
        if self.manager.allocate_slots(request, len(ids) - cached, cached, blocks) is None:
            message = "no room"
            raise RuntimeError(message)
        (table,) = self.manager.get_block_ids(request.request_id)
        self.manager.free(request)
        return cached, len(table)


class VLLMxxHash(VLLM):
    """With the fastest of its hashes, which is not keyed."""

    hash_name = "xxhash"


class _Sampling:
    """As much of SamplingParams as a Request reads."""

    max_tokens = 1
    n = 1

    def __getattr__(self, name: str) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Listed:
    """A peer in the tables.

    Attributes:
        title: For the tables.
        distribution: The package whose version is told.
        make: A manager of so many blocks.
        missing: Why it cannot be measured here, or nothing.
    """

    title: str
    distribution: str
    make: Callable[[int], Manager]
    missing: str = ""


def _missing(module: str) -> str:
    return "" if importlib.util.find_spec(module) else f"{module} is not installed"


def _never(blocks: int) -> Manager:
    message = f"no manager of {blocks} blocks can be made here"
    raise RuntimeError(message)


PEERS = {
    "inferail": Listed("inferail", "inferail", Inferail),
    "inferail-list": Listed("inferail, ids in a list", "inferail", InferailList),
    "inferail-blake3": Listed("inferail, names of BLAKE3", "inferail", InferailNamed),
    "inferail-plan": Listed("inferail, one `plan`", "inferail", InferailPlan),
    "vllm": Listed("vLLM KVCacheManager, sha256", "vllm", VLLM, _missing("vllm")),
    "vllm-xxhash": Listed("vLLM KVCacheManager, xxhash", "vllm", VLLMxxHash, _missing("vllm")),
    "sglang": Listed("SGLang Rust TreeCore", "sglang", _never, "its extension needs libtorch"),
}
