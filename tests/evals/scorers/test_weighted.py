"""Several scorers as one."""

from __future__ import annotations

import asyncio

import pytest

import inferail as ir
from inferail.errors import ConfigError
from inferail.evals import Case, Contains, Exact, Judge, Score, Weighted
from inferail.testing import ScriptedModel

CASE = Case("q", "yes")


def score(scorer, output="yes, sir"):
    return asyncio.run(scorer.score(CASE, output))


def test_weighted_is_the_weighted_mean_with_its_parts():
    found = score(Weighted((Exact(), 1.0), (Contains(), 3.0)))

    assert (found.value, found.passed, found.parts) == (0.75, False, {"exact": 0.0, "contains": 1.0})


def test_weighted_passes_from_a_bar_if_one_is_given():
    assert score(Weighted((Exact(), 1.0), (Contains(), 3.0), passing=0.7)).passed


def test_weighted_takes_functions_and_joins_notes():
    def tone(_case, _output):
        return Score(0.5, passed=True, note="dry")

    found = score(Weighted((tone, 1.0), (Contains(), 1.0)))

    assert (found.value, found.passed, found.note) == (0.75, True, "tone: dry")


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        pytest.param([], "pairs", id="none"),
        pytest.param([Exact()], "pairs", id="no-weight"),
        pytest.param([(Exact(), 0.0)], "positive", id="zero"),
        pytest.param([(Exact(), float("nan"))], "positive", id="nan"),
        pytest.param([(Exact(), 1.0), (Exact(), 1.0)], "same name", id="twice"),
        pytest.param([(Exact, 1.0)], "make the scorer", id="class"),
        pytest.param(
            [
                (Judge(ir.Client(ScriptedModel([])), "r", name="a"), 1.0),
                (Judge(ir.AsyncClient(ScriptedModel([])), "r", name="b"), 1.0),
            ],
            "blocks",
            id="both-kinds",
        ),
    ],
)
def test_weighted_refuses(parts, said):
    with pytest.raises(ConfigError, match=said):
        Weighted(*parts)


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), "1"])
def test_score_is_a_number_from_0_to_1(value):
    with pytest.raises(ConfigError, match="0 to 1"):
        Score(value, passed=True)
