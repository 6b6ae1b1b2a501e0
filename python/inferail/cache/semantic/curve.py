"""What a threshold does to labelled pairs: how many hit, and how many of the hits are right."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from inferail.cache.semantic.stats import wilson
from inferail.errors import ConfigError, FormatError

__all__ = ["Pair", "Point", "at_hit_rate", "curve", "read_pairs", "recommended"]

_LABELS: Final = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
_FEWEST_HITS: Final = 20  # of fewer pairs a share says nothing


@dataclass(frozen=True, slots=True)
class Pair:
    """Two texts, and whether one answer does for both."""

    first: str = field(repr=False)
    second: str = field(repr=False)
    same: bool


@dataclass(frozen=True, slots=True)
class Point:
    """What happens at one threshold.

    Attributes:
        threshold: Pairs at least as near are hits.
        hits: How many are.
        hit_rate: Their share of the pairs.
        precision: Share of the hits that are right.
        low: Lower end of the 95 % interval of the precision, were the pairs drawn at random from your traffic.
        recall: Share of the pairs with one answer that are hits.
        false_hits: How many hits are wrong.
    """

    threshold: float
    hits: int
    hit_rate: float
    precision: float
    low: float
    recall: float
    false_hits: int


def read_pairs(path: Path) -> list[Pair]:
    """The pairs of a JSONL or CSV file with `text_a`, `text_b` and `label` (1, true, yes: one answer does for both).

    Raises:
        FormatError: A line is not of this form; `.offset` is the number of the line.
        ConfigError: The file cannot be read, or has no pairs.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or type(error).__name__}") from None
    except UnicodeDecodeError as error:
        raise FormatError(f"{path} is not UTF-8", path=str(path), offset=error.start) from None
    rows = _csv(text) if path.suffix.lower() in (".csv", ".tsv") else _jsonl(text)
    pairs = [_pair(path, number, row) for number, row in rows]
    if not pairs:
        raise ConfigError(f"{path} has no pairs")
    return pairs


def _jsonl(text: str) -> Iterator[tuple[int, Any]]:
    if text.lstrip().startswith("["):  # one JSON array, as some data sets come
        try:
            yield from enumerate(json.loads(text), start=1)
        except ValueError:
            yield 1, None
        return
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except ValueError:
                yield number, None


def _csv(text: str) -> Iterator[tuple[int, Any]]:
    lines = text.splitlines()
    reader = csv.DictReader(lines, delimiter="\t" if lines and "\t" in lines[0] else ",")
    for row in reader:
        yield reader.line_num, row


def _pair(path: Path, number: int, row: Any) -> Pair:
    fields = cast("dict[str, Any]", row) if isinstance(row, dict) else {}
    first, second = fields.get("text_a"), fields.get("text_b")
    same = _LABELS.get(str(fields.get("label")).strip().lower())
    if isinstance(first, str) and isinstance(second, str) and first.strip() and second.strip() and same is not None:
        return Pair(first, second, same)
    raise FormatError(
        f"line {number} of {path} is no pair: it needs text_a, text_b and a label of 0 or 1",
        path=str(path),
        offset=number,
    )


def curve(scores: Sequence[float], same: Sequence[bool], eligible: Sequence[bool] | None = None) -> list[Point]:
    """One point for each score that occurs, highest threshold first.

    Args:
        scores: Similarity of each pair.
        same: Whether one answer does for both.
        eligible: False where a veto keeps the pair from being a hit, however near it is.
    """
    total, right_ones = len(scores), sum(same)
    ranked = sorted(
        (score, right) for score, right, may in zip(scores, same, eligible or [True] * total, strict=True) if may
    )
    points: list[Point] = []
    hits = right = 0
    for place, (score, is_right) in enumerate(reversed(ranked)):
        hits += 1
        right += is_right
        if place + 1 < len(ranked) and ranked[-place - 2][0] == score:
            continue
        points.append(
            Point(
                threshold=score,
                hits=hits,
                hit_rate=hits / total,
                precision=right / hits,
                low=1.0 - wilson(hits - right, hits)[1],
                recall=right / right_ones if right_ones else 0.0,
                false_hits=hits - right,
            )
        )
    return points


def recommended(points: Sequence[Point], precision: float) -> Point | None:
    """The point with most hits at this precision; None if no threshold reaches it with at least twenty hits."""
    good = [point for point in points if point.precision >= precision and point.hits >= _FEWEST_HITS]
    return max(good, key=lambda point: point.hit_rate, default=None)


def at_hit_rate(points: Sequence[Point], hit_rate: float) -> Point | None:
    """The first point with at least this hit rate; None if none has it."""
    return next((point for point in points if point.hit_rate >= hit_rate - 1e-12), None)
