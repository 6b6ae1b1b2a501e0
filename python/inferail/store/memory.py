"""Bytes in memory, for one process."""

from __future__ import annotations

import heapq
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from itertools import count

from inferail.store.leases import Lease, new_lease
from inferail.store.protocol import ENTRY_BYTES, Entry, Eviction, StoreStats, check_bounds, check_ttl

__all__ = ["MemoryStore"]

_Name = tuple[str, str]  # namespace and key


class _Kept:
    """An entry with what has to be known to expire and evict it."""

    __slots__ = ("expires", "gain", "priority", "put", "size", "tags", "uses", "value")

    def __init__(self, value: bytes, times: tuple[float, float], tags: tuple[str, ...], size: int, gain: float) -> None:
        self.value = value
        self.put, self.expires = times
        self.tags = tags
        self.size = size
        self.gain = gain  # per byte
        self.uses = 1
        self.priority = 0.0


class MemoryStore:
    """Keeps bytes in memory; see `inferail.store.protocol.Store`. Thread-safe; no method suspends.

    `lru` evicts what was used longest ago. `gdsf` (greedy dual size frequency) evicts what saves least: uses times weight
    per byte, on top of the level at which the last one had to go, so that what is never asked for again ages.
    """

    shared = False

    def __init__(
        self,
        *,
        max_entries: int | None = 100_000,
        max_bytes: int | None = 256 * 1024 * 1024,
        eviction: Eviction = "lru",
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """An empty store.

        Args:
            max_entries: Upper bound on the number of entries; None is none.
            max_bytes: Upper bound on keys and values together, with some 400 bytes for each entry; None is none.
            eviction: Who makes room.
            now: A clock in seconds, for tests.

        Raises:
            ConfigError: A bound is no positive number, or the eviction is unknown.
        """
        check_bounds(max_entries, max_bytes, eviction)
        self._max_entries = math.inf if max_entries is None else max_entries
        self._max_bytes = math.inf if max_bytes is None else max_bytes
        self._by_gain = eviction == "gdsf"
        self._now = now
        self._lock = threading.Lock()
        self._kept: OrderedDict[_Name, _Kept] = OrderedDict()
        self._tagged: dict[_Name, set[_Name]] = {}
        self._bytes = 0
        self.evictions = 0
        self._floor = 0.0  # the priority at which the last one was evicted
        self._number = count()
        self._expiring: list[tuple[float, int, _Name]] = []
        self._ranked: list[tuple[float, int, _Name]] = []  # gdsf only; priorities in it may be lower than the real ones
        self._leases: dict[str, tuple[str, float]] = {}
        self._logs: dict[str, tuple[int, list[bytes]]] = {}  # the number before the first value, and the values

    def __len__(self) -> int:
        return len(self._kept)

    async def get(self, namespace: str, key: str) -> Entry | None:
        """What is kept there, unless it has expired."""
        name = (namespace, key)
        with self._lock:
            kept = self._kept.get(name)
            if kept is None:
                return None
            now = self._now()
            if kept.expires <= now:
                self._drop(name)
                return None
            if self._by_gain:
                kept.uses += 1
                kept.priority = self._floor + kept.uses * kept.gain
            else:
                self._kept.move_to_end(name)
            return Entry(kept.value, now - kept.put, None if kept.expires == math.inf else kept.expires - now)

    async def put(
        self,
        namespace: str,
        key: str,
        value: bytes,
        *,
        ttl: float | None = None,
        tags: Iterable[str] = (),
        weight: float = 1.0,
    ) -> bool:
        """Keeps `value` instead of what was there; see `Store.put`."""
        check_ttl(ttl)
        name = (namespace, key)
        size = len(value) + len(namespace) + len(key) + ENTRY_BYTES
        with self._lock:
            now = self._now()
            self._purge(now)
            if name in self._kept:
                self._drop(name)
            if size > self._max_bytes:
                return False
            times = now, math.inf if ttl is None else now + ttl
            kept = _Kept(value, times, tuple(dict.fromkeys(tags)), size, weight / size)
            while self._kept and (len(self._kept) >= self._max_entries or self._bytes + size > self._max_bytes):
                self._evict()
            self._keep(name, kept)
            return True

    async def delete(self, namespace: str, key: str) -> bool:
        """Forgets one entry; whether it was there."""
        name = (namespace, key)
        with self._lock:
            kept = self._kept.get(name)
            if kept is None:
                return False
            self._drop(name)
            return kept.expires > self._now()

    async def delete_tagged(self, namespace: str, tag: str) -> int:
        """Forgets every entry that was put with this tag; how many there were."""
        with self._lock:
            return self._drop_all(list(self._tagged.get((namespace, tag), ())))

    async def clear(self, namespace: str) -> int:
        """Forgets every entry of a namespace; how many there were."""
        with self._lock:
            return self._drop_all([name for name in self._kept if name[0] == namespace])

    async def acquire(self, key: str, ttl: float) -> Lease | None:
        """The right to do something alone for `ttl` seconds; None while another has it."""
        check_ttl(ttl)
        lease = new_lease(key)
        with self._lock:
            now = self._now()
            held = self._leases.get(key)
            if held is not None and held[1] > now:
                return None
            self._leases[key] = (lease.token, now + ttl)
        return lease

    async def renew(self, lease: Lease, ttl: float) -> bool:
        """Holds it for `ttl` seconds from now; False if it was lost."""
        check_ttl(ttl)
        with self._lock:
            if not self._holds(lease):
                return False
            self._leases[lease.key] = (lease.token, self._now() + ttl)
            return True

    async def release(self, lease: Lease) -> bool:
        """Gives it back; False if it was lost before."""
        with self._lock:
            if not self._holds(lease):
                return False
            del self._leases[lease.key]
            return True

    async def append(self, stream: str, value: bytes) -> int:
        """Adds to the end of a log; its number there, from 1."""
        with self._lock:
            before, values = self._logs.setdefault(stream, (0, []))
            values.append(value)
            return before + len(values)

    async def read(self, stream: str, after: int = 0, *, limit: int = 1000) -> list[tuple[int, bytes]]:
        """The first `limit` values with a number above `after`, with their numbers, in order."""
        with self._lock:
            before, values = self._logs.get(stream, (0, []))
            first = max(0, after - before)
            return list(enumerate(values[first : first + limit], before + first + 1))

    async def trim(self, stream: str, through: int) -> int:
        """Forgets the values of a log up to this number; how many there were."""
        with self._lock:
            before, values = self._logs.get(stream, (0, []))
            gone = min(max(0, through - before), len(values))
            if gone:
                self._logs[stream] = (before + gone, values[gone:])
            return gone

    async def stats(self) -> StoreStats:
        """What it holds."""
        with self._lock:
            self._purge(self._now())
            return StoreStats(len(self._kept), self._bytes, self.evictions)

    async def aclose(self) -> None:
        """Does nothing: what is in memory goes with the store."""

    def _holds(self, lease: Lease) -> bool:
        token, until = self._leases.get(lease.key, ("", 0.0))
        return token == lease.token and until > self._now()

    def _keep(self, name: _Name, kept: _Kept) -> None:
        self._kept[name] = kept
        self._bytes += kept.size
        for tag in kept.tags:
            self._tagged.setdefault((name[0], tag), set()).add(name)
        if kept.expires < math.inf:
            heapq.heappush(self._expiring, (kept.expires, next(self._number), name))
            if len(self._expiring) > 2 * len(self._kept) + 1024:  # most of it is of entries that were replaced
                self._expiring = [
                    (one.expires, next(self._number), key) for key, one in self._kept.items() if one.expires < math.inf
                ]
                heapq.heapify(self._expiring)
        if self._by_gain:
            kept.priority = self._floor + kept.gain
            heapq.heappush(self._ranked, (kept.priority, next(self._number), name))
            if len(self._ranked) > 2 * len(self._kept) + 1024:
                self._ranked = [(one.priority, next(self._number), key) for key, one in self._kept.items()]
                heapq.heapify(self._ranked)

    def _purge(self, now: float) -> None:
        """Forgets what has expired; each entry is looked at once, so it costs what its putting did."""
        while self._expiring and self._expiring[0][0] <= now:
            expires, _, name = heapq.heappop(self._expiring)
            kept = self._kept.get(name)
            if kept is not None and kept.expires <= expires:
                self._drop(name)
        if len(self._leases) > 1024:
            self._leases = {key: held for key, held in self._leases.items() if held[1] > now}

    def _evict(self) -> None:
        self.evictions += 1
        if not self._by_gain:
            self._drop(next(iter(self._kept)))
            return
        while True:
            priority, _, name = heapq.heappop(self._ranked)
            kept = self._kept.get(name)
            if kept is None:
                continue
            if kept.priority > priority:  # used since: it is ranked again when its turn comes, not at every use
                heapq.heappush(self._ranked, (kept.priority, next(self._number), name))
                continue
            self._floor = priority
            self._drop(name)
            return

    def _drop_all(self, names: list[_Name]) -> int:
        now = self._now()
        alive = sum(self._kept[name].expires > now for name in names)
        for name in names:
            self._drop(name)
        return alive

    def _drop(self, name: _Name) -> None:
        kept = self._kept.pop(name)
        self._bytes -= kept.size
        for tag in kept.tags:
            tagged = self._tagged[name[0], tag]
            tagged.discard(name)
            if not tagged:
                del self._tagged[name[0], tag]
