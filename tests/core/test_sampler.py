"""`core.Sampler` beside the reference in float64: the same tokens are left, the same one is drawn."""

from __future__ import annotations

import array
from typing import Any

import numpy as np
import pytest

from inferail.core import Sampler, sample_each
from inferail.errors import ConfigError, SamplingError
from tests.core.logit_rows import ALL_KINDS, FORMATS, logit_row, peaked
from tests.core.reference_sampler import NothingLeftError, Reference, uniform

PRESETS = ("vllm", "hf", "llamacpp", "sglang", "mlx")


def _parameters(random: np.random.Generator, vocab: int) -> dict[str, Any]:
    """Some of the parameters, each with a value that does something."""
    choices = {
        "top_k": int(random.integers(1, 60)),
        "top_p": float(random.choice([0.0, 0.3, 0.9, 0.99, random.random()])),
        "min_p": float(random.choice([0.02, 0.3, 1.0])),
        "typical_p": float(random.uniform(0.05, 0.99)),
        "top_n_sigma": float(random.uniform(0.2, 4)),
        "epsilon": float(random.uniform(0, 0.02)),
        "eta": float(random.uniform(0, 0.1)),
        "repetition_penalty": float(random.uniform(0.6, 1.7)),
        "frequency_penalty": float(random.uniform(-1, 1)),
        "presence_penalty": float(random.uniform(-1, 1)),
        "dry_multiplier": float(random.uniform(0.2, 2)),
        "logit_bias": {int(token): float(random.normal(0, 5)) for token in random.integers(vocab, size=3)},
        "banned": [int(token) for token in random.integers(vocab, size=3)],
        "allowed": [int(token) for token in random.integers(vocab, size=vocab // 2 + 1)],
        "dynamic_temperature_range": float(random.uniform(0, 1)),
        "penalty_window": int(random.integers(0, 20)),
    }
    taken = {name: value for name, value in choices.items() if random.random() < 0.2}
    taken["compat"] = str(random.choice(PRESETS))
    taken["temperature"] = float(random.choice([0.0, 0.7, 1.0, 1.6], p=[0.1, 0.4, 0.3, 0.2]))
    if random.random() < 0.1:
        taken |= {"xtc_probability": 1.0, "xtc_threshold": float(random.choice([0.02, 0.1]))}
    if random.random() < 0.1:
        taken |= {"mirostat": int(random.integers(1, 3)), "mirostat_tau": float(random.uniform(1, 6))}
    return taken


def _compare(seed: int, vocab: int) -> None:
    """One random row, in a random format, under random parameters: what is left, how likely, and what is drawn."""
    random = np.random.default_rng(seed)
    kind = str(random.choice(ALL_KINDS))
    form = str(random.choice(FORMATS))
    row = logit_row(kind, vocab, seed, form)
    parameters = _parameters(random, vocab)
    if kind == "denormal":
        # Distances from the entropy are all 0 to the last digit, and a penalised logit has no digits left in float32.
        for name in ("typical_p", "repetition_penalty", "frequency_penalty", "presence_penalty", "logit_bias"):
            parameters.pop(name, None)
    prompt, output = (random.integers(0, vocab, size=random.integers(0, 40)).tolist() for _ in range(2))
    mask = random.integers(0, 2**32, size=-(-vocab // 32), dtype=np.uint32) if random.random() < 0.2 else None
    reference = Reference(**parameters)
    sampler = Sampler(**parameters, seed=seed)
    history = sampler.history(prompt)
    history.extend(output)
    arguments: dict[str, Any] = {"mask": mask, "dtype": "bfloat16" if form == "bfloat16" else None}
    case = f"seed {seed}: {kind} {form} {parameters}"

    excluded = reference.is_excluded(seed, len(output))
    try:
        ids, probabilities = reference.distribution(row, prompt, output, mask, excluded=excluded)
    except NothingLeftError:
        with pytest.raises(SamplingError) as raised:
            sampler.sample(row, histories=history, **arguments)
        assert raised.value.row == 0
        return
    seen, weights = sampler.distribution(row, history=history, **arguments)
    drawn = sampler.sample(row, histories=history, **arguments)

    assert seen.tolist() == ids.tolist(), case
    # A penalised logit is a float32: near 10,000 it is exact to 0.0005.
    tolerance = 1e-3 if kind == "large" else 1e-4
    np.testing.assert_allclose(weights, probabilities, rtol=tolerance, atol=1e-12, err_msg=case)
    share = uniform(seed, len(output)) * probabilities.sum()
    cumulated = np.cumsum(probabilities)
    place = int(np.searchsorted(cumulated, share, side="right"))
    # Where the number falls on the border of two tokens to the last digits, either is right.
    near = np.flatnonzero(np.abs(cumulated - share) < 1e-2 * tolerance)
    expected = {
        int(ids[min(place, len(ids) - 1)]),
        *(int(ids[i]) for i in near),
        *(int(ids[i + 1]) for i in near if i + 1 < len(ids)),
    }
    assert int(drawn[0]) in expected, case


@pytest.mark.parametrize("block", range(8))
def test_sampler_keeps_and_draws_what_the_reference_does(block):
    """Serves R4."""
    for seed in range(block * 100, block * 100 + 100):
        _compare(seed, vocab=int(np.random.default_rng(seed).choice([1, 2, 17, 130, 500, 1500])))


@pytest.mark.slow
@pytest.mark.parametrize("block", range(20))
def test_sampler_keeps_and_draws_what_the_reference_does_on_ten_thousand_rows(block):
    """Serves R4."""
    for seed in range(10_000 + block * 500, 10_000 + block * 500 + 500):
        _compare(seed, vocab=int(np.random.default_rng(seed).choice([3, 129, 1000, 2500, 5000])))


@pytest.mark.slow
@pytest.mark.parametrize("vocab", [32_000, 128_256])
@pytest.mark.parametrize("kind", ["peaked", "flat", "tied"])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9, 0.95, 0.99, 0.9999])
def test_top_p_keeps_what_a_sorted_row_does_for_large_vocabularies(vocab, kind, p):
    """Serves R4."""
    row = logit_row(kind, vocab, seed=int(p * 1e4))
    for temperature in (0.6, 1.0, 2.0):
        ids, _ = Reference(temperature=temperature, top_p=p).distribution(row)
        seen, _ = Sampler(temperature=temperature, top_p=p, seed=1).distribution(row)

        assert seen.tolist() == ids.tolist()


def test_temperature_zero_takes_the_first_of_the_largest():
    """A hundred thousand rows. Serves R3."""
    random = np.random.default_rng(3)
    rows = np.round(random.normal(0, 2, (100_000, 40)) * 4).astype(np.float32) / 4

    tokens = Sampler(temperature=0).sample(rows)

    assert tokens.tolist() == rows.argmax(axis=1).tolist()


@pytest.mark.parametrize(
    ("options", "name"),
    [
        pytest.param({"temperature": -0.1}, "temperature", id="temperature-below-zero"),
        pytest.param({"temperature": float("nan")}, "temperature", id="temperature-not-a-number"),
        pytest.param({"top_p": 1.1}, "top_p", id="top-p-above-one"),
        pytest.param({"min_p": -0.1}, "min_p", id="min-p-below-zero"),
        pytest.param({"typical_p": 2.0}, "typical_p", id="typical-p-above-one"),
        pytest.param({"epsilon": -1.0}, "epsilon", id="epsilon-below-zero"),
        pytest.param({"eta": 7.0}, "eta", id="eta-above-one"),
        pytest.param({"top_k": -1}, "top_k", id="top-k-below-zero"),
        pytest.param({"top_n_sigma": -1.0}, "top_n_sigma", id="sigma-below-zero"),
        pytest.param({"repetition_penalty": 0.0}, "repetition_penalty", id="repetition-penalty-of-zero"),
        pytest.param({"frequency_penalty": float("inf")}, "frequency_penalty", id="infinite-penalty"),
        pytest.param({"logit_bias": {1: float("nan")}}, "logit_bias", id="bias-not-a-number"),
        pytest.param({"dry_multiplier": 1.0, "dry_base": 0.5}, "dry_base", id="dry-base-below-one"),
        pytest.param({"xtc_probability": 2.0}, "xtc_probability", id="xtc-above-one"),
        pytest.param({"mirostat": 3}, "mirostat", id="no-such-mirostat"),
        pytest.param({"mirostat": 2, "mirostat_tau": 0.0}, "mirostat_tau", id="no-surprise"),
        pytest.param({"seed": -1}, "seed", id="seed-below-zero"),
        pytest.param({"threads": 0}, "threads", id="no-threads"),
        pytest.param({"compat": "torch"}, "compat", id="unknown-preset"),
        pytest.param({"logprobs_mode": "cooked"}, "logprobs_mode", id="unknown-mode"),
    ],
)
def test_sampler_refuses_a_parameter_by_name(options, name):
    """Serves R3."""
    with pytest.raises(ConfigError, match=name):
        Sampler(**options)


def test_sampler_refuses_an_unknown_argument():
    unknown: dict[str, Any] = {"top_q": 1}

    with pytest.raises(TypeError, match="'top_q'"):
        Sampler(**unknown)


def test_top_p_of_zero_keeps_one_token():
    """Serves R4."""
    row = peaked(1000, np.random.default_rng(1)).astype(np.float32)

    ids, probabilities = Sampler(top_p=0.0).distribution(row)

    assert ids.tolist() == [int(row.argmax())]
    assert probabilities.tolist() == [1.0]


@pytest.mark.parametrize("name", ["logit_bias", "allowed", "banned", "stop_tokens"])
def test_sampler_refuses_a_token_that_the_row_does_not_have(name):
    options: dict[str, Any] = {name: {7: 1.0} if name == "logit_bias" else [7]}

    with pytest.raises(ConfigError, match=f"{name} names token 7, but a row has 5 logits"):
        Sampler(**options).sample(np.zeros(5, dtype=np.float32))


def test_history_may_have_tokens_that_the_row_does_not_have():
    sampler = Sampler(repetition_penalty=2.0, seed=1)
    history = sampler.history([1, 99])

    ids, _ = sampler.distribution(np.ones(3, dtype=np.float32), history=history)

    assert ids.tolist() == [0, 1, 2]


class TestNotFinite:
    ROW = np.array([np.nan, 1.0, -np.inf, 2.0], dtype=np.float32)

    def test_nan_counts_as_nothing_and_is_flagged(self):
        detailed = Sampler(temperature=0).sample_detailed(self.ROW)

        assert detailed.tokens.tolist() == [3]
        assert detailed.flags.tolist() == [1]

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_strict_refuses_it_with_its_row(self, bad):
        rows = np.array([[1.0, 2.0], [bad, 0.0]], dtype=np.float32)

        with pytest.raises(SamplingError, match="row 1: a logit is") as raised:
            Sampler(strict=True).sample(rows)

        assert raised.value.row == 1

    def test_infinite_logits_share_the_whole(self):
        row = np.array([5.0, np.inf, 3.0, np.inf], dtype=np.float32)
        sampler = Sampler(top_p=0.1, seed=5)

        tokens = [int(sampler.sample_detailed(row).tokens[0]) for _ in range(40)]

        assert set(tokens) == {1, 3}
        assert sampler.sample_detailed(row).flags.tolist() == [2]
        assert sampler.distribution(row)[1].tolist() == [0.5, 0.5]

    @pytest.mark.parametrize(
        ("options", "row"),
        [
            pytest.param({}, [-np.inf] * 3, id="all-masked-by-the-model"),
            pytest.param({}, [np.nan] * 3, id="all-not-a-number"),
            pytest.param({"banned": [0, 1, 2]}, [1.0] * 3, id="all-banned"),
            pytest.param({"min_tokens": 1, "stop_tokens": [0, 1, 2]}, [1.0] * 3, id="only-stop-tokens"),
            pytest.param({"allowed": []}, [1.0] * 3, id="none-allowed"),
        ],
    )
    @pytest.mark.parametrize("temperature", [0.0, 1.0])
    def test_a_row_of_which_nothing_is_left_is_an_error(self, options, row, temperature):
        sampler = Sampler(temperature=temperature, **options)
        rows = np.array([[1.0, 2.0, 3.0], row] if not options else [row, row], dtype=np.float32)

        with pytest.raises(SamplingError, match="no token can be drawn") as raised:
            sampler.sample(rows)

        assert raised.value.row == (1 if not options else 0)

    def test_an_empty_row_is_an_error(self):
        with pytest.raises(SamplingError, match="no token can be drawn"):
            Sampler().sample(np.zeros((1, 0), dtype=np.float32))


class TestLogprobs:
    @pytest.mark.parametrize("mode", ["raw", "processed"])
    @pytest.mark.parametrize("kind", ["peaked", "flat", "tied", "partly-masked"])
    def test_logprobs_are_those_of_the_reference(self, kind, mode):
        random = np.random.default_rng(len(kind))
        row = logit_row(kind, 3000, seed=1)
        options: dict[str, Any] = {"temperature": 0.8, "top_p": 0.9, "repetition_penalty": 1.3}
        sampler = Sampler(**options, seed=9, logprobs=20, logprobs_mode=mode)
        prompt = random.integers(0, 3000, 50).tolist()

        seen = sampler.sample_detailed(row, histories=sampler.history(prompt))

        token = int(seen.tokens[0])
        expected = Reference(**options).logprobs(row, token, prompt, top=20, mode=mode)
        assert seen.ranks is not None
        assert int(seen.ranks[0]) == expected.rank
        assert seen.top_ids is not None
        assert seen.top_logprobs is not None
        # The reference goes on with tokens that cannot be drawn.
        left = int(np.count_nonzero(np.array(expected.top_logprobs) > -np.inf))
        assert seen.top_ids[0][:left].tolist() == list(expected.top_ids[:left])
        assert (seen.top_ids[0][left:] == 2**32 - 1).all()
        assert seen.logprobs is not None
        np.testing.assert_allclose(seen.logprobs, np.array([expected.logprob]), atol=2e-6)
        np.testing.assert_allclose(seen.top_logprobs[0], np.array(expected.top_logprobs), atol=2e-6)

    def test_fewer_tokens_than_asked_for_are_said_to_be_missing(self):
        sampler = Sampler(temperature=1, top_k=2, logprobs=3, logprobs_mode="processed", seed=1)

        seen = sampler.sample_detailed(np.array([0.0, 1.0, 2.0, 3.0], dtype=np.float32))

        assert seen.top_ids is not None
        assert seen.top_ids.tolist() == [[3, 2, 2**32 - 1]]
        assert seen.top_logprobs is not None
        assert seen.top_logprobs[0, 2] == -np.inf

    def test_no_logprobs_are_none(self):
        seen = Sampler().sample_detailed(np.zeros(3, dtype=np.float32))

        assert (seen.logprobs, seen.ranks, seen.top_ids, seen.top_logprobs) == (None, None, None, None)
        assert len(seen) == 1


class TestDeterminism:
    """Serves R18."""

    ROWS = np.stack([peaked(3000, np.random.default_rng(seed)) for seed in range(40)]).astype(np.float32)

    def test_a_row_is_drawn_alike_in_every_batch(self):
        """Serves R18."""
        options: dict[str, Any] = {"temperature": 1.3, "top_p": 0.95}
        seeds = list(range(40))
        whole = Sampler(**options, threads=3).sample(self.ROWS, seeds=seeds, positions=4)

        alone = [
            Sampler(**options).sample(row, seeds=seed, positions=4)[0]
            for row, seed in zip(self.ROWS, seeds, strict=True)
        ]
        backwards = Sampler(**options, threads=1).sample(self.ROWS[::-1], seeds=seeds[::-1], positions=4)[::-1]

        assert whole.tolist() == alone == backwards.tolist()

    def test_large_batches_are_shared_by_threads_and_stay_the_same(self):
        """Serves R18."""
        rows = np.tile(self.ROWS, (12, 1))
        options: dict[str, Any] = {"temperature": 1.3, "top_k": 40, "seed": 3}

        one = Sampler(**options, threads=1).sample(rows, sample_indices=range(480))
        many = Sampler(**options, threads=4).sample(rows, sample_indices=range(480))

        assert rows.size > 2**20
        assert one.tolist() == many.tolist()

    def test_calls_without_a_position_draw_anew_and_a_seed_repeats_them(self):
        """Serves R18."""
        first, second = Sampler(seed=11), Sampler(seed=11)

        drawn = [[int(sampler.sample(self.ROWS[0])[0]) for _ in range(30)] for sampler in (first, second)]

        assert drawn[0] == drawn[1]
        assert len(set(drawn[0])) > 3

    def test_a_seed_that_was_not_given_can_be_read_and_repeats_the_rows(self):
        """Serves R18."""
        sampler = Sampler(temperature=2.0)
        tokens = sampler.sample(self.ROWS, positions=0)

        again = Sampler(temperature=2.0, seed=sampler.seed)

        assert again.sample(self.ROWS, positions=0, sample_indices=range(40)).tolist() == tokens.tolist()

    def test_rows_with_the_same_seed_and_logits_are_the_same_and_sample_indices_tell_them_apart(self):
        rows = np.broadcast_to(self.ROWS[0], (16, 3000))
        sampler = Sampler(temperature=1.5, seed=2)

        same = sampler.sample(rows, positions=0)
        apart = sampler.sample(rows, positions=0, sample_indices=range(16))

        assert len(set(same.tolist())) == 1
        assert len(set(apart.tolist())) > 4

    def test_samplers_of_one_batch_give_what_each_gives_alone(self):
        """Serves R18."""
        samplers = [Sampler(temperature=0.3 + 0.1 * at, top_k=at, seed=at) for at in range(40)]
        histories = [sampler.history([1] * at) for at, sampler in enumerate(samplers)]

        tokens = sample_each(samplers, self.ROWS, histories=histories)

        alone = [int(sampler.sample(row, positions=0)[0]) for sampler, row in zip(samplers, self.ROWS, strict=True)]
        assert tokens.tolist() == alone
        with pytest.raises(ConfigError, match="samplers must be one for each row, not 2 for 40"):
            sample_each(samplers[:2], self.ROWS)

    def test_histories_give_the_positions(self):
        sampler = Sampler(temperature=1.5, seed=2)
        history = sampler.history([1, 2, 3])
        history.extend([4, 5])

        assert (
            sampler.sample(self.ROWS[0], histories=history).tolist()
            == sampler.sample(self.ROWS[0], positions=2).tolist()
        )


class TestArguments:
    ROW = np.array([0.5, 2.0, 1.0], dtype=np.float32)

    @pytest.mark.parametrize(
        ("logits", "problem"),
        [
            pytest.param(np.zeros((2, 2, 2), dtype=np.float32), "one or two dimensions", id="three-dimensions"),
            pytest.param(np.zeros(4), "float32, float16 or bfloat16", id="float64"),
            pytest.param(np.zeros(4, dtype=np.uint16), "dtype=", id="unnamed-bits"),
            pytest.param(np.zeros((4, 4), dtype=np.float32)[:, ::2], "ascontiguousarray", id="scattered"),
        ],
    )
    def test_logits_of_another_kind_are_refused(self, logits, problem):
        with pytest.raises(ConfigError, match=problem):
            Sampler().sample(logits)

    @pytest.mark.parametrize(
        ("options", "problem"),
        [
            pytest.param({"positions": [1, 2]}, "positions must be one number or one for each row", id="positions"),
            pytest.param({"seeds": [1, 2]}, "seeds", id="seeds"),
            pytest.param({"seeds": -1}, "seeds", id="negative-seed"),
            pytest.param({"mask": np.zeros(0, dtype=np.uint32)}, "1", id="short-mask"),
            pytest.param({"mask": np.zeros((3, 1), dtype=np.uint32)}, "mask has 3 rows", id="mask-rows"),
            pytest.param({"mask": np.zeros(1, dtype=np.float32)}, "uint32 or int32", id="mask-type"),
        ],
    )
    def test_what_does_not_belong_to_the_rows_is_refused(self, options, problem):
        with pytest.raises(ConfigError, match=problem):
            Sampler().sample(self.ROW, **options)

    def test_histories_have_to_be_one_for_each_row_and_different(self):
        sampler = Sampler()
        history = sampler.history()

        with pytest.raises(ConfigError, match="one for each row"):
            sampler.sample(self.ROW, histories=[history, sampler.history()])
        with pytest.raises(TypeError, match="fork"):
            sampler.sample(np.stack([self.ROW] * 2), histories=[history, history])

    def test_buffers_and_tensors_are_read_where_they_are(self):
        class Tensor:
            def __init__(self, held):
                self._array = held

            def __dlpack__(self, **options):
                return self._array.__dlpack__(**options)

            def __dlpack_device__(self):
                return self._array.__dlpack_device__()

        greedy = Sampler(temperature=0)

        assert greedy.sample(array.array("f", self.ROW.tolist())).tolist() == [1]
        assert greedy.sample(Tensor(self.ROW)).tolist() == [1]
        assert greedy.sample(self.ROW.astype(np.float16)).tolist() == [1]
        assert greedy.sample(self.ROW.astype(np.float16).view(np.uint16), dtype="float16").tolist() == [1]

    def test_rows_may_be_anywhere(self):
        wide = np.zeros((3, 8), dtype=np.float32)
        wide[:, 5] = [1, 2, 3]

        assert Sampler(temperature=0).sample(wide[::-2, 2:7]).tolist() == [3, 3]

    def test_read_only_logits_are_left_alone(self):
        row = self.ROW.copy()
        row.flags.writeable = False
        sampler = Sampler(temperature=1, repetition_penalty=3.0, logit_bias={0: 5.0}, banned=[2])

        sampler.sample(row, histories=sampler.history([1]))

        assert row.tolist() == self.ROW.tolist()

    def test_a_mask_of_int32_is_the_same_bits(self):
        mask = np.array([-1 & ~2], dtype=np.int32)

        assert Sampler(temperature=0).sample(self.ROW, mask=mask).tolist() == [2]


class TestHistory:
    def test_history_forgets_what_is_truncated(self):
        sampler = Sampler(frequency_penalty=1.0, compat="llamacpp", penalty_window=4)
        history = sampler.history([1, 1, 2, 3])
        kept = history.fork()
        kept.extend([5, 6])
        history.extend([5, 6, 7, 7, 8])

        history.truncate(2)

        row = np.zeros(10, dtype=np.float32)
        assert history.position == 2
        assert len(history) == 6
        assert history.tokens.tolist() == [1, 1, 2, 3, 5, 6]
        (ids, probabilities), (same, others) = (sampler.distribution(row, history=each) for each in (history, kept))
        assert ids.tolist() == same.tolist()
        assert probabilities.tolist() == others.tolist()

    def test_history_cannot_be_cut_into_its_prompt(self):
        history = Sampler().history([1, 2])

        with pytest.raises(ConfigError, match="position"):
            history.truncate(1)

    def test_history_refuses_what_is_no_token(self):
        with pytest.raises(ConfigError, match="token must be 0 or more"):
            Sampler().history().append(-1)

    def test_min_tokens_hold_stop_tokens_back_until_the_output_has_so_many(self):
        sampler = Sampler(temperature=0, min_tokens=2, stop_tokens=[1])
        history = sampler.history([1, 1, 1])
        row = np.array([0.5, 2.0, 1.0], dtype=np.float32)

        drawn = []
        for _ in range(3):
            drawn.append(int(sampler.sample(row, histories=history)[0]))
            history.append(drawn[-1])

        assert drawn == [2, 2, 1]

    @pytest.mark.parametrize("version", [1, 2])
    def test_mirostat_follows_the_surprise_of_what_was_drawn(self, version):
        row = peaked(2000, np.random.default_rng(4)).astype(np.float32)
        options: dict[str, Any] = {"mirostat": version, "mirostat_tau": 3.0, "mirostat_eta": 0.3}
        sampler, reference = Sampler(**options, seed=8), Reference(**options)
        history = sampler.history()
        mu = 6.0
        for position in range(60):
            ids, probabilities = reference.distribution(row, mu=mu)
            token = int(sampler.sample(row, histories=history)[0])
            assert token == reference.draw(row, seed=8, position=position, mu=mu)
            mu = reference.next_mu(mu, float(probabilities[ids.tolist().index(token)]))
            history.append(token)
