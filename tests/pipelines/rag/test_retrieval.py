"""Measures of a search against twins that are read off their definitions, and a gate over a small set of questions."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.pipelines.rag.rag_worlds import corpus

from inferail.errors import ConfigError
from inferail.pipelines.rag import Case, evaluate
from inferail.pipelines.rag.retrieval import ndcg, recall, reciprocal_rank

NAMES = list("abcde")
FOUND = st.permutations(NAMES).map(lambda names: names[:4])
GAINS = st.dictionaries(st.sampled_from(NAMES), st.integers(1, 3).map(float), min_size=1)


def discounted(order, gains):
    total = 0.0
    for place in range(len(order)):
        total += gains.get(order[place], 0.0) / math.log2(place + 2)
    return total


@given(FOUND, GAINS, st.integers(1, 6))
def test_measures_are_those_of_their_definitions(found, gains, k):
    first = found[:k]
    best = max(discounted(order[:k], gains) for order in itertools.permutations(NAMES))
    right = [place for place in range(len(first)) if first[place] in gains]

    assert recall(found, gains, k) == sum(name in first for name in gains) / len(gains)
    assert reciprocal_rank(found, gains, k) == (1 / (right[0] + 1) if right else 0.0)
    assert ndcg(found, gains, k) == pytest.approx(discounted(first, gains) / best)
    assert 0 <= ndcg(found, gains, k) <= 1 + 1e-12


CASES = [
    Case("When are refunds paid?", ["refunds"]),
    Case("How many days of leave do staff have?", {"leave": 1.0}),
    Case("When does the office open?", "office"),
    Case("What closes at five?", ["office"]),
]


@pytest.mark.parametrize("by", ["both", "meaning", "words"])
def test_search_of_the_handbook_stays_good(by):
    """Serves R130: a change that finds less fails here."""
    quality = evaluate(corpus(), CASES, k=2, by=by)

    assert quality.cases == 4
    assert quality.recall == 1.0
    assert quality.mrr >= 0.85
    assert quality.ndcg >= 0.85
    assert quality.missed == ()


def test_case_that_finds_nothing_is_named():
    quality = evaluate(corpus(), [CASES[0], Case("zebra", ["nowhere"])], k=1)

    assert quality.recall == 0.5
    assert quality.missed == (1,)


def test_wrong_cases_are_refused():
    with pytest.raises(ConfigError, match="at least one relevant"):
        Case("x", [])
    with pytest.raises(ConfigError, match="at least one relevant"):
        Case("x", {"a": 0.0})
    with pytest.raises(ConfigError, match="at least one Case"):
        evaluate(corpus(), [])
