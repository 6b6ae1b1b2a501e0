"""Scorers that compare texts: exactly, in spirit, by words, by a pattern."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from inferail.errors import ConfigError
from inferail.evals.case import Score
from inferail.evals.scorers.answers import normal, text_of, value_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from inferail.evals.case import Case

__all__ = ["Contains", "Exact", "Matches", "Normalised"]

# One of these before an expected word turns it around: "not high" does not contain "high".
_NEGATIONS: Final = frozenset(
    {"not", "no", "never", "without", "isn't", "isn’t", "aren't", "aren’t", "wasn't", "wasn’t", "non", "neither", "nor"}
)
_WORD_BEFORE: Final = re.compile(r"([\w'’]+)[\s-]+(?:(?:a|an|the|very|really|so)\s+)?\Z")


@dataclass(frozen=True, slots=True)
class Exact:
    """1 where the answer is the expected one: the same text, or the same data."""

    name: str = "exact"

    async def score(self, case: Case, output: Any) -> Score:
        """1 or 0."""
        expected = _expected(case, self.name)
        value = value_of(output)
        same = (text_of(output) if isinstance(expected, str) else value) == expected
        return Score(float(same), same)


@dataclass(frozen=True, slots=True)
class Normalised:
    """1 where the answer is the expected one but for case, blanks, and marks at its ends. `expected` may be a list of such."""

    name: str = "normalised"

    async def score(self, case: Case, output: Any) -> Score:
        """1 or 0."""
        answer = normal(text_of(output))
        same = any(answer == normal(each) for each in _alternatives(case, self.name))
        return Score(float(same), same)


@dataclass(frozen=True, slots=True)
class Contains:
    """The share of the expected words or phrases that are in the answer, as whole words and not negated.

    "high" is neither in "highly" nor in "not high". Negation is looked for right before the word: what turns a sentence
    around from further away is not seen. Passes where all are there.
    """

    name: str = "contains"

    async def score(self, case: Case, output: Any) -> Score:
        """From 0 to 1."""
        answer, wanted = normal(text_of(output)), _alternatives(case, self.name)
        share = sum(_says(answer, normal(each)) for each in wanted) / len(wanted)
        return Score(share, share == 1.0)


@dataclass(frozen=True, slots=True)
class Matches:
    """1 where a regular expression fits somewhere in the answer.

    Attributes:
        pattern: For every case; None: the case's `expected` is the pattern.
        whole: Whether it has to fit the whole answer.
    """

    pattern: str | None = None
    whole: bool = False
    name: str = "matches"
    _compiled: re.Pattern[str] | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        if self.pattern is not None:
            object.__setattr__(self, "_compiled", _compiled(self.pattern, "pattern"))

    async def score(self, case: Case, output: Any) -> Score:
        """1 or 0."""
        pattern = self._compiled
        if pattern is None:
            expected = _expected(case, self.name)
            if not isinstance(expected, str):
                raise ConfigError("matches needs a pattern, or a case whose expected is one")
            pattern = _compiled(expected, "expected of a case")
        text = text_of(output)
        found = (pattern.fullmatch(text) if self.whole else pattern.search(text)) is not None
        return Score(float(found), found)


def _compiled(pattern: str, what: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"the {what} is not a regular expression: see position {error.pos}") from None


def _expected(case: Case, name: str) -> Any:
    if case.expected is None:
        raise ConfigError(f"{name} compares with what is expected, and the case has no expected")
    return case.expected


def _alternatives(case: Case, name: str) -> list[str]:
    expected = _expected(case, name)
    found = list(cast("Iterable[object]", expected)) if isinstance(expected, list | tuple) else [expected]
    listed = [each if isinstance(each, str) else text_of(each) for each in found]
    if not listed:
        raise ConfigError(f"{name} compares with what is expected, and the case has an empty list of it")
    return listed


def _says(answer: str, phrase: str) -> bool:
    """Whether the phrase is there as whole words, at least once without a negation before it."""
    for match in re.finditer(rf"(?<!\w){re.escape(phrase)}(?!\w)", answer):
        before = _WORD_BEFORE.search(answer[max(0, match.start() - 40) : match.start()])
        if before is None or before[1] not in _NEGATIONS:
            return True
    return False
