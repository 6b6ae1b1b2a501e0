"""What `eval` and `migrate` share: their options, and what is made of them."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import click

from inferail.cli.output import dollars, seconds, told
from inferail.errors import ConfigError, FormatError

if TYPE_CHECKING:
    from inferail.evals import Case, Comparison, EvalResult, Scorer, Trial
    from inferail.evals.results import Status
    from inferail.evals.running import EvalOptions

__all__ = ["Choices", "choices", "line", "usage_error"]

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

SCORERS = (
    "exact, normalised, contains, regex (the case's expected is the pattern), regex:PATTERN, schema:FILE (JSON Schema), "
    "similar:EMBEDDER, judge:PROVIDER:MODEL (with --rubric). Several: their mean."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What the command line says about how to evaluate.

    Attributes:
        cases: The dataset, JSON lines.
        keep_broken: Whether broken lines stay as unscored cases.
        scorer: How answers are scored, as named in `SCORERS`.
        rubric: For judges.
        trials: How often each case is run.
        at_once: How many trials at a time.
        max_usd: What everything may cost, US dollars.
        cache: Where answers are remembered, or None.
        fresh: Whether remembered ones are left aside.
        max_drop: The drop that is accepted.
        strict: Whether too few cases count as a drop.
        markdown: Where the report goes, or None.
        junit: Where the XML goes, or None.
        show_text: Whether the report quotes questions and answers.
        detail: Whether errors show what a server said.
    """

    cases: Path
    keep_broken: bool
    scorer: tuple[str, ...]
    rubric: str | None
    trials: int
    at_once: int
    max_usd: float | None
    cache: str | None
    fresh: bool
    max_drop: float
    strict: bool
    markdown: Path | None
    junit: Path | None
    show_text: bool
    detail: bool

    def dataset(self) -> list[Case]:
        """The cases.

        Raises:
            ConfigError: The file cannot be read.
            FormatError: A line is broken.
        """
        from inferail.evals import load

        return load(self.cases, broken="keep" if self.keep_broken else "raise")

    def scoring(self) -> Scorer:
        """The scorer.

        Raises:
            ConfigError: An unknown one, or a judge without a rubric.
        """
        from inferail.evals import Normalised, Weighted

        made = [_scorer(name, self.rubric) for name in self.scorer] or [Normalised()]
        return made[0] if len(made) == 1 else Weighted(*((each, 1.0) for each in made), name="mean")

    def options(self, total: int) -> EvalOptions:
        """What `run_eval` is told; `total` trials are counted on a terminal."""
        import inferail as ir

        found: EvalOptions = {"trials": self.trials, "at_once": self.at_once, "fresh": self.fresh}
        if self.cache is not None:
            found["cache"] = self.cache
        if self.max_usd is not None:
            found["budget"] = ir.Budget(usd=self.max_usd)
        if sys.stderr is not None and sys.stderr.isatty():
            found["on_trial"] = _Progress(total).ended
        return found

    def write(self, results: list[EvalResult], comparison: Comparison | None) -> None:
        """Writes the reports that were asked for.

        Raises:
            ConfigError: A file cannot be written.
        """
        from inferail.evals import junit, markdown
        from inferail.evals.datasets.jsonl import write_whole

        if self.markdown is not None:
            write_whole(self.markdown, markdown(results, comparison, show_text=self.show_text))
        if self.junit is not None:
            write_whole(self.junit, junit(results, comparison))


def choices(command: CommandT) -> CommandT:
    """The options of both commands."""
    options = [
        click.option("--keep-broken", is_flag=True, help="Run the other cases where a line of the file is broken."),
        click.option("--scorer", multiple=True, metavar="NAME", help=f"How answers are scored: {SCORERS}"),
        click.option("--rubric", metavar="TEXT", help="What a good answer is, for judge:…; @FILE reads it."),
        click.option("--trials", type=click.IntRange(1), default=1, show_default=True, help="Runs of each case."),
        click.option("--at-once", type=click.IntRange(1), default=8, show_default=True, help="Trials at a time."),
        click.option("--max-usd", type=click.FloatRange(0), metavar="USD", help="What everything may cost."),
        click.option("--cache", metavar="FILE", help="Remember answers there: unchanged requests are free next time."),
        click.option("--fresh", is_flag=True, help="With --cache: ask anew."),
        click.option(
            "--max-drop",
            type=click.FloatRange(0, 1),
            default=0.012,
            show_default=True,
            help="The drop that is accepted.",
        ),
        click.option("--strict", is_flag=True, help="Fail too where too few cases rule a larger drop out."),
        click.option("--markdown", type=click.Path(path_type=Path), metavar="FILE", help="Write a report."),
        click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write JUnit XML."),
        click.option("--show-text", is_flag=True, help="Quote questions and answers in the report."),
        click.option("--detail", is_flag=True, help="With an error, also print what the server said."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def line(result: EvalResult) -> str:
    """One line about a result."""
    usage = result.usage
    counts = [f"{result.count(status)} {name}" for status, name in _STATUSES if result.count(status)]
    parts = [f"{result.score:.4f}  {result.name}", f"{len(result.cases)} cases"]
    if result.trials > 1:
        parts.append(f"{result.trials} trials, {len(result.flaky)} flaky")
    parts += counts
    if result.num_cached:
        parts.append(f"{result.num_cached} remembered")
    parts += [f"{usage.input_tokens:,} + {usage.output_tokens:,} tokens", dollars(usage.cost_usd)]
    if (middle := result.seconds_at(0.5)) is not None:
        parts.append(f"median {seconds(middle)}")
    return ", ".join(parts)


def usage_error(error: ConfigError | FormatError, *, detail: bool) -> click.UsageError:
    """A wrong argument or dataset as an error of the command line: code 1 is kept for a drop."""
    return click.UsageError(told(error, detail=detail))


_STATUSES: Final[tuple[tuple[Status, str], ...]] = (
    ("failed", "failed"),
    ("unscored", "unscored"),
    ("not_run", "not run"),
)


class _Progress:
    """Counts trials on one line of the terminal."""

    def __init__(self, total: int) -> None:
        self._total, self._done = total, 0
        self._lock = threading.Lock()

    def ended(self, case: Case, trial: Trial) -> None:  # noqa: ARG002 - what `on_trial` is given
        with self._lock:
            self._done += 1
            end = "\n" if self._done >= self._total else ""
            click.echo(f"\r{self._done}/{self._total}{end}", nl=False, err=True)


def _scorer(name: str, rubric: str | None) -> Scorer:
    import inferail as ir
    from inferail.evals import Conforms, Contains, Exact, Judge, Matches, Normalised, Similar

    kind, _, rest = name.partition(":")
    match kind:
        case "exact" | "normalised" | "contains" if not rest:
            plain: dict[str, Scorer] = {"exact": Exact(), "normalised": Normalised(), "contains": Contains()}
            return plain[kind]
        case "regex":
            return Matches(rest or None)
        case "schema" if rest:
            return Conforms(_schema(Path(rest)))
        case "similar" if rest:
            return Similar(ir.Embedder(rest))
        case "judge" if rest:
            if rubric is None:
                raise ConfigError("a judge goes by a rubric: say what a good answer is with --rubric")
            return Judge(ir.Client(rest), _words(rubric))
        case _:
            pass
    raise ConfigError(f"there is no scorer {name[:60]!r}: {SCORERS}")


def _schema(path: Path) -> dict[str, Any]:
    try:
        schema: object = json.loads(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or type(error).__name__}") from None
    except ValueError:
        raise ConfigError(f"{path} is no JSON Schema: it is not JSON") from None
    if not isinstance(schema, dict):
        raise ConfigError(f"{path} is no JSON Schema: it is not an object")
    return cast("dict[str, Any]", schema)


def _words(rubric: str) -> str:
    if not rubric.startswith("@"):
        return rubric
    try:
        return Path(os.path.expanduser(rubric[1:])).read_text(encoding="utf-8")  # noqa: PTH111 - a path of the shell's
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the rubric in {rubric[1:]} cannot be read: {type(error).__name__}") from None
