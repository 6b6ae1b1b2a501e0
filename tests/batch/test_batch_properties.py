"""Batches and windows under random delays, failures and cancellations, beside the obvious twin: one call after the other."""

import asyncio
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.batch.running_twins import Echo
from tests.cache.answers import asking

import inferail as ir
from inferail.batch import Windowed
from inferail.testing import LoopClock, ScriptedTransport, run_virtual

DELAYS = st.sampled_from([0.0, 0.1, 0.5, 1.0, 3.0])
ROWS = st.lists(st.tuples(DELAYS, st.booleans()), max_size=40)


def failing(rows):
    def fails(text):
        number = int(text)
        return ir.ServerError(f"row {number}", status_code=500) if rows[number][1] else None

    return fails


@settings(max_examples=40, deadline=None)
@given(rows=ROWS, concurrency=st.integers(1, 6), ahead=st.integers(1, 12), ordered=st.booleans(), lazy=st.booleans())
def test_batch_gives_what_a_loop_gives(rows, concurrency, ahead, ordered, lazy):
    model = Echo(seconds=lambda text: rows[int(text)][0], fails=failing(rows))
    twin = [f"ServerError row {number}" if bad else f"<{number}>" for number, (_, bad) in enumerate(rows)]
    texts = [str(number) for number in range(len(rows))]

    async def work():
        client = ir.AsyncClient(model, transport=ScriptedTransport([], clock=LoopClock()))
        items = (text for text in texts) if lazy else texts
        async with client.batch(items, concurrency=concurrency, ahead=ahead, ordered=ordered) as batch:
            return batch, [item async for item in batch]

    batch, items = run_virtual(work())

    given_out = {item.index: f"ServerError {item.error}" if item.error else item.text for item in items}
    assert [given_out[number] for number in range(len(rows))] == twin
    assert Counter(model.asked) == Counter(texts)
    assert model.most <= min(concurrency, max(1, len(rows)))
    assert batch.failed == sum(bad for _, bad in rows)
    if ordered:
        assert [item.index for item in items] == sorted(item.index for item in items)


CALLERS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.05, 0.1, 0.15, 0.2, 0.4, 1.0]),  # when
        st.sampled_from("abcd"),  # what
        st.none() | st.sampled_from([0.05, 0.3]),  # when it gives up
    ),
    min_size=1,
    max_size=30,
)
WINDOW = 0.2


class Watching(Echo):
    """Notes when each question was asked, and fails if one is asked while the same one is on its way."""

    def __init__(self, **options):
        super().__init__(**options)
        self.moments = []
        self._now = Counter()

    async def generate(self, request):
        text = request.messages[-1].text
        self.moments.append((asyncio.get_running_loop().time(), text))
        assert not self._now[text], "the same was on its way"
        self._now[text] += 1
        try:
            return await super().generate(request)
        finally:
            self._now[text] -= 1


@settings(max_examples=60, deadline=None)
@given(callers=CALLERS, delays=st.fixed_dictionaries(dict.fromkeys("abcd", DELAYS)), max_size=st.integers(1, 5))
def test_window_gives_every_caller_its_answer_in_time(callers, delays, max_size):
    """Serves R116, R117."""
    bad = ir.ServerError("down")
    model = Watching(seconds=delays.__getitem__, fails=lambda text: bad if text == "d" else None)
    window = Windowed(model, window=WINDOW, max_size=max_size)

    async def call(when, text, patience):
        await asyncio.sleep(when)
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(patience):
                told = (await window.generate(asking(text))).text
        except ir.ServerError:
            told = "down"
        except TimeoutError:
            told = "late"
        return told, asyncio.get_running_loop().time() - began

    async def work():
        ended = await asyncio.gather(*(call(*caller) for caller in callers))
        await window._background.idle(ir.Scope())
        return ended

    for (_, text, patience), (told, seconds) in zip(callers, run_virtual(work()), strict=True):
        if told == "late":
            assert seconds == pytest.approx(patience)
        else:
            assert told == ("down" if text == "d" else f"<{text}>")
        # It waits for the window at most once, for a call that was cancelled meanwhile perhaps once more.
        assert seconds <= 2 * (WINDOW + delays[text]) + 1e-9
    assert len(model.moments) <= len(callers)
    assert window._groups == {}
