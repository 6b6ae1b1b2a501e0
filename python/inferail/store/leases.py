"""Leases: one of many does something alone, and if it dies another does it."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inferail.frozen import quick

if TYPE_CHECKING:
    from inferail.store.protocol import Store

__all__ = ["Keeper", "Lease", "new_lease"]

_LOGGER = logging.getLogger("inferail.store")


@quick
@dataclass(frozen=True, slots=True)
class Lease:
    """The right to do something alone for a while. Only who has the token can renew it or give it back."""

    key: str
    token: str


def new_lease(key: str) -> Lease:
    """One that nobody has yet."""
    return Lease(key, os.urandom(16).hex())


class Keeper:
    """Holds leases while something is done that takes longer than they last. Thread-safe.

    A daemon thread renews them: it works beside any event loop and beside none, and it dies with its process, so the
    leases of a process that was killed run out by themselves. The thread ends when there is nothing to hold.

    Attributes:
        ttl: Seconds that a lease lasts if nobody renews it.
    """

    def __init__(self, store: Store, ttl: float) -> None:
        self.ttl = ttl
        self._store = store
        self._lock = threading.Condition()
        self._held: dict[Lease, Callable[[], bool]] = {}
        self._given_up: list[Lease] = []
        self._runs = False

    def hold(self, lease: Lease, wanted: Callable[[], bool]) -> None:
        """Renews the lease from now on, as long as `wanted` says so; once it says no, the lease is left to run out."""
        with self._lock:
            self._held[lease] = wanted
            self._start()

    def release(self, lease: Lease) -> None:
        """Gives the lease back. The thread does it: a task that is being cancelled cannot wait any more."""
        with self._lock:
            self._held.pop(lease, None)
            self._given_up.append(lease)
            self._start()
            self._lock.notify_all()

    def _start(self) -> None:
        if not self._runs:
            self._runs = True
            threading.Thread(target=self._run, name="inferail-leases", daemon=True).start()

    def _run(self) -> None:
        due = time.monotonic() + self.ttl / 3
        while True:
            with self._lock:
                if not self._held and not self._given_up:
                    self._runs = False
                    return
                if not self._given_up:
                    self._lock.wait(max(0.0, due - time.monotonic()))
                given_up, self._given_up = self._given_up, []
                held = list(self._held.items()) if time.monotonic() >= due else []
            for lease in given_up:
                self._do(self._store.release(lease))
            if held:
                due = time.monotonic() + self.ttl / 3
            for lease, wanted in held:
                if not wanted() or self._do(self._store.renew(lease, self.ttl)) is False:
                    with self._lock:
                        self._held.pop(lease, None)

    @staticmethod
    def _do(work: Coroutine[Any, Any, bool]) -> bool | None:
        """What a method of the store says; here is no event loop, so it does not suspend. None if it failed."""
        try:
            work.send(None)
        except StopIteration as done:
            result: bool = done.value
            return result
        except Exception as error:  # noqa: BLE001 - a lease that cannot be renewed runs out: nothing worse happens
            _LOGGER.warning("a lease could not be renewed or given back (%s)", type(error).__name__)
        work.close()
        return None
