"""Objects that a fork must not leave with the locks of threads that the child does not have."""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet

__all__ = ["Forkable", "renew_after_fork"]


class Forkable(Protocol):
    """Has something that is the parent's: locks, threads, connections."""

    def after_fork(self) -> None:
        """Runs in the child, where no other thread is."""
        ...


_alive: WeakSet[Forkable] = WeakSet()


def renew_after_fork(owner: Forkable) -> None:
    """Calls `owner.after_fork()` in every child that is forked while `owner` is in use."""
    _alive.add(owner)


def _renew() -> None:
    for owner in list(_alive):
        owner.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
