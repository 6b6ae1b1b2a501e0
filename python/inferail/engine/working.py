"""Work that takes the processor: in the calling thread, or beside the event loop that runs in it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import TypeVar

from inferail.errors import DeadlineError
from inferail.types.scope import current_scope

__all__ = ["beside_the_loop", "check_scope"]

ResultT = TypeVar("ResultT")


async def beside_the_loop(work: Callable[[], ResultT]) -> ResultT:
    """What `work()` returns. It runs in a worker thread while an event loop of asyncio or trio runs in this one.

    Without a loop it runs right here, and this coroutine never suspends. A thread cannot be cancelled: where the task is,
    the work goes on, and what it returns is dropped.
    """
    if asyncio._get_running_loop() is not None:  # noqa: SLF001 - the public one raises instead of answering
        return await asyncio.to_thread(work)
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_run():
        result: ResultT = await trio.to_thread.run_sync(work)
        return result
    return work()


def check_scope(provider: str, model: str) -> None:
    """Raises what the Scope wants raised before work begins.

    Raises:
        CancelledError: It was cancelled.
        BudgetError: Its budget is spent.
        DeadlineError: Its deadline has passed.
    """
    scope = current_scope()
    if scope.cancellation is not None:
        scope.cancellation.check(provider=provider, model=model)
    if scope.budget is not None:
        scope.budget.check()
    if scope.deadline is not None and scope.transport is not None and scope.transport.clock.now() >= scope.deadline:
        raise DeadlineError(
            f"{provider}:{model} ran out of time: pass a longer timeout=, or fewer texts",
            phase="total",
            provider=provider,
            model=model,
        )
