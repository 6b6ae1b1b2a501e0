"""The reference sampler against cases that were worked out by hand from the definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.core.logit_rows import ALL_KINDS, FORMATS, bit_mask, from_bfloat16, logit_row, numbers, to_bfloat16
from tests.core.reference_filters import longest_repeats, zipf_count
from tests.core.reference_sampler import PRESETS, NothingLeftError, Reference, inverse, philox, uniform

SEQUENTIAL = [name for name in PRESETS if name != "sglang"]


def row(*values):
    return np.array(values, dtype=np.float32)


def of_probabilities(*values):
    return np.log(np.array(values))


def kept(logits, prompt=(), output=(), mask=None, *, excluded=None, mu=None, **arguments):
    ids, _ = Reference(**arguments).distribution(logits, prompt, output, mask, excluded=excluded, mu=mu)
    return ids.tolist()


def probabilities(logits, prompt=(), output=(), mask=None, *, excluded=None, mu=None, **arguments):
    ids, found = Reference(**arguments).distribution(logits, prompt, output, mask, excluded=excluded, mu=mu)
    return dict(zip(ids.tolist(), found.tolist(), strict=True))


def penalised(logits, prompt=(), output=(), **arguments):
    return Reference(**arguments).processed(logits, prompt, output).tolist()


# What may be drawn at all.


def test_distribution_is_the_softmax_when_nothing_is_on():
    assert probabilities(of_probabilities(0.5, 0.2, 0.3)) == pytest.approx({0: 0.5, 1: 0.2, 2: 0.3})


def test_temperature_is_the_root_of_the_probabilities():
    # At T = 1/2 probabilities are squared: 9/14, 1/14, 4/14.
    found = probabilities(of_probabilities(3 / 6, 1 / 6, 2 / 6), temperature=0.5)

    assert found == pytest.approx({0: 9 / 14, 1: 1 / 14, 2: 4 / 14})


@pytest.mark.parametrize("compat", PRESETS)
def test_temperature_zero_leaves_the_first_greatest(compat):
    assert probabilities(row(1, 3, 2, 3), temperature=0, compat=compat) == {1: 1.0}


def test_nan_counts_as_minus_infinity():
    assert kept(row(math.nan, 1, math.nan, 2)) == [1, 3]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_nan_and_infinity_are_errors_when_strict(value):
    with pytest.raises(ValueError, match="NaN"):
        kept(row(value, 1), strict=True)

    assert kept(row(-math.inf, 1), strict=True) == [1]


def test_infinity_is_shared_by_all_that_have_it_whatever_is_on():
    found = probabilities(row(math.inf, 5, math.inf, math.nan), output=[0], top_k=1, frequency_penalty=9.0)

    assert found == {0: 0.5, 2: 0.5}


def test_infinity_is_masked_as_any_other():
    assert kept(row(math.inf, 5, 4), banned=[0], temperature=0) == [1]


def test_first_infinity_is_left_when_greedy():
    assert kept(row(1, math.inf, math.inf), temperature=0) == [1]


@pytest.mark.parametrize(
    "arguments",
    [{"allowed": []}, {"banned": [0, 1, 2]}, {"min_tokens": 1, "stop_tokens": [0, 1, 2]}],
    ids=["allowed", "banned", "min-tokens"],
)
def test_nothing_left_is_an_error(arguments):
    with pytest.raises(NothingLeftError):
        kept(row(1, 2, 3), **arguments)


def test_nothing_left_is_an_error_when_every_logit_is_minus_infinity_or_nan():
    with pytest.raises(NothingLeftError):
        kept(row(-math.inf, math.nan))


def test_masks_are_intersected():
    mask = np.array([0b0111_1110, 0b10], dtype=np.uint32)

    found = kept(np.zeros(34, dtype=np.float32), allowed=[0, 1, 2, 3, 33], banned=[2], mask=mask)

    assert found == [1, 3, 33]


def test_stop_tokens_are_out_until_the_least_number_is_reached():
    arguments = {"min_tokens": 2, "stop_tokens": [1]}

    assert kept(row(0, 9, 0), prompt=[0, 0, 0], output=[0], **arguments) == [0, 2]
    assert kept(row(0, 9, 0), output=[0, 2], **arguments) == [0, 1, 2]


# Penalties.


def test_repetition_penalty_divides_what_is_positive_and_multiplies_the_rest_once_each():
    found = penalised(row(4, -4, 0, 8), prompt=[0, 0, 1], output=[2], repetition_penalty=2.0)

    assert found == [2, -8, 0, 8]


def test_frequency_and_presence_penalties_count_the_output():
    found = penalised(row(5, 5, 5), prompt=[2], output=[0, 1, 1], frequency_penalty=0.5, presence_penalty=0.25)

    assert found == [4.25, 3.75, 5]


@pytest.mark.parametrize(
    ("compat", "after_repetition", "after_presence"),
    [
        pytest.param("vllm", [2, 2, 4], [4, 3, 4], id="vllm"),
        pytest.param("openai", [2, 2, 4], [4, 3, 4], id="openai"),
        pytest.param("hf", [2, 2, 4], [4, 3, 4], id="hf"),
        pytest.param("sglang", [4, 2, 4], [4, 3, 4], id="sglang"),
        pytest.param("llamacpp", [2, 2, 4], [3, 3, 4], id="llamacpp"),
        pytest.param("mlx", [2, 2, 4], [3, 3, 4], id="mlx"),
    ],
)
def test_penalties_see_the_prompt_as_the_preset_says(compat, after_repetition, after_presence):
    logits, history = row(4, 4, 4), {"prompt": [0], "output": [1]}

    assert penalised(logits, **history, compat=compat, repetition_penalty=2.0) == after_repetition
    assert penalised(logits, **history, compat=compat, presence_penalty=1.0) == after_presence


@pytest.mark.parametrize(("compat", "window"), [("llamacpp", 64), ("mlx", 20)])
def test_penalties_see_the_last_tokens_of_prompt_and_output_when_the_preset_has_a_window(compat, window):
    def found(fill):
        return penalised(row(4, 4), prompt=[1], output=[0] * fill, compat=compat, repetition_penalty=2.0)

    assert found(window - 1) == [2, 2]
    assert found(window) == [2, 4]


def test_penalty_window_cuts_the_output_to_what_is_inside():
    found = penalised(row(4, 4, 4), prompt=[2], output=[0, 1, 1], penalty_window=1, presence_penalty=1.0)

    assert found == [4, 3, 4]


def test_penalty_window_of_zero_sees_nothing():
    assert penalised(row(4, 4), output=[0, 1], penalty_window=0, repetition_penalty=2.0) == [4, 4]


def test_penalties_come_in_the_order_repetition_frequency():
    # 4/2 − 1, not (4 − 1)/2.
    assert penalised(row(4, 0), output=[0], repetition_penalty=2.0, frequency_penalty=1.0) == [1, 0]


def test_bias_comes_before_the_penalties_but_in_sglang():
    arguments = {"output": [0], "logit_bias": {0: 2.0}, "repetition_penalty": 2.0}

    assert penalised(row(4, 0), **arguments) == [3, 0]
    assert penalised(row(4, 0), compat="sglang", **arguments) == [4, 0]


def test_history_outside_of_the_vocabulary_is_passed_over():
    assert penalised(row(4, 4), output=[0, 7], repetition_penalty=2.0, dry_multiplier=1.0) == [2, 4]


@pytest.mark.parametrize(
    ("history", "breakers", "expected"),
    [
        pytest.param([], (), {}, id="empty"),
        pytest.param([1], (), {}, id="one"),
        pytest.param([1, 2, 3, 1, 2], (), {2: 0, 3: 2, 1: 0}, id="pair"),
        pytest.param([5, 1, 2, 3, 9, 1, 2, 4, 1, 2], (), {1: 0, 2: 0, 3: 2, 9: 0, 4: 2}, id="two-continuations"),
        pytest.param([7, 7, 7, 7], (), {7: 3}, id="overlapping"),
        pytest.param([1, 2, 3, 1, 2], (1,), {2: 0, 3: 1, 1: 0}, id="breaker-cuts"),
        pytest.param([1, 2, 3, 1, 2], (2,), {2: 0, 3: 0, 1: 0}, id="breaker-is-last"),
    ],
)
def test_longest_repeats_are_found(history, breakers, expected):
    assert longest_repeats(history, breakers) == expected


def test_dry_grows_with_the_length_of_the_repeat():
    # 0 1 2 3 stood before 4; after 0 1 2 3 again, 4 would extend a repeat of four: 0.5 · 2^(4−2).
    found = penalised(np.zeros(6), output=[0, 1, 2, 3, 4, 0, 1, 2, 3], dry_multiplier=0.5, dry_base=2.0)

    assert found == [0, 0, 0, 0, -2, 0]


def test_dry_leaves_breakers_and_short_repeats_alone():
    logits, output = np.zeros(3), [0, 1, 2, 0, 1]

    assert penalised(logits, output=output, dry_multiplier=1.0)[2] == -1
    assert penalised(logits, output=output, dry_multiplier=1.0, dry_allowed_length=3)[2] == 0
    assert penalised(logits, output=output, dry_multiplier=1.0, dry_breakers=[2])[2] == 0


def test_dry_sees_the_last_tokens_when_it_has_a_window():
    logits, output = np.zeros(4), [0, 1, 2, 3, 0, 1]

    assert penalised(logits, output=output, dry_multiplier=1.0, dry_window=6)[2] == -1
    assert penalised(logits, output=output, dry_multiplier=1.0, dry_window=5)[2] == 0


def test_dry_exponent_is_bounded():
    # ⌊88.7228391 / ln 2⌋ = 127.
    assert penalised(np.zeros(1), output=[0] * 400, dry_multiplier=1.0, dry_base=2.0) == [-(2.0**127)]


# Filters.


@pytest.mark.parametrize(
    ("compat", "expected"),
    [("vllm", [0, 1, 3]), ("hf", [0, 1, 3]), ("llamacpp", [0, 1]), ("sglang", [0, 1]), ("mlx", [0, 1])],
)
def test_top_k_treats_equals_as_the_preset_says(compat, expected):
    assert kept(row(5, 3, 1, 3), top_k=2, compat=compat) == expected


def test_top_k_keeps_everything_when_there_are_fewer():
    assert kept(row(5, -math.inf, 1), top_k=3) == [0, 2]


@pytest.mark.parametrize("compat", SEQUENTIAL)
def test_top_p_keeps_the_token_that_reaches_it_and_no_more(compat):
    assert kept(np.zeros(4), top_p=0.5, compat=compat) == [0, 1]
    assert kept(np.zeros(4), top_p=0.51, compat=compat) == [0, 1, 2]


def test_top_p_keeps_one_more_in_sglang_when_the_mass_is_met_exactly():
    assert kept(np.zeros(4), top_p=0.5, compat="sglang") == [0, 1, 2]


@pytest.mark.parametrize("compat", PRESETS)
def test_top_p_of_zero_leaves_one_token_but_in_mlx(compat):
    assert kept(row(1, 3, 3), top_p=0.0, compat=compat) == ([0, 1, 2] if compat == "mlx" else [1])


@pytest.mark.parametrize(
    ("compat", "expected"),
    [("vllm", [0]), ("openai", [0]), ("hf", [0]), ("sglang", [0]), ("llamacpp", [0, 1]), ("mlx", [0, 1])],
)
def test_top_p_sees_the_temperature_unless_it_comes_last(compat, expected):
    # e³ : e² : e is .665 : .245 : .090; at T = .5 it is .867 : .117 : .016.
    assert kept(row(3, 2, 1), top_p=0.8, temperature=0.5, compat=compat) == expected


@pytest.mark.parametrize("compat", SEQUENTIAL)
def test_top_p_is_of_what_top_k_left_unless_it_comes_first(compat):
    # .4 and .3 of the whole are 4/7 and 3/7 of the first two: .5 is reached by one of them, or by both of the whole.
    found = kept(of_probabilities(0.4, 0.3, 0.2, 0.1), top_k=2, top_p=0.5, compat=compat)

    assert found == ([0, 1] if compat == "mlx" else [0])


def test_top_k_and_top_p_are_judged_on_the_whole_row_in_sglang():
    assert kept(of_probabilities(0.4, 0.3, 0.2, 0.1), top_k=2, top_p=0.5, compat="sglang") == [0, 1]
    assert kept(of_probabilities(0.4, 0.3, 0.2, 0.1), top_k=3, top_p=0.8, compat="sglang") == [0, 1, 2]
    assert kept(of_probabilities(0.4, 0.3, 0.2, 0.1), top_k=1, top_p=0.8, compat="sglang") == [0]


@pytest.mark.parametrize("compat", PRESETS)
def test_min_p_keeps_what_is_exactly_at_the_bound(compat):
    logits = [0, math.log(0.5), math.log(0.5) - 1e-9]

    assert kept(np.array(logits), min_p=0.5, compat=compat) == [0, 1]
    assert kept(row(2, 2, 1), min_p=1.0, compat=compat) == [0, 1]


@pytest.mark.parametrize(("compat", "expected"), [("vllm", [0]), ("hf", [0]), ("llamacpp", [0, 1]), ("mlx", [0, 1])])
def test_min_p_sees_the_temperature_unless_it_comes_last(compat, expected):
    # e^−1 = .37 of the greatest; e^−2 = .135 at T = .5.
    assert kept(row(3, 2, 1), min_p=0.3, temperature=0.5, compat=compat) == expected


@pytest.mark.parametrize(("compat", "expected"), [("vllm", [0]), ("hf", [0, 1])])
def test_min_p_comes_before_top_p_in_vllm_and_after_it_in_hf(compat, expected):
    # Without the last two, .45 of .8 is more than half; with them, .45 of 1 is not.
    assert kept(of_probabilities(0.45, 0.35, 0.1, 0.1), min_p=0.5, top_p=0.5, compat=compat) == expected


def test_typical_takes_the_nearest_to_the_entropy():
    # H = 1.333; the surprises .693, 1.609, 1.897, 2.303, 2.996 are .639, .277, .565, .970, 1.663 away from it.
    logits = of_probabilities(0.5, 0.2, 0.15, 0.1, 0.05)

    assert kept(logits, typical_p=0.2) == [1]
    assert kept(logits, typical_p=0.3) == [1, 2]
    assert kept(logits, typical_p=0.6) == [0, 1, 2]


def test_typical_keeps_equals_unless_in_llamacpp():
    assert kept(np.zeros(4), typical_p=0.5) == [0, 1, 2, 3]
    assert kept(np.zeros(4), typical_p=0.4, compat="llamacpp") == [0, 1]
    assert kept(np.zeros(4), typical_p=0.5, compat="llamacpp") == [0, 1, 2]


def test_epsilon_drops_what_is_rarer_but_never_the_greatest():
    assert kept(of_probabilities(0.5, 0.3, 0.15, 0.05), epsilon=0.1) == [0, 1, 2]
    assert kept(np.array([1.0, 2, 2]), epsilon=0.9) == [1, 2]


def test_eta_takes_the_lesser_of_the_cutoff_and_what_the_entropy_makes_of_it():
    # Four equal tokens: e^−H = 1/4, √.01 · 1/4 = .025 > .01. A fifth of .005 falls, one of .02 stays.
    assert kept(of_probabilities(0.245, 0.245, 0.245, 0.245, 0.02), eta=0.01) == [0, 1, 2, 3, 4]
    assert kept(of_probabilities(0.24875, 0.24875, 0.24875, 0.24875, 0.005), eta=0.01) == [0, 1, 2, 3]
    # With .81: √.81 · e^−H = .9/2 = .45 for two equal tokens, which stay at .5.
    assert kept(of_probabilities(0.5, 0.5), eta=0.81) == [0, 1]


def test_top_n_sigma_measures_the_whole_row_in_logits():
    # Mean 2, deviation √8 = 2.83 of (6, 4, 0, −2, 2): one deviation below 6 is 3.17.
    logits = row(6, 4, 0, -2, 2, -math.inf)

    assert kept(logits, top_n_sigma=1.0) == [0, 1]
    assert kept(logits, top_n_sigma=1.0, temperature=0.1, top_k=4) == [0, 1]
    assert kept(logits, top_n_sigma=1.5) == [0, 1, 4]
    assert kept(logits, top_n_sigma=0.0) == [0, 1, 2, 3, 4]


def test_xtc_leaves_the_least_likely_of_the_top_choices():
    logits = of_probabilities(0.4, 0.3, 0.2, 0.1)

    assert kept(logits, xtc_threshold=0.15, excluded=True) == [2, 3]
    assert kept(logits, xtc_threshold=0.35, excluded=True) == [0, 1, 2, 3]
    assert kept(logits, xtc_threshold=0.15, xtc_protected=[0], excluded=True) == [0, 2, 3]
    assert kept(of_probabilities(0.51, 0.49), xtc_threshold=0.501, excluded=True) == [0, 1]


@pytest.mark.parametrize(
    ("compat", "at_threshold", "among_equals"),
    [("vllm", [3], [3]), ("llamacpp", [3], [3]), ("mlx", [0, 1, 2, 3], [1, 2, 3])],
)
def test_xtc_is_strict_in_mlx_alone(compat, at_threshold, among_equals):
    assert kept(np.zeros(4), xtc_threshold=0.25, compat=compat, excluded=True) == at_threshold
    assert kept(row(1, 0, 0, 0), xtc_threshold=0.1, compat=compat, excluded=True) == among_equals


def test_xtc_is_mixed_by_its_probability_when_the_draw_is_not_known():
    found = probabilities(of_probabilities(0.5, 0.25, 0.25), xtc_threshold=0.3, xtc_probability=0.5)
    both = probabilities(of_probabilities(0.4, 0.4, 0.2), xtc_threshold=0.3, xtc_probability=0.5)

    assert found == pytest.approx({0: 0.5, 1: 0.25, 2: 0.25})
    # Half of (.4, .4, .2) and half of (0, 2/3, 1/3).
    assert both == pytest.approx({0: 0.2, 1: 0.2 + 1 / 3, 2: 0.1 + 1 / 6})


def test_xtc_comes_before_top_k_in_mlx():
    logits = of_probabilities(0.4, 0.3, 0.2, 0.1)

    assert kept(logits, top_k=2, xtc_threshold=0.15, compat="mlx", excluded=True) == [2, 3]
    assert kept(logits, top_k=2, xtc_threshold=0.15, excluded=True) == [1]


def test_greedy_chooses_among_what_is_left_in_llamacpp_alone():
    logits = of_probabilities(0.4, 0.3, 0.2, 0.1)

    assert kept(logits, temperature=0, xtc_threshold=0.15, compat="llamacpp", excluded=True) == [2]
    assert kept(logits, temperature=0, xtc_threshold=0.15, compat="mlx", excluded=True) == [0]


# Temperatures and cuts that follow the entropy.


def test_dynamic_temperature_is_its_greatest_when_all_are_equal():
    found = probabilities(np.zeros(3), temperature=1.0, dynamic_temperature_range=0.5)

    assert found == pytest.approx({0: 1 / 3, 1: 1 / 3, 2: 1 / 3})


def test_dynamic_temperature_lies_between_its_ends_by_the_entropy():
    logits = of_probabilities(0.5, 0.25, 0.25)
    share = (1.5 * math.log(2) / math.log(3)) ** 2
    temperature = 0.5 + share
    odds = 2 ** (1 / temperature)

    found = probabilities(logits, dynamic_temperature_range=0.5, dynamic_temperature_exponent=2.0)

    assert found == pytest.approx({0: odds / (odds + 2), 1: 1 / (odds + 2), 2: 1 / (odds + 2)})


def test_dynamic_temperature_never_goes_below_zero():
    certain = row(0, -2000)

    assert probabilities(certain, temperature=0.5, dynamic_temperature_range=1.0)[0] == 1


def test_mirostat_2_cuts_where_the_surprise_exceeds_mu():
    logits = of_probabilities(0.5, 0.25, 0.125, 0.125)

    assert kept(logits, mirostat=2, mu=2.5) == [0, 1]
    assert kept(logits, mirostat=2, mu=0.5) == [0]
    assert kept(logits, mirostat=2, mirostat_tau=1.6) == [0, 1, 2, 3]
    assert probabilities(logits, mirostat=2, mu=2.5, top_k=1) == pytest.approx({0: 2 / 3, 1: 1 / 3})


def test_mirostat_mu_moves_towards_the_target_surprise():
    # −log2 (1/4) = 2 is 3 less than 5.
    assert Reference(mirostat=2, mirostat_eta=0.1).next_mu(10.0, 0.25) == pytest.approx(10.3)


def test_mirostat_1_takes_the_count_that_zipf_says():
    # p_i ∝ 1/i²: every b is 2t, so s = 2; k = √(2^mu / (1 − 1/V)).
    logits = -2 * np.log(np.arange(1, 101))
    expected = math.floor(math.sqrt(2**6.5 / (1 - 1 / 100)))

    assert kept(logits, mirostat=1, mu=6.5) == list(range(expected))
    assert expected == 9


@pytest.mark.parametrize(
    ("s", "mu", "expected"),
    [
        pytest.param(1.0, 5.0, 6, id="limit"),  # 32 / ln 100 = 6.95
        pytest.param(1.0 + 1e-13, 5.0, 6, id="near-the-limit"),
        pytest.param(0.0, 10.0, 100, id="equal-values"),
        pytest.param(0.0, 2.0, 1, id="equal-values-low"),
        pytest.param(0.5, 8.0, 100, id="more-than-there-are"),
        pytest.param(3.0, -5.0, 1, id="less-than-one"),
        pytest.param(1e-9, 1000.0, 100, id="overflow"),
    ],
)
def test_mirostat_1_count_is_bounded(s, mu, expected):
    assert zipf_count(s, mu, 100, 100) == expected


# Draws.


def test_philox_gives_the_known_answers():
    # kat_vectors of the authors' Random123, philox4x32 10.
    words = (0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344)

    assert philox((0, 0, 0, 0), (0, 0)) == (0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8)
    assert philox(words, (0xA409_3822, 0x299F_31D0)) == (0xD16C_FE09, 0x94FD_CCEB, 0x5001_E420, 0x2412_6EA1)


def test_uniform_takes_the_first_two_words():
    assert uniform(0, 0) == ((0xE169_C58D << 32 | 0x6627_E8D5) >> 11) / 2**53
    assert uniform(1 << 40, 1 << 35, 1, 2) != uniform(0, 0, 1, 2)


@pytest.mark.parametrize(
    ("number", "expected"), [(0.0, 2), (0.24, 2), (0.25, 5), (0.74, 5), (0.75, 9), (1 - 2**-53, 9)]
)
def test_inverse_is_the_first_token_whose_sum_exceeds_the_number(number, expected):
    assert inverse(np.array([2, 5, 9, 11]), np.array([0.25, 0.5, 0.25, 0.0]), number) == expected


def test_draw_follows_the_distribution():
    reference = Reference(temperature=0.8, top_k=3)
    logits = row(1, 2, 0, -1, 2)
    ids, expected = reference.distribution(logits)

    tokens = [reference.draw(logits, seed=7, position=position) for position in range(4000)]

    shares = np.bincount(tokens, minlength=5)[ids] / len(tokens)
    assert set(tokens) == set(ids.tolist()) == {0, 1, 4}
    assert np.abs(shares - expected).max() < 0.03


def test_draw_excludes_top_choices_as_often_as_asked():
    reference = Reference(xtc_probability=0.25)

    assert sum(reference.is_excluded(3, position) for position in range(4000)) == pytest.approx(1000, abs=100)


# Log-probabilities.


def test_logprobs_are_of_the_row_as_it_came_when_raw():
    found = Reference(temperature=0.1, banned=[1]).logprobs(of_probabilities(0.2, 0.5, 0.3), 0, top=2)

    assert found.logprob == pytest.approx(math.log(0.2))
    assert found.rank == 3
    assert found.top_ids == (1, 2)
    assert found.top_logprobs == pytest.approx((math.log(0.5), math.log(0.3)))


def test_logprobs_are_of_the_distribution_when_processed():
    found = Reference(top_k=2).logprobs(of_probabilities(0.2, 0.5, 0.3), 2, top=3, mode="processed")

    assert found.logprob == pytest.approx(math.log(0.375))
    assert found.rank == 2
    assert found.top_ids == (1, 2, 0)
    assert found.top_logprobs[2] == -math.inf


def test_logprobs_are_those_of_the_penalised_row_when_processed_and_greedy():
    found = Reference(temperature=0, logit_bias={0: math.log(3)}).logprobs(np.zeros(2), 0, mode="processed")

    assert found.logprob == pytest.approx(math.log(0.75))


def test_rank_counts_equals_and_the_top_puts_the_lowest_id_first():
    found = Reference().logprobs(row(1, 2, 2, 2), 1, top=2)

    assert found.rank == 3
    assert found.top_ids == (1, 2)


def test_logprobs_are_shared_by_infinities():
    found = Reference().logprobs(row(math.inf, 1, math.inf), 2, top=1)

    assert (found.logprob, found.rank, found.top_ids) == (-math.log(2), 2, (0,))


# Rows.


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kind", ALL_KINDS)
def test_every_row_has_a_distribution_under_every_preset(kind, form):
    logits = logit_row(kind, 300, 1, form)

    for compat in PRESETS:
        reference = Reference(temperature=0.8, top_k=40, top_p=0.9, min_p=0.01, typical_p=0.95, compat=compat)
        ids, found = reference.distribution(logits)

        assert len(ids) > 0
        assert (np.diff(ids.astype(np.int64)) > 0).all()
        assert found.sum() == pytest.approx(1)
        assert not np.isneginf(numbers(logits)[ids]).any()
        assert not np.isnan(numbers(logits)[ids]).any()


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kind", ["denormal", "near", "tied"])
def test_rows_keep_their_differences_in_every_format(kind, form):
    values = numbers(logit_row(kind, 300, 1, form)).astype(np.float64)

    assert 3 < len(np.unique(values)) < 300


def test_bfloat16_is_rounded_to_the_nearest_even():
    values = np.array([1.0, 1 + 2**-8, 1 + 3 * 2**-8, -1 - 2**-8 - 2**-20, math.inf, math.nan, 2.0**-133])

    back = from_bfloat16(to_bfloat16(values))

    assert back[:5].tolist() == [1.0, 1.0, 1 + 2**-6, -1 - 2**-7, math.inf]
    assert np.isnan(back[5])
    assert back[6] == 2.0**-133


def test_bit_mask_puts_token_i_into_bit_i():
    allowed = np.zeros(40, dtype=bool)
    allowed[[0, 31, 33]] = True

    assert bit_mask(allowed).tolist() == [0x8000_0001, 0b10]
