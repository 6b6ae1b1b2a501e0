import errno
import json
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from inferail.errors import ConfigError, FormatError
from inferail.telemetry.records import Record
from inferail.telemetry.sinks import JsonlSink, MemorySink, Tee

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def make(number=0, model="m", **changes):
    return Record(started_at=MOMENT, provider="openai", model=model, id=str(number), **changes)


def record_in_threads(sink, records_each, model="m"):
    def work(number):
        for _ in range(records_each):
            sink.record(make(number, model=model))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_memory_sink_keeps_the_newest_and_counts_the_others_when_full():
    sink = MemorySink(capacity=3)

    for number in range(5):
        sink.record(make(number))

    assert [record.id for record in sink.records] == ["2", "3", "4"]
    assert sink.dropped == 2


def test_memory_sink_gives_a_copy():
    sink = MemorySink()
    sink.record(make())

    sink.records.clear()

    assert len(sink.records) == 1


def test_memory_sink_loses_nothing_when_threads_share_it():
    sink = MemorySink(capacity=100)

    record_in_threads(sink, 200)

    assert len(sink.records) + sink.dropped == 800


def test_memory_sink_refuses_an_empty_capacity():
    with pytest.raises(ConfigError):
        MemorySink(capacity=0)


def test_jsonl_sink_reads_back_what_it_wrote(tmp_path):
    path = tmp_path / "records.jsonl"
    records = [make(1, labels={"line": "a\nb\u2028\ud800é"}), make(2, error="StreamError")]

    with JsonlSink(path) as sink:
        for record in records:
            sink.record(record)

    assert list(JsonlSink.read(path)) == records
    assert path.read_bytes().count(b"\n") == 2


def test_jsonl_sink_appends_to_a_file_that_is_there(tmp_path):
    path = tmp_path / "records.jsonl"

    for number in range(2):
        with JsonlSink(path) as sink:
            sink.record(make(number))

    assert [record.id for record in JsonlSink.read(path)] == ["0", "1"]


def test_jsonl_sink_has_the_line_on_file_when_record_returns(tmp_path):
    sink = JsonlSink(tmp_path / "records.jsonl")

    sink.record(make(7))

    assert [record.id for record in JsonlSink.read(sink.path)] == ["7"]
    sink.close()


def test_jsonl_sink_makes_a_file_only_its_owner_can_read(tmp_path):
    with JsonlSink(tmp_path / "records.jsonl") as sink:
        mode = sink.path.stat().st_mode

    assert sys.platform == "win32" or mode & 0o077 == 0


def test_jsonl_sink_keeps_lines_whole_when_threads_share_it(tmp_path):
    with JsonlSink(tmp_path / "records.jsonl") as sink:
        record_in_threads(sink, 50, model="m" * 5000)

    assert len(list(JsonlSink.read(sink.path))) == 200


def test_jsonl_sink_keeps_lines_whole_when_processes_share_it(tmp_path):
    path = tmp_path / "records.jsonl"
    program = (
        "import sys; from datetime import UTC, datetime; from inferail.telemetry import JsonlSink, Record\n"
        "sink = JsonlSink(sys.argv[1])\n"
        "for number in range(200):\n"
        "    sink.record(Record(started_at=datetime.now(UTC), provider='p', model='m' * 3000, attempt=number))\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", program, str(path)]) for _ in range(2)]

    assert [process.wait(timeout=30) for process in processes] == [0, 0]
    assert len(list(JsonlSink.read(path))) == 400


def test_jsonl_sink_counts_and_warns_once_when_the_disk_fails(tmp_path, caplog):
    """Serves R189."""
    sink = JsonlSink(tmp_path / "records.jsonl")
    sink.close()
    sink._descriptor = os.open(sink.path, os.O_RDONLY)  # every write fails from here on

    for _ in range(3):
        sink.record(make(labels={"note": "CANARY"}))

    assert sink.failed == 3
    assert [record.message for record in caplog.records] == [
        "a record could not be written (CutOffError); this is said once, failures are counted"
    ]
    assert "CANARY" not in caplog.text
    sink.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_jsonl_sink_does_not_raise_when_the_disk_is_full(caplog):
    with JsonlSink("/dev/full") as sink:
        sink.record(make())

    assert sink.failed == 1
    assert len(caplog.records) == 1


def test_jsonl_sink_starts_a_new_line_when_the_last_one_was_cut_off(tmp_path, monkeypatch):
    sink = JsonlSink(tmp_path / "records.jsonl")
    write, turns = os.write, iter([20])

    def full(descriptor, data):
        if (most := next(turns, 0)) == 0:
            raise OSError(errno.ENOSPC, "full")
        return write(descriptor, data[:most])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        sink.record(make(1))
    sink.record(make(2))
    sink.close()

    records = JsonlSink.read(sink.path, on_broken="skip")

    assert [record.id for record in records] == ["2"]
    assert (records.skipped, sink.failed) == (1, 1)


def test_jsonl_sink_counts_a_record_that_is_not_json(tmp_path):
    with JsonlSink(tmp_path / "records.jsonl") as sink:
        sink.record(make(labels={"what": object()}))
        sink.record(make(retry_after=float("inf")))

    assert sink.failed == 2
    assert sink.path.read_bytes() == b""


def test_jsonl_sink_counts_records_that_come_after_close(tmp_path):
    sink = JsonlSink(tmp_path / "records.jsonl")
    sink.close()
    sink.close()

    sink.record(make())

    assert sink.failed == 1


def test_jsonl_sink_says_so_when_the_file_cannot_be_opened(tmp_path):
    with pytest.raises(ConfigError, match="FileNotFoundError"):
        JsonlSink(tmp_path / "missing" / "records.jsonl")


BROKEN = [
    pytest.param(b'{"id": "CANA', "it is not JSON", id="cut-off"),
    pytest.param(b"\xff\xfe", "it is not JSON", id="not-utf8"),
    pytest.param(b"[" * 100_000, "it is not JSON", id="deep"),
    pytest.param(b"[1]", "it is not a JSON object", id="list"),
    pytest.param(b'{"id": "CANARY"}', "started_at is missing|host is missing", id="no-record"),
]


@pytest.mark.parametrize(("line", "message"), BROKEN)
def test_jsonl_read_names_the_offset_when_a_line_is_broken(tmp_path, line, message):
    path = tmp_path / "records.jsonl"
    good = json.dumps(make(1).as_dict()).encode() + b"\n"
    path.write_bytes(good + line + b"\n" + good)

    reader = iter(JsonlSink.read(path))

    assert next(reader).id == "1"
    with pytest.raises(FormatError, match=message) as caught:
        next(reader)
    assert (caught.value.offset, caught.value.path) == (len(good), str(path))
    assert "CANA" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(("line", "message"), BROKEN)
def test_jsonl_read_skips_and_counts_broken_lines_when_asked(tmp_path, line, message):
    path = tmp_path / "records.jsonl"
    good = json.dumps(make(1).as_dict()).encode() + b"\n"
    path.write_bytes(good + line + b"\n\n" + good)
    reader = JsonlSink.read(path, on_broken="skip")

    assert len(list(reader)) == 2
    assert len(list(reader)) == 2
    assert reader.skipped == 1


def test_jsonl_read_refuses_another_way_with_broken_lines(tmp_path):
    way: Any = "ignore"

    with pytest.raises(ConfigError):
        JsonlSink.read(tmp_path, on_broken=way)


def test_tee_gives_a_record_to_every_sink_when_one_raises(caplog):
    class Raises:
        def record(self, record):
            message = "CANARY"
            raise RuntimeError(message)

    first, last = MemorySink(), MemorySink()
    tee = Tee(first, Raises(), last)

    for number in range(2):
        tee.record(make(number))

    assert len(first.records) == len(last.records) == 2
    assert tee.failed == 2
    assert len(caplog.records) == 1
    assert "CANARY" not in caplog.text
