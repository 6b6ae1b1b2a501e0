"""Several jobs at a time, under asyncio, under trio and in threads: no sleeps, each job waits for the others."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import Any

import pytest
import trio

import inferail as ir
from inferail.concurrency import all_of

RUNNERS = [pytest.param(asyncio.run, id="asyncio"), pytest.param(lambda work: trio.run(lambda: work), id="trio")]


async def _turn() -> None:
    if asyncio._get_running_loop() is None:
        await trio.lowlevel.checkpoint()
    else:
        await asyncio.sleep(0)


def counting(number: int, log: list[int], failing: frozenset[int] = frozenset(), turns: int = 3) -> Callable[[], Any]:
    async def job() -> int:
        log.append(number)
        for _ in range(turns):
            await _turn()
        if number in failing:
            raise ir.ServerError(f"job {number}")
        log.append(-number)
        return number

    return job


@pytest.mark.parametrize("run", RUNNERS)
@pytest.mark.parametrize("at_once", [1, 3, 50])
def test_all_of_gives_results_in_order_and_runs_a_few_at_once(run, at_once):
    log: list[int] = []
    running = most = 0

    results = run(all_of([counting(number, log) for number in range(1, 20)], at_once=at_once, blocking=False))

    for event in log:
        running += 1 if event > 0 else -1
        most = max(most, running)
    assert results == list(range(1, 20))
    assert most == min(at_once, 19)


@pytest.mark.parametrize("run", RUNNERS)
def test_all_of_cancels_what_runs_when_one_fails(run):
    log: list[int] = []
    jobs = [counting(number, log, frozenset({2}), turns=1 if number == 2 else 1000) for number in range(1, 20)]

    with pytest.raises(ir.ServerError, match="job 2"):
        run(all_of(jobs, at_once=3, blocking=False))

    assert log == [1, 2, 3]


@pytest.mark.parametrize("at_once", [1, 4])
def test_all_of_runs_threads_where_the_jobs_block(at_once):
    together = threading.Barrier(at_once)
    label: contextvars.ContextVar[str] = contextvars.ContextVar("label")
    label.set("outer")

    async def job() -> tuple[str, str]:
        together.wait(10)
        return threading.current_thread().name, label.get()

    coroutine = all_of([job] * (2 * at_once), at_once=at_once, blocking=True)
    with pytest.raises(StopIteration) as done:
        coroutine.send(None)

    names = [name for name, _ in done.value.value]
    assert {seen for _, seen in done.value.value} == {"outer"}
    assert len(names) == 2 * at_once
    assert ("inferail-job" in names) is (at_once > 1)


def test_all_of_begins_nothing_in_a_thread_after_a_failure():
    begun: list[int] = []

    def job(number: int) -> Callable[[], Any]:
        async def work() -> None:
            begun.append(number)
            raise ir.ServerError("no")

        return work

    with pytest.raises(ir.ServerError):
        all_of([job(number) for number in range(9)], at_once=1, blocking=True).send(None)

    assert begun == [0]


def test_all_of_says_what_is_wrong_when_a_blocking_job_suspends():
    async def job() -> None:
        await asyncio.sleep(0)

    with pytest.raises(ir.ConfigError, match="event loop"):
        all_of([job, job], at_once=1, blocking=True).send(None)
