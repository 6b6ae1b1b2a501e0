"""How often a digest came before, and where what has been done lies: tables of 64-bit numbers, a few bytes for each row."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Occurrences", "Places", "mixed"]

_FIRST_SLOTS: Final = 1 << 10
_NEAR: Final = 4096  # rows that are done and expected next
_MASK: Final = (1 << 64) - 1
_STEP: Final = 0x9E3779B97F4A7C15  # 2^64 divided by the golden ratio: spreads occurrences of one digest


def mixed(digest: int, occurrence: int) -> int:
    """One 64-bit number for a digest (its first 8 bytes) and the number of its occurrence."""
    return (digest + occurrence * _STEP) & _MASK


class Occurrences:
    """Counts how often each 64-bit number came.

    Open addressing in an array: 16 to 32 bytes for each number, where a dict takes over 100. Two digests that begin with
    the same 64 bits (one chance in 37 million for a million rows) are counted together, which only numbers them on.
    """

    __slots__ = ("_again", "_limit", "_mask", "_slots", "_used")

    def __init__(self) -> None:
        self._slots = array("Q", bytes(8 * _FIRST_SLOTS))
        self._mask = _FIRST_SLOTS - 1
        self._limit = _FIRST_SLOTS // 2
        self._used = 0
        self._again: dict[int, int] = {}  # only what came more than once

    def count(self, number: int) -> int:
        """How often it came before this time."""
        number = number or 1  # 0 is an empty slot
        slots, mask = self._slots, self._mask
        at = number & mask
        while (there := slots[at]) != number:
            if not there:
                slots[at] = number
                self._used += 1
                if self._used > self._limit:
                    self._grow()
                return 0
            at = (at + 1) & mask
        times = self._again.get(number, 1)
        self._again[number] = times + 1
        return times

    def _grow(self) -> None:
        old = self._slots
        size = 2 * len(old)
        self._mask, self._limit = size - 1, size // 2
        slots = self._slots = array("Q", bytes(8 * size))
        mask = self._mask
        for number in old:
            if number:
                at = number & mask
                while slots[at]:
                    at = (at + 1) & mask
                slots[at] = number


class Places:
    """Where the line of each row that is done begins, by `mixed` number. The last of several lines of a row counts.

    Rows mostly come in the order in which they were done: those that are expected next are in a small dictionary, the others
    are found by bisection, which takes five times as long.
    """

    __slots__ = ("_near", "_numbers", "_offsets", "_order", "_read")

    def __init__(self, numbers: Sequence[int], offsets: Sequence[int]) -> None:
        import numpy as np

        keys = np.asarray(numbers, dtype=np.uint64)
        order = np.argsort(keys, kind="stable")
        keys, places = keys[order], np.asarray(offsets, dtype=np.uint64)[order]
        last = np.ones(len(keys), dtype=bool)
        last[:-1] = keys[1:] != keys[:-1]
        keys, places = keys[last], places[last]
        # Views of Python: each of their numbers costs half of numpy's own.
        self._numbers: memoryview[int] = keys.data
        self._offsets: memoryview[int] = places.data
        self._order = np.argsort(places)  # as they stand in the file
        self._near: dict[int, int] = {}
        self._read = 0

    def __len__(self) -> int:
        return len(self._numbers)

    def find(self, number: int) -> int:
        """The offset of its line, or -1. Each number is asked for once."""
        near = self._near
        if len(near) < _NEAR and self._read < len(self._numbers):
            self._read_on()
        offset = near.pop(number, -1)
        if offset >= 0:
            return offset
        numbers = self._numbers
        at = bisect_left(numbers, number)
        return self._offsets[at] if at < len(numbers) and numbers[at] == number else -1

    def _read_on(self) -> None:
        import numpy as np

        chosen = self._order[self._read : self._read + _NEAR]
        self._read += _NEAR
        numbers, offsets = np.asarray(self._numbers)[chosen], np.asarray(self._offsets)[chosen]
        self._near.update(zip(numbers.tolist(), offsets.tolist(), strict=True))
