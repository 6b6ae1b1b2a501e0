"""The checkpoint of a batch: a file to which one line is added for each row that is done.

The first line says whose it is. A line is whole or it is not there: what a kill or a full disk has torn off at the end is
cut. Rows that are done at the same moment are written together by whoever comes first (group commit), in one call of the
operating system; what was written survives the end of the process, and with `fsync=0.0` that of the machine.
"""

from __future__ import annotations

import json
import os
import threading
import time
from array import array
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from inferail.batch.files.rows import is_done, key_of
from inferail.batch.files.seen import Places, mixed
from inferail.errors import CapacityError, ConfigError, FormatError

if TYPE_CHECKING:
    from inferail.batch.items import Item

__all__ = ["Journal"]

_VERSION: Final = 1
_SLICE: Final = 1 << 20


class Journal:
    """The file, open for adding. Thread-safe.

    Attributes:
        path: The file.
        cut: Bytes that were torn and are cut off.
        done: Where the lines of earlier runs are; empty for a new file.
    """

    def __init__(self, path: Path, identity: str, model: str, *, fsync: float | None, failed_again: bool) -> None:
        """Opens or makes the file and reads what is done.

        Args:
            path: The file.
            identity: Of everything that is the same for all rows.
            model: Its name, for people.
            fsync: Seconds between two calls of fsync; 0.0 is before every acknowledgement, None at the end only.
            failed_again: Whether rows that failed count as not done.

        Raises:
            ConfigError: It is the checkpoint of another batch, is used by another process, or cannot be written.
            FormatError: It is damaged, or no checkpoint.
        """
        self.path = path
        self.cut = 0
        self._fsync = fsync
        self._synced = time.monotonic()
        self._lock, self._io = threading.Lock(), threading.Lock()
        self._writing = False
        self._waiting: list[tuple[bytes, Item[Any]]] = []
        self._places: array[int] = array("q")  # by index: where its line begins, -1 where it is not done
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0), 0o600)
        except OSError as error:
            raise ConfigError(f"{path} cannot be written: {error.strerror}") from None
        try:
            _lock_file(self._file, path)
            header = {"inferail": "batch", "version": _VERSION, "of": identity, "model": model}
            self._end, self.done = self._read(json.dumps(header, separators=(",", ":")).encode() + b"\n", failed_again)
        except BaseException:
            os.close(self._file)
            raise

    def add(self, line: bytes, item: Item[Any]) -> list[Item[Any]]:
        """Writes the line of a row that is done, and those of others who came meanwhile.

        Returns:
            The rows that are acknowledged by this call: none where somebody else is writing, who acknowledges this one.

        Raises:
            CapacityError: It cannot be written; nothing of it is acknowledged.
        """
        with self._lock:
            self._waiting.append((line, item))
            if self._writing:
                return []
            self._writing = True
        written: list[Item[Any]] = []
        while True:
            with self._lock:
                group, self._waiting = self._waiting, []
                if not group:
                    self._writing = False
                    return written
            # A writer that fails stays the writer: nothing is written behind a line that may be torn.
            self._write(group)
            written += [item for _, item in group]

    def note(self, index: int, offset: int) -> None:
        """Remembers where the line of a row of an earlier run is."""
        places = self._places
        if index == len(places):
            places.append(offset)
            return
        if index > len(places):
            places.extend([-1] * (index + 1 - len(places)))
        places[index] = offset

    def line(self, offset: int) -> bytes:
        """The line that begins there."""
        size = 1 << 12
        while True:
            piece = os.pread(self._file, size, offset)
            end = piece.find(b"\n")
            if end >= 0 or len(piece) < size:
                return piece[: end + 1]
            size *= 8

    @property
    def places(self) -> array[int]:
        """Where the line of each row of the input begins, by index; -1 where there is none."""
        return self._places

    def close(self) -> None:
        """Closes the file; what was written is on the disk then."""
        with self._io:  # a thread that was left behind in a call must not write into another file of the same number
            if self._file >= 0:
                file, self._file = self._file, -1
                with suppress(OSError):
                    os.fsync(file)
                os.close(file)

    def _write(self, group: list[tuple[bytes, Item[Any]]]) -> None:
        block = b"".join([line for line, _ in group])
        try:
            with self._io:
                view = memoryview(block)
                while view:
                    view = view[os.write(self._file, view) :]
                if self._fsync is not None and (not self._fsync or time.monotonic() - self._synced >= self._fsync):
                    os.fsync(self._file)
                    self._synced = time.monotonic()
        except OSError as error:
            raise CapacityError(f"the checkpoint {self.path} cannot be written: {error.strerror}") from None
        for line, item in group:
            self.note(item.index, self._end)
            self._end += len(line)

    def _read(self, header: bytes, failed_again: bool) -> tuple[int, Places]:  # noqa: FBT001
        numbers, offsets = array("Q"), array("Q")
        size = os.fstat(self._file).st_size
        at = 0
        with open(self._file, "rb", buffering=_SLICE, closefd=False) as file:
            first = file.readline()
            if not first.endswith(b"\n") and header.startswith(first):  # new, or torn in its first line
                os.ftruncate(self._file, 0)
                self.cut = len(first)
                os.write(self._file, header)
                return len(header), Places(numbers, offsets)
            self._check_header(first, header)
            at = len(first)
            for line in file:
                key = key_of(line)
                if key is None:
                    if at + len(line) < size:
                        raise FormatError(f"{self.path} is damaged at byte {at}", path=str(self.path), offset=at)
                    break
                if not failed_again or is_done(line, key):
                    numbers.append(_number(key))
                    offsets.append(at)
                at += len(line)
        if at < size:
            self.cut = size - at
            os.ftruncate(self._file, at)
        return at, Places(numbers, offsets)

    def _check_header(self, first: bytes, header: bytes) -> None:
        if first == header:
            return
        try:
            given: Any = json.loads(first)
            known = isinstance(given, dict) and cast("dict[str, Any]", given).get("inferail") == "batch"
        except ValueError:
            known = False
        if not known:
            raise FormatError(f"{self.path} is no checkpoint of a batch: use another file", path=str(self.path))
        raise ConfigError(
            f"{self.path} is the checkpoint of another batch: of another model, output or options. Use another file"
        )


def _number(key: bytes) -> int:
    """`mixed` of a key as text: 32 hexadecimal digits, `-`, the occurrence."""
    try:
        return mixed(int(key[:16], 16), int(key[33:]))
    except ValueError:
        return 0


def _lock_file(file: int, path: Path) -> None:
    """One process writes a checkpoint; the lock goes with the process."""
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise ConfigError(f"{path} is being written by another batch: wait for its end, or use another file") from None
