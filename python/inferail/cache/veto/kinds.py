"""Words of one kind: cities, months, colours, programming languages. One cannot stand for another."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from inferail.cache.veto import words as lists
from inferail.cache.veto.stems import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inferail.cache.veto.features import Features

__all__ = ["additions", "kinds", "names", "restrictors", "substitutions"]


def kinds(cached: Features, asked: Features) -> str | None:
    """`kinds` where each text has a word that the other lacks, and both words are of one listed kind."""
    only_cached = cached.bag - asked.bag
    only_asked = asked.bag - cached.bag
    if not only_cached or not only_asked:
        return None
    of = _kind_of()
    seen = 0
    for word in only_cached:
        seen |= of.get(word, 0)
    if seen:
        for word in only_asked:
            if of.get(word, 0) & seen:
                return "kinds"
    return None


def names(cached: Features, asked: Features) -> str | None:
    """`names` where each text has a capitalised word that the other lacks in any spelling."""
    if cached.names <= asked.bag or asked.names <= cached.bag:
        return None
    return "names"


def restrictors(cached: Features, asked: Features) -> str | None:
    """`restrictors` where one text says only, except, first, most, … and the other does not."""
    return "restrictors" if (cached.marks ^ asked.marks) & _restricting() else None


def substitutions(cached: Features, asked: Features) -> str | None:
    """`substitutions` where the texts are the same word for word, but for one word that is not known to mean the same.

    For the grey zone: it cannot tell a synonym that is on no list from another thing.
    """
    if (
        len(cached.sequence) != len(asked.sequence)
        or len(cached.bag ^ asked.bag) != 2
        or cached.marks - cached.bag != asked.marks - asked.bag
    ):
        return None
    apart = sum(one != other for one, other in zip(cached.sequence, asked.sequence, strict=True))
    return "substitutions" if apart == 1 else None


def additions(cached: Features, asked: Features) -> str | None:
    """`additions` where one text says all that the other says, and one word more. For the grey zone, as substitutions."""
    apart = cached.bag ^ asked.bag
    return "additions" if len(apart) == 1 and (cached.bag < asked.bag or asked.bag < cached.bag) else None


@cache
def _restricting() -> frozenset[str]:
    return frozenset(plain(word) for word in lists.RESTRICTORS)


@cache
def _kind_of() -> Mapping[str, int]:
    """Word to the bits of its kinds: a word can be of several (orange, pound)."""
    bits: dict[str, int] = {}
    kind = 0
    for line in lists.KINDS.strip().splitlines():
        name, colon, members = line.partition(":")
        if colon:
            kind += 1
        for word in (members if colon else name).split():
            spelled = plain(word)
            bits[spelled] = bits.get(spelled, 0) | 1 << kind
    return bits
