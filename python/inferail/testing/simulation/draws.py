"""Luck that does not depend on who asks first: each draw is a function of the seed, the call, the endpoint and a purpose."""

from __future__ import annotations

import zlib
from typing import Final

__all__ = ["Draws"]

_MASK: Final = (1 << 64) - 1
_CALL: Final = 0x9E3779B97F4A7C15
_PURPOSE: Final = 0xD1B54A32D192ED03


class Draws:
    """Numbers from 0 to 1, as if drawn from a table with a row for each call and a column for each purpose.

    Two policies that send the same call to the same endpoint meet the same latency there: what differs between them is the
    policy (common random numbers). `random.Random` would deal the numbers out in the order in which they are asked for, and
    one more hedge would change the luck of every call after it.
    """

    __slots__ = ("_seed",)

    def __init__(self, seed: int, name: str) -> None:
        """The draws of one endpoint, or of whatever has that name."""
        self._seed = _mixed((seed & _MASK) ^ zlib.crc32(name.encode()) * _CALL & _MASK)

    def number(self, call: int, purpose: int) -> float:
        """The draw of a call for one purpose, from 0 up to but not including 1."""
        return (_mixed(self._seed + call * _CALL + purpose * _PURPOSE & _MASK) >> 11) * 2.0**-53


def _mixed(value: int) -> int:
    """A finaliser of 64 bits (splitmix64, public domain): every bit of the result depends on every bit of `value`."""
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    value = (value ^ value >> 27) * 0x94D049BB133111EB & _MASK
    return value ^ value >> 31
