"""Whose turn it is, where there is not room for all: by priority and by age, and nobody is held up by what he does not need."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from inferail.core import WaitQueue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inferail.limits.waiting import Signal

__all__ = ["Gate", "Need", "Waiter"]

Need = tuple[int, str]  # a limit, and the key of the account that is charged


class Waiter:
    """A call in the queue.

    Attributes:
        displaced: Whether it was put out for a more important one.
    """

    __slots__ = ("blocked_on", "displaced", "needs", "signal", "ticket")

    def __init__(self, ticket: int, needs: Sequence[Need], signal: Signal) -> None:
        self.ticket = ticket
        self.needs = needs
        self.signal = signal
        self.blocked_on: Need | None = None
        self.displaced = False


class Gate:
    """The queue before a set of limits. Thread-safe; it never waits.

    One tries at a time: whoever is first, and the next one when it is known how that went. One who is refused stays first in line for the
    account that refused him: nobody behind him who needs the same account may try before him, so a large request is not
    starved by small ones. Those who need other accounts pass.
    """

    def __init__(self, capacity: int, ageing: float) -> None:
        self._queue = WaitQueue(capacity, ageing=ageing)
        self._lock = threading.Lock()
        self._waiters: dict[int, Waiter] = {}
        self._blocked: dict[Need, Waiter] = {}
        self._releases = 0

    def __len__(self) -> int:
        return len(self._waiters)

    @property
    def releases(self) -> int:
        """How often something was returned: read it before trying, and give it to `refused`."""
        return self._releases

    def join(self, now: float, priority: int, needs: Sequence[Need], signal: Signal) -> Waiter | None:
        """Enters the queue; None where it is full of more important ones."""
        with self._lock:
            entered = self._queue.push(now, priority=priority)
            if entered is None:
                return None
            ticket, displaced = entered
            waiter = self._waiters[ticket] = Waiter(ticket, needs, signal)
            if displaced is not None:
                out = self._waiters.pop(displaced)
                self._unblock(out)
                out.displaced = True
                out.signal.set()
            return waiter

    def may_try(self, waiter: Waiter) -> bool:
        """Whether it is its turn."""
        with self._lock:
            return self._turn() is waiter

    def refused(self, waiter: Waiter, need: Need, releases: int) -> bool:
        """There was no room for it; False where something was returned meanwhile, so that it has to try again."""
        with self._lock:
            if releases != self._releases:
                return False
            first = self._blocked.get(need)
            if first is None or self._queue.is_before(waiter.ticket, first.ticket):
                if first is not None:
                    first.blocked_on = None
                self._blocked[need] = waiter
                waiter.blocked_on = need
            self._wake()
            return True

    def again(self, waiter: Waiter) -> None:
        """It does not wait for that account any more: it tries."""
        with self._lock:
            self._unblock(waiter)

    def leave(self, waiter: Waiter) -> None:
        """It was admitted, or has given up: the next one tries."""
        with self._lock:
            self._queue.remove(waiter.ticket)
            self._waiters.pop(waiter.ticket, None)
            self._unblock(waiter)
            self._wake()

    def released(self) -> None:
        """Something was returned: whoever waits for an account tries again, the first one first."""
        if not self._waiters:  # whoever joins now tries after that
            return
        with self._lock:
            self._releases += 1
            for waiter in self._blocked.values():
                waiter.blocked_on = None
            self._blocked.clear()
            self._wake()

    def _unblock(self, waiter: Waiter) -> None:
        need, waiter.blocked_on = waiter.blocked_on, None
        if need is not None and self._blocked.get(need) is waiter:
            del self._blocked[need]

    def _wake(self) -> None:
        """Wakes the one whose turn it is; the next one is woken when it is known how that went."""
        waiter = self._turn()
        if waiter is not None:
            waiter.signal.set()

    def _turn(self) -> Waiter | None:
        """The first one that is not blocked, and behind nobody who is blocked on what it needs."""
        blocked: set[Need] = set()
        ticket = self._queue.first()
        while ticket is not None:
            waiter = self._waiters[ticket]
            need = waiter.blocked_on
            if need is None:
                if not blocked or blocked.isdisjoint(waiter.needs):
                    return waiter
            elif not need[1]:
                return None  # the account of all: whoever comes later needs it too
            else:
                blocked.add(need)
            ticket = self._queue.after(ticket)
        return None
