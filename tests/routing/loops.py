"""Loops on which waiting takes no time, for tests of what waits."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any

import trio
import trio.testing

__all__ = ["Carries", "on_asyncio", "on_trio"]


class _Jumps(selectors.DefaultSelector):
    """Waits no time at all, and says how long it would have been."""

    waited = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready and timeout:
            _Jumps.waited += timeout
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        _Jumps.waited = 0.0
        super().__init__(_Jumps())

    def time(self) -> float:
        return _Jumps.waited


class _LoopClock:
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _TrioClock:
    def now(self) -> float:
        return trio.current_time()

    async def sleep(self, seconds: float) -> None:
        await trio.sleep(seconds)


class Carries:
    """A transport that carries nothing, for its clock."""

    blocking = False

    def __init__(self, clock: Any) -> None:
        self.clock = clock

    async def open(self, wire: Any, *, connect_timeout: float | None, by: float | None) -> Any:
        raise AssertionError("nothing is sent")

    async def aclose(self) -> None:
        pass


def on_asyncio(work: Callable[[Any, Any], Coroutine[Any, Any, Any]]) -> Any:
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(work(Carries(_LoopClock()), asyncio.sleep))


def on_trio(work: Callable[[Any, Any], Coroutine[Any, Any, Any]]) -> Any:
    async def main() -> Any:
        return await work(Carries(_TrioClock()), trio.sleep)

    return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
