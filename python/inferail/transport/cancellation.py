"""Wakes a waiting task when its Scope is cancelled."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

    from inferail.types.scope import Cancellation

__all__ = ["Watch"]


class Watch:
    """A `with` block that a `Cancellation` ends: what waits inside is woken, and `CancelledError` of inferail is raised.

    Blocking transports cannot be woken; there the Scope is looked at between reads, and this block does nothing. A
    cancellation of the task itself, by whoever awaits it, passes through untouched, and wins if both come at once (the
    algorithm of `asyncio.timeout`).
    """

    __slots__ = ("_cancellation", "_cancelling", "_task", "_unsubscribe", "_woken")

    def __init__(self, cancellation: Cancellation | None, blocking: bool) -> None:  # noqa: FBT001
        self._cancellation = None if blocking else cancellation

    def __enter__(self) -> None:
        if self._cancellation is None:
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
    ) -> None:
        if self._cancellation is None:
            return
        self._unsubscribe()
        task, self._task = self._task, None
        if task is None or not self._woken:
            return
        if task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            self._cancellation.check()

    def _wake(self) -> None:
        # It runs a turn of the loop after `cancel`: what waited may have gone on by then and must not be hit elsewhere.
        if self._task is not None:
            self._woken = True
            self._task.cancel()
