"""Who does what to whom: the same words in other places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inferail.cache.veto.features import Features

__all__ = ["order", "roles"]

_BY: Final = frozenset({"by"})
_APART: Final = 2  # how many words may differ where a veto says "the same words"


def roles(cached: Features, asked: Features) -> str | None:
    """`roles` where a preposition binds one thing here and another there, and both texts speak of both.

    From Paris to London, from London to Paris; miles in a kilometre, kilometres in a mile; bigger than Mars, than Venus.
    """
    if len(cached.bag ^ asked.bag) > _APART:
        return None
    theirs = asked.roles
    if theirs == cached.roles:
        return None
    for role, mine in cached.roles.items():
        other = theirs.get(role)
        if (
            other is not None
            and mine.isdisjoint(other)
            and not mine.isdisjoint(asked.bag)
            and not other.isdisjoint(cached.bag)
        ):
            return "roles"
    return "roles" if _turned(cached, asked) or _turned(asked, cached) else None


def _turned(one: Features, other: Features) -> bool:
    """Whether what one text goes to is where the other comes from."""
    goal, start = one.roles.get("to"), other.roles.get("from")
    return goal is not None and start is not None and not goal.isdisjoint(start)


def order(cached: Features, asked: Features) -> str | None:
    """`order` where the words are the same and two of them have changed places around a third.

    Does Ann manage Bob, does Bob manage Ann. Words that `and`, `or` or `vs` join may change places, and so may what a
    preposition binds. Active against passive (only one of the two says `by`) is the other way round.
    """
    if cached.bag != asked.bag:
        return None
    if cached.marks == asked.marks:
        return "order" if cached.sequence != asked.sequence and _exchanged(_free(cached), _free(asked)) else None
    if cached.marks ^ asked.marks == _BY and len(cached.sequence) >= 3 and cached.sequence == asked.sequence:
        return "order"
    return None


def _free(text: Features) -> list[str]:
    placed = text.joined.union({unit for _, unit in text.numbers}, *text.roles.values())
    return [word for word in text.sequence if word not in placed]


def _exchanged(left: Sequence[str], right: Sequence[str]) -> bool:
    """Whether the two differ in exactly two places, not side by side, that have each other's word."""
    if len(left) != len(right):
        return False
    apart = [place for place, (one, other) in enumerate(zip(left, right, strict=True)) if one != other]
    return (
        len(apart) == 2
        and apart[1] - apart[0] > 1
        and left[apart[0]] == right[apart[1]]
        and left[apart[1]] == right[apart[0]]
    )
