"""The labelled cases of redaction_cases.txt, and how well a recogniser does on them."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

_MARK = re.compile(r"⟦(?P<kind>\w+):(?P<value>.*?)⟧", re.DOTALL)

Span = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Case:
    """A text and what has to be found in it."""

    text: str
    spans: frozenset[Span]
    tuned: bool


@dataclass(frozen=True, slots=True)
class Score:
    """How well one kind is found."""

    precision: float
    recall: float
    cases: int

    @property
    def f1(self) -> float:
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def cases() -> list[Case]:
    lines = Path(__file__).with_suffix(".txt").read_text(encoding="utf-8").splitlines()
    return [_case(line) for line in lines if line and not line.startswith("# ")]


def _case(line: str) -> Case:
    marked = line.replace("\\n", "\n")
    text, spans, at = "", set[Span](), 0
    for match in _MARK.finditer(marked):
        text += marked[at : match.start()]
        spans.add((match["kind"], len(text), len(text) + len(match["value"])))
        text += match["value"]
        at = match.end()
    return Case(text + marked[at:], frozenset(spans), zlib.crc32(line.encode()) % 2 == 0)


def scores(cases: Iterable[Case], find: Callable[[str], Iterable[Span]]) -> dict[str, Score]:
    """Per kind; a finding counts only where it begins and ends where the label does. `all` is every kind together."""
    right, found, labelled = Counter[str](), Counter[str](), Counter[str]()
    for case in cases:
        spans = set(find(case.text))
        for counter, of in ((right, spans & case.spans), (found, spans), (labelled, case.spans)):
            counter.update(kind for kind, _, _ in of)
            counter["all"] += len(of)
    return {
        kind: Score(right[kind] / found[kind] if found[kind] else 0.0, right[kind] / labelled[kind], labelled[kind])
        for kind in labelled
    }
