"""The tests that draws are held against, held against known quantiles and against laws that are wrong."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.core.goodness_of_fit import (
    chi_square,
    chi_square_survival,
    kolmogorov_smirnov,
    kolmogorov_survival,
    pairs_are_independent,
    pooled,
    spread_uniformly,
    total_variation,
)

THIRDS = np.array([0.5, 0.3, 0.2])


@pytest.mark.parametrize(
    ("statistic", "freedom", "level"),
    [
        # Upper quantiles of any printed table.
        pytest.param(3.841458820694124, 1, 0.05, id="1"),
        pytest.param(10.827566170662733, 1, 0.001, id="1-rare"),
        pytest.param(18.307038053275146, 10, 0.05, id="10"),
        pytest.param(2.558212160187206, 10, 0.99, id="10-lower"),
        pytest.param(124.34211340400407, 100, 0.05, id="100"),
    ],
)
def test_chi_square_survival_gives_the_levels_of_the_tables(statistic, freedom, level):
    assert chi_square_survival(statistic, freedom) == pytest.approx(level, rel=1e-10)


@pytest.mark.parametrize("statistic", [0.0, 1e-9, 0.5, 3.9, 4.1, 40.0, 1400.0])
def test_chi_square_survival_is_exponential_when_there_are_two_degrees(statistic):
    assert chi_square_survival(statistic, 2) == pytest.approx(math.exp(-statistic / 2), rel=1e-12)


@pytest.mark.parametrize("sigmas", [-3.0, -0.5, 0.0, 0.5, 3.0])
def test_chi_square_survival_nears_the_normal_law_when_there_are_many_degrees(sigmas):
    freedom = 100_000
    share = 2 / (9 * freedom)
    statistic = freedom * (1 - share + sigmas * math.sqrt(share)) ** 3  # Wilson and Hilferty

    assert chi_square_survival(statistic, freedom) == pytest.approx(math.erfc(sigmas / math.sqrt(2)) / 2, rel=1e-3)


@pytest.mark.parametrize(("value", "level"), [(1.2238478702170836, 0.1), (1.3580986393225507, 0.05), (0.5, 0.9639452)])
def test_kolmogorov_survival_gives_the_levels_of_the_tables(value, level):
    assert kolmogorov_survival(value) == pytest.approx(level, rel=1e-6)


def test_kolmogorov_survival_is_continuous_where_its_series_change():
    assert kolmogorov_survival(1.18 - 1e-12) == pytest.approx(kolmogorov_survival(1.18), abs=1e-11)


def test_pooled_puts_cells_together_until_each_is_expected_five_times():
    found, expected = pooled(np.array([1.0, 90, 2, 3, 4]), np.array([2.0, 80, 2, 3, 13]))

    assert expected.tolist() == [7, 13, 80]
    assert found.tolist() == [6, 4, 90]


def test_pooled_is_one_cell_when_there_is_no_more_to_expect():
    found, expected = pooled(np.array([1.0, 2, 3]), np.array([2.0, 2, 2]))

    assert (found.tolist(), expected.tolist()) == ([6], [6])


def test_chi_square_is_the_textbook_value_when_nothing_is_pooled():
    # (45−50)²/50 + (35−30)²/30 + (20−20)²/20 = 4/3, two degrees of freedom.
    assert chi_square(np.array([45, 35, 20]), THIRDS) == pytest.approx(math.exp(-2 / 3))


def test_chi_square_is_zero_when_something_impossible_was_seen():
    assert chi_square(np.array([50, 50, 1]), np.array([0.5, 0.5, 0.0])) == 0


def test_chi_square_is_uniform_when_the_law_holds():
    random = np.random.default_rng(5)
    law = random.dirichlet(np.ones(40))
    values = np.array([chi_square(random.multinomial(5000, law), law) for _ in range(400)])

    assert kolmogorov_smirnov(values) > 0.001


def test_chi_square_finds_a_law_that_is_slightly_wrong():
    counts = np.random.default_rng(5).multinomial(100_000, [0.51, 0.29, 0.2])

    assert chi_square(counts, THIRDS) < 1e-6


def test_kolmogorov_smirnov_tells_uniform_numbers_from_others():
    numbers = np.random.default_rng(5).random(20_000)

    assert kolmogorov_smirnov(numbers) > 0.001
    assert kolmogorov_smirnov(numbers**1.05) < 1e-6


def test_pairs_are_dependent_when_the_second_repeats_the_first_now_and_then():
    random = np.random.default_rng(5)
    first, second = random.choice(3, size=(2, 50_000), p=THIRDS)
    repeated = np.where(random.random(50_000) < 0.03, first, second)

    assert pairs_are_independent(first, second, THIRDS) > 0.001
    assert pairs_are_independent(first, repeated, THIRDS) < 1e-6


def test_spread_uniformly_makes_tokens_uniform_when_they_follow_the_law():
    random = np.random.default_rng(5)
    ids = np.array([3, 7, 11])
    tokens = random.choice(ids, size=20_000, p=THIRDS)

    assert kolmogorov_smirnov(spread_uniformly(tokens, ids, THIRDS, random)) > 0.001
    assert kolmogorov_smirnov(spread_uniformly(tokens, ids, THIRDS[::-1], random)) < 1e-6


def test_total_variation_is_the_mass_that_would_have_to_move():
    assert total_variation(np.array([60, 20, 20]), THIRDS) == pytest.approx(0.1)
