"""One function, run in time: on the loop, in a thread beside it, or in the thread of a blocking caller.

A thread cannot be stopped from outside. One that takes too long is left to itself: its result is dropped, and it does not
keep the program from ending.
"""

from __future__ import annotations

import asyncio
import inspect
import math
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor, Future, wait
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar

from inferail.transport.cancellation import SLICE, Watch
from inferail.transport.clock import time_left
from inferail.types.scope import current_scope

if TYPE_CHECKING:
    from inferail.types.scope import Cancellation

__all__ = ["Late", "called", "is_coroutine_function"]

ResultT = TypeVar("ResultT")


class Late(Exception):  # noqa: N818 - a signal between two functions
    """It did not end in time."""


async def called(
    function: Callable[[], Any], *, blocking: bool, seconds: float | None = None, coroutine: bool | None = None
) -> Any:
    """What `function` returns, or the coroutine that it returns; context variables are those of the caller.

    Args:
        function: Called once. One that is no coroutine function runs in a thread where the caller has an event loop.
        blocking: Whether the caller blocks its thread: then this does not suspend, and a coroutine gets a loop of its own.
        seconds: How long it may take; a deadline of the Scope that comes earlier wins.
        coroutine: Whether it is a coroutine function; None looks.

    Raises:
        Late: It did not end in time.
        CancelledError: The Scope was cancelled.
        Exception: What it raised itself.
    """
    scope = current_scope()
    slow = is_coroutine_function(function) if coroutine is None else coroutine
    if blocking and not slow and seconds is None and scope.ends is None and scope.cancellation is None:
        return _settled(function())
    left = min(math.inf if seconds is None else seconds, time_left(scope))
    limit = None if left == math.inf else left
    if limit is not None and limit <= 0:
        raise Late
    if blocking:
        if slow:
            return asyncio.run(_on_loop(function, limit, scope.cancellation))
        return _settled(_in_this_thread(function, limit, scope.cancellation))
    if asyncio._get_running_loop() is None:  # noqa: SLF001 - the public one raises instead of answering
        return await _under_trio(function, limit, scope.cancellation, beside=not slow)
    if slow:
        return await _on_loop(function, limit, scope.cancellation)
    running = asyncio.get_running_loop()

    async def beside() -> Any:
        return await running.run_in_executor(_THREADS, copy_context().run, function)

    return await _awaited(await _on_loop(beside, limit, scope.cancellation))


async def _on_loop(function: Callable[[], Any], limit: float | None, cancellation: Cancellation | None) -> Any:
    if limit is None and cancellation is None:
        return await function()
    ours = asyncio.timeout(limit)
    try:
        with Watch(cancellation, blocking=False):
            async with ours:
                return await function()
    except TimeoutError:
        if ours.expired():
            raise Late from None
        raise  # the function's own


async def _under_trio(
    function: Callable[[], Any], limit: float | None, cancellation: Cancellation | None, *, beside: bool
) -> Any:
    import trio

    with Watch(cancellation, blocking=False), trio.move_on_after(math.inf if limit is None else limit):
        if beside:
            # In a tuple: trio takes a function that gives a coroutine for a mistake.
            (result,) = await trio.to_thread.run_sync(lambda: (function(),), abandon_on_cancel=True)
            return await _awaited(result)
        return await function()
    raise Late


async def _awaited(result: Any) -> Any:
    """Of a plain function that gave a coroutine (a lambda, a partial) what that gives."""
    return await result if inspect.isawaitable(result) else result


def _settled(result: Any) -> Any:
    return asyncio.run(_awaited(result)) if isinstance(result, Awaitable) else result


def _in_this_thread(function: Callable[[], ResultT], limit: float | None, cancellation: Cancellation | None) -> ResultT:
    """Here, where nothing could end the wait; else in a thread beside, which can be left to itself."""
    if limit is None and cancellation is None:
        return function()
    future = _THREADS.submit(copy_context().run, function)
    end = math.inf if limit is None else time.monotonic() + limit
    while not wait((future,), max(0.0, min(SLICE, end - time.monotonic()))).done:
        if cancellation is not None:
            cancellation.check()
        if time.monotonic() >= end:
            raise Late
    result: ResultT = future.result()
    return result


class _Threads(Executor):
    """A daemon thread for each piece of work. Those of a pool would be waited for when the program ends."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = fn(*args, **kwargs)
            except (StopIteration, asyncio.CancelledError) as error:
                # Neither can be put into a future of asyncio: one would never end, the other would cancel who waits.
                future.set_exception(RuntimeError(f"it raised {type(error).__name__}"))
            except BaseException as error:  # noqa: BLE001 - raised where the result is waited for
                future.set_exception(error)
            else:
                future.set_result(result)

        threading.Thread(target=run, name="inferail-tool", daemon=True).start()
        return future


_THREADS = _Threads()


def is_coroutine_function(function: Any) -> bool:
    """Whether calling it gives a coroutine, as far as can be seen: not behind a lambda."""
    inner = getattr(function, "func", function)  # of a partial
    return inspect.iscoroutinefunction(inner) or inspect.iscoroutinefunction(getattr(inner, "__call__", None))  # noqa: B004
