"""Every penalty and filter of the reference sampler, one obvious function each, in float64.

`x` is a row of logits, float64 `[vocab]`, in which −inf says that a token is out; `probabilities` are the softmax of what is
still in. A function gives a new row and leaves its argument alone. The order "most likely first" is by value descending, then
by id ascending, so that equal values always fall in the same way. A filter never leaves an empty row: the threshold filters
(min-p, epsilon, eta, top-n-sigma) keep the greatest value they are given, equal ones included; the prefix filters (top-k,
top-p, typical) keep at least the first.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Row = NDArray[np.float64]
Ids = NDArray[np.intp]

LN_GREATEST_FLOAT32 = 88.7228391


def candidates(x: Row) -> Ids:
    """Ids that are still in, ascending."""
    return np.flatnonzero(x > -np.inf)


def ordered(x: Row) -> Ids:
    """Ids that are still in, most likely first."""
    return np.argsort(-x, kind="stable")[: len(candidates(x))]


def weights(x: Row) -> Row:
    """exp(x − max): proportional to the probabilities, and exact for equal values."""
    return np.exp(x - x.max())


def softmax(x: Row) -> Row:
    """The probabilities; zero for what is out."""
    relative = weights(x)
    return relative / relative.sum()


def entropy(x: Row) -> float:
    """−Σ p ln p, in nats."""
    return -float(sum(p * math.log(p) for p in softmax(x) if p > 0))


def only(x: Row, ids: Ids | Sequence[int]) -> Row:
    """The row with everything out but `ids`."""
    kept = np.full_like(x, -np.inf)
    kept[ids] = x[ids]
    return kept


# Edits of single tokens. Ids of a history that the row does not have are passed over.


def repetition(x: Row, seen: Sequence[int], penalty: float) -> Row:
    """Each seen token once: a positive logit divided by the penalty, any other multiplied with it."""
    edited = x.copy()
    for token in {token for token in seen if token < len(x)}:
        edited[token] = x[token] / penalty if x[token] > 0 else x[token] * penalty
    return edited


def frequency_and_presence(x: Row, seen: Sequence[int], frequency: float, presence: float) -> Row:
    """x − frequency · count − presence · [count > 0]."""
    edited = x.copy()
    for token in {token for token in seen if token < len(x)}:
        edited[token] = x[token] - frequency * seen.count(token) - presence
    return edited


def biased(x: Row, bias: Mapping[int, float]) -> Row:
    """x + bias."""
    edited = x.copy()
    for token, value in bias.items():
        edited[token] = x[token] + value
    return edited


def longest_repeats(history: Sequence[int], breakers: Collection[int]) -> dict[int, int]:
    """For each token that came before: how long a repeat it would extend.

    The length for a token is the greatest n such that the last n tokens of the history also stand right before an
    earlier occurrence of the token, with no breaker among them. The two stretches may overlap.
    """
    longest: dict[int, int] = {}
    last = len(history) - 1
    for end in range(last):
        length = 0
        while length <= end and history[end - length] == history[last - length] not in breakers:
            length += 1
        token = history[end + 1]
        longest[token] = max(longest.get(token, 0), length)
    return longest


def dry(
    x: Row,
    history: Sequence[int],
    breakers: Collection[int],
    *,
    multiplier: float,
    base: float,
    allowed_length: int,
) -> Row:
    """x − multiplier · base^(length − allowed_length) where a token would extend a repeat of at least `allowed_length`.

    Breakers themselves are spared. The exponent is at most ⌊88.7228391 / ln base⌋ (no limit up to a base of 1.000001).
    """
    edited = x.copy()
    most = math.floor(LN_GREATEST_FLOAT32 / math.log(base)) if base > 1.000001 else 0
    for token, length in longest_repeats(history, breakers).items():
        if token < len(x) and token not in breakers and length >= allowed_length:
            exponent = length - allowed_length
            edited[token] = x[token] - multiplier * base ** (min(exponent, most) if most > 0 else exponent)
    return edited


# Temperature.


def dynamic_temperature(x: Row, temperature: float, spread: float, exponent: float) -> float:
    """least + (most − least) · (H / ln n)^exponent between max(0, T − spread) and T + spread; n tokens are in.

    The plain temperature where the spread is 0 or one token is left.
    """
    n = len(candidates(x))
    if spread <= 0 or n == 1:
        return temperature
    least, most = max(0.0, temperature - spread), temperature + spread
    return least + (most - least) * (entropy(x) / math.log(n)) ** exponent


def tempered(x: Row, temperature: float) -> Row:
    """x / temperature; at 0 the first greatest is left."""
    return x / temperature if temperature > 0 else only(x, ordered(x)[:1])


# Filters.


def top_k(x: Row, k: int, *, keep_ties: bool) -> Row:
    """The k greatest: with everything that equals the k-th, or exactly k."""
    order = ordered(x)
    if k >= len(order):
        return x
    return only(x, np.flatnonzero(x >= x[order[k - 1]]) if keep_ties else order[:k])


def top_p_ids(x: Row, p: float, *, exclusive: bool) -> Ids:
    """Most likely first, as long as the mass above a token is < p (exclusive: ≤ p)."""
    order = ordered(x)
    mass = np.cumsum(weights(x)[order])
    above = np.concatenate([[0.0], mass[:-1]])
    limit = p * mass[-1]
    count = int(np.count_nonzero(above <= limit if exclusive else above < limit))
    return order[: max(count, 1)]


def top_p(x: Row, p: float) -> Row:
    """The smallest prefix whose mass is ≥ p."""
    return only(x, top_p_ids(x, p, exclusive=False))


def joint_top_k_top_p(x: Row, k: int, p: float) -> Row:
    """Exactly k, and the exclusive form of top-p, both judged on the row as it came."""
    nucleus = set(top_p_ids(x, p, exclusive=True).tolist()) if p < 1 else set(ordered(x).tolist())
    first = ordered(x)[:k] if k > 0 else ordered(x)
    return only(x, [int(token) for token in first if int(token) in nucleus])


def min_p(x: Row, fraction: float) -> Row:
    """x ≥ max + ln fraction, which is p ≥ fraction · greatest p."""
    return only(x, np.flatnonzero(x >= x.max() + math.log(fraction)))


def typical(x: Row, mass: float, *, keep_ties: bool) -> Row:
    """The nearest to the expected surprise: sorted by |−ln p − H|, then by id.

    With `keep_ties`: the smallest prefix whose sum is ≥ mass, and all that are as near as its last. Without: the smallest
    whose sum is > mass.
    """
    ids = candidates(x)
    ln_p = x[ids] - x.max() - math.log(weights(x).sum())
    distance = np.abs(-ln_p - entropy(x))
    order = np.argsort(distance, kind="stable")
    sums = np.cumsum(softmax(x)[ids][order])
    needed = int(np.count_nonzero(sums < mass if keep_ties else sums <= mass)) + 1
    needed = min(needed, len(ids))
    if keep_ties:
        return only(x, ids[distance <= distance[order[needed - 1]]])
    return only(x, ids[order[:needed]])


def at_least(x: Row, probability: float) -> Row:
    """p ≥ probability; the greatest stays in any case."""
    return only(x, np.flatnonzero(((softmax(x) >= probability) & (x > -np.inf)) | (x == x.max())))


def epsilon(x: Row, cutoff: float) -> Row:
    """p ≥ cutoff."""
    return at_least(x, cutoff)


def eta(x: Row, cutoff: float) -> Row:
    """p ≥ min(cutoff, √cutoff · e^−H)."""
    return at_least(x, min(cutoff, math.sqrt(cutoff) * math.exp(-entropy(x))))


def top_n_sigma(x: Row, n: float, whole: Row) -> Row:
    """x ≥ max − n·σ, where max and σ (the population's) are of all that was in before any filter, in `whole`."""
    values = whole[candidates(whole)]
    least = float(values.max()) - n * float(values.std())
    return only(x, np.flatnonzero(((whole >= least) & (x > -np.inf)) | (x == x.max())))


def xtc(x: Row, threshold: float, protected: Collection[int], *, strict: bool) -> Row:
    """Top choices excluded: of the tokens with p ≥ threshold, two or more, only the least likely stays.

    Of equally unlikely ones the last by id stays. With `strict`: p > threshold, and all the equally unlikely ones stay.
    Protected tokens count, and are never taken out. Off above a threshold of one half.
    """
    probabilities = softmax(x)
    top = [int(token) for token in ordered(x) if _reaches(probabilities[token], threshold, strict=strict)]
    if threshold > 0.5 or len(top) < 2:
        return x
    last = top[-1]
    out = [token for token in top if (x[token] > x[last] if strict else token != last) and token not in protected]
    edited = x.copy()
    edited[out] = -np.inf
    return edited


def _reaches(probability: float, threshold: float, *, strict: bool) -> bool:
    return probability > threshold if strict else probability >= threshold


def mirostat_1(x: Row, mu: float, m: int) -> Row:
    """The first k, where k comes of the exponent of Zipf's law that fits the first m probabilities.

    s = Σ t b / Σ t² with t = ln((i+2)/(i+1)) and b = ln(p_i / p_{i+1}), over neighbours among the first m;
    k = ((s−1) · 2^mu / (1 − V^(1−s)))^(1/s), cut to a whole number in [1, tokens that are in]; V is the whole vocabulary.
    At s = 1 the fraction is its limit 2^mu / ln V; at s = 0 (equal values) k is the whole where the fraction is > 1.
    """
    order = ordered(x)
    first = x[order[:m]]
    t = [math.log((i + 2) / (i + 1)) for i in range(len(first) - 1)]
    b = [float(first[i] - first[i + 1]) for i in range(len(first) - 1)]
    s = sum(ti * bi for ti, bi in zip(t, b, strict=True)) / sum(ti * ti for ti in t) if t else 1.0
    return only(x, order[: zipf_count(s, mu, len(x), len(order))])


def zipf_count(s: float, mu: float, vocab: int, count: int) -> int:
    """The k of mirostat 1, by logarithms, so that nothing overflows."""
    if count == 1:
        return 1
    difference = s - 1
    # ln((s−1) / (1 − V^(1−s))), which is positive on both sides of its limit.
    scale = -math.expm1(-difference * math.log(vocab)) / difference if difference else math.log(vocab)
    ln_base = mu * math.log(2) - math.log(scale)
    if s == 0:
        return count if ln_base > 0 else 1
    ln_k = ln_base / s
    return max(1, min(count, math.floor(math.exp(min(ln_k, math.log(count + 1))))))


def mirostat_2(x: Row, mu: float) -> Row:
    """−log2 p ≤ mu; the first stays in any case."""
    order = ordered(x)
    surprise = -(x - x.max() - math.log(weights(x).sum())) / math.log(2)
    count = int(np.count_nonzero(surprise[order] <= mu))
    return only(x, order[: max(count, 1)])
