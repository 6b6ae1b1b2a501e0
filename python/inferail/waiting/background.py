"""Work that nobody waits for: refreshing what is stale, asking for several at once. Under asyncio, trio, or in a thread."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from inferail.concurrency import surrounding
from inferail.errors import CancelledError
from inferail.types.scope import Cancellation, Scope
from inferail.waiting.latch import Latch

if TYPE_CHECKING:
    import trio

__all__ = ["Background"]

_LOGGER = logging.getLogger("inferail.background")
Work = Callable[[], Coroutine[Any, Any, None]]


class Background:
    """Starts such work, and ends it. What it raises is counted and logged by its class.

    Attributes:
        failures: How many pieces of work failed.
    """

    def __init__(self, whose: str) -> None:
        """Nothing runs yet; `whose` work it is, for the log: `a cache`."""
        self.failures = 0
        self._whose = whose
        self._cancellation = Cancellation()
        self._running: dict[Latch, asyncio.Task[None] | threading.Thread | trio.CancelScope | None] = {}

    def start(self, work: Work, scope: Scope) -> bool:
        """Begins with `work`, in the Scope of the call that asks for it but without its time and its cancellation.

        Returns:
            Whether it has begun: not after `aclose`.
        """
        if self._cancellation.cancelled:
            return False
        own = scope.but(
            deadline=None, default_deadline=None, cancellation=self._cancellation, alternatives=0, reason="first"
        )
        ended = Latch()
        self._running[ended] = None
        kind = surrounding(scope)
        if kind == "asyncio":
            self._running[ended] = asyncio.get_running_loop().create_task(self._run(work, own, ended))
        elif kind == "trio":
            self._start_in_trio(work, own, ended)
        else:
            run = copy_context().run
            thread = threading.Thread(
                target=run, args=(self._drive, work, own, ended), name="inferail-background", daemon=True
            )
            self._running[ended] = thread
            thread.start()
        return True

    async def idle(self, scope: Scope, seconds: float | None = None) -> None:
        """Waits until all work that has begun is done, at most `seconds` for each."""
        for ended in list(self._running):
            await ended.wait(scope, seconds)

    async def aclose(self, scope: Scope) -> None:
        """Ends what still runs, and waits for its end; nothing begins any more."""
        self._cancellation.cancel()
        here = surrounding(scope)
        for ended, running in list(self._running.items()):
            if isinstance(running, asyncio.Task) and here == "asyncio" and running.get_loop().is_running():
                running.cancel()
            # Another loop, or a Model that does not look at its Scope, must not keep us here.
            await ended.wait(scope.but(cancellation=None), 1.0)

    def _start_in_trio(self, work: Work, scope: Scope, ended: Latch) -> None:
        import trio

        # There is no nursery here that outlives the call. A system task does, and is cancelled with the last other one.
        trio.lowlevel.spawn_system_task(self._run, work, scope, ended, context=copy_context())

    async def _run(self, work: Work, scope: Scope, ended: Latch) -> None:
        try:
            with scope.enter():
                await work()
        except CancelledError:
            pass
        except Exception as error:  # noqa: BLE001 - nobody waits for it
            self._failed(error)
        finally:
            self._running.pop(ended, None)
            ended.open()

    def _drive(self, work: Work, scope: Scope, ended: Latch) -> None:
        """The same in a thread, where nothing may suspend."""
        running = self._run(work, scope, ended)
        try:
            running.send(None)
        except StopIteration:
            return
        self._failed(RuntimeError())
        running.close()

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        if self.failures == 1:
            _LOGGER.warning(
                "work of %s in the background failed (%s); this is said once, failures are counted",
                self._whose,
                type(error).__name__,
            )
