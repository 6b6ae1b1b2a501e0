"""`inferail models`: the providers and their keys, and what models cost."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from inferail.telemetry.prices import PriceTable, Rate

__all__ = ["models"]

# What the price table calls the providers that have another name there.
_NAMES_IN_TABLE: Final = {"gemini": "google"}
_HELP = """The providers, whether their keys are set, and the prices of models.

    \b
    Examples:
      inferail models              providers, key variables, base URLs
      inferail models gpt-5        prices of the models whose name contains gpt-5
      inferail models anthropic:   prices of every model of one provider
      inferail models --live openai:gpt
                                   what OpenAI has now whose name contains gpt
      inferail models --deprecated openai
                                   models that go away, with dates and replacements

    A key itself is never printed. Prices come from a table in the package and can be outdated: what the provider
    bills is what counts.
    """


@click.command(help=_HELP, short_help="List providers, keys that are set, and prices.")
@click.argument("name", required=False)
@click.option("--live", is_flag=True, help="Ask the provider, or your own server, what models it has now.")
@click.option("--deprecated", is_flag=True, help="Show the models that go away or are gone, the next one first.")
def models(*, name: str | None, live: bool, deprecated: bool) -> None:
    """List providers, prices or models; the help text is `_HELP`."""
    if deprecated and live:
        raise click.UsageError("--live and --deprecated are two lists: ask for one of them")
    if deprecated:
        _print_deprecated((name or "").lower())
    elif live:
        _print_live(name or "")
    elif name:
        _print_prices(name)
    else:
        _print_providers()


def _print_providers() -> None:
    from inferail import providers
    from inferail.errors import ConfigError
    from inferail.types.registry import schemes

    for scheme in schemes():
        if scheme == "alias":
            _print_aliases()
            continue
        try:
            codec = providers.codec(scheme)
        except ConfigError:
            click.echo(f"{scheme + ':':<12}from another package")
            continue
        found = next((variable for variable in codec.key_variables if os.environ.get(variable)), None)
        missing = f"no key: set {' or '.join(codec.key_variables)}" if codec.key_variables else "needs no key"
        state = click.style("key set", fg="green") + f" ({found})" if found else missing
        click.echo(f"{scheme + ': ':<12}{state}")
        address = os.environ.get(f"INFERAIL_{scheme.upper()}_BASE_URL") or codec.default_base_url
        click.echo(f"{'':12}{address or 'needs a base URL'}")
    click.echo("\nAnother server of the same format:  --base-url, or INFERAIL_OPENAI_BASE_URL …")
    click.echo("Prices of models by name:           inferail models gpt-5")


def _print_aliases() -> None:
    """What the names of one's own stand for, where there are any."""
    from inferail.errors import ConfigError
    from inferail.governance.aliases import VARIABLE, Aliases

    if not os.environ.get(VARIABLE):
        return
    try:
        targets = Aliases.default().targets
    except ConfigError as error:
        click.echo(f"{'alias:':<12}{error.message}")
        return
    for alias, target in sorted(targets.items()):
        click.echo(f"{'alias:' + alias + ' ':<12}{target}")


def _print_live(wanted: str) -> None:
    import inferail as ir

    provider, _, part = wanted.partition(":")
    if not provider:
        raise click.UsageError("--live needs a provider: inferail models --live openai")
    with ir.Client(f"{provider}:{part or 'any'}") as client:
        found = [model for model in client.models() if part.lower() in model.id.lower()]
    if not found:
        raise click.ClickException(f"{provider} has no model" + (f" with {part!r} in its name" if part else ""))
    lines = [("model", "context", "input", "output")]
    for model in sorted(found, key=lambda model: model.id):
        context = "–" if model.context_tokens is None else f"{model.context_tokens:,}"
        lines.append((model.name, context, _rate(model.input_usd, 0), _rate(model.output_usd, 0)))
    widest = max(len(line[0]) for line in lines)
    for name, context, *rates in lines:
        click.echo(f"{name:<{widest}}{context:>12}" + "".join(f"{rate:>9}" for rate in rates))
    click.echo(
        "\nTokens of context; US dollars per million tokens, from the provider or from the table. – is not known."
    )


def _print_deprecated(wanted: str) -> None:
    from datetime import UTC, datetime

    from inferail.governance import ModelRegistry

    today = datetime.now(UTC).date()
    rows = [(name, entry) for name, entry in ModelRegistry.default().going(today) if wanted in name.lower()]
    if not rows:
        raise click.ClickException(f"no model that goes away has {wanted!r} in its name")
    lines = [("model", "status", "until", "use instead", "owner")]
    for name, entry in rows:
        date = entry.deprecation_date
        told = (entry.status_on(today), "–" if date is None else f"{date}", entry.replacement or "–", entry.owner or "")
        lines.append((name, *told))
    widths = [max(len(line[column]) for line in lines) for column in range(5)]
    for line in lines:
        click.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())
    click.echo("\nAs the providers announced it, and as your file in INFERAIL_MODELS says; dates move.")


def _print_prices(wanted: str) -> None:
    from inferail.telemetry.prices import PriceTable

    prices = PriceTable.bundled()
    lines = list(_lines(prices, wanted.lower()))
    if not lines:
        raise click.ClickException(f"no model with a known price has {wanted!r} in its name: try inferail models gpt")
    lines.insert(0, ("model", "input", "cached", "output"))
    widest = max(len(line[0]) for line in lines)
    for name, *rates in lines:
        click.echo(f"{name:<{widest}}" + "".join(f"{rate:>9}" for rate in rates))
    click.echo(f"\nUS dollars per million tokens ({prices.version}). … stands for any ending.")


def _lines(prices: PriceTable, wanted: str) -> Iterator[tuple[str, str, str, str]]:
    """Name and three rates; a line of its own for each length of prompt from which on a model costs more."""
    from inferail.types.registry import schemes

    for scheme in schemes():
        for name in _names(_NAMES_IN_TABLE.get(scheme, scheme), wanted.removeprefix(f"{scheme}:")):
            price = prices.find(scheme, name.removesuffix("…"))
            if price is None:
                continue
            rates = (price.input_per_million, price.cache_read_per_million, price.output_per_million)
            starts = sorted({start for rate in rates for start, _ in getattr(rate, "steps", ())})
            yield f"{scheme}:{name}", _rate(rates[0], 0), _rate(rates[1], 0), _rate(rates[2], 0)
            for start in starts:
                above = f"  prompts above {start:,} tokens"
                yield above, _rate(rates[0], start + 1), _rate(rates[1], start + 1), _rate(rates[2], start + 1)


def _names(provider: str, wanted: str) -> list[str]:
    """The matching names that a provider has in the table, sorted; `…` follows the common beginning of several."""
    import json
    from importlib import resources

    text = resources.files("inferail.telemetry").joinpath("prices.json").read_text(encoding="utf-8")
    blocks = [block for block in json.loads(text)["providers"] if block["id"] == provider]
    found: set[str] = set()
    for row in blocks[0]["models"] if blocks else ():
        matching = [name for name in _spelled(row["match"] if isinstance(row, dict) else row[0]) if wanted in name]
        found.update(name for name in matching if not _is_variant(name, matching))
    return sorted(found)


def _is_variant(name: str, names: list[str]) -> bool:
    """Whether `name` says the same as another one: with more behind it, or with a dash for the dot of a version."""
    mine = name.removesuffix("…")
    for other in names:
        theirs = other.removesuffix("…")
        if mine == theirs:
            if other.endswith("…") and not name.endswith("…"):
                return True
        elif mine.startswith(f"{theirs}-") or mine == theirs.replace(".", "-"):
            return True
    return False


def _spelled(clause: Any) -> Iterator[str]:
    """The names a rule of the table spells out; rules that only exclude or contain spell nothing."""
    if isinstance(clause, str):
        yield clause
    elif not hasattr(clause, "keys"):
        for inner in clause:
            yield from _spelled(inner)
    elif "all" in clause:
        yield from _spelled(clause["all"][0])
    elif "starts" in clause:
        beginning = str(clause["starts"])
        if "@" not in beginning:  # with an @ it is Google's spelling of a Claude model
            yield f"{beginning.rstrip('-')}…"


def _rate(rate: Rate | None, prompt_tokens: int) -> str:
    if rate is None:
        return "–"
    return f"{rate:g}" if isinstance(rate, int | float) else f"{rate.at(prompt_tokens):g}"
