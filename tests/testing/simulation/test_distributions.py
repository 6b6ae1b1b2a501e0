"""Distributions of latencies, and draws that do not depend on who asks first."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferail.errors import ConfigError
from inferail.testing.load.percentiles import quantile, spectrum
from inferail.testing.simulation import Tailed
from inferail.testing.simulation.draws import Draws

HEAVY = Tailed(0.35, 0.35, 0.05, 1.1)


def test_tail_is_a_pareto_that_begins_where_the_body_ends():
    begins = 0.35 * math.exp(0.35 * 1.6448536269514722)

    assert HEAVY.quantile(0.5) == pytest.approx(0.35)
    assert HEAVY.quantile(0.95) == pytest.approx(begins)
    assert HEAVY.quantile(0.99) == pytest.approx(begins * 5 ** (1 / 1.1))


def test_nothing_is_longer_than_the_longest():
    assert Tailed(1.0, 0.0, 0.1, 0.2, longest=30.0).quantile(0.9999999) == 30.0


@given(st.floats(0.001, 0.999), st.floats(0.001, 0.999))
def test_quantiles_rise_with_the_share(one, other):
    low, high = sorted((one, other))

    assert HEAVY.quantile(low) <= HEAVY.quantile(high)


def test_fit_finds_the_distribution_that_samples_come_from():
    draw = random.Random(5)
    samples = [HEAVY.quantile(draw.random()) for _ in range(20_000)]

    fitted = Tailed.fit(samples)

    assert fitted.median == pytest.approx(0.35, rel=0.03)
    assert fitted.sigma == pytest.approx(0.35, rel=0.05)
    assert fitted.exponent == pytest.approx(1.1, rel=0.1)
    for share in (0.5, 0.9, 0.95, 0.99):
        assert fitted.quantile(share) == pytest.approx(quantile(sorted(samples), share), rel=0.1)


def test_few_samples_have_no_tail():
    assert Tailed.fit([0.2, 0.3, 0.4]).tail == 0


def test_fit_refuses_samples_that_are_no_times():
    with pytest.raises(ConfigError, match="nothing to fit"):
        Tailed.fit([0.0, -1.0, math.nan])


@pytest.mark.parametrize("wrong", [{"median": 0.0}, {"sigma": -1.0}, {"tail": 0.9}, {"exponent": math.nan}])
def test_distribution_refuses_numbers_out_of_range(wrong):
    with pytest.raises(ConfigError, match=f"the {next(iter(wrong))} of a distribution"):
        Tailed(**{"median": 1.0, **wrong})


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.001, 1.0))
def test_quantile_is_the_smallest_value_that_enough_do_not_exceed(values, share):
    found = quantile(sorted(values), share)

    assert sum(value <= found for value in values) >= share * len(values) - 1e-6
    below = [value for value in values if value < found]
    assert not below or len(below) < share * len(values) + 1e-6


def test_spectrum_leaves_out_what_so_few_values_cannot_tell():
    assert [share for share, _ in spectrum(range(1, 21))] == [0.0, 0.5, 0.75, 0.9, 0.95, 1.0]
    assert spectrum([]) == []


def test_draws_are_uniform_and_depend_on_every_part_of_their_name():
    draws = Draws(7, "openai:east")
    numbers = [draws.number(call, purpose) for call in range(2_000) for purpose in range(4)]

    assert abs(sum(numbers) / len(numbers) - 0.5) < 0.01
    tenths = [sum(int(number * 10) == tenth for number in numbers) for tenth in range(10)]
    assert max(tenths) < 1.15 * len(numbers) / 10
    assert len(set(numbers)) == len(numbers)
    assert draws.number(3, 1) == Draws(7, "openai:east").number(3, 1)
    assert draws.number(3, 1) != Draws(8, "openai:east").number(3, 1) != Draws(8, "openai:west").number(3, 1)
