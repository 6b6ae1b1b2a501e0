"""Clocks on which waiting takes no time: one that tests move by hand, and that of an event loop, for races between models."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple, Unpack

__all__ = ["LoopClock", "VirtualClock", "VirtualLoop", "run_virtual"]

ResultT = TypeVar("ResultT")
ArgumentsT = TypeVarTuple("ArgumentsT")


class VirtualClock:
    """A `inferail.types.clock.Clock` on which waiting takes no time: sleeping advances it at once."""

    def __init__(self, now: float = 0.0) -> None:
        self._now = now
        self.slept: list[float] = []

    def now(self) -> float:
        """Seconds since an arbitrary moment."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Moves the clock forward; a negative number does nothing."""
        self._now += max(0.0, seconds)

    def advance_to(self, moment: float) -> None:
        """Moves the clock forward to `moment`; nothing happens if that has passed."""
        self._now = max(self._now, moment)

    async def sleep(self, seconds: float) -> None:
        """Advances the clock without suspending; every sleep is noted in `slept`."""
        self.slept.append(seconds)
        self.advance(seconds)


def run_virtual(coroutine: Coroutine[Any, Any, ResultT]) -> ResultT:
    """What the coroutine returns, run on a `VirtualLoop` of its own that is closed afterwards.

    Raises:
        AssertionError: Everything waits, and nothing is left that could happen.
    """
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(coroutine)


class LoopClock:
    """A `inferail.types.clock.Clock` that reads the time of the running asyncio loop, virtual or real."""

    def now(self) -> float:
        """Seconds on the loop's clock."""
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Suspends; other tasks run meanwhile. Zero or less only lets them run."""
        await asyncio.sleep(seconds)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop whose clock begins at 0 and jumps to the next timer whenever every task waits.

    Tasks, timers, locks and queues behave as on any loop, in the same order, but a wait of an hour is over at once and
    lasted exactly an hour. Work handed to a thread (`asyncio.to_thread`) takes no time on the clock: it stands still
    meanwhile. Sockets work while something is there to read; the clock does not wait for another process.
    """

    def __init__(self) -> None:
        self._moment = 0.0
        self._in_threads = 0
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._moment

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[ArgumentsT]], ResultT], *args: *ArgumentsT
    ) -> asyncio.Future[ResultT]:
        """As every loop does it; the clock stands still until the work is done."""
        future = super().run_in_executor(executor, func, *args)
        self._in_threads += 1
        future.add_done_callback(self._came_back)
        return future

    async def shutdown_default_executor(self, *timeout: Any) -> None:
        """As every loop does it: a thread waits for the others."""
        self._in_threads += 1
        try:
            await super().shutdown_default_executor(*timeout)
        finally:
            self._in_threads -= 1

    def _came_back(self, _: asyncio.Future[Any]) -> None:
        self._in_threads -= 1

    def pass_time(self, seconds: float | None) -> None:
        """Moves the clock; None is what the loop says when no timer is set.

        Raises:
            AssertionError: There is no timer to jump to.
        """
        if seconds is None:
            raise AssertionError(f"everything waits for ever at {self._moment:g} s: {_waiting(self)}")
        self._moment += seconds

    @property
    def waits_for_threads(self) -> bool:
        """Whether work in a thread is not done yet."""
        return self._in_threads > 0


class _JumpingSelector(selectors.BaseSelector):
    """A selector that moves the loop's clock where another one would wait for it."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._inner = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self._loop.waits_for_threads and timeout != 0:
            return self._inner.select(None)
        ready = self._inner.select(0)
        if not ready and timeout != 0:
            self._loop.pass_time(timeout)
        return ready

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._inner.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.modify(fileobj, events, data)

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        return self._inner.get_key(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._inner.get_map()

    def close(self) -> None:
        self._inner.close()


def _waiting(loop: VirtualLoop) -> str:
    """The tasks and the line in which each of them waits."""
    return "; ".join(sorted(f"{task.get_name()} in {_innermost(task.get_coro())}" for task in asyncio.all_tasks(loop)))


def _innermost(coroutine: Any) -> str:
    """Function and line of the coroutine that the others around it await."""
    place = "a place unknown"
    while coroutine is not None:
        for kind in ("cr", "ag", "gi"):
            frame = getattr(coroutine, f"{kind}_frame", None)
            if frame is not None:
                place = f"{frame.f_code.co_qualname}, line {frame.f_lineno}"
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)
    return place
