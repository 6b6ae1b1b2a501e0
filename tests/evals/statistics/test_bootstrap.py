"""The bootstrap against its slow twin, and against what it promises."""

from __future__ import annotations

import random
from statistics import fmean, pstdev

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferail.errors import ConfigError
from inferail.evals.statistics.bootstrap import bootstrap, resampled_means, resampled_means_slowly

FEW = [1.0] * 30 + [0.0] * 60 + [-1.0] * 10
MANY = [random.Random(4).gauss(0.1, 0.5) for _ in range(120)]


@pytest.mark.parametrize("values", [pytest.param(FEW, id="few-distinct"), pytest.param(MANY, id="many-distinct")])
def test_resampled_means_have_the_distribution_of_the_slow_twin(values):
    """Serves R180."""
    fast = resampled_means(values, 20_000, seed=1)
    slow = np.asarray(resampled_means_slowly(values, 4_000, seed=2))

    error = pstdev(values) / len(values) ** 0.5
    for share in (0.025, 0.25, 0.5, 0.75, 0.975):
        # The standard error of a quantile of 4,000 draws is at most 2.7 / sqrt(4,000) of that of the mean here.
        assert np.quantile(fast, share) == pytest.approx(np.quantile(slow, share), abs=0.2 * error)
    assert fast.std() == pytest.approx(error, rel=0.05)


def test_both_ways_of_drawing_have_the_same_distribution():
    spread = [value + 1e-9 * number for number, value in enumerate(FEW)]  # distinct, and the same for all that counts

    few, rows = resampled_means(FEW, 20_000, seed=1), resampled_means(spread, 20_000, seed=1)

    assert np.quantile(few, [0.025, 0.5, 0.975]) == pytest.approx(np.quantile(rows, [0.025, 0.5, 0.975]), abs=0.011)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=40), st.integers(0, 5))
def test_interval_holds_the_mean_and_comes_again_with_its_seed(values, seed):
    first = bootstrap(values, resamples=200, seed=seed)

    assert first == bootstrap(values, resamples=200, seed=seed)
    assert first.mean == pytest.approx(fmean(values))
    assert first.low <= first.high
    assert 0.0 < first.p_value <= 1.0


def test_means_of_many_rows_are_drawn_in_pieces(monkeypatch):
    monkeypatch.setattr("inferail.evals.statistics.bootstrap._AT_ONCE", 500)

    means = resampled_means(MANY, 1_001, seed=3)

    assert len(means) == 1_001
    assert means.mean() == pytest.approx(fmean(MANY), abs=0.02)


@pytest.mark.parametrize(
    ("share", "count", "wanted"),
    [pytest.param(0.5, 40, 0.9, id="even"), pytest.param(0.8, 60, 0.9, id="skewed")],
)
def test_interval_covers_the_truth_about_as_often_as_it_says(share, count, wanted):
    generator = random.Random(11)
    covered = 0
    for _ in range(200):
        interval = bootstrap(
            [float(generator.random() < share) for _ in range(count)], confidence=wanted, resamples=300
        )
        covered += interval.low <= share <= interval.high

    # Three standard errors of a share of 200.
    assert covered / 200 == pytest.approx(wanted, abs=0.064)


def test_values_that_are_all_the_same_are_not_taken_for_certainty():
    few, many = bootstrap([0.0] * 10), bootstrap([0.0] * 1_000)

    assert few.low == pytest.approx(-(1 - 0.025 ** (1 / 10)))
    assert -0.004 < many.low < 0 < many.high < 0.004
    assert few.p_value == 1.0
    assert bootstrap([-1.0] * 10).high < 0


@pytest.mark.parametrize(
    ("values", "options"),
    [
        pytest.param([], {}, id="nothing"),
        pytest.param([1.0], {"confidence": 1.0}, id="confidence"),
        pytest.param([1.0], {"resamples": 10}, id="few-resamples"),
        pytest.param([1.0], {"resamples": 200.0}, id="float"),
    ],
)
def test_bootstrap_refuses(values, options):
    with pytest.raises(ConfigError):
        bootstrap(values, **options)
