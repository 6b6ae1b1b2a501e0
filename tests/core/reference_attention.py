"""Attention of queries to the tokens that they see, in float64, one query and one head after the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def attend(
    queries: NDArray[np.float32],
    keys: NDArray[np.float32],
    values: NDArray[np.float32],
    *,
    scale: float | None = None,
    soft_cap: float | None = None,
    window: int | None = None,
) -> NDArray[np.float64]:
    """What the last tokens of a sequence get from the tokens up to each: float64 `[rows, heads, head_dim]`.

    Args:
        queries: `[rows, heads, head_dim]`, those of the last `rows` tokens.
        keys: `[tokens, kv_heads, head_dim]`; neighbouring query heads share one of `kv_heads`.
        values: The same.
        scale: What products are multiplied with; `1 / sqrt(head_dim)` without.
        soft_cap: With a cap c, a score s becomes c tanh(s / c).
        window: How many tokens a query sees, its own among them.
    """
    rows, heads, dim = queries.shape
    group = heads // keys.shape[1]
    scale = dim**-0.5 if scale is None else scale
    out = np.zeros(queries.shape)
    for row in range(rows):
        end = len(keys) - rows + row + 1
        start = 0 if window is None else max(0, end - window)
        for head in range(heads):
            seen_keys = keys[start:end, head // group].astype(np.float64)
            seen_values = values[start:end, head // group].astype(np.float64)
            scores = seen_keys @ queries[row, head].astype(np.float64) * scale
            if soft_cap is not None:
                scores = soft_cap * np.tanh(scores / soft_cap)
            weights = np.exp(scores - scores.max())
            out[row, head] = weights @ seen_values / weights.sum()
    return out
