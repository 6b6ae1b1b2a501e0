"""Who is let in when: by priority and age, past those who wait for other accounts, and nobody is forgotten."""

from __future__ import annotations

import asyncio
import random
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.limits.models import ask, asynchronous, blocking, finish, scripted, trio_run

from inferail.errors import CancelledError, CapacityError
from inferail.limits import Limited, Limits
from inferail.testing import VirtualClock, run_virtual
from inferail.transport.clock import BlockingClock
from inferail.types.scope import Cancellation, Scope


async def ask_all(limited: Limited, requests: list[Any], **scope: Any) -> list[tuple[float, Any]]:
    """When each was let in and answered, in the order of the answers; one after the other is asked."""
    loop, done = asyncio.get_running_loop(), []

    async def one(name: Any, request: Any) -> None:
        with asynchronous(**scope).enter():
            try:
                await limited.generate(request)
                done.append((loop.time(), name))
            except CapacityError:
                done.append((loop.time(), f"{name} refused"))

    async with asyncio.TaskGroup() as group:
        for name, request in requests:
            group.create_task(one(name, request))
            await asyncio.sleep(0)
    return done


def test_so_many_calls_run_at_a_time():
    """Serves R72."""
    limited = Limited(scripted(delay=1.0), Limits(concurrent=2))

    done = run_virtual(ask_all(limited, [(n, ask()) for n in range(6)]))

    assert [(round(moment, 6), name) for moment, name in done] == [(1, 0), (1, 1), (2, 2), (2, 3), (3, 4), (3, 5)]


def test_the_more_important_are_let_in_first_and_equals_in_their_order():
    """Serves R115."""
    limited = Limited(scripted(delay=1.0), Limits(concurrent=1))
    names = ["low", "normal", "low", "high", "normal", "high"]

    done = run_virtual(ask_all(limited, [((name, n), ask(priority=name)) for n, name in enumerate(["low", *names])]))

    order = [("low", 0), ("high", 4), ("high", 6), ("normal", 2), ("normal", 5), ("low", 1), ("low", 3)]
    assert [name for _, name in done] == order


def test_whoever_waits_long_enough_overtakes_the_more_important():
    """Serves R115."""
    limited = Limited(scripted(delay=1.0), Limits(concurrent=1), ageing=3.0)
    loop_done: list[str] = []

    async def main() -> None:
        async def call(priority: str) -> None:
            with asynchronous().enter():
                await limited.generate(ask(priority=priority))
                loop_done.append(priority)

        tasks = [asyncio.create_task(call("1")), asyncio.create_task(call("3"))]
        for _ in range(30):  # twice as many as can be served
            tasks.append(asyncio.create_task(call("1")))
            await asyncio.sleep(0.5)
        await asyncio.gather(*tasks)

    run_virtual(main())

    # It is two steps less important, so those of the first 6 seconds go first: 12, and the one that ran.
    assert loop_done.index("3") == 13


def test_a_large_request_is_not_starved_by_small_ones():
    """Serves R115."""
    limited = Limited(scripted(1), Limits(tokens_per_minute=100))
    requests = [("first", ask(1, 95)), ("large", ask(1, 95)), *[(f"small {n}", ask(1, 5)) for n in range(5)]]

    done = run_virtual(ask_all(limited, requests))

    assert [name for _, name in done][:2] == ["first", "large"]


def test_a_tenant_that_waits_holds_up_no_other():
    """Serves R72."""
    limited = Limited(scripted(), [Limits(requests_per_minute=1, per="tenant"), Limits(concurrent=5)])
    tenants = ["a", "a", "a", "b", "c"]

    done = run_virtual(ask_all(limited, [((name, n), ask(tenant=name)) for n, name in enumerate(tenants)]))

    assert [name for moment, name in done if moment < 1] == [("a", 0), ("b", 3), ("c", 4)]
    assert [name for moment, name in done if moment > 1] == [("a", 1), ("a", 2)]


def test_a_full_queue_refuses_at_once():
    """Serves R72."""
    limited = Limited(scripted(delay=1.0), Limits(concurrent=1), queue=2)

    done = run_virtual(ask_all(limited, [(n, ask()) for n in range(5)]))

    assert [(round(moment, 6), name) for moment, name in done] == [
        (0, "3 refused"),
        (0, "4 refused"),
        (1, 0),
        (2, 1),
        (3, 2),
    ]


def test_without_a_queue_nobody_waits():
    limited = Limited(scripted(delay=1.0), Limits(concurrent=1), queue=0)

    done = run_virtual(ask_all(limited, [(n, ask()) for n in range(3)]))

    assert [name for _, name in done] == ["1 refused", "2 refused", 0]


def test_whoever_waits_longer_than_its_deadline_is_refused_then():
    """Serves R72."""
    limited = Limited(scripted(delay=10.0), Limits(concurrent=1))

    done = run_virtual(ask_all(limited, [(n, ask()) for n in range(3)], deadline=4.0))

    assert [(round(moment, 5), name) for moment, name in done] == [(4, "1 refused"), (4, "2 refused"), (10, 0)]
    assert limited.waiting == 0


def test_the_place_of_a_stream_that_was_lost_returns_when_its_time_is_over():
    clock = VirtualClock(100.0)
    limited = Limited(scripted(), Limits(concurrent=1))
    with blocking(clock, deadline=130.0).enter():
        lost = limited.stream(ask())
        finish(lost.__aenter__())
    with blocking(clock).enter():
        finish(limited.generate(ask()))

    assert 30 + 60 <= clock.now() - 100 <= 30 + 60 + 5.1


def test_a_task_that_is_cancelled_while_it_waits_makes_way():
    limited = Limited(scripted(delay=1.0), Limits(concurrent=1))

    async def main() -> float:
        with asynchronous().enter():
            tasks = [asyncio.create_task(limited.generate(ask())) for _ in range(4)]
            await asyncio.sleep(0.5)
            tasks[1].cancel()
            tasks[0].cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            return asyncio.get_running_loop().time()

    assert run_virtual(main()) == pytest.approx(2.5)
    assert limited.waiting == 0


@pytest.mark.parametrize("runner", [asyncio.run, trio_run, finish], ids=["asyncio", "trio", "thread"])
def test_a_cancelled_scope_ends_the_wait(runner):
    cancellation = Cancellation()
    limited = Limited(Cancels(cancellation), Limits(concurrent=1))

    async def main() -> None:
        with pytest.raises(CancelledError):
            await limited.generate(ask())
        assert limited.waiting == 0

    transport = SimpleNamespace(clock=BlockingClock(), blocking=True) if runner is finish else None
    with Scope(cancellation=cancellation, transport=transport).enter():
        runner(main())


class Cancels:
    """A Model that, while it runs, is asked again in the same surroundings, and then cancelled from another thread."""

    name = "cancels"

    def __init__(self, cancellation: Cancellation) -> None:
        self._cancellation = cancellation

    async def generate(self, request: Any) -> Any:
        inner = Limited(self, Limits(requests_per_day=1))
        inner.model = scripted()
        await inner.generate(ask())
        timer = threading.Timer(0.05, self._cancellation.cancel)
        timer.start()
        await inner.generate(ask())  # waits for a day
        raise AssertionError("it was not cancelled")

    def stream(self, request: Any) -> Any:
        raise NotImplementedError


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.floats(0, 3), st.integers(1, 60), st.sampled_from("ab"), st.integers(0, 3)), max_size=25),
    st.integers(1, 4),
    st.integers(0, 1000),
)
def test_everybody_is_let_in_some_time_and_no_window_holds_too_much(calls, concurrent, seed):
    """Serves R72, R115, R149."""
    random.seed(seed)
    limited = Limited(
        scripted(3, delay=0.5),
        [Limits(concurrent=concurrent, tokens_per_minute=120), Limits(requests_per_minute=4, per="tenant")],
    )
    begun: list[tuple[float, int]] = []

    async def main() -> int:
        loop = asyncio.get_running_loop()

        async def one(tokens: int, tenant: str, priority: int) -> None:
            with asynchronous().enter():
                await limited.generate(ask(1, tokens, tenant=tenant, priority=str(priority)))
                begun.append((loop.time() - 0.5, 4))

        async with asyncio.TaskGroup() as group:
            for wait, tokens, tenant, priority in calls:
                group.create_task(one(tokens, tenant, priority))
                await asyncio.sleep(wait)
        return limited.waiting

    assert run_virtual(main()) == 0
    assert len(begun) == len(calls)
    for moment, _ in begun:
        assert sum(tokens for other, tokens in begun if moment - 60 < other <= moment) <= 120
