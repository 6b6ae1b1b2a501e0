"""`inferail migrate`: an alias stands for another model, after an evaluation of both; and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from inferail.cli.evals.choices import Choices, choices, line, usage_error
from inferail.errors import ConfigError, FormatError

__all__ = ["migrate"]

_HELP: Final = """Let an alias stand for another model, if that one is as good.

    \b
    Examples:
      inferail migrate support openai:gpt-6-mini --cases golden.jsonl
      inferail migrate openai:gpt-4o --cases golden.jsonl      every alias of it, to the
                                   successor that the provider named
      inferail migrate support openai:gpt-6-mini --cases golden.jsonl --dry-run
      inferail migrate --rollback                              as it was before

    OLD is an alias, or a model that aliases stand for. The aliases are in a TOML file, in a table [aliases]; programs ask
    ir.Client("alias:support") and follow within a second, without a restart. Both models are run on the dataset first.

    \b
    Exit codes:
      0   swapped, rolled back, or a dry run that would have swapped
      1   not swapped: NEW is worse than --max-drop allows, or the evaluation is incomplete
      2   the command line, the dataset or the file of aliases is wrong
    """


@click.command(help=_HELP, short_help="Swap an alias to another model after an evaluation, or back.")
@click.argument("old", metavar="OLD", required=False)
@click.argument("new", metavar="[NEW]", required=False)
@click.option("--cases", type=click.Path(path_type=Path), metavar="FILE", help="The dataset, JSON lines.")
@click.option(
    "--aliases",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The aliases. Default: INFERAIL_ALIASES names it.",
)
@click.option("--dry-run", is_flag=True, help="Evaluate, and swap nothing.")
@click.option("--rollback", is_flag=True, help="Put back what was before the last swap; asks no model.")
@choices
def migrate(
    *,
    old: str | None,
    new: str | None,
    cases: Path | None,
    aliases: Path | None,
    dry_run: bool,
    rollback: bool,
    **given: Any,
) -> None:
    """Swap, or roll back; the help text is `_HELP`."""
    if rollback != (old is None) or (rollback and (cases is not None or dry_run)):
        raise click.UsageError("name OLD and --cases, or use --rollback alone (with --aliases)")
    if old is None:
        _roll_back(aliases)
        return
    if cases is None:
        raise click.UsageError("both models are run on a dataset first: name it with --cases")
    chosen = Choices(cases=cases, **given)
    from inferail.evals import migrate as run

    try:
        dataset = chosen.dataset()
        migration = run(
            old,
            new,
            dataset,
            chosen.scoring(),
            aliases=aliases,
            max_drop=chosen.max_drop,
            strict=chosen.strict,
            dry_run=dry_run,
            **chosen.options(2 * len(dataset) * chosen.trials),
        )
        results = [migration.comparison.before, migration.comparison.after]
        chosen.write(results, migration.comparison)
    except (ConfigError, FormatError) as error:
        raise usage_error(error, detail=chosen.detail) from None
    for result in results:
        click.echo(line(result))
    click.echo(str(migration.comparison))
    for warning in migration.warnings:
        click.echo(f"inferail: {warning}", err=True)
    names = ", ".join(migration.aliases)
    if migration.swapped:
        click.echo(f"{names}: {migration.old} -> {migration.new}; back with inferail migrate --rollback")
    elif dry_run and migration.passed:
        click.echo(f"{names}: would become {migration.new}")
    else:
        raise click.ClickException(f"{names}: still {migration.old}: {migration.why_not}")


def _roll_back(path: Path | None) -> None:
    from inferail.governance.aliases import Aliases

    try:
        file = Aliases.default() if path is None else Aliases(path)
        changed = file.rollback()
    except (ConfigError, FormatError) as error:
        raise usage_error(error, detail=False) from None
    for alias, (was, target) in sorted(changed.items()):
        click.echo(f"{alias}: {was} -> {target}")
