"""One SQLite file that is ours: opened or made, its errors told as ours, safe after a fork."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from inferail.errors import CapacityError, ConfigError, FormatError, InferailError
from inferail.forks import renew_after_fork

__all__ = ["SQLiteFile"]

_IN_MEMORY = ":memory:"  # SQLite's name for a database without a file


class SQLiteFile:
    """A connection to a file of one kind and version, for the threads of a process.

    Write-ahead logging: readers do not wait for the writer. What a transaction has written is in the operating system's
    hands and survives the end of the process, however it ends; with `fsync=True` it survives a power cut too. New files
    are readable by their owner only.

    Attributes:
        path: The file.
        lock: Held while the connection is used.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        what: str,
        application: int,
        version: int,
        schema: str,
        fsync: bool = False,
        busy: float = 5.0,
    ) -> None:
        """Opens or makes the file.

        Args:
            path: The file; two more lie beside it while it is open.
            what: What it is to the user, for messages: `store`, `ledger`.
            application: Stands in the header of the file, and says whose it is.
            version: Of the schema.
            schema: The statements that make the tables of a new file.
            fsync: Whether a write is on the disk, and not only in the operating system, when it is acknowledged.
            busy: Seconds to wait for a write of another process.

        Raises:
            FormatError: The file is no SQLite file, damaged, or of another program or version.
            ConfigError: It cannot be opened.
        """
        self.path = Path(path)
        self.lock = threading.RLock()
        self._what = what
        self._application = application
        self._version = version
        self._schema = schema
        self._fsync = fsync
        self._busy = busy
        self._closed = False
        self._process = os.getpid()
        self._connection = self._open()
        renew_after_fork(self)

    def hold(self) -> None:
        """A process that is forked in the middle of a transaction has a child for which the file is locked for ever.

        SQLite remembers the locks of a process by file, and so does the child, with all its connections to come.
        """
        self.lock.acquire()

    def let_go(self) -> None:
        """The parent goes on."""
        self.lock.release()

    def after_fork(self) -> None:
        """The child begins anew; the connection is renewed when it is used."""
        self.lock = threading.RLock()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    @contextmanager
    def reading(self) -> Generator[sqlite3.Connection]:
        """The connection, with its errors told as ours."""
        if self._process != os.getpid():  # a connection must not be used on both sides of a fork
            self._process = os.getpid()
            self._connection = self._open()
        with self._named():
            yield self._connection

    @contextmanager
    def writing(self, connection: sqlite3.Connection) -> Generator[None]:
        """A transaction: all of it or nothing. One inside another is part of it."""
        if connection.in_transaction:  # the garbage collector closed something that had a last word to write
            yield
            return
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    def close(self) -> None:
        """Closes the file; closing twice is the same as once."""
        self._closed = True
        self._connection.close()

    @property
    def forked(self) -> bool:
        """Whether this is a child of the process that used the file last."""
        return self._process != os.getpid()

    def _open(self) -> sqlite3.Connection:
        """A connection to the file, whose tables are there and ours."""
        try:
            with self._named():
                if str(self.path) != _IN_MEMORY:
                    # SQLite itself would let everybody read a new file.
                    with suppress(OSError):
                        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600))
                connection = sqlite3.connect(
                    self.path, timeout=self._busy, isolation_level=None, check_same_thread=False
                )
                try:
                    self._prepare(connection)
                except BaseException:
                    connection.close()
                    raise
        except CapacityError as error:  # at the beginning it is no shortage, but a place where nothing can be written
            raise ConfigError(f"{self.path} cannot be opened as a {self._what}: {error.message}") from None
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'FULL' if self._fsync else 'NORMAL'}")
        connection.execute("PRAGMA foreign_keys = ON")
        if self._is_ours(connection):
            return
        with self.writing(connection):
            if self._is_ours(connection):  # another process was faster
                return
            for statement in _statements(self._schema):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {self._application}")
            connection.execute(f"PRAGMA user_version = {self._version}")

    def _is_ours(self, connection: sqlite3.Connection) -> bool:
        """Whether the tables are there; not in an empty file."""
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if application == self._application and version == self._version:
            return True
        if application == self._application:
            raise FormatError(
                f"{self.path} is a {self._what} of version {version}, and this is version {self._version}: "
                "use another file",
                path=str(self.path),
            )
        if tables or application:
            raise FormatError(
                f"{self.path} is a database of another program: use another file for the {self._what}",
                path=str(self.path),
            )
        return False

    @contextmanager
    def _named(self) -> Generator[None]:
        try:
            yield
        except sqlite3.ProgrammingError as error:
            if not self._closed:
                raise
            raise ConfigError(f"the {self._what} is closed") from error
        except sqlite3.Error as error:
            raise self._translated(error) from None

    def _translated(self, error: sqlite3.Error) -> InferailError:
        code = (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF
        if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FORMAT):
            return FormatError(
                f"{self.path} is damaged, or no SQLite file: move it away, a new one is made", path=str(self.path)
            )
        if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
            return ConfigError(f"{self.path} cannot be opened or written: check the folder and its permissions")
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return CapacityError(f"{self.path} is locked by another process for more than {self._busy:g} s")
        return CapacityError(f"{self.path} cannot be read or written ({getattr(error, 'sqlite_errorname', 'unknown')})")


def _statements(script: str) -> Iterator[str]:
    """The statements of a script; `executescript` would end the transaction around it."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
