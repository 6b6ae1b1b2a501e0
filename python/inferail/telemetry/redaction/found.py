"""A finding, and what may look for some."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

__all__ = ["Found", "Recogniser", "resolve"]


@dataclass(frozen=True, slots=True)
class Found:
    """A part of a text that must not be written down.

    Attributes:
        kind: What it is, in small letters.
        start: Where it begins, in characters.
        end: Behind its last character.
    """

    kind: str
    start: int
    end: int


@runtime_checkable
class Recogniser(Protocol):
    """Looks for more than the Rust core does. What it raises makes the whole text unreadable, never readable."""

    def find(self, text: str) -> Iterable[Found]:
        """What it finds in `text`, in any order."""
        ...


def resolve(found: Iterable[Found]) -> Sequence[Found]:
    """In the order of the text, none over another.

    What begins first is kept whole, of those that begin together the longest; what it overlaps keeps the part behind it. So every
    character that anybody found is covered.
    """
    taken, kept = 0, list[Found]()
    for one in sorted(found, key=lambda one: (one.start, -one.end)):
        start = max(one.start, taken)
        if start < one.end:
            kept.append(Found(one.kind, start, one.end))
            taken = one.end
    return kept
