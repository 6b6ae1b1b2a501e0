"""Records in one SQLite file, a row each: to be asked in SQL, by this process and by others."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from inferail.errors import ConfigError, FormatError
from inferail.store.file import SQLiteFile
from inferail.telemetry.facts import KIND, facts_of, kind_of, number_of
from inferail.telemetry.failures import Failures
from inferail.telemetry.records import FIELDS, Record, getter_of

if TYPE_CHECKING:
    from types import TracebackType

    from inferail.telemetry.facts import Kind

__all__ = ["COLUMNS", "SQLiteSink"]

_APPLICATION: Final = 0x49524C47  # "IRLG", in the header of the file
_VERSION: Final = 1
_KNOWN_KINDS: Final = 65_536  # labels may be anything: what is remembered of them is bounded
_BATCH: Final = 1000
_REALS: Final = frozenset(
    ("retry_after", "cost_usd", "connect", "first_byte", "first_token", "total", "tls", "saved_usd", "estimated_usd")
)
_FLAGS: Final = frozenset(("streamed", "estimated"))
# In the order of the file: short numbers first, texts that only a person reads last.
_OWN: Final = ("id", "facts", "started_at", "task", "streamed", "estimated", "model_version")
_LAST: Final = ("host", "request_id", "trace_id", "span_id", "payload_id", "price_version", "labels")
_PLAIN: Final = tuple(name for name in FIELDS if name not in {*_OWN, *_LAST})
_COLUMNS: Final = (*_OWN, *_PLAIN, *_LAST)
_values: Final = getter_of((*_PLAIN, *_LAST[:-1]))


def _kind(column: str) -> str:
    if column in {"id", "facts", "started_at"}:
        return {"id": "TEXT NOT NULL UNIQUE", "facts": "BLOB NOT NULL", "started_at": "REAL NOT NULL"}[column]
    if column in _REALS:
        return "REAL"
    return (
        "INTEGER" if column in _FLAGS or column.endswith("_tokens") or column in {"attempt", "status_code"} else "TEXT"
    )


# Names and types of what a record is, without what is only there for reports.
COLUMNS: Final = {column: _kind(column).split()[0] for column in _COLUMNS if column != "facts"}
_SCHEMA: Final = f"""
CREATE TABLE records ({", ".join(f"{column} {_kind(column)}" for column in _COLUMNS)});
CREATE INDEX records_by_start ON records (started_at);
CREATE INDEX records_by_call ON records (call_id);
CREATE TABLE kinds (number INTEGER PRIMARY KEY, {", ".join(KIND)});
"""
_INSERT: Final = f"INSERT OR IGNORE INTO records VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608 - our own names
_INSERT_KIND: Final = f"INSERT OR IGNORE INTO kinds VALUES ({', '.join('?' * (1 + len(KIND)))})"  # noqa: S608 - our own names


class SQLiteSink:
    """Keeps records in a SQLite file that several processes may share. Thread-safe.

    Table `records`: one column for each name of `Record.as_dict()`, but `started_at` in seconds since 1970 (UTC), `streamed`
    and `estimated` as 0 or 1, `labels` as JSON, and the label `task` in a column of its own. What was written survives the
    end of the process, however it ends. A record that is written twice is there once. New files are readable by their owner
    only. The column `facts` and the table `kinds` are what `inferail report` reads (`inferail.telemetry.facts`).

    `record` never raises: what cannot be written is counted, and said once in the log. `record_many` raises, for those who
    can try again (a `Ledger`).

    Attributes:
        path: The file.
    """

    def __init__(self, path: str | os.PathLike[str], *, fsync: bool = False, busy: float = 5.0) -> None:
        """Opens or makes the file.

        Args:
            path: The file; two more lie beside it while it is open.
            fsync: Whether a record survives a power cut, too, once it is written.
            busy: Seconds to wait for a write of another process.

        Raises:
            FormatError: The file is no SQLite file, damaged, or of another program or version.
            ConfigError: It cannot be opened.
        """
        self.path = Path(path)
        self._failures = Failures("a record could not be written")
        self._numbers: dict[Kind, int] = {}
        self._file = SQLiteFile(
            path, what="ledger", application=_APPLICATION, version=_VERSION, schema=_SCHEMA, fsync=fsync, busy=busy
        )

    @property
    def failed(self) -> int:
        """How many records `record` could not write."""
        return self._failures.count

    def record(self, record: Record) -> None:
        """Takes one record; never raises."""
        try:
            self.record_many((record,))
        except Exception as error:  # noqa: BLE001 - whatever it is, the call goes on
            self._failures.add(error)

    def record_many(self, records: Sequence[Record]) -> None:
        """Takes several records, all of them or none.

        Raises:
            CapacityError: The disk is full, or another process keeps the file locked.
            ConfigError: The file may not be written, or the sink is closed.
            FormatError: The file is damaged.
        """
        with self._file.lock, self._file.reading() as connection:
            new: dict[Kind, int] = {}
            rows = [self._row(record, new) for record in records]
            with self._file.writing(connection):
                if new:
                    connection.executemany(_INSERT_KIND, [(number, *_words(kind)) for kind, number in new.items()])
                connection.executemany(_INSERT, rows)
            if len(self._numbers) + len(new) > _KNOWN_KINDS:
                self._numbers.clear()
            self._numbers.update(new)

    @property
    def records(self) -> list[Record]:
        """Every record of the file, in the order they began; for large files `read` is better."""
        return list(self.read(self.path))

    def close(self) -> None:
        """Closes the file; closing twice is the same as once. Records that come later count as failed."""
        with self._file.lock:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @staticmethod
    def read(
        path: str | os.PathLike[str], *, since: datetime | None = None, until: datetime | None = None
    ) -> Iterator[Record]:
        """The records of a file in the order they began, also while others write to it.

        Args:
            path: The file.
            since: The first moment, with a time zone; None is the beginning.
            until: The first moment that is too late; None is the end.

        Raises:
            ConfigError: There is no such file, it cannot be opened, or a moment has no time zone.
            FormatError: It is damaged, or no ledger; or a row in it is no record.
        """
        for moment in (since, until):
            if moment is not None and moment.tzinfo is None:
                raise ConfigError("since and until need a time zone: use datetime.now(UTC)")
        if not Path(path).is_file():
            raise ConfigError(f"there is no ledger at {path}")
        return _rows(Path(path), since, until)

    def _row(self, record: Record, new: dict[Kind, int]) -> tuple[Any, ...]:
        kind = kind_of(record)
        number = self._numbers.get(kind)
        if number is None:
            number = new[kind] = number_of(kind)
        labels = record.labels
        # sqlite3 takes a slower way for bytes and for bool than for these.
        return (
            record.id,
            bytearray(facts_of(record, number)),
            record.started_at.timestamp(),
            _whole(record.task),
            int(record.streamed),
            int(record.usage.estimated),
            _whole(record.model_version),
            *_values(record),
            json.dumps(dict(labels), separators=(",", ":")) if labels else "{}",
        )


def _whole(text: str | None) -> str | None:
    """Text without halves of characters, which servers can send and SQLite cannot keep."""
    return text if text is None or text.isascii() else text.encode("utf-8", "replace").decode()


def _words(kind: Kind) -> Iterator[str | bool | None]:
    return (_whole(word) if isinstance(word, str) else word for word in kind)


def _rows(path: Path, since: datetime | None, until: datetime | None) -> Iterator[Record]:
    file = SQLiteFile(path, what="ledger", application=_APPLICATION, version=_VERSION, schema=_SCHEMA)
    try:
        bounds = (
            float("-inf") if since is None else since.timestamp(),
            float("inf") if until is None else until.timestamp(),
        )
        after: tuple[float, int] = (bounds[0], -1)
        while True:
            with file.reading() as connection:
                cursor = connection.execute(
                    f"SELECT rowid, {', '.join(_COLUMNS)} FROM records"  # noqa: S608 - our own names
                    " WHERE (started_at, rowid) > (?, ?) AND started_at < ? ORDER BY started_at, rowid LIMIT ?",
                    (*after, bounds[1], _BATCH),
                )
                rows = cursor.fetchall()
            for number, *values in rows:
                yield _record(path, dict(zip(_COLUMNS, values, strict=True)))
                after = (values[2], number)
            if len(rows) < _BATCH:
                return
    finally:
        file.close()


def _record(path: Path, row: dict[str, Any]) -> Record:
    try:
        row["started_at"] = datetime.fromtimestamp(row["started_at"], UTC).isoformat()
        row["labels"] = json.loads(row["labels"])
        for name in _FLAGS:
            row[name] = {0: False, 1: True}.get(row[name])
        return Record.from_dict(row)
    except FormatError as error:
        raise FormatError(f"{path} has a row that is no record: {error.message}", path=str(path)) from None
    except (TypeError, ValueError, OverflowError, OSError):
        raise FormatError(f"{path} has a row that is no record", path=str(path)) from None
