"""What several trials of a case say: pass@k and pass^k, estimated without bias from n trials of which c passed."""

from __future__ import annotations

from itertools import combinations
from math import comb

from inferail.errors import ConfigError

__all__ = ["pass_at", "pass_at_by_enumeration", "pass_every", "pass_every_by_enumeration"]


def pass_at(n: int, c: int, k: int) -> float:
    """pass@k: the share of the k-subsets of n trials in which at least one passed, `1 - C(n-c, k) / C(n, k)`.

    Source: Chen et al., "Evaluating Large Language Models Trained on Code", 2021, arXiv:2107.03374, equation 1.

    Args:
        n: Trials.
        c: Trials that passed.
        k: How many a user would try.

    Raises:
        ConfigError: Not 0 ≤ c ≤ n and 1 ≤ k ≤ n.
    """
    _check(n, c, k)
    return 1.0 - comb(n - c, k) / comb(n, k)


def pass_every(n: int, c: int, k: int) -> float:
    """pass^k: the share of the k-subsets of n trials in which all passed, `C(c, k) / C(n, k)`.

    Source: Yao et al., "τ-bench: A Benchmark for Tool-Agent-User Interaction in Real-World Domains", 2024, arXiv:2406.12045,
    section 3 (pass^k).

    Args:
        n: Trials.
        c: Trials that passed.
        k: How many must all pass.

    Raises:
        ConfigError: Not 0 ≤ c ≤ n and 1 ≤ k ≤ n.
    """
    _check(n, c, k)
    return comb(c, k) / comb(n, k)


def pass_at_by_enumeration(n: int, c: int, k: int) -> float:
    """The same as `pass_at` by looking at every subset: the slow twin that tests compare with."""
    subsets = list(combinations([True] * c + [False] * (n - c), k))
    return sum(any(subset) for subset in subsets) / len(subsets)


def pass_every_by_enumeration(n: int, c: int, k: int) -> float:
    """The same as `pass_every` by looking at every subset: the slow twin that tests compare with."""
    subsets = list(combinations([True] * c + [False] * (n - c), k))
    return sum(all(subset) for subset in subsets) / len(subsets)


def _check(n: int, c: int, k: int) -> None:
    if not 0 <= c <= n:
        raise ConfigError(f"of {n} trials {c} cannot have passed")
    if not 1 <= k <= n:
        raise ConfigError(f"k must be 1 to the number of trials that count, {n}, not {k}: run more trials")
