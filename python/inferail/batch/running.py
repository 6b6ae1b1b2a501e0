"""A batch: many rows through one client, some at a time, and what became of each."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar

from inferail.batch.estimate import Call, Estimate, estimated
from inferail.batch.files import finished
from inferail.batch.files.journal import Journal
from inferail.batch.files.rows import encoded, loaded, restored
from inferail.batch.files.sources import source_of
from inferail.batch.identity import digest
from inferail.batch.intake import Intake, Known, Taken
from inferail.batch.items import Item, Prepared
from inferail.batch.options import Settings
from inferail.batch.probes import Complete, answered, request_for
from inferail.batch.progress import Progress
from inferail.concurrency import race
from inferail.errors import CancelledError, ConfigError, DeadlineError, InferailError, OutputError, ProviderError
from inferail.transport.clock import time_left
from inferail.types.response import OutputT
from inferail.types.scope import Cancellation, current_scope
from inferail.types.usage import Usage
from inferail.waiting.latch import Latch

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from pathlib import Path
    from types import TracebackType

    from inferail.batch.files.sources import Items, Source
    from inferail.concurrency import Emit, Happening, Race
    from inferail.types.model import Model
    from inferail.types.response import Response

__all__ = ["AsyncBatch", "BaseBatch", "Batch"]

ResultT = TypeVar("ResultT")

_LOGGER: Final = logging.getLogger("inferail.batch")


class BaseBatch(Generic[OutputT]):
    """What `Batch` and `AsyncBatch` share: everything but the way they wait. Made by `client.batch`.

    Attributes:
        done: How many items have been given out, whatever became of them.
        total: How many rows there are, or None where the input does not say.
        failed: How many of them failed.
        not_run: How many of them were not asked for, because the batch ended before.
        resumed: How many of them were done in an earlier run.
        cut: Bytes at the end of the checkpoint that a kill had torn, and that are cut off.
        finished: Whether every row has run, and the file `to` is there.
    """

    _blocking = False

    def __init__(self, complete: Complete, model: Model, items: Items, output: Any, options: Mapping[str, Any]) -> None:
        """Checks everything; nothing is read or sent. For the options see `BatchOptions` and `CallOptions`."""
        self._complete = complete
        self._model = model
        self._output = output
        self._settings = Settings.of(options)
        self._source: Source = source_of(items, asynchronous=not self._blocking)
        self.done = self.failed = self.not_run = self.resumed = self.cut = 0
        self.total = self._source.total
        self.finished = False
        self._input_tokens = self._output_tokens = 0
        self._cost = 0.0
        self._race: Race | None = None
        self._journal: Journal | None = None
        self._intake: Intake | None = None
        self._progress: Progress | None = None
        self._halt: InferailError | None = None
        self._ready: deque[Item[OutputT] | Known] = deque()
        self._early: dict[int, Item[OutputT] | Known] = {}
        self._expected = 0
        self._working = 0
        self._room = Latch()
        self._full = self._stopped = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._model.name!r}, done={self.done}, total={self.total})"

    @property
    def usage(self) -> Usage:
        """Tokens and money of what this run has asked for and given out; the cost sums what is known of it."""
        return Usage(self._input_tokens, self._output_tokens, cost_usd=self._cost)

    async def _begin(self) -> None:
        if self._race is not None or self._intake is not None:
            raise ConfigError("a batch runs once: make another one with client.batch(…)")
        outer, settings = current_scope(), self._settings
        self._ending = _Ending(outer.cancellation)
        self._scope = outer.but(cancellation=self._ending, budget=settings.budget or outer.budget, path="batch")
        self._journal = await self._open_journal((await self._identity()).hex())
        try:
            self._intake = Intake(self._source, settings.prompt, self._journal)
            self._progress = Progress.wanted(settings.progress, self.total)
            self._race = race(blocking=self._blocking)
            # No more tasks or threads than there are rows.
            self._working = min(settings.concurrency, max(1, self.total or settings.concurrency))
            with self._scope.enter():
                for _ in range(self._working):
                    self._race.start(self._work, stop=self._stop)
        except BaseException:
            await self._end()
            raise

    async def _next(self) -> Item[OutputT] | None:
        """The next item, or None at the end."""
        if not self._ready and not await self._more():
            return None
        ended = self._ready.popleft()
        if isinstance(ended, tuple):
            self._count_known(1)
            return self._recalled(ended)
        self._count(ended)
        return ended

    async def _all(self) -> None:
        """Runs to the end; nobody looks at the items."""
        ready = self._ready
        while ready or await self._more():
            known = 0
            for ended in ready:
                if isinstance(ended, tuple):
                    known += 1
                else:
                    self._count(ended)
            ready.clear()
            self._count_known(known)

    async def _more(self) -> bool:
        """Waits until something is ready; False at the end."""
        if self._intake is None:
            raise ConfigError("a batch is read in a with block: with client.batch(…) as batch, then for item in batch")
        while not self._ready:
            if self._race is None or not self._working:
                await self._finish()
                return False
            happening = await self._race.next()
            if happening is not None:
                self._happened(happening)
        return True

    async def _end(self) -> None:
        running, progress = self._race, self._progress
        self._race = self._progress = None
        if self._intake is not None:
            self._intake.end()
        try:
            if running is not None:
                await running.close()
        finally:
            # Not before: a call that ends meanwhile has its line, though nobody is given its item.
            journal, self._journal = self._journal, None
            if journal is not None:
                journal.close()
            if progress is not None:
                progress.close()

    # What workers do

    async def _work(self, emit: Emit) -> None:
        intake, settings = self._intake, self._settings
        assert intake is not None  # noqa: S101 - set before anybody works
        while not self._stopped:
            room = settings.ahead - (intake.taken - self.done)
            if room <= 0:
                await self._wait_for_room(intake)
                continue
            if intake.over or (self._halt is not None and not self._source.ends and not intake.holds):
                return
            try:
                taken = await intake.take(self._scope, room)
            except CancelledError:  # while it waited for a row: there may never be another one
                self._look_at_scope()
                return
            if taken is None:
                return
            if isinstance(taken, list):
                await emit(taken)
                continue
            item = await self._asked(taken)
            if (journal := self._journal) is None or not item.ran:
                await emit([item])
            elif written := journal.add(encoded(item.key, item.index, item.id, *_ended(item)), item):
                await emit(written)

    async def _wait_for_room(self, intake: Intake) -> None:
        room = self._room
        self._full = True
        if intake.taken - self.done >= self._settings.ahead and not self._stopped:
            # Not ended by a cancellation from outside: the rows that are left are given out as not run.
            await room.wait(self._scope.but(cancellation=None))

    async def _asked(self, row: Taken) -> Item[OutputT]:
        asked = row.asked
        if not isinstance(asked, Prepared):
            return Item(row.index, row.id, row.key, row.given, error=asked)
        if self._halt is None:
            self._look_at_scope()
        if (halt := self._halt) is not None:
            return Item(row.index, row.id, row.key, row.given, error=halt, ran=False)
        call = self._settings.call
        options = {**call, **asked.options} if asked.options else call
        output = asked.output if asked.output is not None else self._output
        try:
            response: Response[OutputT] = await self._complete(asked.prompt, output=output, **options)
        except Exception as error:  # noqa: BLE001 - a failure is an item
            self._look_at_scope()
            # What the end of the batch cut off has not run; what a provider or a validator refused has, whatever ended meanwhile.
            cut = self._stopped or (self._halt is not None and not isinstance(error, ProviderError | OutputError))
            return Item(row.index, row.id, row.key, row.given, error=error, ran=not cut)
        return Item(row.index, row.id, row.key, row.given, response)

    def _look_at_scope(self) -> None:
        """Ends the batch where its budget is spent, its time is up or it is cancelled: what has begun goes on."""
        scope = self._scope
        try:
            if scope.budget is not None:
                scope.budget.check()
            self._ending.check_outer()
            if scope.ends is not None and time_left(scope) <= 0:
                raise DeadlineError("the time of the batch was up before this row was asked for", phase="total")
        except InferailError as error:
            self._halt = error

    def _stop(self) -> bool:
        """A worker is to end: a thread looks at the cancellation, a task is cancelled as well."""
        self._stopped = True
        self._ending.cancel()
        self._room.open()
        return self._blocking

    # What the reader does

    def _happened(self, happening: Happening) -> None:
        if happening.ended:
            self._working -= 1
            if happening.error is not None:
                raise happening.error
            return
        ended: list[Item[OutputT] | Known] = happening.value
        if not self._settings.ordered:
            self._ready.extend(ended)
            return
        early = self._early
        if isinstance(ended[0], tuple) and ended[0][0] == self._expected:  # they follow one another
            self._ready.extend(ended)
            self._expected += len(ended)
        else:
            early.update([(each[0] if isinstance(each, tuple) else each.index, each) for each in ended])
        while early and (following := early.pop(self._expected, None)) is not None:
            self._ready.append(following)
            self._expected += 1

    def _count(self, item: Item[OutputT]) -> None:
        if not item.ran:
            self.not_run += 1
        else:
            response, error = _ended(item)
            if response is not None:
                usage = response.usage
                self._input_tokens += usage.input_tokens
                self._output_tokens += usage.output_tokens
                cost = usage.cost_usd if len(response.attempts) < 2 else response.total_cost_usd
                if cost:
                    self._cost += cost
            else:
                self.failed += 1
                for attempt in getattr(error, "attempts", ()):
                    self._cost += attempt.usage.cost_usd or 0.0
        self._gave(1)

    def _count_known(self, count: int) -> None:
        self.resumed += count
        self._gave(count)

    def _gave(self, count: int) -> None:
        self.done += count
        # Not for every place that gets free: whoever is woken is to find some work.
        if self._full and (not self._intake or self._intake.taken - self.done <= self._settings.ahead * 3 // 4):
            self._full = False
            room, self._room = self._room, Latch()
            room.open()
        if self._progress is not None:
            self._progress.show(self.done, self.failed, self._cost)

    async def _finish(self) -> None:
        intake, journal, to = self._intake, self._journal, self._settings.to
        if intake is not None and (failure := intake.failure) is not None:
            intake.failure = None
            raise failure
        if self.finished or self._race is None or self.not_run or self._halt is not None:
            return
        if to is not None and journal is not None:
            await self._aside(lambda: finished.write(to, journal))
            if self._settings.checkpoint is None:
                journal.path.unlink(missing_ok=True)
        self.finished = True

    async def _aside(self, work: Callable[[], ResultT]) -> ResultT:
        """What `work` returns: reading and writing whole files must not hold up an event loop."""
        if self._blocking:
            return work()
        if asyncio._get_running_loop() is not None:  # noqa: SLF001 - the documented one raises instead of answering
            return await asyncio.to_thread(work)
        import trio

        return await trio.to_thread.run_sync(work)

    # Checkpoint

    async def _open_journal(self, identity: str) -> Journal | None:
        settings = self._settings
        path, to = settings.checkpoint, settings.to
        if path is None and to is None:
            return None
        if path is None:
            assert to is not None  # noqa: S101 - one of the two is there
            path = finished.partial_of(to)
            await self._aside(partial(self._check_to, to, path, identity))
        elif to is not None and to.exists() and not path.exists():
            raise ConfigError(
                f"{to} is there already, and not from this checkpoint: move it away, or pass another name"
            )
        name = self._model.name
        journal = await self._aside(
            lambda: Journal(path, identity, name, fsync=settings.fsync, failed_again=settings.retry_failed)
        )
        self.cut = journal.cut
        if journal.cut:
            _LOGGER.warning(
                "%s ended in the middle of a line: %d bytes were cut off, their row is asked for again",
                path,
                journal.cut,
            )
        return journal

    def _check_to(self, to: Path, partial: Path, identity: str) -> None:
        if not self._settings.resume:
            if partial.exists():
                raise ConfigError(
                    f"{partial} is there from a batch that did not end: go on with resume=True, or move it away"
                )
            if to.exists():
                raise ConfigError(f"{to} is there already: move it away, or pass another name")
        elif to.exists() and not partial.exists():
            finished.adopt(to, partial, identity, self._model.name)

    async def _identity(self) -> bytes:
        """Of everything that is the same for all rows; finds out whether the options are right, too."""
        request = await request_for(self._complete, "…", self._model, self._output, self._settings.call)
        return digest([self._model.name, replace(request, labels={})])

    def _recalled(self, known: Known) -> Item[Any]:
        """The item of a row that was done in an earlier run; its line is read when somebody looks."""
        index, row_id, name, occurrence, given, offset = known
        journal = self._journal
        assert journal is not None  # noqa: S101 - it knows the row
        key = f"{name.hex()}-{occurrence}"
        return Item(index, row_id, key, given, line=journal.line(offset), read=self._read)

    def _read(self, line: bytes) -> tuple[Response[Any] | None, Exception | None]:
        """What a line of the checkpoint says."""
        response, error = restored(loaded(line))
        if response is None or self._output is None:
            return response, error
        try:
            return _driven(answered(self._complete, response, self._model, self._output, self._settings.call)), None
        except InferailError as failure:
            return None, failure

    async def _estimate(self, sample: int, output_tokens: int) -> Estimate:
        if not self._source.again:
            raise ConfigError("an iterator can be read once: for an estimate pass a list, a file or a table")
        call = Call(self._complete, self._model, self._output, self._settings)
        return await estimated(call, self._source, sample, output_tokens)


class AsyncBatch(BaseBatch[OutputT]):
    """Rows through an `AsyncClient`: `async with client.batch(rows) as batch: async for item in batch: …`."""

    async def __aenter__(self) -> Self:
        await self._begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._end()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item[OutputT]:
        item = await self._next()
        if item is None:
            raise StopAsyncIteration
        return item

    async def run(self) -> Self:
        """Runs it to its end without giving out the items, which are in the file `to`; gives back the batch.

        Raises:
            ConfigError: An option is wrong, or a file cannot be used.
            CapacityError: A file cannot be written any more.
            FormatError: The input cannot be read any further, or the checkpoint is damaged.
        """
        async with self:
            await self._all()
        return self

    async def estimate(self, *, sample: int = 1000, output_tokens: int = 256) -> Estimate:
        """About how many tokens the rows will take, and what that costs; sends nothing.

        Args:
            sample: How many rows are counted; of more than those, evenly chosen ones are, and the rest is taken alike.
            output_tokens: How long an answer is thought to be where `max_tokens` does not say.

        Raises:
            ConfigError: The input can be read only once.
        """
        return await self._estimate(sample, output_tokens)


class Batch(BaseBatch[OutputT]):
    """Rows through a `Client`, in threads: `with client.batch(rows) as batch: for item in batch: …`."""

    _blocking = True

    def __enter__(self) -> Self:
        if asyncio._get_running_loop() is not None:  # noqa: SLF001 - the documented one raises instead of answering
            raise ConfigError("Client.batch would block the running event loop: use AsyncClient.batch")
        _driven(self._begin())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _driven(self._end())

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Item[OutputT]:
        item: Item[OutputT] | None = _driven(self._next())
        if item is None:
            raise StopIteration
        return item

    def run(self) -> Self:
        """Runs it to its end, as `AsyncBatch.run` does."""
        with self:
            _driven(self._all())
        return self

    def estimate(self, *, sample: int = 1000, output_tokens: int = 256) -> Estimate:
        """About how many tokens and dollars it will take; takes and raises what `AsyncBatch.estimate` does."""
        told: Estimate = _driven(self._estimate(sample, output_tokens))
        return told


class _Ending(Cancellation):
    """Cancelled when the batch ends, or when what surrounds it is cancelled."""

    def __init__(self, outer: Cancellation | None) -> None:
        super().__init__()
        self._outer = outer

    @property
    def cancelled(self) -> bool:
        return self._cancelled or (self._outer is not None and self._outer.cancelled)

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        own = super().subscribe(callback)
        if self._outer is None:
            return own
        outer = self._outer.subscribe(callback)

        def leave() -> None:
            own()
            outer()

        return leave

    def check_outer(self) -> None:
        """Raises CancelledError if what surrounds the batch is cancelled."""
        if self._outer is not None:
            self._outer.check()


def _ended(item: Item[Any]) -> tuple[Response[Any] | None, Exception | None]:
    """What became of an item, without raising it."""
    error = item.error
    return (None, error) if error is not None else (item.response, None)


def _driven(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine that never suspends returns."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    coroutine.close()
    raise ConfigError("a Model in this client waits on an event loop: use AsyncClient")
