"""The matches of a regular expression in a text that comes in pieces: the same ones, wherever it is cut."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from inferail.pipelines.guards.automaton import Automaton, Places

if TYPE_CHECKING:
    import re

__all__ = ["Scanner", "Scanning"]

# Characters that were given out before they are forgotten: cutting them off copies what is kept.
_FORGET: Final = 4_096


class Scanner:
    """An expression, ready for texts that come in pieces. Thread-safe.

    Attributes:
        pattern: The expression.
    """

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self.pattern = pattern
        self.automaton = Automaton(pattern)

    def start(self) -> Scanning:
        """For one text."""
        return Scanning(self)


class Scanning:
    """One text. Parts of it are given out in its order, each with whether it is a match: those of `re.finditer`.

    A character is held back while a match that has begun at it or before it may still go on.
    """

    def __init__(self, scanner: Scanner) -> None:
        self._pattern = scanner.pattern
        self._automaton = scanner.automaton
        self._places = self._automaton.places() if self._automaton.followed else None
        self._text = ""  # of the whole text, from `_offset` on
        self._offset = 0
        self._given: int = 0  # given out up to here
        self._decided: int = 0  # no match begins between `_given` and here

    @property
    def held(self) -> int:
        """How many characters are held back."""
        return self._offset + len(self._text) - self._given

    def feed(self, text: str) -> Iterable[tuple[str, bool]]:
        """What is certain by now."""
        places = self._places
        if not text or places is None:
            self._text += text
            return ()
        end = self._offset + len(self._text)
        # Nearly every piece: nothing waits, and no match can begin with a character of it.
        if self._given == end and not places.active and self._automaton.first.search(text) is None:
            self._text += text
            self._given = self._decided = places.at = end + len(text)
            self._forget()
            return ((text, False),)
        return self._followed(text, places)

    def _followed(self, text: str, places: Places) -> Iterator[tuple[str, bool]]:
        self._text += text
        known = self._offset + len(self._text) - self._automaton.ahead
        if known > places.at:
            places.follow(self._text, self._offset, known)
        yield from self._give(self._earliest(places))
        self._forget()

    def finish(self) -> Iterator[tuple[str, bool]]:
        """What was held back: the text has ended."""
        yield from self._give(self._offset + len(self._text) + 1)

    def whole(self, text: str) -> Iterator[tuple[str, bool]]:
        """All parts of a whole text, in place of `feed` and `finish`: nothing has to be held back."""
        self._text = text
        yield from self.finish()

    def _earliest(self, places: Places) -> int:
        """Where the earliest match may begin that is not decided yet."""
        earliest = places.earliest
        if earliest < places.at or self._offset + len(self._text) == places.at:
            return earliest
        # Behind `at` only a character that a match can begin with has to wait for those that follow it.
        found = self._automaton.first.search(self._text, places.at - self._offset)
        return self._offset + (len(self._text) if found is None else found.start())

    def _give(self, safe: int) -> Iterator[tuple[str, bool]]:
        """Gives out everything before `safe`; matches that begin before it are certain."""
        text, offset = self._text, self._offset
        while self._decided < safe:
            match = self._pattern.search(text, max(self._given, self._decided) - offset)
            if match is None or match.start() + offset >= safe:
                break
            start, end = match.start() + offset, match.end() + offset
            if start > self._given:
                yield text[self._given - offset : start - offset], False
            self._given = self._decided = end
            yield match[0], True
        self._decided = max(self._decided, min(safe, offset + len(text)))
        if self._decided > self._given:
            rest = text[self._given - offset : self._decided - offset]
            self._given = self._decided
            yield rest, False

    def _forget(self) -> None:
        # What comes first in `_text` must not be taken for the beginning of the text: one character more is kept.
        extra = self._given - self._offset - self._automaton.behind - 1
        if extra > _FORGET:
            self._text = self._text[extra:]
            self._offset += extra
