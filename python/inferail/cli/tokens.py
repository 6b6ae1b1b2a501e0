"""`inferail tokens`: how many tokens files have, and what they would cost as a prompt."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from inferail.core import Tokenizer

__all__ = ["tokens"]

_STDIN: Final = "-"
_HELP = """How many tokens files have, and what they would cost as a prompt.

    \b
    Examples:
      inferail tokens README.md --model openai:gpt-5-mini
      inferail tokens docs/*.md --encoding o200k_base
      git diff | inferail tokens - --model gpt-5

    Files are read as UTF-8; bytes that are none count as U+FFFD. Special tokens in them count as text.
    """


@click.command(help=_HELP, short_help="Count the tokens of files, and what they cost.")
@click.argument("files", nargs=-1, required=True, metavar="FILE…", type=click.Path(dir_okay=False))
@click.option("--model", help="Whose tokens: gpt-5-mini, openai:gpt-5-mini. Default: gpt-5.")
@click.option("--encoding", help="Which tokens, by tiktoken's name: o200k_base, cl100k_base.")
@click.option(
    "--tokenizer", type=click.Path(dir_okay=False), help="Which tokens: a tokenizer.json, tekken.json, .model, .gguf."
)
def tokens(*, files: tuple[str, ...], model: str | None, encoding: str | None, tokenizer: str | None) -> None:
    """Count tokens; the help text is `_HELP`."""
    if encoding and tokenizer:
        raise click.UsageError("give --encoding or --tokenizer, not both")
    if model is None and not encoding and not tokenizer:
        model = "gpt-5"
    chosen = _chosen(model, encoding, tokenizer)
    lines = [("file", "tokens", "bytes", "bytes/token")]
    total_tokens = total_bytes = 0
    with click.progressbar(files, label="counting", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        for name in bar:
            data = _read(name)
            count = chosen.count(data.decode("utf-8", "replace"))
            lines.append(_line(name, count, len(data)))
            total_tokens += count
            total_bytes += len(data)
    if len(files) > 1:
        lines.append(_line("total", total_tokens, total_bytes))
    _print(lines)
    click.echo(f"\n{_basis(chosen, model)}{_cost(model, total_tokens, estimated=chosen.estimate is not None)}")


def _chosen(model: str | None, encoding: str | None, tokenizer: str | None) -> Tokenizer:
    from inferail.core import Tokenizer

    if encoding:
        return Tokenizer.named(encoding)
    if tokenizer:
        return Tokenizer.from_file(tokenizer, name=Path(tokenizer).name)
    return Tokenizer.for_model(model or "")


def _read(name: str) -> bytes:
    if name == _STDIN:
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise click.ClickException(f"{name} cannot be read: {error.strerror}") from error


def _line(name: str, count: int, size: int) -> tuple[str, str, str, str]:
    return name, f"{count:,}", f"{size:,}", f"{size / count:.2f}" if count else "–"


def _print(lines: list[tuple[str, str, str, str]]) -> None:
    widest = max(len(line[0]) for line in lines)
    for name, *numbers in lines:
        click.echo(f"{name:<{widest}}" + "".join(f"{number:>14}" for number in numbers))


def _basis(tokenizer: Tokenizer, model: str | None) -> str:
    if tokenizer.estimate is not None:
        return f"An estimate: {tokenizer.estimate}. "
    return f"Tokens of {tokenizer.name or model}. "


def _cost(model: str | None, count: int, *, estimated: bool) -> str:
    if model is None:
        return "No price without --model."
    from inferail.cli.output import dollars
    from inferail.telemetry.prices import PriceTable, cost_usd
    from inferail.types.usage import Usage

    provider, _, name = model.rpartition(":")
    cost = cost_usd(provider or "openai", name, Usage(input_tokens=count))
    if cost is None:
        return f"The price of {model} is not known: name it provider:model."
    return f"As a prompt of {model}: {dollars(cost, estimated=estimated)} ({PriceTable.bundled().version})."
