"""`inferail prompts`: what to look at in prompt files, what changed, and where their tokens are."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from inferail.pipelines.prompts.template import PromptTemplate

__all__ = ["difference", "lint", "prompts", "tokens"]

_LINT_HELP = """What to look at in prompt files: what they say twice, blanks, variables, order.

    \b
    Examples:
      inferail prompts lint prompts/
      inferail prompts lint prompts/answer.prompt --model anthropic:claude-sonnet-4-5
      inferail prompts lint prompts/ --fix

    A folder stands for every .prompt file in it. With --fix blanks that say nothing are taken out; nothing else is touched.
    Exit code 1 if something is found (or a file is wrong), so that a build can stop there; rules can be left out with --skip.
    """
_DIFF_HELP = """What changed between two versions of a prompt, message by message.

    \b
    Examples:
      inferail prompts diff old/answer.prompt prompts/answer.prompt
      git show HEAD:prompts/answer.prompt | inferail prompts diff - prompts/answer.prompt --check

    With --check the exit code is 1 if the text changed and the version in its head did not, or if it has none.
    """
_TOKENS_HELP = """Where the tokens of a prompt are, and what they cost.

    \b
    Examples:
      inferail prompts tokens prompts/answer.prompt --model openai:gpt-5-mini
      inferail prompts tokens prompts/answer.prompt --var question="Why?" --var 'tags=["a"]'

    A variable that is not given has its default, or the smallest value that its schema allows.
    """
_MODEL: Final = "openai:gpt-5"
_FILE: Final = click.Path(path_type=Path)


@click.group(short_help="Lint prompt files, compare their versions, and see where their tokens are.")
def prompts() -> None:
    """Lint prompt files, compare their versions, and see where their tokens are."""


@prompts.command(help=_LINT_HELP, short_help="What to look at in prompt files.")
@click.argument("paths", nargs=-1, required=True, metavar="PATH…", type=_FILE)
@click.option("--model", default=_MODEL, show_default=True, help="Whose tokens are counted.")
@click.option("--skip", multiple=True, metavar="RULE", help="A rule to leave out; can be given several times.")
@click.option("--fix", is_flag=True, help="Take out blanks that say nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON lines.")
def lint(*, paths: tuple[Path, ...], model: str, skip: tuple[str, ...], fix: bool, as_json: bool) -> int:
    """Lint; the help text is `_LINT_HELP`."""
    from inferail.pipelines.prompts.lint import RULES
    from inferail.pipelines.prompts.lint import lint as findings_of

    unknown = [rule for rule in skip if rule not in RULES]
    if unknown:
        raise click.UsageError(f"there is no rule {unknown[0]}; there are {', '.join(RULES)}")
    count = saved = 0
    for path, prompt in _prompts(paths, fix=fix):
        for finding in findings_of(prompt, model):
            if finding.rule in skip:
                continue
            count += 1
            saved += finding.tokens
            if as_json:
                told = {"file": str(path), "rule": finding.rule, "line": finding.line, "message": finding.message}
                click.echo(json.dumps({**told, "tokens": finding.tokens}, ensure_ascii=False))
            else:
                click.echo(f"{path}:{finding}")
    if not as_json:
        found = f"{count} finding{'' if count == 1 else 's'}, {saved:,} tokens of each call at stake"
        click.echo(found if count else "nothing to look at")
    return 1 if count else 0


@prompts.command("diff", help=_DIFF_HELP, short_help="What changed between two versions of a prompt.")
@click.argument("old", type=click.Path(path_type=Path, allow_dash=True))
@click.argument("new", type=_FILE)
@click.option("--check", is_flag=True, help="Exit code 1 if the text changed and its version did not.")
def difference(*, old: Path, new: Path, check: bool) -> int:
    """Compare; the help text is `_DIFF_HELP`."""
    from inferail.pipelines.prompts.difference import diff

    after = _load(new)
    # What is piped in has the parts that lie beside the new one.
    before = _load(new, source=sys.stdin.read()) if str(old) == "-" else _load(old)
    changed = diff(before, after)
    click.echo(str(changed) or "no difference")
    unversioned = bool(changed) and after.settings.version is None
    if check and unversioned:
        click.echo("The text changed and has no version: give it one in its head, version: 1.0.0.")
    return 1 if check and (changed.needs_version or unversioned) else 0


@prompts.command(help=_TOKENS_HELP, short_help="Where the tokens of prompts are, and what they cost.")
@click.argument("paths", nargs=-1, required=True, metavar="PATH…", type=_FILE)
@click.option("--model", help="Whose tokens and whose price. Default: the model that the file names, or openai:gpt-5.")
@click.option("--var", "variables", multiple=True, metavar="NAME=VALUE", help="A variable; JSON, or else text.")
def tokens(*, paths: tuple[Path, ...], model: str | None, variables: tuple[str, ...]) -> None:
    """Report; the help text is `_TOKENS_HELP`."""
    from inferail.pipelines.prompts.report import token_report

    given = dict(_variable(text) for text in variables)
    for number, (_, prompt) in enumerate(_prompts(paths)):
        if number:
            click.echo()
        known = {name: value for name, value in given.items() if name in prompt.variables}
        if len(paths) == 1 and len(known) < len(given) and paths[0].is_file():
            known = given  # one prompt: a variable that it does not have is a mistake, and it says so
        click.echo(str(token_report(prompt, model or prompt.settings.model or _MODEL, variables=known)))


def _prompts(paths: tuple[Path, ...], *, fix: bool = False) -> list[tuple[Path, PromptTemplate]]:
    """The prompts that paths stand for; with `fix` their files are tidied first."""
    from inferail.pipelines.prompts.lint import tidied
    from inferail.pipelines.prompts.template import read_text

    files: list[tuple[Path, Path | None]] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*.prompt") if not file.name.startswith("_"))
            if not inside:
                raise click.UsageError(f"{path} has no .prompt files")
            files += [(file, path) for file in inside]
        else:
            files.append((path, None))
    found: list[tuple[Path, PromptTemplate]] = []
    for file, folder in files:
        if fix and (tidy := tidied(text := read_text(file))) != text:
            file.write_text(tidy, encoding="utf-8")
        found.append((file, _load(file, folder)))
    return found


def _load(path: Path, folder: Path | None = None, source: str | None = None) -> PromptTemplate:
    """A prompt; its parts are named from the folder that was given, or from its own."""
    from inferail.errors import FormatError
    from inferail.pipelines.prompts.template import PromptTemplate

    try:
        if source is None:
            return PromptTemplate.load(path, folder=folder)
        return PromptTemplate.load(path, folder=folder, source=source)
    except FormatError as error:
        raise FormatError(f"{path}: {error.message}", path=str(path)) from None


def _variable(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise click.UsageError("a variable is NAME=VALUE, for example --var topic=tides")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
