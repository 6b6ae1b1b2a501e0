"""The reservoir: every item has the same chance, the same seed the same sample."""

from __future__ import annotations

import threading
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferail.errors import ConfigError
from inferail.evals import Reservoir


def sample(count, size, seed):
    reservoir = Reservoir(size, seed=seed)
    for number in range(count):
        reservoir.offer(number)
    return reservoir


def test_every_item_has_the_same_chance():
    """Serves R185."""
    count, size, runs = 40, 8, 2_000
    found = Counter(number for seed in range(runs) for number in sample(count, size, seed).items)

    expected = runs * size / count
    chi_square = sum((found[number] - expected) ** 2 / expected for number in range(count))
    # 39 degrees of freedom; the draws of a run exclude each other, which makes the statistic smaller by 1 - size / count.
    assert chi_square / (1 - size / count) < 72.1  # the 0.999 quantile


@given(st.integers(0, 50), st.integers(1, 20), st.integers(0, 3))
def test_sample_has_its_size_its_order_and_its_seed(count, size, seed):
    reservoir = sample(count, size, seed)

    assert len(reservoir.items) == min(count, size)
    assert reservoir.items == sorted(set(reservoir.items))
    assert reservoir.items == sample(count, size, seed).items
    assert reservoir.seen == count


def test_threads_offer_at_once():
    reservoir = Reservoir(50, seed=1)
    threads = [
        threading.Thread(target=lambda first=first: [reservoir.offer(first + n) for n in range(500)])
        for first in range(0, 4_000, 500)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert reservoir.seen == 4_000
    assert len(set(reservoir.items)) == 50


def test_a_late_item_does_not_push_out_a_later_one():
    reservoir = Reservoir(2)
    first, second = reservoir.place(), reservoir.place()
    assert first is not None
    assert second is not None

    reservoir.put(second, "second")
    reservoir.put(first, "first")

    assert reservoir.items == ["first", "second"]


@pytest.mark.parametrize("size", [0, True, 1.5])
def test_size_is_a_positive_number(size):
    with pytest.raises(ConfigError):
        Reservoir(size)
