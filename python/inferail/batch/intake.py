"""Takes rows from the input, one at a time for all who work, and knows which of them are done."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from inferail.batch.files.seen import Occurrences, mixed
from inferail.batch.identity import digest, digest_of_data
from inferail.batch.items import Broken, Prepared, prepared
from inferail.errors import CancelledError, ConfigError, InferailError
from inferail.frozen import quick
from inferail.transport.cancellation import Watch
from inferail.waiting.latch import Latch

if TYPE_CHECKING:
    from inferail.batch.files.journal import Journal
    from inferail.batch.files.sources import Source
    from inferail.types.scope import Scope

__all__ = ["Intake", "Known", "Taken"]

# A row of an earlier run: its index, id, digest and occurrence, as it was given, and where its line begins. A tuple: a batch
# that goes on meets a million of them before the first new row.
Known: TypeAlias = tuple[int, str | None, bytes, int, Any, int]

# Rows of an earlier run that are handed on together.
_SPAN: Final = 256


@quick
@dataclass(frozen=True, slots=True)
class Taken:
    """A row that is to be asked for.

    Attributes:
        index: Its place in the input.
        id: Its own id, if it has one.
        key: Names it in the checkpoint; empty where there is none.
        given: The row as it was given.
        asked: How to ask for it, or what is wrong with it.
    """

    index: int
    id: str | None
    key: str
    given: Any = field(repr=False)
    asked: Prepared | InferailError


class Intake:
    """The input of one batch. Thread-safe.

    Attributes:
        taken: How many rows have been taken.
        over: Whether there is nothing more to take.
        failure: What the input raised when it was read, or None.
    """

    def __init__(
        self,
        source: Source,
        prompt: Callable[[Any], Any] | None,
        journal: Journal | None,
    ) -> None:
        """Begins to read `source`; `journal` knows what is done."""
        self.taken = 0
        self.over = False
        self.failure: BaseException | None = None
        rows = source.begin()
        self._later = rows if isinstance(rows, AsyncIterator) else None
        self._now: Iterator[Any] = iter(()) if isinstance(rows, AsyncIterator) else rows
        self._prompt = prompt
        self._journal = journal
        self._occurrences = None if journal is None else Occurrences()
        self._lock = threading.Lock()
        self._reading = False
        self._queue: deque[Latch] = deque()
        self._held: Taken | None = None  # taken behind rows of an earlier run, which go first

    async def take(self, scope: Scope, most: int) -> Taken | list[Known] | None:
        """The next row that is to be asked for, or up to `most` rows of an earlier run, or None at the end.

        Raises:
            CancelledError: The Scope was cancelled while an asynchronous input was read.
        """
        if self._later is not None:
            return await self._take_later(self._later, scope)
        with self._lock:
            held, self._held = self._held, None
            if held is not None:
                return held
            done: list[Known] = []
            most = min(most, _SPAN)
            while not self.over:
                try:
                    row = next(self._now)
                except StopIteration:
                    self.over = True
                    break
                except Exception as error:  # noqa: BLE001 - raised in who reads the batch, once it has everything else
                    self._failed(error)
                    break
                taken = self._numbered(row)
                if isinstance(taken, Taken):
                    if not done:
                        return taken
                    self._held = taken
                    break
                done.append(taken)
                if len(done) >= most:
                    break
            return done or None

    @property
    def holds(self) -> bool:
        """Whether a row was taken that nobody has got yet."""
        return self._held is not None

    def end(self) -> None:
        """Nothing is taken any more."""
        self.over = True

    async def _take_later(self, rows: AsyncIterator[Any], scope: Scope) -> Taken | list[Known] | None:
        """From an asynchronous iterator, which only one may wait for at a time: the others stand in a queue."""
        if self._reading:
            turn = Latch()
            self._queue.append(turn)
            try:
                await turn.wait(scope)
            except BaseException:
                if turn.is_open:
                    self._next()
                else:
                    self._queue.remove(turn)
                raise
        self._reading = True
        try:
            if self.over:
                return None
            with Watch(scope.cancellation, blocking=False):
                row = await anext(rows)
        except StopAsyncIteration:
            self.over = True
            return None
        except CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - as above
            self._failed(error)
            return None
        finally:
            self._next()
        taken = self._numbered(row)
        return taken if isinstance(taken, Taken) else [taken]

    def _next(self) -> None:
        if self._queue:
            self._queue.popleft().open()  # it reads now: `_reading` stays
        else:
            self._reading = False

    def _failed(self, error: Exception) -> None:
        self.over = True
        self.failure = error

    def _numbered(self, row: Any) -> Taken | Known:
        """A row with its number and its key."""
        index: int = self.taken
        given: Any = row
        error: InferailError | None = None
        self.taken = index + 1
        if self._prompt is not None or type(row) is Broken:
            row, error = self._made(row, index)
            given = None if type(row) is Broken else given
        row_id = _id(row)
        key = ""
        journal, occurrences = self._journal, self._occurrences
        if journal is not None and occurrences is not None:
            try:
                name = _name(row)
            except ConfigError as failure:
                name, error = digest(["unreadable", index]), failure
            number = int.from_bytes(name[:8])
            occurrence = occurrences.count(number)
            offset = journal.done.find(mixed(number, occurrence) if occurrence else number)
            if offset >= 0:
                journal.note(index, offset)
                return index, row_id, name, occurrence, given, offset
            key = f"{name.hex()}-{occurrence}"
        if error is not None:
            return Taken(index, row_id, key, given, error)
        try:
            asked: Prepared | InferailError = prepared(row)
        except InferailError as failure:
            asked = failure
        return Taken(index, row_id, key, given, asked)

    def _made(self, row: Any, index: int) -> tuple[Any, InferailError | None]:
        """What is asked for a row, or why nothing is."""
        if type(row) is Broken:
            return row, row.error
        assert self._prompt is not None  # noqa: S101 - the other reason to come here
        try:
            return self._prompt(row), None
        except Exception as failure:  # noqa: BLE001 - a failure of one row
            return row, ConfigError(
                f"row {index}: the function that makes its prompt failed with {type(failure).__name__}"
            )


def _name(row: Any) -> bytes:
    """The digest of what a row asks for."""
    if type(row) is str:
        return digest(row)
    if type(row) is Broken:
        return digest(["broken", row.raw])
    if type(row) is dict:  # without columns of data that nobody is asked about
        get = cast("dict[str, Any]", row).get
        return digest_of_data(["row", get("id"), get("prompt"), get("messages"), get("system"), get("options")])
    return digest(row)


def _id(row: Any) -> str | None:
    found = cast("dict[str, Any]", row).get("id") if type(row) is dict else None
    return None if found is None else str(found)
