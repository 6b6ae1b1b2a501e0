"""The part of `_core.pyi` that describes the paged KV cache. There is no such module: import from `inferail.core`."""

import os
from collections.abc import Iterable
from collections.abc import Sequence as _Many
from typing import Any, Literal, Self, SupportsFloat, SupportsIndex, TypeAlias, TypedDict, final

import numpy as np
from numpy.typing import NDArray

_Ids: TypeAlias = NDArray[np.integer[Any]] | _Many[int] | memoryview[Any] | SupportsIndex
_Text: TypeAlias = str | bytes
_Format: TypeAlias = Literal["f32", "bf16", "f16", "int8", "fp8"]
_Eviction: TypeAlias = Literal["lru", "lfu", "priority", "cost"]
_Stored: TypeAlias = tuple[Literal["stored"], int, int, bytes, bytes, NDArray[np.uint32]]
_Removed: TypeAlias = tuple[Literal["removed"], int, int, bytes]

class _Options(TypedDict, total=False):
    salt: _Text | None
    adapter: _Text | None
    media: Iterable[_Text] | None
    priority: int
    ttl: float | None

class _TierStats(TypedDict):
    blocks: int
    bytes: int
    capacity: int
    hits: int
    misses: int
    corrupt: int

class _Tiers(TypedDict, total=False):
    host: _TierStats
    disk: _TierStats

class _CacheStats(TypedDict):
    blocks: int
    free: int
    idle: int
    named: int
    sequences: int
    asked_tokens: int
    cached_tokens: int
    copied_tokens: int
    loaded_tokens: int
    evictions: int
    duplicates: int
    dropped_events: int

@final
class KVCache:
    """Blocks of a paged KV cache: who has them, and which prompt finds them again.

        cache = KVCache(blocks=100_000, block_size=16)
        with cache.open(ids) as sequence:
            sequence.cached_tokens  # these have K and V in the pages already
            sequence.block_table  # where the others go: int32, one block for every 16 tokens
            sequence.commit(len(ids))  # they are written: full blocks can be found by the next prompt

    For a scheduler there is `plan`: one call for a step of all its requests.

    A block is found by its tokens, by those before it, and by what `open` says besides: prompts with another salt, adapter
    or image share nothing. Names are 128 bits with a secret of this process: of xxh3 where tokens are compared as well, of keyed
    BLAKE3 where a name stands alone (tiers, several groups, `offloads`, `secret`).

    Thread-safe: one lock, held for microseconds.
    """

    def __new__(
        cls,
        *,
        blocks: SupportsIndex | None = None,
        block_size: SupportsIndex = 16,
        window: SupportsIndex | None = None,
        groups: _Many[tuple[int, int | None]] | None = None,
        layers: SupportsIndex | None = None,
        kv_heads: SupportsIndex | None = None,
        head_dim: SupportsIndex | None = None,
        format: _Format = "bf16",  # noqa: A002
        device: str = "cpu",
        host_bytes: SupportsIndex | None = None,
        disk: str | os.PathLike[str] | None = None,
        disk_bytes: SupportsIndex | None = None,
        eviction: _Eviction = "lru",
        vocabulary: SupportsIndex | None = None,
        partial: bool | None = None,
        offloads: bool = False,
        events: bool = False,
        secret: bytes | None = None,
    ) -> Self:
        """Block tables; with `layers`, `kv_heads` and `head_dim` also the pages, in memory of the machine or of a GPU.

        Args:
            blocks: How many blocks there are; each layer of the model has a page for every one.
            block_size: Tokens of a block.
            window: How many tokens the layers look at, if not at all of them: blocks before it are given back, and are -1
                in a block table.
            groups: Instead of `blocks`: layers that look at different windows have a pool each, `(blocks, window)`.
            layers: Layers of the model. With the next two the cache has the pages, and moves them itself.
            kv_heads: Heads of keys and values.
            head_dim: Numbers of a head, a multiple of 8.
            format: What a number of a page is: `f32`, `bf16`, `f16`, or `int8` and `fp8` with a scale for each token and
                head in the same page.
            device: Where the pages are: `cpu`, `cuda` (the first GPU) or `cuda:1` and so on. What goes to a GPU or comes from it
                is waited for: `write`, `read` and `attend` take and give arrays in memory. Kernels of one's own see the pages
                through `pages()`.
            host_bytes: Memory for blocks that had to leave the pages.
            disk: A folder for blocks that had to leave that memory, or the pages; what it holds is found again by another
                process. Every block has a checksum: a damaged one is a miss.
            disk_bytes: How large it may become; 16 GiB without.
            eviction: Which block goes first when none is free; one that others continue never goes before them. `lru`: the
                one that was in use the longest time ago. `lfu`: the one that was found the fewest times. `priority`: the
                one whose prompts had the lowest priority. `cost`: the one that is cheapest to compute again, times how
                often it was found.
            vocabulary: The first id that is none; larger ones are refused.
            partial: Whether slots that a prompt has in common with a block are copied instead of computed; a cache without
                pages leaves the copies to the engine, as `plan` tells them, and does so only if it is asked to.
            offloads: Whether `plan` tells which blocks lose their content, for a tier of the engine's own.
            events: Whether `events()` tells what was stored and removed.
            secret: 16 bytes, for names that are equal in several processes; without, no other process has them.

        Raises:
            ConfigError: A wrong option, or more than fits into memory.
            DeviceError: No driver, no such GPU, one that is too old, or too little of its memory.
        """

    def open(
        self,
        ids: _Ids,
        /,
        *,
        salt: _Text | None = None,
        adapter: _Text | None = None,
        media: Iterable[_Text] | None = None,
        priority: SupportsIndex = 0,
        ttl: SupportsFloat | None = None,
    ) -> Sequence:
        """A sequence that begins with `ids`; what others have committed of it is found, the rest has blocks of its own.

        At least the last token is left to be computed: a model needs one to go on.

        Args:
            ids: Ids of tokens. Arrays of int32 and uint32 are read where they are.
            salt: Whose prompt it is; tenants with different salts never share a block.
            adapter: Which LoRA adapter computes K and V.
            media: Hashes of the images and sounds that placeholder tokens stand for, in order.
            priority: 0 to 255; for `eviction="priority"`. A block has the highest of those who use it.
            ttl: Seconds for which the priority holds; then it is 0.

        Raises:
            OutOfBlocksError: There is no room, even if everything that nobody uses is evicted. Nothing has changed.
            ConfigError: An id is none, or a wrong option.
        """

    def plan(
        self,
        *,
        release: Iterable[Sequence] | None = None,
        commit: Iterable[Sequence | tuple[Sequence, int]] | None = None,
        append: Iterable[tuple[Sequence, _Ids]] | None = None,
        open: Iterable[_Ids | tuple[_Ids, _Options]] | None = None,  # noqa: A002
        tables: Iterable[Sequence] | None = None,
    ) -> Plan:
        """One step of a scheduler: commits, then releases, then appends, then openings.

        What is wrong is said before anything is done. Where there is no room, the others go on: `Plan.short`, and None in
        `Plan.opened`.

        Args:
            release: Sequences that end.
            commit: Sequences whose tokens all have K and V in the pages, or with how many have.
            append: Sequences with the tokens that follow: an array, a list, or one id.
            open: Prompts, or each with a dict of the options of `open`.
            tables: Sequences whose block tables are wanted, before those that are opened; without, those of `append`.

        Raises:
            ConfigError: A sequence was released, or is of another cache; an id is none; a wrong option.
        """

    def write(
        self,
        layer: SupportsIndex,
        slots: NDArray[np.int64],
        keys: NDArray[np.float32] | NDArray[np.float16] | NDArray[np.uint16],
        values: NDArray[np.float32] | NDArray[np.float16] | NDArray[np.uint16],
        /,
    ) -> None:
        """Writes keys and values of tokens to their slots in a layer; the GIL is released.

        Args:
            layer: Which one, from 0.
            slots: int64 `[tokens]`, as `Sequence.slots` gives them; one below 0 is left out.
            keys: float32, float16, or the bits of bfloat16 as uint16, `[tokens, kv_heads, head_dim]`.
            values: The same.

        Raises:
            ConfigError: Something does not fit, or the cache has no pages.
        """

    def read(
        self, layer: SupportsIndex, sequence: Sequence, num_tokens: SupportsIndex | None = None, /
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Keys and values of a sequence's first tokens as the pages hold them: float32 `[tokens, kv_heads, head_dim]` each.

        Raises:
            ConfigError: There are not so many tokens, a block was given back, or the cache has no pages.
        """

    def attend(
        self,
        layer: SupportsIndex,
        queries: NDArray[np.float32],
        sequences: _Many[Sequence],
        /,
        *,
        num_queries: _Many[int] | None = None,
        scale: SupportsFloat | None = None,
        soft_cap: SupportsFloat | None = None,
        window: SupportsIndex | None = None,
        threads: SupportsIndex = 1,
    ) -> NDArray[np.float32]:
        """What the last tokens of sequences get from the tokens they see: float32 `[rows, heads, head_dim]`.

        Args:
            layer: Which one, from 0.
            queries: float32 `[rows, heads, head_dim]`, those of the first sequence, then those of the next; `heads` is a
                multiple of `kv_heads`.
            sequences: Whose they are.
            num_queries: How many of its last tokens each sequence has queries for; one without.
            scale: What products are multiplied with; `1 / sqrt(head_dim)` without.
            soft_cap: With a cap c, a score s becomes c tanh(s / c).
            window: How many tokens a query sees, its own among them.
            threads: How many work.

        Raises:
            ConfigError: Something does not fit, or the cache has no pages.
        """

    def pages(self, layer: SupportsIndex, /) -> PageView:
        """All pages of a layer without a copy: `[blocks, 2 (keys, values), kv_heads, block_size, head_dim]`.

        A view has its memory as long as it lives, also when the cache is closed; a closed cache gives no more of them.
        What is written through it is in the pages at once, past every lock: see that no other thread uses the same slots,
        and write no block that another sequence has too. The tokens are found by others after `commit`, as ever.

        Raises:
            ConfigError: There is no such layer, or the cache has no pages.
        """

    def scales(self, layer: SupportsIndex, /) -> PageView | None:
        """All scales of a layer without a copy: float32 `[blocks, 2, kv_heads, block_size]`; None where a format has none.

        Raises:
            ConfigError: There is no such layer, or the cache has no pages.
        """

    def save(self) -> None:
        """Writes every block that can be found, and those in memory below the pages, to disk, and waits till they are there.

        Raises:
            ConfigError: The cache has no tier below it.
        """

    def tier_stats(self) -> _Tiers:
        """What the tiers below the pages hold and have done; nothing, if there is none."""

    def events(self) -> list[_Stored | _Removed]:
        """What was stored and removed since the last call: for routers that send a prompt to where it is cached.

        `("stored", group, block, name, parent, ids)` and `("removed", group, block, name)`; a name is 16 bytes. Up to a
        million wait, then the oldest are dropped and counted in `stats()`.
        """

    def stats(self) -> _CacheStats:
        """How full the cache is, and what it has done."""

    def clear(self) -> None:
        """Evicts everything that nobody uses: the model has other weights now."""

    def check_integrity(self) -> None:
        """Looks at every block, list and name. Slow: for tests.

        Raises:
            EngineError: Something does not fit together, which is a defect of this class.
        """

    def close(self) -> None:
        """Frees everything; whatever is called later is refused. Closing twice is closing once."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_exception: object) -> None: ...

@final
class PageView:
    """Numbers or scales of a layer's pages, for `from_dlpack` of numpy, torch, cupy and others. `KVCache.pages` makes it."""

    @property
    def shape(self) -> list[int]:
        """Blocks first."""
    @property
    def strides(self) -> list[int]:
        """Bytes from one index to the next: pages of the quantised formats have their scales in between."""
    def numpy(self) -> NDArray[Any]:
        """The same memory as an array that can be written: bfloat16 and FP8, which numpy has not, as the bits they are.

        Raises:
            BufferError: The pages are on a GPU.
        """
    def __dlpack__(
        self,
        *,
        stream: int | None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """A capsule, of DLPack 1.0 if `max_version` says that it is understood.

        What was written to pages on a GPU is waited for, so it is there on every stream of the consumer.

        Raises:
            BufferError: Another device or a copy is asked for, or a stream of pages in memory.
            DeviceError: The GPU failed.
        """
    def __dlpack_device__(self) -> tuple[int, int]:
        """(1, 0): memory of the machine; (2, n): that of GPU n."""
    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """The older protocol of cupy and numba, version 3, of pages on a GPU; bfloat16 and FP8 appear as their bits.

        Raises:
            AttributeError: The pages are in memory.
        """

@final
class Sequence:
    """The blocks of one prompt and what follows it, as `KVCache.open` and `KVCache.plan` make it.

    It ends with `release`, at the end of a `with` block, or when nothing refers to it any more. Every method and property
    raises ConfigError after that.
    """

    @property
    def cached_tokens(self) -> int:
        """How many tokens had K and V in the pages when it was opened: run the model on the others."""
    @property
    def committed_tokens(self) -> int:
        """How many have by now."""
    @property
    def block_table(self) -> NDArray[np.int32]:
        """The blocks, one for every `block_size` tokens, the last one perhaps not full: int32 `[blocks]`, a copy.

        It may change with every call that changes the sequence. -1 where a block is outside of the window.
        """
    def block_table_of(self, group: SupportsIndex, /) -> NDArray[np.int32]:
        """The blocks of a group.

        Raises:
            ConfigError: There is no such group.
        """
    def slots(self, start: SupportsIndex | None = None, stop: SupportsIndex | None = None, /) -> NDArray[np.int64]:
        """Where the tokens from `start` up to `stop` go: block times `block_size` plus place in it, int64 `[tokens]`.

        Without `start` those that are not committed, without `stop` up to the end; -1 where a block was given back.
        """
    def __len__(self) -> int: ...
    def append(self, ids: _Ids, /) -> None:
        """Adds tokens, with blocks for them. A last block that a fork shares is copied first: see `Plan.copies`.

        Raises:
            OutOfBlocksError: There is no room; nothing has changed.
            ConfigError: An id is none.
        """
    def commit(self, num_tokens: SupportsIndex, /) -> None:
        """Says that the first `num_tokens` tokens have K and V in the pages.

        Their full blocks can be found by others from now on, and blocks outside of the window are given back. A block that
        is equal to one that can be found already is freed, and `block_table` has that one in its place.

        Raises:
            ConfigError: There are not so many tokens, or more of them were committed before.
        """
    def truncate(self, num_tokens: SupportsIndex, /) -> None:
        """Forgets the tokens after the first `num_tokens`: a draft that was rejected.

        Raises:
            ConfigError: Some of them were committed, or there are not so many.
        """
    def fork(self, n: SupportsIndex = 1, /) -> list[Sequence]:
        """New sequences of the same tokens, which share every block until they differ."""
    def release(self) -> None:
        """Ends it. What it has committed stays until its blocks are needed.

        Raises:
            ConfigError: It has ended already.
        """
    def __enter__(self) -> Self: ...
    def __exit__(self, *_exception: object) -> None: ...

@final
class Plan:
    """What a step of a scheduler comes to: block tables, and what has to be moved before the model runs.

    First the offloads, then the loads, then the copies, each in order; then K and V may be written.
    """

    @property
    def opened(self) -> list[Sequence | None]:
        """The sequences of `open`, None where there was no room."""
    @property
    def short(self) -> list[Sequence]:
        """Sequences of `append` that got no room; they are as they were."""
    @property
    def rows(self) -> list[Sequence]:
        """Whose tables follow: those of `tables` or `append`, then those of `open` that got room."""
    @property
    def num_tokens(self) -> NDArray[np.int32]:
        """Tokens of each row: int32 `[rows]`."""
    @property
    def num_committed(self) -> NDArray[np.int32]:
        """Tokens of each row that have K and V in the pages; the model has to run on the others: int32 `[rows]`."""
    @property
    def block_tables(self) -> NDArray[np.int32]:
        """The tables, filled up with -1: int32 `[rows, blocks of the longest]`."""
    def block_tables_of(self, group: SupportsIndex, /) -> NDArray[np.int32]:
        """The tables of a group.

        Raises:
            ConfigError: There is no such group.
        """
    @property
    def indptr(self) -> NDArray[np.int32]:
        """The same without filling, as FlashInfer takes it: row r is `indices[indptr[r]:indptr[r + 1]]`."""
    @property
    def indices(self) -> NDArray[np.int32]:
        """The blocks of all rows, side by side: int32."""
    @property
    def copies(self) -> NDArray[np.int32]:
        """Slots to copy: int32 `[copies, 4]` of group, block to read, block to write, number of slots from the first on."""
    @property
    def offloads(self) -> list[tuple[int, int, bytes]]:
        """Blocks that lose their content: group, block, and the 16 bytes that name it."""
    @property
    def loads(self) -> list[tuple[int, int, bytes]]:
        """Blocks whose content a tier below has: group, block, and the 16 bytes that name it."""
