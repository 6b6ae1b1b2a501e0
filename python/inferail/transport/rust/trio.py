"""The same under trio: a system task watches the descriptor."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import trio

from inferail.transport.rust.settings import Generation

if TYPE_CHECKING:
    from inferail.core import HttpExchange, HttpPool

__all__ = ["TrioLane"]


class TrioLane:
    """The connections of one trio run."""

    __slots__ = ("_closed", "_wait", "generation", "pool")

    def __init__(self, pool: HttpPool) -> None:
        self.pool = pool
        self.generation = Generation.number
        self._closed = False
        self._wait = trio.CancelScope()
        trio.lowlevel.spawn_system_task(self._watch)

    async def wait(self, exchange: HttpExchange, by: float | None) -> None:
        """Waits until there is news of `exchange`.

        Raises:
            TimeoutError: The moment `by` came first.
        """
        event = trio.Event()
        self._arm(self.pool.wait(exchange, event, by))
        await event.wait()
        if exchange.late():
            exchange.close()
            raise TimeoutError("nothing came in time")

    def close(self) -> None:
        """Nobody watches any more, and the connections close."""
        self._closed = True
        self._wait.cancel()

    async def _watch(self) -> None:
        while not self._closed:
            self._arm(self.pool.arm())
            with self._wait:
                await trio.lowlevel.wait_readable(self.pool.fileno())
            if self._wait.cancelled_caught:
                self.pool.disarm()
            # A scope is used once; its deadline is the timer.
            deadline = math.inf if self._wait.cancelled_caught else self._wait.deadline
            self._wait = trio.CancelScope(deadline=deadline)
            for event in self.pool.turn():
                event.set()

    def _arm(self, seconds: float | None) -> None:
        if seconds is not None:
            self._wait.deadline = trio.current_time() + seconds
