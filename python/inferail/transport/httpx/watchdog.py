"""Ends a wait of an asyncio task at a moment, with one timer per reply instead of one per read."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inferail.types.clock import Clock

__all__ = ["Watchdog"]


class Watchdog:
    """Cancels the task that waits too long, and tells that cancellation from anybody else's.

    `asyncio.timeout` makes and cancels a timer for every read. Here a read only writes down its moment; the timer is
    set when there is none or when it would ring too late, and looks when it rings whether the wait of that time is
    over. The cancellation follows the algorithm of `asyncio.timeout`: it is taken back with `Task.uncancel`, and if
    somebody else cancelled the task meanwhile, that one wins.
    """

    __slots__ = ("_by", "_cancelling", "_clock", "_handle", "_loop", "_rang", "_task", "_when")

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Clock) -> None:
        self._loop = loop
        self._clock = clock
        self._handle: asyncio.TimerHandle | None = None
        self._when = math.inf
        self._by: float | None = None
        self._task: asyncio.Task[Any] | None = None
        self._cancelling = 0
        self._rang = False

    def begin(self, by: float | None) -> None:
        """The running task starts to wait, until `by` at the latest. `end` must follow."""
        task = asyncio.current_task()
        if task is not None:
            self._task = task
            self._cancelling = task.cancelling()
            self._by = by
            if by is not None and by < self._when:
                self._set(by)

    def end(self) -> bool:
        """The wait is over, however; True if this watchdog ended it, so that a TimeoutError is due."""
        task, self._task = self._task, None
        if not self._rang or task is None:
            return False
        self._rang = False
        return task.uncancel() <= self._cancelling

    def stop(self) -> None:
        """Takes the timer away."""
        self._when = math.inf
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _set(self, by: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._when = by
        # Relative, because the loop's own clock may be another one than ours.
        self._handle = self._loop.call_later(max(0.0, by - self._clock.now()), self._ring)

    def _ring(self) -> None:
        self._handle = None
        self._when = math.inf
        if self._task is None or self._by is None:
            return
        if self._clock.now() < self._by:
            self._set(self._by)
        else:
            self._rang = True
            self._task.cancel()
