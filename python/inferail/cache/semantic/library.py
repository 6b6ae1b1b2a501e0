"""Entries and their vectors: found by nearness, bounded in number and bytes, kept in a folder where one is given."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from inferail.cache.semantic.entries import OVERHEAD_BYTES, Entry, pack, unpack
from inferail.errors import ConfigError, FormatError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from inferail.cache.semantic.eviction import Order
    from inferail.cache.semantic.thresholds import Label

    Vector = NDArray[np.float32]

__all__ = ["Index", "Library", "MakeIndex", "describe", "make_index"]

_DESCRIPTION: Final = "cache.json"
_VECTORS: Final = "vectors"


class Index(Protocol):
    """What is used of `core.VectorIndex`; another index with these will do. Their meaning is documented there."""

    def upsert(
        self,
        keys: Any,
        vectors: Any,
        *,
        namespace: str = "",
        payloads: Any = None,
        thresholds: Any = None,
        expires: Any = None,
    ) -> None:
        """Adds entries, or replaces those that have their keys."""
        ...

    def delete(self, keys: Any, *, namespace: str = "") -> int:
        """Removes entries."""
        ...

    def nearest(self, query: Any, threshold: float, *, namespace: str = "", now: Any = None) -> Any:
        """`(key, score)` of the nearest entry that counts, or None."""
        ...

    def search(self, query: Any, k: int, *, namespace: str = "", now: Any = None) -> tuple[Any, Any]:
        """Keys and scores of the `k` nearest entries."""
        ...

    def payload(self, key: int, *, namespace: str = "") -> bytes | None:
        """What was kept with an entry."""
        ...

    def namespaces(self) -> Sequence[str]:
        """Those that have entries."""
        ...

    def set_threshold(self, key: int, threshold: Any, *, namespace: str = "") -> Any:
        """Gives an entry a threshold of its own."""
        ...

    def __len__(self) -> int: ...


MakeIndex: TypeAlias = "Callable[[int, Path | None], Index]"


def make_index(dimensions: int, path: Path | None) -> Index:
    """The compiled index: in memory, or in a folder."""
    from inferail.core import VectorIndex

    index: Index = (
        VectorIndex(dimensions, metric="cosine")
        if path is None
        else VectorIndex.open(path, dimensions, metric="cosine")
    )
    return index


class Library:
    """The entries of one embedder. Thread-safe.

    Attributes:
        evictions: How many entries had to make room.
        unreadable: How many records of the folder are of another version; they are passed over.
    """

    def __init__(
        self,
        *,
        order: Order,
        max_entries: int,
        max_bytes: int,
        path: Path | None,
        now: Callable[[], float],
        make: MakeIndex = make_index,
    ) -> None:
        """An empty library; a folder is opened when the size of the vectors is known, with the first one.

        Args:
            order: Who goes first.
            max_entries: Bound on their number.
            max_bytes: Bound on their bytes, about.
            path: The folder, or None.
            now: Seconds since 1970.
            make: Makes the index.
        """
        self.evictions = 0
        self.unreadable = 0
        self.bytes = 0
        self._order = order
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._path = path
        self._now = now
        self._make = make
        self._lock = threading.RLock()
        self._entries: dict[int, Entry] = {}
        self._tagged: dict[str, set[int]] = {}
        self._by_text: dict[tuple[str, str], int] = {}
        self._index: Index | None = None
        self._dimensions = 0
        self._next = 1

    def __len__(self) -> int:
        return len(self._entries)

    def open(self, embedder: str, dimensions: int) -> None:
        """Makes ready for vectors of this embedder; does nothing the second time.

        Raises:
            ConfigError: The folder has the vectors of another one, or they have another size than those before.
            FormatError: The folder is damaged.
        """
        if self._index is not None and dimensions == self._dimensions:
            return
        with self._lock:
            if self._index is not None:
                if dimensions != self._dimensions:
                    raise ConfigError(f"{embedder} gave vectors of {self._dimensions} and then of {dimensions} numbers")
                return
            if self._path is None:
                self._index = self._make(dimensions, None)
            else:
                _claim(self._path, embedder, dimensions)
                self._index = self._make(dimensions, self._path / _VECTORS)
                self._load(self._index, dimensions)
            self._dimensions = dimensions

    def reopen(self, embedder: str) -> None:
        """Opens the folder now if there is one already, so that what is wrong with it is said at once.

        Raises:
            ConfigError: It has the vectors of another embedder.
            FormatError: It is damaged.
        """
        if self._path is not None and (self._path / _DESCRIPTION).exists():
            _, dimensions = describe(self._path)
            self.open(embedder, dimensions)

    def nearest(self, scope: str, vector: Vector, threshold: float) -> tuple[Entry, float] | None:
        """The nearest entry of the scope, and how near it is, if that is at least the threshold."""
        index = self._index
        if index is None:
            return None
        now = self._now()
        found = index.nearest(vector, threshold, namespace=scope, now=int(now))
        entry = self._entries.get(found[0]) if found is not None else None
        # The index counts whole seconds.
        if found is None or entry is None or (entry.expires is not None and entry.expires <= now):
            return None
        return entry, found[1]

    def nearby(self, scope: str, vector: Vector, threshold: float, count: int) -> Iterator[tuple[Entry, float]]:
        """Up to `count` entries at least as near as the threshold, nearest first."""
        if self._index is None:
            return
        now = self._now()
        keys, scores = self._index.search(vector, count, namespace=scope, now=int(now))
        for key, score in zip(keys.tolist(), scores.tolist(), strict=True):
            entry = self._entries.get(key)
            if entry is not None and score >= threshold and (entry.expires is None or entry.expires > now):
                yield entry, score

    def add(self, entry: Entry, vector: Vector) -> bool:
        """Keeps an entry, whose key is given here; what goes first makes room. Whether it is kept: not if it is too large."""
        index = self._index
        if index is None:
            return False
        payload = pack(entry) if self._path is not None else None
        entry.size = OVERHEAD_BYTES + 4 * self._dimensions + 2 * len(entry.text) + _answer_bytes(entry, payload)
        if entry.size > self._max_bytes:
            return False
        with self._lock:
            # A newer answer to the same text takes the place of the older one.
            self._remove(self._by_text.get((entry.scope, entry.text), 0))
            entry.key = self._next
            self._next += 1
            self._write(index, entry, vector, payload)
            self._take(entry)
            self._make_room()
        return True

    def used(self, entry: Entry) -> None:
        """The entry has answered."""
        with self._lock:
            if entry.key in self._entries:
                entry.uses += 1
                self._order.used(entry)

    def learn(self, entry: Entry, label: Label) -> None:
        """The entry learns from a comparison; in a folder its record is written again, if its vector is known."""
        import numpy as np

        with self._lock:
            entry.learned.add(label)
            if self._path is not None and entry.vector and self._index is not None and entry.key in self._entries:
                self._write(self._index, entry, np.frombuffer(entry.vector, "<f4"), pack(entry))

    def raise_threshold(self, entry: Entry, above: float) -> None:
        """From now on the entry answers only what is nearer than this."""
        if self._index is not None:
            self._index.set_threshold(entry.key, min(above + 1e-4, 1.0), namespace=entry.scope)

    def remove(self, entries: Iterable[Entry]) -> int:
        """Forgets entries; how many of them were there."""
        with self._lock:
            return sum(self._remove(entry.key) for entry in list(entries))

    def tagged(self, tag: str) -> list[Entry]:
        """The entries that have this tag."""
        with self._lock:
            return [self._entries[key] for key in self._tagged.get(tag, ())]

    def entries(self) -> list[Entry]:
        """All that have not expired, oldest first."""
        now = self._now()
        with self._lock:
            alive = [entry for entry in self._entries.values() if entry.expires is None or entry.expires > now]
        return sorted(alive, key=lambda entry: (entry.created, entry.key))

    def expire(self) -> int:
        """Forgets what has expired; how many entries."""
        now = self._now()
        with self._lock:
            gone = [key for key, entry in self._entries.items() if entry.expires is not None and entry.expires <= now]
            return sum(self._remove(key) for key in gone)

    def close(self) -> None:
        """Lets go of the folder."""
        index, self._index = self._index, None
        close = getattr(index, "close", None)
        if close is not None:
            close()

    def _write(self, index: Index, entry: Entry, vector: Vector, payload: bytes | None) -> None:
        index.upsert(
            [entry.key],
            vector.reshape(1, -1),
            namespace=entry.scope,
            payloads=None if payload is None else [payload],
            expires=None if entry.expires is None else [math.ceil(entry.expires)],
        )

    def _take(self, entry: Entry) -> None:
        self._entries[entry.key] = entry
        self._by_text[entry.scope, entry.text] = entry.key
        self.bytes += entry.size
        self._order.used(entry)
        for tag in entry.tags:
            self._tagged.setdefault(tag, set()).add(entry.key)

    def _make_room(self) -> None:
        if len(self._entries) <= self._max_entries and self.bytes <= self._max_bytes:
            return
        self.expire()
        while len(self._entries) > self._max_entries or self.bytes > self._max_bytes:
            first = self._order.first()
            if first is None:
                return
            self._remove(first)
            self.evictions += 1

    def _remove(self, key: int) -> bool:
        entry = self._entries.pop(key, None)
        if entry is None:
            return False
        self.bytes -= entry.size
        self._order.gone(key)
        if self._by_text.get((entry.scope, entry.text)) == key:
            del self._by_text[entry.scope, entry.text]
        for tag in entry.tags:
            keys = self._tagged[tag]
            keys.discard(key)
            if not keys:
                del self._tagged[tag]
        if self._index is not None:
            self._index.delete([key], namespace=entry.scope)
        return True

    def _load(self, index: Index, dimensions: int) -> None:
        import numpy as np

        now = self._now()
        anywhere = np.ones(dimensions, np.float32)
        found: list[Entry] = []
        for scope in index.namespaces():
            keys, _ = index.search(anywhere, max(1, len(index)), namespace=scope, now=int(now))
            for key in keys.tolist():
                payload = index.payload(key, namespace=scope)
                entry = None if payload is None else unpack(key, scope, payload)
                if entry is None or payload is None:
                    self.unreadable += 1
                    continue
                entry.size = OVERHEAD_BYTES + 4 * dimensions + 2 * len(entry.text) + _answer_bytes(entry, payload)
                found.append(entry)
                self._next = max(self._next, key + 1)
        for entry in sorted(found, key=lambda entry: (entry.created, entry.key)):
            self._take(entry)
        self._make_room()


def _answer_bytes(entry: Entry, payload: bytes | None) -> int:
    if payload is not None:
        return len(payload)
    response = entry.response
    said = sum(len(getattr(part, "text", "") or getattr(part, "arguments", "")) for part in response.message.parts)
    return 2 * said + len(response.raw or b"")


def describe(path: Path) -> tuple[str, int]:
    """Embedder and size of the vectors of a folder.

    Raises:
        FormatError: It is no folder of a semantic cache.
    """
    file = path / _DESCRIPTION
    try:
        description = json.loads(file.read_text(encoding="utf-8"))
        return str(description["embedder"]), int(description["dimensions"])
    except OSError:
        raise FormatError(f"{path} is no semantic cache: it has no {_DESCRIPTION}", path=str(file), offset=0) from None
    except (ValueError, TypeError, KeyError):
        raise FormatError(f"{file} is damaged", path=str(file), offset=0) from None


def _claim(path: Path, embedder: str, dimensions: int) -> None:
    """Writes whose vectors a folder has, or checks it."""
    file = path / _DESCRIPTION
    if not file.exists():
        path.mkdir(parents=True, exist_ok=True)
        fresh = file.with_suffix(".new")
        fresh.write_text(json.dumps({"version": 1, "embedder": embedder, "dimensions": dimensions}), encoding="utf-8")
        fresh.replace(file)
        return
    whose, size = describe(path)
    if (whose, size) != (embedder, dimensions):
        raise ConfigError(
            f"{path} has vectors of {whose} with {size} numbers, not of {embedder} with {dimensions}: give each embedder a "
            "folder of its own"
        )
