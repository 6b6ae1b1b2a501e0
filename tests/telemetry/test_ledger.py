"""The ledger: one thread writes what any number of threads, loops and processes record."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
import trio

from inferail.errors import ConfigError
from inferail.telemetry.ledger import Ledger
from inferail.telemetry.records import Record
from inferail.telemetry.sinks import JsonlSink, MemorySink
from inferail.telemetry.sqlite import SQLiteSink

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def make(number: object = 0, **changes) -> Record:
    return Record(started_at=MOMENT, provider="openai", model="m", id=str(number), **changes)


class Gated:
    """A sink that waits until it is let."""

    def __init__(self) -> None:
        self.entered, self.let = threading.Event(), threading.Event()
        self.records: list[Record] = []

    def record(self, record: Record) -> None:
        self.entered.set()
        self.let.wait(30)
        self.records.append(record)


@pytest.mark.parametrize("name", ["a.db", "a.jsonl"])
def test_ledger_has_written_everything_once_when_flush_says_so(tmp_path, name):
    """Serves R169."""
    with Ledger.open(tmp_path / name) as ledger:
        for number in range(1000):
            ledger.record(make(number))
        assert ledger.flush()
        kept = list((SQLiteSink if name.endswith("db") else JsonlSink).read(tmp_path / name))

    assert sorted(int(record.id) for record in kept) == list(range(1000))


def test_one_ledger_takes_from_threads_asyncio_and_trio(tmp_path):
    sink = MemorySink()

    async def work(name: str) -> None:
        for number in range(100):
            ledger.record(make(f"{name}-{number}"))

    with Ledger(sink) as ledger:
        threads = [threading.Thread(target=asyncio.run, args=(work(f"asyncio{n}"),)) for n in range(3)]
        threads.append(threading.Thread(target=trio.run, args=(work, "trio")))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert ledger.flush()

    assert len({record.id for record in sink.records}) == len(sink.records) == 400


def test_ledger_waits_no_longer_than_its_patience_then_drops_and_says_so_once(caplog):
    sink = Gated()
    ledger = Ledger(sink, capacity=2, patience=0.05)
    ledger.record(make(0))
    assert sink.entered.wait(5)
    ledger.record(make(1))
    ledger.record(make(2))

    began = time.monotonic()
    for number in range(3, 6):
        ledger.record(make(number))
    waited = time.monotonic() - began
    stats = ledger.stats()
    sink.let.set()
    ledger.close()

    assert stats.dropped == 3
    assert 0.05 <= waited < 2
    assert [record.id for record in sink.records] == ["0", "1", "2"]
    assert len([line for line in caplog.records if "dropped" in line.message]) == 1
    assert not ledger.flush()


def test_ledger_loses_nothing_when_a_slow_sink_is_waited_for():
    class Slow(MemorySink):
        def record_many(self, records) -> int:
            time.sleep(0.002)
            return super().record_many(records)

    sink = Slow()
    with Ledger(sink, capacity=4, patience=30) as ledger:
        for number in range(200):
            ledger.record(make(number))

    assert [record.id for record in sink.records] == [str(number) for number in range(200)]


def test_ledger_goes_on_when_a_sink_raises(caplog):
    class Raises:
        def record(self, record: Record) -> None:
            raise RuntimeError("CANARY")

    sink = MemorySink()
    with Ledger(Raises(), sink) as ledger:
        ledger.record(make(1))
        ledger.record(make(2))
        acknowledged = ledger.flush()

    assert not acknowledged
    assert ledger.stats().failed == 2
    assert len(sink.records) == 2
    assert "CANARY" not in caplog.text
    assert len(caplog.records) == 1


def test_ledger_counts_what_comes_after_close(caplog):
    ledger = Ledger(MemorySink())
    ledger.record(make())
    ledger.close()
    ledger.close()

    ledger.record(make())

    assert ledger.stats().dropped == 1
    assert "closed" in caplog.text


@pytest.mark.parametrize(
    "options", [{"on_full": "never"}, {"capacity": 0}, {"patience": -1}, {"patience": float("nan")}]
)
def test_ledger_refuses_options_that_mean_nothing(options):
    with pytest.raises(ConfigError):
        Ledger(MemorySink(), **options)
    with pytest.raises(ConfigError, match="needs a sink"):
        Ledger()


def test_failed_request_goes_to_its_keeper_on_the_thread_of_the_ledger(caplog):
    """Serves R163."""
    kept: list[tuple[Record, object, str]] = []

    class Keeper:
        def keep(self, record: Record, wire: object) -> None:
            kept.append((record, wire, threading.current_thread().name))
            raise RuntimeError("CANARY")

    sink, wire = MemorySink(), object()
    with Ledger(sink, payloads=Keeper()) as ledger:
        ledger.record_failure(make("f", error="ServerError", payload_id="f"), wire)  # type: ignore[arg-type]

    assert [(record.id, sent, name) for record, sent, name in kept] == [("f", wire, "inferail-ledger")]
    assert [record.id for record in sink.records] == ["f"]
    assert "CANARY" not in caplog.text


def test_records_are_written_when_the_clock_steps_back(tmp_path):
    with Ledger.open(tmp_path / "a.db") as ledger:
        for number in range(3):
            ledger.record(Record(started_at=MOMENT - timedelta(hours=number), provider="p", model="m"))

    kept = list(SQLiteSink.read(tmp_path / "a.db"))
    assert len({record.id for record in kept}) == 3
    assert [record.started_at for record in kept] == [MOMENT - timedelta(hours=number) for number in range(3)]


END = """
import os, sys
from datetime import UTC, datetime
from inferail.telemetry.ledger import Ledger
from inferail.telemetry.records import Record
ledger = Ledger.open(sys.argv[1])
for number in range(500):
    ledger.record(Record(started_at=datetime.now(UTC), provider='p', model='m', id=f'parent-{number}'))
if sys.argv[2] == 'fork':
    if os.fork() == 0:
        for number in range(500):
            ledger.record(Record(started_at=datetime.now(UTC), provider='p', model='m', id=f'child-{number}'))
        assert ledger.flush(20)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.db", "a.jsonl"])
@pytest.mark.parametrize(("how", "count"), [("end", 500), ("fork", 1000)])
def test_everything_is_written_once_at_the_end_of_the_program_and_across_a_fork(tmp_path, name, how, count):
    path = tmp_path / name
    subprocess.run([sys.executable, "-c", END, str(path), how], check=True, timeout=60, env=dict(os.environ))

    ids = [record.id for record in (SQLiteSink if name.endswith("db") else JsonlSink).read(path)]

    assert len(ids) == len(set(ids)) == count
