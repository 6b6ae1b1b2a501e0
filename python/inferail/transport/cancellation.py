"""Wakes a waiting task when its Scope is cancelled."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

    from inferail.types.scope import Cancellation

__all__ = ["Watch"]


class Watch:
    """A `with` block that a `Cancellation` ends: what waits inside is woken, and `CancelledError` of inferail is raised.

    Blocking transports cannot be woken; there the Scope is looked at between reads, and this block does nothing. A
    cancellation of the task itself, by whoever awaits it, passes through untouched.
    """

    __slots__ = ("_cancellation", "_task", "_unsubscribe")

    def __init__(self, cancellation: Cancellation | None, blocking: bool) -> None:  # noqa: FBT001
        self._cancellation = None if blocking else cancellation

    def __enter__(self) -> None:
        if self._cancellation is None:
            return
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        self._task = task

        def wake() -> None:
            if task is not None:
                loop.call_soon_threadsafe(task.cancel)

        self._unsubscribe = self._cancellation.subscribe(wake)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._cancellation is None:
            return
        self._unsubscribe()
        if kind is asyncio.CancelledError and self._cancellation.cancelled and self._task is not None:
            self._task.uncancel()
            self._cancellation.check()
