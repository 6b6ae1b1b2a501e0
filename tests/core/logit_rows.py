"""Rows of logits for tests of samplers: the same for the same seed, in every format that a sampler reads.

bfloat16, which numpy has not got, is uint16: the upper half of a float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Of each format: the smallest step above zero, and between the numbers of [4, 8).
STEPS = {"float32": (2.0**-149, 2.0**-21), "float16": (2.0**-24, 2.0**-8), "bfloat16": (2.0**-133, 2.0**-5)}
FORMATS = tuple(STEPS)


def to_bfloat16(values: NDArray[np.floating]) -> NDArray[np.uint16]:
    """The nearest bfloat16, of two equally near ones the even; NaN stays NaN."""
    bits = values.astype(np.float32).view(np.uint32)
    rounded = bits + 0x7FFF + ((bits >> 16) & 1)
    return np.where(np.isnan(values), 0x7FC0, rounded >> 16).astype(np.uint16)


def from_bfloat16(bits: NDArray[np.uint16]) -> NDArray[np.float32]:
    """The numbers whose upper halves are given."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def numbers(row: NDArray[Any]) -> NDArray[Any]:
    """What a row says, whichever its format."""
    return from_bfloat16(row) if row.dtype == np.uint16 else row


def formatted(values: NDArray[np.floating], form: str) -> NDArray[Any]:
    """The values as "float32", "float16" or "bfloat16"."""
    return to_bfloat16(values) if form == "bfloat16" else values.astype(form)


def peaked(vocab: int, random: np.random.Generator) -> NDArray[np.float64]:
    """14 − 1.7 ln rank + N(0, 0.3), shuffled: what a model is like that knows what comes."""
    row = 14 - 1.7 * np.log(np.arange(1, vocab + 1)) + random.normal(0, 0.3, vocab)
    random.shuffle(row)
    return row


def flat(vocab: int, random: np.random.Generator) -> NDArray[np.float64]:
    """N(0, 1): no token stands out, so that a nucleus holds half of the vocabulary."""
    return random.normal(0, 1, vocab)


def _tied(vocab: int, random: np.random.Generator) -> NDArray[np.float64]:
    return np.round(peaked(vocab, random) * 8) / 8


def _partly_masked(vocab: int, random: np.random.Generator) -> NDArray[np.float64]:
    row = peaked(vocab, random)
    row[random.random(vocab) < 0.7] = -np.inf
    row[random.integers(vocab)] = 1.0
    return row


def _one_hot(vocab: int, random: np.random.Generator) -> NDArray[np.float64]:
    row = np.zeros(vocab)
    row[random.integers(vocab)] = 30.0
    return row


def _single(vocab: int, random: np.random.Generator) -> NDArray[np.float64]:
    row = np.full(vocab, -np.inf)
    row[random.integers(vocab)] = -3.0
    return row


def _large(vocab: int, random: np.random.Generator) -> NDArray[np.float64]:
    return random.uniform(-1e4, 1e4, vocab)


def _constant(vocab: int, random: np.random.Generator) -> NDArray[np.float64]:
    return np.full(vocab, np.round(random.normal(0, 4)))


def _with_nan(vocab: int, random: np.random.Generator) -> NDArray[np.float64]:
    row = peaked(vocab, random)
    row[random.random(vocab) < 0.1] = np.nan
    row[random.integers(vocab)] = 1.0
    return row


def _with_infinity(vocab: int, random: np.random.Generator) -> NDArray[np.float64]:
    row = flat(vocab, random)
    row[random.integers(vocab, size=3)] = np.inf
    return row


KINDS: dict[str, Callable[[int, np.random.Generator], NDArray[np.float64]]] = {
    "peaked": peaked,
    "flat": flat,
    "tied": _tied,
    "partly-masked": _partly_masked,
    "one-hot": _one_hot,
    "single": _single,
    "large": _large,
    "constant": _constant,
    "nan": _with_nan,
    "infinity": _with_infinity,
}
# Made of the steps of their format.
FINE_KINDS = ("denormal", "near")
ALL_KINDS = (*KINDS, *FINE_KINDS)


def logit_row(kind: str, vocab: int, seed: int, form: str = "float32") -> NDArray[Any]:
    """A row `[vocab]` of one of ALL_KINDS: float32, float16, or bfloat16 as uint16."""
    random = np.random.default_rng([seed, vocab, ALL_KINDS.index(kind)])
    if kind in FINE_KINDS:
        smallest, step = STEPS[form]
        steps = random.integers(0, 12, vocab)
        return formatted(steps * smallest if kind == "denormal" else 5 + steps * step, form)
    return formatted(KINDS[kind](vocab, random), form)


def zipf_history(vocab: int, length: int, seed: int) -> list[int]:
    """Tokens of which the k-th most frequent comes about 1/k as often as the first."""
    random = np.random.default_rng([seed, vocab, length])
    ranks = np.minimum(np.floor(np.exp(random.random(length) * np.log(vocab))).astype(np.int64), vocab - 1)
    return random.permutation(vocab)[ranks].tolist()


def bit_mask(allowed: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """uint32 `[ceil(vocab / 32)]`; bit i of word w is token 32·w + i."""
    padded = np.zeros(-(-len(allowed) // 32) * 32, dtype=bool)
    padded[: len(allowed)] = allowed
    return np.packbits(padded, bitorder="little").view("<u4").astype(np.uint32)
