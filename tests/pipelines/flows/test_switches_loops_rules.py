"""One of many, again and again, and without a model."""

from enum import Enum
from typing import Any

import pytest
from tests.routing.scripts import virtual_scope

import inferail as ir
from inferail.testing import LoopClock, ScriptedModel, run_virtual
from inferail.testing.streams import pause
from inferail.types.scope import current_scope

UNTYPED: Any = ir  # takes anything, as far as type checkers know
WRONG = 3


class Kind(Enum):
    BUG = "bug"
    QUESTION = "question"


def kind(text):
    return Kind.QUESTION if text.endswith("?") else Kind.BUG


def test_switch_asks_the_specialist_of_the_label_alone():
    asked = []
    route = ir.switch(kind, {Kind.BUG: lambda text: asked.append("bug"), Kind.QUESTION: str.upper})

    assert route("why?") == "WHY?"
    assert asked == []


def test_switch_with_a_model_as_router_and_models_as_specialists():
    router, bugs = ir.Client(ScriptedModel(["bug"])), ir.Client(ScriptedModel(["Fixed."]))
    route = ir.switch(
        lambda text: router.complete(f"bug or question? {text}").text,
        {"bug": lambda text: bugs.complete(text).text, "question": lambda text: text},
    )

    assert route("It is broken") == "Fixed."


def test_switch_without_a_case_for_the_label_says_so():
    with pytest.raises(ir.StepError, match="none of the 1 labels") as caught:
        ir.switch(lambda text: "CANARY", {"bug": str.upper})("x")

    assert (caught.value.step, caught.value.reason, caught.value.rejected) == ("classify", "rejected", "CANARY")
    assert "CANARY" not in str(caught.value)


def test_switch_takes_the_default_for_other_labels():
    assert UNTYPED.switch(lambda text: [text], {"bug": str.upper}, default=str.title)("x") == "X"


def test_switch_names_the_step_that_failed():
    with pytest.raises(ir.StepError) as caught:
        ir.switch(lambda text: "number", {"number": int})("x")

    assert (caught.value.step, type(caught.value.error)) == ("number", ValueError)


@pytest.mark.anyio
async def test_switch_of_async_functions():
    async def classify(text):
        return "long" if len(text) > 3 else "short"

    async def shout(text):
        return text.upper() + current_scope().labels["step"]

    assert await ir.aswitch(classify, {"long": shout, "short": str.title})("abcd") == "ABCDlong"
    assert await ir.aswitch(classify, {"long": shout, "short": str.title})("abc") == "Abc"


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: UNTYPED.switch(WRONG, {"a": len}), id="no-classifier"),
        pytest.param(lambda: UNTYPED.switch(len, {}), id="no-case"),
        pytest.param(lambda: UNTYPED.switch(len, {"a": WRONG}), id="no-function"),
        pytest.param(lambda: UNTYPED.loop(len, until=bool, max_steps=0), id="no-steps"),
        pytest.param(lambda: UNTYPED.loop(len, until=WRONG, max_steps=1), id="no-until"),
        pytest.param(lambda: UNTYPED.loop(len, until=bool, max_steps=1, budget=WRONG), id="no-budget"),
        pytest.param(lambda: UNTYPED.loop(len, until=bool, max_steps=1, timeout=-1), id="no-time"),
        pytest.param(lambda: UNTYPED.rule(WRONG, len), id="no-rule"),
        pytest.param(lambda: UNTYPED.rule(len, len, recorder=WRONG), id="no-recorder"),
    ],
)
def test_flows_refuse_wrong_arguments(make):
    with pytest.raises(ir.ConfigError):
        make()


def test_loop_runs_until_the_state_will_do():
    states = []

    def improve(draft):
        states.append(draft)
        return draft + "!"

    assert ir.loop(improve, until=lambda draft: len(draft) == 4, max_steps=9)("a") == "a!!!"
    assert states == ["a", "a!", "a!!"]


def test_loop_ends_after_its_most_steps_and_keeps_every_state():
    with pytest.raises(ir.StepError) as caught:
        ir.loop(lambda n: n + 1, until=lambda n: n > 9, max_steps=3)(0)

    assert (caught.value.reason, list(caught.value.results), caught.value.tries) == ("limit", [1, 2, 3], 3)


def test_loop_ends_with_its_budget_and_that_of_the_scope():
    """Both budgets hold, and both are charged."""
    for inner, outer in ((25, 1000), (1000, 25)):
        own, around = ir.Budget(tokens=inner), ir.Budget(tokens=outer)

        def spend(number):
            budget: Any = current_scope().budget
            budget.spend(ir.Usage(input_tokens=10))
            return number + 1

        with ir.scope(budget=around), pytest.raises(ir.StepError) as caught:
            ir.loop(spend, until=lambda n: n > 99, max_steps=100, budget=own)(0)

        assert isinstance(caught.value.error, ir.BudgetError)
        assert list(caught.value.results) == [1, 2, 3]
        assert own.spent.total_tokens == around.spent.total_tokens == 30


def test_loop_ends_when_its_time_is_over():
    async def slow(number):
        await pause(1.0)
        return number + 1

    async def run():
        with virtual_scope(), pytest.raises(ir.StepError) as caught:
            await ir.aloop(slow, until=lambda n: n > 99, max_steps=100, timeout=2.5)(0)
        return caught.value, LoopClock().now()

    error, ended = run_virtual(run())

    assert isinstance(error.error, ir.DeadlineError)
    assert (list(error.results), ended) == ([1, 2, 3], 3.0)


def test_rule_answers_without_a_model():
    """Serves R197."""
    model, sink = ScriptedModel(["from the model"]), ir.MemorySink()
    client = ir.Client(model, recorder=sink)

    def opening_hours(question):
        return "9 to 5" if "open" in question else None

    answer = ir.rule(opening_hours, lambda question: client.complete(question).text, recorder=sink)

    assert answer("When are you open?") == "9 to 5"
    assert model.requests == []
    (record,) = sink.records
    assert (record.reason, record.model, record.usage.total_tokens, record.cost_usd) == (
        "rule",
        "opening_hours",
        0,
        0.0,
    )
    assert record.labels == {"step": "opening_hours"}


def test_rule_that_does_not_apply_lets_the_model_answer():
    """Serves R197."""
    client, sink = ir.Client(ScriptedModel(["from the model"])), ir.MemorySink()

    answer = ir.rule(lambda question: None, lambda question: client.complete(question).text, recorder=sink)

    assert answer("Why?") == "from the model"
    assert list(sink.records) == []


def test_rule_short_circuits_a_whole_chain():
    """Serves R197."""
    asked = []
    flow = ir.rule(lambda text: "known" if text == "k" else None, ir.chain(asked.append, str))

    assert flow("k") == "known"
    assert asked == []


def test_rule_that_raises_is_named():
    with pytest.raises(ir.StepError) as caught:
        ir.rule(int, str)("x")

    assert caught.value.step == "int"


@pytest.mark.anyio
async def test_rule_of_async_functions():
    async def ask(text):
        return f"model: {text}"

    flow = ir.arule(lambda text: "rule" if text == "r" else None, ask)

    assert [await flow("r"), await flow("x")] == ["rule", "model: x"]
