"""The recorder of a program: calls leave their records in a moment, and one thread writes them down."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, Self

from inferail.core import RecordRing
from inferail.errors import CapacityError, ConfigError, InferailError
from inferail.forks import renew_after_fork
from inferail.telemetry.failures import Failures
from inferail.telemetry.records import Note, Record
from inferail.telemetry.sinks import CutOffError, JsonlSink
from inferail.telemetry.sqlite import SQLiteSink

if TYPE_CHECKING:
    from types import TracebackType

    from inferail.telemetry.exchange import Opened
    from inferail.transport.protocol import Wire
    from inferail.types.scope import Recorder

__all__ = ["Keeper", "Ledger", "LedgerStats", "SpanMaker", "open_sink"]

_BATCH: Final = 512
_LINGER: Final = 0.05  # a transaction for each record would cost a hundred times as much as one for all of them
_IDLE: Final = 3600.0
_PAUSES: Final = (0.01, 0.05, 0.2, 0.5)


def open_sink(path: str | os.PathLike[str], *, busy: float = 5.0, fsync: bool = False) -> SQLiteSink | JsonlSink:
    """The sink of a file; see `Ledger.open`."""
    is_database = Path(path).suffix.lower() in {".db", ".sqlite", ".sqlite3"}
    return SQLiteSink(path, busy=busy, fsync=fsync) if is_database else JsonlSink(path)


class SpanMaker(Protocol):
    """Makes a span of each attempt (`inferail.telemetry.otel.Spans`)."""

    def begin(
        self,
        *,
        provider: str,
        model: str,
        operation: str = ...,
        streamed: bool = ...,
        host: str = ...,
        reason: str = ...,
        attempt: int = ...,
        request: Any = ...,
    ) -> Opened | None:
        """An attempt begins."""
        ...

    def record(self, record: Record) -> None:
        """An attempt has ended; those that were begun have their span already."""
        ...


class Keeper(Protocol):
    """Keeps the requests of failed attempts (`inferail.telemetry.payloads.FailedPayloads`)."""

    def keep(self, record: Record, wire: Wire) -> bool:
        """Keeps one; whether it is kept."""
        ...


@dataclass(frozen=True, slots=True)
class LedgerStats:
    """What became of the records.

    Attributes:
        taken: That calls left.
        written: That every sink has.
        waiting: That are on their way.
        dropped: For which there was no room, because the sinks were too slow.
        failed: That a sink could not take.
    """

    taken: int
    written: int
    waiting: int
    dropped: int
    failed: int


class Ledger:
    """Takes records in half a microsecond and gives them to its sinks on a thread of its own. Thread-safe.

    Nothing is lost in silence: where the sinks are slower than the calls, a call waits up to `patience` seconds for room (or
    not at all, `on_full="drop"`), then the record is dropped, counted, and said once in the log. A sink that fails is asked
    again for about as long, then its records are counted as failed. No call fails because of this.

    `flush()` acknowledges: when it gives True, every record that was left before it is with every sink. Leaving the `with`
    block, `close()` and the end of the program write what is still waiting. After a fork the child begins with an empty
    ledger; its parent writes what was waiting.

    Attributes:
        sinks: Where records go.
    """

    def __init__(
        self,
        *sinks: Recorder,
        spans: SpanMaker | None = None,
        payloads: Keeper | None = None,
        capacity: int = 65_536,
        on_full: Literal["wait", "drop"] = "wait",
        patience: float = 1.0,
    ) -> None:
        """Sets up the ledger; its thread starts with the first record.

        Args:
            sinks: Where records go, each of them all: objects with `record(record)`, and `record_many(records)` if they
                have it. They are closed with the ledger.
            spans: Makes a span of each attempt.
            payloads: Keeps the requests of failed attempts.
            capacity: How many records can wait.
            on_full: What a call does that finds no room: `wait` up to `patience` seconds, or `drop` the record at once.
            patience: Seconds a call waits for room, and about as long a failing sink is asked again.

        Raises:
            ConfigError: No sink, one without `record`, or a number that is none.
        """
        if not sinks or not all(hasattr(sink, "record") for sink in sinks):
            raise ConfigError(
                "a Ledger needs sinks: objects with a method record(record), for example SQLiteSink(path)"
            )
        if on_full not in ("wait", "drop"):
            raise ConfigError(f"on_full is 'wait' or 'drop', not {on_full!r}")
        if isinstance(patience, bool) or not isinstance(patience, int | float) or not 0 <= patience < 1e6:
            raise ConfigError(f"patience must be a number of seconds, 0 or more, not {patience!r}")
        self.sinks = sinks
        self._patience = float(patience) if on_full == "wait" else 0.0
        self._writer = _Writer(sinks, spans, payloads, capacity, float(patience))
        self._dropped = Failures("a record was dropped, for the ledger's sinks are too slow")
        # An attempt asks for these by name: without spans it makes no span, without payloads it keeps no request.
        if spans is not None:
            self.begin = spans.begin
        if payloads is not None:
            self.record_failure = self._record_failure
        self._closing = weakref.finalize(self, self._writer.close)  # also at the end of the program
        self._lost = 0  # dropped records that a flush has told of
        for owner in (self, self._writer):
            renew_after_fork(owner)

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, busy: float = 5.0, fsync: bool = False, **options: Any) -> Ledger:
        """A ledger in one file: SQLite if its name ends in `.db`, `.sqlite` or `.sqlite3`, otherwise lines of JSON.

        Args:
            path: The file.
            busy: Seconds to wait for a write of another process (SQLite).
            fsync: Whether records survive a power cut, too (SQLite).
            options: Of the Ledger.

        Raises:
            ConfigError: It cannot be opened, or an option is wrong.
            FormatError: The file is something else, or damaged.
        """
        return cls(open_sink(path, busy=busy, fsync=fsync), **options)

    def record(self, record: Record) -> None:
        """Takes one record; never raises."""
        self._put(record)

    def note(self, note: Note) -> None:
        """Takes what a record is made of; never raises. The record is made by the ledger's thread."""
        self._put(note)

    def flush(self, timeout: float | None = 30.0) -> bool:
        """Waits until every record that was left so far is with every sink.

        Args:
            timeout: Seconds to wait at most; None is for ever.

        Returns:
            Whether they are: not where the time was over, or one was dropped or failed since the last `flush`.
        """
        lost = self._dropped.count
        mark = _Mark()
        written = self._writer.put(mark, 3600.0 if timeout is None else timeout) and self._writer.wait(mark, timeout)
        complete, self._lost = written and mark.complete and lost == self._lost, lost
        return complete

    def after_fork(self) -> None:
        """What was dropped so far, the parent has dropped."""
        self._lost = 0

    @property
    def records(self) -> list[Record]:
        """The records of the first sink that keeps them."""
        self.flush()
        for sink in self.sinks:
            kept: Iterable[Record] | None = getattr(sink, "records", None)
            if kept is not None:
                return list(kept)
        return []

    def stats(self) -> LedgerStats:
        """What became of the records so far."""
        dropped = self._dropped.count
        return replace(self._writer.stats(), dropped=dropped)

    def close(self) -> None:
        """Writes what is waiting and closes the sinks; closing twice is the same as once. Later records are dropped."""
        self._closing()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _record_failure(self, record: Record, wire: Wire) -> None:
        """Takes the record of a failed attempt and what was sent."""
        self._put((record, wire))

    def _put(self, item: Record | Note | tuple[Record, Wire]) -> None:
        writer = self._writer
        if not (writer.push(item) or (self._patience and writer.put(item, self._patience))):
            self._dropped.add()


class _Mark:
    """Goes through the ring behind the records that a flush waits for."""

    def __init__(self) -> None:
        self.passed = threading.Event()
        self.complete = False


class _Writer:
    """The thread and what it needs; apart from the Ledger, so that a forgotten one can be closed."""

    def __init__(
        self,
        sinks: Sequence[Recorder],
        spans: SpanMaker | None,
        payloads: Keeper | None,
        capacity: int,
        patience: float,
    ) -> None:
        self._sinks = sinks
        self._spans = spans
        self._payloads = payloads
        self._capacity = capacity
        self._patience = patience
        self._ring = RecordRing(capacity)
        # Reentrant, here and in the sinks: wherever an object is made the garbage collector may close a forgotten stream, and
        # that is a record too.
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None
        self._failures = Failures("a sink of the ledger failed")
        self._told = 0  # failures that a flush has told of
        self._taken = self._written = 0

    def push(self, item: object) -> bool:
        """Takes in one item, if there is room."""
        return self._ring.push(item) and (self._thread is not None or self._start())

    def put(self, item: object, timeout: float) -> bool:
        """Takes in one item, waiting for room."""
        if self._thread is None:
            self._start()
        return self._ring.push_within(item, min(timeout, 1e6))

    def wait(self, mark: _Mark, timeout: float | None) -> bool:
        """Waits until a mark has come through."""
        if self._thread is None:
            self._start()
        self._ring.nudge()
        return mark.passed.wait(timeout)

    def stats(self) -> LedgerStats:
        waiting = len(self._ring)
        return LedgerStats(self._taken + waiting, self._written, waiting, 0, self._failures.count)

    def close(self) -> None:
        self._ring.close()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        else:
            self._finish()

    def after_fork(self) -> None:
        """What was waiting is the parent's."""
        self._ring, self._thread, self._lock = RecordRing(self._capacity), None, threading.RLock()
        self._taken = self._written = self._told = 0

    def _start(self) -> bool:
        with self._lock:
            if self._thread is None and not self._ring.closed:
                thread = threading.Thread(target=self._run, name="inferail-ledger", daemon=True)
                if self._thread is None:  # see below: meanwhile there may be one
                    self._thread = thread
                    thread.start()
        return True

    def _run(self) -> None:
        while True:
            items = self._ring.take(_BATCH, timeout=_IDLE, linger=_LINGER)
            if items:
                self._write(items)
            elif self._ring.closed:
                break
        self._finish()

    def _finish(self) -> None:
        while items := self._ring.take(_BATCH, timeout=0.0):
            self._write(items)
        for sink in (*self._sinks, self._payloads):
            close = getattr(sink, "close", None)
            if close is not None:
                try:
                    close()
                except Exception as error:  # noqa: BLE001 - the others are closed all the same
                    self._failures.add(error)

    def _write(self, items: list[Any]) -> None:
        records: list[Record] = []
        for item in items:
            if isinstance(item, _Mark):
                self._give(records)
                records = []
                item.complete = self._failures.count == self._told
                self._told = self._failures.count
                item.passed.set()
            else:
                try:
                    records.append(self._made(item))
                except Exception as error:  # noqa: BLE001 - the thread goes on for the others
                    self._failures.add(error)
        self._give(records)

    def _made(self, item: Record | Note | tuple[Record, Wire]) -> Record:
        if isinstance(item, Record):
            return item
        return item.record() if isinstance(item, Note) else self._kept(*item)

    def _kept(self, record: Record, wire: Wire) -> Record:
        kept = self._payloads is not None and self._payloads.keep(record, wire)
        return replace(record, payload_id=record.id) if kept else record

    def _give(self, records: list[Record]) -> None:
        if not records:
            return
        self._taken += len(records)
        lost = max(self._give_to(sink, records) for sink in self._sinks)
        self._written += len(records) - lost
        if self._spans is not None:
            for record in records:
                self._give_one(self._spans, record)

    def _give_to(self, sink: Recorder, records: list[Record]) -> int:
        """Gives records to a sink; how many it did not take."""
        many = getattr(sink, "record_many", None)
        if many is None:
            return sum(self._give_one(sink, record) for record in records)
        left, began = records, time.monotonic()
        pauses = iter(_PAUSES)
        while True:
            try:
                many(left)
            except Exception as error:  # noqa: BLE001 - a sink may be anybody's
                if isinstance(error, CutOffError):
                    left = left[error.written :]
                elif len(left) > 1 and not isinstance(error, OSError | InferailError):
                    # One of them cannot be written, now or later: the others can.
                    return sum(self._give_to(sink, [record]) for record in left)
                pause = next(pauses, _PAUSES[-1])
                hopeless = not isinstance(error, OSError | CapacityError)
                if hopeless or self._ring.closed or time.monotonic() - began + pause > self._patience:
                    self._failures.add(error, len(left))
                    return len(left)
                time.sleep(pause)
            else:
                return 0

    def _give_one(self, sink: Recorder | SpanMaker, record: Record) -> int:
        try:
            sink.record(record)
        except Exception as error:  # noqa: BLE001 - as above
            self._failures.add(error)
            return 1
        return 0
