"""Citations in an answer: found, and compared with the sources.

A citation is `[2]` or `[2: "quote"]`. What looks like one and is not written so is a problem, and so is a number that no source
has, and a quote that is not in its source. A quote is compared character by character: blank space stands for blank space of
any length, nothing else stands for anything else, and it begins and ends at words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inferail.pipelines.rag.documents import Hit

__all__ = ["Citation", "checked", "locate", "open_at"]

# Whatever begins like a citation: a bracket and a number, in any digits and with the marks that models put around them.
_LIKE = re.compile(
    r"[\[【［〔]\s*(?:(?:sources?|src|doc(?:ument)?|ref(?:erence)?)\b[\s.:#]*)?[-−+#^†]?\s*\d", re.IGNORECASE
)
_EXACT = re.compile(r'\[(?P<number>[0-9]{1,6})(?:: ?(?P<open>["“])(?P<quote>.*?)["”])?\](?!\()', re.DOTALL)
_LONGEST = 4_000


@dataclass(frozen=True, slots=True)
class Citation:
    """A place of an answer that names a source.

    Attributes:
        source: The source's number, from 1: `answer.sources[source - 1]`.
        quote: What was copied from it, as the answer has it; None where the source is cited as a whole.
        begin: Where the quote begins in the document, in characters; of a source as a whole, where that begins.
        end: Where it ends.
        at: Where the citation stands in the answer, in characters.
        length: How long it is there.
    """

    source: int
    quote: str | None = field(default=None, repr=False)
    begin: int = 0
    end: int = 0
    at: int = 0
    length: int = 0


def checked(text: str, sources: Sequence[Hit]) -> tuple[list[Citation], list[tuple[str, str]]]:
    """The citations in a text that are right, and what is wrong with the others, as pairs of a place and a problem."""
    right: list[Citation] = []
    problems: list[tuple[str, str]] = []
    at = 0
    for count in range(1, len(text) + 1):
        like = _LIKE.search(text, at)
        if like is None:
            break
        exact = _EXACT.match(text, like.start())
        place = f"citation {count}"
        if exact is None or exact.end() - exact.start() > _LONGEST:
            problems.append((place, 'it is not written as [number] or [number: "quote"]'))
            at = like.end()
            continue
        at = exact.end()
        found = _found(exact, sources)
        if isinstance(found, str):
            problems.append((place, found))
        else:
            right.append(found)
    return right, problems


def _found(exact: re.Match[str], sources: Sequence[Hit]) -> Citation | str:
    """The citation, or what is wrong with it."""
    number, quote = int(exact["number"]), exact["quote"]
    if not 1 <= number <= len(sources):
        return f"there is no source {number}: they are numbered from 1 to {len(sources)}"
    source = sources[number - 1]
    begin, end = source.begin, source.end
    if quote is not None:
        place = locate(quote, source.text)
        if place is None:
            return f"its quote does not stand in source {number} as it is written"
        begin, end = source.begin + place[0], source.begin + place[1]
    return Citation(number, quote, begin, end, exact.start(), exact.end() - exact.start())


def locate(quote: str, text: str) -> tuple[int, int] | None:
    """Where a quote stands in a text, in characters; None where it does not, or has no letter and no digit."""
    words = quote.split()
    if not any(character.isalnum() for character in quote):
        return None
    for found in re.finditer(r"\s+".join(map(re.escape, words)), text):
        if not _splits(text, found.start()) and not _splits(text, found.end()):
            return found.span()
    return None


def _splits(text: str, at: int) -> bool:
    """Whether a word or a number goes on at that place; scripts without capitals put no blanks between words."""
    if not 0 < at < len(text):
        return False
    before, behind = text[at - 1], text[at]
    if behind in _MARKS or before == "\u200d" or behind == "\u200d":
        return True
    if before.isdigit() and behind.isdigit():
        return True
    return (_is_letter(before) or before.isdigit()) and (_is_letter(behind) or behind.isdigit())


_MARKS = frozenset(map(chr, range(0x300, 0x370)))  # an accent belongs to the letter before it


def _is_letter(character: str) -> bool:
    return character.isalpha() and character.lower() != character.upper()


def open_at(text: str) -> int:
    """How much of a text that goes on can be shown: what may become a citation is held back from its bracket on."""
    last = max(text.rfind(bracket) for bracket in "[【［〔")
    if last < 0:
        return len(text)
    # A quote may have brackets of its own: the first bracket that is not closed counts.
    at = 0
    while at <= last:
        opened = re.compile(r"[\[【［〔]").search(text, at)
        if opened is None:
            return len(text)
        exact = _EXACT.match(text, opened.start())
        if exact is not None and exact.end() < len(text):
            at = exact.end()
            continue
        if len(text) - opened.start() > _LONGEST or not _may_be(text[opened.start() :]):
            at = opened.end()
            continue
        return opened.start()
    return len(text)


_BEGUN = re.compile(
    r"[\[【［〔]\s*(?:[a-z]{0,9}[\s.:#]*)?[-−+#^†]?\s*(?:\d+(?!\d)(?P<rest>.*))?\Z", re.IGNORECASE | re.DOTALL
)


def _may_be(text: str) -> bool:
    """Whether a text that begins with a bracket may still become a citation, or is one that may be continued."""
    begun = _BEGUN.match(text)
    if begun is None:
        return False
    rest = begun["rest"]
    return rest is None or rest in ("", "]", ":") or re.match(r': ?(?:["“]|\Z)', rest) is not None
