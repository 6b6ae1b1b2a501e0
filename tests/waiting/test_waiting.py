"""A latch lets everybody go on, and work in the background is ended with what it belongs to; wherever they run."""

import asyncio
import threading

import pytest
import trio
from tests.store.driving import RUNNERS

import inferail as ir
from inferail.testing import run_virtual
from inferail.waiting import Background, Latch


@pytest.mark.parametrize("run", RUNNERS)
def test_open_latch_is_waited_for_by_nobody(run):
    latch = Latch()
    latch.open()

    assert run(latch.wait(ir.Scope())) is True


@pytest.mark.parametrize("run", RUNNERS)
def test_latch_that_stays_closed_is_waited_for_no_longer_than_said(run):
    assert run(Latch().wait(ir.Scope(), 0.01)) is False


@pytest.mark.parametrize("run", RUNNERS)
def test_latch_is_opened_from_another_thread(run):
    latch = Latch()
    threading.Timer(0.01, latch.open).start()

    assert run(latch.wait(ir.Scope(), 10.0)) is True


@pytest.mark.parametrize("run", RUNNERS)
def test_cancelled_scope_ends_the_wait(run):
    cancellation = ir.Cancellation()
    threading.Timer(0.01, cancellation.cancel).start()

    with pytest.raises(ir.CancelledError):
        run(Latch().wait(ir.Scope(cancellation=cancellation), 10.0))


def test_background_work_is_waited_for_and_counted():
    done = []

    async def good():
        await asyncio.sleep(5.0)
        done.append("good")

    async def bad():
        raise ValueError

    async def work():
        background = Background("a test")
        assert background.start(good, ir.Scope())
        assert background.start(bad, ir.Scope())
        await background.idle(ir.Scope())
        return background.failures

    assert run_virtual(work()) == 1
    assert done == ["good"]


def test_background_of_a_test_says_whose_work_failed(caplog):
    async def bad():
        raise ValueError("a secret")

    async def work():
        background = Background("a test")
        background.start(bad, ir.Scope())
        await background.idle(ir.Scope())

    trio.run(work)

    assert "work of a test in the background failed (ValueError)" in caplog.text
    assert "secret" not in caplog.text


def test_closed_background_begins_nothing():
    async def work():
        background = Background("a test")
        background.start(lambda: asyncio.sleep(1000.0), ir.Scope())
        await background.aclose(ir.Scope())
        return background.start(lambda: asyncio.sleep(0), ir.Scope()), len(asyncio.all_tasks())

    assert run_virtual(work()) == (False, 1)
