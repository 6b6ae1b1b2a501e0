"""Markdown as sentences that can be searched: what the sandbox's model knows.

Ranking: Okapi BM25 (Robertson and Zaragoza, 2009) with k1 = 1.2, b = 0.75, over words without endings; words of the
headings above a sentence count half.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import inferail
from inferail.errors import ConfigError

__all__ = ["Corpus", "Sentence", "tokens"]

_K1, _B = 1.2, 0.75
_HEADING_SHARE = 0.5
_MIN_WORDS = 4
_WORD = re.compile(r"[a-z0-9_]+")
_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9`\"(])")
_HEADING = re.compile(r"(#{1,6})\s+(.*)")
_ITEM = re.compile(r"\s*(?:[-*+]|\d+[.)])\s+")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
        a an and are as at be been but by can could did do does for from had has have how i if in into is it its me my of
        on or our please should so tell than that the their them then there these they this to us was we were what when
        where which who why will with would you your
        """,
    )
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of the documents.

    Attributes:
        text: Without markup.
        source: Name of the file.
        position: Its number in the corpus; document order.
        headings: The headings above it, joined.
    """

    text: str
    source: str
    position: int
    headings: str = ""


class Corpus:
    """Sentences with an index for searching. Immutable."""

    def __init__(self, documents: Sequence[tuple[str, str]]) -> None:
        """Reads documents, given as pairs of a name and Markdown text.

        Raises:
            ConfigError: There is no sentence in them.
        """
        found = ((name, text, above) for name, document in documents for text, above in _sentences(document))
        self.sentences = [Sentence(text, name, number, above) for number, (name, text, above) in enumerate(found)]
        if not self.sentences:
            raise ConfigError("there is no text to answer from: pass folder=, a folder with .md files")
        self._counts = [_weights(sentence) for sentence in self.sentences]
        self._lengths = [sum(counts.values()) for counts in self._counts]
        self._mean = sum(self._lengths) / len(self._lengths)
        spread = Counter(token for counts in self._counts for token in counts)
        total = len(self.sentences)
        self._rarity = {token: math.log(1 + (total - n + 0.5) / (n + 0.5)) for token, n in spread.items()}

    @classmethod
    def load(cls, folder: Path | str | None = None) -> Corpus:
        """The `.md` files of `folder`; without one, inferail's own documentation, or its README where that is missing.

        Raises:
            ConfigError: There are no such files, or no text in them.
        """
        if folder is not None:
            return cls(_files(Path(folder)))
        return _own()

    def best(self, question: str, count: int) -> list[tuple[float, Sentence]]:
        """The sentences that fit `question` best, with their scores, best first; empty if no word of it occurs."""
        asked = list(dict.fromkeys(tokens(question)))
        scores = ((self._score(number, asked), -number) for number in range(len(self.sentences)))
        ranked = sorted((scored for scored in scores if scored[0] > 0), reverse=True)[:count]
        return [(score, self.sentences[-number]) for score, number in ranked]

    def _score(self, number: int, asked: list[str]) -> float:
        counts = self._counts[number]
        norm = _K1 * (1 - _B + _B * self._lengths[number] / self._mean)
        return sum(self._rarity[t] * counts[t] * (_K1 + 1) / (counts[t] + norm) for t in asked if t in counts)


def tokens(text: str) -> list[str]:
    """The words of `text` that say something, in lower case and without common endings."""
    return [_stem(word) for word in _WORD.findall(text.lower()) if word not in _STOP_WORDS]


def _stem(word: str) -> str:
    for ending in ("ing", "ies", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            return word[: -len(ending)]
    return word


def _weights(sentence: Sentence) -> dict[str, float]:
    counts: dict[str, float] = {}
    for token in tokens(sentence.text):
        counts[token] = counts.get(token, 0.0) + 1.0
    for token in set(tokens(sentence.headings)):
        counts[token] = counts.get(token, 0.0) + _HEADING_SHARE
    return counts


def _sentences(document: str) -> Iterator[tuple[str, str]]:
    """Sentences with the headings above them; code, tables and markup are left out."""
    headings: list[tuple[int, str]] = []
    for block in _blocks(document):
        if match := _HEADING.match(block):
            depth = len(match[1])
            headings = [*(entry for entry in headings if entry[0] < depth), (depth, _plain(match[2]))]
            continue
        above = " ".join(text for _, text in headings)
        for sentence in _END.split(_plain(block)):
            if len(sentence.split()) >= _MIN_WORDS:
                yield sentence.strip(), above


def _blocks(document: str) -> Iterator[str]:
    """Headings, paragraphs and list items, each on one line."""
    lines: list[str] = []
    fenced = False
    for line in [*document.splitlines(), ""]:
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
            line = ""  # noqa: PLW2901 - the fence ends a paragraph
        skipped = fenced or (line.startswith(("    ", "|", "<", "[!")) and not lines)
        starts = not line.strip() or _ITEM.match(line) or line.startswith("#") or fenced
        if starts and lines:
            yield " ".join(lines)
            lines = []
        if line.strip() and not skipped:
            lines.append(_ITEM.sub("", line, count=1).strip())
            if line.startswith("#"):
                yield lines.pop()


def _plain(text: str) -> str:
    return _LINK.sub(r"\1", text).replace("`", "").replace("**", "").strip()


def _files(folder: Path) -> list[tuple[str, str]]:
    paths = sorted(folder.glob("*.md"))
    if not paths:
        raise ConfigError("there are no .md files in that folder")
    return [(path.name, path.read_text(encoding="utf-8")) for path in paths]


@cache
def _own() -> Corpus:
    checkout = Path(inferail.__file__).parents[2]
    paths = [*sorted((checkout / "docs").glob("*.md")), checkout / "README.md"]
    documents = [(path.name, path.read_text(encoding="utf-8")) for path in paths if path.is_file()]
    if not documents:
        documents = [("README.md", _description())]
    return Corpus(documents)


def _description() -> str:
    """The long description that an installed package carries."""
    try:
        described = metadata("inferail")
    except PackageNotFoundError:
        return ""
    return "".join(described.json.get("description", ""))
