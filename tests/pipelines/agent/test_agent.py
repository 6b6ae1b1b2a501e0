"""An agent asks until it is answered or a bound is reached, and always says which."""

import asyncio
import json
import threading
from typing import Any, cast

import pytest
import trio
from pydantic import BaseModel
from tests.pipelines.agent.agent_scripts import COST, EVERY_WAY, asks, ran_blocking, says

import inferail as ir
from inferail.testing import LoopClock, ScriptedModel, ScriptedTransport, run_virtual
from inferail.types.scope import current_scope


@ir.tool(permission="read")
def status(order_id: str) -> str:
    """Status of one order."""
    return f"{order_id} is on its way"


@ir.tool
def refund(order_id: str) -> str:
    """Pays an order back."""
    return f"paid {order_id}"


@pytest.fixture(params=EVERY_WAY, ids=lambda way: way.__name__)
def ran(request):
    return request.param


def test_agent_runs_tools_until_the_model_answers(ran):
    """Serves R132."""
    answers = [
        asks(("status", {"order_id": "7"}), ("refund", {"order_id": "8"}), text="Let me see."),
        asks(("status", {"order_id": "9"})),
        says("All done."),
    ]

    run = ran(answers, "Where is it?", tools=[status, refund])

    assert (run.stopped, run.text, run.answer, run.answered) == ("answered", "All done.", "All done.", True)
    assert [message.role for message in run.messages] == [
        "user",
        "assistant",
        "tool",
        "tool",
        "assistant",
        "tool",
        "assistant",
    ]
    assert [result.outcome.content for result in run.steps[0].results] == ["7 is on its way", "paid 8"]
    assert [step.number for step in run.steps] == [1, 2, 3]
    assert (run.usage.input_tokens, run.usage.output_tokens) == (30, 15)
    assert run.usage.cost_usd == pytest.approx(3 * COST)
    assert [record.tool for record in run.records] == ["status", "refund", "status"]
    ir.Request((*run.messages, ir.user("And now?")))


def test_agent_without_tools_is_a_call(ran):
    run = ran(["Hello there."])

    assert (run.text, len(run.steps)) == ("Hello there.", 1)


def test_agent_goes_on_with_a_conversation():
    model = ScriptedModel([asks(("status", {"order_id": "7"})), "First.", "Second."])
    with ir.Client(model) as client:
        agent = ir.Agent(client, tools=[status], system="Be brief.")
        first = agent.run("One.")
        second = agent.run([*first.messages, ir.user("Two.")])

    assert second.text == "Second."
    assert [message.role for message in model.requests[2].messages] == [
        "system",
        "user",
        "assistant",
        "tool",
        "assistant",
        "user",
    ]


def test_agent_tells_the_model_of_wrong_calls_and_goes_on(ran):
    """Serves R133. Serves R131."""
    answers = [asks(("nothing", {}), ("status", {"order": 7}), ("status", "{")), says("Sorry.")]

    run = ran(answers, tools=[status])

    said = [json.loads(result.outcome.content)["error"]["kind"] for result in run.steps[0].results]
    assert said == ["unknown_tool", "invalid_arguments", "invalid_arguments"]
    assert run.answered


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_agent_stops_after_its_steps(ran, steps):
    """Serves R135."""
    answers = [asks(("status", {"order_id": str(number)})) for number in range(9)]

    run = ran(answers, tools=[status], budget=ir.Budget(steps=steps))

    assert (run.stopped, len(run.steps), run.answered) == ("steps", steps, False)
    # In the last step nobody would read what a tool gave: it is not run.
    assert [record.outcome for record in run.records] == ["ok"] * (steps - 1) + ["not_run"]
    assert json.loads(run.steps[-1].results[0].outcome.content)["error"]["kind"] == "not_run"
    with pytest.raises(ir.BudgetError, match=f"after {steps} steps"):
        _ = run.answer
    ir.Request((*run.messages, ir.user("Go on.")))


def test_agent_has_a_bound_where_nobody_gave_one(ran):
    """Serves R135."""
    answers = [asks(("status", {"order_id": str(number)})) for number in range(99)]

    run = ran(answers, tools=[status], budget=ir.Budget(usd=5))

    assert (run.stopped, len(run.steps)) == ("steps", 20)


def test_agent_stops_when_its_money_is_spent(ran):
    """Serves R135."""
    answers = [asks(("status", {"order_id": str(number)})) for number in range(9)]

    run = ran(answers, tools=[status], budget=ir.Budget(usd=2.5 * COST))

    assert (run.stopped, len(run.steps)) == ("money", 3)
    assert [record.ran for record in run.records] == [True, True, False]
    with pytest.raises(ir.BudgetError, match="money was spent after 3 steps"):
        _ = run.answer


def test_agent_stops_when_its_tokens_are_spent(ran):
    """Serves R135."""
    answers = [asks(("status", {"order_id": str(number)})) for number in range(9)]

    run = ran(answers, tools=[status], budget=ir.Budget(tokens=31))

    assert (run.stopped, len(run.steps)) == ("tokens", 3)


def test_agent_gives_an_answer_that_used_the_last_money(ran):
    run = ran([says("Yes.")], budget=ir.Budget(usd=COST))

    assert run.answer == "Yes."


def test_agent_counts_what_tools_cost(ran):
    """Serves R135."""

    @ir.tool(cost_usd=0.5)
    def search(order_id: str) -> str:
        return order_id

    answers = [asks(("search", {"order_id": str(number)})) for number in range(9)]
    run = ran(answers, tools=[search], budget=ir.Budget(usd=0.9))

    assert (run.stopped, [record.ran for record in run.records]) == ("money", [True, True])
    assert run.usage.cost_usd == pytest.approx(1.0 + 2 * COST)


def test_agent_charges_the_budget_around_it_too(ran):
    """Serves R135."""
    around = ir.Budget(usd=3.5 * COST)
    answers = [asks(("status", {"order_id": "7"})), says("Done.")]

    with ir.scope(budget=around):
        first = ran(answers, tools=[status], budget=ir.Budget(usd=1))
        second = ran(answers, tools=[status], budget=ir.Budget(usd=1))
        third = ran(answers, tools=[status])

    assert (first.stopped, second.stopped, third.stopped) == ("answered", "answered", "money")
    assert third.steps == ()
    assert around.spent.cost_usd == pytest.approx(4 * COST)


def test_agent_runs_have_budgets_of_their_own():
    answers = [says("One."), says("Two.")]
    with ir.Client(ScriptedModel(answers)) as client:
        agent = ir.Agent(client, budget=ir.Budget(usd=COST))

        assert [agent.run("Go.").stopped for _ in range(2)] == ["answered", "answered"]


def test_agent_says_where_a_price_is_not_known(ran):
    run = ran([asks(("status", {"order_id": "7"})), says("Done.", cost=None)], tools=[status])

    assert run.usage.cost_usd is None
    assert run.usage.total_tokens == 30


def virtual(agent_of, prompt="Go."):
    """A run on virtual time, and how long it took."""

    async def timed():
        transport = ScriptedTransport([], clock=LoopClock())
        began = asyncio.get_running_loop().time()
        run = await agent_of(transport).run(prompt)
        return run, asyncio.get_running_loop().time() - began

    return run_virtual(timed())


@ir.tool
async def sleep(seconds: float) -> str:
    """Waits."""
    await asyncio.sleep(seconds)
    return "slept"


def test_agent_stops_when_its_time_is_over():
    """Serves R135."""
    answers = [asks(("sleep", {"seconds": 4 + number / 100})) for number in range(9)]

    run, took = virtual(
        lambda transport: ir.AsyncAgent(
            ir.AsyncClient(ScriptedModel(answers), transport=transport), tools=[sleep], timeout=10
        )
    )

    assert (run.stopped, len(run.steps)) == ("time", 3)
    assert took == pytest.approx(10)
    assert run.records[-1].outcome == "timeout"
    with pytest.raises(ir.DeadlineError, match="after 3 steps"):
        _ = run.answer


class Late:
    """Is never done, and says so at the deadline, as a Target does."""

    name = "late"

    async def generate(self, request):
        scope = current_scope()
        assert scope.deadline is not None
        await asyncio.sleep(scope.deadline - asyncio.get_running_loop().time())
        raise ir.DeadlineError("too late", phase="total")

    def stream(self, request):
        raise AssertionError("nobody streams here")


def test_agent_stops_when_the_model_is_late():
    """Serves R135."""
    run, took = virtual(
        lambda transport: ir.AsyncAgent(ir.AsyncClient(Late(), transport=transport, timeout=60), timeout=10)
    )

    assert (run.stopped, run.steps) == ("time", ())
    assert isinstance(run.error, ir.DeadlineError)
    assert took == pytest.approx(10)


def test_agent_has_failed_where_a_single_call_was_late():
    run, took = virtual(
        lambda transport: ir.AsyncAgent(ir.AsyncClient(Late(), transport=transport, timeout=4), timeout=10)
    )

    assert (run.stopped, took) == ("failed", pytest.approx(4))


def test_agent_stops_when_it_repeats_itself(ran):
    """Serves R135."""
    answers = [asks(("status", {"order_id": "7", "x": 1}), cost=None) for _ in range(9)]

    run = ran(answers, tools=[status])

    assert (run.stopped, len(run.steps)) == ("repeated", 3)
    with pytest.raises(ir.errors.OutputError, match="repeated itself"):
        _ = run.answer


def test_agent_may_ask_again_for_what_changes(ran):
    states = iter(["waiting", "waiting a little", "half done", "nearly done", "done"])

    @ir.tool
    def job() -> str:
        return next(states)

    run = ran([*[asks(("job", {})) for _ in range(5)], says("Done.")], tools=[job])

    assert run.answered


def test_agent_stops_when_it_is_cancelled(ran):
    """Serves R135."""
    cancellation = ir.Cancellation()

    @ir.tool
    def stop() -> str:
        cancellation.cancel()
        threading.Event().wait(0.3)
        return ""

    taken = []
    answers = [asks(("stop", {}), ("status", {"order_id": "7"})), says("Never.")]
    with ir.scope(cancellation=cancellation):
        run = ran(answers, tools=[stop, status], at_once=1, audit=taken.append)

    assert [record.outcome for record in taken] == ["cancelled", "not_run"]
    assert (run.stopped, len(run.steps)) == ("cancelled", 1)
    assert [message.tool_results[0].is_error for message in run.messages[2:]] == [True, True]
    with pytest.raises(ir.errors.CancelledError):
        _ = run.answer


@pytest.mark.parametrize(
    ("answer", "stopped"),
    [
        pytest.param(says("It is on", reason="length"), "truncated", id="length"),
        pytest.param(says("Hm", reason="unknown"), "truncated", id="unknown"),
        pytest.param(says("Hm", reason="tool_calls"), "truncated", id="no-calls"),
        pytest.param(asks(("status", '{"order_id'), reason="length"), "truncated", id="cut-off-call"),
        pytest.param(says("", reason="content_filter"), "filtered", id="filtered"),
    ],
)
def test_agent_does_not_take_half_an_answer_for_one(ran, answer, stopped):
    run = ran([asks(("status", {"order_id": "7"})), answer], tools=[status])

    assert (run.stopped, run.answered, len(run.steps)) == (stopped, False, 2)
    assert len(run.records) == 1
    with pytest.raises(ir.errors.OutputError, match="step 2"):
        _ = run.answer
    ir.Request((*run.messages, ir.user("Go on."))) if run.messages[-1].role != "assistant" else None


def test_agent_runs_calls_that_come_with_another_reason(ran):
    run = ran([asks(("status", {"order_id": "7"}), reason="stop"), says("Done.")], tools=[status])

    assert (run.stopped, len(run.records)) == ("answered", 1)


def test_agent_goes_on_after_a_pause(ran):
    run = ran([says("Searching.", reason="pause"), says("Found.")])

    assert (run.stopped, len(run.steps), run.text) == ("answered", 2, "Found.")


def test_agent_keeps_what_it_had_when_a_call_fails(ran):
    error = ir.ServerError("the provider failed", provider="p")

    run = ran([asks(("status", {"order_id": "7"})), error], tools=[status])

    assert (run.stopped, len(run.steps), run.error) == ("failed", 1, error)
    assert len(run.messages) == 3
    with pytest.raises(ir.ServerError):
        _ = run.answer


def test_agent_raises_what_the_caller_has_to_change(ran):
    with pytest.raises(ir.ConfigError, match="tool_choice"):
        ran(["x"], tool_choice="nobody")


def test_agent_asks_for_a_tool_that_has_to_be_called_once_only():
    model = ScriptedModel([asks(("status", {"order_id": "7"})), says("Done.")])
    with ir.Client(model) as client:
        ir.Agent(client, tools=[status, refund], tool_choice="status").run("Go.")

    assert [request.tool_choice for request in model.requests] == ["status", "auto"]


class Ticket(BaseModel):
    category: str
    urgent: bool


def test_agent_gives_a_typed_output(ran):
    answers = [asks(("status", {"order_id": "7"})), says('{"category": "late", "urgent": true}')]

    run = ran(answers, tools=[status], output=Ticket)

    assert run.output == Ticket(category="late", urgent=True)


def test_agent_has_no_output_where_the_answer_does_not_fit(ran):
    run = ran([asks(("status", {"order_id": "7"})), *[says("no JSON")] * 3], tools=[status], output=Ticket)

    assert (run.stopped, run.output) == ("failed", None)
    with pytest.raises(ir.OutputValidationError):
        _ = run.answer


def test_agent_asks_before_it_writes_and_keeps_to_its_permissions(ran):
    """Serves R134."""
    answers = [asks(("status", {"order_id": "7"}), ("refund", {"order_id": "7"})), says("Done.")]

    asked = ran(answers, tools=[status, refund], approve=lambda request: request.tool != "refund")
    forbidden = ran(answers, tools=[status, refund], permissions=["read"])

    assert [record.outcome for record in asked.records] == ["ok", "not_approved"]
    assert [record.outcome for record in forbidden.records] == ["ok", "no_permission"]


def test_agent_counts_the_runs_of_tools_anew_in_each_run():
    """Serves R134."""
    taken = []
    answers = [asks(("refund", {"order_id": "7"}), ("refund", {"order_id": "8"})), says("Done.")] * 2
    once = ir.tool(refund.function, max_calls=1)
    with ir.Client(ScriptedModel(answers)) as client:
        agent = ir.Agent(client, tools=[once], name="desk", audit=taken.append)
        agent.run("One.")
        agent.run("Two.")

    assert [(each.who, each.outcome) for each in taken] == [("desk", "ok"), ("desk", "over_budget")] * 2
    assert agent.records == taken


def test_tools_of_an_agent_run_in_its_scope(ran):
    seen = []

    @ir.tool
    def look() -> str:
        scope = current_scope()
        seen.append((dict(scope.labels), scope.budget is not None, scope.deadline is not None))
        return ""

    with ir.scope(labels={"tenant": "acme"}):
        ran([asks(("look", {})), says("Done.")], tools=[look], labels={"task": "desk"}, timeout=60)

    assert seen == [({"tenant": "acme", "task": "desk"}, True, True)]


def test_agent_runs_under_trio():
    async def ran():
        async with ir.AsyncClient(ScriptedModel([asks(("status", {"order_id": "7"})), says("Done.")])) as client:
            return await ir.AsyncAgent(client, tools=[status]).run("Go.")

    run = trio.run(ran)

    assert (run.text, [record.outcome for record in run.records]) == ("Done.", ["ok"])


def test_agent_uses_a_coroutine_tool_where_it_blocks():
    run = ran_blocking([asks(("sleep", {"seconds": 0})), says("Done.")], tools=[sleep])

    assert [record.outcome for record in run.records] == ["ok"]


def test_agent_does_not_take_an_answer_for_a_lie_of_its_ids(ran):
    """Two calls with one id, as some servers send them, would be refused in the next request."""
    twice = ir.assistant(
        ir.ToolCall("same", "status", '{"order_id": "7"}'), ir.ToolCall("same", "status", '{"order_id": "8"}')
    )
    answer = asks(("status", {"order_id": "7"}))

    run = ran([type(answer)(twice, "tool_calls"), says("Done.")], tools=[status])

    assert run.answered
    assert [message.tool_results[0].content for message in run.messages[2:4]] == ["7 is on its way", "8 is on its way"]


def test_agent_explains_its_first_request():
    target = ir.Target("openai:gpt-5-mini", api_key="none")
    with ir.Client(target) as client:
        text = ir.Agent(client, tools=[status], system="Be brief.").explain("Where?")

    assert "order_id" in text
    assert "Be brief." in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budget": 5}, "budget must be a Budget"),
        ({"budget": ir.Budget(steps=0)}, "a whole number of steps"),
        ({"budget": ir.Budget(steps=cast("Any", 1.5))}, "a whole number of steps"),
        ({"timeout": 0}, "timeout must be"),
        ({"repeats": 1}, "repeats must be"),
        ({"tools": [len]}, "write @ir.tool"),
        ({"journal": "runs.db"}, "journal must be a Store"),
        ({"labels": {"a": 1}}, "labels are strings"),
        ({"tols": []}, "no option 'tols'"),
        ({"approve": "yes"}, "approve must be a function"),
        ({"permissions": ["all"]}, "a permission is one of"),
    ],
)
def test_agent_refuses_what_cannot_work(options, message):
    with ir.Client(ScriptedModel([])) as client, pytest.raises(ir.ConfigError, match=message):
        ir.Agent(client, **options)


def test_agent_needs_the_client_of_its_kind():
    with ir.Client(ScriptedModel([])) as client:
        with pytest.raises(ir.ConfigError, match=r"AsyncAgent needs an ir\.AsyncClient"):
            ir.AsyncAgent(client)
        with pytest.raises(ir.ConfigError, match="must be an"):
            ir.Agent(cast("Any", "openai:gpt-5-mini"))


@pytest.mark.parametrize("prompt", ["", None, 5, ["text"]])
def test_agent_needs_a_prompt(prompt):
    with ir.Client(ScriptedModel(["x"])) as client, pytest.raises(ir.ConfigError, match="prompt"):
        ir.Agent(client).run(prompt)


def test_run_shows_nothing_of_what_was_said(ran):
    run = ran([asks(("status", {"order_id": "secret"}), text="secret"), says("secret")], "secret", tools=[status])

    assert "secret" not in f"{run!r}{run.steps!r}{run.records!r}"
