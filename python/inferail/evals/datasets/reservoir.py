"""A sample of fixed size from a stream of any length, each item with the same chance of being in it."""

from __future__ import annotations

import random
import threading
from typing import Generic, NamedTuple, TypeVar

from inferail.errors import ConfigError

__all__ = ["Place", "Reservoir"]

ItemT = TypeVar("ItemT")


class Place(NamedTuple):
    """Where an item goes.

    Attributes:
        slot: Its place among those that are kept.
        number: Its number in the stream, from 1.
    """

    slot: int
    number: int


class Reservoir(Generic[ItemT]):
    """Algorithm R: item number n replaces one of the k kept with chance k/n. Thread-safe.

    Source: Vitter, "Random Sampling with a Reservoir", 1985, ACM Transactions on Mathematical Software 11(1), algorithm R. The
    same seed and the same items in the same order give the same sample.
    """

    def __init__(self, size: int, *, seed: int = 0) -> None:
        """Begins empty.

        Args:
            size: How many are kept.
            seed: Of the draws.

        Raises:
            ConfigError: The size is not a number, 1 or more.
        """
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise ConfigError(f"size must be a number, 1 or more, not {size!r}")
        self.size = size
        self._random = random.Random(seed)  # noqa: S311 - statistics, no secret
        self._lock = threading.Lock()
        self._kept: dict[int, tuple[int, ItemT]] = {}
        self._seen = 0

    @property
    def seen(self) -> int:
        """How many were offered."""
        return self._seen

    @property
    def items(self) -> list[ItemT]:
        """What is kept, in the order in which it was offered."""
        with self._lock:
            return [item for _, item in sorted(self._kept.values(), key=lambda pair: pair[0])]

    def place(self) -> Place | None:
        """Where the next item goes, for `put`; None where it is not kept. Counts it as seen.

        An item that is costly to make is made only where it has a place.
        """
        with self._lock:
            self._seen += 1
            if self._seen <= self.size:
                return Place(self._seen - 1, self._seen)
            drawn = self._random.randrange(self._seen)
            return Place(drawn, self._seen) if drawn < self.size else None

    def put(self, place: Place, item: ItemT) -> None:
        """Keeps an item at the place that `place` gave, unless a later one is there already."""
        with self._lock:
            if place.number > self._kept.get(place.slot, (0,))[0]:
                self._kept[place.slot] = (place.number, item)

    def offer(self, item: ItemT) -> bool:
        """Takes an item, or not; whether it is kept for now."""
        place = self.place()
        if place is not None:
            self.put(place, item)
        return place is not None
