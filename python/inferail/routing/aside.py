"""One coroutine at a time beside its caller, who may stop waiting for it, do something else and wait again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from queue import SimpleQueue
from typing import Any, Generic, TypeVar, cast

from inferail.errors import ConfigError

__all__ = ["Aside", "within"]

ResultT = TypeVar("ResultT")
Job = Callable[[], Coroutine[Any, Any, ResultT]]


class Aside(Generic[ResultT]):
    """Runs jobs one after another: as tasks of asyncio or trio, or in a thread of its own where coroutines block.

    Attributes:
        busy: Whether a job was started whose result has not been taken.
    """

    def __init__(self, *, blocking: bool) -> None:
        self.busy = False
        self._blocking = blocking
        self._jobs: SimpleQueue[Callable[[], None] | None] | None = None
        self._outcome: tuple[ResultT | None, BaseException | None] = (None, None)
        self._ended: Any = None  # an Event of threading or trio
        self._task: asyncio.Task[ResultT] | None = None
        self._cancel: Callable[[], object] = lambda: None

    def start(self, job: Job[ResultT]) -> None:
        """Begins a job; the one before must have been taken."""
        self.busy = True
        if self._blocking:
            self._start_in_thread(job)
        elif asyncio._get_running_loop() is None:  # noqa: SLF001 - the public one raises instead of answering
            self._start_in_trio(job)
        else:
            self._task = asyncio.create_task(job())
            self._cancel = self._task.cancel

    async def done(self, within: float | None) -> bool:
        """Whether the job ends within so many seconds (None: waits for it)."""
        if self._task is not None:
            await asyncio.wait((self._task,), timeout=within)
            return self._task.done()
        if self._blocking:
            ended: bool = self._ended.wait(within)
            return ended
        import trio

        with trio.move_on_after(float("inf") if within is None else max(0.0, within)):
            await self._ended.wait()
        return cast("bool", self._ended.is_set())

    async def result(self) -> ResultT:
        """What the job returned or raised; waits for it."""
        await self.done(None)
        self.busy = False
        if self._task is not None:
            task, self._task = self._task, None
            return task.result()
        result, error = self._outcome
        if error is not None:
            raise error
        return cast("ResultT", result)

    async def stop(self) -> None:
        """Ends the job, whose result nobody wants, and waits until it has ended. In a thread it ends by its Scope alone."""
        if self.busy:
            self._cancel()
            try:
                await self.result()
            except BaseException:  # the job's own end, unless it is the caller who is cancelled
                if self.busy:
                    raise
        self.close()

    def close(self) -> None:
        """No other job will come: the thread ends after the one that runs."""
        if self._jobs is not None:
            self._jobs.put(None)
            self._jobs = None

    def _start_in_thread(self, job: Job[ResultT]) -> None:
        self._ended = ended = threading.Event()

        def work() -> None:
            try:
                coroutine = job()
                try:
                    coroutine.send(None)
                except StopIteration as done:
                    self._outcome = (done.value, None)
                else:
                    coroutine.close()
                    raise ConfigError("a Model of a blocking call waits on an event loop: use the asynchronous class")
            except BaseException as error:  # noqa: BLE001 - raised where the result is taken
                self._outcome = (None, error)
            ended.set()

        if self._jobs is None:
            self._jobs = SimpleQueue()
            threading.Thread(target=_work_off, args=(self._jobs,), name="inferail-aside", daemon=True).start()
        context = copy_context()  # the Scope is a context variable
        self._jobs.put(lambda: context.run(work))

    def _start_in_trio(self, job: Job[ResultT]) -> None:
        import trio

        ended = self._ended = trio.Event()
        scope = trio.CancelScope()

        async def work() -> None:
            try:
                with scope:
                    self._outcome = (await job(), None)
                if scope.cancelled_caught:
                    self._outcome = (None, ConfigError("the job was stopped"))
            except Exception as error:  # noqa: BLE001 - raised where the result is taken
                self._outcome = (None, error)
            finally:
                ended.set()

        self._cancel = scope.cancel
        # Not a nursery: the job outlives the call that starts it, and whoever started it always ends it.
        trio.lowlevel.spawn_system_task(work, context=copy_context())


async def within(job: Job[ResultT], seconds: float, *, blocking: bool) -> ResultT | None:
    """What a job returns or raises if it ends in so many seconds, else None.

    A job that is late is cancelled. One in a thread is left to itself: its Scope should have the same deadline.
    """
    aside: Aside[ResultT] = Aside(blocking=blocking)
    aside.start(job)
    try:
        return await aside.result() if await aside.done(seconds) else None
    finally:
        if blocking:
            aside.close()
        else:
            await aside.stop()


def _work_off(jobs: SimpleQueue[Callable[[], None] | None]) -> None:
    while (job := jobs.get()) is not None:
        job()
