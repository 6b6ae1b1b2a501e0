"""Where Records go: memory, a file of JSON lines, or several places. A sink never breaks the call it records."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections import deque
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, cast

from inferail.errors import ConfigError, FormatError
from inferail.forks import renew_after_fork
from inferail.telemetry.failures import Failures
from inferail.telemetry.records import Note, Record

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from types import TracebackType

    from inferail.types.scope import Recorder

__all__ = ["CutOffError", "JsonlSink", "MemorySink", "RecordFile", "Tee"]


class MemorySink:
    """Keeps the newest records in memory. Thread-safe.

    Attributes:
        capacity: How many are kept at most.
    """

    def __init__(self, capacity: int = 10_000) -> None:
        if capacity < 1:
            raise ConfigError(f"capacity must be at least 1, not {capacity}")
        self.capacity = capacity
        self._lock = threading.RLock()
        self._records: deque[Record | Note] = deque(maxlen=capacity)
        self._taken = 0
        renew_after_fork(self)

    def after_fork(self) -> None:
        """The child keeps what is there."""
        self._lock = threading.RLock()

    def record(self, record: Record) -> None:
        """Takes one record; when full, the oldest one makes room and counts as dropped."""
        with self._lock:
            self._records.append(record)
            self._taken += 1

    def note(self, note: Note) -> None:
        """Takes what a record is made of; it is made when somebody asks for it."""
        with self._lock:
            self._records.append(note)
            self._taken += 1

    @property
    def records(self) -> list[Record]:
        """A copy of what is kept, oldest first."""
        with self._lock:
            kept = list(self._records)
        return [entry.record() if isinstance(entry, Note) else entry for entry in kept]

    @property
    def dropped(self) -> int:
        """How many records had to make room."""
        with self._lock:
            return self._taken - len(self._records)


class CutOffError(OSError):
    """Only some records reached the file.

    Attributes:
        written: How many.
    """

    def __init__(self, code: int | None, written: int) -> None:
        super().__init__(code, "the file took only some of the records")
        self.written = written


class JsonlSink:
    """Appends each record to a file as one line of JSON, with one write.

    The file is opened for appending, so threads and processes can share it (on a local file system). The operating
    system has the line when `record` returns; it is not forced to the disk. A disk error does not reach the call: it is
    counted, and logged once, by its class. New files are readable by their owner only.

    Attributes:
        path: The file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Opens or makes the file.

        Raises:
            ConfigError: It cannot be opened.
        """
        self.path = Path(path)
        self._failures = Failures("a record could not be written")
        self._lock = threading.RLock()
        renew_after_fork(self)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
        try:
            self._descriptor: int | None = os.open(self.path, flags, 0o600)
        except OSError as error:
            raise ConfigError(f"the record file cannot be opened: {type(error).__name__}", detail=str(error)) from error

    def record(self, record: Record) -> None:
        """Takes one record; never raises."""
        try:
            self.record_many((record,))
        except Exception as error:  # noqa: BLE001 - whatever it is, the call goes on
            self._failures.add(error)

    def record_many(self, records: Sequence[Record]) -> None:
        """Takes several records, with one write.

        Raises:
            CutOffError: The disk is full, or the like; `.written` of them are in the file.
            ValueError: The sink is closed, or a record has a number that JSON has no word for.
        """
        lines = [_line(record) for record in records]
        with self._lock:
            self._write(b"".join(lines))

    def after_fork(self) -> None:
        """The child writes to the same file."""
        self._lock = threading.RLock()

    @property
    def failed(self) -> int:
        """How many records could not be written."""
        return self._failures.count

    def close(self) -> None:
        """Closes the file; closing twice is the same as once. Records that come later count as failed."""
        with self._lock:
            descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @staticmethod
    def read(path: str | os.PathLike[str], on_broken: Literal["error", "skip"] = "error") -> RecordFile:
        """The records of a file, read line by line while iterating.

        Args:
            path: The file.
            on_broken: What to do with a line that is not a record (a process may have died while writing it): `error`
                raises FormatError with its offset, `skip` passes over it and counts it in `.skipped`.

        Raises:
            ConfigError: `on_broken` is something else.
        """
        return RecordFile(path, on_broken)

    def _write(self, lines: bytes) -> None:
        if self._descriptor is None:
            raise ValueError("the sink is closed")
        with _alone(self._descriptor):
            # A full disk or a killed writer can leave half a line: the next one then starts on a line of its own.
            data = memoryview(b"\n" + lines if _ends_inside_a_line(self._descriptor) else lines)
            done = 0
            try:
                while done < len(data):
                    done += os.write(self._descriptor, data[done:])
            except OSError as error:
                ended = bytes(data[:done])
                raise CutOffError(error.errno, ended.count(b"\n") - ended.startswith(b"\n")) from error


class RecordFile:
    """The records of a file of JSON lines; each iteration reads it from the start.

    Attributes:
        path: The file.
        skipped: How many broken lines the newest iteration has passed over.
    """

    def __init__(self, path: str | os.PathLike[str], on_broken: Literal["error", "skip"] = "error") -> None:
        """See `JsonlSink.read`."""
        if on_broken not in ("error", "skip"):
            raise ConfigError(f"on_broken is 'error' or 'skip', not {on_broken!r}")
        self.path = Path(path)
        self.skipped = 0
        self._on_broken = on_broken

    def __iter__(self) -> Iterator[Record]:
        """The records in the order they were written.

        Raises:
            OSError: The file cannot be read.
            FormatError: A line is not a record (unless such lines are skipped); `.offset` is where it starts, in bytes.
        """
        self.skipped = 0
        offset = 0
        with self.path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                record = self._parse(line, number, offset) if line.strip() else None
                offset += len(line)
                if record is not None:
                    yield record

    def _parse(self, line: bytes, number: int, offset: int) -> Record | None:
        try:
            return _record(line)
        except FormatError as error:
            if self._on_broken == "skip":
                self.skipped += 1
                return None
            message = f"line {number} is not a record: {error.message}"
            raise FormatError(message, path=str(self.path), offset=offset) from None


class Tee:
    """Gives each record to several sinks; one that raises does not keep it from the others.

    Attributes:
        sinks: Where records go, in order.
    """

    def __init__(self, *sinks: Recorder) -> None:
        self.sinks = sinks
        self._failures = Failures("a sink failed")

    @property
    def failed(self) -> int:
        """How often a sink raised."""
        return self._failures.count

    def record(self, record: Record) -> None:
        """Takes one record; never raises."""
        for sink in self.sinks:
            try:
                sink.record(record)
            except Exception as error:  # noqa: BLE001 - a sink may be anybody's; the call goes on
                self._failures.add(error)


@contextmanager
def _alone(descriptor: int) -> Generator[None]:
    """Holds the file against other processes that write records; a killed one lets go."""
    if sys.platform == "win32":  # there the end of the file may change between a look at it and the write
        yield
        return
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _ends_inside_a_line(descriptor: int) -> bool:
    size = os.fstat(descriptor).st_size
    if not size:
        return False
    os.lseek(descriptor, size - 1, os.SEEK_SET)
    return os.read(descriptor, 1) != b"\n"


def _line(record: Record) -> bytes:
    from inferail.core import dump_json  # here, because importing telemetry must not load the core

    known = record.as_dict()
    line = dump_json(known)
    if line is None:  # half a surrogate pair, a number of many digits, or what JSON has no word for
        line = json.dumps(known, separators=(",", ":"), allow_nan=False).encode("ascii")
    return line + b"\n"


def _record(line: bytes) -> Record:
    try:
        data: Any = json.loads(line)
    except (ValueError, RecursionError):
        raise FormatError("it is not JSON") from None
    if not isinstance(data, dict):
        raise FormatError("it is not a JSON object")
    return Record.from_dict(cast("dict[str, Any]", data))
