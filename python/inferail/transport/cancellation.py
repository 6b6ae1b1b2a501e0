"""Ends a wait when its Scope is cancelled: wakes a task, and divides the waits of a thread into short ones."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

    from inferail.types.scope import Cancellation

__all__ = ["SLICE", "Watch", "aside", "in_slices", "waiting_cancellation"]

ResultT = TypeVar("ResultT")

# Seconds that a thread waits before it looks whether its call has been cancelled.
SLICE = 0.1


class Watch:
    """A `with` block that a `Cancellation` ends: what waits inside stops, and `CancelledError` of inferail is raised.

    A task is woken. A cancellation of the task itself, by whoever awaits it, passes through untouched, and wins if both
    come at once (the algorithm of `asyncio.timeout`).

    Under trio the wait is a cancel scope that `Cancellation.cancel` cancels.

    A thread cannot be woken: `waiting_cancellation` tells whatever blocks it to wait in slices. It is not woken through
    `subscribe` either, whose lock a signal handler that calls `cancel` could find taken by the thread it interrupts.
    """

    __slots__ = ("_blocking", "_cancellation", "_cancelling", "_outer", "_scope", "_task", "_unsubscribe", "_woken")

    def __init__(self, cancellation: Cancellation | None, blocking: bool) -> None:  # noqa: FBT001
        self._cancellation = cancellation
        self._blocking = blocking
        self._scope: Any = None

    def __enter__(self) -> None:
        if self._cancellation is None:
            return
        if self._blocking:
            self._outer = _thread.cancellation
            _thread.cancellation = self._cancellation
            return
        if asyncio._get_running_loop() is None:  # noqa: SLF001 - the public one raises instead of answering
            self._enter_trio(self._cancellation)
            return
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        self._task: asyncio.Task[Any] | None = task
        self._cancelling = 0 if task is None else task.cancelling()
        self._woken = False

        def wake() -> None:
            with suppress(RuntimeError):  # the loop has been closed, and nothing waits in it any more
                loop.call_soon_threadsafe(self._wake)

        self._unsubscribe = self._cancellation.subscribe(wake)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        if self._cancellation is None:
            return None
        if self._blocking:
            _thread.cancellation = self._outer
            return None
        self._unsubscribe()
        if self._scope is not None:
            caught: bool | None = self._scope.__exit__(kind, error, traceback)
            if caught:
                self._cancellation.check()
            return caught
        task, self._task = self._task, None
        if task is not None and self._woken and task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            self._cancellation.check()
        return None

    def _enter_trio(self, cancellation: Cancellation) -> None:
        import trio

        token, scope = trio.lowlevel.current_trio_token(), trio.CancelScope()

        def wake() -> None:
            with suppress(trio.RunFinishedError):
                token.run_sync_soon(scope.cancel)

        self._scope = scope
        scope.__enter__()
        self._unsubscribe = cancellation.subscribe(wake)

    def _wake(self) -> None:
        # It runs a turn of the loop after `cancel`: what waited may have gone on by then and must not be hit elsewhere.
        if self._task is not None:
            self._woken = True
            self._task.cancel()


class _Thread(threading.local):
    cancellation: Cancellation | None = None


_thread = _Thread()


def waiting_cancellation() -> Cancellation | None:
    """What can end the wait of this thread: the cancellation of the innermost blocking `Watch`, or None."""
    return _thread.cancellation


def in_slices(
    cancellation: Cancellation,
    limit: float | None,
    operation: Callable[[float], ResultT],
    expired: type[Exception],
) -> ResultT:
    """What `operation` returns, repeated with short limits so that a cancellation is seen in between.

    Args:
        cancellation: Looked at before each slice; it wins over a limit that has passed as well.
        limit: Seconds for everything, or None.
        operation: Takes the seconds it may last; must be safe to repeat after it has run out of time.
        expired: What it raises when its time has run out.

    Raises:
        CancelledError: Cancelled.
        Exception: `expired`, once `limit` has passed; anything else that `operation` raises, at once.
    """
    end = None if limit is None else time.monotonic() + limit
    left = SLICE
    while True:
        cancellation.check()
        if end is not None:
            # Never 0: that would mean "do not wait" to a socket, and fail in another way.
            left = min(max(end - time.monotonic(), 0.001), SLICE)
        try:
            return operation(left)
        except expired:
            if end is not None and time.monotonic() >= end and not cancellation.cancelled:
                raise


def aside(cancellation: Cancellation, work: Callable[[], ResultT], discard: Callable[[ResultT], None]) -> ResultT:
    """What `work` returns, done in a thread of its own because it can be neither repeated nor divided.

    Args:
        cancellation: Ends the wait; the thread is left to itself.
        work: Must end by itself at some time.
        discard: Takes a result that nobody waits for any more.

    Raises:
        CancelledError: Cancelled.
        Exception: Whatever `work` raises.
    """
    future: Future[ResultT] = Future()

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - raised where the result is waited for
            future.set_exception(error)
        else:
            future.set_result(result)

    def drop(ended: Future[ResultT]) -> None:
        if ended.exception() is None:
            discard(ended.result())

    cancellation.check()
    threading.Thread(target=run, name="inferail-connect", daemon=True).start()
    try:
        while not wait((future,), SLICE).done:
            cancellation.check()
        if future.exception() is not None:
            cancellation.check()
    except BaseException:
        future.add_done_callback(drop)
        raise
    return future.result()
