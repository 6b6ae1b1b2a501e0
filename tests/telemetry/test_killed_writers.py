"""Processes that are killed while they write a ledger: what was acknowledged is there, once."""

import os
import random
import signal
import sys
import time
from collections import Counter
from datetime import UTC, datetime

import pytest

from inferail.telemetry.ledger import Ledger
from inferail.telemetry.records import Record, new_id
from inferail.telemetry.sinks import JsonlSink
from inferail.telemetry.sqlite import SQLiteSink


def started(path) -> tuple[int, int]:
    """A process that writes until it is killed, and where it says what was acknowledged."""
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return child, reading
    ledger = Ledger.open(path)
    while True:
        ids = [new_id() for _ in range(20)]
        for one in ids:
            ledger.record(Record(id=one, started_at=datetime.now(UTC), provider="p", model="m"))
        if ledger.flush():
            os.write(writing, "".join(f"{one}\n" for one in ids).encode())


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize("suffix", ["db", "jsonl"])
def test_acknowledged_records_are_there_once_however_often_writers_are_killed(tmp_path, suffix):
    """Fifty kills at random moments, of two writers of one file at a time. Serves R169."""
    path, random_ = tmp_path / f"ledger.{suffix}", random.Random(9)
    acknowledged: list[str] = []
    for _ in range(25):
        writers = [started(path) for _ in range(2)]
        acknowledged += [os.read(told, 33).decode().strip() for _, told in writers]  # they are under way
        time.sleep(random_.uniform(0.0, 0.2))
        for child, told in writers:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            with os.fdopen(told) as said:
                acknowledged += [line.strip() for line in said if len(line) == 33]

    records = SQLiteSink.read(path) if suffix == "db" else JsonlSink.read(path, on_broken="skip")
    found = Counter(record.id for record in records)

    assert len(acknowledged) > 1_000
    assert not [one for one in acknowledged if found[one] != 1]
    assert set(found.values()) == {1}
