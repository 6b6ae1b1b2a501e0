"""`inferail eval`: one model, or two compared, on a dataset."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from inferail.cli.evals.choices import Choices, choices, line, usage_error
from inferail.errors import ConfigError, FormatError

if TYPE_CHECKING:
    from inferail.evals import Comparison, EvalResult

__all__ = ["evaluate"]

_HELP: Final = """Score one model on a dataset, or compare two.

    \b
    Examples:
      inferail eval openai:gpt-5-mini --cases golden.jsonl --min-score 0.9
      inferail eval openai:gpt-5-mini openai:gpt-6-mini --cases golden.jsonl \\
                    --max-drop 0.012 --junit eval.xml --markdown eval.md
      inferail eval A B --cases golden.jsonl --trials 5 --cache evals.db \\
                    --scorer judge:anthropic:claude-sonnet-4-5 --rubric @rubric.txt

    A line of the dataset is one JSON object: {"input": "…", "expected": "…", "tags": ["…"], "id": "…"}.

    \b
    Exit codes:
      0   B is not shown to be worse than A by more than --max-drop (with --strict: shown not to be)
      1   it is; or the score is below --min-score, or the evaluation is incomplete
      2   the command line or the dataset is wrong
    """


@click.command("eval", help=_HELP, short_help="Score a model on a dataset, or compare two.")
@click.argument("model", metavar="A")
@click.argument("other", metavar="[B]", required=False)
@click.option(
    "--cases", type=click.Path(path_type=Path), metavar="FILE", required=True, help="The dataset, JSON lines."
)
@click.option("--min-score", type=click.FloatRange(0, 1), help="Fail where the last model's score is lower.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the bootstrap.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
@choices
def evaluate(*, model: str, other: str | None, min_score: float | None, seed: int, as_json: bool, **given: Any) -> None:
    """Score or compare; the help text is `_HELP`."""
    chosen = Choices(**given)
    try:
        results, comparison = _run(chosen, [model] if other is None else [model, other], seed)
        chosen.write(results, comparison)
    except (ConfigError, FormatError) as error:
        raise usage_error(error, detail=chosen.detail) from None
    if as_json:
        click.echo(json.dumps(_as_json(results, comparison)))
    else:
        for result in results:
            click.echo(line(result))
        if comparison is not None:
            click.echo(str(comparison))
    problem = _problem(results, comparison, min_score, strict=chosen.strict)
    if problem is not None:
        raise click.ClickException(problem)


def _run(chosen: Choices, models: list[str], seed: int) -> tuple[list[EvalResult], Comparison | None]:
    import inferail as ir
    from inferail.evals import compare, run_eval

    cases, scorer = chosen.dataset(), chosen.scoring()
    targets = [ir.resolve(name) for name in models]  # both, before the first is asked anything
    options = chosen.options(len(cases) * chosen.trials * len(models))
    results = [run_eval(cases, target, scorer, **options) for target in targets]
    if len(results) == 1:
        return results, None
    if not all(any(each.values for each in result.cases) for result in results):
        return results, None
    return results, compare(results[0], results[1], max_drop=chosen.max_drop, seed=seed)


def _problem(
    results: list[EvalResult], comparison: Comparison | None, min_score: float | None, *, strict: bool
) -> str | None:
    """Why the command fails; None if it does not."""
    for result in results:
        if not (result.complete and result.answered):
            why = ", ".join(f"{count} × {reason}" for reason, count in result.reasons.items())
            return f"the evaluation of {result.name} is incomplete: {why}"
    if comparison is not None and (comparison.verdict == "dropped" or (strict and comparison.verdict != "held")):
        return f"{comparison.after.name} is {comparison.verdict}: the accepted drop is {comparison.max_drop:g}"
    if min_score is not None and not results[-1] >= min_score:
        return f"the score of {results[-1].name} is {results[-1].score:.4f}, below {min_score:g}"
    return None


def _as_json(results: list[EvalResult], comparison: Comparison | None) -> dict[str, Any]:
    found: dict[str, Any] = {"results": [_one(result) for result in results]}
    if comparison is not None:
        interval = comparison.interval
        found["comparison"] = {
            "verdict": comparison.verdict,
            "difference": interval.mean,
            "low": interval.low,
            "high": interval.high,
            "p_value": interval.p_value,
            "confidence": interval.confidence,
            "pairs": len(comparison.changes),
            "max_drop": comparison.max_drop,
            "power_to_see_4_percent": comparison.power(0.04),
            "detectable_drop": comparison.detectable(),
            "cases_needed_for_4_percent": comparison.cases_needed(0.04),
        }
    return found


def _one(result: EvalResult) -> dict[str, Any]:
    usage = result.usage
    return {
        "name": result.name,
        "score": _known(result.score),
        "scorer": result.scorer,
        "cases": len(result.cases),
        "trials": result.trials,
        "failed": result.count("failed"),
        "unscored": result.count("unscored"),
        "not_run": result.count("not_run"),
        "cached": result.num_cached,
        "flaky": [each.case.id for each in result.flaky],
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cost_usd": usage.cost_usd,
        "scoring_cost_usd": result.scoring.cost_usd,
        "median_seconds": result.seconds_at(0.5),
        "tags": {tag: _known(each.score) for tag, each in result.tags().items()},
    }


def _known(score: float) -> float | None:
    """JSON has no word for what is not a number."""
    return None if math.isnan(score) else score
