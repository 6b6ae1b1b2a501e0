"""Who makes room: the entry used longest ago, or the one that saves least for the bytes it takes."""

from __future__ import annotations

import heapq
from collections import OrderedDict
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from inferail.errors import ConfigError

if TYPE_CHECKING:
    from inferail.cache.semantic.entries import Entry

__all__ = ["Eviction", "Order", "Recency", "Savings", "order_of"]

Eviction: TypeAlias = Literal["lru", "saved"]


class Order(Protocol):
    """Keeps entries in the order in which they go. Its owner holds a lock."""

    def used(self, entry: Entry) -> None:
        """The entry is new, or has just answered."""
        ...

    def gone(self, key: int) -> None:
        """The entry is not there any more."""
        ...

    def first(self) -> int | None:
        """The key of the entry that goes next."""
        ...


class Recency:
    """The entry used longest ago goes first."""

    def __init__(self) -> None:
        self._keys: OrderedDict[int, None] = OrderedDict()

    def used(self, entry: Entry) -> None:
        """Behind all others."""
        self._keys[entry.key] = None
        self._keys.move_to_end(entry.key)

    def gone(self, key: int) -> None:
        """Forgets it."""
        self._keys.pop(key, None)

    def first(self) -> int | None:
        """The one used longest ago."""
        return next(iter(self._keys), None)


class Savings:
    """The entry that saves least per byte goes first (GDSF).

    The rank is `age + uses · worth / size`, where `age` is the rank of the last one that went: what is not used is overtaken
    by what is, however dear it was once.
    """

    def __init__(self) -> None:
        self._age = 0.0
        self._ranks: dict[int, float] = {}
        self._heap: list[tuple[float, int]] = []

    def used(self, entry: Entry) -> None:
        """Ranks it anew. Its old place in the heap is left there and passed over later."""
        rank = self._age + (entry.uses + 1) * max(entry.worth, 1e-12) / max(entry.size, 1)
        self._ranks[entry.key] = rank
        heapq.heappush(self._heap, (rank, entry.key))
        if len(self._heap) > 64 + 4 * len(self._ranks):
            self._heap = [(rank, key) for key, rank in self._ranks.items()]
            heapq.heapify(self._heap)

    def gone(self, key: int) -> None:
        """Forgets it; if it was the first, the others have become older."""
        rank = self._ranks.pop(key, None)
        if rank is not None and self._heap and self._heap[0] == (rank, key):
            self._age = rank

    def first(self) -> int | None:
        """The one with the lowest rank."""
        while self._heap:
            rank, key = self._heap[0]
            if self._ranks.get(key) == rank:
                return key
            heapq.heappop(self._heap)
        return None


def order_of(eviction: str) -> Order:
    """The order that has this name.

    Raises:
        ConfigError: None has.
    """
    if eviction == "lru":
        return Recency()
    if eviction == "saved":
        return Savings()
    raise ConfigError(f"eviction must be 'lru' or 'saved', not {eviction!r}")
