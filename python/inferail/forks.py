"""Objects that a fork must not catch in the middle of something, nor leave with the locks of threads the child does not have."""

from __future__ import annotations

import os
from typing import Protocol, runtime_checkable
from weakref import WeakSet

__all__ = ["Forkable", "Holding", "renew_after_fork"]


class Forkable(Protocol):
    """Has something that is the parent's: locks, threads, connections."""

    def after_fork(self) -> None:
        """Runs in the child, where no other thread is."""
        ...


@runtime_checkable
class Holding(Forkable, Protocol):
    """One that has to be at rest while the process forks."""

    def hold(self) -> None:
        """Waits until nothing is under way, and lets nothing begin."""
        ...

    def let_go(self) -> None:
        """Runs in the parent after the fork."""
        ...


_alive: WeakSet[Forkable] = WeakSet()
_held: list[Holding] = []


def renew_after_fork(owner: Forkable) -> None:
    """Calls `owner.after_fork()` in every child that is forked while `owner` is in use, and holds it during the fork."""
    _alive.add(owner)


def _hold() -> None:
    for owner in list(_alive):
        if isinstance(owner, Holding):
            owner.hold()
            _held.append(owner)


def _let_go() -> None:
    while _held:
        _held.pop().let_go()


def _renew() -> None:
    _held.clear()
    for owner in list(_alive):
        owner.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_hold, after_in_parent=_let_go, after_in_child=_renew)
