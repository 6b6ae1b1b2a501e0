"""Identical requests at one time share one call of the model, and nothing else: each keeps its own time and its own end."""

import asyncio
import threading

import pytest
import trio
from tests.cache.answers import REQUEST, GatedModel, answer, asking

import inferail as ir
from inferail.cache.sharing import flights
from inferail.store import MemoryStore
from inferail.testing import ScriptedModel

MANY = 20


def waiting(model: ir.Cached) -> int:
    """How many wait for the one that leads."""
    return sum(len(flight._landed._waiting) for flight in model._turns._flights._flights.values())


async def until_asyncio(condition) -> None:
    while not condition():  # noqa: ASYNC110 - whatever it is, nobody tells
        await asyncio.sleep(0)


async def until_trio(condition) -> None:
    while not condition():
        await trio.lowlevel.checkpoint()


def until(condition) -> None:
    """For threads: something that another thread is about to do."""
    for _ in range(100_000):
        if condition():
            return
        threading.Event().wait(0.0005)
    raise AssertionError("it did not happen")


def test_identical_requests_of_tasks_share_one_call_under_asyncio():
    """Serves R106."""
    inner = GatedModel()
    model = ir.Cached(inner, ir.ExactCache())

    async def work():
        tasks = [asyncio.create_task(model.generate(REQUEST)) for _ in range(MANY)]
        await until_asyncio(lambda: waiting(model) == MANY - 1)
        inner.gate.release()
        return await asyncio.gather(*tasks)

    responses = asyncio.run(work())

    assert inner.calls == 1
    assert {response.text for response in responses} == {answer().text}
    assert [response.cache and response.cache.kind for response in responses].count("shared") == MANY - 1
    assert sum(response.usage.cost_usd or 0.0 for response in responses) == pytest.approx(0.002)
    assert model.stats().coalesced == MANY - 1
    assert model.stats().saved_usd == pytest.approx(0.002 * (MANY - 1))


def test_identical_requests_of_tasks_share_one_call_under_trio():
    """Serves R106."""
    inner = GatedModel()
    model = ir.Cached(inner, ir.ExactCache())
    texts: list[str] = []

    async def ask() -> None:
        texts.append((await model.generate(REQUEST)).text)

    async def work():
        async with trio.open_nursery() as nursery:
            for _ in range(MANY):
                nursery.start_soon(ask)
            await until_trio(lambda: waiting(model) == MANY - 1)
            inner.gate.release()

    trio.run(work)

    assert inner.calls == 1
    assert texts == [answer().text] * MANY


def test_identical_requests_of_threads_share_one_call():
    """Serves R106."""
    inner = GatedModel()
    model = ir.Cached(inner, ir.ExactCache())
    texts: list[str] = []
    with ir.Client(model) as client:
        threads = [threading.Thread(target=lambda: texts.append(client.complete("Hello").text)) for _ in range(MANY)]
        for thread in threads:
            thread.start()
        until(lambda: waiting(model) == MANY - 1)
        inner.gate.release()
        for thread in threads:
            thread.join()

    assert inner.calls == 1
    assert texts == [answer().text] * MANY
    assert [record.reason for record in client.records] == ["cache"] * (MANY - 1)


def test_threads_and_tasks_share_one_call():
    """Serves R106."""
    inner = GatedModel()
    model = ir.Cached(inner, ir.ExactCache())
    texts: list[str] = []

    def ask() -> None:
        with ir.Client(model) as client:
            texts.append(client.complete("Hello").text)

    async def work():
        async with ir.AsyncClient(model) as client:
            task = asyncio.create_task(client.complete("Hello"))
            await until_asyncio(lambda: inner.calls == 1)
            thread = threading.Thread(target=ask)
            thread.start()
            await until_asyncio(lambda: waiting(model) == 1)
            inner.gate.release()
            texts.append((await task).text)
            await asyncio.to_thread(thread.join)

    asyncio.run(work())

    assert inner.calls == 1
    assert texts == [answer().text] * 2


def test_different_requests_do_not_wait_for_each_other():
    inner = GatedModel()
    model = ir.Cached(inner, ir.ExactCache())

    async def work():
        tasks = [asyncio.create_task(model.generate(asking(str(number)))) for number in range(3)]
        await until_asyncio(lambda: inner.calls == 3)
        for _ in tasks:
            inner.gate.release()
        return await asyncio.gather(*tasks)

    assert len(asyncio.run(work())) == 3


def test_streams_and_whole_answers_share_one_call():
    """Serves R106."""
    inner = GatedModel()
    model = ir.Cached(inner, ir.ExactCache())

    async def stream() -> ir.Response:
        async with model.stream(REQUEST) as stream:
            kinds = [delta.kind async for deltas in stream for delta in deltas]
            assert (kinds[0], kinds[-1]) == ("start", "finish")
            return await stream.final()

    async def work():
        tasks = [asyncio.create_task(stream())]
        await until_asyncio(lambda: inner.calls == 1)
        tasks += [asyncio.create_task(stream()), asyncio.create_task(model.generate(REQUEST))]
        await until_asyncio(lambda: waiting(model) == 2)
        inner.gate.release()
        return await asyncio.gather(*tasks)

    responses = asyncio.run(work())

    assert inner.calls == 1
    assert [response.cache and response.cache.kind for response in responses] == [None, "shared", "shared"]


def test_answer_that_is_not_kept_is_shared_all_the_same():
    inner = GatedModel(answer(finish="length"))
    model = ir.Cached(inner, ir.ExactCache())

    async def work():
        tasks = [asyncio.create_task(model.generate(REQUEST)) for _ in range(2)]
        await until_asyncio(lambda: waiting(model) == 1)
        inner.gate.release()
        return await asyncio.gather(*tasks)

    assert [response.truncated for response in asyncio.run(work())] == [True, True]
    assert model.stats().stored == 0


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_another_one_leads_when_the_first_is_cancelled(loop):
    """Serves R106."""
    inner = GatedModel()
    model = ir.Cached(inner, ir.ExactCache())

    async def in_asyncio():
        leader = asyncio.create_task(model.generate(REQUEST))
        await until_asyncio(lambda: inner.calls == 1)
        others = [asyncio.create_task(model.generate(REQUEST)) for _ in range(3)]
        await until_asyncio(lambda: waiting(model) == 3)
        leader.cancel()
        await until_asyncio(lambda: inner.calls == 2)
        await until_asyncio(lambda: waiting(model) == 2)
        inner.gate.release()
        responses = await asyncio.gather(*others)
        assert leader.cancelled()
        return responses

    async def in_trio():
        responses: list[ir.Response] = []

        async def ask():
            responses.append(await model.generate(REQUEST))

        async def lead(scope: trio.CancelScope):
            with scope:
                await ask()

        async with trio.open_nursery() as nursery:
            scope = trio.CancelScope()
            nursery.start_soon(lead, scope)
            await until_trio(lambda: inner.calls == 1)
            for _ in range(3):
                nursery.start_soon(ask)
            await until_trio(lambda: waiting(model) == 3)
            scope.cancel()
            await until_trio(lambda: inner.calls == 2)
            await until_trio(lambda: waiting(model) == 2)
            inner.gate.release()
        return responses

    responses = asyncio.run(in_asyncio()) if loop == "asyncio" else trio.run(in_trio)

    assert inner.calls == 2
    assert [response.text for response in responses] == [answer().text] * 3


def test_another_one_leads_when_the_leading_stream_is_left():
    inner = GatedModel()
    model = ir.Cached(inner, ir.ExactCache())

    async def work():
        async with model.stream(REQUEST) as stream:
            await anext(stream)
            task = asyncio.create_task(model.generate(REQUEST))
            await until_asyncio(lambda: waiting(model) == 1)
        await until_asyncio(lambda: inner.calls == 2)
        inner.gate.release()
        return await task

    assert asyncio.run(work()).cache is None
    assert inner.closed == 1


def test_follower_ends_at_its_own_deadline_and_the_leader_goes_on():
    """Serves R106."""
    inner = GatedModel()
    model = ir.Cached(inner, ir.ExactCache())

    async def work():
        async with ir.AsyncClient(model, timeout=60.0) as client:
            leader = asyncio.create_task(client.complete("Hello"))
            await until_asyncio(lambda: inner.calls == 1)
            with pytest.raises(ir.DeadlineError, match="identical request") as caught:
                await client.complete("Hello", timeout=0.01)
            assert caught.value.phase == "total"
            inner.gate.release()
            return await leader

    assert asyncio.run(work()).text == answer().text
    assert inner.calls == 1


@pytest.mark.parametrize("kind", ["task", "thread"])
def test_follower_ends_with_its_own_cancellation_and_the_leader_goes_on(kind):
    inner = GatedModel()
    model = ir.Cached(inner, ir.ExactCache())
    cancellation = ir.Cancellation()
    raised: list[BaseException] = []

    def follow() -> None:
        with ir.Client(model) as client, ir.scope(cancellation=cancellation):
            try:
                client.complete("Hello")
            except ir.CancelledError as error:
                raised.append(error)

    async def work():
        async with ir.AsyncClient(model) as client:
            leader = asyncio.create_task(client.complete("Hello"))
            await until_asyncio(lambda: inner.calls == 1)
            if kind == "task":
                with ir.scope(cancellation=cancellation):
                    follower = asyncio.create_task(client.complete("Hello"))
                await until_asyncio(lambda: waiting(model) == 1)
                cancellation.cancel()
                with pytest.raises(ir.CancelledError):
                    await follower
            else:
                thread = threading.Thread(target=follow)
                thread.start()
                await until_asyncio(lambda: waiting(model) == 1)
                cancellation.cancel()
                await asyncio.to_thread(thread.join)
                assert len(raised) == 1
            assert waiting(model) == 0
            inner.gate.release()
            return await leader

    assert asyncio.run(work()).text == answer().text


def test_failure_of_the_model_is_told_to_all_who_wait_once():
    error = ir.OverloadedError("busy", retry_after=3.0, provider="p", attempts=[ir.Attempt("p", "m")])
    inner = GatedModel(error)
    model = ir.Cached(inner, ir.ExactCache())

    async def work():
        tasks = [asyncio.create_task(model.generate(REQUEST)) for _ in range(3)]
        await until_asyncio(lambda: waiting(model) == 2)
        inner.gate.release()
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, *told = asyncio.run(work())
    others = [other for other in told if isinstance(other, ir.OverloadedError)]

    assert inner.calls == 1
    assert first is error
    assert [(type(other), other.message, other.retry_after, other.attempts) for other in others] == [
        (ir.OverloadedError, "busy", 3.0, ())
    ] * 2
    assert len({id(other) for other in others}) == 2


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(ir.DeadlineError("late", phase="total"), id="time"),
        pytest.param(ir.BudgetError("spent", limit=1, spent=1), id="money"),
        pytest.param(ir.CancelledError("cancelled"), id="cancelled"),
        pytest.param(ir.RouteError("all", attempts=[ir.Attempt("p", "m", "DeadlineError")]), id="time-of-a-fallback"),
        pytest.param(RuntimeError("a bug"), id="bug"),
    ],
)
def test_failure_that_is_the_leaders_own_is_not_told_to_others(error):
    inner = GatedModel(error)
    model = ir.Cached(inner, ir.ExactCache())

    async def work():
        first = asyncio.create_task(model.generate(REQUEST))
        await until_asyncio(lambda: inner.calls == 1)
        second = asyncio.create_task(model.generate(REQUEST))
        await until_asyncio(lambda: waiting(model) == 1)
        inner.gate.release()
        with pytest.raises(type(error)):
            await first
        inner._given = answer()
        inner.gate.release()
        return await second

    assert asyncio.run(work()).cache is None
    assert inner.calls == 2


def test_request_that_looked_before_an_answer_came_does_not_ask_again():
    """It misses, is held up, and comes back when the answer of another one has been kept."""
    inner = ScriptedModel([answer("first"), answer("second")])
    held, let_go = asyncio.Event(), asyncio.Event()

    class Slow(MemoryStore):
        slow = True

        async def get(self, namespace, key):
            found = await super().get(namespace, key)
            if self.slow:
                self.slow = False
                held.set()
                await let_go.wait()
            return found

    model = ir.Cached(inner, ir.ExactCache(Slow()))

    async def work():
        late = asyncio.create_task(model.generate(REQUEST))
        await held.wait()
        await model.generate(REQUEST)
        let_go.set()
        return await late

    assert asyncio.run(work()).text == "first"
    assert len(inner.requests) == 1


def test_stream_whose_reader_does_not_come_back_holds_up_nobody_for_long(monkeypatch):
    """Two streams of one request, read by one task in turns: the second must not wait for the first for ever."""
    monkeypatch.setattr(flights, "PATIENCE", 0.01)
    inner = GatedModel()
    model = ir.Cached(inner, ir.ExactCache())
    inner.gate.release()
    inner.gate.release()

    async def work():
        async with model.stream(REQUEST) as first:
            await anext(first)
            async with model.stream(REQUEST) as second:
                return [(await second.final()).cache, (await first.final()).cache]

    assert asyncio.run(work()) == [None, None]
    assert inner.calls == 2


def test_stale_answer_is_refreshed_once_for_many():
    now = [0.0]
    inner = GatedModel()
    model = ir.Cached(inner, ir.ExactCache(ttl=10.0, stale=100.0, now=lambda: now[0]))
    inner.gate.release()

    async def work():
        await model.generate(REQUEST)
        now[0] = 50.0
        stale = await asyncio.gather(*(model.generate(REQUEST) for _ in range(MANY)))
        await until_asyncio(lambda: inner.calls == 2)
        inner.gate.release()
        await model.idle()
        return stale

    responses = asyncio.run(work())

    assert {response.cache and response.cache.fresh for response in responses} == {False}
    assert inner.calls == 2


@pytest.mark.parametrize("loop", ["asyncio", "trio", "thread"])
def test_closing_ends_what_runs_in_the_background(loop):
    now = [0.0]
    inner = GatedModel()
    model = ir.Cached(inner, ir.ExactCache(ttl=10.0, stale=100.0, now=lambda: now[0]))
    inner.gate.release()

    async def work():
        await model.generate(REQUEST)
        now[0] = 50.0
        await model.generate(REQUEST)
        await (until_trio if loop == "trio" else until_asyncio)(lambda: inner.calls == 2)
        await model.aclose()

    if loop == "asyncio":
        asyncio.run(work())
    elif loop == "trio":
        trio.run(work)
    else:
        with ir.Client(model) as client:
            client.complete("Hello")
            now[0] = 50.0
            client.complete("Hello")
            until(lambda: inner.calls == 2)
            inner.gate.release()

    assert model._background._running == {}
    assert not model._background.start(model.idle, ir.Scope())
