"""The file that failed payloads are kept in: readable by its owner alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from inferail.errors import ConfigError
from inferail.store.opening import open_store

if TYPE_CHECKING:
    from inferail.store.protocol import Store

__all__ = ["open_payloads"]

_MAX_BYTES = 256 * 1024 * 1024
_OWNER_ONLY = 0o600


def open_payloads(where: Store | str | os.PathLike[str] | None = None, *, max_bytes: int = _MAX_BYTES) -> Store:
    """A store for failed payloads: as `open_store`, but a file is made with mode 0600, and with its folder.

    SQLite gives the two files beside it the same mode. A file of ours that others may read is closed to them.

    Args:
        where: A path, a `redis://` address, a Store, or None for memory.
        max_bytes: The most that a file may hold, in bytes; what was not looked at for longest makes room.

    Raises:
        ConfigError: It cannot be made or opened.
        FormatError: The file is not a store.
    """
    is_address = isinstance(where, str) and where.startswith(("redis://", "rediss://", "unix://"))
    if is_address or not isinstance(where, str | os.PathLike):
        return open_store(where)
    path = Path(where)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, _OWNER_ONLY)
        try:
            if os.fstat(descriptor).st_mode & 0o077:
                os.fchmod(descriptor, _OWNER_ONLY)
        finally:
            os.close(descriptor)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError(f"{path} cannot be opened as a store of failed payloads: {reason}") from None
    return open_store(path, max_bytes=max_bytes)
