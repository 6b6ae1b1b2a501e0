"""A against B: verdicts, pairs, power, and what is said of it."""

from __future__ import annotations

import random

import pytest

from inferail.errors import ConfigError
from inferail.evals import Case, compare, run_eval

CASES = [Case(f"q{n}", "right", id=str(n)) for n in range(300)]


def evaluated(share_right, *, seed=1, cases=CASES, name="m", trials=1):
    generator = random.Random(seed)
    right = {case.input: generator.random() < share_right for case in cases}
    return run_eval(cases, lambda question: "right" if right[question] else "wrong", name=name, trials=trials)


def flipped(result, worse, better=0, name="b"):
    """The same answers, but for the first so many right ones and the first so many wrong ones."""
    right = [each.case.input for each in result.cases if each.value == 1.0]
    wrong = [each.case.input for each in result.cases if each.value == 0.0]
    now_right = set(right[worse:]) | set(wrong[:better])
    cases = [each.case for each in result.cases]
    return run_eval(cases, lambda question: "right" if question in now_right else "wrong", name=name)


BEFORE = evaluated(0.85, name="a")


@pytest.mark.parametrize(
    ("worse", "better", "max_drop", "verdict"),
    [
        pytest.param(12, 0, 0.012, "dropped", id="four-percent"),
        pytest.param(12, 0, 0.05, "inconclusive", id="within-what-is-accepted-but-not-surely"),
        pytest.param(12, 0, 0.08, "held", id="surely-within-what-is-accepted"),
        pytest.param(4, 3, 0.012, "inconclusive", id="as-many-up-as-down"),
        pytest.param(0, 15, 0.0, "held", id="better"),
        pytest.param(0, 0, 0.012, "inconclusive", id="the-same-on-too-few-cases"),
        pytest.param(0, 0, 0.013, "held", id="the-same"),
    ],
)
def test_verdict(worse, better, max_drop, verdict):
    """Serves R17, R180, R187."""
    comparison = compare(BEFORE, flipped(BEFORE, worse, better), max_drop=max_drop)

    assert comparison.verdict == verdict
    assert comparison.difference == pytest.approx((better - worse) / 300)
    assert (len(comparison.worse), len(comparison.better)) == (worse, better)
    assert str(comparison).startswith(f"{verdict}: a ")


def test_four_percent_drop_is_caught_and_its_power_is_stated():
    """Serves R186."""
    comparison = compare(BEFORE, flipped(BEFORE, 12), max_drop=0.012)

    assert comparison.verdict == "dropped"
    assert comparison.power(0.04) > 0.9
    assert comparison.detectable(0.8) < 0.04
    assert 0 < (comparison.cases_needed(0.04) or 0) < 300
    assert "a true drop of 4.0% is reported with a power of" in str(comparison)


def test_few_pairs_are_inconclusive_whatever_they_say():
    before = evaluated(1.0, cases=CASES[:5])

    comparison = compare(before, flipped(before, 5))

    assert comparison.difference == -1.0
    assert comparison.verdict == "inconclusive"
    assert comparison.power(0.5) == 0.0
    assert (comparison.cases_needed(0.9) or 0) >= 6


def test_cases_are_paired_by_id_and_what_has_no_pair_is_told():
    before, after = evaluated(1.0, cases=CASES[:20]), evaluated(1.0, cases=CASES[10:25])

    comparison = compare(before, after)

    assert len(comparison.changes) == 10
    assert len(comparison.unpaired) == 15
    assert not comparison.complete
    assert "15 cases count in one of the two only" in str(comparison)


def test_trials_of_a_case_are_one_pair():
    comparison = compare(evaluated(0.8, trials=3), evaluated(0.8, trials=2))

    assert len(comparison.changes) == 300
    assert comparison.difference == 0.0


def test_result_without_an_answer_is_not_complete():
    def down(_question):
        raise ConnectionError

    before = evaluated(1.0, cases=CASES[:20])
    comparison = compare(before, run_eval(CASES[:20], down))

    assert comparison.verdict == "dropped"
    assert not comparison.complete


def test_same_seed_gives_the_same_interval():
    after = flipped(BEFORE, 9, 2)

    assert compare(BEFORE, after, seed=3).interval == compare(BEFORE, after, seed=3).interval


@pytest.mark.parametrize("options", [{"max_drop": -0.1}, {"max_drop": True}, {"max_drop": 1.2}, {"confidence": 1.0}])
def test_compare_refuses_wrong_numbers(options):
    with pytest.raises(ConfigError):
        compare(BEFORE, BEFORE, **options)


def test_compare_refuses_evaluations_of_other_cases():
    with pytest.raises(ConfigError, match="same dataset"):
        compare(evaluated(1.0, cases=CASES[:3]), evaluated(1.0, cases=CASES[3:6]))
