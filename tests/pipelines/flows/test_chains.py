"""Steps one after the other: verifiers, retries, partial results, and what the Scope forbids."""

import pickle
import traceback
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.routing.scripts import virtual_scope

import inferail as ir
from inferail.testing import LoopClock, ScriptedModel, run_virtual
from inferail.testing.streams import pause

UNTYPED: Any = ir  # takes anything, as far as type checkers know
WRONG = 3


def double(text):
    return text * 2


def fail(_: str) -> str:
    raise ir.RateLimitError("too many requests")


@given(
    st.lists(st.sampled_from([str.upper, str.lower, str.title, double, str.strip]), min_size=1, max_size=8), st.text()
)
def test_chain_is_the_composition_of_its_functions(functions, text):
    expected = text
    for function in functions:
        expected = function(expected)

    assert ir.chain(*functions)(text) == expected
    assert run_virtual(ir.achain(*functions)(text)) == expected


def test_chain_stops_at_a_rejected_step_and_names_it():
    """Serves R136."""
    asked = []

    with pytest.raises(ir.StepError) as caught:
        ir.chain(double, ir.step(str.upper, verify=lambda text: len(text) > 9), asked.append)("ab")

    error = caught.value
    assert (error.step, error.reason, error.tries) == ("upper", "rejected", 1)
    assert (error.results, error.rejected, error.error) == (["abab"], "ABAB", None)
    assert str(error) == "step 'upper' (2 of 3): its verifier rejected the result"
    assert asked == []


def test_chain_passes_answers_of_models_on_to_the_next_step():
    """Serves R136, R137."""
    model = ScriptedModel(["an analysis", "extracted", "formatted"])
    client = ir.Client(model)

    def ask(task):
        return lambda text: client.complete(f"{task}: {text}").text

    report = ir.chain(
        ir.step(ask("Analyse"), name="analyse"),
        ir.step(ask("Extract"), name="extract"),
        ir.step(ask("Format"), name="format"),
    )

    assert report("a document") == "formatted"
    assert [request.messages[0].text for request in model.requests] == [
        "Analyse: a document",
        "Extract: an analysis",
        "Format: extracted",
    ]
    assert report.steps == ("analyse", "extract", "format")


def test_step_is_run_again_as_often_as_its_retries_say():
    answers = iter(["bad", "bad", "good"])

    result = UNTYPED.chain(ir.step(lambda _: next(answers), verify=lambda text: text == "good", retries=2))("question")

    assert result == "good"


def test_step_is_rejected_after_its_retries():
    with pytest.raises(ir.StepError, match="rejected the result 3 times") as caught:
        ir.chain(ir.step(str.upper, verify=str.islower, retries=2))("a")

    assert caught.value.tries == 3


def test_verifier_that_raises_rejects():
    def verify(_):
        raise KeyError("CANARY")

    with pytest.raises(ir.StepError) as caught:
        ir.chain(ir.step(str.upper, verify=verify))("a")

    assert isinstance(caught.value.error, KeyError)
    assert "CANARY" not in str(caught.value) + repr(caught.value)


def test_chain_keeps_results_where_a_step_raises():
    with pytest.raises(ir.StepError) as caught:
        ir.chain(str.upper, double, fail)("a")

    error = caught.value
    assert (error.step, error.reason, list(error.results)) == ("fail", "failed", ["A", "AA"])
    assert isinstance(error.error, ir.RateLimitError)
    assert error.__cause__ is error.error
    assert error.user_message == error.error.user_message
    assert str(error) == "step 'fail' (3 of 3): RateLimitError: too many requests"


def test_error_of_a_step_shows_the_line_of_the_user():
    with pytest.raises(ir.StepError) as caught:
        ir.chain(fail)("a")

    assert 'raise ir.RateLimitError("too many requests")' in "".join(traceback.format_exception(caught.value))


def test_error_names_the_path_of_a_step_in_a_nested_chain():
    with pytest.raises(ir.StepError) as caught:
        ir.chain(double, ir.step(ir.chain(str.upper, fail), name="report"))("a")

    assert caught.value.step == "report/fail"
    assert list(caught.value.results) == ["aa"]
    assert isinstance(caught.value.error, ir.RateLimitError)


def test_error_does_not_show_what_the_steps_gave_and_can_be_pickled():
    with pytest.raises(ir.StepError) as caught:
        ir.chain(str.upper, UNTYPED.step(double, verify=str.islower))("canary")

    error = caught.value
    assert "CANARY" not in str(error) + repr(error) + error.user_message
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.step, copy.results, copy.rejected) == (str(error), "double", ["CANARY"], "CANARYCANARY")


def test_chain_of_async_functions_refuses_to_be_a_plain_one():
    async def ask(text):
        return text

    def call(function, value):
        return function(value)

    with pytest.raises(ir.ConfigError, match=r"ir\.achain"):
        ir.chain(str.upper, ask)
    with pytest.raises(ir.StepError, match=r"ir\.achain"):
        ir.chain(partial(call, ask))("a")


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(UNTYPED.chain, id="no-step"),
        pytest.param(lambda: UNTYPED.chain(WRONG), id="no-function"),
        pytest.param(lambda: UNTYPED.step(WRONG), id="step-no-function"),
        pytest.param(lambda: UNTYPED.step(len, verify=WRONG), id="verify-no-function"),
        pytest.param(lambda: UNTYPED.step(len, retries=-1), id="retries-negative"),
        pytest.param(lambda: UNTYPED.step(len, retries=True), id="retries-bool"),
    ],
)
def test_chain_refuses_wrong_arguments(make):
    with pytest.raises(ir.ConfigError):
        make()


def test_step_alone_does_what_it_does_in_a_chain():
    checked = ir.step(str.upper, verify=lambda text: text == "A")

    assert checked("a") == "A"
    with pytest.raises(ir.StepError):
        checked("b")


@pytest.mark.anyio
async def test_chain_of_plain_functions_runs_inside_an_async_one():
    async def ask(text):
        return text + "?"

    assert await ir.achain(ir.chain(str.upper, double), ask, ir.step(ask, verify=lambda text: True))("a") == "AA??"


@pytest.mark.anyio
async def test_verifier_may_be_asynchronous():
    async def verify(text):
        return text == "A"

    with pytest.raises(ir.StepError):
        await ir.achain(ir.step(str.upper, verify=verify))("b")
    assert await ir.achain(ir.step(str.upper, verify=verify))("a") == "A"


def test_records_of_a_step_carry_its_name():
    client = ir.Client(ScriptedModel(["one", "two"]))
    seen = []

    def ask(text):
        seen.append(ir.scope().__enter__().labels.get("step"))
        return client.complete(text).text

    ir.chain(ir.step(ask, name="draft"), ir.step(ir.chain(ir.step(ask, name="review")), name="final"))("Write.")

    assert seen == ["draft", "final/review"]


def test_no_step_begins_after_the_budget_is_spent():
    model = ScriptedModel(["one two three"] * 2)
    client = ir.Client(model)
    budget = ir.Budget(tokens=2)
    began = []

    def ask(text):
        began.append(text)
        answer = client.complete(text)
        budget.spend(answer.usage)
        return answer.text

    with ir.scope(budget=budget), pytest.raises(ir.StepError) as caught:
        ir.chain(ask, ask)("a")

    assert isinstance(caught.value.error, ir.BudgetError)
    assert list(caught.value.results) == ["one two three"]
    assert len(began) == 1


def test_no_step_begins_after_the_scope_was_cancelled():
    cancellation = ir.Cancellation()
    began = []

    def first(text):
        cancellation.cancel()
        return text

    with ir.scope(cancellation=cancellation), pytest.raises(ir.CancelledError):
        ir.chain(first, began.append)("a")

    assert began == []


def test_deadline_of_the_scope_flows_into_the_steps():
    """Nothing sleeps: the steps wait on the virtual loop."""

    async def slow(text):
        await pause(2.0)
        return text + "."

    async def run():
        clock = LoopClock()
        with virtual_scope() as scope, scope.but(deadline=clock.now() + 3.0).enter():
            with pytest.raises(ir.StepError) as caught:
                await ir.achain(slow, slow, slow)("a")
            return caught.value, clock.now()

    error, ended = run_virtual(run())

    assert isinstance(error.error, ir.DeadlineError)
    assert list(error.results) == ["a.", "a.."]
    assert ended == 4.0
