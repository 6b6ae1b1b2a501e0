"""All vetoes in a row, the cheapest and most precise first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from inferail.cache.veto.antonyms import antonyms
from inferail.cache.veto.features import features
from inferail.cache.veto.kinds import additions, kinds, names, restrictors, substitutions
from inferail.cache.veto.literals import literals
from inferail.cache.veto.negation import negation
from inferail.cache.veto.numbers import numbers, units
from inferail.cache.veto.order import order, roles
from inferail.cache.veto.questions import questions

if TYPE_CHECKING:
    from inferail.cache.veto.features import Features

__all__ = ["ENGLISH", "GREY", "Veto", "first_reason", "veto"]

Veto: TypeAlias = "Callable[[Features, Features], str | None]"

# Right often enough to overrule any similarity.
ENGLISH: Final[tuple[Veto, ...]] = (
    negation, numbers, units, antonyms, kinds, names, roles, order, questions, literals, restrictors,
)  # fmt: skip
# Also where the similarity alone would not have been enough.
GREY: Final[tuple[Veto, ...]] = (*ENGLISH, substitutions, additions)


def veto(cached_text: str, asked_text: str, vetoes: Sequence[Veto] = ENGLISH) -> str | None:
    """Why the answer to one text may not answer the other, in one word; None if nothing speaks against it."""
    return first_reason(features(cached_text), features(asked_text), vetoes)


def first_reason(cached: Features, asked: Features, vetoes: Sequence[Veto] = ENGLISH) -> str | None:
    """The same for texts that have been read already."""
    for check in vetoes:
        reason = check(cached, asked)
        if reason is not None:
            return reason
    return None
