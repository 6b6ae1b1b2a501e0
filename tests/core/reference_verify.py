"""The slow twin of `verify_draft`: the same random numbers, and the rule written down as it is in the paper."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TOKEN, ACCEPTANCE, RESIDUAL = 0, 2, 3
_WORD = 2**32


def uniform(seed: int, position: int, purpose: int, sample: int) -> float:
    """Philox 4x32-10 (Salmon et al., SC 2011): 53 bits of it, in [0, 1)."""
    counter = [position % _WORD, position // _WORD, purpose, sample]
    key = [seed % _WORD, seed // _WORD]
    for _ in range(10):
        first, second = counter[0] * 0xD2511F53, counter[2] * 0xCD9E8D57
        counter = [
            second // _WORD ^ counter[1] ^ key[0],
            second % _WORD,
            first // _WORD ^ counter[3] ^ key[1],
            first % _WORD,
        ]
        key = [(key[0] + 0x9E3779B9) % _WORD, (key[1] + 0xBB67AE85) % _WORD]
    return ((counter[1] * _WORD + counter[0]) >> 11) / 2**53


def draw(weights: NDArray[np.float64], number: float) -> int:
    """The token at which the running sum first exceeds `number` of the whole."""
    sums = np.cumsum(weights)
    return int(np.searchsorted(sums, number * sums[-1], side="right"))


def verify(
    draft: list[int],
    targets: NDArray[np.float64],
    drafts: NDArray[np.float64] | None,
    *,
    seed: int,
    position: int,
    sample: int,
) -> list[int]:
    """The accepted tokens, and one more."""
    for at, token in enumerate(draft):
        place = position + at
        target = targets[at] / targets[at].sum()
        drafted = np.eye(len(target))[token] if drafts is None else drafts[at] / drafts[at].sum()
        if drafted[token] > 0 and uniform(seed, place, ACCEPTANCE, sample) * drafted[token] < target[token]:
            continue
        return [*draft[:at], draw(np.maximum(target - drafted, 0), uniform(seed, place, RESIDUAL, sample))]
    return [*draft, draw(targets[-1], uniform(seed, position + len(draft), TOKEN, sample))]
