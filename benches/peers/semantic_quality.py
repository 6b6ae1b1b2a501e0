"""Wrong hits of a semantic cache at equal hit rates: the similarity alone, as GPTCache decides, and with our vetoes.

    python benches/peers/semantic_quality.py                        # the committed pairs, with their committed similarities
    python benches/peers/semantic_quality.py --pairs FILE --sample 8000 --plot curve.png --no-write

FILE is JSONL, JSON or CSV with text_a, text_b and label; `--embedder` makes its vectors. The Quora pairs that GPTCache's
repository has (examples/benchmark/similiar_qqp_full.json.gz, a tar archive) are such a file. At a hit rate the nearest pairs
are hits until there are so many; a veto takes a pair out, and the next one comes up.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from inferail.cache.semantic.curve import Pair, at_hit_rate, curve, read_pairs
from inferail.cache.veto.judge import ENGLISH, GREY, veto
from inferail.cli.cache import similarities
from inferail.cli.plot import check_pictures, picture, terminal
from report import ROOT, command_line, table, write_section

PAIRS = ROOT / "tests" / "cache" / "pairs.jsonl"
SIMILARITIES = ROOT / "tests" / "cache" / "similarities.json"
HIT_RATES = (0.05, 0.10, 0.20, 0.30, 0.35)


def compared(pairs: Sequence[Pair], scores: Sequence[float]) -> tuple[str, dict[str, list[tuple[float, float]]]]:
    """The table of one set of pairs, and its curves."""
    same = [pair.same for pair in pairs]
    curves = {
        "similarity alone": curve(scores, same),
        "with vetoes": curve(scores, same, [veto(pair.first, pair.second, ENGLISH) is None for pair in pairs]),
        "with grey vetoes": curve(scores, same, [veto(pair.first, pair.second, GREY) is None for pair in pairs]),
    }
    rows: list[list[str]] = []
    for hit_rate in HIT_RATES:
        points = [at_hit_rate(points, hit_rate) for points in curves.values()]
        cells = ["–" if point is None else f"{point.false_hits} ({point.precision:.1%})" for point in points]
        plain, vetoed = points[:2]
        fewer = "–" if plain is None or vetoed is None else f"{plain.false_hits / max(1, vetoed.false_hits):.1f}×"
        rows.append([f"{hit_rate:.0%}", *cells, fewer])
    columns = ["hit rate", *(f"{name}: wrong hits (precision)" for name in curves), "fewer with vetoes"]
    lines = {name: [(point.hit_rate, point.precision) for point in points] for name, points in curves.items()}
    return table(columns, rows), lines


def reasons(pairs: Sequence[Pair], scores: Sequence[float], above: float) -> str:
    """How often each veto spoke among the near pairs, and how often it was right to."""
    spoke: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for pair, score in zip(pairs, scores, strict=True):
        reason = veto(pair.first, pair.second, ENGLISH) if score >= above else None
        if reason is not None:
            spoke[reason] += 1
            right[reason] += not pair.same
    rows = [[reason, f"{count}", f"{right[reason] / count:.0%}"] for reason, count in spoke.most_common()]
    return table(["veto", f"pairs at {above} and nearer", "rightly"], rows)


def main() -> None:
    """Prints the tables and curves; without `--pairs` also writes its section of the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--pairs", type=Path, help="another file of labelled pairs")
    parser.add_argument("--embedder", default="local:all-minilm-l6-v2", help="makes the vectors of that file")
    parser.add_argument("--sample", type=int, help="so many of its pairs, drawn with a fixed seed")
    parser.add_argument("--plot", type=Path, help="draw the curves into this file (matplotlib)")
    parser.add_argument("--no-write", action="store_true", help="leave benches/RESULTS.md alone")
    options = parser.parse_args()
    if options.plot is not None:
        check_pictures()
    sets: dict[str, tuple[list[Pair], list[float]]] = {}
    if options.pairs is not None:
        pairs = read_pairs(options.pairs)
        if options.sample is not None and options.sample < len(pairs):
            pairs = random.Random(7).sample(pairs, options.sample)
        sets[options.pairs.name] = (pairs, similarities(pairs, options.embedder))
    else:
        pairs, scores = read_pairs(PAIRS), json.loads(SIMILARITIES.read_text(encoding="utf-8"))["similarities"]
        halves = [json.loads(line)["half"] for line in PAIRS.read_text(encoding="utf-8").splitlines()]
        sets["all pairs"] = (pairs, scores)
        for half, name in (("first", "first half (word lists tuned beside it)"), ("second", "second half (held out)")):
            chosen = [number for number, which in enumerate(halves) if which == half]
            sets[name] = ([pairs[number] for number in chosen], [scores[number] for number in chosen])
    body: list[str] = []
    for name, (chosen_pairs, chosen_scores) in sets.items():
        made, lines = compared(chosen_pairs, chosen_scores)
        share = sum(pair.same for pair in chosen_pairs) / len(chosen_pairs)
        body.append(f"**{name}**: {len(chosen_pairs):,} pairs, {share:.0%} with one answer\n\n{made}")
        print(f"\n{body[-1]}\n\n{terminal(lines, across='hit rate', up='precision', floor=0.4)}\n")
        print(reasons(chosen_pairs, chosen_scores, 0.85))
        if options.plot is not None:
            picture(options.plot, lines, across="hit rate", up="precision", floor=0.4, title=f"MiniLM, {name}")
            options.plot = None
    if not options.no_write and options.pairs is None:
        title = "Semantic cache: wrong hits at equal hit rates (MiniLM)"
        write_section("semantic_quality", title, command_line(), {}, "\n\n".join(body))


if __name__ == "__main__":
    main()
