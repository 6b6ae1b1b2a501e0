"""Scores as what a Router decides by."""

from __future__ import annotations

import tomllib

import pytest

import inferail as ir
from inferail.errors import ConfigError
from inferail.evals import Case, EvalResult, run_eval, strengths_from, strengths_toml
from inferail.routing.router.objective import Objective
from inferail.routing.router.route import Route
from inferail.testing import ScriptedModel

CASES = [Case(f"{task} {n}", "right", tags=[task]) for task in ("code", "Data extraction") for n in range(4)]


def evaluated(name, good_at):
    return run_eval(CASES, lambda question: "right" if question.startswith(good_at) else "wrong", name=name)


RESULTS = [evaluated("small", "Data"), evaluated("large", "code")]


def test_strengths_are_the_scores_by_model_and_task():
    """Serves R62, R74."""
    table = strengths_from(RESULTS)

    assert table["small", "data_extraction"] == table["large", "code"] == 1.0
    assert table["small", "code"] == 0.0
    assert table["small", "*"] == table["small", "unheard of"] == 0.5
    best = {row.task: row.model for row in reversed(table.scoreboard)}
    assert (best["code"], best["data_extraction"]) == ("large", "small")
    assert all(row.latency is not None and row.rows in (4, 8) for row in table.scoreboard)


def test_router_goes_by_what_an_evaluation_found():
    """Serves R62, R74."""
    small, large = ScriptedModel(["s"], "small", cycles=True), ScriptedModel(["l"], "large", cycles=True)
    router = ir.Router(
        targets={"small": Route(small, cost=(1.0, 1.0)), "large": Route(large, cost=(1.0, 1.0))},
        objective=Objective(cost=0.0, latency=0.0, strength=1.0),
        strengths=strengths_from(RESULTS),
    )

    with ir.Client(router) as client:
        answers = [client.complete("x", labels={"task": task}).text for task in ("code", "data-extraction")]

    assert answers == ["l", "s"]


def test_strengths_toml_is_what_a_routers_file_takes():
    from inferail.routing.router.config import RouterConfig

    text = strengths_toml(strengths_from(RESULTS))
    config = RouterConfig.load('[targets.small]\nmodel = "openai:m"\n' + text)

    assert config.strengths["large"] == {"code": 1.0, "data_extraction": 0.0, "*": 0.5}
    assert tomllib.loads(text)["strengths"]["small"]["data_extraction"] == 1.0


def test_tasks_can_be_told_otherwise():
    table = strengths_from(RESULTS[:1], task=lambda case: "easy" if case.input.endswith("0") else None)

    assert table.get("small", "easy") == 0.5
    assert {row.task for row in table.scoreboard} == {"easy", "*"}


def test_result_without_scores_is_refused():
    with pytest.raises(ConfigError, match="small"):
        strengths_from([EvalResult("small", ())])
