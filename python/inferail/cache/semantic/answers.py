"""Whether two answers say the same: what labels and the estimate of false hits rest on."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from inferail.cache.veto.features import features
from inferail.cache.veto.negation import negation
from inferail.cache.veto.numbers import numbers, units

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from inferail.types.response import Response

    Embed = Callable[[list[str]], Awaitable[NDArray[np.float32]]]

__all__ = ["Same", "SameAnswer"]

Same: TypeAlias = "Callable[[Response[Any], Response[Any]], bool | Awaitable[bool]]"

SHORT_WORDS: Final = 8  # up to here an answer is a value, not a text
NEAR_ENOUGH: Final = (
    0.85  # cosine of two longer answers; of answers of one model to one question it is mostly above 0.9
)
_WORDS: Final = re.compile(r"\w+(?:[.,:/-]\w+)*|[+\-−<>=%$€£]")
_EMPTY_WORDS: Final = frozenset({"a", "an", "the", "is", "it", "its"})


class SameAnswer:
    """The default comparison.

    Tool calls: same names and same arguments, in order. JSON: same value. Up to eight words: the same words, apart from
    articles, case and punctuation. Longer texts: an embedding similarity of at least 0.85, the same negations and numbers
    that do not contradict each other. That is a guess; give your own `same` where you know better.
    """

    def __init__(self, embed: Embed) -> None:
        """Takes what embeds texts into vectors of length 1."""
        self._embed = embed

    async def __call__(self, first: Response[Any], second: Response[Any]) -> bool:
        """Whether both answers say the same."""
        if first.tool_calls or second.tool_calls:
            return [_call(call) for call in first.tool_calls] == [_call(call) for call in second.tool_calls]
        one, other = first.text.strip(), second.text.strip()
        if one == other:
            return True
        value, another = _parsed(one), _parsed(other)
        if value is not None or another is not None:
            return bool(value == another)
        words, others = _plain(one), _plain(other)
        if words == others:
            return bool(words)
        if min(len(words), len(others)) <= SHORT_WORDS:
            return False
        read, compared = features(one), features(other)
        if negation(read, compared):
            return False
        if (units(read, compared) or numbers(read, compared)) and not _contained(one, other):
            return False
        vectors = await self._embed([one, other])
        return bool(float(vectors[0] @ vectors[1]) >= NEAR_ENOUGH)


def _call(call: Any) -> tuple[str, Any]:
    parsed = _parsed(call.arguments or "{}")
    return call.name, call.arguments if parsed is None else parsed


def _parsed(text: str) -> Any:
    """The object or list that a text is as JSON; None if it is none."""
    if not text.startswith(("{", "[")):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _plain(text: str) -> list[str]:
    return [word for word in _WORDS.findall(text.lower()) if word not in _EMPTY_WORDS]


def _contained(one: str, other: str) -> bool:
    """Whether the numbers of one answer are all in the other: more detail is no contradiction."""
    mine = {value for value, _ in features(one).numbers}
    theirs = {value for value, _ in features(other).numbers}
    return mine <= theirs or theirs <= mine
