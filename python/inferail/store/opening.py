"""A store from what a user writes for it."""

from __future__ import annotations

import os
from typing import Any

from inferail.errors import ConfigError
from inferail.store.memory import MemoryStore
from inferail.store.protocol import Store

__all__ = ["open_store"]


def open_store(where: Store | str | os.PathLike[str] | None = None, **bounds: Any) -> Store:
    """A store: None is memory, a path a SQLite file, `redis://…` (or `rediss://`, `unix://`) a Redis server.

    A Store is given back as it is.

    Args:
        where: Which.
        bounds: `max_entries`, `max_bytes`, `eviction` and so on, as the store's class takes them.

    Raises:
        ConfigError: Something else, or bounds for a store that is there already.
        FormatError: The file is not a store.
    """
    if where is None:
        return MemoryStore(**bounds)
    if isinstance(where, str) and where.startswith(("redis://", "rediss://", "unix://")):
        from inferail.store.redis import RedisStore

        return RedisStore(where, **bounds)
    if isinstance(where, str | os.PathLike):
        from inferail.store.sqlite import SQLiteStore

        return SQLiteStore(where, **bounds)
    if isinstance(where, type) or not isinstance(where, Store):
        raise ConfigError(
            f"a store is a path, a redis:// address or a Store such as MemoryStore(), not {type(where).__name__}"
        )
    if bounds:
        raise ConfigError(f"{', '.join(bounds)} are chosen where the store is made: MemoryStore(max_entries=…)")
    return where
