"""How good answers are: cases, scorers, comparison of two models with honest statistics, reports, and a pytest plugin.

    from inferail.evals import Case, run_eval

    score = run_eval([Case("2 + 2?", "4")], lambda question: client.complete(question).text)
    assert score >= 0.9

Nothing here is loaded before it is used: pytest loads `inferail.evals.plugin` at its start.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inferail.evals.asking import remembered
    from inferail.evals.case import Case, Score, Scorer
    from inferail.evals.comparing import Comparison, compare
    from inferail.evals.datasets.jsonl import load, save
    from inferail.evals.datasets.reservoir import Reservoir
    from inferail.evals.datasets.sampling import Sample, Sampled, sample_payloads
    from inferail.evals.migrating import Migration, migrate
    from inferail.evals.online import Watched
    from inferail.evals.pairs import Pairs, acompare_pairs, compare_pairs
    from inferail.evals.reporting.junit import junit
    from inferail.evals.reporting.markdown import markdown
    from inferail.evals.results import CaseResult, EvalResult, Trial
    from inferail.evals.running import arun_eval, run_eval
    from inferail.evals.scorers.judge import JUDGE_PROMPT, PAIR_PROMPT, Judge, PairJudge
    from inferail.evals.scorers.shapes import Conforms
    from inferail.evals.scorers.similar import Similar
    from inferail.evals.scorers.texts import Contains, Exact, Matches, Normalised
    from inferail.evals.scorers.weighted import Weighted
    from inferail.evals.statistics.agreement import Agreement, agreement
    from inferail.evals.statistics.power import cases_needed, detectable_drop, power_to_see, spread_of_shares
    from inferail.evals.strengths import strengths_from, strengths_toml

__all__ = [
    "JUDGE_PROMPT",
    "PAIR_PROMPT",
    "Agreement",
    "Case",
    "CaseResult",
    "Comparison",
    "Conforms",
    "Contains",
    "EvalResult",
    "Exact",
    "Judge",
    "Matches",
    "Migration",
    "Normalised",
    "PairJudge",
    "Pairs",
    "Reservoir",
    "Sample",
    "Sampled",
    "Score",
    "Scorer",
    "Similar",
    "Trial",
    "Watched",
    "Weighted",
    "acompare_pairs",
    "agreement",
    "arun_eval",
    "cases_needed",
    "compare",
    "compare_pairs",
    "detectable_drop",
    "junit",
    "load",
    "markdown",
    "migrate",
    "power_to_see",
    "remembered",
    "run_eval",
    "sample_payloads",
    "save",
    "spread_of_shares",
    "strengths_from",
    "strengths_toml",
]

_HOMES = {
    "asking": ("remembered",),
    "case": ("Case", "Score", "Scorer"),
    "comparing": ("Comparison", "compare"),
    "datasets.jsonl": ("load", "save"),
    "datasets.reservoir": ("Reservoir",),
    "datasets.sampling": ("Sample", "Sampled", "sample_payloads"),
    "migrating": ("Migration", "migrate"),
    "online": ("Watched",),
    "pairs": ("Pairs", "acompare_pairs", "compare_pairs"),
    "reporting.junit": ("junit",),
    "reporting.markdown": ("markdown",),
    "results": ("CaseResult", "EvalResult", "Trial"),
    "running": ("arun_eval", "run_eval"),
    "scorers.judge": ("JUDGE_PROMPT", "PAIR_PROMPT", "Judge", "PairJudge"),
    "scorers.shapes": ("Conforms",),
    "scorers.similar": ("Similar",),
    "scorers.texts": ("Contains", "Exact", "Matches", "Normalised"),
    "scorers.weighted": ("Weighted",),
    "statistics.agreement": ("Agreement", "agreement"),
    "statistics.power": ("cases_needed", "detectable_drop", "power_to_see", "spread_of_shares"),
    "strengths": ("strengths_from", "strengths_toml"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'inferail.evals' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"inferail.evals.{home}"), name)
    globals()[name] = value
    return value
