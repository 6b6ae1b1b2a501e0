"""Where bytes are kept: in memory, in a SQLite file, in Redis. May use types and errors."""

from __future__ import annotations

from inferail.store.leases import Keeper, Lease
from inferail.store.memory import MemoryStore
from inferail.store.opening import open_store
from inferail.store.protocol import Entry, Eviction, Store, StoreStats
from inferail.store.redis import RedisStore
from inferail.store.sqlite import SQLiteStore

__all__ = [
    "Entry",
    "Eviction",
    "Keeper",
    "Lease",
    "MemoryStore",
    "RedisStore",
    "SQLiteStore",
    "Store",
    "StoreStats",
    "open_store",
]
