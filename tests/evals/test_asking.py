"""Answers that are remembered: a rerun is free, a changed prompt is asked again, and each trial has its own answer."""

from __future__ import annotations

import asyncio

import pytest

import inferail as ir
from inferail.errors import ConfigError
from inferail.evals import Case, arun_eval, remembered, run_eval
from inferail.evals.asking import prompt_of
from inferail.store import MemoryStore
from inferail.testing import ScriptedModel
from inferail.types.message import user

CASES = [Case("one", "1"), Case("two", "2")]


def test_rerun_is_free_and_says_so(tmp_path):
    """Serves R179."""
    model = ScriptedModel(["1", "2"])

    first = run_eval(CASES, model, cache=tmp_path / "evals.db", at_once=1)
    second = run_eval(CASES, model, cache=tmp_path / "evals.db")

    assert len(model.requests) == 2
    assert (first.num_cached, second.num_cached) == (0, 2)
    assert first.score == second.score == 1.0
    assert second.usage.cost_usd == 0.0


def test_only_what_a_changed_prompt_sends_is_asked_again(tmp_path):
    """Serves R179."""
    model = ScriptedModel(["1", "2", "two!"])
    run_eval(CASES, model, cache=tmp_path / "evals.db", at_once=1)

    run_eval([CASES[0], Case("two, please", "2")], model, cache=tmp_path / "evals.db")

    assert [request.messages[0].text for request in model.requests] == ["one", "two", "two, please"]


def test_trials_are_answers_of_their_own_and_stay_the_same_next_time(tmp_path):
    """Serves R188."""
    model = ScriptedModel(["1", "uno", "1"])

    first = run_eval(CASES[:1], model, trials=3, cache=tmp_path / "evals.db", at_once=1)
    second = run_eval(CASES[:1], model, trials=3, cache=tmp_path / "evals.db")

    assert len(model.requests) == 3
    for result in (first, second):
        assert [trial.value for trial in result.cases[0].trials] == [1.0, 0.0, 1.0]


def test_more_trials_ask_only_for_the_new_ones():
    store, model = MemoryStore(), ScriptedModel(["1", "1", "1"])
    run_eval(CASES[:1], model, trials=1, cache=store)

    result = run_eval(CASES[:1], model, trials=3, cache=store, at_once=1)

    assert len(model.requests) == 3
    assert result.num_cached == 1


def test_fresh_asks_anew_and_keeps_the_new_answer():
    store, model = MemoryStore(), ScriptedModel(["uno", "1"])
    run_eval(CASES[:1], model, cache=store)

    fresh = run_eval(CASES[:1], model, cache=store, fresh=True)
    after = run_eval(CASES[:1], model, cache=store)

    assert (fresh.score, after.score, after.num_cached) == (1.0, 1.0, 1)


def test_two_models_do_not_share_answers():
    store = MemoryStore()

    first = run_eval(CASES[:1], ScriptedModel(["1"], "a"), cache=store)
    second = run_eval(CASES[:1], ScriptedModel(["uno"], "b"), cache=store)

    assert (first.score, second.score) == (1.0, 0.0)


def test_function_remembers_through_its_own_client():
    store, model = MemoryStore(), ScriptedModel(["1", "uno"])
    client = ir.Client(remembered(model, store))

    results = [run_eval(CASES[:1], client.complete, trials=2, at_once=1) for _ in range(2)]

    assert len(model.requests) == 2
    assert [result.num_cached for result in results] == [0, 2]
    assert [trial.value for trial in results[1].cases[0].trials] == [1.0, 0.0]


def test_asynchronous_client_remembers_as_well():
    store, model = MemoryStore(), ScriptedModel(["1", "2"])

    async def main():
        async with ir.AsyncClient(model) as client:
            await arun_eval(CASES, client, cache=store, at_once=1)
            return await arun_eval(CASES, client, cache=store)

    assert asyncio.run(main()).num_cached == 2


def test_client_of_the_user_stays_open():
    closed = []

    class Closing(ScriptedModel):
        async def aclose(self):
            closed.append(True)

    client = ir.Client(Closing(["1", "2"]))

    run_eval(CASES, client, at_once=1)

    assert not closed


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(42, id="number"),
        pytest.param([], id="empty"),
        pytest.param(["a"], id="texts"),
        pytest.param([{"role": "tool", "content": "x"}], id="role"),
        pytest.param([{"role": "user", "content": ["x"]}], id="content"),
        pytest.param([{"role": "user", "content": "x", "name": "y"}], id="more"),
        pytest.param({"role": "user", "content": "x"}, id="mapping"),
    ],
)
def test_prompt_of_refuses_what_no_model_can_be_asked(given):
    with pytest.raises(ConfigError):
        prompt_of(given)


def test_prompt_of_takes_messages():
    messages = [user("Hello")]

    assert prompt_of(messages) == messages
    assert prompt_of(messages[0]) is messages[0]
    assert prompt_of([{"role": "user", "content": "Hi"}]) == [user("Hi")]
