"""What an evaluation is made of: cases, scores, and whatever gives a score."""

from __future__ import annotations

import hashlib
import inspect
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from typing import Any, Protocol, TypeAlias, cast, runtime_checkable

from inferail.errors import ConfigError

__all__ = ["Case", "Function", "Score", "Scorer", "Scoring", "as_cases", "as_scorer"]

_ID_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Case:
    """One question, and what a good answer to it is.

    Attributes:
        input: What the function or the model is asked: a text, messages, or anything the function takes.
        expected: What the scorer compares with; None where it needs nothing.
        tags: What kind of case it is. Results are broken down by them.
        id: Names it in reports, and pairs it with itself in another run. By default 12 digits that stand for its content.
        problem: Why it cannot be run (a broken line of a dataset): it stays in the result, unscored.

    Raises:
        ConfigError: A wrong type, or an input that no id can be made from.
    """

    input: Any = field(repr=False)
    expected: Any = field(default=None, repr=False)
    tags: Sequence[str] = ()
    id: str = ""
    problem: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.tags, str) or not all(isinstance(tag, str) for tag in self.tags):
            raise ConfigError("the tags of a case are a list of names, for example tags=['billing']")
        if not isinstance(self.id, str):
            raise ConfigError(f"the id of a case is a text, not {type(self.id).__name__}")
        object.__setattr__(self, "tags", tuple(self.tags))
        if not self.id:
            object.__setattr__(self, "id", _digest(self.input, self.expected))


@dataclass(frozen=True, slots=True)
class Score:
    """How good an answer is.

    Attributes:
        value: From 0 to 1.
        passed: Whether that is good enough.
        note: Why, in words that may quote the answer.
        parts: The values of the parts of a combined score, by name.

    Raises:
        ConfigError: The value is not a number from 0 to 1.
    """

    value: float
    passed: bool
    note: str = field(default="", repr=False)
    parts: Mapping[str, float] = field(default_factory=dict[str, float])

    def __post_init__(self) -> None:
        if isinstance(self.value, str) or not (math.isfinite(self.value) and 0.0 <= self.value <= 1.0):
            raise ConfigError("a score is a number from 0 to 1: scale it where it is made")


@runtime_checkable
class Scorer(Protocol):
    """Says how good an answer is. Its coroutine must not suspend where the evaluation blocks (`run_eval`)."""

    @property
    def name(self) -> str:
        """What it measures, for reports."""
        ...

    async def score(self, case: Case, output: Any) -> Score:
        """The score of one answer.

        Raises:
            ConfigError: The case has not what this scorer needs.
        """
        ...


Scoring: TypeAlias = "Scorer | Callable[[Case, Any], Any]"


class Function:
    """A function of yours as a scorer: `(case, output)` to a number from 0 to 1, a bool or a Score; it may be a coroutine."""

    def __init__(self, function: Callable[[Case, Any], Any], passing: float = 0.5, *, name: str | None = None) -> None:
        """Takes the function.

        Args:
            function: Called with the case and the output of the evaluated function.
            passing: The value from which on an answer passes.
            name: For reports; by default that of the function.

        Raises:
            ConfigError: It cannot be called, or `passing` is no number from 0 to 1.
        """
        if not callable(function):
            raise ConfigError(f"a scorer has a method score, or is a function; {type(function).__name__} is neither")
        check_passing(passing)
        self._function = function
        self._passing = passing
        self._name = name or str(getattr(function, "__name__", type(function).__name__))

    @property
    def name(self) -> str:
        """The name it was given."""
        return self._name

    async def score(self, case: Case, output: Any) -> Score:
        """What the function says."""
        said = self._function(case, output)
        if inspect.isawaitable(said):
            said = await said
        if isinstance(said, Score):
            return said
        if not isinstance(said, int | float):
            raise ConfigError(f"a scorer gives a number, a bool or a Score, not {type(said).__name__}")
        return Score(float(said), float(said) >= self._passing)


def as_scorer(scoring: Scoring, passing: float = 0.5) -> Scorer:
    """A Scorer as it is, a function as one.

    Raises:
        ConfigError: Neither.
    """
    if isinstance(scoring, type):
        raise ConfigError(f"make the scorer: {scoring.__name__}(), not {scoring.__name__}")
    return scoring if isinstance(scoring, Scorer) else Function(scoring, passing)


def as_cases(cases: Iterable[Any]) -> tuple[Case, ...]:
    """Cases with ids that are different from each other.

    Whatever has `input` and `expected` counts as one, and so does a mapping with these names. Of cases with the same content
    the second one is called `…-2`.

    Raises:
        ConfigError: There is none, one of another type, or an id was given twice.
    """
    if isinstance(cases, str | bytes | Mapping):
        raise ConfigError("cases are a list of Cases, or the path of a file to load(…)")
    found: list[Case] = []
    counts: dict[str, int] = {}
    for number, one in enumerate(cases):
        case = _as_case(one, number)
        counts[case.id] = counts.get(case.id, 0) + 1
        if counts[case.id] > 1:
            if case.id != _digest_or_none(case):
                raise ConfigError(f"two cases have the id {case.id[:40]!r}: give each its own")
            case = replace(case, id=f"{case.id}-{counts[case.id]}")
        found.append(case)
    if not found:
        raise ConfigError("there are no cases: pass at least one")
    return tuple(found)


def check_passing(passing: float) -> None:
    """Raises ConfigError unless it is a number from 0 to 1."""
    if isinstance(passing, bool) or not isinstance(passing, int | float) or not 0.0 <= passing <= 1.0:
        raise ConfigError(f"passing must be a number from 0 to 1, not {passing!r}")


def _as_case(one: Any, number: int) -> Case:
    if isinstance(one, Case):
        return one
    if isinstance(one, Mapping):
        row = cast("Mapping[str, Any]", one)
        unknown = row.keys() - {"input", "expected", "tags", "id"}
        if "input" in row and not unknown:
            return Case(**row)
    elif hasattr(one, "input") and hasattr(one, "expected"):
        identity: Any = getattr(one, "id", None) or ""
        return Case(one.input, one.expected, getattr(one, "tags", None) or (), identity)
    raise ConfigError(f"cases[{number}] is no case: it needs an input and an expected, and may have tags and an id")


def _digest_or_none(case: Case) -> str | None:
    try:
        return _digest(case.input, case.expected)
    except ConfigError:
        return None


def _digest(given: Any, expected: Any) -> str:
    try:
        written = json.dumps([given, expected], default=_plain, sort_keys=True)
    except (TypeError, ValueError, RecursionError):
        raise ConfigError("a case whose input is not JSON needs an id: Case(…, id='refund-1')") from None
    return hashlib.sha256(written.encode("utf-8", "surrogatepass")).hexdigest()[:_ID_DIGITS]


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if is_dataclass(value) and not isinstance(value, type):
        return [type(value).__name__, asdict(value)]
    raise TypeError
