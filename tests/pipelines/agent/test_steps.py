"""A run while it happens: every event in its order, pieces of text as they come."""

import asyncio

import pytest
from tests.pipelines.agent.agent_scripts import asks, says

import inferail as ir
from inferail.core import Delta
from inferail.pipelines.agent import RunEnded, Said, StepBegun, StepEnded, ToolBegun, ToolEnded, Voided
from inferail.testing import ScriptedModel
from inferail.types.scope import current_scope


@ir.tool(permission="read")
def status(order_id: str) -> str:
    """Status of one order."""
    return f"{order_id} is on its way"


ANSWERS = [asks(("status", {"order_id": "7"}), ("nothing", {}), text="Let me see."), says("On its way.")]
EVENTS = [
    StepBegun,
    *[Said] * 3,
    *[ToolBegun] * 2,
    *[ToolEnded] * 2,
    StepEnded,
    StepBegun,
    *[Said] * 3,
    StepEnded,
    RunEnded,
]


def blocking(answers, **options):
    with ir.Client(ScriptedModel(answers)) as client, ir.Agent(client, **options).stream("Go.") as steps:
        return list(steps), steps.run


def asynchronous(answers, **options):
    async def read():
        async with (
            ir.AsyncClient(ScriptedModel(answers)) as client,
            ir.AsyncAgent(client, **options).stream("Go.") as steps,
        ):
            return [event async for event in steps], steps.run

    return asyncio.run(read())


@pytest.fixture(params=[blocking, asynchronous], ids=lambda way: way.__name__)
def read(request):
    return request.param


def test_stream_tells_every_event_in_its_order(read):
    events, run = read(ANSWERS, tools=[status])

    assert [type(event) for event in events] == EVENTS
    assert "".join(event.text for event in events if isinstance(event, Said)) == "Let me see.On its way."
    assert [event.step for event in events if isinstance(event, Said)] == [1, 1, 1, 2, 2, 2]
    assert [event.result.outcome.is_error for event in events if isinstance(event, ToolEnded)] == [False, True]
    assert events[-1] == RunEnded(run)
    assert [event.step for event in events if isinstance(event, StepEnded)] == list(run.steps)
    assert run.answer == "On its way."


def test_stream_says_what_is_void(read):
    finish = Delta("finish", reason="stop")
    answers = [["Half", Delta("restart"), "Whole.", finish]]

    events, run = read(answers)

    assert [type(event) for event in events] == [StepBegun, Said, Voided, Said, StepEnded, RunEnded]
    assert run.text == "Whole."


def test_stream_ends_with_the_run_where_it_was_stopped(read):
    events, run = read(
        [asks(("status", {"order_id": str(n)})) for n in range(9)], tools=[status], budget=ir.Budget(steps=2)
    )

    assert run.stopped == "steps"
    assert isinstance(events[-1], RunEnded)
    assert [type(event) for event in events].count(StepBegun) == 2


def test_stream_ends_with_the_run_where_a_call_broke(read):
    events, run = read(
        [asks(("status", {"order_id": "7"})), ["It is", ir.StreamError("broke", provider="p")]], tools=[status]
    )

    assert (run.stopped, run.error.partial.text) == ("failed", "It is")
    assert isinstance(events[-1], RunEnded)


def test_stream_that_is_left_asks_nobody_any_more():
    model = ScriptedModel(ANSWERS)
    with ir.Client(model) as client:
        with ir.Agent(client, tools=[status]).stream("Go.") as steps:
            for event in steps:
                if isinstance(event, StepEnded):
                    break
        with pytest.raises(ir.StreamError, match="not over"):
            _ = steps.run

    assert len(model.requests) == 1


def test_stream_that_is_left_in_the_middle_of_an_answer_closes_it():
    async def read():
        async with (
            ir.AsyncClient(ScriptedModel([says("One two three.")])) as client,
            ir.AsyncAgent(client).stream("Go.") as steps,
        ):
            async for event in steps:
                if isinstance(event, Said):
                    return event.text
        return ""

    assert asyncio.run(read()) == "One "


def test_stream_is_read_in_a_with_block():
    with ir.Client(ScriptedModel(["x"])) as client, pytest.raises(ir.ConfigError, match="with block"):
        next(iter(ir.Agent(client).stream("Go.")))


def test_stream_does_not_change_the_scope_of_its_reader():
    with (
        ir.Client(ScriptedModel(ANSWERS)) as client,
        ir.Agent(client, tools=[status], timeout=60).stream("Go.") as steps,
    ):
        for _ in steps:
            assert current_scope().deadline is None
