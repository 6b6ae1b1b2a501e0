"""The Recorder for production: a call leaves its record in a ring, and one thread writes what is in it."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Self

from inferail.core import RecordRing
from inferail.errors import ConfigError
from inferail.telemetry.records import Note, Record
from inferail.telemetry.sinks import JsonlSink, give, warn_once

if TYPE_CHECKING:
    from types import TracebackType

    from inferail.transport.protocol import Wire
    from inferail.types.scope import Recorder

__all__ = ["Ledger", "LedgerStats"]

_BATCH: Final = 4096
_LINGER: Final = 0.05  # seconds that a record waits for others to be written with
_IDLE: Final = 3600.0
_FORK_PATIENCE: Final = 1.0
_AT_EXIT: Final = 10.0


class LedgerStats(NamedTuple):
    """What became of the records so far.

    Attributes:
        recorded: Taken into the ring.
        written: In every sink.
        failed: Missing in a sink that could not write them.
        dropped: Not taken in: the ring was full for too long, or the ledger was closed.
        waiting: Still in the ring, or on their way into the sinks.
    """

    recorded: int
    written: int
    failed: int
    dropped: int
    waiting: int


class _Failure(NamedTuple):
    """An attempt that failed, with what it sent."""

    record: Record
    wire: Wire


class Ledger:
    """Takes the records of any number of threads, event loops and clients, and writes them in batches on a thread of its own.

    `record` is a push into a bounded ring, a fraction of a microsecond. Where the sinks are slower than the calls and the
    ring is full, `record` waits up to `patience` seconds for room; after that records are dropped, counted and logged once,
    until there is room again. Nothing that goes wrong here reaches a call.

    After a fork both processes go on, each with its own thread; what was in the ring is written by the parent. At the end
    of the program everything is written; a process that is killed loses what `flush` has not acknowledged.
    """

    def __init__(
        self,
        *sinks: Recorder,
        spans: Any = None,
        payloads: Any = None,
        capacity: int = 65_536,
        on_full: Literal["wait", "drop"] = "wait",
        patience: float = 1.0,
    ) -> None:
        """Starts with the first record.

        Args:
            sinks: Where records go. The ledger closes them at its end, where they can be closed.
            spans: Opens a span for each attempt (`begin`), or None.
            payloads: Keeps what failed attempts sent (`keep`), on the ledger's thread, or None.
            capacity: Records that can wait.
            on_full: Whether a call waits for room or its record is dropped at once.
            patience: Seconds to wait for room, at most.

        Raises:
            ConfigError: No sink, or an option that means nothing.
        """
        if not sinks:
            raise ConfigError('a ledger needs a sink: Ledger.open("ledger.db"), or Ledger(SQLiteSink("ledger.db"))')
        if on_full not in ("wait", "drop"):
            raise ConfigError(f"on_full is 'wait' or 'drop', not {on_full!r}")
        if not 0 <= patience <= 3600:
            raise ConfigError(f"patience must be 0 to 3600 seconds, not {patience!r}")
        self.sinks = sinks
        self._spans = spans
        self._payloads = payloads
        self._capacity = capacity
        self._on_full = on_full
        self._patience = patience
        self._closed = False
        self.forked()
        if spans is not None:
            self.begin = spans.begin
        if payloads is not None:
            self.record_failure = self._record_failure
        _ledgers.add(self)

    def forked(self) -> None:
        """As new, at the beginning and in the child of a fork: what is in the ring is the parent's to write."""
        self._ring = RecordRing(self._capacity)
        self._push = self._first
        self.gate = threading.Lock()  # held while sinks write
        self._done = threading.Condition()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._handled = self._failed = self._dropped = 0
        self._stalled = False
        self._told: set[str] = set()

    @classmethod
    def open(cls, path: str | os.PathLike[str], **options: Any) -> Ledger:
        """A ledger into one file: JSON lines where its name ends in `.jsonl`, else SQLite.

        Raises:
            ConfigError: It cannot be opened.
            FormatError: It is a file of another program, or damaged.
        """
        if Path(path).suffix.lower() in (".jsonl", ".ndjson"):
            return cls(JsonlSink(path), **options)
        from inferail.telemetry.sqlite import SQLiteSink

        return cls(SQLiteSink(path), **options)

    def record(self, record: Record) -> None:
        """Takes one record; never raises."""
        if not self._push(record):
            self._refused(record)

    def note(self, note: Note) -> None:
        """Takes what a record is made of; it is made on the ledger's thread."""
        if not self._push(note):
            self._refused(note)

    def flush(self, timeout: float = 5.0) -> bool:
        """Writes what is in the ring.

        Returns:
            Whether every record so far is in every sink. False: the time ran out, or one was lost (`stats` says which).
        """
        until = self._ring.pushed
        self._ring.nudge()
        if threading.current_thread() is not self._thread:
            with self._done:
                self._done.wait_for(lambda: self._handled >= until, timeout)
        return self._handled >= until and not self._failed and not self._dropped

    def stats(self) -> LedgerStats:
        """What became of the records so far, in this process."""
        handled, failed, recorded = self._handled, self._failed, self._ring.pushed
        return LedgerStats(recorded, handled - failed, failed, self._dropped, recorded - handled)

    def close(self, timeout: float = _AT_EXIT) -> None:
        """Writes what is in the ring and closes the sinks; records that come later are dropped and counted."""
        with self._starting:
            closed, self._closed = self._closed, True
        if closed:
            return
        self._ring.close()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)
            if thread.is_alive():
                self._say(
                    "unwritten", "the ledger's sinks did not end in time: %s records are not written", len(self._ring)
                )
                return
        atexit.unregister(self.close)
        _ledgers.discard(self)
        for sink in self.sinks:
            close = getattr(sink, "close", None)
            if close is not None:
                try:
                    close()
                except Exception as error:  # noqa: BLE001 - a sink may be anybody's
                    self._sink_failed(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _record_failure(self, record: Record, wire: Wire) -> None:
        """Takes the record of an attempt that failed, and what it sent, which the keeper gets."""
        entry = _Failure(record, wire)
        if not self._push(entry):
            self._refused(entry)

    def _first(self, entry: object, /) -> bool:
        """The first push starts the thread: a ledger that is not used has none."""
        with self._starting:
            if self._thread is None and not self._closed:
                thread = threading.Thread(target=self._run, args=(self._ring,), name="inferail-ledger", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # the interpreter ends
                    return False
                self._thread = thread
                atexit.register(self.close)
                _close_with_worker(self)
            self._push = self._ring.push
        return self._ring.push(entry)

    def _refused(self, entry: object) -> None:
        ring = self._ring
        if self._on_full == "wait" and not self._stalled and not ring.closed:
            if ring.push_within(entry, self._patience):
                return
            self._stalled = True  # the next ones do not wait: one wait tells as much as many
        with self._done:
            self._dropped += 1
        reason = "closed" if ring.closed else "full"
        self._say(reason, f"a record was dropped: the ledger is {reason}")

    def _run(self, ring: RecordRing) -> None:
        while entries := ring.take(_BATCH, _IDLE, _LINGER) or not ring.closed:
            if entries is True:
                continue
            self._stalled = False
            missed = len(entries)
            try:
                with self.gate:
                    missed = self._write(entries)
            except Exception as error:  # noqa: BLE001 - the thread goes on
                self._sink_failed(error)
            with self._done:
                self._failed += missed
                self._handled += len(entries)
                self._done.notify_all()

    def _write(self, entries: list[Any]) -> int:
        records = [self._made(entry) for entry in entries]
        return max(give(sink, records, self._sink_failed) for sink in self.sinks)

    def _made(self, entry: Record | Note | _Failure) -> Record:
        if isinstance(entry, Record):
            return entry
        if isinstance(entry, Note):
            return Record.noted(entry)
        try:
            self._payloads.keep(entry.record, entry.wire)
        except Exception as error:  # noqa: BLE001 - the record is written all the same
            self._say("payload", "a failed request could not be kept (%s)", type(error).__name__)
        return entry.record

    def _sink_failed(self, error: Exception) -> None:
        self._say("sink", "a sink of the ledger failed (%s)", type(error).__name__)

    def _say(self, what: str, message: str, *details: object) -> None:
        if what not in self._told:
            self._told.add(what)
            warn_once(message, *details)


_ledgers: weakref.WeakSet[Ledger] = weakref.WeakSet()
_held: list[threading.Lock] = []


def _close_with_worker(ledger: Ledger) -> None:
    """Processes of multiprocessing end without `atexit`."""
    process = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        from multiprocessing.util import Finalize

        Finalize(None, ledger.close, exitpriority=0)


def _before_fork() -> None:
    """No sink is in the middle of a write when the process is copied."""
    _held.extend(each.gate for each in list(_ledgers) if each.gate.acquire(timeout=_FORK_PATIENCE))


def _after_in_parent() -> None:
    while _held:
        _held.pop().release()


def _after_in_child() -> None:
    _held.clear()
    for each in list(_ledgers):
        each.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
