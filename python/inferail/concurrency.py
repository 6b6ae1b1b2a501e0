"""Several jobs at a time, in order or in a race: tasks of asyncio or trio, or threads where the transport blocks."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, TypeVar

from inferail.errors import ConfigError

if TYPE_CHECKING:
    from inferail.types.scope import Scope

__all__ = ["Emit", "Happening", "Race", "all_of", "race", "surrounding"]

ResultT = TypeVar("ResultT")
Job = Callable[[], Coroutine[Any, Any, ResultT]]
Emit: TypeAlias = Callable[[Any], Awaitable[None]]
Work: TypeAlias = Callable[[Emit], Coroutine[Any, Any, Any]]
Ended: TypeAlias = Callable[[Any, BaseException | None], None]

# Lists of deltas that a runner may be ahead of its reader.
_AHEAD = 64
# Seconds after which a thread that waits looks whether its call has been cancelled.
_SLICE = 0.1
# Seconds that a thread has to end once it was told to. What waits on our transports needs a tenth of one.
_PATIENCE = 2.0


def surrounding(scope: Scope) -> Literal["asyncio", "trio", "thread"]:
    """What runs the code of a call: an event loop, or a thread that may be blocked."""
    if scope.transport is not None and scope.transport.blocking:
        return "thread"
    if asyncio._get_running_loop() is not None:  # noqa: SLF001 - the public one raises instead of answering
        return "asyncio"
    trio = sys.modules.get("trio")
    return "trio" if trio is not None and trio.lowlevel.in_trio_run() else "thread"


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


class Happening(NamedTuple):
    """One thing that happened in a race.

    Attributes:
        runner: Who it is, as `Race.start` counts them.
        ended: Whether it has ended; otherwise it emitted `value`.
        value: What it emitted, or what its work returned at the end.
        error: Why it ended without a value; a cancelled one has the CancelledError of its loop, or of inferail.
    """

    runner: int
    ended: bool
    value: Any = None
    error: BaseException | None = None


def race(*, blocking: bool, check: Callable[[], None] | None = None) -> Race:
    """A race for where the code runs: in threads if it blocks, else in tasks of the running loop.

    Args:
        blocking: Whether the coroutines never suspend, because they block their thread instead.
        check: Raises if the one who waits for the race is not to wait any longer; threads ask it in every slice.
    """
    if blocking:
        return _ThreadRace(check)
    return _TrioRace() if asyncio._get_running_loop() is None else _LoopRace()  # noqa: SLF001 - see `all_of`


class Runner:
    """One piece of work in a race."""

    __slots__ = ("cancel", "emitted", "ended", "room", "stop", "stopped", "taken", "wait")

    def __init__(self, room: Bell, stop: Callable[[], bool]) -> None:
        self.room = room
        self.stop = stop
        self.emitted = self.taken = 0  # each is written by one thread only
        self.stopped = self.ended = False
        self.cancel: Callable[[], Any] = _nothing
        self.wait: Callable[..., Any] = _nothing


class Race(ABC):
    """Work that runs at the same time, and one reader who gets what happens in the order in which it happens.

    Runners copy the context of whoever starts them. A runner may emit values while it runs and waits while the reader is
    64 of them behind. Nothing is raised in the reader but its own errors: those of the runners are happenings.
    `close` must be awaited in the end, whatever happened; after it no task and no thread is left.
    """

    def __init__(self) -> None:
        self._runners: list[Runner] = []
        self._happened: deque[Happening] = deque()
        self._bell = self._new_bell()

    def start(self, work: Work, *, stop: Callable[[], bool]) -> int:
        """Starts one more runner and gives its number, counted from 0.

        Args:
            work: Takes the function to emit values with; returns what the runner ends with.
            stop: Asks the work to end; says whether it has been reached. A task that has not is cancelled. A thread cannot
                be: its work has to look.
        """
        number = len(self._runners)
        runner = Runner(self._new_bell(), stop)
        self._runners.append(runner)

        async def emit(value: Any) -> None:
            while runner.emitted - runner.taken >= _AHEAD and not runner.stopped:
                await runner.room.wait(None)
            if not runner.stopped:
                runner.emitted += 1
                self._note(Happening(number, ended=False, value=value))

        def ended(value: Any, error: BaseException | None) -> None:
            runner.ended = True
            self._note(Happening(number, ended=True, value=value, error=error))

        self._run(runner, lambda: work(emit), ended)
        return number

    async def next(self, by: float | None = None) -> Happening | None:
        """What happens next, or None once the moment `by` on the clock of `now` has come and nothing had happened."""
        while not self._happened:
            left = None if by is None else by - self.now()
            if (left is not None and left <= 0) or not await self._bell.wait(left):
                break
        if not self._happened:
            return None
        happening = self._happened.popleft()
        if not happening.ended:
            runner = self._runners[happening.runner]
            runner.taken += 1
            runner.room.ring()
        return happening

    def stop(self, *runners: int) -> None:
        """Tells runners to end, without waiting for it; what they emit from now on is dropped."""
        for runner in (self._runners[number] for number in runners):
            if not (runner.stopped or runner.ended):
                runner.stopped = True
                if not runner.stop():
                    runner.cancel()
                runner.room.ring()

    async def close(self) -> list[Happening]:
        """Stops every runner that still runs and waits until all have let go of what they held; gives what nobody read."""
        self.stop(*range(len(self._runners)))
        await self._released()
        left, self._happened = list(self._happened), deque()
        return left

    @abstractmethod
    def now(self) -> float:
        """Seconds on the clock that `next` waits by."""

    @abstractmethod
    def _new_bell(self) -> Bell: ...

    @abstractmethod
    def _run(self, runner: Runner, work: Job[Any], ended: Ended) -> None: ...

    @abstractmethod
    async def _released(self) -> None: ...

    def _note(self, happening: Happening) -> None:
        self._happened.append(happening)
        self._bell.ring()


class Bell(ABC):
    """Wakes the one who waits for it. A ring that nobody waited for is remembered."""

    @abstractmethod
    def ring(self) -> None:
        """Wakes."""

    @abstractmethod
    async def wait(self, seconds: float | None) -> bool:
        """Waits until it rings; False once `seconds` have passed without."""


class _LoopRace(Race):
    """Tasks of asyncio."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[Any]] = set()
        super().__init__()

    def now(self) -> float:
        return self._loop.time()

    def _new_bell(self) -> Bell:
        return _LoopBell(self._loop)

    def _run(self, runner: Runner, work: Job[Any], ended: Ended) -> None:
        async def run() -> None:
            try:
                value = await work()
            except BaseException as error:
                ended(None, error)
                if not isinstance(error, Exception | asyncio.CancelledError):
                    raise
            else:
                ended(value, None)

        def done(task: asyncio.Task[Any]) -> None:
            self._tasks.discard(task)
            if not runner.ended:  # cancelled before its first step
                ended(None, asyncio.CancelledError())

        # A runner tells of its end itself: a callback of its task would do so a turn of the loop later.
        task = self._loop.create_task(run(), name="inferail-job")
        self._tasks.add(task)
        runner.cancel = task.cancel
        task.add_done_callback(done)

    async def _released(self) -> None:
        interrupted: asyncio.CancelledError | None = None
        while running := [task for task in self._tasks if not task.done()]:
            try:
                await asyncio.wait(running)
            except asyncio.CancelledError as error:
                interrupted = error
        if interrupted is not None:
            raise interrupted


class _LoopBell(Bell):
    __slots__ = ("_loop", "_rang", "_waiter")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._rang = False
        self._waiter: asyncio.Future[None] | None = None

    def ring(self) -> None:
        self._rang = True
        self._wake()

    async def wait(self, seconds: float | None) -> bool:
        if not self._rang:
            self._waiter = self._loop.create_future()
            timer = None if seconds is None else self._loop.call_later(seconds, self._wake)
            try:
                await self._waiter
            finally:
                self._waiter = None
                if timer is not None:
                    timer.cancel()
        rang, self._rang = self._rang, False
        return rang

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class _TrioRace(Race):
    """System tasks of trio: a nursery would have to be left where it was entered, which a stream cannot promise."""

    def now(self) -> float:
        import trio

        return trio.current_time()

    def _new_bell(self) -> Bell:
        return _TrioBell()

    def _run(self, runner: Runner, work: Job[Any], ended: Ended) -> None:
        import trio

        scope, over = trio.CancelScope(), trio.Event()

        async def run() -> None:
            value: Any = None
            error: BaseException | None = None
            try:
                with scope:
                    value = await work()
                if scope.cancelled_caught:
                    error = asyncio.CancelledError()
            except BaseException as failure:  # noqa: BLE001 - a happening; one that left a system task would end trio
                error = failure
            ended(value, error)
            over.set()

        runner.cancel, runner.wait = scope.cancel, over.wait
        trio.lowlevel.spawn_system_task(run, name="inferail-job", context=copy_context())

    async def _released(self) -> None:
        import trio

        with trio.CancelScope(shield=True):
            for runner in self._runners:
                await runner.wait()


class _TrioBell(Bell):
    __slots__ = ("_event",)

    def __init__(self) -> None:
        import trio

        self._event = trio.Event()

    def ring(self) -> None:
        self._event.set()

    async def wait(self, seconds: float | None) -> bool:
        import trio

        with trio.move_on_after(float("inf") if seconds is None else seconds):
            await self._event.wait()
        rang = self._event.is_set()
        if rang:
            self._event = trio.Event()
        return rang


class _ThreadRace(Race):
    """Threads, each of which drives its coroutine by hand."""

    def __init__(self, check: Callable[[], None] | None) -> None:
        self._check = check
        super().__init__()

    def now(self) -> float:
        return time.monotonic()

    def _new_bell(self) -> Bell:
        return _ThreadBell(self._check)

    def _run(self, runner: Runner, work: Job[Any], ended: Ended) -> None:
        def run() -> None:
            value: Any = None
            error: BaseException | None = None
            try:
                value = _finished(work)
            except BaseException as failure:  # noqa: BLE001 - a happening
                error = failure
            ended(value, error)

        thread = threading.Thread(target=copy_context().run, args=(run,), name="inferail-job", daemon=True)
        thread.start()
        runner.wait = thread.join

    async def _released(self) -> None:
        end = time.monotonic() + _PATIENCE
        for runner in self._runners:
            runner.wait(max(0.0, end - time.monotonic()))


class _ThreadBell(Bell):
    __slots__ = ("_check", "_event")

    def __init__(self, check: Callable[[], None] | None) -> None:
        self._check = check
        self._event = threading.Event()

    def ring(self) -> None:
        self._event.set()

    async def wait(self, seconds: float | None) -> bool:
        end = None if seconds is None else time.monotonic() + seconds
        left = _SLICE
        while True:
            if end is not None:
                left = min(_SLICE, max(0.0, end - time.monotonic()))
            if self._event.wait(left):
                self._event.clear()
                return True
            if self._check is not None:
                self._check()
            if end is not None and time.monotonic() >= end:
                return False


def _nothing(*_: Any) -> None:
    """What a thread does when it is cancelled."""
