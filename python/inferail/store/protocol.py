"""The one interface of every store: keys to bytes that expire and make room, logs that grow, and leases.

Caches, jobs, conversations and records sit on it, so it knows nothing of what is in the bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, runtime_checkable

from inferail.errors import ConfigError
from inferail.frozen import quick

if TYPE_CHECKING:
    from inferail.store.leases import Lease

__all__ = ["ENTRY_BYTES", "Entry", "Eviction", "Store", "StoreStats", "check_bounds", "check_ttl", "wall_clock"]

Eviction: TypeAlias = Literal["lru", "gdsf"]

# What an entry of one byte costs beside its key and its value, so that a bound in bytes is near what is really used
# (memory: 388 bytes measured on Python 3.11, tests/store/test_memory.py).
ENTRY_BYTES = 400


@quick
@dataclass(frozen=True, slots=True)
class Entry:
    """What is kept under a key.

    Attributes:
        value: The bytes.
        age: Seconds since they were put.
        left: Seconds until they expire; None is never.
    """

    value: bytes = field(repr=False)
    age: float
    left: float | None = None


@dataclass(frozen=True, slots=True)
class StoreStats:
    """What a store holds.

    Attributes:
        entries: How many, of every namespace; those that have expired but were not met since may be among them.
        bytes: Of their keys and values, with what each costs besides.
        evictions: How many had to make room, ever.
    """

    entries: int
    bytes: int
    evictions: int


@runtime_checkable
class Store(Protocol):
    """Keeps bytes. Safe to use from several threads; what is shared between processes says so.

    Every method is a coroutine. Those of memory and SQLite never suspend; those of Redis leave an event loop free and
    block a thread that has none, so one store serves `Client` and `AsyncClient`, under asyncio and trio.

    Raises (any method):
        FormatError: The file is damaged.
        ConfigError: It may not be written, or a value is of the wrong type.
        ConnectError: The server cannot be reached.
        CapacityError: It is full, or busy for too long.
    """

    @property
    def shared(self) -> bool:
        """Whether other processes see the same entries."""
        ...

    @property
    def evictions(self) -> int:
        """How many entries had to make room for what was put through this object."""
        ...

    async def get(self, namespace: str, key: str) -> Entry | None:
        """What is kept there, unless it has expired."""
        ...

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
        """Keeps `value` instead of what was there; what is used least makes room.

        Args:
            namespace: Whose keys these are.
            key: At most 512 characters.
            value: The bytes.
            ttl: Seconds until they expire; None is never.
            tags: Names under which the entry can be deleted together with others.
            weight: What having it saves (dollars, seconds: one unit for the whole store). Only the eviction `gdsf` asks.

        Returns:
            Whether it is kept: not if it alone is larger than the store may be.
        """
        ...

    async def delete(self, namespace: str, key: str) -> bool:
        """Forgets one entry; whether it was there."""
        ...

    async def delete_tagged(self, namespace: str, tag: str) -> int:
        """Forgets every entry that was put with this tag; how many there were."""
        ...

    async def clear(self, namespace: str) -> int:
        """Forgets every entry of a namespace; how many there were."""
        ...

    async def acquire(self, key: str, ttl: float) -> Lease | None:
        """The right to do something alone for `ttl` seconds; None while another has it."""
        ...

    async def renew(self, lease: Lease, ttl: float) -> bool:
        """Holds it for `ttl` seconds from now; False if it was lost."""
        ...

    async def release(self, lease: Lease) -> bool:
        """Gives it back; False if it was lost before."""
        ...

    async def append(self, stream: str, value: bytes) -> int:
        """Adds to the end of a log; its number there, from 1, which no other value of that log ever had."""
        ...

    async def read(self, stream: str, after: int = 0, *, limit: int = 1000) -> list[tuple[int, bytes]]:
        """The first `limit` values with a number above `after`, with their numbers, in order."""
        ...

    async def trim(self, stream: str, through: int) -> int:
        """Forgets the values of a log up to this number; how many there were."""
        ...

    async def stats(self) -> StoreStats:
        """What it holds."""
        ...

    async def aclose(self) -> None:
        """Closes it; closing twice is the same as once."""
        ...


def wall_clock() -> float:
    """Seconds since 1970, for stores that outlive their process."""
    return datetime.now(UTC).timestamp()


def check_bounds(max_entries: int | None, max_bytes: int | None, eviction: str) -> None:
    """Raises ConfigError unless the bounds are positive numbers and the eviction is known."""
    for name, bound in (("max_entries", max_entries), ("max_bytes", max_bytes)):
        if bound is not None and (isinstance(bound, bool) or not isinstance(bound, int) or bound < 1):
            raise ConfigError(f"{name} must be an integer of at least 1, or None, not {bound!r}")
    if eviction not in ("lru", "gdsf"):
        raise ConfigError(f"eviction must be 'lru' or 'gdsf', not {eviction!r}")


def check_ttl(ttl: float | None) -> None:
    """Raises ConfigError unless it is a positive number of seconds, or None."""
    if ttl is not None and (isinstance(ttl, bool) or not isinstance(ttl, int | float) or not 0 < ttl < math.inf):
        raise ConfigError(f"ttl must be a positive number of seconds, or None for never, not {ttl!r}")
