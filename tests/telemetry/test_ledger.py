"""The ledger: quick for calls, complete for its sinks, and never the reason why a call fails."""

import asyncio
import gc
import os
import subprocess
import sys
import threading
from datetime import timedelta
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from tests.providers.bodies import UNARY
from tests.telemetry.test_records import MOMENT

import inferail as ir
from inferail.core import RecordRing
from inferail.errors import CapacityError, ConfigError
from inferail.telemetry.ledger import Ledger
from inferail.telemetry.records import Note, Record, new_id
from inferail.telemetry.sinks import JsonlSink, MemorySink
from inferail.telemetry.sqlite import SQLiteSink
from inferail.testing import ScriptedReply, ScriptedTransport
from inferail.transport.protocol import Wire
from inferail.types.response import Attempt
from inferail.types.usage import Usage


def make(number: int = 0, **fields: Any) -> Record:
    return Record(started_at=MOMENT + timedelta(seconds=number), provider="openai", model="m", **fields)


class Gate(MemorySink):
    """Takes nothing until it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.opened = threading.Event()

    def record(self, record: Record) -> None:
        self.opened.wait()
        super().record(record)


class Failing(MemorySink):
    """Fails so many times, with this error, before it takes anything."""

    def __init__(self, error: Exception, times: int) -> None:
        super().__init__()
        self.error, self.times, self.asked = error, times, 0

    def record_many(self, records: list[Record]) -> None:
        self.asked += 1
        if self.asked <= self.times:
            raise self.error
        for record in records:
            self.record(record)


@pytest.mark.parametrize("suffix", ["db", "jsonl"])
def test_ledger_writes_to_a_file_what_calls_leave(tmp_path, suffix):
    """Serves R163, R168."""
    path = tmp_path / f"ledger.{suffix}"
    transport = ScriptedTransport([ScriptedReply([UNARY])], blocking=True)
    with Ledger.open(path) as ledger:
        with ir.Client("openai:m-1", api_key="k", transport=transport, recorder=ledger, labels={"task": "t"}) as client:
            client.complete("Hello")
            assert ledger.flush()
        (record,) = SQLiteSink.read(path) if suffix == "db" else JsonlSink.read(path)

    assert (record.provider, record.model, record.error, record.task) == ("openai", "m-1", None, "t")
    assert record.finish_reason == "stop"
    assert record.call_id


def test_everything_that_was_recorded_is_written_in_order_when_it_is_closed():
    sink = MemorySink(100_000)
    ledger = Ledger(sink, capacity=64)
    records = [make(number) for number in range(5_000)]
    for record in records:
        ledger.record(record)
    ledger.close()
    ledger.close()

    assert sink.records == records
    stats = ledger.stats()
    assert (stats.taken, stats.written, stats.waiting, stats.dropped, stats.failed) == (5_000, 5_000, 0, 0, 0)
    ledger.record(make())
    assert ledger.stats().dropped == 1


def test_notes_become_records_on_the_ledgers_thread():
    sink = MemorySink()
    with Ledger(sink) as ledger:
        ledger.note(Note(Attempt("openai", "m", usage=Usage(1, 2)), 1_772_600_767_890_123_456, {"number": 3}))
        assert ledger.flush()

    (record,) = sink.records
    assert (record.started_at, record.attempt, record.usage) == (MOMENT, 3, Usage(1, 2))


def test_many_threads_and_loops_record_through_one_ledger(tmp_path):
    ledger = Ledger.open(tmp_path / "ledger.db", capacity=128)

    def some() -> None:
        for _ in range(200):
            ledger.record(make())

    async def inside() -> None:
        some()

    jobs = [lambda: asyncio.run(inside()), lambda: trio.run(inside), some, some, some, some]
    threads = [threading.Thread(target=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert ledger.flush()
    assert len(ledger.records) == 1200
    ledger.close()


@pytest.mark.parametrize("on_full", ["wait", "drop"])
def test_what_there_is_no_room_for_is_dropped_counted_and_said_once(caplog, on_full):
    gate = Gate()
    ledger = Ledger(gate, capacity=4, on_full=on_full, patience=0.01)
    number = -1
    while ledger.stats().dropped < 3:
        number += 1
        ledger.record(make(number))
    stats = ledger.stats()
    gate.opened.set()

    assert stats.dropped == 3
    assert ledger.flush() is False
    assert ledger.flush() is True  # said once
    ledger.close()
    assert len(gate.records) == number + 1 - 3
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        "a record was dropped, for the ledger's sinks are too slow; this is said once, failures are counted"
    ]


def test_call_waits_for_room_where_the_sinks_are_slower():
    gate = Gate()
    ledger = Ledger(gate, capacity=2, patience=30.0)
    threading.Timer(0.05, gate.opened.set).start()
    for number in range(2_000):
        ledger.record(make(number))
    ledger.close()

    assert ledger.stats().dropped == 0
    assert len(gate.records) == 2_000


@pytest.mark.parametrize("error", [CapacityError("locked"), OSError("full")])
def test_sink_that_fails_for_a_while_is_asked_again(error):
    sink, other = Failing(error, times=2), MemorySink()
    with Ledger(sink, other, patience=30.0) as ledger:
        ledger.record(make())
        assert ledger.flush()

    assert len(sink.records) == len(other.records) == 1
    assert sink.asked == 3


def test_sink_that_goes_on_failing_costs_its_records_only(caplog):
    sink, other = Failing(CapacityError("locked"), times=10**9), MemorySink()
    with Ledger(sink, other, patience=0.0) as ledger:
        ledger.record(make())
        assert ledger.flush() is False
        assert ledger.flush() is True  # nothing was lost since

        assert ledger.stats().failed == 1
    assert len(other.records) == 1
    assert [record.getMessage() for record in caplog.records] == [
        "a sink of the ledger failed (CapacityError); this is said once, failures are counted"
    ]


def test_record_that_cannot_be_written_does_not_take_the_others_with_it(tmp_path):
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        for number in range(10):
            ledger.record(make(number, labels={"what": object()} if number == 4 else {}))
        assert ledger.flush() is False

        assert len(ledger.records) == 9
        assert ledger.stats().failed == 1


def test_note_that_makes_no_record_costs_itself_only():
    sink = MemorySink()
    with Ledger(sink) as ledger:
        ledger.note(Note(Attempt("openai", "m"), 0, {"unheard_of": 1}))
        ledger.record(make())
        assert ledger.flush(10.0) is False

        assert ledger.stats().failed == 1
    assert len(sink.records) == 1


def test_sink_without_record_many_that_raises_is_counted():
    class Broken:
        def record(self, record: Record) -> None:
            raise RuntimeError("no")

    with Ledger(Broken()) as ledger:
        ledger.record(make())
        assert ledger.flush() is False
        assert ledger.records == []
        assert ledger.stats().failed == 1


def test_failed_requests_are_kept_and_named():
    """Serves R163, R164."""

    class Keeping:
        kept: list[tuple[Record, Wire]] = []  # noqa: RUF012

        def keep(self, record: Record, wire: Wire) -> bool:
            self.kept.append((record, wire))
            return True

    sink, keeper = MemorySink(), Keeping()
    transport = ScriptedTransport([ScriptedReply([b"{}"], status=500)], blocking=True)
    with Ledger(sink, payloads=keeper) as ledger:
        with (
            ir.Client("openai:m-1", api_key="k", retries=0, transport=transport, recorder=ledger) as client,
            pytest.raises(ir.ServerError),
        ):
            client.complete("Hello")
        assert ledger.flush()

    (record,), ((kept, wire),) = sink.records, keeper.kept
    assert record.payload_id == record.id == kept.id
    assert b"Hello" in wire.body


def test_ledger_without_spans_or_payloads_is_not_asked_for_them():
    with Ledger(MemorySink()) as ledger:
        assert not hasattr(ledger, "begin")
        assert not hasattr(ledger, "record_failure")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_child_of_a_fork_writes_its_own_records_and_not_those_of_its_parent(tmp_path):
    """Ten times, each in the middle of what the parent's thread writes: SQLite keeps a transaction's locks over a fork."""
    ledger = Ledger.open(tmp_path / "ledger.db")
    for _ in range(10):
        for number in range(200):
            ledger.record(make(number, reason="parent"))
        child = os.fork()
        if child == 0:
            ledger.record(make(reason="child"))
            os._exit(0 if ledger.flush() and ledger.stats().taken == 1 else 1)
        assert os.waitpid(child, 0)[1] == 0
    assert ledger.flush()

    reasons = [record.reason for record in ledger.records]
    assert (reasons.count("parent"), reasons.count("child")) == (2_000, 10)
    ledger.close()


@pytest.mark.slow
@pytest.mark.parametrize("end", ["", "sys.exit(3)", "raise ValueError", "del ledger; gc.collect()"])
def test_records_that_wait_are_written_when_the_program_ends(tmp_path, end):
    program = f"""
import gc, sys
from datetime import datetime, UTC
from inferail.telemetry.ledger import Ledger
from inferail.telemetry.records import Record
ledger = Ledger.open({str(tmp_path / "ledger.db")!r})
for _ in range(3000):
    ledger.record(Record(started_at=datetime.now(UTC), provider="p", model="m"))
{end}
"""
    subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, check=False)

    assert len(list(SQLiteSink.read(tmp_path / "ledger.db"))) == 3_000


def test_clock_that_steps_back_loses_nothing(tmp_path, monkeypatch):
    import time

    times = iter([2_000_000_000_000_000_000, 1_000_000_000_000_000_000, 1_500_000_000_000_000_000])
    with monkeypatch.context() as patch:
        patch.setattr(time, "time_ns", lambda: next(times))
        ids = [new_id() for _ in range(3)]
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        for number, identity in zip((3, 1, 2), ids, strict=True):
            ledger.record(make(number, id=identity))

        assert [record.id for record in ledger.records] == [ids[1], ids[2], ids[0]]


@pytest.mark.parametrize("kind", ["memory", "jsonl", "db", "ledger"])
def test_stream_that_the_garbage_collector_closes_may_record_while_somebody_records(tmp_path, kind):
    """What is collected inside a sink's own work records in the same thread: no deadlock, nothing lost."""
    sinks: dict[str, Any] = {
        "memory": MemorySink,
        "jsonl": lambda: JsonlSink(tmp_path / "a.jsonl"),
        "db": lambda: SQLiteSink(tmp_path / "a.db"),
        "ledger": lambda: Ledger(MemorySink()),
    }
    sink = sinks[kind]()

    class Forgotten:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            sink.record(make(id=new_id()))

    before, many = gc.get_threshold(), 300
    gc.set_threshold(2)
    try:
        for _ in range(many):
            Forgotten()
            sink.record(make(id=new_id()))
            if kind == "memory":
                sink.records  # noqa: B018 - makes objects
    finally:
        gc.set_threshold(*before)
    gc.collect()
    if kind == "ledger":
        assert sink.flush()

    records = list(JsonlSink.read(sink.path)) if kind == "jsonl" else sink.records
    assert len({record.id for record in records}) == 2 * many
    if kind != "memory":
        sink.close()


def test_wrong_ledgers_are_refused():
    for wrong in ({"capacity": 0}, {"patience": -1}, {"patience": True}, {"on_full": "panic"}):
        with pytest.raises(ConfigError):
            Ledger(MemorySink(), **wrong)
    with pytest.raises(ConfigError, match="needs sinks"):
        Ledger()
    with pytest.raises(ConfigError, match="needs sinks"):
        Ledger(object())  # type: ignore[arg-type]


@given(st.integers(1, 5), st.lists(st.one_of(st.just("push"), st.integers(0, 4)), max_size=40))
def test_ring_is_a_queue_that_refuses_what_it_has_no_room_for(capacity, acts):
    ring, twin, refused = RecordRing(capacity), [], 0
    for number, act in enumerate(acts):
        if act == "push":
            took = ring.push(number)
            assert took is (len(twin) < capacity)
            twin += [number] * took
            refused += not took
        else:
            count = max(1, act)
            assert ring.take(count, timeout=0.0) == twin[:count]
            twin = twin[count:]
        assert (len(ring), ring.refused, ring.capacity) == (len(twin), refused, capacity)


def test_ring_refuses_wrong_numbers():
    for wrong in (float("nan"), -1.0, float("inf")):
        with pytest.raises(ConfigError):
            RecordRing(1).take(1, timeout=wrong)
        with pytest.raises(ConfigError):
            RecordRing(1).push_within(1, wrong)
    with pytest.raises(ConfigError):
        RecordRing(0)
