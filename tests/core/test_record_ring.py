"""`RecordRing` and `RecordRows` beside slow twins."""

from __future__ import annotations

import threading
import time
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferail import core, errors
from inferail.telemetry.records import Record
from inferail.telemetry.sqlite import COLUMNS, row
from inferail.types.response import Timing
from inferail.types.usage import Usage

RecordRing: Any = core.RecordRing
STEPS = st.lists(st.one_of(st.just("push"), st.integers(1, 5), st.just("close")), max_size=50)


@given(STEPS, st.integers(1, 6))
def test_ring_does_what_a_deque_does(steps, capacity):
    ring, twin, closed = RecordRing(capacity), deque[int](), False
    pushed = taken = refused = 0
    for number, step in enumerate(steps):
        if step == "close":
            ring.close()
            closed = True
        elif step == "push":
            fits = not closed and len(twin) < capacity
            assert ring.push(number) is fits
            if fits:
                twin.append(number)
            pushed, refused = pushed + fits, refused + (not fits)
        else:
            expected = [twin.popleft() for _ in range(min(step, len(twin)))]
            assert ring.take(step, 0.0) == expected
            taken += len(expected)
        assert (len(ring), ring.pushed, ring.taken, ring.refused) == (len(twin), pushed, taken, refused)


def test_ring_gives_everything_once_and_in_the_order_of_each_thread():
    ring, got = RecordRing(64), list[tuple[int, int]]()

    def consume() -> None:
        while batch := ring.take(50, 30.0, 0.001):
            got.extend(batch)

    def produce(name: int) -> None:
        for number in range(2000):
            assert ring.push((name, number)) or ring.push_within((name, number), 30.0)

    consumer = threading.Thread(target=consume)
    producers = [threading.Thread(target=produce, args=(name,)) for name in range(4)]
    for thread in (consumer, *producers):
        thread.start()
    for thread in producers:
        thread.join()
    ring.close()
    consumer.join()

    assert len(got) == 8000
    for name in range(4):
        assert [number for who, number in got if who == name] == list(range(2000))


def test_ring_ends_the_wait_of_a_producer_when_it_is_closed():
    ring = RecordRing(1)
    ring.push(1)
    threading.Timer(0.02, ring.close).start()

    assert not ring.push_within(2, 30.0)


def test_ring_takes_at_once_when_nudged():
    ring = RecordRing(8)
    ring.push(1)
    ring.nudge()
    began = time.monotonic()

    assert ring.take(8, 30.0, 30.0) == [1]
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("wrong", [-1.0, float("nan"), float("inf")])
def test_ring_refuses_times_that_are_none(wrong):
    with pytest.raises(errors.ConfigError):
        RecordRing(1).take(1, wrong)
    with pytest.raises(errors.ConfigError):
        RecordRing(1).push_within(1, wrong)
    with pytest.raises(errors.ConfigError):
        RecordRing(0)


TEXTS = st.text(max_size=5)
MAYBE = st.none() | TEXTS
SECONDS = st.sampled_from([0.0, 0.25, 1e-9])
RECORDS = st.builds(
    Record,
    started_at=st.integers(0, 10**12).map(
        lambda n: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(microseconds=n * 1000)
    ),
    provider=TEXTS,
    model=TEXTS,
    streamed=st.booleans(),
    reason=st.sampled_from(["first", "retry"]),
    attempt=st.integers(0, 3),
    status_code=st.none() | st.integers(0, 599),
    error=MAYBE,
    usage=st.builds(Usage, st.integers(0, 2), st.integers(0, 2), cost_usd=st.none() | SECONDS, estimated=st.booleans()),
    timing=st.builds(Timing, SECONDS, st.none() | SECONDS, st.none() | SECONDS, SECONDS),
    labels=st.dictionaries(st.sampled_from(["task", "a"]), TEXTS),
)


@given(st.lists(RECORDS, max_size=20))
def test_rows_are_those_of_plain_python_without_the_defaults(records):
    rows = core.RecordRows([(column.path, column.default) for column in COLUMNS])

    found = []
    for mask, count, values in rows.group(records):
        width = mask.bit_count()
        assert len(values) == width * count
        for at in range(0, len(values), width):
            given_ = iter(values[at : at + width])
            found.append([next(given_) if mask >> n & 1 else column.default for n, column in enumerate(COLUMNS)])

    assert sorted(map(repr, _numbers(found))) == sorted(map(repr, _numbers([row(record) for record in records])))


def _numbers(rows: list[list[Any]]) -> list[list[Any]]:
    return [[int(value) if isinstance(value, bool) else value for value in values] for values in rows]


def test_rows_refuse_what_is_no_record():
    with pytest.raises(AttributeError):
        core.RecordRows([("id", ...)]).group([object()])
    with pytest.raises(errors.ConfigError):
        core.RecordRows([("id", ...)] * 65)
