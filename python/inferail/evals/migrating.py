"""From one model to another: an evaluation of both, and the alias swapped if the new one holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from os import PathLike
from typing import TYPE_CHECKING, Any, Unpack

from inferail.errors import ConfigError
from inferail.evals.comparing import Comparison, compare
from inferail.evals.running import EvalOptions, run_eval
from inferail.governance.aliases import Aliases
from inferail.governance.models import ModelRegistry
from inferail.types.registry import resolve

if TYPE_CHECKING:
    from inferail.evals.case import Scoring

__all__ = ["Migration", "migrate", "replacement_of"]


@dataclass(frozen=True, slots=True)
class Migration:
    """What came of it.

    Attributes:
        old: The model that was asked until now.
        new: The one that is to be asked.
        aliases: The aliases that stand, or would stand, for the new one.
        comparison: The evaluation of both.
        swapped: Whether the aliases were swapped.
        why_not: Why they were not; None if they were.
        passed: Whether the evaluation allows it, whatever was done.
        warnings: What is known of the new model: that it goes away, say.
    """

    old: str
    new: str
    aliases: tuple[str, ...]
    comparison: Comparison = field(repr=False)
    swapped: bool
    why_not: str | None
    passed: bool
    warnings: tuple[str, ...] = ()


def replacement_of(model: str) -> str:
    """What the table of models names as the successor of one.

    Raises:
        ConfigError: It names none.
    """
    entry = ModelRegistry.default().find(model)
    if entry is None or entry.replacement is None:
        raise ConfigError(f"the table of models names no replacement of {model}: say which model is to follow it")
    return entry.replacement


def migrate(
    old: str,
    new: str | None,
    cases: Iterable[Any] | str | PathLike[str],
    scorer: Scoring | None = None,
    *,
    aliases: Aliases | str | PathLike[str] | None = None,
    max_drop: float = 0.012,
    strict: bool = False,
    dry_run: bool = False,
    **options: Unpack[EvalOptions],
) -> Migration:
    """Evaluates both models, and lets the alias stand for the new one unless that is worse; blocks meanwhile.

    The alias is swapped unless the verdict is `dropped`, something was not run or not scored, or (`strict`) the verdict is not
    `held`. `Aliases.rollback` puts back what was.

    Args:
        old: An alias, or a `provider:model` that aliases stand for: then all of these are swapped.
        new: The model that follows; None is the replacement that the table of models names.
        cases: As for `run_eval`.
        scorer: As for `run_eval`.
        aliases: The file; by default the one that `INFERAIL_ALIASES` names.
        max_drop: The drop that is accepted, 0 to 1.
        strict: Whether it has to be shown that the drop is no larger, instead of not shown that it is.
        dry_run: Whether nothing is swapped.
        options: See `EvalOptions`.

    Raises:
        ConfigError: An alias or a model is unknown, or nothing stands for the old one: nothing was run.
        FormatError: The dataset has a broken line: nothing was run.
    """
    file = aliases if isinstance(aliases, Aliases) else Aliases.default() if aliases is None else Aliases(aliases)
    names, model = _concerned(file, old.removeprefix("alias:"))
    target = new or replacement_of(model)
    if target == model:
        raise ConfigError(f"{', '.join(names)} stands for {target} already")
    warning = ModelRegistry.default().warning(target, datetime.now(UTC).date())
    models = resolve(model), resolve(target)  # both, before the first is asked anything
    options.pop("name", None)
    same = cases if isinstance(cases, str | PathLike) else list(cases)
    before, after = (run_eval(same, each, scorer, **options) for each in models)
    comparison = compare(before, after, max_drop=max_drop)
    why_not = _why_not(comparison, strict=strict)
    passed = why_not is None
    if passed and not dry_run:
        file.swap(dict.fromkeys(names, target))
    elif passed:
        why_not = "a dry run swaps nothing"
    warnings = () if warning is None else (warning,)
    return Migration(model, target, tuple(names), comparison, why_not is None, why_not, passed, warnings)


def _concerned(file: Aliases, old: str) -> tuple[list[str], str]:
    """The aliases to swap, and what they stand for."""
    targets = file.targets
    if old in targets:
        return [old], targets[old]
    names = file.naming(old)
    if not names:
        raise ConfigError(f"{file.path} has no alias {old[:80]!r}, and none that stands for it")
    return names, old


def _why_not(comparison: Comparison, *, strict: bool) -> str | None:
    if comparison.verdict == "dropped":
        return "the new model is worse than accepted"
    if not comparison.complete:
        return "some cases were not run or not scored"
    if strict and comparison.verdict != "held":
        return "too few cases to show that the new model is not worse than accepted"
    return None
