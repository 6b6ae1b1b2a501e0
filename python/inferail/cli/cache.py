"""`inferail cache`: what a semantic cache holds, and which threshold fits."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from inferail.cli.output import dollars

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inferail.cache.semantic.curve import Pair, Point
    from inferail.cache.semantic.library import Library

__all__ = ["cache", "similarities"]

_STATS_HELP = """What the semantic cache in the folder PATH holds, and what it has saved.

    \b
    Example:
      inferail cache stats answers/

    PATH is what was given as path= to SemanticCache. Hits and savings are added to it when a program closes its cache.
    One process may have a cache open at a time: stop the others first, or copy the folder.
    """
_EXPORT_HELP = """Every entry of the semantic cache in PATH, as JSON lines on standard output.

    \b
    Example:
      inferail cache export answers/ > answers.jsonl

    Each line has the text that was asked, the answer, when it was made, when it expires, its tags, and what having it saves.
    It is what your users wrote: treat it like that.
    """
_TUNE_HELP = """Find a threshold: how near have two texts to be, that one answer may do for both?

    \b
    Examples:
      inferail cache tune --pairs pairs.jsonl --embedder local:all-minilm-l6-v2
      inferail cache tune --pairs pairs.csv --precision 0.98 --plot curve.png

    PAIRS is a JSONL or CSV file with text_a, text_b and label (1: one answer does for both, 0: it does not). Take pairs from
    your own traffic, and hard ones among them: near texts that need different answers. A few hundred are a beginning.

    Drawn is, for every threshold, the share of the pairs that would hit, and the share of the hits that would be right
    (precision), with the similarity alone and with the vetoes (numbers, negation, opposites, …) that SemanticCache has.
    Recommended is the threshold with most hits at the wanted precision. It may be that none reaches it.
    """
_FLOOR: Final = 0.5
_BATCH: Final = 64


@click.group(short_help="Look into a semantic cache, and find its threshold.", invoke_without_command=True)
@click.pass_context
def cache(context: click.Context, /) -> None:
    """Look into a semantic cache, and find its threshold."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@cache.command(help=_STATS_HELP, short_help="What a cache holds and has saved.")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def stats(*, path: Path, as_json: bool) -> None:
    """What a cache holds; the help text is `_STATS_HELP`."""
    from inferail.cache.semantic.library import describe
    from inferail.cache.semantic.stats import read_totals

    embedder, dimensions = describe(path)
    totals = read_totals(path)
    library = _opened(path)
    try:
        entries = library.entries()
        held: dict[str, Any] = {
            "embedder": embedder,
            "dimensions": dimensions,
            "entries": len(entries),
            "scopes": len({entry.scope for entry in entries}),
            "promoted": sum(entry.promoted for entry in entries),
            "bytes": library.bytes,
            "unreadable": library.unreadable,
        }
    finally:
        library.close()
    if as_json:
        click.echo(json.dumps({**held, "totals": totals}))
        return
    hits = sum(totals.get("hits", {}).values())
    asked = hits + totals.get("misses", 0)
    click.echo(f"embedder   {embedder}, {dimensions} numbers")
    click.echo(f"entries    {held['entries']:,} in {held['scopes']:,} scopes, about {library.bytes / 1e6:.1f} MB")
    if held["unreadable"]:
        click.echo(f"unreadable {held['unreadable']:,} records of another version")
    if not asked:
        click.echo("hits       not known: no program has closed this cache yet")
        return
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(totals.get("hits", {}).items()))
    click.echo(f"hits       {hits:,} of {asked:,} ({hits / asked:.0%}): {kinds or 'none'}")
    refused = sorted(totals.get("vetoed", {}).items(), key=lambda item: -item[1])
    if refused:
        click.echo(f"vetoed     {', '.join(f'{count:,} {reason}' for reason, count in refused)}")
    tokens = totals.get("saved_input_tokens", 0) + totals.get("saved_output_tokens", 0)
    click.echo(f"saved      {tokens:,} tokens, {dollars(totals.get('saved_usd', 0.0))}")


@cache.command(help=_EXPORT_HELP, short_help="Every entry of a cache, as JSON lines.")
@click.argument("path", type=click.Path(path_type=Path))
def export(*, path: Path) -> None:
    """Every entry as a line; the help text is `_EXPORT_HELP`."""
    library = _opened(path)
    try:
        for entry in library.entries():
            line = {
                "text": entry.text,
                "answer": entry.response.text,
                "tool_calls": [[call.name, call.arguments] for call in entry.response.tool_calls],
                "model": entry.response.model,
                "created": entry.created,
                "expires": entry.expires,
                "worth_usd": entry.worth,
                "tags": list(entry.tags),
                "promoted": entry.promoted,
                "scope": entry.scope,
            }
            click.echo(json.dumps(line, ensure_ascii=False))
    finally:
        library.close()


@cache.command(help=_TUNE_HELP, short_help="Find the threshold for a wanted precision.")
@click.option("--pairs", "file", required=True, type=click.Path(path_type=Path), help="Labelled pairs: JSONL or CSV.")
@click.option("--embedder", default="local:all-minilm-l6-v2", show_default=True, help="Whose vectors.")
@click.option(
    "--precision",
    default=0.95,
    show_default=True,
    type=click.FloatRange(0.5, 1.0),
    help="Share of the hits that has to be right.",
)
@click.option("--plot", type=click.Path(path_type=Path), help="Also draw the curves into this file (matplotlib).")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def tune(*, file: Path, embedder: str, precision: float, plot: Path | None, as_json: bool) -> None:
    """Find a threshold; the help text is `_TUNE_HELP`."""
    from inferail.cache.semantic.curve import curve, read_pairs, recommended
    from inferail.cache.veto.judge import veto
    from inferail.cli.plot import check_pictures, picture, terminal

    if plot is not None:
        check_pictures()
    pairs = read_pairs(file)
    scores = similarities(pairs, embedder)
    same = [pair.same for pair in pairs]
    eligible = [veto(pair.first, pair.second) is None for pair in pairs]
    curves = {"similarity alone": curve(scores, same), "with vetoes": curve(scores, same, eligible)}
    found = {name: recommended(points, precision) for name, points in curves.items()}
    lines = {name: [(point.hit_rate, point.precision) for point in points] for name, points in curves.items()}
    if plot is not None:
        title = f"{embedder} on {len(pairs):,} pairs"
        picture(plot, lines, across="hit rate", up="precision", floor=_FLOOR, title=title)
    if as_json:
        click.echo(json.dumps({name: _fields(point) for name, point in found.items()}))
        return
    click.echo(f"{len(pairs):,} pairs, {sum(same) / len(same):.0%} of them with one answer; vectors of {embedder}\n")
    click.echo(terminal(lines, across="hit rate", up="precision", floor=_FLOOR))
    click.echo("")
    for name, point in found.items():
        click.echo(_told(name, point, precision, curves[name]))
    if plot is not None:
        click.echo(f"\ndrawn into {plot}")


def _told(name: str, point: Point | None, precision: float, points: Sequence[Point]) -> str:
    if point is not None:
        return (
            f"{name}: threshold {point.threshold:.3f} gives {point.hit_rate:.0%} hits, {point.precision:.1%} of them right "
            f"(at least {point.low:.1%} with 95 % confidence)"
        )
    best = max((point for point in points if point.hits >= 20), key=lambda point: point.precision, default=None)
    much = f"; the best is {best.precision:.1%}, at {best.threshold:.3f}" if best is not None else ": too few pairs"
    return f"{name}: no threshold reaches a precision of {precision:.1%}{much}"


def _fields(point: Point | None) -> dict[str, Any] | None:
    import dataclasses

    return None if point is None else dataclasses.asdict(point)


def similarities(pairs: Sequence[Pair], embedder: str) -> list[float]:
    """The cosine similarity of each pair; each text is embedded once."""
    import numpy as np

    import inferail as ir

    texts = sorted({text for pair in pairs for text in (pair.first, pair.second)}, key=len)
    place = {text: number for number, text in enumerate(texts)}
    batches = [texts[start : start + _BATCH] for start in range(0, len(texts), _BATCH)]
    with (
        ir.Embedder(embedder) as model,
        click.progressbar(batches, label="embedding", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar,
    ):
        vectors = np.concatenate([model.embed(batch, input_type="query").vectors for batch in bar])
    vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    first = vectors[[place[pair.first] for pair in pairs]]
    second = vectors[[place[pair.second] for pair in pairs]]
    scores: list[float] = np.einsum("rd,rd->r", first, second).tolist()
    return scores


def _opened(path: Path) -> Library:
    from inferail.cache.semantic.eviction import Recency
    from inferail.cache.semantic.library import Library, describe
    from inferail.store.protocol import wall_clock

    embedder, dimensions = describe(path)
    library = Library(order=Recency(), max_entries=sys.maxsize, max_bytes=sys.maxsize, path=path, now=wall_clock)
    library.open(embedder, dimensions)
    return library
