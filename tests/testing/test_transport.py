"""The scripted transport and its clock."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from inferail.errors import ConnectError, DeadlineError, TransportError
from inferail.testing import ScriptedReply, ScriptedTransport, VirtualClock
from inferail.transport.protocol import Wire

WIRE = Wire("POST", "http://127.0.0.1/v1/x", {}, b"{}")


def drive(work: Coroutine[Any, Any, Any]) -> Any:
    """Runs a coroutine as the synchronous client does: it may not suspend."""
    try:
        work.send(None)
    except StopIteration as stopped:
        return stopped.value
    raise AssertionError("it suspended")


def test_replies_come_in_their_order_and_wires_are_kept():
    transport = ScriptedTransport([ScriptedReply([b"a", b"b"], 201, {"x": "y"}), ScriptedReply()], blocking=True)

    async def main() -> tuple[int, list[bytes]]:
        reply = await transport.open(WIRE, connect_timeout=None, by=None)
        pieces = [await reply.read(None) for _ in range(3)]
        assert transport.open_replies == 1
        await reply.aclose()
        await reply.aclose()
        return reply.status, pieces

    assert drive(main()) == (201, [b"a", b"b", b""])
    assert (transport.open_replies, transport.wires, transport.blocking) == (0, [WIRE], True)


def test_time_passes_on_the_virtual_clock_only():
    clock = VirtualClock(100.0)
    transport = ScriptedTransport([ScriptedReply([(3.0, b"a"), b"b"], connect=1.0, first_byte=2.0)], clock=clock)

    async def main() -> list[float]:
        moments: list[float] = []
        reply = await transport.open(WIRE, connect_timeout=5.0, by=None)
        moments.append(clock.now())
        for _ in range(2):
            await reply.read(None)
            moments.append(clock.now())
        return moments

    assert asyncio.run(main()) == [103.0, 106.0, 106.0]


def test_read_times_out_at_the_given_moment_and_can_go_on():
    transport = ScriptedTransport([ScriptedReply([(5.0, b"late")])])

    async def main() -> bytes:
        reply = await transport.open(WIRE, connect_timeout=None, by=None)
        with pytest.raises(TimeoutError):
            await reply.read(2.0)
        assert transport.clock.now() == 2.0
        return await reply.read(9.0)

    assert drive(main()) == b"late"
    assert transport.clock.now() == 5.0


def test_connecting_too_long_is_a_deadline_of_its_own_phase():
    transport = ScriptedTransport([ScriptedReply(connect=9.0)])

    with pytest.raises(DeadlineError) as caught:
        drive(transport.open(WIRE, connect_timeout=2.0, by=None))

    assert (caught.value.phase, transport.clock.now(), transport.open_replies) == ("connect", 2.0, 0)


def test_total_deadline_wins_when_it_comes_before_the_connect_timeout():
    transport = ScriptedTransport([ScriptedReply(connect=9.0)])

    with pytest.raises(TimeoutError) as caught:
        drive(transport.open(WIRE, connect_timeout=2.0, by=1.0))

    assert not isinstance(caught.value, DeadlineError)
    assert transport.clock.now() == 1.0


def test_headers_too_late_are_a_timeout():
    transport = ScriptedTransport([ScriptedReply(first_byte=9.0)])

    with pytest.raises(TimeoutError):
        drive(transport.open(WIRE, connect_timeout=2.0, by=1.0))


def test_errors_of_the_script_are_raised_where_they_stand():
    broken = ScriptedReply([b"a", TransportError("broken")])
    transport = ScriptedTransport([ConnectError("refused"), broken])

    async def main() -> None:
        with pytest.raises(ConnectError):
            await transport.open(WIRE, connect_timeout=None, by=None)
        reply = await transport.open(WIRE, connect_timeout=None, by=None)
        assert await reply.read(None) == b"a"
        with pytest.raises(TransportError):
            await reply.read(None)

    drive(main())


def test_script_fails_loudly_at_its_end():
    with pytest.raises(AssertionError, match="request number 1"):
        drive(ScriptedTransport([]).open(WIRE, connect_timeout=None, by=None))


def test_clock_sleeps_at_once_and_never_goes_back():
    clock = VirtualClock()

    drive(clock.sleep(2.0))
    clock.advance(-5.0)
    clock.advance_to(1.0)

    assert (clock.now(), clock.slept) == (2.0, [2.0])
