"""What wakes a waiting task, what ends the wait of a thread, what it must not hit, and what becomes of work whose loop has ended."""

import asyncio
import queue
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import inferail as ir
from inferail.transport.cancellation import Watch, aside, in_slices, waiting_cancellation
from inferail.transport.httpx import HttpxTransport


async def begin(cancellation: ir.Cancellation, waited: asyncio.Future[None], after: asyncio.Event) -> asyncio.Task[str]:
    async def wait() -> str:
        with Watch(cancellation, False):
            await waited
        await after.wait()
        return "went on"

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    return task


def test_watch_ends_a_wait_when_the_scope_is_cancelled():
    async def main() -> None:
        cancellation = ir.Cancellation()
        task = await begin(cancellation, asyncio.get_running_loop().create_future(), asyncio.Event())
        cancellation.cancel()
        with pytest.raises(ir.CancelledError):
            await task
        assert task.cancelling() == 0

    asyncio.run(main())


def test_watch_hits_nothing_after_its_block_when_both_come_in_the_same_turn():
    async def main() -> None:
        cancellation, waited, after = ir.Cancellation(), asyncio.get_running_loop().create_future(), asyncio.Event()
        task = await begin(cancellation, waited, after)
        waited.set_result(None)
        cancellation.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        after.set()
        assert await task == "went on"
        assert task.cancelling() == 0

    asyncio.run(main())


@pytest.mark.parametrize("first", ["scope", "task"])
def test_cancellation_of_the_task_wins_when_both_come_in_the_same_turn(first):
    async def main() -> None:
        cancellation = ir.Cancellation()
        task = await begin(cancellation, asyncio.get_running_loop().create_future(), asyncio.Event())
        for cancel in (cancellation.cancel, task.cancel) if first == "scope" else (task.cancel, cancellation.cancel):
            cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_cancellation_reaches_the_others_when_a_loop_is_closed():
    cancellation = ir.Cancellation()
    told: list[str] = []

    async def wait() -> None:
        Watch(cancellation, False).__enter__()

    asyncio.run(wait())
    cancellation.subscribe(lambda: told.append("told"))
    cancellation.cancel()

    assert told == ["told"]


def test_closing_does_not_wait_for_work_of_a_loop_that_has_ended():
    transport = HttpxTransport()
    ended = asyncio.new_event_loop()
    unfinished = ended.create_future()

    async def never() -> None:
        await unfinished

    async def begin() -> asyncio.Task[None]:
        return transport.in_background(never())

    left = ended.run_until_complete(begin())

    asyncio.run(asyncio.wait_for(transport.aclose(), 5.0))

    left.cancel()
    ended.run_until_complete(asyncio.wait((left,)))
    ended.close()


def test_thread_knows_the_innermost_blocking_watch_and_no_other():
    outer, inner = ir.Cancellation(), ir.Cancellation()

    assert waiting_cancellation() is None
    with Watch(outer, True):
        with Watch(inner, True), Watch(None, True):
            assert waiting_cancellation() is inner
        assert waiting_cancellation() is outer
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(waiting_cancellation).result() is None
    assert waiting_cancellation() is None


def test_operation_is_repeated_until_its_limit_has_passed():
    limits: list[float] = []

    def operation(left: float) -> None:
        limits.append(left)
        raise TimeoutError

    with pytest.raises(TimeoutError):
        in_slices(ir.Cancellation(), 0.0, operation, TimeoutError)

    assert limits == [0.001]


def test_cancellation_wins_over_a_limit_that_has_passed_as_well():
    cancellation = ir.Cancellation()

    def operation(_: float) -> None:
        cancellation.cancel()
        raise TimeoutError

    with pytest.raises(ir.CancelledError):
        in_slices(cancellation, 0.0, operation, TimeoutError)


def test_result_that_nobody_waits_for_any_more_is_discarded():
    cancellation, go, discarded = ir.Cancellation(), threading.Event(), queue.SimpleQueue[str]()

    def work() -> str:
        cancellation.cancel()
        go.wait(5.0)
        return "late"

    with pytest.raises(ir.CancelledError):
        aside(cancellation, work, discarded.put)
    go.set()

    assert discarded.get(timeout=5.0) == "late"


def test_work_aside_gives_its_result_or_its_error():
    def fail() -> str:
        raise OSError("broken")

    assert aside(ir.Cancellation(), lambda: "made", print) == "made"
    with pytest.raises(OSError, match="broken"):
        aside(ir.Cancellation(), fail, print)
