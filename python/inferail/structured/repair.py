"""Malformed JSON to the JSON that was meant, where that is beyond doubt.

Only what has one reading is repaired: the text around the answer, quotes, commas, comments, the literals of Python and
JavaScript, line breaks in strings, brackets that are missing at the end. What would be a guess is left alone (a word without
quotes, an elided list, `NaN`, two answers that differ): then one corrective call is the better repair. Valid JSON is never
changed. This is the slow path: an answer that is valid never comes here.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from inferail.structured.checking import same

__all__ = ["Repaired", "repair", "strict_json"]

_SPACES: Final = " \t\r\n\ufeff\xa0\u200b"
_KEY: Final = re.compile(r"[A-Za-z_$][\w$-]*")
_NUMBER: Final = re.compile(r"[+-]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])")
_PLAIN_NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?\Z")
_WORD: Final = re.compile(r"[A-Za-z]+")
_ESCAPE: Final = re.compile(r'\\(?:(["\\/bfnrt])|u([0-9a-fA-F]{4}))')
_LITERALS: Final = {"true": True, "false": False, "null": None, "True": True, "False": False, "None": None}
_QUOTES: Final = {'"': '"', "'": "'", "\u201c": "\u201d", "\u2018": "\u2019"}
_PLAIN: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_MOST_BEGINNINGS: Final = 200
_MOST_LEVELS: Final = 128


@dataclass(frozen=True, slots=True)
class Repaired:
    """The JSON that a text stands for.

    Attributes:
        text: Valid JSON; the text itself where that was valid.
        changes: What was repaired, in words without the answer's; empty where nothing was.
        closed: Whether brackets were added at the end: the writer may not have finished.
        cut: Whether the text ends inside a string, a number or a word, or behind a comma or a colon: it was cut off.
    """

    text: str = field(repr=False)
    changes: tuple[str, ...] = ()
    closed: bool = False
    cut: bool = False


def repair(text: str) -> Repaired | None:
    """The JSON that `text` stands for; None where that is not beyond doubt. Takes time in proportion to the text, mostly."""
    try:
        strict_json(text)
    except ValueError:
        pass
    except RecursionError:
        return None
    else:
        return Repaired(text)
    found = _best(text)
    if found is None and '\\"' in text:
        # The inside of a JSON string, as a model writes it that was shown JSON in JSON.
        found = _best(text.replace('\\"', '"').replace("\\n", "\n"), "escaped quotes")
    return found


def strict_json(text: str) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: It is none; also for the NaN and Infinity that Python would take.
        RecursionError: It is nested too deeply.
    """
    return json.loads(text, parse_constant=_no_constant)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _best(text: str, *before: str) -> Repaired | None:
    """The one value that stands in a text."""
    readings = _readings(text)
    if not readings:
        return None
    last = readings[-1]
    if any(not same(last.value, reading.value) for reading in readings):
        return None  # two answers: which one is meant nobody knows
    changes = [*before, *last.changes]
    around = text.strip(_SPACES)
    if around != last.source.strip(_SPACES):
        changes.insert(len(before), "a code fence around it" if around.startswith("```") else "text around it")
    return Repaired(json.dumps(last.value, ensure_ascii=False), tuple(changes), last.closed, last.cut)


@dataclass(slots=True)
class _Reading:
    value: Any
    source: str
    changes: list[str]
    closed: bool
    cut: bool


def _readings(text: str) -> list[_Reading]:
    """Every object that stands in a text, in order; where there is none, every list."""
    found: list[_Reading] = []
    at = _next_bracket(text, 0)
    for _ in range(_MOST_BEGINNINGS):
        if at == len(text):
            break
        reader = _Reader(text, at)
        try:
            value = reader.value()
        except (_Doubtful, RecursionError):
            # In prose, `[note]` and `{name}` are words. With an answer begun, or more inside, it is one that cannot be read.
            end = text.find("}" if text[at] == "{" else "]", at)
            at = _next_bracket(text, at + 1)
            if reader.members or (at < len(text) and not 0 <= end < at):
                return []
            continue
        found.append(_Reading(value, text[at : reader.at], reader.changes, reader.closed, reader.cut))
        at = _next_bracket(text, reader.at)
    return [reading for reading in found if isinstance(reading.value, dict)] or found


def _next_bracket(text: str, at: int) -> int:
    """Where the next object or list may begin; the text's length where none does."""
    places = [place for bracket in "{[" if (place := text.find(bracket, at)) >= 0]
    return min(places, default=len(text))


class _Doubtful(Exception):  # noqa: N818 - caught in this module only
    """There is more than one reading, or none."""


class _Reader:
    """Reads one value, tolerantly: as JSON wherever it is JSON."""

    def __init__(self, text: str, at: int) -> None:
        self.text = text
        self.at = at
        self.changes: list[str] = []
        self.closed = False
        self.cut = False
        self.members = 0
        self._levels = 0

    def value(self) -> Any:
        sign = self._peek()
        if sign in "{[":
            self._levels += 1
            if self._levels > _MOST_LEVELS:
                raise _Doubtful
            value = self._object() if sign == "{" else self._list()
            self._levels -= 1
            return value
        if sign in _QUOTES:
            return self._string(",}]")
        match = _NUMBER.match(self.text, self.at)
        if match:
            return self._number(match)
        if match := _WORD.match(self.text, self.at):
            word = match[0]
            if match.end() == len(self.text) and any(literal.startswith(word) for literal in _LITERALS):
                self._cut_off(len(self.text))  # `tru` and, as anything may follow, `true` as well
                return _LITERALS.get(word, _NOTHING)
            if word in _LITERALS and not self.text[match.end() : match.end() + 1].isalnum():
                if word[0].isupper():
                    self._changed("literals of Python")
                self.at = match.end()
                return _LITERALS[word]
        elif self.at < len(self.text) and re.fullmatch(r"[+-]?\d*\.?\d*(?:[eE][+-]?)?", self.text[self.at :]):
            self._cut_off(len(self.text))
            return _NOTHING
        raise _Doubtful

    def _object(self) -> dict[str, Any]:
        self.at += 1
        made: dict[str, Any] = {}
        while True:
            if self._over("}", first=not made):
                return made
            name = self._name()
            if self._ends():
                self.cut = True
                return made
            if self._peek() != ":":
                raise _Doubtful
            self.at += 1
            self.members += 1
            if self._ends():
                self.cut = True
                return made
            value = self.value()
            if name in made:
                raise _Doubtful  # JSON's readers differ about which of the two counts
            if value is not _NOTHING:
                made[name] = value
            if self._separated("}"):
                return made

    def _list(self) -> list[Any]:
        self.at += 1
        made: list[Any] = []
        while True:
            if self._over("]", first=not made):
                return made
            value = self.value()
            if value is not _NOTHING:
                made.append(value)
            if self._separated("]"):
                return made

    def _over(self, bracket: str, *, first: bool) -> bool:
        """Whether the container ends here, where a member may begin."""
        if self._ends():
            self.cut = True
            return True
        if self._peek() == bracket:
            if not first:
                self._changed("a trailing comma")
            self.at += 1
            return True
        return False

    def _separated(self, bracket: str) -> bool:
        """Past what stands between two members: whether the container ends instead."""
        if self._ends():
            return True
        sign = self._peek()
        if sign == bracket:
            self.at += 1
            return True
        if sign == ",":
            self.at += 1
        elif sign in "\"'{[" or (bracket == "}" and _KEY.match(self.text, self.at)):
            self._changed("a missing comma")
        else:
            raise _Doubtful
        return False

    def _name(self) -> str:
        if self._peek() in _QUOTES:
            name = self._string(":")
            if not isinstance(name, str):
                raise _Doubtful
            return name
        match = _KEY.match(self.text, self.at)
        if not match:
            raise _Doubtful
        self._changed("names without quotes")
        self.at = match.end()
        return match[0]

    def _number(self, match: re.Match[str]) -> Any:
        text = match[0]
        if match.end() == len(self.text):  # more digits may have been to come
            self._cut_off(len(self.text))
            return _NOTHING if not text[-1].isdigit() else self._decimal(text)
        self.at = match.end()
        return self._decimal(text)

    def _decimal(self, text: str) -> Any:
        if not _PLAIN_NUMBER.match(text):
            self._changed("the spelling of a number")
            text = text.lstrip("+").replace("-.", "-0.")
            text = re.sub(r"\.(?=[eE]|\Z)", "", f"0{text}" if text.startswith(".") else text)
        try:
            return strict_json(text)
        except ValueError:
            raise _Doubtful from None

    def _string(self, follows: str) -> Any:
        opening = self.text[self.at]
        closing = _QUOTES[opening]
        if opening != '"':
            self._changed("quotes that are not JSON's")
        self.at += 1
        made: list[str] = []
        text = self.text
        while self.at < len(text):
            sign = text[self.at]
            if sign == closing and self._closes(follows):
                self.at += 1
                return _joined("".join(made))
            if sign == closing:
                self._changed("quotes inside a string")
            if sign == "\\":
                self._escape(made)
                continue
            if sign < " ":
                self._changed("a line break or tab inside a string")
            made.append(sign)
            self.at += 1
        self._cut_off(len(text))
        if made and "\ud800" <= made[-1] <= "\udbff":  # half a letter
            made.pop()
        return _joined("".join(made))

    def _closes(self, follows: str) -> bool:
        """Whether the quote here ends its string: what follows is what may follow one."""
        at = self._behind_space(self.at + 1)
        rest = self.text[at : at + 1]
        if not rest or rest in follows:
            return True
        # A missing comma: the next member begins on a line of its own, or right behind.
        return follows != ":" and (rest in '"{[/#' or "\n" in self.text[self.at : at]) and self._begins_member(at)

    def _begins_member(self, at: int) -> bool:
        if self.text[at] in "/#{[":
            return True
        return re.match(r"""["'][^"'\n]*["']\s*[:,\]}]|[A-Za-z_$][\w$-]*\s*:""", self.text[at:]) is not None

    def _escape(self, made: list[str]) -> None:
        match = _ESCAPE.match(self.text, self.at)
        if match is None:
            following = self.text[self.at + 1 : self.at + 2]
            if not following or (following == "u" and len(self.text) < self.at + 6):
                self._cut_off(len(self.text))
                return
            self._changed("an escape that JSON does not have")
            made.append(following if following in "'`$\n" else f"\\{following}")
            self.at += 2
            return
        plain, code = match.groups()
        made.append(chr(int(code, 16)) if code else _PLAIN.get(plain, plain))
        self.at = match.end()

    def _peek(self) -> str:
        """The next sign that is neither space nor comment.

        Raises:
            _Doubtful: There is none.
        """
        if self._ends():
            raise _Doubtful
        return self.text[self.at]

    def _ends(self) -> bool:
        """Whether nothing but space follows."""
        self.at = self._behind_space(self.at)
        if self.at < len(self.text):
            return False
        self.closed = True
        self._changed("brackets missing at the end")
        return True

    def _behind_space(self, at: int) -> int:
        text = self.text
        while at < len(text):
            if text[at] in _SPACES:
                at += 1
            elif text.startswith(("//", "#"), at):
                self._changed("comments")
                end = text.find("\n", at)
                at = len(text) if end < 0 else end
            elif text.startswith("/*", at):
                self._changed("comments")
                end = text.find("*/", at)
                at = len(text) if end < 0 else end + 2
            else:
                break
        return at

    def _cut_off(self, at: int) -> None:
        self.at, self.cut = at, True

    def _changed(self, what: str) -> None:
        if what not in self.changes:
            self.changes.append(what)


_NOTHING: Final[Any] = object()  # what was cut off before it was anything


def _joined(text: str) -> str:
    """A string with its surrogate pairs as the letters they are; half a pair stays what JSON's own reader makes of it."""
    if not any("\ud800" <= sign <= "\udfff" for sign in text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
