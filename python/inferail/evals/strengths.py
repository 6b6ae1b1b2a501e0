"""Scores as what a Router decides by: its table of strengths, with a scoreboard, and the same as TOML."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from inferail.errors import ConfigError
from inferail.evals.results import EvalResult
from inferail.routing.router.objective import StrengthTable

if TYPE_CHECKING:
    from inferail.evals.case import Case

__all__ = ["strengths_from", "strengths_toml"]


def strengths_from(
    results: Iterable[EvalResult], *, task: Callable[[Case], Iterable[str] | str | None] | None = None
) -> StrengthTable:
    """The table of strengths that evaluations give: `Router(…, strengths=strengths_from(results))`.

    A case counts for each of its tags as a task, and for `"*"`, which stands for tasks that nothing is said of. Quality is its
    score, cost what its trials cost each, latency how long its answers took; `table.scoreboard` has their means.

    Args:
        results: One for each model, named as the route or the model is (`name=` of `run_eval`).
        task: Which tasks a case is of; by default its tags.

    Raises:
        ConfigError: No case of a result counts.
    """
    return StrengthTable.from_results(list(_rows(results, task)))


def strengths_toml(table: StrengthTable) -> str:
    """The part `[strengths]` of a Router's TOML file."""
    lines: list[str] = []
    for model in dict.fromkeys(row.model for row in table.scoreboard):
        lines.append(f"[strengths.{json.dumps(model)}]")
        rows = sorted((row for row in table.scoreboard if row.model == model), key=lambda row: row.task)
        lines += [f"{json.dumps(row.task)} = {row.quality:.4f}  # {row.rows} cases" for row in rows]
        lines.append("")
    return "\n".join(lines)


def _rows(
    results: Iterable[EvalResult], task: Callable[[Case], Iterable[str] | str | None] | None
) -> Iterator[tuple[str, str, float, float | None, float | None]]:
    for result in [results] if isinstance(results, EvalResult) else results:
        counted = [(each, value) for each in result.cases if (value := each.value) is not None]
        if not counted:
            raise ConfigError(f"nothing is known of {result.name}: none of its cases has a score")
        for each, value in counted:
            said = each.case.tags if task is None else task(each.case)
            tasks = (said,) if isinstance(said, str) else tuple(said or ())
            total = each.usage.cost_usd
            asked = sum(not trial.cached and trial.status != "not_run" for trial in each.trials)
            cost = total / asked if total is not None and asked else None
            for name in dict.fromkeys((*tasks, "*")):
                yield result.name, name, value, cost, each.seconds
