"""Races under asyncio, under trio and in threads: who comes first, what is emitted, and that nothing is left behind."""

import asyncio
import contextvars
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

import inferail as ir
from inferail import concurrency
from inferail.concurrency import Emit, Happening, Race, race
from inferail.testing import run_virtual


def run_trio(work: Any) -> Any:
    return trio.run(lambda: work, clock=trio.testing.MockClock(autojump_threshold=0.0))


RUNNERS = [pytest.param(run_virtual, id="asyncio"), pytest.param(run_trio, id="trio")]


async def sleep(seconds: float) -> None:
    if asyncio._get_running_loop() is None:
        await trio.sleep(seconds)
    else:
        await asyncio.sleep(seconds)


def never() -> bool:
    return False


def saying(seconds: float, answer: Any, log: list[str] | None = None) -> Callable[[Emit], Any]:
    """Waits, then returns the answer or raises it; notes when it lets go."""

    async def work(_: Emit) -> Any:
        try:
            await sleep(seconds)
            if isinstance(answer, BaseException):
                raise answer
            return answer
        finally:
            if log is not None:
                log.append(f"{answer} let go")

    return work


def driven(work: Awaitable[Any]) -> Any:
    """Runs what may not suspend."""
    with pytest.raises(StopIteration) as done:
        work.__await__().send(None)
    return done.value.value


@pytest.mark.parametrize("run", RUNNERS)
def test_race_gives_what_happens_in_its_order_and_the_moment_that_passed(run):
    async def main() -> list[Any]:
        contest = race(blocking=False)
        began = contest.now()
        contest.start(saying(0.5, "slow"), stop=never)
        seen: list[Any] = [await contest.next(began + 0.2), round(contest.now() - began, 6)]
        contest.start(saying(0.1, ValueError("broken")), stop=never)
        seen += [await contest.next(began + 9.0), await contest.next(), round(contest.now() - began, 6)]
        assert await contest.close() == []
        return seen

    nothing, early, broken, slow, late = run(main())

    assert (nothing, early, late) == (None, 0.2, 0.5)
    assert (broken.runner, str(broken.error), broken.ended) == (1, "broken", True)
    assert slow == Happening(0, True, "slow")


@pytest.mark.parametrize("run", RUNNERS)
def test_race_cancels_losers_and_waits_until_they_have_let_go(run):
    log: list[str] = []

    async def main() -> None:
        contest = race(blocking=False)
        began = contest.now()
        for seconds in (1.0, 5.0, 9.0):
            contest.start(saying(seconds, f"after {seconds:g}", log), stop=never)
        first = await contest.next()
        assert first is not None
        assert first.value == "after 1"
        assert {type(left.error) for left in await contest.close()} == {asyncio.CancelledError}
        assert sorted(log) == ["after 1 let go", "after 5 let go", "after 9 let go"]
        assert contest.now() - began == pytest.approx(1.0)

    run(main())


@pytest.mark.parametrize("run", RUNNERS)
def test_race_lets_go_of_everything_when_its_reader_is_cancelled(run):
    log: list[str] = []

    async def reader() -> None:
        contest = race(blocking=False)
        try:
            contest.start(saying(5.0, "never", log), stop=never)
            await contest.next()
        finally:
            await contest.close()
            log.append("closed")

    async def main() -> None:
        if asyncio._get_running_loop() is None:
            with trio.move_on_after(1.0):
                await reader()
        else:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader(), 1.0)

    run(main())

    assert log == ["never let go", "closed"]


def test_race_waits_for_the_release_even_if_its_reader_is_cancelled_twice():
    log: list[str] = []

    async def stubborn(_: Emit) -> None:
        try:
            await asyncio.sleep(9.0)
        finally:
            await asyncio.sleep(1.0)
            log.append("closed the connection")

    async def reader() -> None:
        contest = race(blocking=False)
        contest.start(stubborn, stop=never)
        await contest.next(contest.now() + 1.0)
        await contest.close()

    async def main() -> None:
        task = asyncio.create_task(reader())
        await asyncio.sleep(1.5)
        task.cancel()
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert log == ["closed the connection"]

    run_virtual(main())


@pytest.mark.parametrize("run", RUNNERS)
def test_race_asks_work_to_stop_before_it_cancels_it(run):
    async def main() -> tuple[str, bool]:
        asked = asyncio.Event() if run is run_virtual else trio.Event()

        async def polite(_: Emit) -> str:
            await asked.wait()
            await sleep(1.0)
            return "stopped by itself"

        def stop() -> bool:
            asked.set()
            return True

        contest = race(blocking=False)
        contest.start(polite, stop=stop)
        await contest.next(contest.now() + 1.0)
        (left,) = await contest.close()
        return left.value, left.error is None

    assert run(main()) == ("stopped by itself", True)


@pytest.mark.parametrize("run", RUNNERS)
def test_race_lets_a_runner_be_only_so_far_ahead_of_its_reader(run):
    emitted: list[int] = []

    async def fast(emit: Emit) -> str:
        for number in range(1000):
            await emit(number)
            emitted.append(number)
        return "all"

    async def main() -> list[Any]:
        contest = race(blocking=False)
        contest.start(fast, stop=never)
        await sleep(1.0)
        assert len(emitted) == 64
        seen: list[Any] = []
        while not seen or not seen[-1].ended:
            happening = await contest.next()
            assert happening is not None
            seen.append(happening)
        await contest.close()
        return [happening.value for happening in seen]

    assert run(main()) == [*range(1000), "all"]


@pytest.mark.parametrize("run", RUNNERS)
def test_race_drops_what_is_emitted_after_the_stop(run):
    async def main() -> list[Happening]:
        async def chatty(emit: Emit) -> str:
            for number in range(1000):
                await emit(number)
            return "ended"

        contest = race(blocking=False)
        contest.start(chatty, stop=lambda: True)
        await sleep(1.0)
        return await contest.close()

    left = run(main())

    assert [happening.value for happening in left] == [*range(64), "ended"]


def test_race_runs_threads_that_see_the_context_of_who_started_them():
    label: contextvars.ContextVar[str] = contextvars.ContextVar("label")
    label.set("outer")
    met = threading.Barrier(2, timeout=10)

    async def work(emit: Emit) -> tuple[str, str]:
        met.wait()
        await emit("hello")
        return threading.current_thread().name, label.get()

    contest = race(blocking=True)
    contest.start(work, stop=never)
    contest.start(work, stop=never)
    seen = [driven(contest.next()) for _ in range(4)]
    left = driven(contest.close())

    assert sorted(str(happening.value) for happening in seen) == ["('inferail-job', 'outer')"] * 2 + ["hello"] * 2
    assert left == []
    assert not _threads()


def test_race_in_threads_gives_up_at_its_moment_and_joins_what_stops():
    go = threading.Event()

    async def work(_: Emit) -> None:
        go.wait(10)
        raise ir.CancelledError("told to stop")

    def stop() -> bool:
        go.set()
        return True

    contest = race(blocking=True)
    contest.start(work, stop=stop)

    assert driven(contest.next(contest.now() + 0.001)) is None
    (left,) = driven(contest.close())
    assert isinstance(left.error, ir.CancelledError)
    assert not _threads()


def test_race_in_threads_ends_its_wait_when_the_reader_is_told_to():
    cancellation = ir.Cancellation()
    go = threading.Event()

    async def work(_: Emit) -> None:
        cancellation.cancel()
        go.wait(10)

    contest = race(blocking=True, check=cancellation.check)

    def stop() -> bool:
        go.set()
        return True

    contest.start(work, stop=stop)

    with pytest.raises(ir.CancelledError):
        driven(contest.next())
    driven(contest.close())
    assert not _threads()


def test_race_leaves_a_thread_to_itself_that_does_not_stop(monkeypatch):
    monkeypatch.setattr(concurrency, "_PATIENCE", 0.01)
    go = threading.Event()

    async def deaf(_: Emit) -> None:
        go.wait(10)

    contest = race(blocking=True)
    contest.start(deaf, stop=never)

    assert driven(contest.close()) == []
    (thread,) = (thread for thread in threading.enumerate() if thread.name == "inferail-job")
    assert thread.daemon
    go.set()
    thread.join(10)


def test_race_in_threads_holds_a_runner_back_and_loses_nothing():
    async def fast(emit: Emit) -> str:
        for number in range(500):
            await emit(number)
        return "all"

    contest = race(blocking=True)
    contest.start(fast, stop=never)
    seen = [driven(contest.next()) for _ in range(501)]
    driven(contest.close())

    assert [happening.value for happening in seen] == [*range(500), "all"]


def test_race_says_what_is_wrong_when_a_thread_would_suspend():
    async def work(_: Emit) -> None:
        await asyncio.sleep(0)

    contest = race(blocking=True)
    contest.start(work, stop=never)
    happening = driven(contest.next())
    driven(contest.close())

    assert isinstance(happening.error, ir.ConfigError)


_STEPS = st.lists(st.integers(1, 50), min_size=1, max_size=6)


@given(plans=st.lists(_STEPS, min_size=1, max_size=5), leave=st.integers(0, 30), stops=st.sets(st.integers(0, 4)))
def test_race_keeps_each_runners_order_whatever_the_moments(plans, leave, stops):
    """Every runner emits 0, 1, 2, … after its gaps; what is read is a merge of those in the order of time."""

    async def main() -> None:
        contest = race(blocking=False)

        def plan(gaps: list[int]) -> Callable[[Emit], Any]:
            async def work(emit: Emit) -> int:
                for number, gap in enumerate(gaps):
                    await asyncio.sleep(gap / 10)
                    await emit((number, contest.now()))
                return len(gaps)

            return work

        for gaps in plans:
            contest.start(plan(gaps), stop=never)
        seen, ended = await _read(contest, leave, stops & set(range(len(plans))))
        left = await contest.close()

        for number, gaps in enumerate(plans):
            mine = [value for runner, value in seen if runner == number]
            assert [count for count, _ in mine] == list(range(len(mine)))
            assert number in ended or number in {happening.runner for happening in left if happening.ended}
            if number in ended and number not in stops:
                assert len(mine) == ended[number] == len(gaps)
        moments = [moment for _, (_, moment) in seen]
        assert moments == sorted(moments)
        assert len(asyncio.all_tasks()) == 1

    run_virtual(main())


async def _read(contest: Race, most: int, stops: set[int]) -> tuple[list[tuple[int, Any]], dict[int, Any]]:
    seen: list[tuple[int, Any]] = []
    ended: dict[int, Any] = {}
    for turn in range(most):
        if turn == most // 2:
            contest.stop(*stops)
        happening = await contest.next(contest.now() + 0.7)
        if happening is None:
            continue
        if happening.ended:
            ended[happening.runner] = happening.value
        else:
            seen.append((happening.runner, happening.value))
    return seen, ended


def _threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "inferail-job"]
