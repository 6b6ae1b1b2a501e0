"""Verified drafts: what comes out is distributed as if nothing had been drafted."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferail.core import verify_draft
from inferail.errors import ConfigError, SamplingError
from tests.core import reference_verify as reference

ROUNDS = 2_000  # rust/sampler/tests has more
FIRST = np.array([5, 3, 0, 1, 0.5]) / 9.5
# The second token depends on the first.
SECOND = np.array([[(3 * token + shift) % 5 for token in range(5)] for shift in range(5)]) / 10
OTHER = np.array([1, 1, 4, 1, 1]) / 8
JOINT = FIRST[:, None] * SECOND


def chi_square(counts: Counter[tuple[int, int]]) -> tuple[float, int]:
    """The statistic of pairs against `JOINT` and its degrees of freedom; cells of which fewer than 5 are expected are one."""
    pooled = [0.0, 0.0]
    statistic, cells = 0.0, 0
    for pair, probability in np.ndenumerate(JOINT):
        expected = float(probability) * ROUNDS
        if expected < 5:
            pooled[0] += counts[pair[0], pair[1]]
            pooled[1] += expected
        else:
            statistic += (counts[pair[0], pair[1]] - expected) ** 2 / expected
            cells += 1
    if pooled[1] == 0:
        assert pooled[0] == 0, "what is impossible came"
        return statistic, cells - 1
    return statistic + (pooled[0] - pooled[1]) ** 2 / pooled[1], cells


def limit(freedom: int) -> float:
    """What chi-square exceeds with a probability of 1e-4 (Wilson and Hilferty, 1931)."""
    part = 2 / (9 * freedom)
    return freedom * (1 - part + 3.719 * part**0.5) ** 3


def drafted_as(kind: str, numbers: np.random.Generator) -> tuple[list[int], np.ndarray | None]:
    """Two tokens, and what they were drawn from."""
    match kind:
        case "deterministic":
            return [1, 4], None
        case "deterministic-impossible":
            return [2, 0], None
        case "stochastic":
            return numbers.choice(5, 2, p=OTHER).tolist(), np.stack([OTHER, OTHER])
        case "equal":
            first = int(numbers.choice(5, p=FIRST))
            return [first, int(numbers.choice(5, p=SECOND[first]))], np.stack([FIRST, SECOND[first]])
        case _:
            # FIRST excludes token 2.
            disjoint = np.eye(5)[2]
            return [2, 2], np.stack([disjoint, disjoint])


def pair_of(kind: str, round_number: int, numbers: np.random.Generator) -> tuple[int, int]:
    draft, drafts = drafted_as(kind, numbers)
    targets = np.stack([FIRST, SECOND[draft[0]], SECOND[draft[1]]])
    tokens = verify_draft(draft, targets, drafts, seed=round_number, position=9, sample=1).tolist()
    if len(tokens) == 1:
        # The next call goes on behind the token that stood in.
        tokens += verify_draft([], SECOND[tokens], seed=round_number, position=10, sample=1).tolist()
    return tokens[0], tokens[1]


@pytest.mark.parametrize("kind", ["deterministic", "deterministic-impossible", "stochastic", "equal", "disjoint"])
def test_pairs_follow_the_model_whatever_was_drafted(kind):
    """Serves R12."""
    numbers = np.random.default_rng(5)

    counts = Counter(pair_of(kind, round_number, numbers) for round_number in range(ROUNDS))

    statistic, freedom = chi_square(counts)
    assert statistic < limit(freedom)


def test_chi_square_sees_what_is_distributed_otherwise():
    counts = Counter(
        {
            (first, second): round(float(OTHER[first] * SECOND[first, second]) * ROUNDS)
            for first, second in np.ndindex(5, 5)
            if first != 2
        }
    )

    statistic, freedom = chi_square(counts)

    assert statistic > 10 * limit(freedom)


def test_impossible_token_is_never_accepted():
    """Serves R12."""
    target = np.array([[0, 0.5, 0.5], [1, 0, 0]])

    for seed in range(1000):
        assert verify_draft([0], target, seed=seed)[0] != 0
        assert verify_draft([0], target, np.array([[1.0, 0, 0]]), seed=seed)[0] != 0


def test_equal_rows_are_always_accepted():
    rows = np.array([[0.1, 0.2, 0.7], [0, 1, 0], [0, 0, 1]])

    assert {tuple(verify_draft([2, 1], rows, rows[:2], seed=seed).tolist()) for seed in range(500)} == {(2, 1, 2)}


def test_greedy_targets_accept_their_only_token():
    rows = np.eye(8)[[4, 5, 6]]

    assert verify_draft([4, 5], rows, seed=1).tolist() == [4, 5, 6]
    assert verify_draft([4, 7], rows, seed=1).tolist() == [4, 5]
    assert verify_draft([], rows[:1], seed=1).tolist() == [4]


@given(
    seed=st.integers(0, 2**64 - 1),
    position=st.integers(0, 2**63),
    sample=st.integers(0, 2**32 - 1),
    drafts=st.booleans(),
    kinds=st.tuples(st.sampled_from([np.float32, np.float64]), st.sampled_from([np.float32, np.float64])),
)
def test_draws_depend_on_seed_position_and_sample_only(seed, position, sample, drafts, kinds):
    """Serves R18."""
    rows = np.array([[0, 1.0, 0, 0], [0.5, 0.25, 0.25, 0], [0.25, 0.25, 0, 0.5]], kinds[0])
    other = np.full((2, 4), 0.25, kinds[1]) if drafts else None

    whole = verify_draft([1, 0], rows, other, seed=seed, position=position, sample=sample)
    alone = verify_draft(
        [0], rows[1:], None if other is None else other[1:], seed=seed, position=position + 1, sample=sample
    )

    assert whole.dtype == np.uint32
    assert whole.tolist() == [1, *alone.tolist()]


@given(data=st.data(), seed=st.integers(0, 2**64 - 1), position=st.integers(0, 2**63), sample=st.integers(0, 2**32 - 1))
def test_tokens_are_those_of_the_rule_as_it_is_written_down(data, seed, position, sample):
    """Serves R12."""
    columns, size = data.draw(st.sampled_from([1, 3, 17, 4500])), data.draw(st.integers(0, 4))
    numbers = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    weights = numbers.random((2 * size + 1, columns)) ** 4 * (numbers.random((2 * size + 1, columns)) < 0.6)
    weights[:, numbers.integers(columns)] += 0.01
    rows = weights / weights.sum(axis=1, keepdims=True)
    targets, drafts = rows[: size + 1], rows[size + 1 :] if data.draw(st.booleans()) else None
    draft = [int(numbers.choice(columns, p=row)) for row in (targets[:size] if drafts is None else drafts)]
    place = {"seed": seed, "position": position, "sample": sample}

    assert verify_draft(draft, targets, drafts, **place).tolist() == reference.verify(draft, targets, drafts, **place)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        pytest.param([np.nan, 1], "token 0 has the probability NaN", id="nan"),
        pytest.param([1.25, -0.25], "token 1 has the probability -0.25", id="negative"),
        pytest.param([3, 4], "sum to 7, they must sum to 1", id="logits"),
        pytest.param([0, 0], "sum to 0, they must sum to 1", id="nothing"),
        pytest.param([np.inf, 0], "sum to inf", id="infinite"),
    ],
)
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_row_that_is_not_of_probabilities_is_an_error_with_its_number(row, problem, kind):
    certain = [0, 1]

    with pytest.raises(SamplingError, match=f"row 1 of targets cannot be sampled: .*{problem}") as caught:
        verify_draft([1], np.array([certain, row], kind), seed=0)
    assert caught.value.row == 1
    with pytest.raises(SamplingError, match=f"row 0 of drafts cannot be sampled: .*{problem}"):
        verify_draft([1], np.array([certain, certain], kind), np.array([row], kind), seed=0)


@pytest.mark.parametrize(
    ("draft", "targets", "drafts", "message"),
    [
        pytest.param(
            [1], np.eye(2)[:1], None, "targets must be one row more than draft has tokens, not 1 for 1", id="few"
        ),
        pytest.param(
            [1], np.eye(2), np.eye(2), "drafts must be as many rows as draft has tokens, not 2 for 1", id="many"
        ),
        pytest.param([1], np.eye(2), np.ones((1, 3)), "drafts must be as wide as targets", id="wide"),
        pytest.param([2], np.eye(2), None, "draft must be ids below the number of columns of targets, not 2", id="id"),
        pytest.param([-1], np.eye(2), None, "draft must be 0 or more", id="negative-id"),
        pytest.param([1], np.eye(2, dtype=np.float16), None, "float32 or float64 .* not float16 in 2", id="half"),
        pytest.param([], np.ones(1), None, "targets must be float32 or float64 in rows and columns, not", id="flat"),
        pytest.param([1], np.eye(2)[:, ::-1], None, "pass numpy.ascontiguousarray", id="strided"),
        pytest.param([1], np.asfortranarray(np.ones((2, 2)) / 2), None, "row after row", id="columns-first"),
        pytest.param([], np.ones((1, 0)), None, "columns must be 1 or more", id="no-columns"),
    ],
)
def test_arguments_are_refused_when_they_do_not_fit(draft, targets, drafts, message):
    with pytest.raises(ConfigError, match=message):
        verify_draft(draft, targets, drafts, seed=0)


@pytest.mark.parametrize(
    "options", [{"seed": -1}, {"seed": 2**64}, {"seed": 0, "position": -1}, {"seed": 0, "sample": 2**32}]
)
def test_numbers_are_refused_when_they_do_not_fit(options):
    with pytest.raises(ConfigError, match="must be 0 or more and below 2"):
        verify_draft([], np.ones((1, 1)), **options)


def test_rows_may_be_lists():
    assert verify_draft([1], [[0.0, 1.0], [1.0, 0.0]], seed=0).tolist() == [1, 0]


def test_large_rows_are_verified_without_the_lock():
    targets = np.full((2, 50_000), 1 / 50_000, np.float32)

    tokens = verify_draft([7], targets, targets[:1], seed=3)

    assert tokens[0] == 7
    assert len(tokens) == 2
