"""The part of `_core.pyi` that describes the vector index. There is no such module: import from `inferail.core`."""

import os
from collections.abc import Sequence
from typing import Any, Literal, Self, SupportsIndex, TypeAlias, TypedDict, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

_Keys: TypeAlias = SupportsIndex | Sequence[int] | NDArray[np.integer[Any]]
_Metric: TypeAlias = Literal["cosine", "dot", "l2"]
_Storage: TypeAlias = Literal["float32", "float16", "int8"]
_Fsync: TypeAlias = Literal["always", "never"] | float

class _IndexStats(TypedDict):
    entries: int
    namespaces: int
    bytes: int
    log_bytes: int

class _Opened(TypedDict):
    began_log: bool
    cut_offset: int | None
    cut_bytes: int
    finished_snapshot: bool
    removed: list[str]

@final
class VectorIndex:
    """Vectors under 64-bit keys, and the exact answer to "which one is nearer than this?".

        index = VectorIndex(dim=384)
        index.add(keys, vectors)
        hit = index.nearest(query, threshold=0.9)  # (key, score), or None: there is none
        keys, scores = index.search(query, k=10)

    Every answer is exact, whatever was inserted and deleted before: no graph, nothing to train or to rebuild. An insert
    takes microseconds, a delete clears a bit, and memory that expired or deleted entries leave is used again.

    A namespace is a partition: a search looks at no entry of another one. A key is unique in its namespace.

    Thread-safe: any number of threads search while one writes, and a search waits for nobody. Long work releases the GIL.

    With `open` the index lives in a folder: whatever a method has written is there again after a crash.

    Scores are those of the numbers as they are stored, computed in float32: a cosine in [-1, 1], a dot product, or for
    `l2` the distance, of which the smallest is the best. For cosine a vector of zeros scores 0 with every other one.
    """

    def __new__(cls, dim: SupportsIndex, *, metric: _Metric = "cosine", storage: _Storage = "float32") -> Self:
        """An empty index in memory.

        Args:
            dim: Numbers of a vector, 1 to 65536.
            metric: How two vectors are compared.
            storage: How their numbers are kept. `float16` halves the memory at a relative error of 0.0005 a number, `int8`
                quarters it at 0.004 of the vector's largest number.

        Raises:
            ConfigError: A wrong option.
        """

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        dim: SupportsIndex,
        *,
        metric: _Metric = "cosine",
        storage: _Storage = "float32",
        fsync: _Fsync = "never",
    ) -> Self:
        """The index in the folder `path`, which is made if it is missing. One process at a time writes it.

        A change is in the log when its method returns, and survives the end of this process; `fsync` says when it survives
        the end of the machine.

        Args:
            path: A folder of its own.
            dim: As for a new index; the folder has to be of the same settings.
            metric: The same.
            storage: The same.
            fsync: `always` forces each change to the disk before its method returns, a number does it every so many
                seconds, `never` leaves it to the system and to `sync`.

        Raises:
            ConfigError: A wrong option, the folder is of other settings, or another process or index is writing it.
            FormatError: A file is damaged: `.path` and `.offset` say where.
            OSError: The system refused.
        """

    @property
    def dim(self) -> int:
        """Numbers of a vector."""

    @property
    def metric(self) -> _Metric:
        """How two vectors are compared."""

    @property
    def storage(self) -> _Storage:
        """How their numbers are kept."""

    def __len__(self) -> int:
        """Entries of all namespaces, with those that have expired and were not removed yet."""

    def add(
        self,
        keys: _Keys,
        vectors: ArrayLike,
        *,
        namespace: str = "",
        payloads: bytes | Sequence[bytes | None] | None = None,
        thresholds: float | Sequence[float | None] | None = None,
        expires: float | Sequence[float | None] | None = None,
        now: float | None = None,
    ) -> None:
        """Adds entries: all of them, or none where there is an error. About 5 µs each, at any size.

        Args:
            keys: uint64 `[n]`, or one number.
            vectors: float32 `[n, dim]`, or `[dim]` for one key; need not be of length 1.
            namespace: Where they are found.
            payloads: Bytes that are kept with an entry, and written in one record with it.
            thresholds: What `nearest` asks of an entry besides its own threshold; for `l2` the largest distance.
            expires: When an entry ends, in seconds since 1970.
            now: Seconds since 1970; the clock's by default. What has expired by then makes room.

        Raises:
            ConfigError: A key that is there or is given twice, a vector of another length, a number that is not finite, a
                list of another length.
            OSError: The log could not be written; nothing was added.
        """

    def upsert(
        self,
        keys: _Keys,
        vectors: ArrayLike,
        *,
        namespace: str = "",
        payloads: bytes | Sequence[bytes | None] | None = None,
        thresholds: float | Sequence[float | None] | None = None,
        expires: float | Sequence[float | None] | None = None,
        now: float | None = None,
    ) -> None:
        """As `add`, but an entry whose key is there takes its place, with all that belongs to it."""

    def delete(self, keys: _Keys, *, namespace: str = "") -> int:
        """Removes entries, and gives how many there were. Keys without an entry are left out."""

    def clear(self, namespace: str) -> int:
        """Removes a whole namespace, and gives how many entries it had."""

    def expire(self, now: float | None = None) -> int:
        """Removes what has expired, and gives how many entries. Searches do not see it in any case."""

    def nearest(
        self, query: ArrayLike, threshold: float, *, namespace: str = "", now: float | None = None
    ) -> tuple[int, float] | None:
        """The nearest entry, if its score reaches `threshold` and its own; None is the proof that there is none.

        Of entries with the same score it is the one with the smallest key.

        Args:
            query: float32 `[dim]`; need not be of length 1.
            threshold: The least score; for `l2` the largest distance.
            namespace: Where to look.
            now: Seconds since 1970; the clock's by default. What has expired by then is not found.

        Returns:
            Key and score.

        Raises:
            ConfigError: A query of another length, or a number that is not finite.
            FormatError: A part of the folder that is needed is damaged.
        """

    def search(
        self, query: ArrayLike, k: SupportsIndex, *, namespace: str = "", now: float | None = None
    ) -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
        """The `k` nearest entries, the best first, of equals the smaller key; exact.

        Args:
            query: float32 `[dim]` or `[rows, dim]`.
            k: How many, 1 or more.
            namespace: Where to look.
            now: Seconds since 1970; the clock's by default.

        Returns:
            Keys uint64 and scores float32: `[n]` of one query, with n ≤ k as many as there are; `[rows, k]` of several,
            where a row with fewer ends in keys 2⁶⁴ - 1 and scores -∞.

        Raises:
            ConfigError: As `nearest`.
            FormatError: As `nearest`.
        """

    def payload(self, key: SupportsIndex, *, namespace: str = "", now: float | None = None) -> bytes | None:
        """The payload of an entry that has not expired; None also where it has none.

        Raises:
            FormatError: Its part of the folder is damaged.
        """

    def contains(self, key: SupportsIndex, *, namespace: str = "") -> bool:
        """Whether there is an entry, also one that has expired and was not removed yet."""

    def set_threshold(self, key: SupportsIndex, threshold: float | None, *, namespace: str = "") -> bool:
        """Sets what `nearest` asks of an entry besides its own threshold, or nothing; whether there is such an entry."""

    def namespaces(self) -> list[str]:
        """The namespaces that have an entry, sorted."""

    def stats(self) -> _IndexStats:
        """Entries, namespaces, bytes in memory without payloads, and bytes of the log."""

    def snapshot(self, now: float | None = None) -> None:
        """Writes everything that has not expired into a new file of the folder and empties the log; it opens faster then.

        A log that has grown to the size of the last snapshot, and to 64 MiB, does it by itself. In memory it does nothing.

        Raises:
            OSError: The system refused; nothing is lost.
            FormatError: What is there is damaged; nothing is lost.
        """

    def sync(self) -> None:
        """Forces every change to the disk. In memory it does nothing.

        Raises:
            OSError: The system refused.
        """

    def verify(self) -> list[str]:
        """Reads the whole snapshot, and gives a sentence for every damage; an empty list is a sound one."""

    def opened(self) -> _Opened | None:
        """What had to be put in order when the folder was opened; None in memory.

        `cut_bytes` is the length of an append that a crash interrupted: it was never acknowledged, and was cut off at
        `cut_offset`.
        """

    def close(self) -> None:
        """Lets go of the folder, so that another process may write it. Searching goes on; changes are refused."""

class _GraphStats(TypedDict):
    entries: int
    bytes: int
    links: float
    free: int

@final
class GraphIndex:
    """Vectors under 64-bit keys, and the nearest of very many of them: from 100,000 on faster than `VectorIndex`, not exact.

        index = GraphIndex(dim=384)
        index.add(keys, vectors)
        effort = index.tune(recall=0.99, k=10)
        keys, scores = index.search(query, k=10, effort=effort)
        index.recall(k=10, effort=effort)  # the share of the true ten nearest that is found

    Entries are linked to near ones, and a search walks along the links. It may miss an entry, and `recall` measures how often.
    What it finds has its exact score. A collection that is small for the effort is looked at as a whole: nothing is missed.

    A deleted entry is gone at once, from the links too, and its place is used again: neither recall nor memory decays.

    Thread-safe: any number of threads search while one writes. A change holds searches up while it writes its links, for
    microseconds. Long work releases the GIL.

    Scores are as those of `VectorIndex`. For `dot`, vectors of very different lengths cost recall: measure it.
    """

    def __new__(
        cls,
        dim: SupportsIndex,
        *,
        metric: _Metric = "cosine",
        storage: _Storage = "float32",
        links: SupportsIndex = 32,
        build_effort: SupportsIndex = 128,
        seed: SupportsIndex = 0,
    ) -> Self:
        """An empty index.

        Args:
            dim: Numbers of a vector, 1 to 65536.
            metric: How two vectors are compared.
            storage: How the numbers are kept that scores are of; see `VectorIndex`.
            links: How many links an entry has, 4 to 512. More make a search find more and take longer.
            build_effort: How many entries the links of a new one are chosen among, 8 to 65536. More make better links, and
                `add` slower.
            seed: Of the choice where searches begin. Equal seeds and changes make equal indexes.

        Raises:
            ConfigError: A wrong option.
        """

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """The index in the file at `path`, which must stay as it is.

        It takes milliseconds. Vectors and links are read, and compared with their checksums, by the first search; the first
        change copies them into memory.

        Raises:
            FormatError: The file is damaged, or of something else: `.path` and `.offset` say where.
            OSError: The system refused.
        """

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes it to a file, in place of the one that is there when all of it is on disk.

        Changes wait for it, searches do not. If a crash interrupted it, `<path>.temporary` is left and has to be removed.

        Raises:
            OSError: The system refused.
            FormatError: The file that it was opened from is damaged.
        """

    @property
    def dim(self) -> int:
        """Numbers of a vector."""

    @property
    def metric(self) -> _Metric:
        """How two vectors are compared."""

    @property
    def storage(self) -> _Storage:
        """How the numbers are kept that scores are of."""

    @property
    def links(self) -> int:
        """How many links an entry has."""

    @property
    def build_effort(self) -> int:
        """How many entries the links of a new one are chosen among."""

    def __len__(self) -> int:
        """Entries."""

    def add(self, keys: _Keys, vectors: ArrayLike) -> None:
        """Adds entries: all of them, or none where there is an error. Searches see them one by one.

        Args:
            keys: uint64 `[n]`, or one number.
            vectors: float32 `[n, dim]`, or `[dim]` for one key; need not be of length 1.

        Raises:
            ConfigError: A key that is there or is given twice, a vector of another length, a number that is not finite.
            FormatError: The file that it was opened from is damaged.
        """

    def upsert(self, keys: _Keys, vectors: ArrayLike) -> None:
        """As `add`, but an entry whose key is there is replaced; for a moment a search may see neither of the two."""

    def delete(self, keys: _Keys) -> int:
        """Removes entries, and gives how many there were. Keys without an entry are left out."""

    def contains(self, key: SupportsIndex) -> bool:
        """Whether there is an entry."""

    def search(
        self, query: ArrayLike, k: SupportsIndex, *, effort: SupportsIndex | None = None
    ) -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
        """The `k` nearest entries that a walk finds, the best first, of equals the smaller key.

        Args:
            query: float32 `[dim]` or `[rows, dim]`.
            k: How many, 1 or more.
            effort: How many of the nearest so far a walk keeps and follows, `k` or more; the larger of 64 and 2 `k` by default.

        Returns:
            Keys uint64 and scores float32: `[n]` of one query, with n ≤ k as many as there are; `[rows, k]` of several,
            where a row with fewer ends in keys 2⁶⁴ - 1 and scores -∞.

        Raises:
            ConfigError: A query of another length, a number that is not finite, a `k` or an effort below 1.
            FormatError: The file that it was opened from is damaged.
        """

    def recall(
        self,
        sample: SupportsIndex = 100,
        k: SupportsIndex = 10,
        effort: SupportsIndex | None = None,
        *,
        queries: ArrayLike | None = None,
    ) -> float:
        """The share of the true `k` nearest entries that `search` finds, 0 to 1.

        Every entry is compared with every query. Changes wait for it, searches do not.

        Args:
            sample: How many queries are made up, each between two entries.
            k: How many are searched.
            effort: As for `search`.
            queries: float32 `[rows, dim]`, instead of made up ones: the questions that you expect.

        Raises:
            ConfigError: As `search`.
            FormatError: As `search`.
        """

    def tune(self, recall: float = 0.99, k: SupportsIndex = 10, *, queries: ArrayLike | None = None) -> int:
        """The smallest effort, to a 32nd, with which `search` reaches a recall over your queries, or 200 made up ones.

        Raises:
            ConfigError: A recall that is not above 0 and at most 1; as `search`.
            FormatError: As `search`.
        """

    def stats(self) -> _GraphStats:
        """Entries, bytes in memory, links of an entry on average, and places that deleted entries have left for new ones."""
