"""Antonyms: one text has a word, the other its opposite."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from inferail.cache.veto import words as lists
from inferail.cache.veto.stems import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inferail.cache.veto.features import Features

__all__ = ["antonyms"]

_PREFIXES: Final = ("un", "non", "dis", "im", "in", "il", "ir", "de", "mis", "anti", "a")
_SHORTEST: Final = 4  # what is left of a word without its prefix: "in" and "inner" are no opposites
_LONGEST_COMPARED: Final = 6  # longer adjectives take "more"


def antonyms(cached: Features, asked: Features) -> str | None:
    """`antonyms` where each text has a word that the other lacks, and the two are opposites (listed, or by prefix)."""
    only_cached = cached.marks - asked.marks
    if not only_cached:
        return None
    only_asked = asked.marks - cached.marks
    if not only_asked:
        return None
    opposites = _opposites()
    for word in only_cached:
        known = opposites.get(word)
        if known is not None and not known.isdisjoint(only_asked):
            return "antonyms"
    return "antonyms" if _by_prefix(only_cached, only_asked) else None


def _by_prefix(left: frozenset[str], right: frozenset[str]) -> bool:
    for word in left:
        for other in right:
            long, short = (word, other) if len(word) > len(other) else (other, word)
            if len(short) >= _SHORTEST and long.endswith(short) and long[: -len(short)] in _PREFIXES:
                return True
            if long.endswith("less") and short.endswith("ful") and long[:-4] == short[:-3]:
                return True
    return False


@cache
def _opposites() -> Mapping[str, frozenset[str]]:
    opposites: dict[str, set[str]] = {}
    for line in lists.ANTONYMS.splitlines():
        left, bar, right = line.partition("|")
        if not bar or len(left.split()) == 0:
            continue
        ones = {form for word in left.split() for form in _forms(word)}
        others = {form for word in right.split() for form in _forms(word)}
        for one in ones:
            opposites.setdefault(one, set()).update(others - ones)
        for other in others:
            opposites.setdefault(other, set()).update(ones - others)
    return {word: frozenset(found) for word, found in opposites.items()}


def _forms(word: str) -> list[str]:
    """The stem of a word, and those of its comparative and superlative, as if it were an adjective."""
    if len(word) > _LONGEST_COMPARED:
        return [plain(word)]
    base = word.removesuffix("e")
    bases = {base, base[:-1] + "i" if base.endswith("y") else base, base + base[-1]}
    return [plain(word), *(plain(base + ending) for base in bases for ending in ("er", "est"))]
