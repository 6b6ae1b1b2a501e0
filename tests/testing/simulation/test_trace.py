"""Traces: read from ledgers, or made up."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from inferail.errors import ConfigError, FormatError
from inferail.telemetry.records import Record
from inferail.testing.simulation import Trace, Workload
from inferail.types.response import Timing
from inferail.types.usage import Usage

BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)


def record(second, call="", *, model="gpt-4o", error=None, tokens=50, **fields):
    return Record(
        started_at=BEGAN + timedelta(seconds=second),
        provider="openai",
        model=model,
        streamed=True,
        error=error,
        call_id=call,
        usage=Usage(400, 0 if error else tokens, cost_usd=0.001),
        timing=Timing(first_token=None if error else 0.4, total=0.9),
        **fields,
    )


LEDGER = [
    record(3.0, "b", labels={"task": "faq", "route": "small", "deadline": "4"}),
    record(0.0, "a", error="ServerError"),
    record(0.5, "a", model="gpt-5", reason="fallback", tokens=80),
    record(1.0, "a", error="CancelledError", reason="hedge"),
    record(9.0, "c", cache="exact", reason="cache"),
]


def write(path, records, *more):
    lines = [json.dumps(each.as_dict()) for each in records]
    path.write_text("\n".join([*lines[:1], *more, *lines[1:]]) + "\n", encoding="utf-8")
    return path


def database(path, records):
    with closing(sqlite3.connect(path)) as opened, opened:
        names = list(records[0].as_dict())
        opened.execute(f"CREATE TABLE records ({', '.join(names)}, task TEXT)")
        for each in records:
            row = each.as_dict() | {"started_at": each.started_at.timestamp(), "labels": json.dumps(dict(each.labels))}
            opened.execute(
                f"INSERT INTO records VALUES ({', '.join('?' * (len(names) + 1))})", [*row.values(), each.task]
            )
        opened.execute("INSERT INTO records (id, started_at, labels) VALUES ('broken', 'never', '{')")
    return path


def test_attempts_of_a_call_are_one_arrival(tmp_path):
    trace = Trace.read(write(tmp_path / "records.jsonl", LEDGER))

    assert [(each.at, each.input_tokens, each.output_tokens) for each in trace.arrivals] == [(0, 400, 80), (3, 400, 50)]
    assert trace.arrivals[1].labels == {"task": "faq"}
    assert [each.deadline for each in trace.arrivals] == [None, 4.0]
    assert trace.cached == 1


def test_observed_is_what_the_attempts_say():
    trace = Trace.of(LEDGER)

    assert trace.observed["openai:gpt-4o"].errors == {"ServerError": 1}
    assert trace.observed["openai:gpt-4o"].attempts == 2  # the cancelled one says nothing
    assert trace.observed["openai:gpt-5"].first_tokens == [0.4]
    fitted = trace.observed["openai:gpt-4o"].endpoint("openai:gpt-4o")
    assert fitted.errors == {"ServerError": 0.5}
    assert fitted.seconds_per_token.median == pytest.approx(0.5 / 49)


def test_broken_lines_are_skipped_counted_and_said(tmp_path):
    trace = Trace.read(write(tmp_path / "records.jsonl", LEDGER, "{cut off", '{"id": 7}', "", "null", "\x00"))

    assert len(trace.arrivals) == 2
    assert trace.skipped == 4
    assert "4 broken lines were skipped" in trace.notes


def test_ledger_in_sqlite_is_the_same_trace(tmp_path):
    trace = Trace.read(database(tmp_path / "ledger.db", LEDGER))

    assert trace.arrivals == Trace.of(LEDGER).arrivals
    assert trace.observed == Trace.of(LEDGER).observed
    assert trace.skipped == 1


def test_log_from_before_calls_had_names_is_read():
    old = [record(0.0), record(1.0, reason="retry", attempt=2), record(2.0)]

    assert [each.at for each in Trace.of(old).arrivals] == [0.0, 2.0]


def test_whole_answers_are_fitted_as_whole_answers():
    whole = [Record(started_at=BEGAN, provider="a", model="b", timing=Timing(total=2.0), usage=Usage(1, 9))] * 3

    assert Trace.of(whole).observed["a:b"].endpoint("a:b").first_token.median == 2.0


def test_default_deadline_is_for_calls_without_one():
    assert [each.deadline for each in Trace.of(LEDGER, deadline=9.0).arrivals] == [9.0, 4.0]


def test_clock_step_does_not_break_a_trace():
    back = [record(100.0, "a"), record(40.0, "b"), record(101.0, "c")]

    assert [each.at for each in Trace.of(back).arrivals] == [0.0, 60.0, 61.0]


def test_file_without_records_is_a_format_error(tmp_path):
    (tmp_path / "text.jsonl").write_text("hello\nworld\n", encoding="utf-8")

    with pytest.raises(FormatError, match="no Record of a call: 2 lines are none"):
        Trace.read(tmp_path / "text.jsonl")
    with pytest.raises(ConfigError, match="cannot be read"):
        Trace.read(tmp_path / "missing.jsonl")


def test_database_without_records_is_a_format_error(tmp_path):
    with closing(sqlite3.connect(tmp_path / "other.db")) as opened, opened:
        opened.execute("CREATE TABLE something (id)")
    (tmp_path / "cut.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 200)

    with pytest.raises(FormatError, match="is no ledger"):
        Trace.read(tmp_path / "other.db")
    with pytest.raises(FormatError, match="is no ledger"):
        Trace.read(tmp_path / "cut.db")


@pytest.mark.parametrize("arrivals", ["poisson", "bursty", "diurnal"])
def test_generated_calls_come_at_the_rate_that_was_asked_for(arrivals):
    workload = Workload(arrivals, rate=20.0, calls=6_000, period=30.0)
    trace = workload.trace(3)

    assert len(trace.arrivals) / trace.seconds == pytest.approx(20.0, rel=0.25)
    assert trace == workload.trace(3)
    assert trace != workload.trace(4)
    assert [each.at for each in trace.arrivals] == sorted(each.at for each in trace.arrivals)


def test_bursts_and_waves_vary_more_than_independent_calls():
    def spread(arrivals):
        trace = Workload(arrivals, rate=20.0, calls=6_000, period=60.0).trace(3)
        counts = [0] * (int(trace.seconds) + 1)
        for each in trace.arrivals:
            counts[int(each.at)] += 1
        mean = sum(counts) / len(counts)
        return sum((count - mean) ** 2 for count in counts) / len(counts) / mean

    assert spread("poisson") == pytest.approx(1.0, abs=0.25)
    assert spread("bursty") > 4
    assert spread("diurnal") > 4


def test_part_begins_at_zero():
    half = Workload(calls=100).trace(1).part(0.5, 1.0)

    assert len(half.arrivals) == 50
    assert half.arrivals[0].at == 0.0


@pytest.mark.parametrize("wrong", [{"rate": 0.0}, {"calls": 0}, {"swing": 2.0}, {"tasks": {}}])
def test_workload_refuses_what_is_none(wrong):
    with pytest.raises(ConfigError):
        Workload(**wrong)
