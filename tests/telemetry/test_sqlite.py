"""Records in SQLite: what goes in comes out, can be asked in SQL, and bad files are named."""

import json
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.telemetry.test_records import FULL, MOMENT

from inferail.errors import CapacityError, ConfigError, FormatError
from inferail.store.sqlite import SQLiteStore
from inferail.telemetry.facts import FACTS
from inferail.telemetry.records import FIELDS, Record, new_id
from inferail.telemetry.sqlite import SQLiteSink
from inferail.types.usage import Usage


def make(**fields):
    return Record(**{"started_at": MOMENT, "provider": "openai", "model": "gpt-5-mini", **fields})


def test_records_come_back_as_they_were(tmp_path):
    """Serves R168, R170."""
    plain = make(usage=Usage(3, 4), started_at=MOMENT + timedelta(seconds=1))
    with SQLiteSink(tmp_path / "ledger.db") as sink:
        sink.record_many([plain, FULL])
        sink.record(FULL)  # twice is once

        assert sink.records == [FULL, plain]
        assert sink.failed == 0


def test_columns_are_the_names_of_a_record(tmp_path):
    """Serves R169."""
    SQLiteSink(tmp_path / "ledger.db").close()

    columns = [row[1] for row in sqlite3.connect(tmp_path / "ledger.db").execute("PRAGMA table_info(records)")]

    assert set(columns) == {*FIELDS, "facts", "task"}
    assert columns[:3] == ["id", "facts", "started_at"]
    assert list(FULL.as_dict()) == list(FIELDS)
    assert sum(int(kind[2]) for _, kind in FACTS) == 104


def test_ledger_is_asked_in_sql(tmp_path):
    """Serves R169, R170."""
    with SQLiteSink(tmp_path / "ledger.db") as sink:
        for task, model, cost, error in (
            ("faq", "a", 0.25, None), ("faq", "a", 0.5, "StreamError"), ("faq", "b", 0.125, None), ("code", "b", 1.0, None),
        ):  # fmt: skip
            usage = Usage(10, 5, cost_usd=cost)
            sink.record(
                make(model=model, labels={"task": task, "team": "x"}, usage=usage, error=error, finish_reason="stop")
            )
        other = sqlite3.connect(tmp_path / "ledger.db")

        rows = other.execute(
            "SELECT task, model, sum(cost_usd), sum(error IS NULL), sum(input_tokens + output_tokens)"
            " FROM records GROUP BY task, model ORDER BY task, model"
        ).fetchall()
        teams = other.execute("SELECT count(*) FROM records WHERE json_extract(labels, '$.team') = 'x'").fetchone()
        reasons = other.execute("SELECT DISTINCT finish_reason FROM records").fetchall()

    assert rows == [("code", "b", 1.0, 1, 15), ("faq", "a", 0.75, 1, 30), ("faq", "b", 0.125, 1, 15)]
    assert (teams, reasons) == ((4,), [("stop",)])


@pytest.mark.slow
def test_part_of_a_ledger_is_read_by_time(tmp_path):
    records = [make(started_at=MOMENT + timedelta(seconds=second), id=new_id()) for second in range(2500)]
    with SQLiteSink(tmp_path / "ledger.db") as sink:
        sink.record_many(list(reversed(records)))

        since, until = MOMENT + timedelta(seconds=7), MOMENT + timedelta(seconds=2100)
        assert list(SQLiteSink.read(sink.path, since=since, until=until)) == records[7:2100]
        assert list(SQLiteSink.read(sink.path)) == records
        with pytest.raises(ConfigError, match="time zone"):
            SQLiteSink.read(sink.path, since=datetime(2026, 1, 1))  # noqa: DTZ001


def test_new_ledger_is_its_owners(tmp_path):
    SQLiteSink(tmp_path / "ledger.db").close()

    assert stat.S_IMODE((tmp_path / "ledger.db").stat().st_mode) == 0o600


def test_labels_of_any_text_are_kept(tmp_path):
    labels = {"task": "naïve “quotes” \U0001f600", "lone": "\ud800", "": ""}
    with SQLiteSink(tmp_path / "ledger.db") as sink:
        sink.record(make(labels={**labels, "task": "t"}))
        assert sink.records[0].labels == {**labels, "task": "t"}
        sink.record(make(labels={"task": "half \ud800"}, model_version="\udfff"))
        assert sink.failed == 0
        task = sqlite3.connect(sink.path).execute("SELECT task FROM records WHERE model_version = '?'").fetchone()
        assert task == ("half ?",)  # SQLite has no word for half a character; the labels have it
        assert sink.records[-1].labels == {"task": "half \ud800"}


@pytest.mark.parametrize("content", [b"no database " * 100, b""])
def test_file_of_something_else_is_refused_and_left_alone(tmp_path, content):
    path = tmp_path / "other.db"
    path.write_bytes(content)
    if content:
        with pytest.raises(FormatError, match=r"other\.db is damaged, or no SQLite file"):
            SQLiteSink(path)
        assert path.read_bytes() == content
    else:
        SQLiteSink(path).close()


def test_store_is_no_ledger_and_a_newer_ledger_is_not_touched(tmp_path):
    SQLiteStore(tmp_path / "store.db")
    with pytest.raises(FormatError, match="of another program"):
        SQLiteSink(tmp_path / "store.db")

    SQLiteSink(tmp_path / "ledger.db").close()
    newer = sqlite3.connect(tmp_path / "ledger.db")
    newer.execute("PRAGMA user_version = 2")
    newer.close()
    with pytest.raises(FormatError, match="ledger of version 2"):
        SQLiteSink(tmp_path / "ledger.db")


def test_damaged_row_is_named_when_it_is_read(tmp_path):
    with SQLiteSink(tmp_path / "ledger.db") as sink:
        sink.record(make())
        other = sqlite3.connect(sink.path)
        other.execute("UPDATE records SET labels = '{', input_tokens = 'many'")
        other.commit()

        with pytest.raises(FormatError, match=r"ledger\.db has a row that is no record"):
            list(SQLiteSink.read(sink.path))


def test_ledger_that_is_not_there_is_not_made_by_reading(tmp_path):
    with pytest.raises(ConfigError, match="there is no ledger"):
        SQLiteSink.read(tmp_path / "none.db")
    assert not list(tmp_path.iterdir())
    with pytest.raises(ConfigError):
        SQLiteSink(tmp_path / "no" / "folder.db")


def test_call_goes_on_when_another_process_keeps_the_file_locked(tmp_path, caplog):
    with SQLiteSink(tmp_path / "ledger.db", busy=0.01) as sink:
        other = sqlite3.connect(sink.path, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        sink.record(make())
        sink.record(make())
        with pytest.raises(CapacityError, match="locked by another process"):
            sink.record_many([make()])
        other.execute("ROLLBACK")
        sink.record(make())

        assert (sink.failed, len(sink.records)) == (2, 1)
    assert [record.getMessage() for record in caplog.records] == [
        "a record could not be written (CapacityError); this is said once, failures are counted"
    ]


def test_batch_is_written_whole_or_not_at_all(tmp_path):
    with SQLiteSink(tmp_path / "ledger.db") as sink:
        wrong = replace(make(), labels={"what": object()})
        with pytest.raises(TypeError):
            sink.record_many([make(), wrong])

        assert sink.records == []


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs resource limits")
def test_full_disk_costs_records_but_no_call_and_no_file(tmp_path):
    program = f"""
import resource, signal
from datetime import datetime, UTC
from inferail.telemetry.records import Record
from inferail.telemetry.sqlite import SQLiteSink
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
sink = SQLiteSink({str(tmp_path / "ledger.db")!r})
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
for _ in range(2000):
    sink.record(Record(started_at=datetime.now(UTC), provider="p", model="m", labels={{"x": "y" * 500}}))
print(sink.failed)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)

    failed = int(done.stdout)
    assert 0 < failed < 2000
    assert done.stderr.count("could not be written") == 1
    assert len(list(SQLiteSink.read(tmp_path / "ledger.db"))) == 2000 - failed


def test_sink_serves_many_threads_and_a_fork(tmp_path):
    with SQLiteSink(tmp_path / "ledger.db") as sink:

        def some() -> None:
            for _ in range(50):
                sink.record(make(id=new_id()))

        threads = [threading.Thread(target=some) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        child = os.fork()
        if child == 0:
            sink.record(make(id=new_id(), provider="child"))
            os._exit(sink.failed)
        assert os.waitpid(child, 0)[1] == 0
        sink.record(make(id=new_id()))

        assert len(sink.records) == 202
        assert [record.provider for record in sink.records].count("child") == 1


def test_closed_sink_counts_what_comes_later(tmp_path):
    sink = SQLiteSink(tmp_path / "ledger.db")
    sink.close()
    sink.close()
    sink.record(make())

    assert sink.failed == 1
    with pytest.raises(ConfigError, match="closed"):
        sink.record_many([make()])


def test_row_says_the_same_as_a_line(tmp_path):
    with SQLiteSink(tmp_path / "ledger.db") as sink:
        sink.record(FULL)
        other = sqlite3.connect(sink.path)
        other.row_factory = sqlite3.Row
        row = dict(other.execute("SELECT * FROM records").fetchone())

    line = FULL.as_dict()
    assert row.pop("task") == "triage"
    assert len(row.pop("facts")) == 104
    assert json.loads(row.pop("labels")) == line.pop("labels")
    assert datetime.fromtimestamp(row.pop("started_at"), UTC).isoformat() == line.pop("started_at")
    assert row == line
