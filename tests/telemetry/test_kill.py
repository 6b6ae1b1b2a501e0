"""Writers that are killed at any moment: what `flush` has acknowledged is there once."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from inferail.telemetry.sinks import JsonlSink
from inferail.telemetry.sqlite import SQLiteSink

# One process imports once and forks the writers, four at a time; each is killed after some milliseconds. A writer tells
# through a pipe how far `flush` has acknowledged. It prints the seed's acknowledgements: `writer acknowledged`.
WRITERS = """
import os, random, select, signal, sys, time
from datetime import UTC, datetime
from inferail.telemetry.ledger import Ledger
from inferail.telemetry.records import Record

path, kills, draw = sys.argv[1], int(sys.argv[2]), random.Random(int(sys.argv[3]))

def write(name, pipe, seed):
    draw = random.Random(seed)
    ledger, number = Ledger.open(path), 0
    while True:
        for _ in range(draw.randint(1, 300)):
            ledger.record(Record(started_at=datetime.now(UTC), provider='p', model='m', id=f'{name}-{number}',
                                 host='h' * draw.randint(0, 300)))
            number += 1
        if ledger.flush(30):
            os.write(pipe, f'{number}\\n'.encode())

running, started, killed = {}, 0, 0
while killed < kills:
    while len(running) < 4 and started < kills:
        reads, writes = os.pipe()
        process = os.fork()
        if process == 0:
            try:
                write(started, writes, started)
            finally:
                os._exit(3)
        os.close(writes)
        running[process] = (started, reads)
        started += 1
    time.sleep(draw.uniform(0.0, 0.06))
    process = draw.choice(list(running))
    name, reads = running.pop(process)
    os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL, status
    told = b''
    while piece := os.read(reads, 65536):
        told += piece
    os.close(reads)
    whole = told.rpartition(b'\\n')[0].split(b'\\n')[-1]
    print(name, int(whole or 0))
    killed += 1
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.db", "a.jsonl"])
def test_every_acknowledged_record_is_there_once_when_writers_are_killed(tmp_path, name):
    path, kills = tmp_path / name, 100
    done = subprocess.run(
        [sys.executable, "-c", WRITERS, str(path), str(kills), "7"],
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    acknowledged = {int(writer): int(count) for writer, count in (line.split() for line in done.stdout.splitlines())}

    records = SQLiteSink.read(path) if name == "a.db" else JsonlSink.read(path, on_broken="skip")
    found = Counter(record.id for record in records)

    assert len(acknowledged) == kills
    assert sum(acknowledged.values()) > 1000  # most of them came to write something
    missing = [
        f"{writer}-{number}"
        for writer, count in acknowledged.items()
        for number in range(count)
        if found[f"{writer}-{number}"] != 1
    ]
    assert not missing
    assert max(found.values()) == 1
