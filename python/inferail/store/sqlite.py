"""Bytes in one SQLite file, for the threads and processes of one machine.

Write-ahead logging: readers do not wait for the writer. What `put` and `append` have acknowledged is in the operating
system's hands and survives the end of the process, however it ends; with `fsync=True` it survives a power cut too.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path

from inferail.errors import InferailError
from inferail.store.file import SQLiteFile
from inferail.store.leases import Lease, new_lease
from inferail.store.protocol import ENTRY_BYTES, Entry, Eviction, StoreStats, check_bounds, check_ttl, wall_clock

__all__ = ["SQLiteStore"]

_APPLICATION = 0x49524C53  # "IRLS", in the header of the file
_VERSION = 1
_TOUCHES = 512  # uses that are noted in memory before they are written
_SCHEMA = """
CREATE TABLE entries (
    id INTEGER PRIMARY KEY, namespace TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, put REAL NOT NULL,
    expires REAL, size INTEGER NOT NULL, gain REAL NOT NULL, uses INTEGER NOT NULL, priority REAL NOT NULL,
    UNIQUE (namespace, key));
CREATE INDEX entries_by_expiry ON entries (expires) WHERE expires IS NOT NULL;
CREATE INDEX entries_by_priority ON entries (priority, id, size);
CREATE TABLE tags (
    entry INTEGER NOT NULL REFERENCES entries ON DELETE CASCADE, tag TEXT NOT NULL, namespace TEXT NOT NULL,
    PRIMARY KEY (entry, tag)) WITHOUT ROWID;
CREATE INDEX tags_by_name ON tags (namespace, tag);
CREATE TABLE totals (entries INTEGER NOT NULL, bytes INTEGER NOT NULL, evictions INTEGER NOT NULL, floor REAL NOT NULL);
INSERT INTO totals VALUES (0, 0, 0, 0.0);
CREATE TRIGGER entry_added AFTER INSERT ON entries
    BEGIN UPDATE totals SET entries = entries + 1, bytes = bytes + new.size; END;
CREATE TRIGGER entry_gone AFTER DELETE ON entries
    BEGIN UPDATE totals SET entries = entries - 1, bytes = bytes - old.size; END;
CREATE TABLE leases (key TEXT PRIMARY KEY, token TEXT NOT NULL, expires REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE logs (stream TEXT PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE log (stream TEXT NOT NULL, number INTEGER NOT NULL, value BLOB NOT NULL, PRIMARY KEY (stream, number));
"""


class SQLiteStore:
    """Keeps bytes in a SQLite file; see `inferail.store.protocol.Store`.

    No method suspends: reading takes some 15 µs and writing 60 to 100, which an event loop can spare. A write waits for
    that of another process; `busy` bounds it.
    """

    shared = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        max_entries: int | None = 1_000_000,
        max_bytes: int | None = 1024 * 1024 * 1024,
        eviction: Eviction = "lru",
        fsync: bool = False,
        busy: float = 5.0,
        now: Callable[[], float] = wall_clock,
    ) -> None:
        """Opens or makes the file.

        Args:
            path: The file; two more lie beside it while it is open.
            max_entries: Upper bound on the number of entries; None is none.
            max_bytes: Upper bound on keys and values together, with some 400 bytes for each entry; None is none.
            eviction: Who makes room; see `MemoryStore`.
            fsync: Whether a write is on the disk, and not only in the operating system, when it is acknowledged.
            busy: Seconds to wait for a write of another process.
            now: A clock in seconds since 1970, for tests.

        Raises:
            FormatError: The file is no SQLite file, damaged, or of another program or version.
            ConfigError: It cannot be opened, or a bound is wrong.
        """
        check_bounds(max_entries, max_bytes, eviction)
        self.path = Path(path)
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._by_gain = eviction == "gdsf"
        self._now = now
        self._touched: dict[tuple[str, str], tuple[int, float]] = {}  # uses and the last one
        self.evictions = 0
        self._file = SQLiteFile(
            path, what="store", application=_APPLICATION, version=_VERSION, schema=_SCHEMA, fsync=fsync, busy=busy
        )

    async def get(self, namespace: str, key: str) -> Entry | None:
        """What is kept there, unless it has expired."""
        with self._file.lock, self._reading() as connection:
            found = connection.execute(
                "SELECT value, put, expires FROM entries WHERE namespace = ? AND key = ?", (namespace, key)
            ).fetchone()
            if found is None:
                return None
            value, put, expires = found
            now = self._now()
            if expires is not None and expires <= now:
                return None
            name = (namespace, key)
            self._touched[name] = (self._touched.get(name, (0, now))[0] + 1, now)
            if len(self._touched) >= _TOUCHES:
                with self._file.writing(connection):
                    self._note_uses(connection)
            return Entry(value, max(0.0, now - put), None if expires is None else expires - now)

    async def put(
        self,
        namespace: str,
        key: str,
        value: bytes,
        *,
        ttl: float | None = None,
        tags: Iterable[str] = (),
        weight: float = 1.0,
    ) -> bool:
        """Keeps `value` instead of what was there; see `Store.put`."""
        check_ttl(ttl)
        size = len(value) + len(namespace) + len(key) + ENTRY_BYTES
        with self._file.lock, self._reading() as connection, self._file.writing(connection):
            now = self._now()
            self._note_uses(connection)
            connection.execute(
                "DELETE FROM entries WHERE id IN (SELECT id FROM entries WHERE expires <= ? LIMIT 100)", (now,)
            )
            connection.execute("DELETE FROM entries WHERE namespace = ? AND key = ?", (namespace, key))
            if self._max_bytes is not None and size > self._max_bytes:
                return False
            self._make_room(connection, size)
            gain = weight / size
            priority = self._floor(connection) + gain if self._by_gain else now
            added = connection.execute(
                "INSERT INTO entries (namespace, key, value, put, expires, size, gain, uses, priority)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?)",
                (namespace, key, value, now, None if ttl is None else now + ttl, size, gain, priority),
            )
            if tags:
                rows = [(added.lastrowid, tag, namespace) for tag in dict.fromkeys(tags)]
                connection.executemany("INSERT INTO tags VALUES (?, ?, ?)", rows)
            return True

    async def delete(self, namespace: str, key: str) -> bool:
        """Forgets one entry; whether it was there."""
        return self._delete("namespace = ? AND key = ?", namespace, key) > 0

    async def delete_tagged(self, namespace: str, tag: str) -> int:
        """Forgets every entry that was put with this tag; how many there were."""
        return self._delete("id IN (SELECT entry FROM tags WHERE namespace = ? AND tag = ?)", namespace, tag)

    async def clear(self, namespace: str) -> int:
        """Forgets every entry of a namespace; how many there were."""
        return self._delete("namespace = ?", namespace)

    async def acquire(self, key: str, ttl: float) -> Lease | None:
        """The right to do something alone for `ttl` seconds; None while another has it."""
        check_ttl(ttl)
        lease = new_lease(key)
        with self._file.lock, self._reading() as connection, self._file.writing(connection):
            now = self._now()
            connection.execute("DELETE FROM leases WHERE expires <= ?", (now,))
            taken = connection.execute(
                "INSERT OR IGNORE INTO leases VALUES (?, ?, ?)", (key, lease.token, now + ttl)
            ).rowcount
        return lease if taken else None

    async def renew(self, lease: Lease, ttl: float) -> bool:
        """Holds it for `ttl` seconds from now; False if it was lost."""
        check_ttl(ttl)
        with self._file.lock, self._reading() as connection, self._file.writing(connection):
            now = self._now()
            renewed = connection.execute(
                "UPDATE leases SET expires = ? WHERE key = ? AND token = ? AND expires > ?",
                (now + ttl, lease.key, lease.token, now),
            )
            return renewed.rowcount > 0

    async def release(self, lease: Lease) -> bool:
        """Gives it back; False if it was lost before."""
        with self._file.lock, self._reading() as connection, self._file.writing(connection):
            released = connection.execute(
                "DELETE FROM leases WHERE key = ? AND token = ? RETURNING expires", (lease.key, lease.token)
            ).fetchall()
            return any(expires > self._now() for (expires,) in released)

    async def append(self, stream: str, value: bytes) -> int:
        """Adds to the end of a log; its number there, from 1."""
        with self._file.lock, self._reading() as connection, self._file.writing(connection):
            ((number,),) = connection.execute(
                "INSERT INTO logs VALUES (?, 1) ON CONFLICT (stream) DO UPDATE SET last = last + 1 RETURNING last",
                (stream,),
            ).fetchall()
            connection.execute("INSERT INTO log VALUES (?, ?, ?)", (stream, number, value))
            return int(number)

    async def read(self, stream: str, after: int = 0, *, limit: int = 1000) -> list[tuple[int, bytes]]:
        """The first `limit` values with a number above `after`, with their numbers, in order."""
        with self._file.lock, self._reading() as connection:
            return connection.execute(
                "SELECT number, value FROM log WHERE stream = ? AND number > ? ORDER BY number LIMIT ?",
                (stream, after, limit),
            ).fetchall()

    async def trim(self, stream: str, through: int) -> int:
        """Forgets the values of a log up to this number; how many there were."""
        with self._file.lock, self._reading() as connection, self._file.writing(connection):
            return connection.execute("DELETE FROM log WHERE stream = ? AND number <= ?", (stream, through)).rowcount

    async def stats(self) -> StoreStats:
        """What it holds."""
        with self._file.lock, self._reading() as connection:
            return StoreStats(*connection.execute("SELECT entries, bytes, evictions FROM totals").fetchone())

    async def aclose(self) -> None:
        """Closes the file; closing twice is the same as once."""
        with self._file.lock:
            if self._file.closed:
                return
            with suppress(sqlite3.Error, InferailError), self._reading() as connection, self._file.writing(connection):
                self._note_uses(connection)
            self._file.close()

    @contextmanager
    def _reading(self) -> Generator[sqlite3.Connection]:
        """The connection, with its errors told as ours."""
        if self._file.forked:
            self._touched.clear()  # the parent writes them
        with self._file.reading() as connection:
            yield connection

    def _note_uses(self, connection: sqlite3.Connection) -> None:
        """Writes the uses since the last time: a hit alone is never a write."""
        if not self._touched:
            return
        touched, self._touched = self._touched, {}
        if self._by_gain:
            floor = self._floor(connection)
            connection.executemany(
                "UPDATE entries SET uses = uses + ?, priority = ? + (uses + ?) * gain WHERE namespace = ? AND key = ?",
                [(uses, floor, uses, *name) for name, (uses, _) in touched.items()],
            )
        else:
            connection.executemany(
                "UPDATE entries SET priority = ? WHERE namespace = ? AND key = ?",
                [(last, *name) for name, (_, last) in touched.items()],
            )

    def _make_room(self, connection: sqlite3.Connection, size: int) -> None:
        entries, held = connection.execute("SELECT entries, bytes FROM totals").fetchone()
        while (self._max_entries is not None and entries >= self._max_entries) or (
            self._max_bytes is not None and held + size > self._max_bytes
        ):
            victim = connection.execute(
                "SELECT id, size, priority FROM entries ORDER BY priority, id LIMIT 1"
            ).fetchone()
            if victim is None:
                return
            connection.execute("DELETE FROM entries WHERE id = ?", victim[:1])
            connection.execute("UPDATE totals SET evictions = evictions + 1, floor = max(floor, ?)", victim[2:])
            entries, held = entries - 1, held - victim[1]
            self.evictions += 1

    @staticmethod
    def _floor(connection: sqlite3.Connection) -> float:
        return float(connection.execute("SELECT floor FROM totals").fetchone()[0])

    def _delete(self, where: str, *values: str) -> int:
        with self._file.lock, self._reading() as connection, self._file.writing(connection):
            gone = connection.execute(f"DELETE FROM entries WHERE {where} RETURNING expires", values).fetchall()  # noqa: S608 - our own words
            now = self._now()
            return sum(expires is None or expires > now for (expires,) in gone)
