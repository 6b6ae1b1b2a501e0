"""The draws of `core.Sampler` as a law: how often, in what order, and never what must not be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from inferail.core import Sampler
from tests.core.goodness_of_fit import (
    chi_square,
    kolmogorov_smirnov,
    pairs_are_independent,
    spread_uniformly,
    total_variation,
)
from tests.core.logit_rows import bit_mask, logit_row
from tests.core.reference_sampler import Reference

# Of one test among some thirty: a fair sampler fails once in three hundred thousand choices of the seeds.
RARE = 1e-4


def _draws(sampler: Sampler, row: np.ndarray[Any, Any], count: int, **options: Any) -> np.ndarray[Any, Any]:
    """One draw at each of `count` positions."""
    rows = np.broadcast_to(row, (count, len(row)))
    return sampler.sample(rows, positions=range(count), **options)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="plain"),
        pytest.param({"temperature": 0.7, "top_p": 0.9}, id="top-p"),
        pytest.param({"temperature": 1.5, "top_k": 20}, id="top-k"),
        pytest.param({"min_p": 0.1, "temperature": 2.0}, id="min-p"),
        pytest.param({"typical_p": 0.6}, id="typical"),
        pytest.param({"xtc_probability": 0.5, "xtc_threshold": 0.05}, id="xtc"),
        pytest.param({"top_k": 50, "top_p": 0.8, "compat": "sglang"}, id="joint"),
        pytest.param({"top_n_sigma": 1.0, "compat": "llamacpp", "temperature": 3.0}, id="sigma"),
    ],
)
@pytest.mark.parametrize(("kind", "vocab"), [("peaked", 2), ("peaked", 17), ("flat", 256), ("tied", 256)])
def test_draws_follow_the_law_of_the_reference(kind, vocab, options):
    """Serves R4."""
    row = logit_row(kind, vocab, seed=3)
    ids, probabilities = Reference(**options).distribution(row)
    law = np.zeros(vocab)
    law[ids] = probabilities

    tokens = _draws(Sampler(**options, seed=17), row, 60_000)

    counts = np.bincount(tokens, minlength=vocab)
    assert chi_square(counts, law) > RARE
    assert total_variation(counts, law) < 3 * (len(ids) / (4 * 60_000)) ** 0.5


def test_draws_spread_evenly_over_their_tokens():
    row = logit_row("peaked", 300, seed=5)
    ids, probabilities = Reference().distribution(row)

    tokens = _draws(Sampler(seed=23), row, 60_000)

    assert kolmogorov_smirnov(spread_uniformly(tokens, ids, probabilities, np.random.default_rng(1))) > RARE


@pytest.mark.parametrize("step", [1, 2, 7])
@pytest.mark.parametrize("along", ["positions", "seeds", "sample_indices"])
def test_one_draw_says_nothing_about_another(along, step):
    row = logit_row("flat", 12, seed=2)
    _, law = Reference().distribution(row)
    count = 60_000
    place: dict[str, Any] = {"positions": 0, "seeds": 9, along: range(count)}

    tokens = Sampler().sample(np.broadcast_to(row, (count, 12)), **place)

    assert pairs_are_independent(tokens[:-step], tokens[step:], law) > RARE


@pytest.mark.slow
def test_rare_tokens_are_as_rare_as_they_should_be():
    """262,144 tokens that are 20.5 below the largest: one in three thousand draws, if noise is fine enough."""
    row = np.full(262_145, -20.5, dtype=np.float32)
    row[1000] = 0.0
    count = 20_000

    tokens = _draws(Sampler(seed=4), row, count)

    share = 262_144 * np.exp(-20.5) / (1 + 262_144 * np.exp(-20.5))
    rare = np.count_nonzero(tokens != 1000)
    law = np.array([1 - share, share])
    assert chi_square(np.array([count - rare, rare]), law) > RARE


@pytest.mark.slow
def test_every_token_of_thirty_two_thousand_is_drawn():
    row = np.zeros(32_000, dtype=np.float32)
    seen = np.zeros(32_000, dtype=np.int64)
    sampler = Sampler(seed=6)
    for block in range(16):
        rows = np.broadcast_to(row, (30_000, 32_000))
        seen += np.bincount(
            sampler.sample(rows, positions=range(block * 30_000, block * 30_000 + 30_000)), minlength=32_000
        )

    assert seen.min() > 0
    assert chi_square(seen, np.full(32_000, 1 / 32_000)) > RARE


@pytest.mark.slow
def test_no_masked_token_in_ten_million_draws():
    random = np.random.default_rng(8)
    allowed = random.random((1000, 64)) < 0.3
    allowed[:, 5] = True
    rows = random.normal(0, 4, (1000, 64)).astype(np.float32)
    mask = np.stack([bit_mask(row) for row in allowed])
    for options in ({"temperature": 2.0}, {"top_p": 0.9}, {"top_k": 5}, {"min_p": 0.01}, {"repetition_penalty": 0.5}):
        sampler = Sampler(**options, seed=1)
        histories = [sampler.history([1, 2, 3]) for _ in range(1000)]
        for position in range(2000):
            tokens = sampler.sample(rows, mask=mask, histories=histories, positions=position)
            assert allowed[np.arange(1000), tokens].all()
