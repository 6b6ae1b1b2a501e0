"""Records in one SQLite file that anything can query, written by several processes at the same time.

Write-ahead logging: readers do not wait for the writer. A record is there once, however often it is given, and what
`record_many` has written survives the end of the process, however it ends; with `fsync=True` it survives a power cut too.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Self

from inferail.core import RecordRows
from inferail.errors import ConfigError, FormatError, InferailError
from inferail.store.sqlite import sqlite_error
from inferail.telemetry.records import Record
from inferail.telemetry.sinks import check_on_broken, warn_once

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from types import TracebackType

__all__ = ["COLUMNS", "Column", "SQLiteRecords", "SQLiteSink"]

_APPLICATION: Final = 0x49524C52  # "IRLR", in the header of the file
_VERSION: Final = 1
_SMALLEST, _LARGEST = -(2**63), 2**63 - 1
# Rows of one statement. Every statement gives the GIL away and may wait 5 ms for it where another thread computes, so the
# batch goes in few of them; and the statement itself is prepared once (benches/python/bench_ledger.py).
_TOGETHER: Final = 64
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# A connection must not be used, nor closed, on the other side of a fork: it would let go of the locks of both.
_ABANDONED: list[sqlite3.Connection] = []


class Column(NamedTuple):
    """One column of the table.

    Attributes:
        name: As `Record.as_dict` names it.
        kind: Its type in SQL.
        path: Where the Record has it.
        default: What it is where nothing was written.
    """

    name: str
    kind: Literal["TEXT", "INTEGER", "REAL"]
    path: str
    default: Any = None


# What reports add up comes first and long text last: a row is read only as far as its last column that is asked for.
COLUMNS: Final = (
    Column("id", "TEXT", "id", ...),
    Column("started_at", "REAL", "started_at", ...),
    Column("call_id", "TEXT", "call_id", ""),
    Column("provider", "TEXT", "provider", ...),
    Column("model", "TEXT", "model", ...),
    Column("task", "TEXT", "labels.task"),
    Column("reason", "TEXT", "reason", "first"),
    Column("attempt", "INTEGER", "attempt", 1),
    Column("path", "TEXT", "path", "direct"),
    Column("cache", "TEXT", "cache"),
    Column("error", "TEXT", "error"),
    Column("streamed", "INTEGER", "streamed", default=False),
    Column("input_tokens", "INTEGER", "usage.input_tokens", 0),
    Column("output_tokens", "INTEGER", "usage.output_tokens", 0),
    Column("cost_usd", "REAL", "usage.cost_usd"),
    Column("estimated", "INTEGER", "usage.estimated", default=False),
    Column("total", "REAL", "timing.total", 0.0),
    Column("first_token", "REAL", "timing.first_token"),
    Column("first_byte", "REAL", "timing.first_byte"),
    Column("connect", "REAL", "timing.connect", 0.0),
    Column("tls", "REAL", "timing.tls", 0.0),
    Column("cache_read_tokens", "INTEGER", "usage.cache_read_tokens", 0),
    Column("cache_write_tokens", "INTEGER", "usage.cache_write_tokens", 0),
    Column("cache_write_1h_tokens", "INTEGER", "usage.cache_write_1h_tokens", 0),
    Column("reasoning_tokens", "INTEGER", "usage.reasoning_tokens", 0),
    Column("input_audio_tokens", "INTEGER", "usage.input_audio_tokens", 0),
    Column("output_audio_tokens", "INTEGER", "usage.output_audio_tokens", 0),
    Column("saved_usd", "REAL", "saved_usd"),
    Column("saved_tokens", "INTEGER", "saved_tokens", 0),
    Column("estimated_usd", "REAL", "estimated_usd"),
    Column("status_code", "INTEGER", "status_code"),
    Column("error_phase", "TEXT", "error_phase"),
    Column("retry_after", "REAL", "retry_after"),
    Column("finish_reason", "TEXT", "finish_reason"),
    Column("service_tier", "TEXT", "usage.service_tier"),
    Column("host", "TEXT", "host", ""),
    Column("model_version", "TEXT", "model_version"),
    Column("price_version", "TEXT", "price_version"),
    Column("request_id", "TEXT", "request_id"),
    Column("trace_id", "TEXT", "trace_id"),
    Column("span_id", "TEXT", "span_id"),
    Column("payload_id", "TEXT", "payload_id"),
    Column("labels", "TEXT", "labels", "{}"),
)
_ROWS: Final = RecordRows([(column.path, column.default) for column in COLUMNS])
_ALL: Final = (1 << len(COLUMNS)) - 1
_READ: Final = tuple(column for column in COLUMNS if column.name != "task")
# What is wrong with a record, and not with the file.
_OF_THE_RECORD: Final = (
    AttributeError,
    OverflowError,
    TypeError,
    ValueError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
)


class SQLiteSink:
    """Writes records into a SQLite file. Thread-safe; several processes can share the file (on a local file system).

    One record alone is one transaction, some 60 µs; a `Ledger` gives it batches, at about 10 µs a record. An error of the
    file does not reach the call: it is counted, and logged once. New files are readable by their owner only.

    The table `records` has one column for each name of `Record.as_dict` and `task`, the label of that name. `started_at` is
    seconds since 1970, `streamed` and `estimated` are 0 or 1, `labels` is JSON.

    Attributes:
        path: The file.
        failed: How many records could not be written.
    """

    def __init__(self, path: str | os.PathLike[str], *, fsync: bool = False, busy: float = 5.0) -> None:
        """Opens or makes the file.

        Args:
            path: The file; two more lie beside it while it is open.
            fsync: Whether a batch is on the disk, and not only in the operating system, when it counts as written.
            busy: Seconds to wait for a write of another process.

        Raises:
            FormatError: The file is no SQLite file, damaged, or of another program or version.
            ConfigError: It cannot be opened.
        """
        self.path = Path(path)
        self.failed = 0
        self._fsync = fsync
        self._busy = busy
        self._lock = threading.Lock()
        self._closed = False
        self._process = os.getpid()
        self._connection = self._open()

    def record(self, record: Record) -> None:
        """Takes one record; never raises."""
        self.record_many([record])

    def record_many(self, records: Sequence[Record]) -> int:
        """Takes several records in one transaction; gives how many could not be written, and never raises."""
        try:
            with self._lock:
                return self._take(list(records))
        except Exception as error:  # noqa: BLE001 - whatever it is, the call goes on
            self._fail(error, len(records))
            return len(records)

    def close(self) -> None:
        """Closes the file; closing twice is the same as once. Records that come later count as failed."""
        with self._lock:
            if not self._closed and self._process == os.getpid():
                self._connection.close()
            self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @staticmethod
    def read(
        path: str | os.PathLike[str],
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        on_broken: Literal["error", "skip"] = "error",
    ) -> SQLiteRecords:
        """The records of a file, read while iterating, also while others write to it.

        Args:
            path: The file.
            since: Only those that began then or later.
            until: Only those that began earlier.
            on_broken: What to do with a row that is not a record (someone may have changed it): `error` raises FormatError,
                `skip` passes over it and counts it in `.skipped`.

        Raises:
            ConfigError: A time has no time zone, or `on_broken` is something else.
        """
        return SQLiteRecords(path, since, until, on_broken)

    def _take(self, records: list[Record]) -> int:
        if self._closed:
            raise ConfigError("the ledger's file is closed")
        connection = self._here()
        try:
            with _writing(connection):
                _insert(connection, records)
        except _OF_THE_RECORD:
            with _writing(connection):
                return sum(not self._insert_repaired(connection, record) for record in records)
        return 0

    def _insert_repaired(self, connection: sqlite3.Connection, record: Record) -> bool:
        """Writes one record with what SQLite cannot hold changed to what it can; whether that was possible."""
        try:
            connection.execute(_statement(_ALL, 1), [_held(value) for value in row(record)])
        except _OF_THE_RECORD as error:
            self._fail(error, 1)
            return False
        return True

    def _fail(self, error: Exception, records: int) -> None:
        first = self.failed == 0
        self.failed += records
        if first:
            known = sqlite_error(error, self.path, self._busy) if isinstance(error, sqlite3.Error) else error
            reason = known.message if isinstance(known, InferailError) else type(known).__name__
            warn_once("records could not be written (%s)", reason)

    def _here(self) -> sqlite3.Connection:
        """The connection of this process."""
        if self._process != os.getpid():
            _ABANDONED.append(self._connection)
            self._connection = self._open()
            self._process = os.getpid()
        return self._connection

    def _open(self) -> sqlite3.Connection:
        """A connection to the file, whose table is there and ours."""
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise ConfigError(f"the record file cannot be opened: {type(error).__name__}", detail=str(error)) from error
        try:
            connection = sqlite3.connect(
                self.path, timeout=self._busy, isolation_level=None, check_same_thread=False, cached_statements=256
            )
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
        except sqlite3.Error as error:
            known = sqlite_error(error, self.path, self._busy)
            # At the beginning it is no shortage that passes, but a place where nothing can be written.
            raise known if isinstance(known, FormatError) else ConfigError(known.message) from None
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        is_ours = _is_ours(connection, self.path)  # first: the database of another program is left as it is
        until = time.monotonic() + self._busy
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                break
            except sqlite3.OperationalError:  # another process changes it, too: SQLite does not wait for that
                if time.monotonic() > until:
                    raise
                time.sleep(0.005)
        connection.execute(f"PRAGMA synchronous = {'FULL' if self._fsync else 'NORMAL'}")
        if is_ours:
            return
        with _writing(connection):
            if _is_ours(connection, self.path):  # another process was faster
                return
            connection.execute(_table())
            connection.execute("CREATE INDEX records_by_start ON records (started_at)")
            connection.execute("CREATE INDEX records_by_call ON records (call_id)")
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.execute(f"PRAGMA user_version = {_VERSION}")


class SQLiteRecords:
    """The records of a SQLite file; each iteration reads it anew, as it is when the iteration begins.

    Attributes:
        path: The file.
        skipped: How many broken rows the newest iteration has passed over.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        since: datetime | None = None,
        until: datetime | None = None,
        on_broken: Literal["error", "skip"] = "error",
    ) -> None:
        """See `SQLiteSink.read`."""
        check_on_broken(on_broken)
        for name, moment in (("since", since), ("until", until)):
            if moment is not None and moment.tzinfo is None:
                raise ConfigError(f"{name} needs a time zone: use datetime.now(UTC)")
        self.path = Path(path)
        self.skipped = 0
        self._bounds = [
            (f"started_at {sign} ?", moment.timestamp())
            for sign, moment in ((">=", since), ("<", until))
            if moment is not None
        ]
        self._on_broken = on_broken

    def __iter__(self) -> Iterator[Record]:
        """The records, by the time they began where `since` or `until` is given, else in the order they were written.

        Raises:
            ConfigError: The file is not there or cannot be opened.
            FormatError: It is no ledger, is damaged, or a row is not a record (unless such rows are skipped).
        """
        self.skipped = 0
        with self.opened() as connection:
            where = " AND ".join(text for text, _ in self._bounds)
            names = ", ".join(column.name for column in _READ)
            order = f"WHERE {where} ORDER BY started_at, rowid" if where else "ORDER BY rowid"
            rows = connection.execute(f"SELECT {names} FROM records {order}", [bound for _, bound in self._bounds])  # noqa: S608 - our own words
            for number, values in enumerate(rows, start=1):
                try:
                    yield _record(values)
                except FormatError as error:
                    if self._on_broken == "skip":
                        self.skipped += 1
                        continue
                    raise FormatError(f"row {number} is not a record: {error.message}", path=str(self.path)) from None

    @contextmanager
    def opened(self) -> Generator[sqlite3.Connection]:
        """A connection that cannot write, for questions of one's own in SQL.

        Raises:
            ConfigError: The file is not there or cannot be opened.
            FormatError: It is no ledger, or damaged.
        """
        if not self.path.exists():
            raise ConfigError(f"there is no ledger at {self.path}")
        connection: sqlite3.Connection | None = None
        try:
            connection = sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True, timeout=5.0)
            if not _is_ours(connection, self.path):
                raise FormatError(f"{self.path} is an empty file, and no ledger", path=str(self.path))
            yield connection
        except sqlite3.Error as error:
            raise sqlite_error(error, self.path, 5.0) from None
        finally:
            if connection is not None:
                connection.close()


def row(record: Record) -> list[Any]:
    """The values of all columns, one after another: what `RecordRows` gives, without leaving anything out."""
    known: dict[str, Any] = {
        **record.as_dict(),
        "started_at": record.started_at.timestamp(),
        "task": record.labels.get("task"),
        "labels": json.dumps(dict(record.labels), separators=(",", ":"), ensure_ascii=False),
    }
    return [known[column.name] for column in COLUMNS]


def _held(value: Any) -> Any:
    """The nearest value that SQLite can hold."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, int):
        return min(max(int(value), _SMALLEST), _LARGEST)
    return value


def _table() -> str:
    columns = [f"{column.name} {column.kind}{_default(column)}" for column in COLUMNS]
    return f"CREATE TABLE records ({', '.join(columns)})"


def _default(column: Column) -> str:
    if column.name == "id":
        return " PRIMARY KEY NOT NULL"
    if column.default is None or column.default is ...:
        return ""
    return f" DEFAULT '{column.default}'" if column.kind == "TEXT" else f" DEFAULT {column.default + 0}"


@lru_cache(maxsize=512)
def _statement(mask: int, rows: int) -> str:
    names = [column.name for number, column in enumerate(COLUMNS) if mask >> number & 1]
    values = ", ".join([f"({', '.join('?' * len(names))})"] * rows)
    return f"INSERT INTO records ({', '.join(names)}) VALUES {values} ON CONFLICT (id) DO NOTHING"  # noqa: S608 - our own words


def _insert(connection: sqlite3.Connection, records: list[Record]) -> None:
    for mask, rows, values in _ROWS.group(records):
        width, at = mask.bit_count(), 0
        for together in (_TOGETHER, 8, 1):
            while rows >= together:
                connection.execute(_statement(mask, together), values[at : at + together * width])
                rows, at = rows - together, at + together * width  # noqa: PLW2901 - what is left


def _record(values: Sequence[Any]) -> Record:
    known = {
        column.name: column.default if value is None else value for column, value in zip(_READ, values, strict=True)
    }
    try:
        known["started_at"] = (_EPOCH + timedelta(microseconds=round(known["started_at"] * 1e6))).isoformat()
        known["labels"] = json.loads(known["labels"])
    except (TypeError, ValueError, OverflowError, RecursionError):
        raise FormatError("its time or its labels cannot be read") from None
    for name in ("streamed", "estimated"):
        known[name] = bool(known[name])
    return Record.from_dict(known)


def _is_ours(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether the table is there; not in an empty file."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application == _APPLICATION and version == _VERSION:
        return True
    if application == _APPLICATION:
        raise FormatError(
            f"{path} is a ledger of version {version}, and this is version {_VERSION}: use another file", path=str(path)
        )
    if tables or application:
        raise FormatError(f"{path} is a database of another program: use another file for the ledger", path=str(path))
    return False


@contextmanager
def _writing(connection: sqlite3.Connection) -> Generator[None]:
    """A transaction: all of it or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
