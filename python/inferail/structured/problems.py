"""What is wrong with an answer: where, of which kind, and the sentence that a corrective call says about it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from inferail.structured.words import CORRECTION, MOST_PROBLEMS

__all__ = ["Mismatch", "Problem", "correction", "safe_path"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        path: Where, with dots between names of the schema and numbers; `*` stands for a name that the answer made up.
        kind: What, as an identifier: `missing`, `bool_type`, `minimum`, `not_json`, …
        said: The sentence for the model; may hold what a validator says about the answer. Never printed.
        place: The path as the answer spells it, for the model.
    """

    path: str
    kind: str
    said: str = field(default="", repr=False)
    place: str = field(default="", repr=False)


class Mismatch(ValueError):  # noqa: N818 - a finding, not what users see
    """An answer is not what was asked for.

    Attributes:
        problems: What is wrong.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(f"{len(problems)} problem(s)")
        self.problems = tuple(problems)


def safe_path(parts: Sequence[Any], names: Collection[str]) -> str:
    """A path without words of the answer: whatever is not one of `names` and no number is `*`."""
    return ".".join(str(part) if isinstance(part, int) or part in names else "*" for part in parts)


def correction(problems: Sequence[Problem]) -> str:
    """What a corrective call says: the minimal list, without the answer."""
    lines = [
        f"- {problem.place or problem.path or 'the answer'}: {problem.said or problem.kind}" for problem in problems
    ]
    if len(lines) > MOST_PROBLEMS:
        lines = [*lines[:MOST_PROBLEMS], f"- and {len(lines) - MOST_PROBLEMS} more"]
    return CORRECTION.replace("{problems}", "\n".join(lines))
