"""`Limiter`, `AdaptiveConcurrency`, `RetryBudget` and `WaitQueue` as Python sees them, beside slow twins."""

from __future__ import annotations

import math
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferail import core, errors
from tests.core.reference_limiter import ReferenceLimiter

# Wrong arguments are part of what is tested.
Limiter: Any = core.Limiter
RULES = [("requests", 8, 60.0, 0), ("tokens", 100, 60.0, 1), ("micros", 150, math.inf, 1), ("calls", 4, 60.0, 0)]

STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("reserve"),
            st.sampled_from(["", "a", "b"]),
            st.integers(0, 60),
            st.integers(0, 40),
            st.sampled_from([600.0, 20.0]),
        ),
        st.tuples(st.just("settle"), st.integers(0, 9), st.floats(0, 1)),
        st.tuples(st.just("wait"), st.floats(0, 30)),
    ),
    max_size=60,
)


@settings(deadline=None)
@given(STEPS)
def test_limiter_decides_as_the_list_of_all_admissions_does(steps):
    """Serves R149."""
    limiter, reference = Limiter(RULES), ReferenceLimiter(RULES)
    held: list[tuple[Any, Any]] = []
    now = 100.25
    for step in steps:
        if step[0] == "wait":
            now += step[1]
        elif step[0] == "reserve":
            _, key, tokens, micros, ttl = step
            got = limiter.reserve(now, tokens=tokens, micros=micros, keys=("", key), ttl=ttl)
            expected = reference.reserve(now, ("", key), tokens, micros, ttl)
            assert isinstance(got, core.Reservation) == (expected is not None)
            if expected is not None:
                held.append((got, expected))
        elif held:
            got, expected = held.pop(step[1] % len(held))
            tokens, micros = (int(expected.counts[unit] * step[2]) for unit in ("tokens", "micros"))
            assert limiter.settle(got, now, tokens=tokens, micros=micros) == reference.settle(
                expected, now, tokens, micros
            )
            assert not limiter.settle(got, now, tokens=99)
        for number, (*_, group) in enumerate(RULES):
            for key in ("", "a", "b") if group else ("",):
                assert limiter.used(number, now, key=key)[0] == reference.used(number, key, now)


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 8), st.integers(1, 60), st.floats(0, 1)), max_size=100))
def test_no_window_of_a_minute_holds_more_than_the_limit_wherever_it_begins(calls):
    """Serves R149."""
    rules = [("tokens", 100, 60.0, 0)]
    limiter, reference = Limiter(rules), ReferenceLimiter(rules)
    now = 0.0
    for wait, tokens, share in calls:
        now += wait
        got = limiter.reserve(now, tokens=tokens, ttl=1e6)
        if isinstance(got, core.Reservation):
            admission = reference.reserve(now, ("",), tokens, 0, 1e6)
            assert admission is not None
            actual = int(tokens * share)
            limiter.settle(got, now, tokens=actual)
            reference.settle(admission, now, actual, 0)
        assert reference.fullest(0) <= 100


def test_limiter_is_used_to_at_least_sixty_parts_of_sixty_one():
    limiter, admitted = Limiter([("requests", 60, 60.0, 0)]), 0
    for tenth in range(36_000):
        admitted += isinstance(limiter.reserve(tenth / 10), core.Reservation)

    assert 3600 * 60 / 61 <= admitted <= 3600 + 60


def test_threads_never_reserve_more_than_there_is():
    """Serves R149."""
    limiter = Limiter([("micros", 1000, 86_400.0, 0), ("calls", 7, 60.0, 0)])
    most, running, lock = 0, 0, threading.Lock()

    def work(_: int) -> int:
        nonlocal most, running
        got = limiter.reserve(1.0, micros=10)
        if isinstance(got, core.Refusal):
            return 0
        with lock:
            running += 1
            most = max(most, running)
        with lock:
            running -= 1
        limiter.settle(got, 1.0, micros=10)
        return 10

    with ThreadPoolExecutor(8) as pool:
        spent = sum(pool.map(work, range(2000)))

    assert spent <= 1000
    assert most <= 7
    assert limiter.used(0, 1.0) == (spent, 0)
    assert limiter.open == 0


def test_a_limit_can_be_changed_and_keeps_what_is_charged():
    limiter = Limiter([("tokens", 100, 60.0, 0)])
    limiter.reserve(0.0, tokens=80)

    limiter.change(0, 200)

    assert isinstance(limiter.reserve(0.0, tokens=120), core.Reservation)
    assert limiter.used(0, 0.0) == (200, 200)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda: Limiter([("words", 1, 60.0, 0)]), id="unit"),
        pytest.param(lambda: Limiter([("tokens", 1, 0.0, 0)]), id="no-window"),
        pytest.param(lambda: Limiter([("tokens", 1, math.nan, 0)]), id="window-nan"),
        pytest.param(lambda: Limiter([("tokens", 1, 60.0, 4)]), id="group"),
        pytest.param(lambda: Limiter([]).reserve(math.nan), id="now"),
        pytest.param(lambda: Limiter([]).reserve(0.0, ttl=0.0), id="ttl"),
        pytest.param(lambda: Limiter([]).used(0, 0.0), id="no-such-limit"),
        pytest.param(lambda: core.AdaptiveConcurrency(initial=4, minimum=5), id="concurrency"),
        pytest.param(lambda: core.AdaptiveConcurrency().release("good", 0.0, 0.0), id="outcome"),  # type: ignore[arg-type]
        pytest.param(lambda: core.RetryBudget(-1.0), id="ratio"),
        pytest.param(lambda: core.RetryBudget(burst=0.5), id="burst"),
        pytest.param(lambda: core.RetryBudget(usd_per_day=math.inf), id="usd"),
        pytest.param(lambda: core.WaitQueue(1, ageing=-1.0), id="ageing"),
    ],
)
def test_what_means_nothing_is_refused(wrong):
    with pytest.raises(errors.ConfigError):
        wrong()


def test_retry_budget_reads_the_clock_where_no_moment_is_given():
    budget = core.RetryBudget(0.0, minimum_per_second=0.0, burst=2.0)

    assert [budget.withdraw() for _ in range(3)] == [True, True, False]
    budget.deposit()
    assert not budget.withdraw()


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 5)), max_size=60), st.integers(0, 8), st.floats(0, 5))
def test_queue_serves_by_what_entered_when_and_how_important(entries, capacity, ageing):
    """Serves R115."""
    queue = core.WaitQueue(capacity, ageing=ageing)
    waiting: list[tuple[float, int]] = []
    now = 0.0
    for priority, wait in entries:
        now += wait
        got = queue.push(now, priority=priority)
        if got is None:
            assert len(waiting) == capacity
            continue
        ticket, displaced = got
        waiting = sorted([*(pair for pair in waiting if pair[1] != displaced), (now + priority * ageing, ticket)])
        assert len(queue) == len(waiting) <= capacity
        assert queue.first() == waiting[0][1]
        assert all(queue.after(one[1]) == other[1] for one, other in pairwise(waiting))
        assert all(queue.is_before(one[1], other[1]) for one, other in pairwise(waiting))


@given(st.integers(1, 9), st.floats(0.1, 20), st.floats(0.01, 1))
def test_the_least_important_is_served_although_more_important_ones_come_for_ever(priority, ageing, every):
    """Serves R115."""
    queue = core.WaitQueue(1_000_000, ageing=ageing)
    entered = queue.push(0.0, priority=priority)
    assert entered is not None
    now, first = 0.0, None
    while first != entered[0]:
        now += every
        queue.push(now, priority=0)
        first = queue.first()
        assert first is not None
        queue.remove(first)

    assert now <= priority * ageing + 2 * every
