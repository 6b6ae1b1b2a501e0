"""A mailbox: every item goes to one waiter, whoever waits and whoever stops waiting."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from inferail._sync import drive
from inferail.errors import CancelledError
from inferail.pipelines.mcp.carriers.mailbox import Mailbox
from inferail.transport.cancellation import Watch
from inferail.types.scope import Cancellation


def in_loop(library, main):
    return asyncio.run(main()) if library == "asyncio" else pytest.importorskip("trio").run(main)


@pytest.mark.parametrize("library", ["asyncio", "trio"])
def test_item_from_a_thread_wakes_a_task(library):
    async def main():
        mailbox = Mailbox(blocking=False)
        thread = threading.Thread(target=mailbox.put, args=(7,))
        thread.start()
        got = await mailbox.get(None)
        thread.join()
        return got

    assert in_loop(library, main) == 7


@pytest.mark.parametrize("library", ["asyncio", "trio"])
def test_waiter_gives_up_at_its_moment(library):
    async def main():
        mailbox = Mailbox(blocking=False)
        with pytest.raises(TimeoutError):
            await mailbox.get(time.monotonic() + 0.02)
        mailbox.put("late")
        return await mailbox.get(time.monotonic())

    assert in_loop(library, main) == "late"


def test_every_item_goes_to_one_of_many_waiters():
    async def main():
        mailbox = Mailbox(blocking=False)
        waiting = [asyncio.create_task(mailbox.get(None)) for _ in range(50)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        for number in range(49):
            mailbox.put(number)
        return await asyncio.gather(*waiting[1:])

    assert sorted(asyncio.run(main())) == list(range(49))


def test_it_serves_as_a_turn_that_many_take_one_after_the_other():
    async def main():
        turn: Mailbox[None] = Mailbox(blocking=False)
        turn.put(None)
        inside = most = 0

        async def work():
            nonlocal inside, most
            await turn.get(None)
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1
            turn.put(None)

        await asyncio.gather(*(work() for _ in range(100)))
        return most

    assert asyncio.run(main()) == 1


def test_thread_waits_and_gives_up():
    mailbox = Mailbox(blocking=True)
    threading.Timer(0.02, mailbox.put, ("item",)).start()

    assert drive(mailbox.get(None)) == "item"
    with pytest.raises(TimeoutError):
        drive(mailbox.get(time.monotonic() + 0.02))


def test_cancellation_ends_the_wait_of_a_thread():
    mailbox, cancellation = Mailbox(blocking=True), Cancellation()
    threading.Timer(0.02, cancellation.cancel).start()

    with pytest.raises(CancelledError), Watch(cancellation, True):
        drive(mailbox.get(None))
