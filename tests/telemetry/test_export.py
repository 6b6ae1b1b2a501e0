"""Records of any file, in Parquet."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import pytest

from inferail.errors import ConfigError
from inferail.telemetry.export import read_records, write_parquet
from inferail.telemetry.ledger import Ledger
from inferail.telemetry.records import Record
from inferail.types.usage import Usage

MOMENT = datetime(2026, 1, 1, 12, 0, 0, 123457, tzinfo=UTC)


def make(number: int) -> Record:
    return Record(
        started_at=MOMENT,
        provider="openai",
        model="m",
        id=str(number),
        finish_reason="stop",
        usage=Usage(1, 2, cost_usd=0.5),
        labels={"task": "abc"[number % 3]},
    )


@pytest.mark.parametrize("name", ["a.db", "a.jsonl"])
def test_parquet_has_what_either_ledger_has(needs, tmp_path, name):
    """Serves R169."""
    parquet, compute = needs("pyarrow.parquet"), needs("pyarrow.compute")
    records = [make(number) for number in range(9)]
    with Ledger.open(tmp_path / name) as ledger:
        for record in records:
            ledger.record(record)

    assert list(read_records(tmp_path / name)) == records
    assert write_parquet(read_records(tmp_path / name), tmp_path / "a.parquet") == 9
    table = parquet.read_table(tmp_path / "a.parquet")

    assert set(table.column_names) == {*records[0].as_dict(), "task"}
    assert compute.sum(table.filter(compute.equal(table["task"], "b"))["cost_usd"]).as_py() == 1.5
    back = [
        Record.from_dict({**row, "started_at": row["started_at"].isoformat(), "labels": dict(row["labels"])})
        for row in table.to_pylist()
    ]
    assert back == records
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_parquet_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(ConfigError, match=r"pip install 'inferail\[parquet\]'"):
        write_parquet([], tmp_path / "a.parquet")


def test_reading_says_that_there_is_no_file(tmp_path):
    with pytest.raises(ConfigError, match="no ledger to read"):
        read_records(tmp_path / "a.db")
