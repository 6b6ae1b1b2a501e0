"""Several jobs at a time, a few at once: tasks of asyncio or trio, or threads where the transport blocks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextvars import copy_context
from typing import Any, TypeVar

from inferail.errors import ConfigError

__all__ = ["all_of"]

ResultT = TypeVar("ResultT")
Job = Callable[[], Coroutine[Any, Any, ResultT]]


async def all_of(jobs: Sequence[Job[ResultT]], *, at_once: int, blocking: bool) -> list[ResultT]:
    """The results of all jobs, in their order.

    The first failure ends the rest: jobs that have not begun are not begun, and tasks that run are cancelled. A thread
    cannot be; its job is waited for.

    Args:
        jobs: Each makes the coroutine that is its work.
        at_once: How many run at a time, 1 or more.
        blocking: Whether the coroutines never suspend, because they block their thread instead.

    Raises:
        Exception: What the first job that failed raised.
    """
    if len(jobs) == 1:
        return [await jobs[0]()]
    if blocking:
        return _in_threads(jobs, at_once)
    results: list[Any] = [None] * len(jobs)
    waiting = iter(enumerate(jobs))

    async def work() -> None:
        for number, job in waiting:
            results[number] = await job()

    if asyncio._get_running_loop() is None:  # noqa: SLF001 - the public one raises instead of answering
        await _in_nursery(work, min(at_once, len(jobs)))
    else:
        await _in_tasks(work, min(at_once, len(jobs)))
    return results


async def _in_tasks(work: Callable[[], Coroutine[Any, Any, None]], workers: int) -> None:
    tasks = [asyncio.create_task(work()) for _ in range(workers)]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


async def _in_nursery(work: Callable[[], Coroutine[Any, Any, None]], workers: int) -> None:
    import trio

    failures: list[Exception] = []

    async def guarded() -> None:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - raised below, alone: a nursery would wrap it into a group
            failures.append(error)
            nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        for _ in range(workers):
            nursery.start_soon(guarded)
    if failures:
        raise failures[0]


def _in_threads(jobs: Sequence[Job[ResultT]], at_once: int) -> list[ResultT]:
    """The calling thread works too, so that an interrupt reaches one that can do something about it."""
    results: list[Any] = [None] * len(jobs)
    waiting = iter(enumerate(jobs))
    lock = threading.Lock()
    failures: list[BaseException] = []

    def work() -> None:
        while not failures:
            with lock:
                number, job = next(waiting, (0, None))
            if job is None:
                return
            try:
                results[number] = _finished(job)
            except BaseException as error:  # noqa: BLE001 - raised in the thread that called
                failures.append(error)

    # The Scope is a context variable: each thread gets a copy of the context, for two cannot run in one.
    threads = [
        threading.Thread(target=copy_context().run, args=(work,), name="inferail-job", daemon=True)
        for _ in range(min(at_once, len(jobs)) - 1)
    ]
    for thread in threads:
        thread.start()
    work()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return results


def _finished(job: Job[ResultT]) -> ResultT:
    coroutine = job()
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: ResultT = done.value
        return result
    coroutine.close()
    raise ConfigError("a Model of a blocking call waits on an event loop: use the asynchronous class")
