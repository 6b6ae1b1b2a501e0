"""Power and sample size, against each other and against simulated comparisons."""

from __future__ import annotations

import random
from math import sqrt
from statistics import pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferail.errors import ConfigError
from inferail.evals.case import Case, Score
from inferail.evals.comparing import compare
from inferail.evals.results import CaseResult, EvalResult, Trial
from inferail.evals.statistics.power import cases_needed, detectable_drop, power_to_see, spread_of_shares

DROPS, SPREADS, POWERS = st.floats(0.005, 0.5), st.floats(0.05, 1.0), st.floats(0.1, 0.99)


@given(DROPS, SPREADS, POWERS, st.floats(0.0, 0.9))
def test_cases_needed_is_the_smallest_number_with_that_power(drop, spread, power, share):
    """Serves R186."""
    tolerated = drop * share
    needed = cases_needed(drop, spread, power=power, tolerated=tolerated)

    assert needed is not None
    assert power_to_see(drop, needed, spread, tolerated=tolerated) >= power - 1e-6
    if needed > 1:
        assert power_to_see(drop, needed - 1, spread, tolerated=tolerated) < power + 1e-6


@given(st.integers(6, 5_000), SPREADS, POWERS)
def test_detectable_drop_is_seen_with_that_power(cases, spread, power):
    """Serves R186."""
    drop = detectable_drop(cases, spread, power=power)

    assert power_to_see(drop, cases, spread) == pytest.approx(power, abs=1e-6)


def test_textbook_number_of_cases():
    # ((1.95996 + 0.84162) * 0.5 / 0.04)^2
    assert cases_needed(0.04, 0.5) == 1_227


def test_what_is_tolerated_is_never_reported():
    assert cases_needed(0.01, 0.5, tolerated=0.012) is None
    assert power_to_see(0.01, 100, 0.0, tolerated=0.012) == 0.0
    assert power_to_see(0.02, 100, 0.0, tolerated=0.012) == 1.0


@given(st.floats(0, 1), st.floats(0, 1), st.floats(-1, 1))
def test_spread_of_shares_is_that_of_two_columns(before, after, correlation):
    spread = spread_of_shares(before, after, correlation)

    assert 0 <= spread <= 1.0 + 1e-9


def test_spread_of_shares_against_columns():
    generator = random.Random(2)
    differences = [float(generator.random() < 0.8) - float(generator.random() < 0.9) for _ in range(20_000)]

    assert spread_of_shares(0.9, 0.8, 0.0) == pytest.approx(pstdev(differences), rel=0.02)


@pytest.mark.parametrize(
    ("power", "options"),
    [
        pytest.param(power_to_see, {"drop": 0.0, "cases": 10, "spread": 0.1}, id="no-drop"),
        pytest.param(power_to_see, {"drop": 0.1, "cases": 0, "spread": 0.1}, id="no-cases"),
        pytest.param(power_to_see, {"drop": 0.1, "cases": 9, "spread": -1.0}, id="spread"),
        pytest.param(power_to_see, {"drop": 0.1, "cases": 9, "spread": 0.1, "confidence": 1.0}, id="confidence"),
        pytest.param(detectable_drop, {"cases": 0, "spread": 0.1}, id="no-cases-detectable"),
        pytest.param(cases_needed, {"drop": 0.1, "spread": 0.1, "power": 0.0}, id="no-power"),
        pytest.param(spread_of_shares, {"before": 2.0, "after": 0.5}, id="share"),
    ],
)
def test_power_refuses(power, options):
    with pytest.raises(ConfigError):
        power(**options)


def result(name, values):
    cases = [
        CaseResult(Case(number, id=str(number)), (Trial(1, "scored", Score(value, passed=value == 1.0)),))
        for number, value in enumerate(values)
    ]
    return EvalResult(name, tuple(cases))


@pytest.mark.parametrize(
    ("cases", "runs"),
    [pytest.param(150, 60, id="150"), pytest.param(400, 300, id="400", marks=pytest.mark.slow)],
)
def test_simulated_drops_of_4_percent_are_reported_as_often_as_the_power_says(cases, runs):
    """Serves R186."""
    generator, drop = random.Random(7), 0.04
    # A case that was right turns wrong with a chance of 6 %, and one that was wrong turns right with 4 %.
    right, worse, better = 0.8, 0.06, 0.04
    spread = sqrt(right * worse + (1 - right) * better - drop**2)
    assert right * worse - (1 - right) * better == pytest.approx(drop)

    reported = 0
    for _ in range(runs):
        before = [float(generator.random() < right) for _ in range(cases)]
        after = [
            float(generator.random() >= worse) if value else float(generator.random() < better) for value in before
        ]
        comparison = compare(result("a", before), result("b", after), max_drop=0.012, resamples=1_000)
        reported += comparison.verdict == "dropped"

    promised = power_to_see(drop, cases, spread, tolerated=0.012)
    # Three standard errors of a share of so many runs.
    assert reported / runs == pytest.approx(promised, abs=3 * 0.5 / runs**0.5)


def test_a_change_without_a_drop_is_rarely_reported():
    generator, runs, reported = random.Random(8), 80, 0
    for _ in range(runs):
        before = [float(generator.random() < 0.5) for _ in range(150)]
        after = [1.0 - value if generator.random() < 0.1 else value for value in before]
        reported += compare(result("a", before), result("b", after), resamples=500).verdict == "dropped"

    # The lower half of a 95 % interval's error: 2.5 %, and three standard errors of a share of 80 runs.
    assert reported / runs <= 0.077
