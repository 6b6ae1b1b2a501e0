"""The pytest plugin: evaluations as tests, with remembered answers, a budget, and a line for each at the end of the run.

    def test_support_answers(inferail_eval):
        inferail_eval("support.jsonl", "openai:gpt-5-mini", min_score=0.9)

Such tests ask models, so they run with `pytest --inferail-evals` only. Loading this file loads nothing else: the rest of inferail
comes with the first evaluation.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from inferail.evals.asking import Evaluated
    from inferail.evals.case import Scoring
    from inferail.evals.comparing import Comparison
    from inferail.evals.results import EvalResult

__all__ = [
    "Evaluating",
    "inferail_eval",
    "pytest_addoption",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_sessionfinish",
    "pytest_terminal_summary",
]

_MARK = "inferail_eval"
_SKIPPED = "evaluations ask models, which may cost money: run them with --inferail-evals"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options `--inferail-evals…`."""
    group = parser.getgroup("inferail", "evaluations of models")
    group.addoption("--inferail-evals", action="store_true", help="Run the tests that evaluate models.")
    group.addoption(
        "--inferail-evals-cache",
        metavar="FILE",
        default=None,
        help="Where answers are remembered. Default: below pytest's own cache. `none`: nowhere.",
    )
    group.addoption("--inferail-evals-fresh", action="store_true", help="Ask anew what is remembered.")
    group.addoption(
        "--inferail-evals-trials", type=int, metavar="N", default=None, help="Trials of each case, at least."
    )
    group.addoption(
        "--inferail-evals-budget", type=float, metavar="USD", default=None, help="What the whole run may cost."
    )
    group.addoption("--inferail-evals-report", metavar="FILE", default=None, help="Write a Markdown report.")


def pytest_configure(config: pytest.Config) -> None:
    """Makes the mark known, and a place for what is found."""
    config.addinivalue_line("markers", f"{_MARK}: evaluates a model; runs with --inferail-evals only")
    config.stash[_FOUND] = []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skips evaluations unless they are asked for."""
    if config.getoption("--inferail-evals"):
        return
    skipped = pytest.mark.skip(reason=_SKIPPED)
    for item in items:
        if _MARK in getattr(item, "fixturenames", ()) or item.get_closest_marker(_MARK):
            item.add_marker(skipped)


@pytest.fixture
def inferail_eval(request: pytest.FixtureRequest) -> Evaluating:
    """Evaluates a model or a function in a test: see `Evaluating`."""
    return Evaluating(request)


class Evaluating:
    """What the fixture `inferail_eval` is: a function that evaluates and fails the test where the score is too low.

    Answers of a model or a client are remembered between runs by the hash of the whole request, each trial's own: only what a
    changed prompt sends is asked again. For a function, build its client on `remembered(model)`.
    """

    def __init__(self, request: pytest.FixtureRequest) -> None:
        """Belongs to one test."""
        self._config, self._node = request.config, request.node

    def __call__(
        self,
        cases: Iterable[Any] | str | os.PathLike[str],
        fn: Evaluated,
        scorer: Scoring | None = None,
        *,
        min_score: float | None = None,
        **options: Any,
    ) -> EvalResult:
        """Evaluates, and fails the test if the score is below `min_score` or something was not run or not scored.

        Args:
            cases: As for `run_eval`; a relative path is looked for beside the test as well.
            fn: As for `run_eval`.
            scorer: As for `run_eval`.
            min_score: The least score, 0 to 1; None only measures.
            options: See `EvalOptions`.

        Raises:
            ConfigError: As for `run_eval`.
            FormatError: As for `run_eval`.
        """
        __tracebackhide__ = True
        from inferail.evals.running import run_eval

        if isinstance(cases, str | os.PathLike):
            cases = self._path(Path(cases))
        if (least := self._config.getoption("--inferail-evals-trials")) is not None:
            options["trials"] = max(least, options.get("trials", 1))
        if not _is_function(fn):
            options.setdefault("cache", self._cache())
            options.setdefault("fresh", self._config.getoption("--inferail-evals-fresh"))
        options.setdefault("budget", self._budget())
        result = run_eval(cases, fn, scorer, **options)
        self._config.stash[_FOUND].append((self._node.nodeid, result))
        for name, value in (("score", f"{result.score:.6f}"), ("cost_usd", str(result.usage.cost_usd))):
            self._node.user_properties.append((f"inferail_eval_{name}", value))
        if not result.complete:
            why = ", ".join(f"{count} × {reason}" for reason, count in result.reasons.items())
            pytest.fail(f"the evaluation is incomplete: {why}", pytrace=False)
        if min_score is not None and not result >= min_score:
            wrong = [each.case.id for each in result.cases if not each.passed]
            more = "" if len(wrong) <= 10 else f" and {len(wrong) - 10} more"
            pytest.fail(
                f"the score is {result.score:.4f}, below {min_score:g}; not passed: {', '.join(wrong[:10])}{more}",
                pytrace=False,
            )
        return result

    def compare(self, before: EvalResult, after: EvalResult, *, max_drop: float = 0.0, **options: Any) -> Comparison:
        """Compares two results (`evals.compare`), and fails the test where the verdict is `dropped`."""
        __tracebackhide__ = True
        from inferail.evals.comparing import compare

        comparison = compare(before, after, max_drop=max_drop, **options)
        if comparison.verdict == "dropped":
            pytest.fail(str(comparison), pytrace=False)
        return comparison

    def remembered(self, model: Any) -> Any:
        """A model whose answers are remembered where those of this run are, for clients of functions under test."""
        from inferail.evals.asking import remembered
        from inferail.types.registry import resolve

        cache = self._cache()
        if cache is None:
            return resolve(model)
        return remembered(model, cache, fresh=bool(self._config.getoption("--inferail-evals-fresh")))

    def _path(self, path: Path) -> Path:
        beside = self._node.path.parent / path
        return beside if not path.exists() and beside.exists() else path

    def _cache(self) -> str | None:
        given: str | None = self._config.getoption("--inferail-evals-cache")
        if given is not None:
            return None if given == "none" else given
        # There is none where it was switched off (`-p no:cacheprovider`).
        cache: pytest.Cache | None = getattr(self._config, "cache", None)
        return str(cache.mkdir("inferail") / "evals.db") if cache is not None else None

    def _budget(self) -> Any:
        """One for the whole run, so that the tests share it."""
        usd: float | None = self._config.getoption("--inferail-evals-budget")
        if usd is None:
            return None
        if _BUDGET not in self._config.stash:
            from inferail.types.scope import Budget

            self._config.stash[_BUDGET] = Budget(usd=usd)
        return self._config.stash[_BUDGET]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Writes the report."""
    path: str | None = session.config.getoption("--inferail-evals-report")
    found = session.config.stash[_FOUND]
    # Under pytest-xdist each worker knows its own evaluations only.
    if path and found and not hasattr(session.config, "workerinput"):
        from inferail.evals.datasets.jsonl import write_whole
        from inferail.evals.reporting.markdown import markdown

        write_whole(Path(path), markdown([result for _, result in found]))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """A line for each evaluation."""
    found = config.stash[_FOUND]
    if not found:
        return
    terminalreporter.section("evaluations")
    for node, result in found:
        cost = result.usage.cost_usd
        money = "price unknown" if cost is None else f"${cost:.4f}"
        trials = len(result.cases) * result.trials
        terminalreporter.line(
            f"{result.score:.4f}  {node}  {result.name}, {len(result.cases)} cases, {trials} trials, "
            f"{result.num_cached} remembered, {money}"
        )


def _is_function(fn: Any) -> bool:
    from inferail.client import BaseClient
    from inferail.types.model import Model

    return not isinstance(fn, str | BaseClient | Model)


_FOUND: pytest.StashKey[list[tuple[str, Any]]] = pytest.StashKey()
_BUDGET: pytest.StashKey[Any] = pytest.StashKey()
