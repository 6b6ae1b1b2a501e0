"""Records in a SQLite file: what it holds, and what becomes of a file that cannot be written."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from inferail.errors import ConfigError, FormatError
from inferail.store.sqlite import SQLiteStore
from inferail.telemetry.records import Record
from inferail.telemetry.sqlite import COLUMNS, SQLiteSink
from inferail.types.response import Timing
from inferail.types.usage import Usage

MOMENT = datetime(2026, 1, 1, 12, 0, 0, 123457, tzinfo=UTC)


def make(number: object = 0, **changes) -> Record:
    changes = {"started_at": MOMENT, "provider": "openai", "model": "m", "id": str(number), **changes}
    return Record(**changes)


FULL = make(
    "full",
    usage=Usage(9, 8, 1, 2, 3, 4, 5, 0.25, True, 1, "flex"),
    timing=Timing(0.1, 0.2, 0.3, 0.4, 0.5),
    labels={"task": "faq", "note": "ä\n\u2028\ud800"},
    host="h",
    streamed=True,
    reason="retry",
    attempt=2,
    status_code=503,
    error="ServerError",
    error_phase="total",
    retry_after=1.5,
    finish_reason="stop",
    request_id="r",
    call_id="c",
    path="gateway",
    model_version="m-1",
    cache="exact",
    saved_usd=0.5,
    saved_tokens=7,
    trace_id="t",
    span_id="s",
    payload_id="p",
    estimated_usd=0.75,
    price_version="v",
)


def test_table_has_a_column_for_each_name_of_a_record():
    """Serves R168. Serves R170."""
    assert {column.name for column in COLUMNS} == {*FULL.as_dict(), "task"}


def test_sink_reads_back_what_it_wrote_once(tmp_path):
    with SQLiteSink(tmp_path / "a.db") as sink:
        assert sink.record_many([make(1), FULL, make(1)]) == 0
        sink.record(FULL)

    assert sorted(SQLiteSink.read(tmp_path / "a.db"), key=lambda record: record.id) == [make(1), FULL]
    assert (tmp_path / "a.db").stat().st_mode & 0o077 == 0


def test_questions_are_asked_in_sql(tmp_path):
    """Serves R169. Serves R170."""
    with SQLiteSink(tmp_path / "a.db") as sink:
        sink.record_many(
            [
                make(n, usage=Usage(1, 1, cost_usd=0.5), finish_reason="stop", labels={"task": "abc"[n % 3]})
                for n in range(9)
            ]
        )
        with SQLiteSink.read(sink.path).opened() as connection:
            found = connection.execute(
                "SELECT task, finish_reason, sum(cost_usd), json_extract(labels, '$.task') FROM records GROUP BY task"
            ).fetchall()

    assert found == [(task, "stop", 1.5, task) for task in "abc"]


def test_read_gives_a_span_of_time_in_order_while_another_writes(tmp_path):
    with SQLiteSink(tmp_path / "a.db") as sink:
        sink.record_many([make(n, started_at=MOMENT + timedelta(hours=n)) for n in (3, 1, 2, 0)])
        read = SQLiteSink.read(sink.path, since=MOMENT + timedelta(hours=1), until=MOMENT + timedelta(hours=3))
        records = iter(read)
        first = next(records).id
        sink.record(make("later", started_at=MOMENT + timedelta(hours=2)))

        assert [first, *(record.id for record in records)] == ["1", "2"]
        assert len(list(read)) == 3
    with pytest.raises(ConfigError, match="time zone"):
        SQLiteSink.read(tmp_path / "a.db", since=datetime(2026, 1, 1))  # noqa: DTZ001 - what is refused


def test_sink_holds_the_nearest_of_what_sqlite_cannot(tmp_path):
    with SQLiteSink(tmp_path / "a.db") as sink:
        sink.record_many([make(1), make("\ud800", usage=Usage(2**70)), make(3, retry_after=float("nan"))])
        kept = {record.id: record for record in SQLiteSink.read(sink.path)}

    assert sink.failed == 0
    assert kept["?"].usage.input_tokens == 2**63 - 1
    assert kept["3"].retry_after is None


def test_sink_counts_and_says_once_when_the_file_is_full_and_goes_on_afterwards(tmp_path, caplog):
    with SQLiteSink(tmp_path / "a.db") as sink:
        sink._connection.execute("PRAGMA max_page_count = 20")
        for turn in range(3):
            assert sink.record_many([make(f"{turn}-{n}", host="h" * 500) for n in range(500)]) == 500
        sink._connection.execute("PRAGMA max_page_count = 100000")
        assert sink.record_many([make("after")]) == 0

        assert [record.id for record in SQLiteSink.read(sink.path)] == ["after"]
    assert sink.failed == 1500
    assert [line.message for line in caplog.records if "SQLITE_FULL" in line.message] == [
        line.message for line in caplog.records
    ]
    assert len(caplog.records) == 1


LIMITED = """
import resource, sys
from datetime import UTC, datetime
from inferail.telemetry.ledger import Ledger
from inferail.telemetry.records import Record
ledger = Ledger.open(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, resource.RLIM_INFINITY))
for number in range(3000):
    ledger.record(Record(started_at=datetime.now(UTC), provider='p', model='m', host='h' * 100))
assert not ledger.flush(20)
stats = ledger.stats()
assert stats.failed > 0 and stats.recorded == 3000, stats
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
ledger.record(Record(started_at=datetime.now(UTC), provider='p', model='m', id='after'))
ledger.close()
assert ledger.stats().failed == stats.failed
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.db", "a.jsonl"])
def test_calls_go_on_when_the_disk_is_full(tmp_path, name):
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / name)], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
    assert done.stderr.count("\n") == 1
    assert b"after" in (tmp_path / name).read_bytes() + b"".join(
        path.read_bytes() for path in tmp_path.iterdir() if path.suffix != ".jsonl"
    )


def test_sink_counts_when_another_process_holds_the_lock(tmp_path, caplog):
    with SQLiteSink(tmp_path / "a.db", busy=0.01) as sink:
        other = sqlite3.connect(sink.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        assert sink.record_many([make(1)]) == 1
        other.execute("ROLLBACK")
        other.close()
        assert sink.record_many([make(2)]) == 0

    assert "is locked by another process" in caplog.text


def test_sink_refuses_files_that_are_no_ledger(tmp_path):
    (tmp_path / "text").write_text("no database " * 1000)
    other = sqlite3.connect(tmp_path / "other")
    other.execute("CREATE TABLE t (x)")
    other.commit()
    other.close()
    store = SQLiteStore(tmp_path / "store")
    store._connection.close()
    with SQLiteSink(tmp_path / "new") as sink:
        sink._connection.execute("PRAGMA user_version = 9")

    for name, told in (("text", "damaged"), ("other", "another program"), ("store", "another"), ("new", "version 9")):
        with pytest.raises(FormatError, match=told):
            SQLiteSink(tmp_path / name)
        with pytest.raises(FormatError, match=told):
            list(SQLiteSink.read(tmp_path / name))
    with pytest.raises(ConfigError, match="FileNotFoundError"):
        SQLiteSink(tmp_path / "missing" / "a.db")
    with pytest.raises(ConfigError, match="no ledger at"):
        list(SQLiteSink.read(tmp_path / "missing"))
    assert sqlite3.connect(tmp_path / "other").execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_read_names_or_skips_rows_that_are_no_records(tmp_path):
    with SQLiteSink(tmp_path / "a.db") as sink:
        sink.record_many([make(1), make(2), make(3)])
        sink._connection.execute("UPDATE records SET labels = 'CANARY' WHERE id = '2'")

        skipping = SQLiteSink.read(sink.path, on_broken="skip")
        assert [record.id for record in skipping] == ["1", "3"]
        assert skipping.skipped == 1
        with pytest.raises(FormatError, match="row 2 is not a record") as caught:
            list(SQLiteSink.read(sink.path))
    assert "CANARY" not in str(caught.value)


def test_sink_counts_records_that_come_after_close(tmp_path):
    sink = SQLiteSink(tmp_path / "a.db")
    sink.close()
    sink.close()

    sink.record(make())

    assert sink.failed == 1
