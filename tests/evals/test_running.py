"""An evaluation: as small as it should be, several at a time, with budgets that stop it and errors that do not."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from typing import Any

import pytest
import trio

import inferail as ir
from inferail.errors import ConfigError, FormatError, RateLimitError
from inferail.evals import Case, EvalResult, Judge, Score, arun_eval, run_eval
from inferail.evals.metering import Meter
from inferail.testing import ScriptedModel
from inferail.types.response import Attempt, Response, text_message
from inferail.types.scope import current_scope
from inferail.types.usage import Usage

SUMS = [Case(f"{n} + {n}?", str(2 * n), tags=["even" if n % 2 == 0 else "odd"]) for n in range(1, 7)]


def budget_here():
    budget = current_scope().budget
    assert budget is not None
    return budget


def adds(question: str) -> str:
    return str(2 * int(question.split(maxsplit=1)[0]))


def test_run_eval_is_as_small_as_the_articles_example():
    """Serves R182."""

    @dataclass
    class EvalCase:
        input: str
        expected: str
        tags: list[str] = field(default_factory=list)

    cases = [EvalCase("Refund of order 12", "refund"), EvalCase("My site is down!", "outage", ["urgent"])]

    score = run_eval(cases, lambda text: "Refund." if "Refund" in text else "billing")

    assert float(score) == 0.5
    assert score >= 0.5
    assert not score > 0.5
    assert f"{score:.0%}" == "50%"


def test_run_eval_keeps_the_order_of_the_cases_whatever_ends_first():
    barrier = threading.Barrier(3)

    def waits_for_the_others(question):
        barrier.wait(5)
        return adds(question)

    result = run_eval(SUMS, waits_for_the_others, at_once=3)

    assert [each.case.id for each in result.cases] == [case.id for case in SUMS]
    assert result.score == 1.0


@pytest.mark.parametrize("run", [asyncio.run, lambda made: trio.run(lambda: made)], ids=["asyncio", "trio"])
def test_arun_eval_awaits_coroutine_functions(run):
    async def answers(question):
        return adds(question)

    result = run(arun_eval(SUMS, answers, at_once=4))

    assert result.score == 1.0


def test_arun_eval_takes_an_async_client():
    async def main():
        async with ir.AsyncClient(ScriptedModel(["2", "4"])) as client:
            return await arun_eval(SUMS[:2], client, at_once=1)

    assert asyncio.run(main()).score == 1.0


@pytest.mark.parametrize("make", [lambda model: model, ir.Client], ids=["model", "client"])
def test_run_eval_asks_a_model_or_a_client(make):
    model = ScriptedModel(["2", "five"])

    result = run_eval(SUMS[:2], make(model), at_once=1)

    assert result.score == 0.5
    assert result.name == "scripted"
    assert [request.messages[0].text for request in model.requests] == ["1 + 1?", "2 + 2?"]


def test_run_eval_asks_messages_of_a_dataset():
    model = ScriptedModel(["ok"])
    rows = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Hello"}]

    run_eval([Case(rows, "ok")], model)

    assert [message.role for message in model.requests[0].messages] == ["system", "user"]


def test_failing_function_counts_as_zero_and_the_others_go_on():
    def fails_on_three(question):
        if question.startswith("3"):
            raise ZeroDivisionError("C4N4RY")
        return adds(question)

    result = run_eval(SUMS, fails_on_three)

    assert result.score == pytest.approx(5 / 6)
    assert result.cases[2].trials[0].error == "ZeroDivisionError"
    assert result.complete
    assert "C4N4RY" not in repr(result.cases)


def test_failing_scorer_makes_the_result_incomplete_and_lowers_nothing():
    def scorer(case, output):
        if case.input.startswith("3"):
            raise RuntimeError
        return output == case.expected

    result = run_eval(SUMS, adds, scorer)

    assert result.score == 1.0
    assert result.count("unscored") == 1
    assert not result.complete
    assert result.reasons == {"RuntimeError": 1}


def test_spent_budget_leaves_the_rest_not_run_and_says_so():
    budget = ir.Budget(tokens=3)

    def spends(question):
        budget_here().check()
        budget_here().spend(Usage(input_tokens=1, output_tokens=0, cost_usd=0.01))
        return adds(question)

    result = run_eval(SUMS, spends, budget=budget, at_once=1)

    assert [each.trials[0].status for each in result.cases] == ["scored"] * 3 + ["not_run"] * 3
    assert result.reasons == {"budget": 3}
    assert not result.complete
    assert result.usage.cost_usd == pytest.approx(0.03)
    assert budget.spent.input_tokens == 3


def test_budget_of_the_scope_around_is_respected():
    with ir.scope(budget=ir.Budget(usd=0.0)):
        result = run_eval(SUMS, adds)

    assert result.count("not_run") == len(SUMS)
    assert result.score != result.score
    assert not result >= 0.0


def test_budget_of_the_scope_around_counts_beside_the_one_that_is_given():
    def spends(question):
        budget_here().spend(Usage(input_tokens=1))
        return adds(question)

    outer, inner = ir.Budget(tokens=2), ir.Budget(tokens=4)
    with ir.scope(budget=outer):
        result = run_eval(SUMS, spends, budget=inner, at_once=1)

    assert result.reasons == {"budget": 4}
    assert outer.spent.total_tokens == inner.spent.total_tokens == 2


def test_budget_of_the_function_itself_is_a_failure_of_that_case():
    def has_a_budget_of_its_own(question):
        if question.startswith("1"):
            with ir.scope(budget=ir.Budget(tokens=0)):
                budget_here().check()
        return adds(question)

    result = run_eval(SUMS, has_a_budget_of_its_own, budget=ir.Budget(usd=1), at_once=1)

    assert [each.trials[0].status for each in result.cases] == ["failed"] + ["scored"] * 5


def test_budget_spreads_over_the_cases_before_it_repeats_one():
    def spends(question):
        budget_here().spend(Usage(input_tokens=1))
        return adds(question)

    result = run_eval(SUMS, spends, budget=ir.Budget(tokens=6), trials=3, at_once=1)

    assert all([trial.status for trial in each.trials] == ["scored", "not_run", "not_run"] for each in result.cases)


def test_passed_deadline_leaves_the_rest_not_run():
    with ir.scope(timeout=0):
        result = run_eval(SUMS, adds)

    assert result.reasons == {"deadline": len(SUMS)}


def test_cancelled_scope_leaves_the_rest_not_run():
    cancellation = ir.Cancellation()

    def cancels(question):
        cancellation.cancel()
        return adds(question)

    with ir.scope(cancellation=cancellation):
        result = run_eval(SUMS, cancels, at_once=1)

    assert [each.trials[0].status for each in result.cases] == ["scored"] + ["not_run"] * 5
    assert result.reasons == {"cancelled": 5}


def test_usage_of_every_attempt_counts_also_of_the_failed_ones():
    attempts = tuple(
        Attempt("openai", "m", error=error, usage=Usage(input_tokens=10, output_tokens=2, cost_usd=0.01))
        for error in ("ServerError", None)
    )
    answer = Response(text_message("2"), "stop", attempts[1].usage, "openai", "m", attempts=attempts)
    error = RateLimitError("busy", attempts=attempts[:1])

    result = run_eval(SUMS[:2], ScriptedModel([answer, error]), at_once=1)

    assert [each.usage.input_tokens for each in result.cases] == [20, 10]
    assert result.usage.cost_usd == pytest.approx(0.03)


@pytest.mark.parametrize("kind", ["target", "limited", "fallback", "hedged"])
def test_usage_is_what_the_records_say_over_a_real_connection(kind):
    from inferail.testing.recipes import sandbox_model
    from inferail.testing.sandbox import Sandbox

    questions = [Case("What is a Scope?", "x"), Case("What is a Target?", "y")]
    with Sandbox() as sandbox:
        good = sandbox_model(sandbox)
        down = ir.Target("openai:docs@503", base_url=sandbox.base_url("openai"), api_key="none", retries=0)
        models: dict[str, Any] = {
            "target": lambda: good,
            "limited": lambda: ir.Limited(good, ir.Limits(requests_per_minute=1_000)),
            "fallback": lambda: ir.Fallback(down, good),
            "hedged": lambda: ir.Hedged(good, good, after=0.001),
        }
        with ir.Client(models[kind]()) as client:
            result = run_eval(questions, lambda text: client.complete(text).text, budget=ir.Budget(tokens=10_000))
            records = client.records

    assert result.complete
    assert result.usage.input_tokens == sum(record.usage.input_tokens for record in records) > 0
    assert result.usage.output_tokens == sum(record.usage.output_tokens for record in records) > 0
    assert {record.labels["eval_case"] for record in records} == {each.case.id for each in result.cases}
    assert {record.labels["eval_trial"] for record in records} == {"1"}


def test_unknown_price_makes_the_cost_unknown():
    result = run_eval(SUMS[:1], ScriptedModel(["2"]))

    assert result.usage.cost_usd is None


def test_trials_tell_chance_from_failure():
    """Serves R188."""
    answers = iter(["2", "2", "3", "2"])

    result = run_eval(SUMS[:1], lambda _question: next(answers), trials=4, at_once=1)

    (case,) = result.cases
    assert (case.num_passed, case.flaky, case.value) == (3, True, 0.75)
    assert case.spread == pytest.approx(0.4330127)
    assert result.flaky == (case,)
    assert result.pass_at(2) == 1.0
    assert result.pass_every(2) == pytest.approx(0.5)


def test_tags_break_the_score_down():
    result = run_eval(SUMS, lambda question: adds(question) if int(question[0]) % 2 else "no")

    assert {tag: part.score for tag, part in result.tags().items()} == {"even": 0.0, "odd": 1.0}


def test_broken_case_stays_in_the_result_unscored():
    cases = [*SUMS, Case(None, id="line 7", problem="line 7: it is not JSON")]

    result = run_eval(cases, adds)

    assert result.score == 1.0
    assert result.reasons == {"line 7: it is not JSON": 1}
    assert not result.complete


def test_cases_with_the_same_content_get_ids_of_their_own():
    result = run_eval([Case("1 + 1?", "2"), Case("1 + 1?", "2")], adds)

    first, second = (each.case.id for each in result.cases)
    assert second == f"{first}-2"


def test_on_trial_is_told_of_each_trial():
    told = []

    run_eval(SUMS, adds, trials=2, on_trial=lambda case, trial: told.append((case.id, trial.number)))

    assert sorted(told) == sorted((case.id, number) for case in SUMS for number in (1, 2))


def test_custom_scorer_may_be_a_coroutine_function():
    async def scorer(case, output):
        return Score(1.0, passed=True, note=f"{case.id} {output}")

    assert run_eval(SUMS, adds, scorer).score == 1.0


@pytest.mark.parametrize(
    ("cases", "fn", "options", "said"),
    [
        pytest.param([], adds, {}, "no cases", id="no-cases"),
        pytest.param("nowhere.jsonl", adds, {}, "cannot be read", id="no-file"),
        pytest.param([42], adds, {}, "is no case", id="not-a-case"),
        pytest.param([Case("a", id="x"), Case("b", id="x")], adds, {}, "two cases", id="same-id"),
        pytest.param(SUMS, 42, {}, "evaluate a function", id="not-a-function"),
        pytest.param(SUMS, "gpt-5", {}, "provider", id="no-provider"),
        pytest.param(SUMS, adds, {"trials": 0}, "trials", id="no-trials"),
        pytest.param(SUMS, adds, {"at_once": True}, "at_once", id="bool"),
        pytest.param(SUMS, adds, {"cache": "c.db"}, "remembered", id="cache-of-a-function"),
        pytest.param(SUMS, adds, {"trails": 2}, "no option 'trails'", id="misspelt"),
        pytest.param(SUMS, adds, {"budget": 1.0}, "Budget", id="not-a-budget"),
        pytest.param(SUMS, adds, {"passing": 2}, "passing", id="passing"),
        pytest.param(SUMS, adds, {"scorer": 42}, "scorer", id="not-a-scorer"),
        pytest.param(SUMS, ir.AsyncClient(ScriptedModel([])), {}, "Client", id="wrong-client"),
    ],
)
def test_wrong_argument_is_one_clear_error_before_anything_runs(cases, fn, options, said):
    with pytest.raises(ConfigError, match=said):
        run_eval(cases, fn, **options)


def test_coroutine_function_is_refused_by_run_eval():
    async def answers(question):
        return adds(question)

    with pytest.raises(ConfigError, match="arun_eval"):
        run_eval(SUMS, answers)


def test_judge_of_the_other_kind_is_refused_before_anything_runs():
    judge = Judge(ir.AsyncClient(ScriptedModel([])), "Right?")

    with pytest.raises(ConfigError, match="judge"):
        run_eval(SUMS, adds, judge)


def test_broken_file_is_refused_before_anything_runs(tmp_path):
    path = tmp_path / "cases.jsonl"
    path.write_text('{"input": "a"}\n{"input"\n')

    with pytest.raises(FormatError, match="line 2"):
        run_eval(path, adds)


def test_meter_counts_and_passes_on():
    budget = ir.Budget(usd=1.0)
    meter = Meter(budget)

    meter.spend(Usage(input_tokens=3, cost_usd=0.25))
    meter.spend(Usage(output_tokens=4, cost_usd=0.25))

    assert (meter.total.total_tokens, meter.total.cost_usd, meter.usd) == (7, 0.5, 1.0)
    assert budget.spent.cost_usd == meter.spent.cost_usd == 0.5
    meter.check()
    assert (Meter(None).steps, Meter(None).spent.total_tokens) == (None, 0)
    budget.spend(Usage(cost_usd=1.0))
    with pytest.raises(ir.BudgetError):
        meter.check()


def test_result_without_scores_is_no_number():
    result = EvalResult("m", ())

    assert result.score != result.score
    with pytest.raises(ConfigError):
        result.pass_at(1)
    with pytest.raises(ConfigError):
        result.interval()
