"""A window puts callers together and nothing else: each keeps its own time, its own end and its own answer."""

import asyncio
import threading
from typing import Any

import pytest
import trio
from tests.cache.answers import GatedModel, answer, asking

import inferail as ir
from inferail.batch import Windowed
from inferail.testing import LoopClock, ScriptedModel, ScriptedTransport, run_virtual
from inferail.types.response import Response, text_message
from inferail.types.scope import current_scope
from inferail.types.usage import Usage


class Echo:
    """Answers with what it was asked, after so many seconds on the loop's clock; notes when it was asked."""

    name = "echo:model"

    def __init__(self, seconds=0.0, fails=None):
        self.seconds, self.fails = seconds, fails or {}
        self.asked: list[tuple[float, list[str]]] = []
        self.at_once = self.most = 0

    async def generate(self, request):
        return await self._answer([request], self._one)

    def stream(self, request):
        return ScriptedModel(["streamed"]).stream(request)

    def _one(self, requests):
        text = requests[0].messages[-1].text
        if text in self.fails:
            raise self.fails[text]
        return echoed(text)

    async def _answer(self, requests, make):
        loop = asyncio._get_running_loop()
        self.asked.append((loop.time() if loop else 0.0, [each.messages[-1].text for each in requests]))
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            if self.seconds:
                await asyncio.sleep(self.seconds)
            return make(requests)
        finally:
            self.at_once -= 1


class Many(Echo):
    """The same, for several at a time."""

    async def generate_many(self, requests):
        return await self._answer(requests, lambda _: [self._each(each) for each in requests])

    def _each(self, request):
        text = request.messages[-1].text
        return self.fails.get(text) or echoed(text)


def echoed(text):
    return Response(text_message(f"<{text}>"), "stop", Usage(4, 2, cost_usd=0.001), provider="echo", model="model")


async def ask(model, *texts) -> Any:
    ended: Any = await asyncio.gather(*(model.generate(asking(text)) for text in texts), return_exceptions=True)
    return ended


def test_window_asks_each_distinct_payload_once_and_answers_everybody():
    """Serves R116."""
    inner = Echo(seconds=1.0)
    model = Windowed(inner, window=0.2)

    responses = run_virtual(ask(model, *(f"question {number % 100}" for number in range(1000))))

    asked = [text for _, texts in inner.asked for text in texts]
    assert len(asked) == len(set(asked)) == 100
    assert [response.text for response in responses] == [f"<question {number % 100}>" for number in range(1000)]
    assert sum(response.usage.cost_usd for response in responses) == pytest.approx(0.1)


def test_window_asks_for_many_at_once_where_the_model_can():
    """Serves R116."""
    inner = Many(seconds=1.0)
    model = Windowed(inner, window=0.2, max_size=8)

    responses = run_virtual(ask(model, *(str(number) for number in range(20))))

    assert [response.text for response in responses] == [f"<{number}>" for number in range(20)]
    assert [len(texts) for _, texts in inner.asked] == [8, 8, 4]
    assert [moment for moment, _ in inner.asked] == [0.0, 0.0, 0.0]


def test_window_asks_at_once_when_idle():
    """Serves R117."""
    inner = Echo()
    model = Windowed(inner, window=5.0)

    async def alone():
        for number in range(3):
            await model.generate(asking(str(number)))
            await asyncio.sleep(1.0)

    run_virtual(alone())

    assert [moment for moment, _ in inner.asked] == [0.0, 1.0, 2.0]


def test_window_waits_only_while_something_is_asked_and_no_longer_than_the_window():
    """Serves R117."""
    inner = Many(seconds=1.0)
    model = Windowed(inner, window=0.2)

    async def work():
        first = asyncio.create_task(model.generate(asking("first")))
        await asyncio.sleep(0.1)
        rest = [asyncio.create_task(model.generate(asking(text))) for text in ("second", "third")]
        await asyncio.sleep(0.85)
        last = asyncio.create_task(model.generate(asking("last")))  # 0.05 s before the first is answered
        await asyncio.gather(first, *rest, last)

    run_virtual(work())

    assert inner.asked == [
        (0.0, ["first"]),
        (pytest.approx(0.3), ["second", "third"]),
        (pytest.approx(1.0), ["last"]),
    ]


def test_full_window_does_not_wait():
    """Serves R117."""
    inner = Many(seconds=10.0)
    model = Windowed(inner, window=5.0, max_size=2)

    async def work():
        first = asyncio.create_task(model.generate(asking("first")))
        await asyncio.sleep(1.0)
        await ask(model, "second", "third", "fourth")
        await first

    run_virtual(work())

    assert inner.asked == [(0.0, ["first"]), (1.0, ["second", "third"]), (6.0, ["fourth"])]


def test_caller_in_a_hurry_does_not_wait_for_the_window():
    inner = Echo(seconds=0.3)
    model = Windowed(inner, window=5.0)

    async def work():
        first = asyncio.create_task(model.generate(asking("first")))
        await asyncio.sleep(0.1)
        now = asyncio.get_running_loop().time()
        with ir.Scope(deadline=now + 1.0, transport=virtual()).enter():
            assert (await model.generate(asking("hurried"))).text == "<hurried>"
        await first

    run_virtual(work())

    assert inner.asked == [(0.0, ["first"]), (0.1, ["hurried"])]


def virtual():
    return ScriptedTransport([], clock=LoopClock())


def test_cancelled_caller_does_not_cancel_the_others():
    inner = Echo(seconds=1.0)
    model = Windowed(inner)

    async def work():
        first, second = (asyncio.create_task(model.generate(asking("same"))) for _ in range(2))
        await asyncio.sleep(0.5)
        first.cancel()
        ended: Any = await asyncio.gather(first, second, return_exceptions=True)
        return ended

    first, second = run_virtual(work())

    assert isinstance(first, asyncio.CancelledError)
    assert second.text == "<same>"
    assert len(inner.asked) == 1


def test_call_ends_when_nobody_waits_any_more():
    inner = ScriptedModel(["late"], delay=10.0)
    model = Windowed(inner)

    async def work():
        cancellation = ir.Cancellation()
        with ir.scope(cancellation=cancellation):
            task = asyncio.create_task(model.generate(asking("Hello")))
        await asyncio.sleep(1.0)
        cancellation.cancel()
        with pytest.raises(ir.CancelledError):
            await task
        await model._background.idle(ir.Scope())
        return asyncio.get_running_loop().time()

    assert run_virtual(work()) == 1.0


def test_deadline_of_one_caller_is_not_that_of_another():
    inner = Echo(seconds=2.0)
    model = Windowed(inner)

    async def asked(deadline):
        with ir.Scope(deadline=deadline, transport=shared).enter():
            return await model.generate(asking("same"))

    shared = virtual()

    async def work():
        ended: Any = await asyncio.gather(asked(1.0), asked(5.0), asked(None), return_exceptions=True)
        return ended

    short, long, without = run_virtual(work())

    assert isinstance(short, ir.DeadlineError)
    assert (long.text, without.text) == ("<same>", "<same>")
    assert len(inner.asked) == 1


def test_caller_who_came_later_and_has_more_time_asks_anew():
    class Punctual(Echo):
        async def generate(self, request):
            deadline = current_scope().deadline
            await super().generate(request)
            if deadline is not None and LoopClock().now() >= deadline:
                raise ir.DeadlineError("no time", phase="total")
            return echoed("in time")

    inner, shared = Punctual(seconds=1.0), virtual()
    model = Windowed(inner)

    async def asked(after, deadline):
        await asyncio.sleep(after)
        with ir.Scope(deadline=deadline, transport=shared).enter():
            return (await model.generate(asking("same"))).text

    async def work():
        ended: Any = await asyncio.gather(asked(0.0, 1.0), asked(0.5, 5.0), return_exceptions=True)
        return ended

    first, second = run_virtual(work())

    assert isinstance(first, ir.DeadlineError)
    assert second == "<in time>"
    assert len(inner.asked) == 2


def test_time_of_the_model_itself_is_over_for_everybody():
    inner = ScriptedModel([ir.DeadlineError("no time", phase="first_token")], delay=0.5)

    ended = run_virtual(ask(Windowed(inner), "same", "same", "same"))

    assert all(isinstance(each, ir.DeadlineError) for each in ended)
    assert len(inner.requests) == 1


def test_cost_is_somebodys_where_the_first_caller_has_left():
    model = Windowed(Echo(seconds=1.0))

    async def work():
        callers = [asyncio.create_task(model.generate(asking("same"))) for _ in range(3)]
        await asyncio.sleep(0.5)
        callers[0].cancel()
        ended: Any = await asyncio.gather(*callers, return_exceptions=True)
        return ended[1:]

    assert sorted(response.usage.cost_usd for response in run_virtual(work())) == [0.0, 0.001]


def test_errors_fan_out_as_they_are():
    error = ir.RateLimitError("slower", retry_after=3.0, attempts=(ir.Attempt("echo", "model"),))
    inner = Many(seconds=1.0, fails={"bad": error})
    model = Windowed(inner)

    first, second, good = run_virtual(ask(model, "bad", "bad", "good"))

    assert first is error
    assert isinstance(second, ir.RateLimitError)
    assert second.retry_after == 3.0
    assert second.attempts == ()
    assert good.text == "<good>"


def test_wrong_number_of_answers_is_an_error_for_everybody():
    class Forgetful(Many):
        async def generate_many(self, requests):
            return []

    first, second = run_virtual(ask(Windowed(Forgetful()), "a", "b"))

    assert isinstance(first, ir.RequestError)
    assert isinstance(second, ir.RequestError)


def test_callers_with_other_labels_or_budgets_are_not_put_together():
    inner = Echo()
    model = Windowed(inner)

    async def asked(**around):
        with ir.scope(**around):
            return await model.generate(asking("same"))

    async def work():
        return await asyncio.gather(
            asked(labels={"tenant": "a"}), asked(labels={"tenant": "b"}), asked(budget=ir.Budget(usd=1.0)), asked()
        )

    run_virtual(work())

    assert len(inner.asked) == 4


def test_window_works_under_trio():
    inner = GatedModel()
    model = Windowed(inner)
    texts = []

    async def caller():
        texts.append((await model.generate(asking("same"))).text)

    async def work():
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(caller)
            while inner.calls == 0:
                await trio.lowlevel.checkpoint()
            inner.gate.release()

    trio.run(work)

    assert inner.calls == 1
    assert texts == [answer().text] * 5


def test_window_works_in_threads_and_leaves_one_record_for_each_attempt():
    """Serves R116."""
    inner = GatedModel()
    model = Windowed(inner, window=0.01)
    with ir.Client(model) as client:
        texts = []
        threads = [threading.Thread(target=lambda: texts.append(client.complete("same").text)) for _ in range(8)]
        for thread in threads:
            thread.start()
        while sum(call.callers for group in list(model._groups.values()) for call in list(group.calls.values())) < 8:
            threading.Event().wait(0.001)
        inner.gate.release()
        for thread in threads:
            thread.join()

    assert inner.calls == 1
    assert texts == [answer().text] * 8


def test_attempts_of_a_window_leave_one_record_each():
    from inferail.testing.sandbox import Sandbox

    with Sandbox() as sandbox:
        target = ir.Target("openai:gpt-5-mini", base_url=sandbox.base_url("openai"), api_key="none")

        async def work():
            async with ir.AsyncClient(Windowed(target)) as client:
                responses = await asyncio.gather(*(client.complete(f"Hello {number % 3}") for number in range(12)))
                return client.records, responses

        records, responses = asyncio.run(work())

    assert len(records) == len(sandbox.requests) == 3
    paid = [response for response in responses if response.attempts]
    assert len(paid) == 3
    assert sum(record.usage.cost_usd or 0.0 for record in records) == pytest.approx(
        sum(response.usage.cost_usd or 0.0 for response in responses)
    )


def test_nothing_is_left_when_nobody_asks():
    model = Windowed(Echo(seconds=1.0))

    run_virtual(ask(model, "a", "b", "a"))

    assert model._groups == {}


def test_window_serves_several_clients_and_closing_one_ends_nothing_for_the_others():
    inner = Echo(seconds=1.0)
    model = Windowed(inner)

    async def work():
        first, second = (ir.AsyncClient(model, transport=virtual()) for _ in range(2))
        waiting = asyncio.create_task(second.complete("b"))
        async with first:
            assert (await first.complete("a")).text == "<a>"
        return (await waiting).text, (await second.complete("c")).text

    assert run_virtual(work()) == ("<b>", "<c>")


def test_streams_pass_through_and_explain_names_the_window():
    inner = ScriptedModel(["streamed"])
    model = Windowed(inner)

    async def work():
        async with model.stream(asking("Hello")) as stream:
            return await stream.final()

    assert asyncio.run(work()).text == "streamed"
    assert "windowed(scripted)" in model.explain(asking("Hello"))


@pytest.mark.parametrize("options", [{"window": -1}, {"window": True}, {"max_size": 0}, {"max_size": 1.5}])
def test_window_refuses_what_makes_no_sense(options):
    with pytest.raises(ir.ConfigError):
        Windowed(ScriptedModel([]), **options)
