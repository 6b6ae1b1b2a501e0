"""Identical requests of several processes share one call, over Redis and over a SQLite file; who dies is followed."""

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.store.servers import redis_server

WORKER = Path(__file__).with_name("worker.py")


class Worker:
    """One of the processes."""

    def __init__(self, store: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, WORKER, store], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.said() == "ready"

    def tell(self, line: str) -> None:
        """Writes a line to it."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def said(self) -> str:
        """The next line of it."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def ask(self, question: str) -> None:
        """Makes it ask; it is looking by then."""
        self.tell(question)
        assert self.said() == "looking"


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory) -> Iterator[str]:
    pytest.importorskip("redis")
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(params=["redis", "sqlite"])
def store(request, tmp_path) -> Iterator[tuple[str, Callable[[], None]]]:
    """The address of a store, and how to make every lease in it run out."""
    if request.param == "sqlite":
        path = str(tmp_path / "cache.db")

        def expire() -> None:
            with sqlite3.connect(path) as connection:
                connection.execute("UPDATE leases SET expires = 0")
            connection.close()

        yield path, expire
        return
    import redis

    url = request.getfixturevalue("redis_url")
    with redis.Redis.from_url(url) as client:
        client.flushdb()

        def expire() -> None:
            for name in client.keys("inferail:lease:*"):
                client.pexpire(name, 0)

        yield url, expire


@pytest.fixture
def start(store) -> Iterator[Callable[[], Worker]]:
    """Starts a worker; all are ended in the end."""
    workers: list[Worker] = []

    def begin() -> Worker:
        workers.append(Worker(store[0]))
        return workers[-1]

    yield begin
    for worker in workers:
        worker.process.kill()
        worker.process.communicate()


@pytest.mark.slow
def test_two_processes_that_ask_the_same_share_one_call(start):
    """Serves R106."""
    first, second = start(), start()
    first.ask("How many days of leave?")
    assert first.said() == "asked"
    second.ask("How many days of leave?")

    first.tell("answer")

    text = f"from {first.process.pid}"
    assert first.said() == f"answered {text} None"
    assert second.said() == f"answered {text} exact"
    second.tell("How many days of leave?")
    assert [second.said(), second.said()] == ["looking", f"answered {text} exact"]


@pytest.mark.slow
def test_another_process_asks_when_the_leading_one_is_killed(start, store):
    """Serves R106."""
    first, second = start(), start()
    first.ask("Who goes first?")
    assert first.said() == "asked"
    second.ask("Who goes first?")

    first.process.send_signal(signal.SIGKILL)
    first.process.wait()
    store[1]()

    assert second.said() == "asked"
    second.tell("answer")
    assert second.said() == f"answered from {second.process.pid} None"


@pytest.mark.slow
def test_another_process_asks_at_once_when_the_leading_one_fails(start):
    first, second = start(), start()
    first.ask("Who fails?")
    assert first.said() == "asked"
    second.ask("Who fails?")

    first.tell("fail")

    assert second.said() == "asked"
    second.tell("answer")
    assert second.said() == f"answered from {second.process.pid} None"


@pytest.mark.slow
def test_processes_that_ask_different_things_do_not_wait_for_each_other(start):
    first, second = start(), start()
    first.ask("One?")
    second.ask("Two?")

    assert (first.said(), second.said()) == ("asked", "asked")
