"""Records from a SQLite ledger, a file of JSON lines, or anything that gives Records."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from inferail.errors import CapacityError, ConfigError, FormatError, InferailError
from inferail.telemetry.facts import FACTS, KIND, Kind, facts_of, kind_of, number_of
from inferail.telemetry.records import Record
from inferail.telemetry.report.columns import LAYOUT, Columns
from inferail.telemetry.sinks import JsonlSink

__all__ = ["read"]

_SQLITE: Final = b"SQLite format 3\x00"
_ROWS_AT_ONCE: Final = 1_000_000  # 104 MB of facts: SQLite makes no text longer than a gigabyte
_ROWS_FETCHED: Final = 20_000
_WORTH_AN_INDEX: Final = 0.2  # a larger part of the rows is found faster by reading all of them


def read(
    source: str | os.PathLike[str] | Iterable[Record],
    labels: Sequence[str],
    since: float | None = None,
    until: float | None = None,
) -> Columns:
    """The records of a source as columns, those from `since` on and before `until` (seconds since 1970).

    Args:
        source: Path of a SQLite ledger or of a file of JSON lines, or Records.
        labels: Labels to read as well.
        since: Where to begin.
        until: Where to end.

    Raises:
        ConfigError: There is no such file, or it cannot be read.
        FormatError: The file is neither, or damaged. Broken JSON lines are passed over and counted.
        CapacityError: Another process has the file locked for more than five seconds.
    """
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        try:
            with path.open("rb") as file:
                head = file.read(len(_SQLITE))
        except FileNotFoundError:
            raise ConfigError(f"there is no ledger at {path}: name the file that records were written to") from None
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror or type(error).__name__}") from None
        if head == _SQLITE:
            columns = _Ledger(path, labels).read(since, until)
        elif not head or head.lstrip()[:1] in {b"{", b""}:
            columns = _of_file(path, labels)
        else:
            raise FormatError(f"{path} is neither a SQLite ledger nor a file of JSON lines", path=str(path))
    elif isinstance(source, Iterable):
        columns = _of_records(source, labels)
    else:
        raise ConfigError(f"a report is made of a path or of Records, not of {type(source).__name__}")
    started = columns.number("started_at")
    mask = np.ones(len(columns), dtype=bool)
    mask &= started >= since if since is not None else True
    mask &= started < until if until is not None else True
    return columns.only(mask)


def _of_file(path: Path, labels: Sequence[str]) -> Columns:
    file = JsonlSink.read(path, on_broken="skip")
    columns = _of_records(file, labels)
    columns.skipped = file.skipped
    if file.skipped and not len(columns):
        raise FormatError(f"{path} has {file.skipped:,} lines and none of them is a record", path=str(path))
    return columns


def _of_records(records: Iterable[Record], labels: Sequence[str]) -> Columns:
    numbers: dict[Kind, int] = {}
    words: dict[str, list[str | None]] = {name: [] for name in labels}

    def packed() -> Iterator[bytes]:
        for record in records:
            if not isinstance(record, Record):
                raise ConfigError(f"a report is made of Records, not of {type(record).__name__}")
            kind = kind_of(record)
            number = numbers.get(kind)
            if number is None:
                number = numbers[kind] = number_of(kind)
            for name, values in words.items():
                values.append(record.labels.get(name))
            yield facts_of(record, number)

    rows = np.frombuffer(b"".join(packed()), dtype=LAYOUT)
    return Columns(rows, {number: kind for kind, number in numbers.items()}, words)


class _Ledger:
    """Reads a SQLite ledger, within one transaction, while others may write."""

    def __init__(self, path: Path, labels: Sequence[str]) -> None:
        self.path = path
        self._labels = labels

    def read(self, since: float | None, until: float | None) -> Columns:
        try:
            uri = f"{self.path.absolute().as_uri()}?mode=ro"
            with closing(sqlite3.connect(uri, uri=True, timeout=5.0, isolation_level=None)) as connection:
                return self._read(connection, since, until)
        except sqlite3.Error as error:
            raise self._translated(error) from None

    def _read(self, connection: sqlite3.Connection, since: float | None, until: float | None) -> Columns:
        connection.execute("PRAGMA mmap_size = 4294967296")  # reading without copies: a sixth faster
        connection.execute("BEGIN")
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if "records" not in tables:
            raise FormatError(f"{self.path} is a database of another program, and no ledger", path=str(self.path))
        where, values = self._window(connection, since, until)
        if "kinds" in tables:
            kinds = {
                int(row[0]): cast("Kind", (*row[1:10], bool(row[10]), bool(row[11])))
                for row in connection.execute(f"SELECT number, {', '.join(KIND)} FROM kinds")  # noqa: S608 - our words
            }
            rows = self._facts(connection, where, values)
        else:
            rows, kinds = self._columns(connection, where, values)
        labels = self._read_labels(connection, where, values, len(rows))
        met: list[int] = np.unique(rows["kind"]).tolist() if len(rows) else []
        missing = set(met) - kinds.keys()
        if missing:
            raise FormatError(
                f"{self.path} is damaged: {len(missing)} kinds of records are missing", path=str(self.path)
            )
        return Columns(rows, kinds, labels)

    @staticmethod
    def _window(connection: sqlite3.Connection, since: float | None, until: float | None) -> tuple[str, list[float]]:
        """A condition on the rows where the index finds them faster than a look at all of them; else none."""
        bounds = [(f"started_at {sign} ?", value) for sign, value in ((">=", since), ("<", until)) if value is not None]
        if not bounds:
            return "", []
        where, values = " AND ".join(text for text, _ in bounds), [value for _, value in bounds]
        (everything,) = connection.execute("SELECT count(*) FROM records").fetchone()
        (inside,) = connection.execute(f"SELECT count(*) FROM records WHERE {where}", values).fetchone()  # noqa: S608
        return (where, values) if inside < _WORTH_AN_INDEX * everything else ("", [])

    def _facts(self, connection: sqlite3.Connection, where: str, values: Sequence[float]) -> NDArray[Any]:
        """The facts of the rows in the order of their ids, as one block of bytes for each half million."""
        blocks: list[NDArray[Any]] = []
        key = self._key(connection)
        last, more = ("" if key == "id" else 0), True
        while more:
            end = connection.execute(
                f"SELECT {key} FROM records WHERE {key} > ? ORDER BY {key} LIMIT 1 OFFSET ?",  # noqa: S608
                (last, _ROWS_AT_ONCE - 1),
            ).fetchone()
            more = end is not None
            condition = " AND ".join(filter(None, (f"{key} > ?", f"{key} <= ?" if more else "", where)))
            bounds = (last, *(end or ()), *values)
            # In the order of ids as it is read; an index of times has to be told.
            inner = f"(SELECT facts FROM records WHERE {condition} ORDER BY {key})" if where else "records"  # noqa: S608
            outer = "" if where else f"WHERE {condition}"
            block, count = connection.execute(
                f"SELECT CAST(group_concat(facts, '') AS BLOB), count(*) FROM {inner} {outer}",  # noqa: S608
                bounds,
            ).fetchone()
            if len(block or b"") != count * LAYOUT.itemsize:
                raise FormatError(
                    f"{self.path} is damaged: the facts of some records are not whole", path=str(self.path)
                )
            if count:
                blocks.append(np.frombuffer(block, dtype=LAYOUT))
            last = end[0] if end else last
        return np.concatenate(blocks) if len(blocks) > 1 else blocks[0] if blocks else np.zeros(0, dtype=LAYOUT)

    @staticmethod
    def _key(connection: sqlite3.Connection) -> str:
        """What rows lie in the order of: their number where they have one, which is the order they were written in."""
        try:
            connection.execute("SELECT rowid FROM records LIMIT 0")
        except sqlite3.OperationalError:
            return "id"
        return "rowid"

    def _columns(
        self, connection: sqlite3.Connection, where: str, values: Sequence[float]
    ) -> tuple[NDArray[Any], dict[int, Kind]]:
        """The same from columns, for ledgers without facts: every number becomes a Python object, which takes four times as long."""
        names = [name for name, _ in FACTS if name not in {"kind", "call"}]
        condition = f"WHERE {where}" if where else ""
        words = ", ".join(KIND)
        rows = connection.execute(
            f"SELECT {', '.join(names)}, id, call_id, {words} FROM records {condition} ORDER BY {self._key(connection)}",  # noqa: S608
            values,
        )
        numbers: dict[tuple[Any, ...], int] = {}
        kinds: dict[int, Kind] = {}
        blocks: list[NDArray[Any]] = []
        while fetched := rows.fetchmany(_ROWS_FETCHED):
            columns = list(zip(*fetched, strict=True))
            block = np.empty(len(fetched), dtype=LAYOUT)
            for name, column in zip(names, columns, strict=False):
                block[name] = np.array(column, dtype=np.float64)
            ids, calls = columns[len(names) : len(names) + 2]
            # Python's own hash is enough here: it has 64 bits, and this process alone compares them.
            block["call"] = [hash(call or f"record {one}") for one, call in zip(ids, calls, strict=True)]
            found = list(zip(*columns[len(names) + 2 :], strict=True))
            for words_of_one in set(found) - numbers.keys():
                kind = cast("Kind", (*words_of_one[:9], bool(words_of_one[9]), bool(words_of_one[10])))
                numbers[words_of_one] = number_of(kind)
                kinds[numbers[words_of_one]] = kind
            block["kind"] = [numbers[words_of_one] for words_of_one in found]
            blocks.append(block)
        return np.concatenate(blocks) if blocks else np.zeros(0, dtype=LAYOUT), kinds

    def _read_labels(
        self, connection: sqlite3.Connection, where: str, values: Sequence[float], rows: int
    ) -> dict[str, list[str | None]]:
        found: dict[str, list[str | None]] = {name: [] for name in self._labels}
        if not found:
            return {}
        known: dict[str, tuple[str | None, ...]] = {}
        condition = f"WHERE {where}" if where else ""
        asked = f"SELECT labels FROM records {condition} ORDER BY {self._key(connection)}"  # noqa: S608 - our own words
        for (text,) in connection.execute(asked, values):
            words = known.get(text)
            if words is None:
                if len(known) > 65_536:
                    known.clear()
                words = known[text] = self._words(text)
            for column, word in zip(found.values(), words, strict=True):
                column.append(word)
        if any(len(column) != rows for column in found.values()):
            raise FormatError(f"{self.path} is damaged: labels are missing", path=str(self.path))
        return found

    def _words(self, text: str) -> tuple[str | None, ...]:
        try:
            labels = json.loads(text)
            return tuple(labels.get(name) for name in self._labels)
        except (ValueError, AttributeError, TypeError):
            raise FormatError(f"{self.path} is damaged: labels that are no JSON object", path=str(self.path)) from None

    def _translated(self, error: sqlite3.Error) -> InferailError:
        code = (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return CapacityError(f"{self.path} is locked by another process for more than 5 s: try again")
        if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY):
            return ConfigError(f"{self.path} cannot be opened: check the folder and its permissions")
        if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FORMAT):
            return FormatError(f"{self.path} is damaged: restore a copy of it", path=str(self.path))
        if code == sqlite3.SQLITE_ERROR:  # a column is not there
            return FormatError(f"{self.path} is no ledger of this version", path=str(self.path))
        return CapacityError(f"{self.path} cannot be read ({getattr(error, 'sqlite_errorname', 'unknown')})")
