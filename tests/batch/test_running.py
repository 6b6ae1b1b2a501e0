"""A batch gives an item for each row, whatever became of it, and takes no more of its input than it needs."""

import asyncio
import itertools
import threading
import time

import pytest
import trio
from pydantic import BaseModel
from tests.batch.running_twins import WAYS, Echo, in_threads

import inferail as ir
from inferail.batch import Windowed
from inferail.testing import LoopClock, ScriptedModel, ScriptedTransport, run_virtual

BAD = ir.ServerError("down", status_code=500)


def bad(text):
    return BAD if text.endswith("3") else None


@pytest.mark.parametrize("way", WAYS)
def test_batch_gives_an_item_for_each_row_in_their_order(way):
    """Serves R120."""
    model = Echo()

    batch, items = way(model, [f"row {number}" for number in range(100)])

    assert [item.index for item in items] == list(range(100))
    assert [item.text for item in items] == [f"<row {number}>" for number in range(100)]
    assert [item.input for item in items[:2]] == ["row 0", "row 1"]
    assert (batch.done, batch.total, batch.failed, batch.not_run, batch.finished) == (100, 100, 0, 0, True)
    assert (batch.usage.input_tokens, batch.usage.output_tokens) == (400, 200)
    assert batch.usage.cost_usd == pytest.approx(0.1)


@pytest.mark.parametrize("way", WAYS)
def test_failures_are_items_and_never_exceptions(way):
    batch, items = way(Echo(fails=bad), [f"row {number}" for number in range(10)])

    assert [item.index for item in items if item.error] == [3]
    assert items[3].error is BAD
    assert items[3].ran
    with pytest.raises(ir.ServerError):
        _ = items[3].text
    assert (batch.done, batch.failed) == (10, 1)


def test_errors_of_other_kinds_are_items_too():
    _, items = in_threads(ScriptedModel(["only one"]), ["a", "b"], concurrency=1)

    assert items[0].text == "only one"
    assert isinstance(items[1].error, AssertionError)


def test_items_come_as_they_are_done_when_asked_for():
    model = Echo(seconds=lambda text: 5.0 if text == "slow" else 1.0)

    async def work():
        client = ir.AsyncClient(model, transport=virtual())
        async with client.batch(["slow", "quick", "quick too"], ordered=False) as batch:
            return [item.index async for item in batch]

    assert run_virtual(work()) == [1, 2, 0]


def virtual():
    return ScriptedTransport([], clock=LoopClock())


def test_no_more_calls_run_at_a_time_than_asked_for():
    model = Echo(seconds=lambda _: 1.0)

    async def work():
        async with ir.AsyncClient(model, transport=virtual()) as client:
            await client.batch([str(number) for number in range(20)], concurrency=4).run()
            return asyncio.get_running_loop().time()

    assert run_virtual(work()) == pytest.approx(5.0)
    assert model.most == 4


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("way", ["threads", "asyncio"])
def test_infinite_input_is_read_no_faster_than_its_items(way, ordered):
    taken = itertools.count()
    options = {"concurrency": 4, "ahead": 16, "ordered": ordered}

    def rows():
        while True:
            yield f"row {next(taken)}"

    async def work():
        async with ir.AsyncClient(Echo()).batch(rows(), **options) as batch:
            return [(await anext(batch)).index for _ in range(50)], batch.total

    if way == "asyncio":
        given, total = asyncio.run(work())
    else:
        with ir.Client(Echo()) as client, client.batch(rows(), **options) as batch:
            given, total = [item.index for item in itertools.islice(batch, 50)], batch.total

    assert total is None
    if ordered:
        assert given == list(range(50))
    assert len(set(given)) == 50
    assert next(taken) <= 50 + 16 + 4


@pytest.mark.parametrize("runner", [asyncio.run, lambda coroutine: trio.run(lambda: coroutine)])
def test_asynchronous_iterators_are_read_one_row_at_a_time(runner):
    reading = 0

    async def rows():
        nonlocal reading
        for number in range(50):
            reading += 1
            assert reading == 1
            if asyncio._get_running_loop():
                await asyncio.sleep(0)
            else:
                await trio.lowlevel.checkpoint()
            reading -= 1
            yield f"row {number}"

    async def work():
        async with ir.AsyncClient(Echo()) as client, client.batch(rows(), concurrency=8) as batch:
            return [item.text async for item in batch]

    assert runner(work()) == [f"<row {number}>" for number in range(50)]


def test_input_that_fails_is_told_after_everything_that_was_read():
    def rows():
        yield from ("a", "b")
        raise OSError("the database is gone")

    given = []
    with ir.Client(Echo()) as client, client.batch(rows()) as batch, pytest.raises(OSError, match="database"):
        for item in batch:
            given.append(item)  # noqa: PERF402 - what came before the end is looked at

    assert [item.text for item in given] == ["<a>", "<b>"]
    assert not batch.finished


@pytest.mark.parametrize(
    ("row", "text"),
    [
        pytest.param("Hello", "<Hello>", id="text"),
        pytest.param(ir.user("Hello"), "<Hello>", id="message"),
        pytest.param([ir.system("Short."), ir.user("Hello")], "<Hello>", id="messages"),
        pytest.param(ir.Request((ir.user("Hello"),), sampling=ir.Sampling(max_tokens=3)), "<Hello>", id="request"),
        pytest.param({"prompt": "Hello", "stars": 5}, "<Hello>", id="mapping"),
        pytest.param({"messages": [{"role": "user", "content": "Hello"}]}, "<Hello>", id="messages-as-data"),
    ],
)
def test_rows_are_texts_messages_requests_or_mappings(row, text):
    _, items = in_threads(Echo(), [row])

    assert items[0].text == text


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(5, id="number"),
        pytest.param("", id="empty"),
        pytest.param({"prompt": "a", "messages": []}, id="both"),
        pytest.param({"text": "a"}, id="neither"),
        pytest.param({"prompt": "a", "options": {"temperature": 1}}, id="unknown-option"),
        pytest.param({"prompt": "a", "options": {"sampling": {"temprature": 1}}}, id="unknown-sampling"),
        pytest.param({"prompt": "a", "options": "fast"}, id="options-no-mapping"),
        pytest.param({"messages": "Hello"}, id="messages-no-list"),
        pytest.param({"messages": [{"role": "user"}]}, id="message-without-content"),
    ],
)
@pytest.mark.parametrize("checkpoint", [False, True])
def test_wrong_row_is_an_item_that_says_what_is_wrong(row, checkpoint, tmp_path):
    options = {"checkpoint": tmp_path / "done.jsonl"} if checkpoint else {}

    _, items = in_threads(Echo(), ["fine", row], **options)

    assert items[0].text == "<fine>"
    assert isinstance(items[1].error, ir.ConfigError)


def test_row_brings_its_id_and_its_options():
    model = ScriptedModel(["one", "two"])
    rows = [{"id": 7, "prompt": "a", "system": "Short.", "options": {"sampling": {"max_tokens": 9}}}, "b"]

    _, items = in_threads(model, rows, concurrency=1, sampling=ir.Sampling(temperature=0.5))

    assert [item.id for item in items] == ["7", None]
    assert [request.sampling.max_tokens for request in model.requests] == [9, None]
    assert model.requests[0].system_text == "Short."
    assert model.requests[1].sampling.temperature == 0.5


def test_prompt_is_made_of_each_row_and_its_failure_is_an_item():
    _, items = in_threads(Echo(), [{"review": "good"}, {}], prompt=lambda row: f"Classify: {row['review']}")

    assert items[0].text == "<Classify: good>"
    assert items[0].input == {"review": "good"}
    assert isinstance(items[1].error, ir.ConfigError)
    assert "KeyError" in str(items[1].error)


class Ticket(BaseModel):
    category: str


def test_output_is_typed_and_a_wrong_one_is_an_item():
    model = ScriptedModel(['{"category": "billing"}', "no JSON", "no JSON"])

    _, items = in_threads(model, ["a", "b"], output=Ticket, concurrency=1)

    assert items[0].output == Ticket(category="billing")
    assert isinstance(items[1].error, ir.OutputValidationError)


@pytest.mark.parametrize("way", WAYS)
def test_spent_budget_ends_the_batch_and_the_rest_is_not_run(way):
    """Serves R118."""
    model = Echo(usd=0.01)

    batch, items = way(model, [f"row {number}" for number in range(50)], budget=ir.Budget(usd=0.1), concurrency=2)

    ran = [item for item in items if item.ran]
    assert 10 <= len(ran) <= 12
    assert len(items) == 50
    assert all(isinstance(item.error, ir.BudgetError) for item in items if not item.ran)
    assert batch.not_run == 50 - len(ran)
    assert len(model.asked) == len(ran)
    assert not batch.finished


def test_spent_budget_ends_an_input_that_does_not_end():
    rows = (f"row {number}" for number in itertools.count())

    batch, items = in_threads(Echo(usd=0.01), rows, budget=ir.Budget(usd=0.05), concurrency=1)

    assert 5 <= batch.done < 2000
    assert sum(item.ran for item in items) == 5


@pytest.mark.parametrize("way", WAYS)
def test_cancellation_from_outside_keeps_what_is_done(way):
    cancellation = ir.Cancellation()

    def cancel(text):
        if text == "row 5":
            cancellation.cancel()

    with ir.scope(cancellation=cancellation):
        batch, items = way(Echo(fails=cancel), [f"row {number}" for number in range(20)], concurrency=1)

    assert [item.text for item in items[:6]] == [f"<row {number}>" for number in range(6)]
    assert all(isinstance(item.error, ir.CancelledError) and not item.ran for item in items[6:])
    assert (batch.done, batch.not_run) == (20, 14)


@pytest.mark.parametrize("run", [asyncio.run, lambda coroutine: trio.run(lambda: coroutine)])
def test_cancellation_ends_the_wait_for_rows_that_never_come(run):
    cancellation = ir.Cancellation()

    async def rows():
        yield "a"
        yield "b"
        threading.Timer(0.02, cancellation.cancel).start()
        if asyncio._get_running_loop():
            await asyncio.Event().wait()
        else:
            await trio.sleep_forever()

    async def work():
        with ir.scope(cancellation=cancellation):
            async with ir.AsyncClient(Echo()).batch(rows(), concurrency=3) as batch:
                return [item.text async for item in batch], batch.finished

    assert run(work()) == (["<a>", "<b>"], False)


def test_deadline_keeps_what_is_done_and_what_was_cut_is_not_run():
    model = Echo(seconds=lambda _: 1.0)

    async def work():
        client = ir.AsyncClient(model, transport=virtual())
        with ir.Scope(deadline=3.5, transport=virtual()).enter():
            async with client.batch([str(number) for number in range(10)], concurrency=2) as batch:
                return [item async for item in batch]

    items = run_virtual(work())

    assert all(item.ran for item in items[:6])
    assert all(not item.ran and isinstance(item.error, ir.DeadlineError) for item in items[8:])
    assert len(items) == 10


def test_deadline_of_the_batch_inside_a_fallback_counts_as_not_run():
    def late(_):
        return ir.DeadlineError("late", phase="total") if LoopClock().now() > 2.5 else None

    model = ir.Fallback(Echo(seconds=lambda _: 1.0, fails=late), Echo(seconds=lambda _: 1.0, fails=late))

    async def work():
        client = ir.AsyncClient(model, transport=virtual())
        with ir.Scope(deadline=2.5, transport=virtual()).enter():
            async with client.batch(["a", "b", "c"], concurrency=1) as batch:
                return [(item.ran, bool(item.error)) async for item in batch]

    assert run_virtual(work()) == [(True, False), (True, False), (False, True)]


def test_leaving_early_ends_the_calls_that_run():
    model = Echo(seconds=lambda text: 0.0 if text == "0" else 1000.0)

    async def work():
        async with ir.AsyncClient(model, transport=virtual()) as client:
            async with client.batch([str(number) for number in range(10)], concurrency=4) as batch:
                async for item in batch:
                    assert item.index == 0
                    break
            return asyncio.get_running_loop().time(), len(asyncio.all_tasks())

    moment, tasks = run_virtual(work())

    assert moment == 0.0
    assert tasks == 1


def test_leaving_early_ends_threads_that_wait():
    model = Echo(seconds=lambda text: 0.0 if text == "0" else 60.0)
    before = threading.active_count()
    began = time.monotonic()

    with ir.Client(model) as client, client.batch([str(number) for number in range(10)], concurrency=4) as batch:
        assert next(batch).index == 0

    assert time.monotonic() - began < 5.0
    assert threading.active_count() == before


def test_cancelled_reader_ends_the_batch():
    model = Echo(seconds=lambda _: 1000.0)

    async def work():
        async with ir.AsyncClient(model, transport=virtual()) as client:
            task = asyncio.create_task(client.batch(["a", "b"]).run())
            await asyncio.sleep(1.0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return len(asyncio.all_tasks())

    assert run_virtual(work()) == 1


def test_client_refuses_to_block_an_event_loop():
    client = ir.Client(Echo())

    async def work():
        with pytest.raises(ir.ConfigError, match="AsyncClient"):
            client.batch(["a"]).run()

    asyncio.run(work())
    client.close()


def test_model_that_needs_a_loop_is_told_of():
    class Suspends(Echo):
        async def generate(self, request):
            await asyncio.sleep(0)
            return await super().generate(request)

    with pytest.raises(ir.ConfigError, match="asynchronous"):
        in_threads(Suspends(), ["a"])


def test_batch_that_was_not_entered_says_how():
    with ir.Client(Echo()) as client, pytest.raises(ir.ConfigError, match="with block"):
        list(client.batch(["a"]))


def test_batch_runs_once():
    with ir.Client(Echo()) as client:
        batch = client.batch(["a"]).run()

        assert batch.finished
        with pytest.raises(ir.ConfigError, match="once"):
            batch.run()


@pytest.mark.parametrize(
    ("items", "options"),
    [
        pytest.param("a prompt", {}, id="text"),
        pytest.param({"prompt": "a"}, {}, id="mapping"),
        pytest.param(5, {}, id="number"),
        pytest.param("missing.jsonl", {}, id="missing-file"),
        pytest.param([], {"concurrency": 0}, id="concurrency"),
        pytest.param([], {"ahead": True}, id="ahead"),
        pytest.param([], {"budget": 5.0}, id="budget"),
        pytest.param([], {"prompt": "text"}, id="prompt"),
        pytest.param([], {"fsync": -1}, id="fsync"),
        pytest.param([], {"to": "out.csv"}, id="to"),
        pytest.param([], {"to": 5}, id="to-no-path"),
        pytest.param([], {"to": "out.jsonl", "checkpoint": "out.jsonl"}, id="same-file"),
    ],
)
def test_wrong_arguments_are_told_before_anything_is_sent(items, options):
    with ir.Client(Echo()) as client, pytest.raises(ir.ConfigError):
        client.batch(items, **options)


@pytest.mark.parametrize("options", [{"temperature": 0.5}, {"concurency": 4}, {"tools": ["none"]}])
def test_wrong_option_of_the_calls_is_told_before_any_is_made(options):
    model = Echo()
    with ir.Client(model) as client, pytest.raises(ir.ConfigError):
        client.batch(["a"], **options).run()

    assert model.asked == []


def test_asynchronous_iterator_needs_the_asynchronous_client():
    async def rows():
        yield "a"

    with ir.Client(Echo()) as client, pytest.raises(ir.ConfigError, match="AsyncClient"):
        client.batch(rows())


def test_empty_batch_is_finished_at_once():
    batch, items = in_threads(Echo(), [])

    assert items == []
    assert (batch.done, batch.total, batch.finished) == (0, 0, True)


def test_repr_of_an_item_tells_nothing_of_what_was_said():
    _, items = in_threads(Echo(fails=bad), ["secret", "secret 3"])

    assert [repr(item) for item in items] == ["Item(0, done)", "Item(1, failed)"]


def test_records_say_that_a_batch_asked():
    from inferail.testing.sandbox import Sandbox

    with Sandbox() as sandbox:
        target = ir.Target("openai:gpt-5-mini", base_url=sandbox.base_url("openai"), api_key="none")
        with ir.Client(target) as client:
            client.batch(["a", "b"], labels={"task": "reviews"}).run()

            assert [(record.path, record.labels["task"]) for record in client.records] == [("batch", "reviews")] * 2


class Fact(BaseModel):
    topic: str


def test_summaries_and_extraction_run_as_batches():
    """Serves R121."""
    from inferail.testing import recipes
    from inferail.testing.sandbox import Sandbox

    documents = ["A Scope has a deadline and a budget.", "A Record is one line of the ledger.", "A Store keeps bytes."]

    async def work(sandbox):
        async with ir.AsyncClient(recipes.sandbox_model(sandbox)) as client:
            summaries = client.batch(documents, prompt=lambda text: f"Summarise in one sentence: {text}")
            facts = client.batch(documents, prompt=lambda text: f"Extract the topic: {text}", output=Fact)
            async with summaries, facts:
                return [item.text async for item in summaries], [item.output async for item in facts]

    with Sandbox() as sandbox:
        texts, found = asyncio.run(work(sandbox))

    assert all(texts)
    assert [type(each) for each in found] == [Fact] * 3


def test_batch_through_a_window_asks_for_many_at_once():
    """Serves R118."""
    together = []

    class Many(Echo):
        async def generate_many(self, requests):
            together.append(len(requests))
            await asyncio.sleep(1.0)
            return [await self.generate(request) for request in requests]

    async def work():
        client = ir.AsyncClient(Windowed(Many(), max_size=16), transport=virtual())
        async with client.batch([f"row {number}" for number in range(64)], concurrency=32) as batch:
            return [item.text async for item in batch]

    assert run_virtual(work()) == [f"<row {number}>" for number in range(64)]
    assert sum(together) == 64
    assert len(together) <= 6


def test_ten_thousand_rows_wait_for_nothing_when_they_are_handed_over():
    """Serves R120."""
    model = Echo(seconds=lambda _: 1000.0)

    async def work():
        began = time.monotonic()
        client = ir.AsyncClient(model, transport=virtual())
        async with client.batch((f"row {number}" for number in range(10_000)), concurrency=64):
            await asyncio.sleep(0)
            return time.monotonic() - began, len(model.asked)

    seconds, asked = run_virtual(work())

    assert seconds < 1.0
    assert asked <= 64
