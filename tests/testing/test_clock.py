"""The loop whose clock jumps, and what is scripted on it."""

import asyncio
import threading

import pytest
from tests.providers.bodies import OPENAI, STREAM_HEADERS, TEXT

import inferail as ir
from inferail.core import Delta
from inferail.testing import LoopClock, ScriptedModel, ScriptedReply, ScriptedTransport, run_virtual
from inferail.types.model import Model

HELLO = ir.Request((ir.user("Hello"),))
END = Delta("finish", reason="stop", raw_reason="stop")


async def moments_of(model: Model) -> list[tuple[float, str]]:
    seen: list[tuple[float, str]] = []
    clock = LoopClock()
    async with model.stream(HELLO) as stream:
        async for deltas in stream:
            seen += [(round(clock.now(), 9), delta.text or delta.kind) for delta in deltas]
    return seen


def test_loop_jumps_over_every_wait_and_keeps_the_order_of_tasks():
    order: list[tuple[float, int]] = []

    async def wait(seconds: float, number: int) -> None:
        await asyncio.sleep(seconds)
        order.append((LoopClock().now(), number))

    async def main() -> float:
        await asyncio.gather(wait(3600.0, 1), wait(1.0, 2), wait(1.0, 3), wait(0.0, 4))
        return LoopClock().now()

    assert run_virtual(main()) == 3600.0
    assert order == [(0.0, 4), (1.0, 2), (1.0, 3), (3600.0, 1)]


def test_loop_times_out_at_the_moment_that_was_asked_for():
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await asyncio.Event().wait()
        return LoopClock().now()

    assert run_virtual(main()) == pytest.approx(0.2)


def test_loop_says_who_waits_when_nothing_can_happen_any_more():
    async def forgotten() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        await asyncio.sleep(2.0)
        await forgotten()

    with pytest.raises(AssertionError, match=r"for ever at 2 s: Task-\d+ in Event.wait, line"):
        run_virtual(main())


def test_loop_stands_still_while_a_thread_works():
    turn = threading.Event()

    async def main() -> float:
        work = asyncio.create_task(asyncio.to_thread(turn.wait, 10))
        timer = asyncio.create_task(asyncio.sleep(5.0))
        await asyncio.sleep(0)
        threading.Timer(0.01, turn.set).start()
        assert await work
        moment = LoopClock().now()
        await timer
        return moment

    assert run_virtual(main()) == 0.0


@pytest.mark.parametrize("when", ["delay", "delay and pace"])
def test_script_says_its_words_at_their_moments(when):
    model = ScriptedModel(["One two."], delay=0.5, pace=0.25 if "pace" in when else 0.0)

    seen = run_virtual(moments_of(model))

    assert [word for _, word in seen] == ["start", "One ", "two.", "usage", "finish"]
    assert [at for at, word in seen if word != "usage"] == (
        [0.5, 0.75, 1.0, 1.25] if "pace" in when else [0.5, 0.5, 0.5, 0.5]
    )


def test_script_of_steps_waits_and_breaks_where_it_says():
    model = ScriptedModel([[0.2, "One ", 0.1, "two.", END], [0.2, "One ", 0.1, ir.ServerError("down")]])

    assert run_virtual(moments_of(model)) == [(0.2, "One "), (0.3, "two."), (0.3, "finish")]
    with pytest.raises(ir.ServerError) as caught:
        run_virtual(moments_of(model))

    assert caught.value.partial.text == "One "
    assert [attempt.timing.total for attempt in caught.value.attempts] == [pytest.approx(0.3)]


def test_script_ends_when_its_scope_is_cancelled_and_keeps_the_attempt():
    cancellation = ir.Cancellation()

    async def main() -> ir.CancelledError:
        with ir.scope(cancellation=cancellation):
            work = asyncio.create_task(ScriptedModel([[9.0, "Late", END]]).generate(HELLO))
        await asyncio.sleep(1.0)
        cancellation.cancel()
        with pytest.raises(ir.CancelledError) as caught:
            await work
        assert LoopClock().now() == 1.0
        return caught.value

    error = run_virtual(main())

    assert [(attempt.error, attempt.timing.total) for attempt in error.attempts] == [("CancelledError", 1.0)]


def test_transport_waits_on_the_loop_so_that_two_calls_overlap():
    """Two targets over one scripted transport: both are under way at once, and each takes its own time."""
    late = ScriptedReply([(2.0, b"".join(OPENAI))], headers=STREAM_HEADERS)
    soon = ScriptedReply([(1.0, b"".join(OPENAI))], headers=STREAM_HEADERS)
    transport = ScriptedTransport([late, soon], clock=LoopClock())

    async def ask(client: ir.AsyncClient) -> tuple[float, str]:
        async with client.stream("Hello") as stream:
            text = "".join([piece async for piece in stream.text()])
        return LoopClock().now(), text

    async def main() -> list[tuple[float, str]]:
        async with ir.AsyncClient("openai:a", api_key="k", transport=transport) as client:
            return [*await asyncio.gather(ask(client), ask(client))]

    assert run_virtual(main()) == [(2.0, TEXT), (1.0, TEXT)]
    assert transport.open_replies == 0
