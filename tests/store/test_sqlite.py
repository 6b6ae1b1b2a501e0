"""The SQLite file: nothing acknowledged is lost, nothing foreign is touched, nothing damaged is believed."""

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import threading

import pytest
from tests.store.driving import drive

import inferail as ir
from inferail.store import SQLiteStore

WRITER = """
import sys
from inferail.store import SQLiteStore
from tests.store.driving import drive
store = SQLiteStore(sys.argv[1])
number = 0
while True:
    drive(store.put("cache", str(number), b"%d " % number * 200, ttl=1e6, tags=["all"]))
    drive(store.append("log", b"%d" % number))
    print(number, flush=True)
    number += 1
"""


@pytest.mark.parametrize("acknowledged", [1, 37, 400])
def test_sqlite_loses_nothing_acknowledged_when_its_process_is_killed(tmp_path, acknowledged):
    """Serves R102."""
    path = tmp_path / "store.db"
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        last = -1
        while last + 1 < acknowledged:
            last = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        last = max([last, *(int(line) for line in writer.stdout if line.endswith("\n"))])

    store = SQLiteStore(path)

    for number in range(last + 1):
        assert drive(store.get("cache", str(number))).value == b"%d " % number * 200
    assert [value for _, value in drive(store.read("log", limit=10**6))][: last + 1] == [
        b"%d" % number for number in range(last + 1)
    ]
    assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert drive(store.delete_tagged("cache", "all")) >= last + 1


def test_sqlite_in_memory_makes_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    store = SQLiteStore(":memory:")

    assert drive(store.put("n", "key", b"value"))
    assert not list(tmp_path.iterdir())
    drive(store.aclose())


def test_sqlite_refuses_a_file_that_is_none(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_bytes(b"These are notes, and no database at all. " * 100)

    with pytest.raises(ir.FormatError, match="damaged, or no SQLite file") as caught:
        SQLiteStore(path)

    assert caught.value.path == str(path)
    assert path.read_bytes().startswith(b"These are notes")


def test_sqlite_refuses_a_file_that_was_damaged(tmp_path):
    path = tmp_path / "store.db"
    store = SQLiteStore(path)
    for number in range(200):
        drive(store.put("cache", str(number), b"v" * 1000))
    drive(store.aclose())
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)

    with pytest.raises(ir.FormatError) as caught:
        damaged = SQLiteStore(path)
        for number in range(200):
            drive(damaged.get("cache", str(number)))

    assert caught.value.path == str(path)


def test_sqlite_refuses_the_database_of_another_program(tmp_path):
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as shop:
        shop.execute("CREATE TABLE orders (id INTEGER)")
    shop.close()

    with pytest.raises(ir.FormatError, match="another program") as caught:
        SQLiteStore(path)

    assert caught.value.path == str(path)


def test_sqlite_refuses_a_store_of_another_version(tmp_path):
    path = tmp_path / "store.db"
    drive(SQLiteStore(path).aclose())
    with sqlite3.connect(path) as file:
        file.execute("PRAGMA user_version = 99")
    file.close()

    with pytest.raises(ir.FormatError, match="version 99"):
        SQLiteStore(path)


def test_sqlite_says_what_to_do_when_the_folder_is_missing(tmp_path):
    with pytest.raises(ir.ConfigError, match="check the folder"):
        SQLiteStore(tmp_path / "missing" / "store.db")


def test_sqlite_says_that_it_is_closed(tmp_path):
    store = SQLiteStore(tmp_path / "store.db")
    drive(store.aclose())
    drive(store.aclose())

    with pytest.raises(ir.ConfigError, match="closed"):
        drive(store.get("cache", "a"))


def test_sqlite_gives_up_on_a_file_that_stays_locked(tmp_path):
    path = tmp_path / "store.db"
    store = SQLiteStore(path, busy=0.01)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(ir.CapacityError, match="locked by another process"):
        drive(store.put("cache", "a", b"v"))

    other.execute("ROLLBACK")
    other.close()
    assert drive(store.put("cache", "a", b"v"))


def test_sqlite_is_shared_between_stores_and_keeps_the_order_of_use(tmp_path):
    first = SQLiteStore(tmp_path / "store.db", max_entries=2)
    second = SQLiteStore(tmp_path / "store.db", max_entries=2)
    drive(first.put("cache", "a", b"1"))
    drive(second.put("cache", "b", b"2"))

    drive(first.get("cache", "a"))
    drive(first.put("cache", "c", b"3"))

    assert [key for key in "abc" if drive(second.get("cache", key)) is not None] == ["a", "c"]
    assert (drive(second.stats()).evictions, first.evictions, second.evictions) == (1, 1, 0)


def test_sqlite_notes_uses_when_it_is_closed_or_many_have_come(tmp_path, monkeypatch):
    monkeypatch.setattr("inferail.store.sqlite._TOUCHES", 2)
    path = tmp_path / "store.db"
    store = SQLiteStore(path, max_entries=3)
    for key in ("a", "b", "c"):
        drive(store.put("cache", key, b"v"))
    for key in ("a", "b"):
        drive(store.get("cache", key))
    drive(store.aclose())

    again = SQLiteStore(path, max_entries=3)
    drive(again.put("cache", "d", b"v"))

    assert drive(again.get("cache", "c")) is None


def test_sqlite_writes_from_many_threads_at_once(tmp_path):
    store = SQLiteStore(tmp_path / "store.db")
    numbers: list[int] = []

    def work(thread: int) -> None:
        for number in range(25):
            drive(store.put("cache", f"{thread}-{number}", b"v"))
            numbers.append(drive(store.append("log", b"v")))

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(numbers) == list(range(1, 101))
    assert drive(store.stats()).entries == 100


def test_sqlite_opens_the_file_again_behind_a_fork(tmp_path):
    store = SQLiteStore(tmp_path / "store.db")
    drive(store.put("cache", "a", b"parent"))
    read, write = os.pipe()
    context = multiprocessing.get_context("fork")

    def child() -> None:
        os.write(write, drive(store.get("cache", "a")).value)
        drive(store.put("cache", "a", b"child"))

    process = context.Process(target=child)
    process.start()
    process.join()

    assert process.exitcode == 0
    assert os.read(read, 100) == b"parent"
    assert drive(store.get("cache", "a")).value == b"child"
    os.close(read)
    os.close(write)


@pytest.mark.slow
def test_sqlite_file_stays_level_over_a_hundred_thousand_entries_that_expire(tmp_path):
    """Serves R108."""
    path, now = tmp_path / "store.db", [0.0]
    store = SQLiteStore(path, now=lambda: now[0])

    def puts(first: int, many: int) -> int:
        for number in range(first, first + many):
            now[0] += 1 / 128
            drive(store.put("cache", str(number), b"v" * 500, ttl=1000 / 128))
        return path.stat().st_size

    before, after = puts(0, 5000), puts(5000, 100_000)

    assert drive(store.stats()).entries == 1000
    assert after < before * 1.1
