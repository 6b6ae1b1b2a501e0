"""Where in a text that is still coming a match of a regular expression may begin that has not ended yet.

The expression becomes a nondeterministic automaton that takes at least what the expression takes: assertions are left out
(how far they look ahead is added up), a back reference may be anything. So what it holds back can be more than is needed,
and never less. What it cannot understand it holds back to the end of the text.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

__all__ = ["Automaton", "Places"]

# Copies of a part that may be repeated so often; beyond that it may be repeated for ever, as far as holding back goes.
_MOST_COPIES: Final = 64
# Characters whose ways are remembered for a state: a text in many scripts must not fill the memory.
_MOST_KNOWN: Final = 2_048
# States beyond which an expression is not followed.
_MOST_STATES: Final = 50_000
_CATEGORIES: Final = {
    "CATEGORY_DIGIT": r"\d",
    "CATEGORY_NOT_DIGIT": r"\D",
    "CATEGORY_SPACE": r"\s",
    "CATEGORY_NOT_SPACE": r"\S",
    "CATEGORY_WORD": r"\w",
    "CATEGORY_NOT_WORD": r"\W",
}
# How many characters behind its place an anchor looks at: `$` also holds before the line break at the very end.
_ANCHORS: Final = {"AT_BEGINNING": 0, "AT_BEGINNING_STRING": 0, "AT_END": 2}
_ANYTHING: Final = r"(?s:.)"
# As numbers: the flags of `re` take a microsecond for each question.
_DOTALL: Final = int(re.DOTALL)
_IGNORECASE: Final = int(re.IGNORECASE)
_ASCII: Final = int(re.ASCII)


class _NotFollowedError(Exception):
    """The expression is too large, or has something that this module does not know."""


class Automaton:
    """Made once for an expression; `places()` follows one text.

    Attributes:
        followed: Whether the expression was understood; otherwise a text is held back to its end.
        ahead: Characters behind a match that may decide whether it is one.
        behind: Characters before a match that may.
        least: Characters of the shortest match.
    """

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self.followed = True
        self.ahead = self.behind = 0
        self._links: list[list[int]] = [[]]  # to states that are reached without a character
        self._edges: list[list[tuple[str, int]]] = [[]]  # to those that are reached with one of a class of characters
        self._closures: dict[int, frozenset[int]] = {}
        self._classes: dict[str, Callable[[str], Any]] = {}
        self._next: list[dict[str, tuple[int, ...]]] = []
        self.first: re.Pattern[str] = re.compile(_ANYTHING)
        # The parser of `re`: its tree is the one that the expression itself is compiled from.
        parser: Any = importlib.import_module("re._parser")
        self._no_limit = int(importlib.import_module("re._constants").MAXREPEAT)
        tree = parser.parse(pattern.pattern, pattern.flags)
        self.least = int(tree.getwidth()[0])
        try:
            self._sequence(tree, 0, int(pattern.flags), 0)
        except (_NotFollowedError, re.error, RecursionError):
            self.followed = False
            return
        if self.ahead >= self._no_limit or self.behind >= self._no_limit:
            self.followed = False
            return
        self._next = [{} for _ in self._links]
        sources = sorted({source for state in self._closure(0) for source, _ in self._edges[state]})
        self.first = re.compile("|".join(sources) or r"(?!)")

    def places(self) -> Places:
        """For one text."""
        return Places(self)

    def after(self, state: int, character: str) -> tuple[int, ...]:
        """The states that `character` leads to and that take another character; `state` 0 is the beginning."""
        known = self._next[state].get(character)
        if known is None:
            found: set[int] = set()
            for source in self._closure(0) if state == 0 else (state,):
                for characters, target in self._edges[source]:
                    if self._class(characters)(character) is not None:
                        found |= self._closure(target)
            if len(self._next[state]) >= _MOST_KNOWN:
                self._next[state] = {}
            known = self._next[state][character] = tuple(sorted(found))
        return known

    def _class(self, source: str) -> Callable[[str], Any]:
        known = self._classes.get(source)
        if known is None:
            known = self._classes[source] = re.compile(source).match
        return known

    def _closure(self, state: int) -> frozenset[int]:
        """The states that can be reached without a character and take one."""
        known = self._closures.get(state)
        if known is None:
            seen, todo = {state}, [state]
            while todo:
                for target in self._links[todo.pop()]:
                    if target not in seen:
                        seen.add(target)
                        todo.append(target)
            known = self._closures[state] = frozenset(each for each in seen if self._edges[each])
        return known

    def _state(self) -> int:
        if len(self._links) >= _MOST_STATES:
            raise _NotFollowedError
        self._links.append([])
        self._edges.append([])
        return len(self._links) - 1

    # In what follows `at` is the state in which a part begins, and `tail` the fewest characters of a match behind that part: what
    # an assertion looks ahead at is known with the match, as far as it is in the match.

    def _sequence(self, items: Any, at: int, flags: int, tail: int) -> int:
        for number, (operation, argument) in enumerate(items):
            rest = items[number + 1 :].getwidth()[0] if number + 1 < len(items) else 0
            at = self._item(str(operation), argument, at, flags, tail + int(rest))
        return at

    def _item(self, operation: str, argument: Any, at: int, flags: int, tail: int) -> int:
        match operation:
            case "LITERAL" | "NOT_LITERAL" | "IN" | "ANY":
                end = self._state()
                self._edges[at].append((_characters(operation, argument, flags), end))
                return end
            case "BRANCH":
                return self._branches(argument[1], at, flags, tail)
            case "SUBPATTERN":
                _, added, removed, items = argument
                return self._sequence(items, at, (flags | added) & ~removed, tail)
            case "ATOMIC_GROUP":
                return self._sequence(argument, at, flags, tail)
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                return self._repeat(argument, at, flags, tail)
            case "GROUPREF":
                return self._anything(at)
            case "GROUPREF_EXISTS":
                return self._branches([argument[1], argument[2] or ()], at, flags, tail)
            case "AT":
                self.ahead = max(self.ahead, _ANCHORS.get(str(argument), 1) - tail)
                self.behind += 1
                return at
            case "ASSERT" | "ASSERT_NOT":
                self._look(argument, flags, tail)
                return at
            case "FAILURE":
                return self._state()  # which nothing leads to
            case _:
                raise _NotFollowedError

    def _branches(self, branches: Iterable[Any], at: int, flags: int, tail: int) -> int:
        end = self._state()
        for items in branches:
            self._links[self._sequence(items, at, flags, tail)].append(end)
        return end

    def _repeat(self, argument: Any, at: int, flags: int, tail: int) -> int:
        least, most, items = int(argument[0]), int(argument[1]), argument[2]
        for _ in range(min(least, _MOST_COPIES)):
            at = self._sequence(items, at, flags, tail)
        end = self._state()
        self._links[at].append(end)
        if most > _MOST_COPIES:
            self._links[self._sequence(items, end, flags, tail)].append(end)
            return end
        for _ in range(most - least):
            at = self._sequence(items, at, flags, tail)
            self._links[at].append(end)
        return end

    def _anything(self, at: int) -> int:
        loop = self._state()
        self._links[at].append(loop)
        self._edges[loop].append((_ANYTHING, loop))
        end = self._state()
        self._links[loop].append(end)
        return end

    def _look(self, argument: Any, flags: int, tail: int) -> None:
        """What an assertion looks at, and what those inside of it do."""
        direction, items = argument
        width = min(int(items.getwidth()[1]), self._no_limit)
        before, self.ahead = self.ahead, 0
        self._sequence(items, self._state(), flags, 0)  # its states lead nowhere
        ahead = self.ahead + (width if direction > 0 else 0)
        self.ahead = max(before, ahead if ahead >= self._no_limit else ahead - tail)
        if direction < 0:
            self.behind += width


class Places:
    """Follows one text, character by character.

    Attributes:
        active: The states that are reached, each with the earliest place from which it is.
        at: How many characters of the text have been followed.
    """

    __slots__ = ("_automaton", "active", "at")

    def __init__(self, automaton: Automaton) -> None:
        self._automaton = automaton
        self.active: dict[int, int] = {}
        self.at = 0

    def follow(self, text: str, offset: int, to: int) -> None:
        """Goes on to the place `to`.

        Args:
            text: A part of the text that has all that was not followed yet.
            offset: The place of its first character in the whole text.
            to: The place to end before.
        """
        after, first, active = self._automaton.after, self._automaton.first, self.active
        at, end = self.at - offset, to - offset
        while at < end:
            if not active:
                found = first.search(text, at, end)
                if found is None:
                    break
                at = found.start()
            character = text[at]
            reached: dict[int, int] = {}
            for state, start in active.items():
                for target in after(state, character):
                    if reached.get(target, start) >= start:
                        reached[target] = start
            for target in after(0, character):
                reached.setdefault(target, offset + at)
            active = reached
            at += 1
        self.active = active
        self.at = max(self.at, to)

    @property
    def earliest(self) -> int:
        """Where the earliest match may begin that has not ended before `at`; `at` itself where there is none."""
        return min(self.active.values(), default=self.at)


def _characters(operation: str, argument: Any, flags: int) -> str:
    """An expression for the class of characters that is taken."""
    if operation == "ANY":
        return _ANYTHING if flags & _DOTALL else r"(?-s:.)"
    if operation == "IN":
        inside = "".join(_member(str(kind), value) for kind, value in argument)
    else:
        inside = ("^" if operation == "NOT_LITERAL" else "") + re.escape(chr(argument))
    letters = ("i" if flags & _IGNORECASE else "") + ("a" if flags & _ASCII else "")
    return f"(?{letters}:[{inside}])"


def _member(kind: str, value: Any) -> str:
    match kind:
        case "NEGATE":
            return "^"
        case "LITERAL":
            return re.escape(chr(value))
        case "RANGE":
            return f"{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}"
        case "CATEGORY" if str(value) in _CATEGORIES:
            return _CATEGORIES[str(value)]
        case _:
            raise _NotFollowedError
